//! Evidence in a page: faces, findings, what was not judged, and the whole table.

use super::{exhibit, safe, safe_lines};
use crate::words;
use maud::{Markup, html};
use seamline_core::code::Direction;
use seamline_core::{
    Aspect, ClipRecord, Evidence, Exhibit, Outcome, PixelBox, Span, Strength, Subject, TrackId,
};
use std::collections::BTreeMap;

/// One face with everything that speaks of it.
struct Face<'r> {
    span: Span,
    place: PixelBox,
    pictures: Vec<&'r Exhibit>,
    evidence: Vec<(usize, &'r Evidence)>,
}

fn tracks(record: &ClipRecord) -> BTreeMap<TrackId, Face<'_>> {
    let mut out: BTreeMap<TrackId, Face<'_>> = BTreeMap::new();
    let mut at = |s: &Subject| match s {
        Subject::Track { track, span, face } => {
            let new = || Face { span: *span, place: *face, pictures: Vec::new(), evidence: Vec::new() };
            out.entry(*track).or_insert_with(new);
            Some(*track)
        }
        _ => None,
    };
    let mut evidence = Vec::new();
    for (i, e) in record.evidence.iter().enumerate() {
        evidence.extend(at(&e.subject).map(|t| (t, (i, e))));
    }
    let mut pictures = Vec::new();
    for x in &record.exhibits {
        pictures.extend(at(&x.subject).map(|t| (t, x)));
    }
    for (t, e) in evidence {
        out.entry(t).and_modify(|f| f.evidence.push(e));
    }
    for (t, x) in pictures {
        out.entry(t).and_modify(|f| f.pictures.push(x));
    }
    out
}

/// Whether there is a section of faces or other pictures.
pub(super) fn has_faces(record: &ClipRecord) -> bool {
    !tracks(record).is_empty() || other_pictures(record).next().is_some()
}

/// Faces that were followed and on which no detector has an answer.
pub(super) fn unjudged_faces(record: &ClipRecord) -> usize {
    let answered = |f: &Face<'_>| f.evidence.iter().any(|(_, e)| matches!(e.outcome, Outcome::Scored { .. }));
    tracks(record).values().filter(|f| !answered(f)).count()
}

/// Pictures that belong neither to a face nor on the timeline.
fn other_pictures(record: &ClipRecord) -> impl Iterator<Item = &Exhibit> {
    record.exhibits.iter().filter(|x| x.kind != "spectrogram" && !matches!(x.subject, Subject::Track { .. }))
}

/// Faces beside what was measured on them.
pub(super) fn faces(record: &ClipRecord) -> Markup {
    let tracks = tracks(record);
    let others: Vec<_> = other_pictures(record).collect();
    html! {
        @if !tracks.is_empty() || !others.is_empty() {
            section id="faces" aria-labelledby="faces-h" {
                h2 id="faces-h" { "Faces and pictures" }
                @if !tracks.is_empty() {
                    p class="intro" { "A face is followed within one shot; the same person in another shot is another number." }
                }
                div class="cards" {
                    @for (track, face) in &tracks { (card(*track, face)) }
                    @for x in others {
                        figure class="card" {
                            (exhibit::image(x, "wide"))
                            figcaption { (safe(&x.caption)) span class="sub" { (words::subject(&x.subject)) } }
                        }
                    }
                }
            }
        }
    }
}

fn card(track: TrackId, face: &Face<'_>) -> Markup {
    let of = |kind: &str| face.pictures.iter().copied().filter(|x| x.kind == kind).collect::<Vec<_>>();
    let (crops, curves) = (of("crop"), of("curve"));
    let thumbs =
        face.pictures.iter().filter(|x| !matches!(x.kind.as_str(), "crop" | "curve")).collect::<Vec<_>>();
    let long = !crops.is_empty() || !curves.is_empty();
    html! {
        article class={ "card face" (if long { " long" } else { "" }) } {
            div class="thumbs" {
                @for x in &thumbs {
                    figure { (exhibit::image(x, "thumb")) figcaption { (safe(&x.caption)) } }
                }
                @if thumbs.is_empty() { p class="sub nothumb" { "no picture kept" } }
            }
            div {
                h3 { "Face " (track.0) }
                p class="sub" {
                    (face.span.to_string()) "; " (format!("{:.0} × {:.0} px at ({:.0}, {:.0})", face.place.w, face.place.h, face.place.x, face.place.y))
                }
                @if face.evidence.is_empty() { p { "Seen, not judged: no detector said anything about this face." } }
                @for (i, e) in &face.evidence {
                    p class="said" {
                        a href={ "#e" (i) } { (e.detector.as_str()) } ": " (safe(&words::outcome(&e.outcome)))
                        @if !e.quality.is_empty() { span class="sub" { (words::quality_line(&e.quality)) } }
                    }
                }
            }
            @if !crops.is_empty() { (telling(&crops)) }
            @for x in &curves {
                div class="telling" {
                    h4 { "Mouth and sound" }
                    figure class="curve" { (exhibit::image(x, "wide")) figcaption { (safe(&x.caption)) } }
                    p class="sub" { "A mouth that speaks opens when the sound is loud. Consonants, laughter, music and a turned head weaken this in genuine clips too." }
                }
            }
        }
    }
}

