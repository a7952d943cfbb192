//! The contract between samplers and detectors.

use crate::{ClipContext, DetectError, Drawing, Picture, Sample};
use seamline_core::{
    Abstain, AbstainReason, Aspect, AttackFamily, DetectorId, Evidence, EvidenceLog, Outcome, Quality,
    Sha256Hash, Subject,
};
use seamline_infer::{Model, ModelError, OutputSpec, ScoreSpec};

/// Kinds of samples a detector accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// [`Sample::Face`].
    Face,
    /// [`Sample::Moving`].
    Moving,
    /// [`Sample::Whole`].
    Whole,
    /// [`Sample::Speech`].
    Speech,
}

/// What a detector is; stated as data, so that a pipeline can plan without asking.
#[derive(Clone, Debug)]
pub struct DetectorSpec {
    /// Its name.
    pub id: DetectorId,
    /// Its version.
    pub version: String,
    /// Attack families it claims.
    pub families: Vec<AttackFamily>,
    /// The question it answers.
    pub aspect: Aspect,
    /// What it is given.
    pub accepts: SampleKind,
    /// Most samples a batch.
    pub max_batch: usize,
    /// Speech detectors: the window length they are given, in samples.
    pub window: Option<usize>,
    /// The hash of its weights.
    pub model_sha256: Option<Sha256Hash>,
}

impl DetectorSpec {
    /// What a loaded model's manifest says of a detector, with its output and what its score means.
    pub(crate) fn of(
        model: &Model,
        accepts: SampleKind,
        max_batch: usize,
        window: Option<usize>,
    ) -> Result<(Self, OutputSpec, ScoreSpec), ModelError> {
        let m = model.manifest();
        let (Some(output), Some(score), Some(aspect)) = (m.output.clone(), m.score, m.aspect) else {
            return Err(ModelError::Contract {
                id: m.id.to_string(),
                message: "a detector needs aspect, [output] and [score]".into(),
            });
        };
        let spec = Self {
            id: m.id.clone(),
            version: m.version.clone(),
            families: m.families.clone(),
            aspect,
            accepts,
            max_batch,
            window,
            model_sha256: Some(m.sha256()),
        };
        Ok((spec, output, score))
    }

    /// A statement in this detector's name.
    pub fn evidence(&self, subject: Subject, rollup: bool, outcome: Outcome, quality: Quality) -> Evidence {
        Evidence {
            detector: self.id.clone(),
            version: self.version.clone(),
            model_sha256: self.model_sha256,
            aspect: self.aspect,
            families: self.families.clone(),
            subject,
            rollup,
            outcome,
            quality,
        }
    }

    /// Beside a score: why it makes no LLR.
    pub(crate) fn without_llr(&self, subject: Subject, calibrated: bool) -> Evidence {
        let reason = match calibrated {
            false => AbstainReason::Uncalibrated,
            true => AbstainReason::OutsideCalibratedRange,
        };
        let outcome = Outcome::Abstained(Abstain { reason, detail: String::new() });
        self.evidence(subject, true, outcome, Quality::default())
    }
}

/// A detector; shared by all clips.
pub trait Detector: Send + Sync {
    /// What it is.
    fn spec(&self) -> &DetectorSpec;
    /// Begins a clip. `drawing` says of which faces [`DetectorRun::finish`] is to show what the score rests on; it changes
    /// no evidence.
    fn start(&self, drawing: Drawing) -> Box<dyn DetectorRun + '_>;
}

/// A detector's state for one clip.
///
/// Contract: samples come in order of time within their track or stream; the same samples in the same order
/// leave the same evidence. `finish` leaves at least one piece of evidence, an abstention with its reason
/// where there was nothing to score.
pub trait DetectorRun: Send {
    /// Takes one sample. May keep it until a batch is full.
    fn push(&mut self, sample: &Sample, log: &mut EvidenceLog) -> Result<(), DetectError>;
    /// Scores what is left and says what the clip comes to; pictures for people go to `show`.
    fn finish(
        self: Box<Self>,
        context: &ClipContext,
        log: &mut EvidenceLog,
        show: &mut dyn FnMut(Picture),
    ) -> Result<(), DetectError>;
}
