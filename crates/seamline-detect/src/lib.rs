//! Samplers and detectors: what is looked at, and what is said of it.
//!
//! Samplers turn decoded units into samples: face crops on tracks ([`pictures`]), windows of speech
//! ([`speech`]), voices to recognise again ([`speaker`]). Detectors score samples and leave evidence. A detector here is data: a manifest and its
//! weights ([`face_crop`], [`whole_picture`], [`voice_window`]), so that a published model needs no code; only
//! [`temporal`], which follows a face and compares it with the sound, is more.
//! May not: decode media, calibrate (a [`seamline_core::Calibrator`] is handed in), fuse, or call silence a number.

pub mod activity;
pub mod aggregate;
pub mod consistency;
pub mod detector;
pub mod face_crop;
pub mod faces;
pub mod levels;
pub mod pictures;
pub mod sample;
pub mod shots;
pub mod speaker;
pub mod spectrogram;
pub mod speech;
mod stft;
pub mod telling;
pub mod temporal;
pub mod tensor;
pub mod vad;
pub mod voice_quality;
pub mod voice_window;
pub mod whole_picture;

pub use detector::{Detector, DetectorRun, SampleKind};
pub use sample::{
    ClipContext, FaceSample, MovingSample, Picture, Sample, SpeechWindow, StreamSpeech, TrackSummary,
    WholeSample,
};
pub use telling::Drawing;

use seamline_core::MediaError;
use seamline_infer::ModelError;

/// Why sampling or detecting failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// A picture could not be converted.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model gave something that is no score.
    #[error("model {model}: {message}")]
    Output {
        /// Which model.
        model: String,
        /// What is wrong.
        message: String,
    },
}
