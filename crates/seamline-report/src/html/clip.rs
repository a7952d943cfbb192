//! One clip's page.

use super::{badge, class_of, document, evidence, method, safe, scale, sign, timeline};
use crate::words;
use maud::{Markup, html};
use seamline_core::code::Direction;
use seamline_core::{AspectVerdict, ClipRecord, Conclusion, Llr, Outcome, RunInfo, Strength};

/// One clip's page.
pub fn clip_page(record: &ClipRecord, info: &RunInfo) -> String {
    let title = format!(
        "{}: {} | Seamline",
        file_of(&record.path),
        words::conclusion_with_band(record.verdict.conclusion)
    );
    let body = html! {
        header class="page" {
            p class="brand" { "Seamline report" }
            (heading(record))
        }
        main id="main" { (sections(record, info)) }
    };
    document(&title, &info.version, body)
}

/// What a page of others puts around a clip's report: its name with links to the sections, and the sections.
/// [`STYLE`](super::STYLE) dresses them; like the page itself they hold no script.
pub fn clip_parts(record: &ClipRecord, info: &RunInfo) -> (String, String) {
    (heading(record).into_string(), sections(record, info).into_string())
}

fn heading(record: &ClipRecord) -> Markup {
    let name = file_of(&record.path);
    html! {
        h1 { (name) }
        @if safe(&record.path) != name { p class="path" { (safe(&record.path)) } }
        nav aria-label="On this page" {
            a href="#answers" { "Answers" }
            a href="#timeline" { "Timeline" }
            @if evidence::has_faces(record) { a href="#faces" { "Faces" } }
            a href="#findings" { "Findings" }
            a href="#not-judged" { "Not judged" }
            a href="#file" { "File" }
            a href="#method" { "Method" }
            a href="#cite" { "How to cite" }
            a href="#evidence" { "All evidence" }
        }
    }
}

fn sections(record: &ClipRecord, info: &RunInfo) -> Markup {
    html! {
        (verdict(record))
        (answers(record))
        (timeline::section(record))
        (evidence::faces(record))
        (evidence::findings(record))
        (evidence::not_judged(record))
        (method::file(record))
        (method::method(record, info))
        (method::cite(record, info, &file_of(&record.path)))
        (evidence::all(record))
    }
}

/// The last part of a path, made safe.
fn file_of(path: &str) -> String {
    let name = path.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or(path);
    safe(if name.is_empty() { "(no name)" } else { name })
}

fn verdict(record: &ClipRecord) -> Markup {
    let v = &record.verdict;
    let c = v.conclusion;
    let leading = v.aspects.iter().find(|a| a.llr.is_some() && a.llr == v.llr);
    html! {
        section class={ "verdict " (class_of(c)) } aria-labelledby="verdict" {
            div class="head" {
                (sign(c))
                div {
                    p class="kicker" { "Verdict" }
                    h2 id="verdict" { (sentence_case(words::conclusion(c))) }
                    @if let Some(s) = c.support() {
                        p class="band" { (sentence_case(words::support(s))) " support (of limited, moderate, strong)" }
                    }
                }
            }
            p class="aside terms" {
                "Spoof: manipulated, cloned or generated. Bona fide: a genuine recording. Support: how the evidence weighs between the two."
            }
            div class="meaning" { @for p in meaning(record) { p { (p) } } }
            @if let Some(l) = v.llr {
                (scale::scale(l, leading.and_then(|a| operating_point(record, a))))
                @if let Some(a) = leading.filter(|_| c.support().is_some() && words::carrying_llr(record) != Some(l)) {
                    p class="aside" {
                        "This is the highest LLR among the aspects (" (a.aspect.as_str()) "); on its own it does not carry the verdict."
                    }
                }
            }
            @if !v.reasons.is_empty() {
                h3 { "Why" }
                ul class="reasons" { @for r in &v.reasons { li { (safe(&words::shorten(r, super::VALUE))) } } }
            }
            details class="limits" open {
                summary { "What this verdict does not say" }
                ul { @for l in limits(record) { li { (l) } } }
            }
        }
    }
}

fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// The conclusion in plain language.
fn meaning(record: &ClipRecord) -> Vec<String> {
    let v = &record.verdict;
    let carrying = words::carrying_llr(record);
    let times = |a: f64, lo: f64, hi: f64, one: &str, other: &str| {
        format!(
            "What was measured is about {} times as probable if the clip {one} as if it {other} (95 % interval: {} to {} times).",
            words::ratio(a),
            words::ratio(lo),
            words::ratio(hi)
        )
    };
    let (fake, real) = ("was manipulated, cloned or generated", "is a genuine recording");
    let mut out = Vec::new();
    match (v.conclusion, carrying) {
        (Conclusion::SupportsSpoof(_), Some(l)) => {
            out.push(times(l.value.nats(), l.lo.nats(), l.hi.nats(), fake, real));
        }
        (Conclusion::SupportsBonaFide(_), Some(l)) => {
            out.push(times(-l.value.nats(), -l.hi.nats(), -l.lo.nats(), real, fake));
        }
        (Conclusion::SupportsSpoof(_) | Conclusion::SupportsBonaFide(_), None) => {
            let rests = if strongest(record) == Some(Strength::Proves) {
                "a trusted signature or mark in the file"
            } else {
                "what the file says of itself"
            };
            out.push(format!(
                "The verdict rests on {rests} (see Findings), not on a measured likelihood ratio."
            ));
        }
        (Conclusion::Inconclusive, _) => {
            if v.aspects.iter().any(|a| matches!(a.conclusion, Conclusion::SupportsSpoof(_))) {
                out.push("The evidence contradicts itself. A person has to look at it.".into());
            } else {
                out.push("The clip was judged, and the evidence does not carry a conclusion.".into());
                // The scale shows a side; without this the reader takes it for an answer.
                out.push(
                    match v.llr.map(|l| l.value.nats()) {
                        Some(n) if n > 0.0 => "The value below lies above zero but does not support spoof: it is below the operating point, where genuine clips are found too, or its interval reaches 0.",
                        Some(n) if n < 0.0 => "Nothing found is not proof of a genuine clip: the value below lies on the side of bona fide, but too weakly, or no detector behind it is validated to support that side.",
                        _ => "Nothing found is not proof of a genuine clip.",
                    }
                    .into(),
                );
            }
        }
        (Conclusion::NotAssessable, _) => {
            out.push("There was nothing that could be judged, or judging failed. This says nothing about whether the clip is genuine.".into());
        }
    }
    if declared_only(record) {
        out.push(
            "The file declares it in plain metadata. Whoever handled the file could have written that."
                .into(),
        );
    }
    let mut families: Vec<_> = v.aspects.iter().flat_map(|a| a.families.iter().copied()).collect();
    families.sort();
    families.dedup();
    if matches!(v.conclusion, Conclusion::SupportsSpoof(_)) && !families.is_empty() {
        out.push(format!(
            "The detectors behind it are built to see: {}. They do not tell these apart.",
            words::families(&families)
        ));
    }
    out
}

/// The strongest finding on the side of the conclusion.
fn strongest(record: &ClipRecord) -> Option<Strength> {
    let side = match record.verdict.conclusion {
        Conclusion::SupportsSpoof(_) => Direction::Spoof,
        Conclusion::SupportsBonaFide(_) => Direction::Bonafide,
        Conclusion::Inconclusive | Conclusion::NotAssessable => return None,
    };
    words::findings(record).iter().filter(|f| f.2.direction == side).map(|f| f.2.strength).max()
}

/// Whether a verdict of spoof rests on declarations and nothing stronger.
fn declared_only(record: &ClipRecord) -> bool {
    matches!(record.verdict.conclusion, Conclusion::SupportsSpoof(_))
        && words::carrying_llr(record).is_none()
        && strongest(record) == Some(Strength::Declares)
}

fn limits(record: &ClipRecord) -> Vec<&'static str> {
    let mut out = vec![
        "It is not proof. It states how the evidence weighs; a person decides, with everything else that is known about the clip.",
        "The likelihood ratio is not the probability that the clip is fake: that depends also on what was known before, such as the source.",
    ];
    match record.verdict.conclusion {
        Conclusion::SupportsSpoof(_) if words::carrying_llr(record).is_none() => {
            out.push("A label or signature can be wrong, and can be put on a genuine file.");
        }
        Conclusion::SupportsSpoof(_) => out.push(
            "Genuine clips are called fake at a known rate (see Method), more often after heavy compression or in conditions unlike those tested.",
        ),
        Conclusion::SupportsBonaFide(_) => {
            if words::carrying_llr(record).is_none() {
                out.push("A signature speaks for who signed and for what was signed, not for what stood before the camera.");
            }
            out.push("A manipulation that none of these detectors knows leaves the same picture.");
        }
        Conclusion::Inconclusive => out.push(
            "Inconclusive does not mean genuine. The operating points are set for few false alarms, so many fakes stay below them.",
        ),
        Conclusion::NotAssessable if words::failed(record) => {
            out.push("What broke is named under Not judged; another copy of the clip may be readable.");
        }
        Conclusion::NotAssessable => {
            out.push("A longer, larger or less compressed copy of the clip may be assessable.");
        }
    }
    if super::evidence::unjudged_faces(record) > 0 {
        out.push("Faces are visible in the clip that no detector judged (see Not judged).");
    }
    out.push("Each detector sees the families of manipulation it was trained on. Whether the scene was staged or the caption is true is not judged.");
    out
}

