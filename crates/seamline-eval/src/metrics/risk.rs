//! Selective classification: what a detector that may say "I do not know" risks when it does answer.
//!
//! The decision is `score >= threshold` = spoof, the confidence |score - threshold|. At coverage c the most
//! confident share c of trials is answered; its risk is their share of wrong decisions. Trials with equal
//! confidence come in together: within such a group the risk is the mean over every order.

use super::MetricError;
use super::ranked::{Counts, Ranked};

/// A point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskPoint {
    /// Share of trials that are answered.
    pub coverage: f64,
    /// Share of wrong decisions among them.
    pub risk: f64,
}

/// Calls `step(trials, errors)` for every group of equal confidence, the most confident first. The scores are
/// sorted, so two pointers that close in on the threshold from both ends visit confidence in order.
fn groups(ranked: &Ranked, threshold: f64, counts: Counts<'_>, mut step: impl FnMut(u64, u64)) {
    let scores = ranked.scores();
    let (mut high, mut low) = (0, scores.len());
    let confidence = |rank: usize| scores.get(rank).map_or(0.0, |s| (s - threshold).abs());
    let called = scores.partition_point(|&s| s >= threshold);
    while high < low {
        // At most one of the two sides is exhausted here.
        let from_high = if high < called { confidence(high) } else { -1.0 };
        let from_low = if low > called { confidence(low - 1) } else { -1.0 };
        let now = from_high.max(from_low);
        let (mut trials, mut errors) = (0, 0);
        while high < called && confidence(high) == now {
            let count = counts.at(high);
            trials += count;
            errors += if ranked.is_spoof(high) { 0 } else { count };
            high += 1;
        }
        while low > called && confidence(low - 1) == now {
            low -= 1;
            let count = counts.at(low);
            trials += count;
            errors += if ranked.is_spoof(low) { count } else { 0 };
        }
        if trials > 0 {
            step(trials, errors);
        }
    }
}

/// The risk-coverage curve at every distinct confidence. `abstained` trials are never covered.
/// Source: El-Yaniv and Wiener (2010); Geifman and El-Yaniv (2017).
pub fn risk_coverage(
    ranked: &Ranked,
    threshold: f64,
    abstained: u64,
    counts: Counts<'_>,
) -> Result<Vec<RiskPoint>, MetricError> {
    let (bonafide, spoof) = ranked.totals(counts);
    let all = bonafide + spoof + abstained;
    if bonafide + spoof == 0 {
        return Err(MetricError::Empty);
    }
    let mut points = Vec::new();
    let (mut covered, mut wrong) = (0, 0);
    groups(ranked, threshold, counts, |trials, errors| {
        (covered, wrong) = (covered + trials, wrong + errors);
        points.push(RiskPoint { coverage: covered as f64 / all as f64, risk: wrong as f64 / covered as f64 });
    });
    Ok(points)
}

/// Area under the risk-coverage curve: the mean over k = 1..n of the risk of the k most confident trials.
/// Source: Geifman, Uziel and El-Yaniv (2019), eq. 2. Abstentions are not part of it.
pub fn aurc(ranked: &Ranked, threshold: f64, counts: Counts<'_>) -> Result<f64, MetricError> {
    let (bonafide, spoof) = ranked.totals(counts);
    let all = bonafide + spoof;
    if all == 0 {
        return Err(MetricError::Empty);
    }
    let (mut covered, mut wrong, mut sum) = (0_u64, 0_u64, 0.0);
    groups(ranked, threshold, counts, |trials, errors| {
        if wrong > 0 || errors > 0 {
            let per_trial = errors as f64 / trials as f64;
            for i in 1..=trials {
                sum += (wrong as f64 + i as f64 * per_trial) / (covered + i) as f64;
            }
        }
        (covered, wrong) = (covered + trials, wrong + errors);
    });
    Ok(sum / all as f64)
}
