//! Evidence: what was measured, found, or could not be judged. A verdict is a pure function of it.

use crate::code::FindingCode;
use crate::{
    Aspect, AttackFamily, DetectorId, HeatMap, Llr, LlrInterval, MediaTime, PixelBox, Score, Sha256Hash,
    Subject,
};
use serde::{Deserialize, Serialize};

/// Where in the flow something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Opening and hashing the file.
    Open,
    /// The worker process itself: start, crash, limit.
    Worker,
    /// Recognising the container.
    Probe,
    /// Reading packets.
    Demux,
    /// Decoding pictures or sound.
    Decode,
    /// Finding shots, faces, speech.
    Sample,
    /// Running a model.
    Infer,
    /// Reading metadata and signatures.
    Provenance,
    /// Calibration and fusion.
    Fuse,
    /// Writing the report.
    Report,
}

impl Stage {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Worker => "worker",
            Self::Probe => "probe",
            Self::Demux => "demux",
            Self::Decode => "decode",
            Self::Sample => "sample",
            Self::Infer => "infer",
            Self::Provenance => "provenance",
            Self::Fuse => "fuse",
            Self::Report => "report",
        }
    }
}

/// Why a detector says nothing. Never a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbstainReason {
    /// The clip has no picture.
    NoPicture,
    /// The clip has no sound.
    NoSound,
    /// No face was found.
    NoFace,
    /// Every face is smaller than what the detector's card has validated.
    FaceTooSmall,
    /// No speech was found.
    NoSpeech,
    /// Less speech than the detector needs.
    TooLittleSpeech,
    /// The picture or sound is outside the conditions that the card has validated.
    OutsideValidatedConditions,
    /// The score lies outside what the calibration data covered.
    OutsideCalibratedRange,
    /// The detector has no calibration: its score is shown, no LLR is made.
    Uncalibrated,
    /// Nothing of this kind is judged by the detectors that were run.
    NotAssessed,
}

impl AbstainReason {
    /// One clause for people.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::NoPicture => "no picture in the clip",
            Self::NoSound => "no sound in the clip",
            Self::NoFace => "no face found",
            Self::FaceTooSmall => "faces too small",
            Self::NoSpeech => "no speech found",
            Self::TooLittleSpeech => "too little speech",
            Self::OutsideValidatedConditions => "outside the validated conditions",
            Self::OutsideCalibratedRange => "score outside the calibrated range",
            Self::Uncalibrated => "detector is not calibrated",
            Self::NotAssessed => "no detector for it was run",
        }
    }
}

/// An abstention with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Abstain {
    /// The coded reason.
    pub reason: AbstainReason,
    /// Numbers behind it, e.g. `largest face 41 px, needs 64`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub detail: String,
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A score, with an LLR where the detector is calibrated and the score inside its validated range.
    Scored {
        /// As the model printed it, with orientation and unit.
        score: Score,
        /// Calibrated; absent = uncalibrated or out of range.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        llr: Option<LlrInterval>,
        /// The LLR from which this detector may say "supports spoof": the operating point whose false-alarm
        /// rate its card states.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        supports_spoof_at: Option<Llr>,
        /// The LLR at or below which it may say "supports bona fide"; absent = it never may.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        supports_bonafide_at: Option<Llr>,
    },
    /// A coded fact.
    Finding {
        /// Which.
        code: FindingCode,
        /// Field names and values, sorted by name.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        detail: Vec<(String, String)>,
    },
    /// Nothing can be said, and why.
    Abstained(Abstain),
    /// Something broke.
    Failed {
        /// Where.
        stage: Stage,
        /// One line.
        message: String,
    },
}

