//! What a finished clip and a run come to: the shapes that every report is made from.

use crate::{ClipId, Evidence, Exhibit, Gap, Sha256Hash, StreamInfo, Verdict};
use serde::{Deserialize, Serialize};

/// Everything about one submitted file.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipRecord {
    /// As submitted; bytes that are not UTF-8 are shown replaced.
    pub path: String,
    /// Absent only where the file could not be read.
    pub clip: Option<ClipId>,
    /// Size of the file in bytes.
    pub size: u64,
    /// Streams of the container.
    pub streams: Vec<StreamInfo>,
    /// What was decoded and sampled, and how, in words.
    pub policy: String,
    /// What could not be decoded or was left out.
    pub gaps: Vec<Gap>,
    /// Everything that was measured, found, or not judged.
    pub evidence: Vec<Evidence>,
    /// Pictures for people; empty unless asked for.
    pub exhibits: Vec<Exhibit>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// A model that took part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub title: String,
    /// `detector`, `face-detector` or `mark`.
    pub role: String,
    /// The hash of its weights.
    pub sha256: Sha256Hash,
    /// SPDX expression.
    pub licence: String,
    /// Whether its scores make LLRs.
    pub calibrated: bool,
    /// False-alarm rate at its operating point: value, lower and upper 95 % bound; from its calibration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub false_alarm_rate: Option<[f64; 3]>,
}

/// How a worker is shut in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailStatus {
    /// System-call filter in force.
    pub seccomp: bool,
    /// Landlock: `full`, `partial` or `none`.
    pub landlock: String,
}

impl JailStatus {
    /// Whether every part is in force.
    pub fn is_full(&self) -> bool {
        self.seccomp && self.landlock == "full"
    }
}

/// The operator's trust list, as a run found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustListInfo {
    /// SHA-256 over its files, in the order of their names.
    pub sha256: Sha256Hash,
    /// Certificates in it.
    pub certificates: u64,
    /// Conforming products in it.
    pub products: u64,
    /// When it was issued (ISO 8601), where it says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issued: Option<String>,
}

/// What a run was made with. Everything here is the same for the same installation and options: no clock,
/// no host name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Seamline's version.
    pub version: String,
    /// SHA-256 over version, models, fusion data and options: equal digests mean comparable results.
    pub pipeline_digest: Sha256Hash,
    /// `fast` or `thorough`.
    pub profile: String,
    /// Fusion data, e.g. `max-aspect/1`.
    pub fusion: String,
    /// Models that took part.
    pub models: Vec<ModelInfo>,
    /// The trust list, where one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trust_list: Option<TrustListInfo>,
    /// ONNX Runtime's version.
    pub onnxruntime: String,
    /// libavcodec's version.
    pub libavcodec: String,
    /// How workers are shut in.
    pub jail: JailStatus,
}

/// Totals of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTotals {
    /// Clips begun.
    pub clips: u64,
    /// Verdicts that support spoof.
    pub supports_spoof: u64,
    /// Verdicts that support bona fide.
    pub supports_bonafide: u64,
    /// Inconclusive verdicts.
    pub inconclusive: u64,
    /// Clips that could not be assessed, failures included.
    pub not_assessable: u64,
    /// Clips with at least one failure.
    pub failed: u64,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
}

impl RunTotals {
    /// Counts one clip.
    pub fn count(&mut self, record: &ClipRecord) {
        use crate::{Conclusion, Outcome};
        self.clips += 1;
        match record.verdict.conclusion {
            Conclusion::SupportsSpoof(_) => self.supports_spoof += 1,
            Conclusion::SupportsBonaFide(_) => self.supports_bonafide += 1,
            Conclusion::Inconclusive => self.inconclusive += 1,
            Conclusion::NotAssessable => self.not_assessable += 1,
        }
        if record.evidence.iter().any(|e| matches!(e.outcome, Outcome::Failed { .. })) {
            self.failed += 1;
        }
    }
}
