//! The file itself, how the verdict was made, and how to cite it.

use super::safe;
use crate::words;
use maud::{Markup, html};
use seamline_core::{ClipRecord, ModelInfo, RunInfo, StreamInfo};

/// The file: hash, streams, gaps.
pub(super) fn file(record: &ClipRecord) -> Markup {
    html! {
        section id="file" aria-labelledby="file-h" {
            h2 id="file-h" { "The file" }
            dl class="rows" {
                div { dt { "path" } dd class="hash" { (safe(&record.path)) } }
                div {
                    dt { "SHA-256" }
                    dd class="hash" { @match &record.clip { Some(h) => (h.to_string()), None => "the file could not be read" } }
                }
                div { dt { "size" } dd { @if record.clip.is_none() && record.size == 0 { "not known" } @else { (words::bytes(record.size)) } } }
                div { dt { "decoding" } dd { @if record.policy.is_empty() { "nothing was decoded" } @else { (safe(&record.policy)) } } }
            }
            h3 { "Streams" }
            @if record.streams.is_empty() { p { "None were recognised." } }
            @else {
                table class="stack dense" {
                    thead {
                        tr {
                            th scope="col" { "Stream" } th scope="col" { "Kind" } th scope="col" { "Codec" } th scope="col" { "Format" }
                            th scope="col" { "Length" } th scope="col" { "Bit rate" } th scope="col" { "Judged" }
                        }
                    }
                    tbody {
                        @for s in &record.streams {
                            tr {
                                th scope="row" data-label="Stream" { (s.index.0) }
                                td data-label="Kind" { (words::stream_kind(s.kind)) }
                                td data-label="Codec" { (safe(&s.codec)) }
                                td data-label="Format" { (format_of(s)) }
                                td data-label="Length" { @match s.duration { Some(d) => (d.to_string()), None => "not declared" } }
                                td data-label="Bit rate" { @match s.bit_rate { Some(b) => { (words::thousands(b / 1_000)) " kbit/s" }, None => "not declared" } }
                                td data-label="Judged" { (if s.judged { "yes" } else { "no" }) }
                            }
                        }
                    }
                }
            }
            h3 id="gaps" { "Gaps" }
            @if record.gaps.is_empty() && record.streams.is_empty() { p { "Nothing was decoded." } }
            @else if record.gaps.is_empty() && words::failed(record) { p { "None recorded, but something broke (see Not judged)." } }
            @else if record.gaps.is_empty() { p { "None: everything that was meant to be decoded was." } }
            @else {
                ul {
                    @for g in &record.gaps {
                        li {
                            @match g.stream { Some(s) => { "stream " (s.0) }, None => "the file" } ", " (g.span.to_string()) ": "
                            (safe(&words::shorten(&g.cause, super::VALUE)))
                        }
                    }
                }
            }
        }
    }
}

fn format_of(s: &StreamInfo) -> String {
    let mut parts = Vec::new();
    if let (Some(w), Some(h)) = (s.width, s.height) {
        parts.push(format!("{w} × {h} px"));
    }
    if let Some(r) = s.rotation_degrees.filter(|r| *r != 0) {
        parts.push(format!("turned {r}°"));
    }
    if let Some(hz) = s.sample_rate_hz {
        parts.push(format!("{} Hz", words::thousands(hz.into())));
    }
    if let Some(n) = s.channels {
        parts.push(words::count(n.into(), "channel", "channels"));
    }
    parts.join(", ")
}

/// How the verdict was made.
pub(super) fn method(record: &ClipRecord, info: &RunInfo) -> Markup {
    html! {
        section id="method" aria-labelledby="method-h" {
            h2 id="method-h" { "How this was made" }
            dl class="rows" {
                div { dt { "Seamline" } dd { (safe(&info.version)) ", profile " (safe(&info.profile)) } }
                div { dt { "pipeline digest" } dd { span class="hash" { (info.pipeline_digest.to_string()) } span class="sub" { "Reports with equal digests were made alike and can be compared." } } }
                div { dt { "fusion data" } dd { (safe(&record.verdict.fusion)) } }
                div { dt { "libraries" } dd { "ONNX Runtime " (safe(&info.onnxruntime)) ", libavcodec " (safe(&info.libavcodec)) } }
                div {
                    dt { "isolation" }
                    dd {
                        @if info.jail.is_full() { "The file was opened in a process that could reach neither network nor other files." }
                        @else { "The process that opened the file was not fully shut in on this machine." }
                        span class="sub" { "system-call filter " (if info.jail.seccomp { "on" } else { "off" }) ", Landlock " (safe(&info.jail.landlock)) }
                    }
                }
            }
            h3 { "Models" }
            @if info.models.is_empty() { p { "None took part." } }
            div class="cards" { @for m in &info.models { (model(m)) } }
        }
    }
}

fn model(m: &ModelInfo) -> Markup {
    html! {
        article class="card" {
            h4 { (safe(&m.id)) " " (safe(&m.version)) }
            p { (safe(&m.title)) }
            dl class="detail" {
                div { dt { "role" } dd { (safe(&m.role)) } }
                div { dt { "calibrated" } dd { (if m.calibrated { "yes" } else if m.role == "detector" { "no: its scores make no LLR" } else { "does not apply" }) } }
                @if let Some([rate, lo, hi]) = m.false_alarm_rate {
                    div {
                        dt { "false alarms" }
                        dd { (format!("{:.1} % of genuine clips, 95 % bounds {:.1} to {:.1} %", rate * 100.0, lo * 100.0, hi * 100.0)) }
                    }
                } @else if m.role == "detector" {
                    div { dt { "false alarms" } dd { "not measured" } }
                }
                div { dt { "licence" } dd { (safe(&m.licence)) } }
                div { dt { "SHA-256" } dd class="hash" { (m.sha256.to_string()) } }
            }
        }
    }
}

/// Text to quote.
pub(super) fn cite(record: &ClipRecord, info: &RunInfo, name: &str) -> Markup {
    let v = &record.verdict;
    let hash = record.clip.map_or_else(|| "not available".into(), |h| h.to_string());
    let llr = v.llr.map_or_else(
        || "no LLR".into(),
        |l| format!("LLR {} (natural logarithm, positive supports spoof)", words::llr(l)),
    );
    let text = format!(
        "{name}, SHA-256 {hash}, {}.\nSeamline {}, pipeline {}, fusion {}.\nConclusion: {}; {llr}.\nA verdict states how evidence weighs. It is not proof that a clip is genuine or fake.",
        words::bytes(record.size),
        safe(&info.version),
        info.pipeline_digest,
        safe(&v.fusion),
        words::conclusion_with_band(v.conclusion),
    );
    html! {
        section id="cite" aria-labelledby="cite-h" {
            h2 id="cite-h" { "How to cite this" }
            pre { (text) }
        }
    }
}
