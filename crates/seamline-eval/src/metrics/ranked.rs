//! Threshold-free and threshold metrics from one sweep over sorted scores.
//!
//! Sorting is done once; a resample (see [`crate::bootstrap`]) only changes how often each trial counts, so that
//! a sweep with counts costs a pass over memory and no sort.

use super::{MAX_TRIALS, MetricError};
use seamline_core::Label;

/// How often each trial counts, by rank.
#[derive(Clone, Copy, Debug)]
pub enum Counts<'a> {
    /// Every trial once.
    Once,
    /// As drawn by a bootstrap; as long as the trials.
    Drawn(&'a [u32]),
}

impl Counts<'_> {
    /// How often the trial at `rank` counts; 0 beyond the end.
    #[inline]
    pub fn at(&self, rank: usize) -> u64 {
        match self {
            Self::Once => 1,
            Self::Drawn(counts) => counts.get(rank).map_or(0, |&c| u64::from(c)),
        }
    }
}

/// Costs and prior of a detection cost function.
///
/// DCF(t) = Cmiss (1 - p) Pmiss(t) + Cfa p Pfa(t), where a *miss* is a bona fide trial that is rejected (called
/// spoof), a *false acceptance* a spoofed trial that is accepted, and p the prior of spoof; divided by the cost
/// of the better of two deciders that do not look, min(Cmiss (1 - p), Cfa p).
/// Source: ASVspoof 5 evaluation plan (2024), section 4.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Prior probability of spoof.
    pub spoof_prior: f64,
    /// Cost of rejecting a bona fide trial.
    pub miss: f64,
    /// Cost of accepting a spoofed trial.
    pub false_acceptance: f64,
}

impl Costs {
    /// Track 1 of ASVspoof 5: p = 0.05, Cmiss = 1, Cfa = 10 (evaluation plan, table 3).
    pub const ASVSPOOF5: Self = Self { spoof_prior: 0.05, miss: 1.0, false_acceptance: 10.0 };

    fn weights(&self) -> (f64, f64) {
        let miss = self.miss * (1.0 - self.spoof_prior);
        let accept = self.false_acceptance * self.spoof_prior;
        let floor = miss.min(accept);
        (miss / floor, accept / floor)
    }

    /// The LLR (positive supports spoof) above which a calibrated system rejects: ln(Cmiss (1 - p) / (Cfa p)).
    pub fn bayes_threshold(&self) -> f64 {
        (self.miss * (1.0 - self.spoof_prior) / (self.false_acceptance * self.spoof_prior)).ln()
    }
}

/// One point of a threshold curve: what happens when everything from `threshold` up is called spoof.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The lowest score that is called spoof; positive infinity = nothing is.
    pub threshold: f64,
    /// Bona fide trials called spoof, as a share.
    pub false_alarm_rate: f64,
    /// Spoofed trials called spoof, as a share.
    pub detection_rate: f64,
}

/// What the ranking alone gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankMetrics {
    /// Area under the ROC: P(spoof > bona fide) + P(equal) / 2 (Hanley and McNeil 1982).
    pub auc: f64,
    /// Equal error rate: where the straight lines between the points of the ROC at distinct thresholds meet
    /// false-alarm rate = miss rate. (The ASVspoof packages take the nearest point instead: [`Self::eer_nearest`].)
    pub eer: f64,
    /// Mean of both rates at the threshold where they differ least, as the ASVspoof 5 evaluation package has it
    /// (its `compute_eer`), on distinct thresholds.
    pub eer_nearest: f64,
    /// Average precision with spoof as the positive class: sum over distinct thresholds of
    /// (recall - previous recall) * precision, without interpolation (as in scikit-learn).
    pub average_precision: f64,
    /// Least normalised detection cost over all thresholds, "accept all" and "reject all" included (ASVspoof 5
    /// evaluation plan, section 4.1).
    pub min_dcf: f64,
}

/// Decisions at one threshold, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operating {
    /// Bona fide trials called spoof.
    pub false_alarms: u64,
    /// Bona fide trials.
    pub bonafide: u64,
    /// Spoofed trials called spoof.
    pub detected: u64,
    /// Spoofed trials.
    pub spoof: u64,
}

impl Operating {
    /// Share of right decisions.
    pub fn accuracy(&self) -> Result<f64, MetricError> {
        let all = self.bonafide + self.spoof;
        if all == 0 {
            return Err(MetricError::Empty);
        }
        Ok((self.detected + self.bonafide - self.false_alarms) as f64 / all as f64)
    }

