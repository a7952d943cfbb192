//! Metrics against scikit-learn, SciPy and transcribed formulas, on the vectors of `scripts/eval/score_vectors.py`.

#![allow(clippy::unwrap_used)]

use seamline_core::{Label, Probability};
use seamline_eval::metrics::*;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The references sum in another order; nothing else may differ.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
    clopper_pearson: Vec<Exact>,
    segments: Spans,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    scores: Vec<f64>,
    labels: Vec<u8>,
    counts: Option<Vec<u32>>,
    expect: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Exact {
    successes: u64,
    trials: u64,
    confidence: f64,
    lo: f64,
    hi: f64,
}

#[derive(Deserialize)]
struct Spans {
    clips: Vec<SpanClip>,
    expect: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct SpanClip {
    truth: Vec<(f64, f64)>,
    proposals: Vec<[f64; 3]>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/metrics.json")).unwrap()
}

fn labels(case: &Case) -> Vec<Label> {
    case.labels.iter().map(|&l| if l == 1 { Label::Spoof } else { Label::Bonafide }).collect()
}

fn measured(case: &Case) -> BTreeMap<String, f64> {
    let ranked = Ranked::new(&case.scores, &labels(case)).unwrap();
    let by_rank: Option<Vec<u32>> =
        case.counts.as_ref().map(|c| ranked.order().iter().map(|&i| c[i as usize]).collect());
    let counts = by_rank.as_ref().map_or(Counts::Once, |c| Counts::Drawn(c));
    let costs = Costs::ASVSPOOF5;
    let m = ranked.rank_metrics(&costs, counts).unwrap();
    let (half, tenth) = (Probability::new(0.5).unwrap(), Probability::new(0.1).unwrap());
    let act = ranked.operating_above(costs.bayes_threshold(), counts);
    let rows = [
        ("auc", m.auc),
        ("average_precision", m.average_precision),
        ("eer", m.eer),
        ("eer_nearest", m.eer_nearest),
        ("min_dcf", m.min_dcf),
        ("act_dcf", act.dcf(&costs).unwrap()),
        ("cllr", cllr(&ranked, counts).unwrap()),
        ("min_cllr", min_cllr(&ranked, counts).unwrap()),
        ("ece", ece(&ranked, half, 15, counts).unwrap()),
        ("ece_prior_0.1", ece(&ranked, tenth, 15, counts).unwrap()),
        ("brier", brier(&ranked, half, counts).unwrap()),
        ("brier_prior_0.1", brier(&ranked, tenth, counts).unwrap()),
        ("accuracy_at_0", ranked.operating(0.0, counts).accuracy().unwrap()),
        ("aurc_at_0", aurc(&ranked, 0.0, counts).unwrap()),
        ("aurc_at_0.5", aurc(&ranked, 0.5, counts).unwrap()),
    ];
    rows.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

#[test]
fn every_metric_agrees_with_its_reference() {
    let vectors = vectors();
    assert!(vectors.cases.len() >= 10);
    for case in &vectors.cases {
        let got = measured(case);
        assert_eq!(got.keys().collect::<Vec<_>>(), case.expect.keys().collect::<Vec<_>>());
        for (name, want) in &case.expect {
            let difference = (got[name] - want).abs();
            assert!(difference < TOLERANCE, "{}: {name}: {} is not {want}", case.name, got[name]);
        }
    }
}

#[test]
fn exact_intervals_agree_with_scipy() {
    for e in vectors().clopper_pearson {
        let got = clopper_pearson(e.successes, e.trials, e.confidence).unwrap();
        assert!(
            (got.lo - e.lo).abs() < TOLERANCE,
            "{} of {}: {} is not {}",
            e.successes,
            e.trials,
            got.lo,
            e.lo
        );
        assert!(
            (got.hi - e.hi).abs() < TOLERANCE,
            "{} of {}: {} is not {}",
            e.successes,
            e.trials,
            got.hi,
            e.hi
        );
    }
}

#[test]
fn segment_metrics_agree_with_a_plain_transcription() {
    let spans = vectors().segments;
    let clips: Vec<ClipSegments> = spans
        .clips
        .into_iter()
        .map(|c| ClipSegments {
            truth: c.truth,
            proposals: c.proposals.iter().map(|p| Proposal { start: p[0], end: p[1], score: p[2] }).collect(),
        })
        .collect();
    for (name, want) in spans.expect {
        let (kind, at) = name.split_once('_').unwrap();
        let got = match kind {
            "ap" => average_precision_at_iou(&clips, at.parse().unwrap()).unwrap(),
            _ => average_recall_at(&clips, at.parse().unwrap()).unwrap(),
        };
        assert!((got - want).abs() < TOLERANCE, "{name}: {got} is not {want}");
    }
}
