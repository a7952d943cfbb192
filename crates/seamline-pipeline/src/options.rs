//! What a scan is asked to do.

use seamline_core::{FindingCode, Limits};
use seamline_detect::pictures::FramePolicy;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How much is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// About two pictures a second; the face finder at 384 px; pictures that no other needs are skipped.
    #[default]
    Fast,
    /// About five pictures a second; the face finder at 640 px; every picture decoded.
    Thorough,
}

impl Profile {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Thorough => "thorough",
        }
    }

    /// Its frame policy.
    pub const fn frames(self) -> FramePolicy {
        match self {
            Self::Fast => FramePolicy::FAST,
            Self::Thorough => FramePolicy::THOROUGH,
        }
    }

    /// Its face finder, the id of a model.
    pub const fn face_detector(self) -> &'static str {
        match self {
            Self::Fast => "face-centerface",
            Self::Thorough => "face-centerface-640",
        }
    }
}

/// Options of a scan. Those that change results are part of the pipeline's digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScanOptions {
    /// How much is looked at.
    pub profile: Profile,
    /// Detectors to run; empty = all that ship calibrated.
    pub detectors: Vec<String>,
    /// Certificates of trusted C2PA issuers: a PEM file, or a folder of them.
    pub trust_list: Option<PathBuf>,
    /// What one clip may cost.
    pub limits: Limits,
    /// Judge nothing: no detector, mark or face finder is loaded. For taking what a clip can be recognised by.
    #[serde(default)]
    pub judge_nothing: bool,
    /// Load what makes vectors of voices, for clips that are to be recognised again. Changes no result.
    #[serde(default)]
    pub voices: bool,
}

/// Codes for damage, made from gaps.
pub(crate) fn gap_code(cause: &str) -> &'static FindingCode {
    if cause.contains("ends before its declared length") {
        &seamline_core::code::CONTAINER_TRUNCATED
    } else {
        &seamline_core::code::CONTAINER_DAMAGED
    }
}
