//! Calibration and fusion: pure functions from evidence to verdict.
//!
//! Everything that could be tuned is data: calibration stands in each model's `calibration.json`, fusion in
//! `data/*.json` of this crate, versioned and named in every verdict.
//! May not: do I/O, read a clock, look at media or weights, or turn an abstention into a number.

mod calibrate;
mod data;
mod fuse;
mod reasons;

pub use calibrate::LogisticCalibrator;
pub use data::{FusionData, FusionError};
pub use fuse::MaxAspectFuser;
