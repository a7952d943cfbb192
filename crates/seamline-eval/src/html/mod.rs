//! One self-contained page: no script, no external request. Names in it come from protocols and score files of
//! others, and `maud` escapes them.

mod svg;

use crate::answers::{AnswerSet, Key};
use crate::evidence::CLEAN;
use crate::measure::{BINS, Case, Row, Set, bounded, cases, even};
use crate::metrics::{Counts, reliability, risk_coverage};
use crate::protocol::{Modality, Protocol};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use svg::{Axis, Bar, Series};

const STYLE: &str = include_str!("style.css");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Points of a curve that are drawn: more than a plot is wide helps nobody.
const CURVE_POINTS: usize = 600;

/// The page.
pub fn page(protocol: &Protocol, set: &AnswerSet, rows: &[Row], notes: &[String]) -> String {
    let mut sections = Vec::new();
    for modality in [Modality::Audio, Modality::Video, Modality::Image] {
        let detectors: Vec<(&Key, Vec<Case<'_>>)> = set
            .iter()
            .filter(|(key, _)| key.condition == CLEAN || set.keys().all(|k| k.condition != CLEAN))
            .filter_map(|(key, answers)| Some((key, cases(protocol, key, answers).remove(&modality)?)))
            .filter(|(_, cases)| cases.iter().any(|c| c.answer.score.is_some()))
            .collect();
        if !detectors.is_empty() {
            sections.push((modality, detectors));
        }
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Bench: " (protocol.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "How well detectors do on " (protocol.name) }
                p { (protocol.trials.len()) " trials. Scores are turned so that higher supports spoof. Intervals cover 95 %: bootstrap over clips within source and class; for rates Clopper-Pearson." }
                @for note in notes { p { (note) } }
                (overview(rows))
                @for (modality, detectors) in &sections {
                    section {
                        h2 { (modality.as_str()) }
                        (curves(detectors))
                        (generators(rows, *modality))
                    }
                }
                footer { "Made offline by Seamline. This page loads nothing and runs nothing." }
            }
        }
    };
    page.into_string()
}

fn figure(title: &str, note: &str, plot: Markup) -> Markup {
    html! { figure { figcaption { b { (title) } " " (note) } (plot) } }
}

