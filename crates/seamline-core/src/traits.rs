//! Contracts between the parts.

use crate::{ClipId, Evidence, LlrInterval, MediaError, MediaUnit, Quality, Score, StreamInfo, Verdict};

/// A clip's decoded units, in order of decoding.
///
/// Contract: `Ok(Some(_))` is a unit; `Ok(None)` is the end and stays the end; an `Err` ends the clip.
/// Damage that decoding survives is a [`MediaUnit::Gap`], not an error. Units of one stream come in
/// order of time; units of different streams interleave as the container does. Memory does not grow
/// with the clip's length.
pub trait MediaReader {
    /// The streams that the container declares, also those that are not judged.
    fn streams(&self) -> &[StreamInfo];
    /// The next unit.
    fn next_unit(&mut self) -> Result<Option<MediaUnit>, MediaError>;
    /// What was decoded and how, in words for the report (frame policy, skipped frames, resampler).
    fn policy(&self) -> String;
    /// Names and texts of the container's own metadata, as the demuxer lists them; empty where it lists none.
    fn dictionary(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Turns a raw score into an LLR.
pub trait Calibrator: Send + Sync {
    /// `None` outside the range that the validation data covered. Poor quality widens the interval.
    fn llr(&self, score: Score, quality: &Quality) -> Option<LlrInterval>;
}

/// Turns evidence into a verdict. Pure: the same evidence gives the same verdict, always.
pub trait Fuser: Send + Sync {
    /// Name and data version, e.g. `max-aspect/1`.
    fn id(&self) -> String;
    /// Judges; `clip` is `None` where the file could not be read.
    fn fuse(&self, clip: Option<ClipId>, evidence: &[Evidence]) -> Verdict;
}
