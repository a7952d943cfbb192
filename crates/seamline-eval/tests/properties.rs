//! What must hold for any trials.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use seamline_core::{Label, Probability};
use seamline_eval::bootstrap::Strata;
use seamline_eval::metrics::*;

/// Scores from a small grid, so that ties are common, with both classes present.
fn trials() -> impl Strategy<Value = (Vec<f64>, Vec<Label>)> {
    proptest::collection::vec((-12_i8..12, any::<bool>()), 0..60).prop_map(|mut t| {
        t.push((3, true));
        t.push((-2, false));
        let label = |spoof| if spoof { Label::Spoof } else { Label::Bonafide };
        t.into_iter().map(|(s, l)| (f64::from(s) / 4.0, label(l))).unzip()
    })
}

fn ranked(t: &(Vec<f64>, Vec<Label>)) -> Ranked {
    Ranked::new(&t.0, &t.1).unwrap()
}

fn all(r: &Ranked, c: Counts<'_>) -> Vec<f64> {
    let half = Probability::new(0.5).unwrap();
    let m = r.rank_metrics(&Costs::ASVSPOOF5, c).unwrap();
    vec![
        m.auc,
        m.eer,
        m.eer_nearest,
        m.average_precision,
        m.min_dcf,
        cllr(r, c).unwrap(),
        min_cllr(r, c).unwrap(),
        ece(r, half, 15, c).unwrap(),
        brier(r, half, c).unwrap(),
        aurc(r, 0.0, c).unwrap(),
    ]
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

proptest! {
    #[test]
    fn order_of_input_changes_nothing(t in trials(), seed in any::<u64>()) {
        let mut mixed: Vec<(f64, Label)> = t.0.iter().copied().zip(t.1.iter().copied()).collect();
        let n = mixed.len() as u64;
        for i in 0..mixed.len() {
            mixed.swap(i, (seed.wrapping_mul(i as u64 * 2 + 1) % n) as usize);
        }
        let mixed: (Vec<f64>, Vec<Label>) = mixed.into_iter().unzip();
        for (a, b) in all(&ranked(&t), Counts::Once).iter().zip(all(&ranked(&mixed), Counts::Once)) {
            prop_assert!(close(*a, b), "{a} {b}");
        }
    }

    #[test]
    fn auc_is_the_share_of_pairs_in_order(t in trials()) {
        let of = |l| t.0.iter().zip(&t.1).filter(move |x| *x.1 == l).map(|x| *x.0).collect::<Vec<_>>();
        let (spoof, bona) = (of(Label::Spoof), of(Label::Bonafide));
        let mut sum = 0.0;
        for s in &spoof {
            for b in &bona {
                sum += if s > b { 1.0 } else if s == b { 0.5 } else { 0.0 };
            }
        }
        let auc = ranked(&t).rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap().auc;
        prop_assert!(close(auc, sum / (spoof.len() * bona.len()) as f64));
    }

    #[test]
    fn turning_scores_and_labels_round_mirrors(t in trials()) {
        let swap = |l: &Label| if *l == Label::Spoof { Label::Bonafide } else { Label::Spoof };
        let turned = (t.0.iter().map(|s| -s).collect(), t.1.iter().map(swap).collect());
        let metrics = |t| ranked(t).rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap();
        let (a, b) = (metrics(&t), metrics(&turned));
        prop_assert!(close(a.auc, b.auc) && close(a.eer, b.eer), "{a:?} {b:?}");
        prop_assert!(close(cllr(&ranked(&t), Counts::Once).unwrap(), cllr(&ranked(&turned), Counts::Once).unwrap()));
        let wrong_way = (t.0.iter().map(|s| -s).collect(), t.1.clone());
        prop_assert!(close(metrics(&wrong_way).auc, 1.0 - a.auc));
    }

    #[test]
    fn a_monotone_map_changes_only_what_depends_on_values(t in trials()) {
        let mapped = (t.0.iter().map(|s| s.exp() * 3.0 - 7.0).collect(), t.1.clone());
        let metrics = |t| ranked(t).rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap();
        prop_assert_eq!(metrics(&t), metrics(&mapped));
        prop_assert!(close(min_cllr(&ranked(&t), Counts::Once).unwrap(), min_cllr(&ranked(&mapped), Counts::Once).unwrap()));
    }

    #[test]
    fn ranges_hold(t in trials()) {
        let r = ranked(&t);
        let m = r.rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap();
        for v in [m.auc, m.eer, m.eer_nearest, m.average_precision, m.min_dcf, aurc(&r, 0.0, Counts::Once).unwrap()] {
            prop_assert!((-1e-12..=1.0 + 1e-12).contains(&v), "{v}");
        }
        // Recalibration never costs; knowing nothing costs one bit; deciding well costs at most deciding at all.
        let (c, min) = (cllr(&r, Counts::Once).unwrap(), min_cllr(&r, Counts::Once).unwrap());
        prop_assert!(min <= c + 1e-9 && (0.0..=1.0 + 1e-9).contains(&min));
        let act = r.operating_above(Costs::ASVSPOOF5.bayes_threshold(), Counts::Once);
        prop_assert!(m.min_dcf <= act.dcf(&Costs::ASVSPOOF5).unwrap() + 1e-12);
    }

    #[test]
    fn a_curve_runs_from_nothing_to_everything_and_its_area_is_auc(t in trials()) {
        let curve = ranked(&t).curve().unwrap();
        let (first, last) = (curve[0], curve[curve.len() - 1]);
        prop_assert_eq!((first.false_alarm_rate, first.detection_rate), (0.0, 0.0));
        prop_assert_eq!((last.false_alarm_rate, last.detection_rate), (1.0, 1.0));
        let area: f64 = curve
            .windows(2)
            .map(|w| (w[1].false_alarm_rate - w[0].false_alarm_rate) * f64::midpoint(w[0].detection_rate, w[1].detection_rate))
            .sum();
        prop_assert!(close(area, ranked(&t).rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap().auc));
    }

    #[test]
    fn counting_a_trial_twice_is_having_it_twice(t in trials(), seed in any::<u64>()) {
        let r = ranked(&t);
        let strata = Strata::new(&t.1).unwrap().ranks(&r).unwrap();
        let mut counts = Vec::new();
        strata.draw(seed, 0, &mut counts);
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        for (rank, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                scores.push(r.scores()[rank]);
                labels.push(if r.is_spoof(rank) { Label::Spoof } else { Label::Bonafide });
            }
        }
        let copied = ranked(&(scores, labels));
        for (a, b) in all(&r, Counts::Drawn(&counts)).iter().zip(all(&copied, Counts::Once)) {
            prop_assert!(close(*a, b), "{a} {b}");
        }
    }

    #[test]
    fn exact_intervals_cover_what_they_say(k in 0_u64..40, extra in 0_u64..40) {
        let n = k + extra;
        prop_assume!(n > 0);
        let p = clopper_pearson(k, n, 0.95).unwrap();
        prop_assert!(p.lo <= p.value && p.value <= p.hi);
        // At the bounds, the binomial tail is the promised 2.5 %.
        let tail = |p: f64, at_least: u64| -> f64 {
            (at_least..=n)
                .map(|i| {
                    let ways = (0..i).map(|j| ((n - j) as f64 / (i - j) as f64).ln()).sum::<f64>();
                    (ways + i as f64 * p.ln() + (n - i) as f64 * (1.0 - p).ln()).exp()
                })
                .sum()
        };
        if k > 0 {
            prop_assert!((tail(p.lo, k) - 0.025).abs() < 1e-8);
        }
        if k < n {
            prop_assert!((1.0 - tail(p.hi, k + 1) - 0.025).abs() < 1e-8);
        }
    }

    #[test]
    fn perfect_proposals_find_everything(starts in proptest::collection::vec(0_u32..50, 1..6)) {
        let clip = ClipSegments {
            truth: starts.iter().enumerate().map(|(i, &s)| (f64::from(s) + i as f64 * 100.0, f64::from(s) + i as f64 * 100.0 + 1.0)).collect(),
            proposals: Vec::new(),
        };
        let found = ClipSegments {
            proposals: clip.truth.iter().map(|t| Proposal { start: t.0, end: t.1, score: 1.0 }).collect(),
            ..clip.clone()
        };
        prop_assert!(close(average_precision_at_iou(std::slice::from_ref(&found), 0.95).unwrap(), 1.0));
        prop_assert!(close(average_recall_at(&[found], 6).unwrap(), 1.0));
        prop_assert_eq!(average_precision_at_iou(&[clip], 0.5).unwrap(), 0.0);
    }
}

