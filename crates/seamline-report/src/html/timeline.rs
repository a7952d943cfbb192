//! The timeline: faces, speech, findings and gaps over the clip's length, and the spectrogram in line with them.
//!
//! Positions are percentages, so that the same drawing fits a phone and a desk; text keeps its size. What a
//! bar says stands in its pattern, its height, its label and its title, not in its colour alone.

use super::{exhibit, safe};
use crate::words;
use maud::{Markup, html};
use seamline_core::code::SYNC_LIPS_FOLLOW;
use seamline_core::{ClipRecord, Evidence, MediaTime, Outcome, Span, Subject, TrackId};
use std::collections::BTreeMap;

/// Faces with a lane of their own; further ones share a last lane.
const LANES: usize = 24;

/// Steps between marks of the axis, in seconds.
const STEPS: [f64; 19] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0,
    3_600.0, 7_200.0,
];

struct Bar {
    span: Span,
    class: &'static str,
    /// Part of the lane's height, 0 to 1.
    height: f64,
    label: String,
    title: String,
}

/// What is said of one lane, before it is drawn.
type Said<'r> = Vec<(Span, &'r Evidence)>;

struct Lane {
    name: String,
    what: String,
    bars: Vec<Bar>,
}

/// First and last moment of the drawing.
#[derive(Clone, Copy)]
struct Extent {
    start: f64,
    length: f64,
}

impl Extent {
    fn of(record: &ClipRecord) -> Option<Self> {
        let declared = record.streams.iter().filter(|s| s.judged).filter_map(|s| s.duration);
        let spans = || {
            let said = record.evidence.iter().filter_map(|e| e.subject.span());
            let shown = record.exhibits.iter().filter_map(|x| x.subject.span());
            said.chain(shown).chain(record.gaps.iter().map(|g| g.span))
        };
        let start = spans().map(|s| s.start).min().unwrap_or_default().min(MediaTime::ZERO);
        let end = spans().map(|s| s.end).chain(declared).max()?;
        let (start, end) = (start.as_secs_f64(), end.as_secs_f64());
        (end > start).then_some(Self { start, length: end - start })
    }

    /// Position in per cent.
    fn x(self, t: MediaTime) -> f64 {
        self.percent(t.as_secs_f64())
    }

    fn percent(self, secs: f64) -> f64 {
        round(((secs - self.start) / self.length * 100.0).clamp(0.0, 100.0))
    }

    /// Start and width in per cent; what has no length is still to be seen.
    fn place(self, s: Span) -> (f64, f64) {
        let width = (self.x(s.end) - self.x(s.start)).max(0.3);
        (self.x(s.start).min(99.7), round(width))
    }
}

/// Three decimals: well under a pixel, and short.
fn round(v: f64) -> f64 {
    (v * 1_000.0).round() / 1_000.0
}

/// The section; a note where the clip has no length.
pub(super) fn section(record: &ClipRecord) -> Markup {
    html! {
        section id="timeline" aria-labelledby="timeline-h" {
            h2 id="timeline-h" { "Timeline" }
            @match Extent::of(record) {
                Some(extent) => (drawing(record, extent)),
                None => p { "The clip has no length to draw: it is a still picture, or nothing in it has a place in time." },
            }
        }
    }
}

fn drawing(record: &ClipRecord, extent: Extent) -> Markup {
    let lanes = lanes(record);
    let marks = marks(extent);
    let pictures = record.exhibits.iter().any(|x| x.kind == "spectrogram");
    html! {
        @if !lanes.is_empty() || pictures {
        (patterns())
        div class="timeline" {
            (axis(extent, &marks))
            @for lane in &lanes { (draw(lane, extent, &marks)) }
            @for x in record.exhibits.iter().filter(|x| x.kind == "spectrogram") {
                @let (left, width) = x.subject.span().map_or((0.0, 100.0), |s| extent.place(s));
                div class="lane" {
                    div class="name" { "Spectrogram" span class="sub" { (words::subject(&x.subject)) } }
                    div class="strip picture" {
                        div style={ "left:" (left) "%;width:" (width) "%" } { (exhibit::image(x, "spectrogram")) }
                    }
                    p class="sub under" { (safe(&x.caption)) ". Brighter is louder; low frequencies are at the bottom." }
                }
            }
        }
        }
        @if lanes.is_empty() { p { "No face, no speech, no finding and no gap has a place in time." } }
        @else { (legend(&lanes)) }
    }
}

/// Patterns tell the kinds of bars apart where colour does not.
fn patterns() -> Markup {
    html! {
        svg class="defs" width="0" height="0" aria-hidden="true" {
            defs {
                pattern id="p-over" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect class="over-a" width="8" height="8" {}
                    rect class="over-b" width="3" height="8" {}
                }
                pattern id="p-below" width="6" height="6" patternUnits="userSpaceOnUse" {
                    rect class="below-a" width="6" height="6" {}
                    circle class="below-b" cx="3" cy="3" r="1" {}
                }
                pattern id="p-gap" width="7" height="7" patternUnits="userSpaceOnUse" {
                    path class="gap-b" d="M0 0l7 7M7 0l-7 7" {}
                }
            }
        }
    }
}

