//! Calibration of LLRs as probabilities, at a prior that is stated.
//!
//! The classes of a test set are there in whatever proportion somebody collected them. Here each class is
//! reweighted to the stated prior, so that the same LLRs have the same error whatever the mix.

use super::MetricError;
use super::ranked::{Counts, Ranked};
use seamline_core::Probability;

/// One bin of a reliability diagram. Weights add up to 1 over all bins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Weight of the trials in it.
    pub weight: f64,
    /// Their mean stated probability of spoof; 0 where the bin is empty.
    pub stated: f64,
    /// The weighted share of spoof among them; 0 where the bin is empty.
    pub observed: f64,
    /// Trials in it.
    pub trials: u64,
}

/// P(spoof) from an LLR and a prior, without the clamping of types that refuse certainty: far out it rounds to
/// 0 or 1, and its error with it.
fn posterior(llr: f64, log_odds: f64) -> f64 {
    1.0 / (1.0 + (-(llr + log_odds)).exp())
}

/// P(spoof) of every trial at a prior, worked out once for any number of resamples.
#[derive(Clone, Debug)]
pub struct Posteriors<'r> {
    ranked: &'r Ranked,
    prior: f64,
    /// By rank.
    values: Vec<f64>,
}

impl<'r> Posteriors<'r> {
    /// From LLRs (natural logarithm, positive supports spoof).
    pub fn new(llrs: &'r Ranked, prior: Probability) -> Self {
        let prior = prior.get();
        let log_odds = (prior / (1.0 - prior)).ln();
        let values = llrs.scores().iter().map(|&llr| posterior(llr, log_odds)).collect();
        Self { ranked: llrs, prior, values }
    }

    /// Weight of one bona fide and of one spoofed trial.
    fn weights(&self, counts: Counts<'_>) -> Result<(f64, f64), MetricError> {
        let (bonafide, spoof) = self.ranked.totals(counts);
        if bonafide == 0 || spoof == 0 {
            return Err(MetricError::OneClass { bonafide, spoof });
        }
        Ok(((1.0 - self.prior) / bonafide as f64, self.prior / spoof as f64))
    }

    /// As [`reliability`].
    pub fn reliability(&self, bins: usize, counts: Counts<'_>) -> Result<Vec<Bin>, MetricError> {
        if bins == 0 || bins > 10_000 {
            return Err(MetricError::Parameter("the number of bins"));
        }
        let (per_bonafide, per_spoof) = self.weights(counts)?;
        let mut out = vec![Bin::default(); bins];
        for (rank, &p) in self.values.iter().enumerate() {
            let count = counts.at(rank);
            let spoof = self.ranked.is_spoof(rank);
            let weight = count as f64 * if spoof { per_spoof } else { per_bonafide };
            // A float cast saturates; p = 1 belongs to the last bin.
            let index = ((p * bins as f64) as usize).min(bins - 1);
            if let Some(bin) = out.get_mut(index) {
                bin.weight += weight;
                bin.stated += weight * p;
                bin.observed += if spoof { weight } else { 0.0 };
                bin.trials += count;
            }
        }
        for bin in &mut out {
            if bin.weight > 0.0 {
                bin.stated /= bin.weight;
                bin.observed /= bin.weight;
            }
        }
        Ok(out)
    }

    /// As [`ece`].
    pub fn ece(&self, bins: usize, counts: Counts<'_>) -> Result<f64, MetricError> {
        let bins = self.reliability(bins, counts)?;
        Ok(bins.iter().map(|b| b.weight * (b.observed - b.stated).abs()).sum())
    }

    /// As [`brier`].
    pub fn brier(&self, counts: Counts<'_>) -> Result<f64, MetricError> {
        let (per_bonafide, per_spoof) = self.weights(counts)?;
        let mut sum = 0.0;
        for (rank, &p) in self.values.iter().enumerate() {
            let (weight, miss) =
                if self.ranked.is_spoof(rank) { (per_spoof, 1.0 - p) } else { (per_bonafide, p) };
            sum += counts.at(rank) as f64 * weight * miss * miss;
        }
        Ok(sum)
    }
}

/// The reliability diagram: `bins` bins of equal width over stated probability, [0, 1/n), ..., [1 - 1/n, 1].
pub fn reliability(
    llrs: &Ranked,
    prior: Probability,
    bins: usize,
    counts: Counts<'_>,
) -> Result<Vec<Bin>, MetricError> {
    Posteriors::new(llrs, prior).reliability(bins, counts)
}

/// Expected calibration error: sum over bins of weight * |observed - stated|. Source: Naeini et al. (2015);
/// Guo et al. (2017), eq. 3, with 15 bins. It depends on the bins: compare only equal numbers of them.
pub fn ece(llrs: &Ranked, prior: Probability, bins: usize, counts: Counts<'_>) -> Result<f64, MetricError> {
    Posteriors::new(llrs, prior).ece(bins, counts)
}

/// Brier score: weighted mean of (P(spoof) - label)^2, label 1 = spoof. Source: Brier (1950), in the two-class
/// form of scikit-learn's `brier_score_loss` with sample weights.
pub fn brier(llrs: &Ranked, prior: Probability, counts: Counts<'_>) -> Result<f64, MetricError> {
    Posteriors::new(llrs, prior).brier(counts)
}
