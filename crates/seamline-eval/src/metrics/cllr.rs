//! The cost of log-likelihood ratios: how good the numbers are, not only their order.

use super::MetricError;
use super::ranked::{Counts, Ranked};

/// log2(1 + e^x) without overflow.
pub(super) fn softplus_bits(x: f64) -> f64 {
    (x.max(0.0) + libm::log1p((-x.abs()).exp())) / std::f64::consts::LN_2
}

/// Per-trial losses of a set of LLRs, made once, so that a resample costs a weighted sum.
#[derive(Clone, Debug)]
pub struct ClassLosses {
    losses: Vec<f64>,
}

impl ClassLosses {
    /// Losses by rank; the scores of `ranked` are LLRs (natural logarithm, positive supports spoof).
    pub fn new(ranked: &Ranked) -> Self {
        let loss =
            |(rank, &llr): (usize, &f64)| softplus_bits(if ranked.is_spoof(rank) { -llr } else { llr });
        Self { losses: ranked.scores().iter().enumerate().map(loss).collect() }
    }

    /// Cllr with trials counted as given.
    pub fn cllr(&self, ranked: &Ranked, counts: Counts<'_>) -> Result<f64, MetricError> {
        let (mut sums, mut totals) = ([0.0; 2], [0_u64; 2]);
        for (rank, loss) in self.losses.iter().enumerate() {
            let (count, class) = (counts.at(rank), usize::from(ranked.is_spoof(rank)));
            sums[class] += count as f64 * loss;
            totals[class] += count;
        }
        let [bonafide, spoof] = totals;
        if bonafide == 0 || spoof == 0 {
            return Err(MetricError::OneClass { bonafide, spoof });
        }
        Ok(f64::midpoint(sums[0] / bonafide as f64, sums[1] / spoof as f64))
    }
}

/// Cllr in bits: mean over spoof of log2(1 + e^-llr) and over bona fide of log2(1 + e^llr), averaged.
/// 0 is perfect, 1 is what LLRs of 0 cost. Source: Brümmer and du Preez, "Application-independent evaluation of
/// speaker detection" (2006), eq. 26; with bona fide as the target class in the ASVspoof 5 evaluation package.
pub fn cllr(llrs: &Ranked, counts: Counts<'_>) -> Result<f64, MetricError> {
    ClassLosses::new(llrs).cllr(llrs, counts)
}

/// min Cllr: Cllr after the best monotone recalibration of these very scores (pool adjacent violators), so that
/// Cllr - min Cllr is what calibration loses. Depends on the ranking only. Source: Brümmer and du Preez (2006),
/// section 7; PAV: Ayer et al. (1955). No Laplace smoothing: a pure block costs nothing.
pub fn min_cllr(scores: &Ranked, counts: Counts<'_>) -> Result<f64, MetricError> {
    let (bonafide, spoof) = scores.totals(counts);
    if bonafide == 0 || spoof == 0 {
        return Err(MetricError::OneClass { bonafide, spoof });
    }
    // From the highest score down, the share of spoof must fall: a block whose share is not below that of the
    // block before it is pooled with it. Shares are compared as fractions of counts, without rounding.
    let mut blocks: Vec<(u64, u64)> = Vec::new();
    let (mut b, mut s) = (0, 0);
    for rank in 0..scores.len() {
        let count = counts.at(rank);
        if scores.is_spoof(rank) {
            s += count;
        } else {
            b += count;
        }
        if !scores.is_last(rank) || b + s == 0 {
            continue;
        }
        let mut block = (b, s);
        (b, s) = (0, 0);
        while let Some(&(pb, ps)) = blocks.last() {
            if ps * block.0 > block.1 * pb {
                break;
            }
            block = (block.0 + pb, block.1 + ps);
            blocks.pop();
        }
        blocks.push(block);
    }
    let prior = spoof as f64 / bonafide as f64;
    let (mut sum_b, mut sum_s) = (0.0, 0.0);
    for (b, s) in blocks {
        if b == 0 || s == 0 {
            continue;
        }
        let ratio = s as f64 / b as f64 / prior;
        sum_b += b as f64 * libm::log1p(ratio);
        sum_s += s as f64 * libm::log1p(1.0 / ratio);
    }
    Ok(f64::midpoint(sum_b / bonafide as f64, sum_s / spoof as f64) / std::f64::consts::LN_2)
}