fn axis(extent: Extent, marks: &[f64]) -> Markup {
    html! {
        div class="lane axis" aria-hidden="true" {
            div class="name" {}
            div class="strip" {
                svg width="100%" height="20" {
                    @for (i, &m) in marks.iter().enumerate() {
                        text class={ "mark" (if i % 2 == 1 { " odd" } else { "" }) (if extent.percent(m) > 96.0 { " end" } else if i == 0 { " start" } else { "" }) }
                            x={ (extent.percent(m)) "%" } y="14" { (clock(m)) }
                    }
                }
            }
        }
    }
}

/// Marks at round times, at most nine.
fn marks(extent: Extent) -> Vec<f64> {
    let step = STEPS.into_iter().find(|s| extent.length / s <= 8.0).unwrap_or(extent.length / 8.0);
    let first = (extent.start / step).ceil();
    (0..9).map(|i| (first + f64::from(i)) * step).take_while(|m| *m <= extent.start + extent.length).collect()
}

fn clock(secs: f64) -> String {
    let text = MediaTime::from_micros((secs * 1e6).round() as i64).to_string();
    // Whole seconds need no thousandths.
    text.strip_suffix(".000").map_or(text.clone(), ToOwned::to_owned)
}

fn draw(lane: &Lane, extent: Extent, marks: &[f64]) -> Markup {
    let said: Vec<String> = lane.bars.iter().take(40).map(|b| b.title.clone()).collect();
    let more = lane.bars.len().saturating_sub(40);
    let mut label = format!("{} ({}): {}", lane.name, lane.what, said.join("; "));
    if more > 0 {
        label += &format!("; {more} more in the evidence table");
    }
    html! {
        div class="lane" {
            div class="name" { (safe(&lane.name)) span class="sub" { (safe(&lane.what)) } }
            div class="strip" {
                svg width="100%" height="34" role="img" aria-label=(safe(&label)) {
                    @for &m in marks { line class="grid" x1={ (extent.percent(m)) "%" } x2={ (extent.percent(m)) "%" } y1="0" y2="34" {} }
                    @for b in &lane.bars {
                        @let (x, w) = extent.place(b.span);
                        @let h = round(8.0 + 22.0 * b.height.clamp(0.0, 1.0));
                        // Where it begins, in seconds: for pages that have a player beside it.
                        g data-from=(round(b.span.start.as_secs_f64().max(0.0))) {
                            title { (safe(&b.title)) }
                            rect class={ "bar " (b.class) } x={ (x) "%" } y=(round(32.0 - h)) width={ (w) "%" } height=(h) rx="2" {}
                            // The label is dropped where it has no room; on a phone sooner.
                            @if !b.label.is_empty() && w * 10.0 > b.label.chars().count() as f64 * 9.0 {
                                text class={ "bar-label" (if w * 10.0 < b.label.chars().count() as f64 * 25.0 { " narrow" } else { "" }) }
                                    x={ (round(x + w / 2.0)) "%" } y="27" { (safe(&b.label)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the bars of these lanes mean; only kinds that are there.
fn legend(lanes: &[Lane]) -> Markup {
    let all = [
        ("over", "at or over the operating point"),
        ("below", "LLR above 0, below the operating point"),
        ("away", "LLR 0 or below"),
        (
            "raw",
            "raw score, no LLR for a single stretch: taller and darker is more like spoof than the rest of this lane",
        ),
        ("quiet", "not judged"),
        ("finding", "finding"),
        ("gap", "gap: not decoded or left out"),
    ];
    html! {
        ul class="legend" {
            @for (class, what) in all {
                @if lanes.iter().flat_map(|l| &l.bars).any(|b| b.class.split(' ').next() == Some(class)) {
                    li { svg width="26" height="16" aria-hidden="true" { rect class={ "bar " (class) (if class == "raw" { " r2" } else { "" }) } x="1" y="1" width="24" height="14" rx="2" {} } " " (what) }
                }
            }
        }
    }
}

fn lanes(record: &ClipRecord) -> Vec<Lane> {
    let mut faces: BTreeMap<TrackId, Said<'_>> = BTreeMap::new();
    let mut others: BTreeMap<(u8, &str, u32), Said<'_>> = BTreeMap::new();
    let mut findings = Vec::new();
    for e in &record.evidence {
        let Some(span) = e.subject.span() else { continue };
        match (&e.outcome, &e.subject) {
            (Outcome::Finding { code, .. }, _) => {
                // A gap's own finding lies exactly under the gap; that nothing is amiss is no mark on a timeline.
                let told = *code != SYNC_LIPS_FOLLOW && !record.gaps.iter().any(|g| g.span == span);
                if told {
                    let title = format!("{span}: {}", code.summary);
                    findings.push(Bar {
                        span,
                        class: "finding",
                        height: 1.0,
                        label: code.name.into(),
                        title,
                    });
                }
            }
            (_, Subject::Track { track, .. }) => faces.entry(*track).or_default().push((span, e)),
            (_, s) => {
                let (rank, stream) = match s {
                    Subject::Segment { stream, .. } => (0, stream.0),
                    Subject::Stream { stream, .. } => (1, stream.0),
                    Subject::Frame { stream, .. } => (2, stream.0),
                    Subject::Clip | Subject::Track { .. } => (3, 0),
                };
                others.entry((rank, e.detector.as_str(), stream)).or_default().push((span, e));
            }
        }
    }
    // Faces that were seen and of which nothing was said still have their place.
    for x in &record.exhibits {
        if let Subject::Track { track, .. } = &x.subject {
            faces.entry(*track).or_default();
        }
    }
    let mut out = Vec::new();
    let mut rest = Lane { name: "Other faces".into(), what: "face".into(), bars: Vec::new() };
    let (lo, hi) = range(faces.values().flatten().map(|(_, e)| *e));
    for (n, (track, said)) in faces.iter().enumerate() {
        let mut bars: Vec<Bar> = said.iter().map(|(span, e)| bar(*span, e, lo, hi)).collect();
        if bars.is_empty() {
            let seen = record.exhibits.iter().find_map(|x| match &x.subject {
                Subject::Track { track: t, span, .. } if t == track => Some(*span),
                _ => None,
            });
            bars.extend(seen.map(|span| Bar {
                span,
                class: "quiet",
                height: 0.6,
                label: String::new(),
                title: format!("{span}: seen, nothing said"),
            }));
        }
        if n < LANES {
            out.push(Lane { name: format!("Face {}", track.0), what: detectors(said), bars });
        } else {
            rest.bars.extend(bars);
        }
    }
    if !rest.bars.is_empty() {
        out.push(rest);
    }
    for ((rank, detector, stream), said) in others {
        let (lo, hi) = range(said.iter().map(|(_, e)| *e));
        let name = ["Speech", "Stream", "Pictures", "Clip"].get(usize::from(rank)).copied().unwrap_or("Clip");
        out.push(Lane {
            name: name.into(),
            what: format!("{detector}, stream {stream}"),
            bars: said.into_iter().map(|(span, e)| bar(span, e, lo, hi)).collect(),
        });
    }
    if !findings.is_empty() {
        out.push(Lane { name: "Findings".into(), what: "in the file".into(), bars: findings });
    }
    let gaps: Vec<Bar> = record
        .gaps
        .iter()
        .map(|g| Bar {
            span: g.span,
            class: "gap",
            height: 1.0,
            label: String::new(),
            title: format!("{}: {}", g.span, words::shorten(&g.cause, super::VALUE)),
        })
        .collect();
    if !gaps.is_empty() {
        out.push(Lane { name: "Gaps".into(), what: "not decoded".into(), bars: gaps });
    }
    out
}

fn detectors(said: &[(Span, &Evidence)]) -> String {
    let mut names: Vec<&str> = said.iter().map(|(_, e)| e.detector.as_str()).collect();
    names.dedup();
    if names.is_empty() { "seen, not judged".into() } else { names.join(", ") }
}

/// Lowest and highest raw score of evidence without LLR, turned toward spoof.
fn range<'e>(all: impl Iterator<Item = &'e Evidence>) -> (f64, f64) {
    all.filter_map(|e| match &e.outcome {
        Outcome::Scored { score, llr: None, .. } => Some(score.toward_spoof()),
        _ => None,
    })
    .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), s| (lo.min(s), hi.max(s)))
}

fn bar(span: Span, e: &Evidence, lo: f64, hi: f64) -> Bar {
    let title = format!("{span}: {}", words::shorten(&words::outcome(&e.outcome), super::VALUE));
    let (class, height, label) = match &e.outcome {
        Outcome::Scored { llr: Some(l), supports_spoof_at, .. } => {
            let class = if supports_spoof_at.is_some_and(|at| l.value >= at) {
                "over"
            } else if l.value.nats() > 0.0 {
                "below"
            } else {
                "away"
            };
            (class, 0.5 + l.value.nats() / 10.0, l.value.to_string())
        }
        Outcome::Scored { score, llr: None, .. } => {
            let s = score.toward_spoof();
            // A lane with one score has nothing to compare with: middle height.
            let part = if hi > lo { (s - lo) / (hi - lo) } else { 0.5 };
            let class = match part {
                p if p < 0.34 => "raw r1",
                p if p < 0.67 => "raw r2",
                _ => "raw r3",
            };
            (class, 0.45 + 0.55 * part, format!("{s:.2}"))
        }
        _ => ("quiet", 0.6, String::new()),
    };
    Bar { span, class, height, label, title }
}
