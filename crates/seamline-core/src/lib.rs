//! The vocabulary that every part of Seamline shares: ids, typed time, scores and likelihood ratios,
//! subjects, evidence, finding codes, verdicts, limits, and the traits between the parts.
//!
//! May not: do I/O, read a clock, start a thread, or know a model, a codec or a file format.
//! Numbers that mean something carry their polarity and unit in their type: see [`score`].

pub mod aspect;
pub mod code;
pub mod evidence;
pub mod grown;
pub mod heat;
pub mod ids;
pub mod job;
pub mod limits;
pub mod media;
pub mod moment;
pub mod pixels;
pub mod record;
pub mod score;
pub mod subject;
pub mod time;
pub mod traits;
pub mod verdict;

pub use aspect::{Aspect, AttackFamily};
pub use code::{Direction, FindingCode, Strength};
pub use evidence::{
    Abstain, AbstainReason, Evidence, EvidenceLog, Exhibit, FaceAt, FacePath, Outcome, Quality, Stage,
};
pub use heat::HeatMap;
pub use ids::{ClipId, DetectorId, Sha256Hash, StreamIndex, TrackId};
pub use job::{JobError, JobId, JobQueue, Sighting};
pub use limits::Limits;
pub use media::{
    AudioBlock, FrameSource, Gap, MediaError, MediaUnit, RgbFrame, StreamInfo, StreamKind, VideoFrame,
};
pub use moment::Moment;
pub use record::{ClipRecord, JailStatus, ModelInfo, RunInfo, RunTotals, TrustListInfo};
pub use score::{Label, Llr, LlrInterval, Orientation, Probability, Score, ScoreSemantics, ScoreUnit};
pub use subject::{PixelBox, Subject};
pub use time::{MediaTime, Span};
pub use traits::{Calibrator, Fuser, MediaReader};
pub use verdict::{AspectVerdict, Conclusion, Support, Verdict};