    /// Mean of the two classes' shares of right decisions.
    pub fn balanced_accuracy(&self) -> Result<f64, MetricError> {
        let (far, dr) = self.rates()?;
        Ok(f64::midpoint(1.0 - far, dr))
    }

    /// Normalised detection cost here. With an LLR and [`Costs::bayes_threshold`] this is actDCF (ASVspoof 5
    /// evaluation plan, section 4.1).
    pub fn dcf(&self, costs: &Costs) -> Result<f64, MetricError> {
        let (far, dr) = self.rates()?;
        let (miss, accept) = costs.weights();
        Ok(miss * far + accept * (1.0 - dr))
    }

    /// False-alarm rate and detection rate.
    pub fn rates(&self) -> Result<(f64, f64), MetricError> {
        if self.bonafide == 0 || self.spoof == 0 {
            return Err(MetricError::OneClass { bonafide: self.bonafide, spoof: self.spoof });
        }
        Ok((self.false_alarms as f64 / self.bonafide as f64, self.detected as f64 / self.spoof as f64))
    }
}

/// Scores in falling order with their labels.
#[derive(Clone, Debug)]
pub struct Ranked {
    scores: Vec<f64>,
    /// Bit 0: spoof. Bit 1: last of its ties.
    flags: Vec<u8>,
    /// Position in the input, by rank.
    order: Vec<u32>,
}

const SPOOF: u8 = 1;
const LAST: u8 = 2;

impl Ranked {
    /// Sorts. `scores` support spoof the more the higher they are.
    pub fn new(scores: &[f64], labels: &[Label]) -> Result<Self, MetricError> {
        if scores.len() != labels.len() {
            return Err(MetricError::Lengths { scores: scores.len(), labels: labels.len() });
        }
        if scores.len() > MAX_TRIALS {
            return Err(MetricError::TooMany(scores.len()));
        }
        if let Some(at) = scores.iter().position(|s| !s.is_finite()) {
            return Err(MetricError::NotFinite(at));
        }
        // Adding zero makes -0.0 and 0.0 the same bits, so that they tie. The position breaks ties of the sort
        // only to make the order of ranks repeatable; no metric depends on it.
        let mut keyed: Vec<(f64, u32)> = scores.iter().zip(0..).map(|(&s, i)| (s + 0.0, i)).collect();
        keyed.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut flags = Vec::with_capacity(keyed.len());
        for (rank, &(score, from)) in keyed.iter().enumerate() {
            let spoof = labels.get(from as usize) == Some(&Label::Spoof);
            let last = keyed.get(rank + 1).is_none_or(|next| next.0 != score);
            flags.push(if spoof { SPOOF } else { 0 } | if last { LAST } else { 0 });
        }
        let (scores, order) = keyed.into_iter().unzip();
        Ok(Self { scores, flags, order })
    }

    /// Number of trials.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Position in the input of the trial at `rank`.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Scores, falling.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Whether the trial at `rank` is spoofed.
    pub fn is_spoof(&self, rank: usize) -> bool {
        self.flags.get(rank).is_some_and(|f| f & SPOOF != 0)
    }

    /// Whether the next rank has another score.
    pub(super) fn is_last(&self, rank: usize) -> bool {
        self.flags.get(rank).is_some_and(|f| f & LAST != 0)
    }

    /// Bona fide and spoofed trials.
    pub fn totals(&self, counts: Counts<'_>) -> (u64, u64) {
        let (mut all, mut spoof) = (0, 0);
        for (rank, flag) in self.flags.iter().enumerate() {
            let count = counts.at(rank);
            all += count;
            spoof += count * u64::from(flag & SPOOF);
        }
        (all - spoof, spoof)
    }

    fn both(&self, counts: Counts<'_>) -> Result<(u64, u64), MetricError> {
        let (bonafide, spoof) = self.totals(counts);
        if bonafide == 0 || spoof == 0 {
            return Err(MetricError::OneClass { bonafide, spoof });
        }
        Ok((bonafide, spoof))
    }

    /// Calls `step(rank, bonafide, spoof)` at the end of every group of ties that counts, with what the group
    /// holds.
    #[inline]
    fn groups(&self, counts: Counts<'_>, mut step: impl FnMut(usize, u64, u64)) {
        let (mut all, mut spoof) = (0, 0);
        for (rank, flag) in self.flags.iter().enumerate() {
            let count = counts.at(rank);
            all += count;
            spoof += count * u64::from(flag & SPOOF);
            if flag & LAST != 0 && all > 0 {
                step(rank, all - spoof, spoof);
                (all, spoof) = (0, 0);
            }
        }
    }