/// How good the material was; what widens an answer. Every field is a measurement, absent where not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Median face size: longer side of the box, in display pixels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub face_px: Option<f32>,
    /// Variance of the Laplacian of the face crop's luma at 112 px, 8-bit levels squared; below about 20 is blurred.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sharpness: Option<f32>,
    /// Yaw proxy, -1 (full left profile) to 1: the nose's offset between the eyes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub yaw: Option<f32>,
    /// Number of crops, windows or frames behind the score.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub samples: Option<u32>,
    /// Seconds of speech behind the score.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speech_secs: Option<f32>,
    /// Frequency above which the speech's average spectrum stays 60 dB under its peak, in hertz (at most 8,000).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bandwidth_hz: Option<f32>,
    /// Speech level over noise floor, in decibels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub snr_db: Option<f32>,
    /// Fraction of samples at full scale, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clipped: Option<f32>,
}

impl Quality {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One statement by one detector or checker about one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who says it.
    pub detector: DetectorId,
    /// Its version.
    pub version: String,
    /// The hash of the weights, where it has weights.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model_sha256: Option<Sha256Hash>,
    /// The question it bears on.
    pub aspect: Aspect,
    /// Attack families it can see; empty for findings.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub families: Vec<AttackFamily>,
    /// The part of the clip.
    pub subject: Subject,
    /// Whether it speaks for the whole clip in its aspect (a roll-up of narrower evidence by the same detector).
    #[serde(default)]
    pub rollup: bool,
    /// What was measured or found.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How good the material was.
    #[serde(skip_serializing_if = "Quality::is_empty", default)]
    pub quality: Quality,
}

/// Something to look at beside the evidence; only reports for people carry it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exhibit {
    /// `face`, `crop` (a face as a detector saw it), `frame`, `spectrogram` or `curve`.
    pub kind: String,
    /// What it shows.
    pub subject: Subject,
    /// One line under the picture.
    pub caption: String,
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    /// The picture, base64 (RFC 4648 section 4).
    pub base64: String,
    /// Which parts of the picture a score rests on, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heat: Option<HeatMap>,
    /// Where the face of a track was whenever it was looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<FacePath>,
}

/// Where a face was, so that it can be pointed out while the clip plays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FacePath {
    /// Width of the picture that the boxes lie in, as it is shown, in pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// In the order of time.
    pub seen: Vec<FaceAt>,
}

/// One sighting of a face.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaceAt {
    /// When, in microseconds.
    pub at_us: MediaTime,
    /// Where, in whole pixels.
    pub face: PixelBox,
}

/// Where a detector leaves what it has to say.
#[derive(Debug, Default)]
pub struct EvidenceLog {
    entries: Vec<Evidence>,
}

impl EvidenceLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one statement.
    pub fn push(&mut self, evidence: Evidence) {
        self.entries.push(evidence);
    }

    /// What was said so far, in order.
    pub fn entries(&self) -> &[Evidence] {
        &self.entries
    }

    /// Hands the statements over.
    pub fn into_entries(self) -> Vec<Evidence> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{Orientation, ScoreSemantics, ScoreUnit};

    #[test]
    fn evidence_survives_the_wire() {
        let e = Evidence {
            detector: DetectorId::new("voice-whisper").unwrap(),
            version: "0.1.0".into(),
            model_sha256: Some(Sha256Hash::of(b"x")),
            aspect: Aspect::Voice,
            families: vec![AttackFamily::TTS, AttackFamily::Vocoder],
            subject: Subject::Clip,
            rollup: true,
            outcome: Outcome::Scored {
                score: Score::new(
                    1.25,
                    ScoreSemantics { orientation: Orientation::HigherIsSpoof, unit: ScoreUnit::Logit },
                )
                .unwrap(),
                llr: Some(LlrInterval::symmetric(Llr::new(0.5).unwrap(), 1.0).unwrap()),
                supports_spoof_at: Llr::new(2.0).ok(),
                supports_bonafide_at: None,
            },
            quality: Quality { speech_secs: Some(4.0), ..Quality::default() },
        };
        let line = serde_json::to_string(&e).unwrap();
        assert_eq!(serde_json::from_str::<Evidence>(&line).unwrap(), e);
        assert!(
            line.contains("\"outcome\":\"scored\"") && line.contains("\"orientation\":\"higher_is_spoof\"")
        );
    }
}