/// The operating point of an aspect that one detector speaks for.
fn operating_point(record: &ClipRecord, a: &AspectVerdict) -> Option<Llr> {
    let mut points = record.evidence.iter().filter(|e| e.aspect == a.aspect && e.rollup).filter_map(|e| {
        match &e.outcome {
            Outcome::Scored { llr: Some(_), supports_spoof_at, .. } => Some(*supports_spoof_at),
            _ => None,
        }
    });
    let first = points.next()?;
    // Members with different points are pooled; the fuser's pooled point is not in the record.
    if points.all(|p| p == first) { first } else { None }
}

fn answers(record: &ClipRecord) -> Markup {
    let speaks = |a: &&AspectVerdict| {
        record.evidence.iter().any(|e| e.aspect == a.aspect) || a.conclusion != Conclusion::NotAssessable
    };
    let covered: Vec<_> = record.verdict.aspects.iter().filter(speaks).collect();
    html! {
        section id="answers" aria-labelledby="answers-h" {
            h2 id="answers-h" { "Answers, question by question" }
            p class="intro" { "Each question is answered on its own. The verdict is as suspect as the most suspect answer." }
            @if covered.is_empty() {
                p { "Nothing was found in this file that any question could be put to." }
            } @else {
                table class="stack" {
                    thead { tr { th scope="col" { "Question" } th scope="col" { "Answer" } th scope="col" { "LLR" } th scope="col" { "Why" } } }
                    tbody { @for a in covered { (answer(record, a)) } }
                }
            }
            @if let Some((all, why)) = words::silent(record) {
                p class="aside" { "Not covered: " (all) " (" (why) ")." }
            }
        }
    }
}

fn answer(record: &ClipRecord, a: &AspectVerdict) -> Markup {
    html! {
        tr {
            th scope="row" data-label="Question" {
                strong { (sentence_case(a.aspect.as_str())) }
                span class="sub" { (words::question(a.aspect)) }
            }
            td data-label="Answer" { (badge(a.conclusion)) }
            td data-label="LLR" class="num" {
                @match a.llr {
                    Some(l) => { (l.value.to_string()) span class="sub" { "[" (l.lo.to_string()) ", " (l.hi.to_string()) "]" } },
                    None => span class="sub" { "no LLR" },
                }
                @if let Some(s) = a.score { span class="sub" { "raw " (format!("{s:.3}")) } }
            }
            td data-label="Why" {
                div {
                    @let why = why(record, a);
                    @if why.is_empty() { span class="sub" { "No reason given." } }
                    @else { ul { @for r in &why { li { (safe(&words::shorten(r, super::VALUE))) } } } }
                    @if !a.families.is_empty() { p class="sub" { "Sees: " (words::families(&a.families)) } }
                    // Without a side there is nothing to carry: the fuser lists what leans each way.
                    @let (with, against) = if a.conclusion.support().is_some() { ("Carried by", "Against it") } else { ("Toward spoof", "Toward bona fide") };
                    (links(with, &a.carried_by, record))
                    (links(against, &a.against, record))
                }
            }
        }
    }
}

/// The fuser's reasons, or else why nothing was judged.
fn why(record: &ClipRecord, a: &AspectVerdict) -> Vec<String> {
    if a.reasons.is_empty() { words::not_judged(record, a.aspect) } else { a.reasons.clone() }
}

/// Links to rows of the evidence table; indices that are not there are left out.
fn links(what: &str, indices: &[usize], record: &ClipRecord) -> Markup {
    let known: Vec<usize> = indices.iter().copied().filter(|&i| i < record.evidence.len()).collect();
    html! {
        @if !known.is_empty() {
            p class="sub" { (what) ": " @for i in known { a href={ "#e" (i) } { "evidence " (i) } " " } }
        }
    }
}