    /// Every metric that the ranking alone gives, in one pass.
    pub fn rank_metrics(&self, costs: &Costs, counts: Counts<'_>) -> Result<RankMetrics, MetricError> {
        let (bonafide, spoof) = self.both(counts)?;
        let (per_bonafide, per_spoof) = (1.0 / bonafide as f64, 1.0 / spoof as f64);
        let (miss, accept) = costs.weights();
        let (mut above_b, mut above_s) = (0_u64, 0_u64);
        let mut twice_area = 0_u64;
        let mut precision_sum = 0.0;
        // Nothing called spoof: every spoofed trial is accepted.
        let mut min_dcf = accept;
        let mut eer = None;
        // The rates' difference as an exact fraction over bonafide * spoof, to compare without rounding.
        let mut nearest = (bonafide * spoof, 0.5);
        self.groups(counts, |_, b, s| {
            twice_area += s * (2 * (bonafide - above_b - b) + b);
            let (next_b, next_s) = (above_b + b, above_s + s);
            if s > 0 {
                precision_sum += s as f64 * (next_s as f64 / (next_s + next_b) as f64);
            }
            let (far, missed) = (next_b as f64 * per_bonafide, (spoof - next_s) as f64 * per_spoof);
            min_dcf = min_dcf.min(miss * far + accept * missed);
            let (false_alarms, misses) = (next_b * spoof, (spoof - next_s) * bonafide);
            if eer.is_none() && false_alarms >= misses {
                let before = (above_b as f64 * per_bonafide, (spoof - above_s) as f64 * per_spoof);
                let (d0, d1) = (before.1 - before.0, missed - far);
                eer = Some(before.0 + d0 / (d0 - d1) * (far - before.0));
            }
            let gap = false_alarms.abs_diff(misses);
            if gap < nearest.0 {
                nearest = (gap, f64::midpoint(far, missed));
            }
            (above_b, above_s) = (next_b, next_s);
        });
        Ok(RankMetrics {
            auc: twice_area as f64 / 2.0 * per_bonafide * per_spoof,
            // The last group reaches (1, 0), so the lines always meet.
            eer: eer.unwrap_or(1.0),
            eer_nearest: nearest.1,
            average_precision: precision_sum * per_spoof,
            min_dcf,
        })
    }

    /// Points of the ROC (and, seen otherwise, of the DET curve and the precision-recall curve) at every distinct
    /// score, from "nothing is spoof" to "everything is".
    pub fn curve(&self) -> Result<Vec<CurvePoint>, MetricError> {
        let (bonafide, spoof) = self.both(Counts::Once)?;
        let mut points =
            vec![CurvePoint { threshold: f64::INFINITY, false_alarm_rate: 0.0, detection_rate: 0.0 }];
        let (mut b, mut s) = (0, 0);
        self.groups(Counts::Once, |rank, group_b, group_s| {
            (b, s) = (b + group_b, s + group_s);
            points.push(CurvePoint {
                threshold: self.scores.get(rank).copied().unwrap_or(f64::NEG_INFINITY),
                false_alarm_rate: b as f64 / bonafide as f64,
                detection_rate: s as f64 / spoof as f64,
            });
        });
        Ok(points)
    }

    /// Decisions when scores from `threshold` up are called spoof.
    pub fn operating(&self, threshold: f64, counts: Counts<'_>) -> Operating {
        let called = self.scores.partition_point(|&s| s >= threshold);
        self.decided(called, counts)
    }

    /// Decisions when only scores above `threshold` are called spoof, as the ASVspoof 5 package has it for actDCF
    /// (a score equal to the threshold is accepted).
    pub fn operating_above(&self, threshold: f64, counts: Counts<'_>) -> Operating {
        let called = self.scores.partition_point(|&s| s > threshold);
        self.decided(called, counts)
    }

    fn decided(&self, called: usize, counts: Counts<'_>) -> Operating {
        let mut o = Operating::default();
        for (rank, flag) in self.flags.iter().enumerate() {
            let (count, spoof) = (counts.at(rank), u64::from(flag & SPOOF));
            let yes = u64::from(rank < called);
            o.spoof += count * spoof;
            o.bonafide += count * (1 - spoof);
            o.detected += count * spoof * yes;
            o.false_alarms += count * (1 - spoof) * yes;
        }
        o
    }
}
