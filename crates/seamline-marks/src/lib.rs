//! Watermark decoders: what generators hid in pixels and in sound.
//!
//! Each decoder reports payload, scheme, false-alarm bound, place and known weaknesses as a coded finding. Pixels:
//! [`dwt`] (invisible-watermark's dwtDct and dwtDctSvd), [`stealth`] (parameters in the lowest bits), [`sparkle`]
//! (the visible corner mark of Gemini and Veo). [`pictures`] feeds them from decoded frames. Sound: [`speech`]
//! (Perth, in sliding windows). [`model`] reads marks in pictures with a model that an operator brought, among them
//! TrustMark, whose checks are in [`trustmark`].
//! May not: decode media, open a file, or treat the absence of a mark as evidence.

pub mod dwt;
pub mod known;
pub mod model;
pub mod pictures;
pub mod sparkle;
pub mod speech;
pub mod stats;
pub mod stealth;
pub mod trustmark;

use seamline_core::{Aspect, Evidence, Outcome, Quality, Subject};
use seamline_infer::Manifest;

/// What a model's decoder has to say.
fn said_by(model: &Manifest, subject: Subject, outcome: Outcome) -> Evidence {
    Evidence {
        detector: model.id.clone(),
        version: model.version.clone(),
        model_sha256: Some(model.sha256()),
        aspect: Aspect::Marks,
        families: model.families.clone(),
        subject,
        rollup: true,
        outcome,
        quality: Quality::default(),
    }
}
