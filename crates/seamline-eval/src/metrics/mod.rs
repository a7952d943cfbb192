//! Metrics. Each function says what it computes and where the definition comes from; none guesses a polarity.
//!
//! Scores are `f64` that support spoof the more the higher they are; likelihood ratios are natural logarithms in
//! the same direction. A set without one of the two classes has no ranking metric: that is an error, not 0.5.
//! Ties are exact: equal scores are one threshold, whatever their order in the input.

mod beta;
mod calibration;
mod cllr;
mod ranked;
mod risk;
mod segments;

pub use beta::{Proportion, clopper_pearson};
pub use calibration::{Bin, Posteriors, brier, ece, reliability};
pub use cllr::{ClassLosses, cllr, min_cllr};
pub use ranked::{Costs, Counts, CurvePoint, Operating, RankMetrics, Ranked};
pub use risk::{RiskPoint, aurc, risk_coverage};
pub use segments::{ClipSegments, Proposal, average_precision_at_iou, average_recall_at};

/// Why a metric does not exist for these trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// As many labels as scores are needed.
    #[error("{scores} scores but {labels} labels")]
    Lengths {
        /// Scores given.
        scores: usize,
        /// Labels given.
        labels: usize,
    },
    /// A score that is NaN or infinite, with its position.
    #[error("score {0} (from 0) is not a finite number")]
    NotFinite(usize),
    /// More trials than a 32-bit count holds.
    #[error("{0} trials are more than the {max} that are counted exactly", max = MAX_TRIALS)]
    TooMany(usize),
    /// Only one class is present.
    #[error("{bonafide} bona fide and {spoof} spoofed trials: both classes are needed")]
    OneClass {
        /// Bona fide trials.
        bonafide: u64,
        /// Spoofed trials.
        spoof: u64,
    },
    /// Nothing to measure.
    #[error("no trials")]
    Empty,
    /// A parameter outside its range.
    #[error("{0} is out of range")]
    Parameter(&'static str),
}

/// Trials are counted in 32 bits and their products in 64: exact up to here.
pub const MAX_TRIALS: usize = 1 << 30;
