//! Bootstrap intervals: clips are drawn with replacement within strata, many times, from a seed.
//!
//! A stratum is the clips of one class from one source: a resample then has the mix of sources and classes of the
//! original, and only the clips vary (Efron and Tibshirani 1993, chapter 8). What a stratum of one clip says does
//! not vary at all: intervals over many small strata are too narrow, and the tables show the counts beside them.
//! A resample is a count for each trial; nothing is copied or sorted again. Draws depend on seed, resample and
//! stratum alone, so results do not depend on the number of threads, and two detectors over the same trials get
//! the same draws (which is what makes differences paired).

use crate::metrics::{Counts, MetricError, Ranked};
use rayon::prelude::*;

/// Resamples that are usual here: enough for two digits of a 95 % interval.
pub const RESAMPLES: u32 = 1000;

/// Strata of a set of trials.
#[derive(Clone, Debug)]
pub struct Strata {
    members: Vec<Vec<u32>>,
    trials: usize,
}

/// An interval of the middle `confidence` of resamples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl Strata {
    /// Trials with equal keys are one stratum. Strata are in the order of their keys.
    pub fn new<K: Ord>(keys: &[K]) -> Result<Self, MetricError> {
        if keys.is_empty() {
            return Err(MetricError::Empty);
        }
        let count = u32::try_from(keys.len()).map_err(|_| MetricError::TooMany(keys.len()))?;
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by(|&a, &b| keys.get(a as usize).cmp(&keys.get(b as usize)));
        let mut members: Vec<Vec<u32>> = Vec::new();
        let mut last = None;
        for trial in order {
            let key = keys.get(trial as usize);
            match members.last_mut() {
                Some(stratum) if last == key => stratum.push(trial),
                _ => members.push(vec![trial]),
            }
            last = key;
        }
        Ok(Self { members, trials: keys.len() })
    }

    /// The same strata by rank in `ranked`, which must be made from the same trials in the same order.
    pub fn ranks(&self, ranked: &Ranked) -> Result<Self, MetricError> {
        if ranked.len() != self.trials {
            return Err(MetricError::Lengths { scores: ranked.len(), labels: self.trials });
        }
        let mut rank_of = vec![0_u32; self.trials];
        for (&trial, rank) in ranked.order().iter().zip(0..) {
            if let Some(slot) = rank_of.get_mut(trial as usize) {
                *slot = rank;
            }
        }
        let ranks = |s: &Vec<u32>| s.iter().filter_map(|&t| rank_of.get(t as usize).copied()).collect();
        Ok(Self { members: self.members.iter().map(ranks).collect(), trials: self.trials })
    }

    /// Writes how often each trial is drawn in a resample.
    pub fn draw(&self, seed: u64, resample: u32, counts: &mut Vec<u32>) {
        counts.clear();
        counts.resize(self.trials, 0);
        for (number, stratum) in (0_u64..).zip(&self.members) {
            let mut random = SplitMix::new(seed, u64::from(resample), number);
            let size = stratum.len() as u64;
            for _ in 0..size {
                let pick = random.below(size);
                let trial = stratum.get(pick as usize).copied().unwrap_or_default();
                if let Some(count) = counts.get_mut(trial as usize) {
                    *count += 1;
                }
            }
        }
    }

    /// Computes `metrics` on every resample, on all cores; rows are in the order of the resamples.
    pub fn resample<const M: usize>(
        &self,
        seed: u64,
        resamples: u32,
        metrics: impl Fn(Counts<'_>) -> [Option<f64>; M] + Sync,
    ) -> Vec<[Option<f64>; M]> {
        (0..resamples)
            .into_par_iter()
            .map_init(Vec::new, |counts, resample| {
                self.draw(seed, resample, counts);
                metrics(Counts::Drawn(counts))
            })
            .collect()
    }
}

/// The percentile interval (Efron 1981) of the values that exist; `None` where fewer than half do.
/// Quantiles interpolate linearly between order statistics, as NumPy's default does.
pub fn percentile_interval(values: &[Option<f64>], confidence: f64) -> Option<Interval> {
    let mut known: Vec<f64> = values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    if known.len() * 2 <= values.len() {
        return None;
    }
    known.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Some(Interval { lo: quantile(&known, tail)?, hi: quantile(&known, 1.0 - tail)? })
}

fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q.clamp(0.0, 1.0) * (sorted.len().checked_sub(1)?) as f64;
    let (below, part) = (at.floor(), at.fract());
    let low = *sorted.get(below as usize)?;
    let high = sorted.get(below as usize + 1).copied().unwrap_or(low);
    Some(low + (high - low) * part)
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and the same everywhere and for ever, which an interval
/// that somebody checks years later needs.
pub(crate) struct SplitMix(u64);

impl SplitMix {
    /// A stream of its own for each resample and stratum: the state is a hash of all three.
    pub(crate) fn new(seed: u64, resample: u64, stratum: u64) -> Self {
        let mut mixed = Self(seed);
        for part in [resample, stratum] {
            mixed = Self(mixed.next() ^ part.wrapping_mul(0xd134_2543_de82_ef95));
        }
        Self(mixed.next())
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform below `n` by multiplication (Lemire 2019) without rejection: for the sizes here (at most 2^30) the
    /// bias is under 2^-34.
    #[inline]
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// Standard normal by Box and Muller (1958), one of the pair.
    pub(crate) fn normal(&mut self) -> f64 {
        // 53 bits above zero, so that the logarithm is finite.
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let (a, b) = (unit(self.next()), unit(self.next()));
        libm::sqrt(-2.0 * libm::log(a)) * libm::cos(std::f64::consts::TAU * b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_and_keep_every_stratum_s_size() {
        let keys = ["a", "b", "a", "b", "b", "c"];
        let strata = Strata::new(&keys).unwrap();
        let (mut first, mut again, mut other) = (Vec::new(), Vec::new(), Vec::new());
        strata.draw(7, 3, &mut first);
        strata.draw(7, 3, &mut again);
        assert_eq!(first, again);
        assert!((0..50).any(|r| {
            strata.draw(7, r, &mut other);
            other != first
        }));
        for r in 0..50 {
            strata.draw(7, r, &mut other);
            let of = |k| keys.iter().zip(&other).filter(|x| *x.0 == k).map(|x| x.1).sum::<u32>();
            assert_eq!((of("a"), of("b"), of("c")), (2, 3, 1));
        }
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0.025, 0.5, 0.975]) = 1.075, 3.0, 7.7
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (q, want) in [(0.025, 1.075), (0.5, 3.0), (0.975, 7.7)] {
            assert!((quantile(&sorted, q).unwrap() - want).abs() < 1e-12);
        }
        assert_eq!(percentile_interval(&[None, None, Some(1.0)], 0.95), None);
    }

    #[test]
    fn the_standard_error_of_a_mean_comes_out() {
        // Bootstrapping the mean of 0/1 values: the interval is that of a binomial proportion.
        let n = 400;
        let strata = Strata::new(&vec![0; n]).unwrap();
        let rows = strata.resample(1, 4000, |counts| {
            let sum: u64 = (0..n).filter(|i| i % 4 == 0).map(|i| counts.at(i)).sum();
            [Some(sum as f64 / n as f64)]
        });
        let values: Vec<_> = rows.iter().map(|r| r[0]).collect();
        let i = percentile_interval(&values, 0.95).unwrap();
        let half = 1.96 * (0.25_f64 * 0.75 / n as f64).sqrt();
        assert!((i.lo - (0.25 - half)).abs() < 0.005 && (i.hi - (0.25 + half)).abs() < 0.005, "{i:?}");
    }
}
