//! A detector of wholly generated pictures that is a manifest and its weights: whole pictures in, a score a picture out.

use crate::aggregate::aggregate;
use crate::detector::{Detector, DetectorRun, DetectorSpec, SampleKind};
use crate::sample::{ClipContext, Picture, Sample};
use crate::voice_window::OperatingPoints;
use crate::{DetectError, Drawing, tensor};
use seamline_core::{
    Abstain, AbstainReason, Aspect, Calibrator, EvidenceLog, MediaTime, Outcome, Quality, RgbFrame, Score,
    Span, StreamIndex, Subject,
};
use seamline_infer::{ImagePreprocess, Model, ModelError, OutputSpec, Preprocess, ScoreSpec};
use std::sync::Arc;

/// Pictures that get evidence of their own; all of them count.
const MAX_LISTED: usize = 64;

/// The detector.
pub struct WholePictureDetector {
    spec: DetectorSpec,
    model: Model,
    image: ImagePreprocess,
    output: OutputSpec,
    score: ScoreSpec,
    calibrator: Option<Arc<dyn Calibrator>>,
    points: OperatingPoints,
}

impl WholePictureDetector {
    /// From a model whose manifest has aspect `imagery` and `[preprocess.image]`.
    pub fn new(
        model: Model,
        calibrator: Option<Arc<dyn Calibrator>>,
        points: OperatingPoints,
    ) -> Result<Self, ModelError> {
        let m = model.manifest();
        let Preprocess::Image(image) = m.preprocess.clone() else {
            return Err(ModelError::Contract {
                id: m.id.to_string(),
                message: "a detector of generated pictures needs [preprocess.image]".into(),
            });
        };
        let (spec, output, score) = DetectorSpec::of(&model, SampleKind::Whole, 1, None)?;
        Ok(Self { spec, model, image, output, score, calibrator, points })
    }

    /// The model's input for one picture, for golden tests.
    pub fn tensor(&self, picture: &RgbFrame) -> Vec<f32> {
        let mut data = Vec::new();
        tensor::push_image(&tensor::whole_picture(picture, &self.image), &self.image, &mut data);
        data
    }

    /// The raw score of one picture of any size.
    pub fn raw_score(&self, picture: &RgbFrame) -> Result<f64, DetectError> {
        let shape = tensor::image_shape(1, self.image.width, self.image.height, self.image.layout);
        let outputs = self.model.run(&shape, &self.tensor(picture))?;
        let scores = tensor::select(self.spec.id.as_str(), &outputs, &self.output, 1)?;
        scores.first().copied().ok_or_else(|| DetectError::Output {
            model: self.spec.id.to_string(),
            message: "gave no score".into(),
        })
    }
}

impl Detector for WholePictureDetector {
    fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    fn start(&self, _drawing: Drawing) -> Box<dyn DetectorRun + '_> {
        Box::new(Run { detector: self, scores: Vec::new(), small: None, portraits: 0, seen: 0 })
    }
}

struct Run<'d> {
    detector: &'d WholePictureDetector,
    scores: Vec<(StreamIndex, MediaTime, f64)>,
    /// Shorter side of the largest picture that was too small.
    small: Option<u32>,
    portraits: u32,
    seen: u32,
}

impl Run<'_> {
    fn outcome(&self, value: f64, calibrate: bool) -> Option<Outcome> {
        let score = Score::new(value, self.detector.score.semantics).ok()?;
        let quality = Quality::default();
        let calibrator = self.detector.calibrator.as_ref().filter(|_| calibrate);
        Some(self.detector.points.scored(score, calibrator.and_then(|c| c.llr(score, &quality))))
    }

    fn silent(&self) -> Abstain {
        let (reason, detail) = match (self.seen, self.small) {
            (0, _) => (AbstainReason::NoPicture, String::new()),
            (_, Some(side)) if self.portraits == 0 => (
                AbstainReason::OutsideValidatedConditions,
                format!("shorter side {side} px, needs {}", self.detector.image.min_side_px),
            ),
            _ => (
                AbstainReason::OutsideValidatedConditions,
                format!("a large face in {} of {} pictures", self.portraits, self.seen),
            ),
        };
        Abstain { reason, detail }
    }
}

impl DetectorRun for Run<'_> {
    fn push(&mut self, sample: &Sample, _log: &mut EvidenceLog) -> Result<(), DetectError> {
        let Sample::Whole(whole) = sample else { return Ok(()) };
        self.seen += 1;
        let side = whole.picture.width().min(whole.picture.height());
        if side < self.detector.image.min_side_px {
            self.small = self.small.max(Some(side));
        } else if self.detector.image.max_face_share.is_some_and(|most| whole.face_share > most) {
            self.portraits += 1;
        } else {
            let score = self.detector.raw_score(&whole.picture)?;
            self.scores.push((whole.stream, whole.time, score));
        }
        Ok(())
    }

    fn finish(
        self: Box<Self>,
        _context: &ClipContext,
        log: &mut EvidenceLog,
        _show: &mut dyn FnMut(Picture),
    ) -> Result<(), DetectError> {
        let spec = &self.detector.spec;
        let values: Vec<f64> = self.scores.iter().map(|s| s.2).collect();
        let outcome = aggregate(&values, self.detector.score.aggregate).and_then(|v| self.outcome(v, true));
        let (Some(outcome), Some(&(stream, ..))) = (outcome, self.scores.first()) else {
            let outcome = Outcome::Abstained(self.silent());
            log.push(spec.evidence(Subject::Clip, true, outcome, Quality::default()));
            return Ok(());
        };
        if self.scores.len() > 1 {
            for &(stream, time, value) in self.scores.iter().take(MAX_LISTED) {
                let subject = Subject::Frame { stream, span: Span::new(time, time) };
                if let Some(one) = self.outcome(value, false) {
                    log.push(spec.evidence(subject, false, one, Quality::default()));
                }
            }
        }
        let quality = Quality { samples: u32::try_from(values.len()).ok(), ..Quality::default() };
        let subject = Subject::Stream { stream, span: None };
        let uncalibrated = matches!(outcome, Outcome::Scored { llr: None, .. });
        log.push(spec.evidence(subject.clone(), true, outcome, quality));
        if uncalibrated {
            log.push(spec.without_llr(subject, self.detector.calibrator.is_some()));
        }
        Ok(())
    }
}

/// Whether a manifest describes a detector of generated pictures.
pub fn accepts(manifest: &seamline_infer::Manifest) -> bool {
    manifest.aspect == Some(Aspect::Imagery) && matches!(manifest.preprocess, Preprocess::Image(_))
}