/// The crops that tell most, as a detector saw them; beside a mapped one, which parts its score rests on.
fn telling(crops: &[&Exhibit]) -> Markup {
    let peak = crops.iter().find_map(|x| x.heat.as_ref()).map(seamline_core::HeatMap::peak);
    html! {
        div class="telling" {
            h4 { "What the score rests on" }
            div class="film" {
                @for x in crops {
                    figure { (exhibit::image(x, "thumb")) figcaption { (safe(&x.caption)) } }
                    @if let Some(map) = &x.heat {
                        figure { (exhibit::heated(x, map, "thumb")) figcaption { "the same picture: framed parts weigh most" } }
                    }
                }
            }
            p class="sub" {
                "The pictures with the highest raw scores of this face, the highest first."
                @if let Some(peak) = peak {
                    " Each part of the first was blurred in turn; where that lowers the score it stays bright (by "
                    (format!("{peak:.2}")) " at most), elsewhere it is dark. This explains the score. It does not show where a face was changed: the model's card says how such maps compare with known seams."
                }
            }
        }
    }
}

/// Findings, strongest first.
pub(super) fn findings(record: &ClipRecord) -> Markup {
    let all = words::findings(record);
    let groups = [
        (Strength::Proves, "Proves", "Cryptography or statistics say so."),
        (
            Strength::Declares,
            "Declares",
            "The file, or whoever wrote it, says so. Plain text can be forged or removed.",
        ),
        (Strength::Hint, "Hints", "Worth a look; decides nothing."),
        (Strength::Context, "Context", "Explains the file; says nothing about being fake."),
    ];
    html! {
        section id="findings" aria-labelledby="findings-h" {
            h2 id="findings-h" { "Findings in the file" }
            @if all.is_empty() && words::failed(record) {
                p { "None, but something broke (see Not judged): the file may not have been searched to its end." }
            } @else if all.is_empty() {
                p { "No signature, label, generator's trace or damage was found. Most platforms strip such data, so its absence says nothing." }
            }
            @for (strength, title, what) in groups {
                @let here: Vec<_> = all.iter().filter(|f| f.2.strength == strength).collect();
                @if !here.is_empty() {
                    div class={ "group g-" (words::strength(strength)) } {
                        h3 { (title) " " span class="sub inline" { (what) } }
                        ul class="tree" {
                            @for (i, e, code, detail) in here {
                                li {
                                    p {
                                        span class="speaks" { (direction(code.direction)) }
                                        " " (code.summary) " "
                                        a class="code" href={ "#e" (i) } { (code.name) }
                                        @if !matches!(e.subject, Subject::Clip) { span class="sub" { (words::subject(&e.subject)) } }
                                    }
                                    @if !detail.is_empty() {
                                        dl class="detail" {
                                            @for (name, value) in *detail {
                                                div { dt { (safe(name)) } dd { (safe_lines(&words::shorten(value, super::VALUE))) } }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

const fn direction(d: Direction) -> &'static str {
    match d {
        Direction::Spoof => "for spoof",
        Direction::Bonafide => "for bona fide",
        Direction::Neutral => "neutral",
    }
}

/// What was not judged, and why.
pub(super) fn not_judged(record: &ClipRecord) -> Markup {
    let all: Vec<(Aspect, Vec<String>)> = Aspect::ALL
        .iter()
        .map(|&a| (a, words::not_judged(record, a)))
        .filter(|(_, why)| !why.is_empty())
        .collect();
    let silent = words::silent(record);
    html! {
        section id="not-judged" aria-labelledby="not-judged-h" {
            h2 id="not-judged-h" { "What was not judged, and why" }
            dl class="rows" {
                @for (aspect, why) in &all {
                    div {
                        dt { (aspect.as_str()) }
                        dd { @for w in why { p { (safe(&words::shorten(w, super::VALUE))) } } }
                    }
                }
                @if let Some(quiet) = words::quiet(record) {
                    div { dt { "no finding" } dd { (quiet) } }
                }
                @if let Some((names, why)) = &silent {
                    div { dt { "not covered" } dd { (names) ": " (why) } }
                }
                @let faces = unjudged_faces(record);
                @if faces > 0 {
                    div { dt { "faces" } dd { a href="#faces" { (words::count(faces as u64, "face", "faces")) } " seen, with no answer from any detector" } }
                }
                @let unjudged: Vec<_> = record.streams.iter().filter(|s| !s.judged).collect();
                @if !unjudged.is_empty() {
                    div {
                        dt { "streams" }
                        dd { @for s in &unjudged { p { "stream " (s.index.0) " (" (words::stream_kind(s.kind)) ", " (safe(&s.codec)) ") was not decoded" } } }
                    }
                }
                @if !record.gaps.is_empty() {
                    div {
                        dt { "gaps" }
                        dd { a href="#gaps" { (words::count(record.gaps.len() as u64, "span", "spans")) " of the file" } " could not be decoded or were left out" }
                    }
                }
                @if all.is_empty() && silent.is_none() && unjudged.is_empty() && record.gaps.is_empty() && faces == 0 {
                    div { dt { "nothing" } dd { "everything that was asked was judged" } }
                }
            }
        }
    }
}

/// Every piece of evidence, nothing cut.
pub(super) fn all(record: &ClipRecord) -> Markup {
    html! {
        section id="evidence" aria-labelledby="evidence-h" {
            h2 id="evidence-h" { "All evidence" }
            details open[record.evidence.len() <= 12] {
                summary { (words::count(record.evidence.len() as u64, "statement", "statements")) ", in the order in which they were made" }
                @if !record.evidence.is_empty() {
                    table class="stack dense log" {
                        thead {
                            tr {
                                th scope="col" { "No." } th scope="col" { "Aspect" } th scope="col" { "By" }
                                th scope="col" { "About" } th scope="col" { "Outcome" } th scope="col" { "Quality" }
                            }
                        }
                        tbody { @for (i, e) in record.evidence.iter().enumerate() { (row(record, i, e)) } }
                    }
                }
            }
        }
    }
}

fn row(record: &ClipRecord, i: usize, e: &Evidence) -> Markup {
    let aspects = &record.verdict.aspects;
    let sided = aspects.iter().any(|a| a.aspect == e.aspect && a.conclusion.support().is_some());
    let (with, against_it) =
        if sided { ("carries", "against") } else { ("toward spoof", "toward bona fide") };
    let carried = aspects.iter().any(|a| a.carried_by.contains(&i));
    let against = aspects.iter().any(|a| a.against.contains(&i));
    html! {
        tr id={ "e" (i) } {
            th scope="row" data-label="No." {
                span {
                    (i)
                    @if carried { span class="sub" { (with) } }
                    @if against { span class="sub" { (against_it) } }
                }
            }
            td data-label="Aspect" { (e.aspect.as_str()) }
            td data-label="By" {
                span {
                    (e.detector.as_str()) " " (safe(&e.version))
                    @if let Some(h) = &e.model_sha256 { span class="sub hash" title=(h.to_string()) { (h.short()) } }
                }
            }
            td data-label="About" { span { (words::subject(&e.subject)) @if e.rollup { span class="sub" { "for the whole clip" } } } }
            td data-label="Outcome" {
                div {
                    (safe(&words::outcome(&e.outcome)))
                    @match &e.outcome {
                        Outcome::Scored { score, llr, supports_spoof_at, supports_bonafide_at } => {
                            span class="sub" { (polarity(score.semantics().orientation)) }
                            // An operating point is one of LLRs: beside a raw score alone it would be misread.
                            @if llr.is_some() {
                                @if let Some(at) = supports_spoof_at { span class="sub" { "may support spoof from LLR " (at.to_string()) } }
                                @if let Some(at) = supports_bonafide_at { span class="sub" { "may support bona fide up to LLR " (at.to_string()) } }
                            }
                        },
                        Outcome::Finding { code, detail } => {
                            span class="sub" { (code.name) ", " (words::strength(code.strength)) ", " (direction(code.direction)) }
                            @for (name, value) in detail { p class="value" { (safe(name)) ": " (safe_lines(value)) } }
                        },
                        _ => {},
                    }
                    @if !e.families.is_empty() { span class="sub" { "sees " (words::families(&e.families)) } }
                }
            }
            td data-label="Quality" { (words::quality_line(&e.quality)) }
        }
    }
}

const fn polarity(o: seamline_core::Orientation) -> &'static str {
    match o {
        seamline_core::Orientation::HigherIsSpoof => "raw: higher supports spoof",
        seamline_core::Orientation::HigherIsBonafide => "raw: higher supports bona fide",
    }
}
