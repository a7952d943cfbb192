//! How well a detector does, measured so that somebody else can check it.
//!
//! [`metrics`] turns scores and labels into figures, each defined with its source; [`bootstrap`] gives them
//! intervals.
//!
//! Conventions: labels are `bonafide` and `spoof`; every score that reaches a metric is turned so that **higher
//! supports spoof**; a clip that a detector abstained on is counted, never given a number; ties are ties.
//! May not: run a model, decode media, guess which end of a foreign score is spoof, fit a threshold or a
//! calibration on what it measures, or print.

pub mod answers;
pub mod arena;
pub mod bootstrap;
pub mod compare;
pub mod evidence;
pub mod html;
pub mod ladder;
pub mod measure;
pub mod metrics;
pub mod protocol;
pub mod scores;
pub mod summary;
pub mod text;
pub mod trials;