fn curves(detectors: &[(&Key, Vec<Case<'_>>)]) -> Markup {
    let (mut roc, mut det, mut reliable, mut risk) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (key, cases) in detectors {
        let name = || {
            if key.condition == CLEAN {
                key.detector.clone()
            } else {
                format!("{}, {}", key.detector, key.condition)
            }
        };
        if let Some(curve) =
            Set::new(cases, |a| a.score.map(|s| s.toward_spoof())).and_then(|s| s.ranked.curve().ok())
        {
            let points = thin(curve.iter().map(|p| (p.false_alarm_rate, p.detection_rate)).collect());
            let deviates = points.iter().map(|p| (svg::probit(p.0), svg::probit(1.0 - p.1))).collect();
            roc.push(Series { name: name(), points, mark: 0.0 });
            det.push(Series { name: name(), points: deviates, mark: 0.0 });
        }
        if let Some(set) = Set::new(cases, |a| a.llr.map(|l| l.nats()))
            && let Ok(bins) = even().and_then(|p| reliability(&set.ranked, p, BINS, Counts::Once))
        {
            let points = bins.iter().filter(|b| b.trials > 0).map(|b| (b.stated, b.observed)).collect();
            reliable.push(Series { name: name(), points, mark: 3.0 });
        }
        if let Some((set, boundary)) = bounded(cases) {
            let silent = cases.iter().filter(|c| c.answer.score.is_none()).count() as u64;
            if let Ok(curve) = risk_coverage(&set.ranked, boundary, silent, Counts::Once) {
                let points = thin(curve.iter().map(|p| (p.coverage, p.risk)).collect());
                risk.push(Series { name: name(), points, mark: 0.0 });
            }
        }
    }
    html! {
        div class="plots" {
            (figure("ROC.", "Share of spoofed clips found against share of bona fide clips called spoof.",
                svg::lines("ROC curves", &Axis::share("false-alarm rate"), &Axis::share("detection rate"), &roc, Some(true))))
            (figure("DET.", "Both errors in per cent, on normal deviate scales.",
                svg::lines("DET curves", &Axis::deviate("false alarms, %"), &Axis::deviate("missed spoofs, %"), &det, Some(false))))
            @if !reliable.is_empty() {
                (figure("Reliability.", "Share of spoof among clips given a probability, at an even prior; the diagonal is perfect.",
                    svg::lines("reliability diagram", &Axis::share("stated probability of spoof"), &Axis::share("share of spoof"), &reliable, Some(true))))
            }
            @if !risk.is_empty() {
                (figure("Risk and coverage.", "Share of wrong decisions among the most confident share of clips; where a line ends, the detector abstains.",
                    svg::lines("risk-coverage curves", &Axis::share("coverage"), &Axis::share("risk"), &risk, None)))
            }
        }
    }
}

fn thin(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(CURVE_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    points.into_iter().enumerate().filter(|(i, _)| i % step == 0 || *i == last).map(|p| p.1).collect()
}

/// A bar chart a detector: AUC of each generator.
fn generators(rows: &[Row], modality: Modality) -> Markup {
    let of = |r: &&Row| {
        r.modality == modality.as_str() && r.condition == CLEAN && r.metric == "auc" && r.generator != "*"
    };
    let rows: Vec<&Row> = rows.iter().filter(of).collect();
    let mut detectors: Vec<&str> = rows.iter().map(|r| r.detector.as_str()).collect();
    detectors.dedup();
    html! {
        @for detector in detectors {
            @let bars: Vec<Bar> = rows.iter().filter(|r| r.detector == detector).map(|r| Bar {
                name: r.generator.clone(),
                note: format!("{:.3}, {} spoofed", r.value, r.n_spoof),
                value: r.value,
                interval: r.lo.zip(r.hi),
            }).collect();
            (figure(&format!("{detector}, by generator."), "AUC against every bona fide clip; the line is chance.",
                svg::bars(&format!("AUC of {detector} by generator"), &bars, 0.5)))
        }
    }
}

fn overview(rows: &[Row]) -> Markup {
    let pooled: Vec<&Row> =
        rows.iter().filter(|r| r.source == "*" && r.generator == "*" && r.metric == "coverage").collect();
    let figure = |of: &Row, metric: &str, scale: f64, digits: usize| {
        let same = |r: &&Row| {
            (&r.detector, &r.aspect, &r.modality, &r.condition, &r.source, &r.generator)
                == (&of.detector, &of.aspect, &of.modality, &of.condition, &of.source, &of.generator)
        };
        let row = rows.iter().filter(same).find(|r| r.metric == metric);
        row.map_or_else(
            || "-".to_owned(),
            |r| match r.lo.zip(r.hi) {
                Some((lo, hi)) => {
                    format!("{:.digits$} [{:.digits$}, {:.digits$}]", r.value * scale, lo * scale, hi * scale)
                }
                None => format!("{:.digits$}", r.value * scale),
            },
        )
    };
    html! {
        div class="scroll" {
            table {
                thead { tr {
                    @for head in ["modality", "detector", "condition", "bona fide", "spoof", "abstained", "AUC", "EER %", "min DCF", "Cllr", "false alarms %", "detected %"] {
                        th { (head) }
                    }
                } }
                tbody {
                    @for r in pooled.iter().filter(|r| r.value > 0.0) {
                        tr {
                            td { (r.modality) } td { (r.detector) } td { (r.condition) }
                            td { (r.n_bonafide) } td { (r.n_spoof) } td { (r.n_abstained) }
                            td { (figure(r, "auc", 1.0, 3)) }
                            td { (figure(r, "eer", 100.0, 1)) }
                            td { (figure(r, "min_dcf", 1.0, 3)) }
                            td { (figure(r, "cllr", 1.0, 3)) }
                            td { (figure(r, "false_alarm_rate", 100.0, 1)) }
                            td { (figure(r, "detection_rate", 100.0, 1)) }
                        }
                    }
                }
            }
        }
    }
}
