//! What is kept of a clip so that it can be recognised: an [`Observables`] record, made in the same pass as detection.
//!
//! Pictures are hashed twice a second, and eight times where they move, each in several [`View`]s, so that a crop, a border or a caption
//! band in either of two clips leaves one pair of views alike. The mirror image's hash follows from the same
//! coefficients and is kept beside it for searches; it is not indexed.

mod builder;
pub mod codec;

pub use builder::{FRAME_STEP_US, MOVING_STEP_US, ObservablesBuilder};

use crate::pdq::{MIN_QUALITY, PdqHash};
use crate::sound::SoundPrint;
use seamline_core::{ClipId, Sha256Hash};
use serde::{Deserialize, Serialize};

/// Version of what is measured and how; observables of different versions are not compared.
pub const VERSION: u32 = 2;

/// Which part of the picture a hash is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// All of it.
    Whole,
    /// What a letterbox, a pillarbox, a frame or a caption bar leaves.
    Inside,
    /// The middle nine tenths of each side, of the whole and, where there is one, of the inside.
    Centre90,
    /// The middle eight tenths of each side, likewise.
    Centre80,
    /// The upper four fifths: without a caption band or a ticker.
    Upper80,
}

impl View {
    /// Every view, in the order of their numbers in the store.
    pub const ALL: [Self; 5] = [Self::Whole, Self::Inside, Self::Centre90, Self::Centre80, Self::Upper80];
}

/// One hash of one view of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameHash {
    /// When it is shown, in microseconds.
    pub time_us: i64,
    /// 0 to 100; under [`MIN_QUALITY`] it is kept but not matched.
    pub quality: u8,
    /// Which part of the picture.
    pub view: View,
    /// The hash.
    pub hash: PdqHash,
    /// The hash of the mirror image.
    pub mirrored: PdqHash,
}

impl FrameHash {
    /// Whether there is enough in the picture to match it.
    pub fn telling(&self) -> bool {
        self.quality >= MIN_QUALITY
    }
}

/// A voice as a vector of length 1, compared by cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoiceEmbedding {
    /// When the speech begins, in microseconds.
    pub start_us: i64,
    /// When it ends.
    pub end_us: i64,
    /// The vector.
    pub vector: Vec<f32>,
    /// The model that made it; vectors of different models are not compared.
    pub model_sha256: Sha256Hash,
}

/// A region that stays while the pictures change: a channel's logo, often a stolen one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StaticPatch {
    /// Left, top, width and height as fractions of the picture.
    pub region: [f32; 4],
    /// PDQ of the region's mean picture.
    pub hash: PdqHash,
    /// 0 to 100.
    pub quality: u8,
}

/// A trace that a tool left in the file. Equal traces link clips; a common encoder links nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trace {
    /// What kind of trace.
    pub kind: TraceKind,
    /// Its value, normalised by whoever found it.
    pub value: String,
}

/// Kinds of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceKind {
    /// A C2PA signer whose seal holds: common name and issuer of its certificate.
    Signer,
    /// A run of a generator: prompt, seed or job id. The only kind that links by itself.
    GeneratorRun,
    /// A generator's name and version.
    Generator,
    /// An encoder's name and settings.
    Encoder,
    /// A platform's mark.
    Platform,
}

impl TraceKind {
    /// The name in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::GeneratorRun => "generator_run",
            Self::Generator => "generator",
            Self::Encoder => "encoder",
            Self::Platform => "platform",
        }
    }
}

/// Everything by which one clip can be recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observables {
    /// [`VERSION`].
    pub version: u32,
    /// The file.
    pub clip: ClipId,
    /// Time of the last frame or sample, in microseconds.
    pub duration_us: i64,
    /// Hashes, by time, then view.
    pub frames: Vec<FrameHash>,
    /// Fingerprint of the sound; absent where there is none, or less than 2.7 s.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sound: Option<SoundPrint>,
    /// Voices.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub voices: Vec<VoiceEmbedding>,
    /// Regions that stay.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub patches: Vec<StaticPatch>,
    /// Traces, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub traces: Vec<Trace>,
    /// Whether the clip was longer than what is kept of it.
    #[serde(default)]
    pub truncated: bool,
    /// A small JPEG of one picture, for people; empty where there is none. Nothing is matched by it.
    #[serde(skip)]
    pub thumbnail: Vec<u8>,
}

impl Observables {
    /// Times of the frames that can be matched, sorted, each once.
    pub fn frame_times(&self) -> Vec<i64> {
        let mut times: Vec<i64> = self.frames.iter().filter(|f| f.telling()).map(|f| f.time_us).collect();
        times.sort_unstable();
        times.dedup();
        times
    }
}

#[cfg(test)]
mod tests;
