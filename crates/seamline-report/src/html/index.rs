//! The index of all pages of a run.

use super::{badge, document, safe};
use crate::words;
use maud::{Markup, html};
use seamline_core::{ClipRecord, Conclusion, LlrInterval, Outcome, RunInfo, RunTotals, Support};

/// What the index keeps of a clip.
#[derive(Clone, Debug)]
pub struct IndexEntry {
    /// The page's file name.
    pub file: String,
    /// The clip's path.
    pub path: String,
    /// The first digits of the clip's hash; absent where the file could not be read.
    pub hash: Option<String>,
    /// What the clip comes to.
    pub conclusion: Conclusion,
    /// The LLR behind it; absent where findings carry the conclusion, and where nothing was measured.
    pub llr: Option<LlrInterval>,
    /// The first reason.
    pub reason: String,
    /// Whether something broke on the way.
    pub failed: bool,
}

impl IndexEntry {
    /// Keeps what the index needs.
    pub fn new(record: &ClipRecord, file: String) -> Self {
        Self {
            file,
            path: record.path.clone(),
            hash: record.clip.map(|c| c.short()),
            conclusion: record.verdict.conclusion,
            llr: match record.verdict.conclusion.support() {
                Some(_) => words::carrying_llr(record),
                None => record.verdict.llr,
            },
            reason: words::shorten(record.verdict.reasons.first().map_or("", String::as_str), 300),
            failed: record.evidence.iter().any(|e| matches!(e.outcome, Outcome::Failed { .. })),
        }
    }
}

/// The index of all pages, in the order given.
pub fn index_page(entries: &[IndexEntry], totals: &RunTotals, info: &RunInfo) -> String {
    let body = html! {
        header class="page" {
            p class="brand" { "Seamline report" }
            h1 { (words::count(totals.clips, "clip", "clips")) }
        }
        main id="main" {
            @if totals.interrupted {
                p class="notice" { "The run was stopped before its end: clips that were not begun are missing here." }
            }
            section aria-labelledby="counts-h" {
                h2 id="counts-h" { "What they come to" }
                ul class="counts" {
                    (count(totals.supports_spoof, "support spoof", Conclusion::SupportsSpoof(Support::Limited)))
                    (count(totals.supports_bonafide, "support bona fide", Conclusion::SupportsBonaFide(Support::Limited)))
                    (count(totals.inconclusive, "inconclusive", Conclusion::Inconclusive))
                    (count(totals.not_assessable, "not assessable", Conclusion::NotAssessable))
                }
                @if totals.failed > 0 { p { (words::count(totals.failed, "clip", "clips")) " with at least one failure." } }
                p class="aside" { "A verdict states how evidence weighs; it is not proof. Inconclusive does not mean genuine." }
            }
            section aria-labelledby="clips-h" {
                h2 id="clips-h" { "Clips" }
                @if entries.is_empty() { p { "None." } }
                @else {
                    table class="stack clips" {
                        thead { tr { th scope="col" { "Clip" } th scope="col" { "Verdict" } th scope="col" { "LLR" } th scope="col" { "Main reason" } } }
                        tbody { @for e in entries { (row(e)) } }
                    }
                }
            }
            section aria-labelledby="run-h" {
                h2 id="run-h" { "The run" }
                dl class="rows" {
                    div { dt { "Seamline" } dd { (safe(&info.version)) ", profile " (safe(&info.profile)) } }
                    div { dt { "pipeline digest" } dd class="hash" { (info.pipeline_digest.to_string()) } }
                    div { dt { "fusion data" } dd { (safe(&info.fusion)) } }
                    div {
                        dt { "models" }
                        dd {
                            @if info.models.is_empty() { "none" }
                            @for m in &info.models { p { (safe(&m.id)) " " (safe(&m.version)) " " span class="sub inline hash" { (m.sha256.short()) } } }
                        }
                    }
                }
            }
        }
    };
    document(&format!("{} | Seamline", words::count(totals.clips, "clip", "clips")), &info.version, body)
}

fn count(n: u64, what: &str, c: Conclusion) -> Markup {
    html! { li class=(super::class_of(c)) { (super::sign(c)) strong { (words::thousands(n)) } " " (what) } }
}

fn row(e: &IndexEntry) -> Markup {
    html! {
        tr {
            th scope="row" data-label="Clip" {
                span {
                    a href=(address(&e.file)) { (safe(&e.path)) }
                    @if let Some(hash) = &e.hash { span class="sub hash" { (hash) } }
                }
            }
            td data-label="Verdict" { (badge(e.conclusion)) @if e.failed { span class="sub" { "with a failure" } } }
            td data-label="LLR" class="num" {
                @match e.llr {
                    Some(l) => { span { (l.value.to_string()) span class="sub" { "[" (l.lo.to_string()) ", " (l.hi.to_string()) "]" } } },
                    None => span class="sub" { (if e.conclusion.support().is_some() { "by findings" } else { "no LLR" }) },
                }
            }
            td data-label="Main reason" { (safe(&e.reason)) }
        }
    }
}

/// A relative address; everything but unreserved characters (RFC 3986) is percent-encoded, so that no name can
/// become a scheme, a query or another folder.
fn address(file: &str) -> String {
    let mut out = String::from("./");
    for b in file.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}