#[test]
fn bad_trials_are_errors_and_never_numbers() {
    use Label::{Bonafide, Spoof};
    assert_eq!(Ranked::new(&[1.0], &[]).unwrap_err(), MetricError::Lengths { scores: 1, labels: 0 });
    assert_eq!(Ranked::new(&[1.0, f64::NAN], &[Spoof, Spoof]).unwrap_err(), MetricError::NotFinite(1));
    let one = Ranked::new(&[1.0, 2.0], &[Bonafide, Bonafide]).unwrap();
    let wanted = MetricError::OneClass { bonafide: 2, spoof: 0 };
    assert_eq!(one.rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap_err(), wanted);
    assert_eq!(cllr(&one, Counts::Once).unwrap_err(), wanted);
    assert_eq!(min_cllr(&one, Counts::Once).unwrap_err(), wanted);
    let none = Ranked::new(&[], &[]).unwrap();
    assert_eq!(aurc(&none, 0.0, Counts::Once).unwrap_err(), MetricError::Empty);
    assert!(clopper_pearson(2, 1, 0.95).is_err() && clopper_pearson(0, 0, 0.95).is_err());
    assert!(clopper_pearson(0, 1, 1.0).is_err());
    // -0.0 and 0.0 tie.
    let zero = Ranked::new(&[0.0, -0.0], &[Bonafide, Spoof]).unwrap();
    assert!((zero.rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap().auc - 0.5).abs() < 1e-12);
}
