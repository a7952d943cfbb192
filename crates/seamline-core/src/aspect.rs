//! The separate questions a verdict answers, and the attack families a detector may claim.

use serde::{Deserialize, Serialize};

/// A question that a verdict answers on its own; the clip's conclusion never hides one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Was a face manipulated?
    Face,
    /// Is speech cloned or synthesised?
    Voice,
    /// Are pictures wholly generated?
    Imagery,
    /// Do sound and lips belong together?
    Sync,
    /// Was the file cut, spliced or re-encoded?
    Integrity,
    /// Does it carry a watermark of a generator?
    Marks,
    /// What does its signed or declared history say?
    Provenance,
    /// How does it compare with an original or a known person?
    Reference,
}

impl Aspect {
    /// Every aspect, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Face,
        Self::Voice,
        Self::Imagery,
        Self::Sync,
        Self::Integrity,
        Self::Marks,
        Self::Provenance,
        Self::Reference,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Voice => "voice",
            Self::Imagery => "imagery",
            Self::Sync => "sync",
            Self::Integrity => "integrity",
            Self::Marks => "marks",
            Self::Provenance => "provenance",
            Self::Reference => "reference",
        }
    }
}

/// Kinds of manipulation, with the abbreviations of the literature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AttackFamily {
    /// Face swap.
    FS,
    /// Reenactment: another's expression on a person's face.
    FR,
    /// Lip-sync: the mouth redrawn to other words.
    LS,
    /// Entire synthesis.
    EFS,
    /// Face editing.
    FE,
    /// Text to speech.
    TTS,
    /// Voice conversion.
    VC,
    /// Speech passed through a neural vocoder.
    #[serde(rename = "vocoder")]
    Vocoder,
    /// Spliced recordings.
    #[serde(rename = "splice")]
    Splice,
}
