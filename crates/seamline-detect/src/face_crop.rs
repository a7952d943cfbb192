//! A face detector of manipulation that is a manifest and its weights: face crops in, a score a crop out.

use crate::aggregate::aggregate;
use crate::detector::{Detector, DetectorRun, DetectorSpec, SampleKind};
use crate::faces::quality;
use crate::sample::{ClipContext, Picture, Sample, TrackSummary};
use crate::telling::{self, Drawing, Telling};
use crate::voice_window::OperatingPoints;
use crate::{DetectError, tensor};
use seamline_core::{
    Abstain, AbstainReason, Aspect, Calibrator, EvidenceLog, HeatMap, MediaTime, Outcome, Quality, RgbFrame,
    Score, Subject, TrackId,
};
use seamline_infer::{ImagePreprocess, Model, ModelError, OutputSpec, Preprocess, ScoreSpec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Crops a batch. A session has one thread, to which a batch brings nothing but memory: of face-blend, 1 crop a
/// run takes no longer a crop than 8, in 80 MB less (Zen 3, ONNX Runtime 1.28).
const BATCH: usize = 1;
/// Faces turned further than this (see [`quality::yaw`]) are profiles: no crop detector here was trained on them.
const MAX_YAW: f32 = 0.7;
/// Aligned crops less sharp than this carry no trace of blending.
const MIN_SHARPNESS: f32 = 8.0;

/// The detector.
pub struct FaceCropDetector {
    spec: DetectorSpec,
    model: Model,
    image: ImagePreprocess,
    output: OutputSpec,
    score: ScoreSpec,
    calibrator: Option<Arc<dyn Calibrator>>,
    points: OperatingPoints,
    batch: usize,
}

impl FaceCropDetector {
    /// From a loaded model whose manifest has aspect `face` and `[preprocess.image]`.
    pub fn new(
        model: Model,
        calibrator: Option<Arc<dyn Calibrator>>,
        points: OperatingPoints,
    ) -> Result<Self, ModelError> {
        let m = model.manifest();
        let fail = |message: &str| ModelError::Contract { id: m.id.to_string(), message: message.into() };
        let Preprocess::Image(image) = m.preprocess.clone() else {
            return Err(fail("a face detector needs [preprocess.image]"));
        };
        let batch = if m.input.shape.first() == Some(&-1) { BATCH } else { 1 };
        let (spec, output, score) = DetectorSpec::of(&model, SampleKind::Face, batch, None)?;
        Ok(Self { spec, model, image, output, score, calibrator, points, batch })
    }

    /// The model's input for one crop of the model's size, for golden tests.
    pub fn tensor(&self, crop: &RgbFrame) -> Vec<f32> {
        let mut data = Vec::new();
        tensor::push_image(crop, &self.image, &mut data);
        data
    }

    /// Raw scores of crops of the model's size.
    pub fn scores(&self, crops: &[RgbFrame]) -> Result<Vec<f64>, DetectError> {
        let mut data = Vec::new();
        for crop in crops {
            tensor::push_image(crop, &self.image, &mut data);
        }
        let shape = tensor::image_shape(crops.len(), self.image.width, self.image.height, self.image.layout);
        let outputs = self.model.run(&shape, &data)?;
        tensor::select(self.spec.id.as_str(), &outputs, &self.output, crops.len())
    }
}

impl Detector for FaceCropDetector {
    fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    fn start(&self, drawing: Drawing) -> Box<dyn DetectorRun + '_> {
        let (pending, tracks, telling) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Box::new(Run { detector: self, drawing, pending, tracks, telling })
    }
}

#[derive(Default)]
struct TrackScores {
    scores: Vec<f64>,
    too_small: u32,
    unfit: u32,
}

struct Run<'d> {
    detector: &'d FaceCropDetector,
    drawing: Drawing,
    pending: Vec<(TrackId, MediaTime, RgbFrame)>,
    tracks: BTreeMap<TrackId, TrackScores>,
    /// Filled only where pictures are wanted.
    telling: BTreeMap<TrackId, Telling>,
}

impl Run<'_> {
    fn flush(&mut self) -> Result<(), DetectError> {
        for batch in std::mem::take(&mut self.pending).chunks(self.detector.batch) {
            let crops: Vec<RgbFrame> = batch.iter().map(|b| b.2.clone()).collect();
            let scores = self.detector.scores(&crops)?;
            for ((track, time, crop), score) in batch.iter().zip(scores) {
                self.tracks.entry(*track).or_default().scores.push(score);
                self.keep(*track, score, *time, crop);
            }
        }
        Ok(())
    }

    fn keep(&mut self, track: TrackId, score: f64, time: MediaTime, crop: &RgbFrame) {
        let room = self.telling.len() < telling::MOST_KEPT || self.telling.contains_key(&track);
        if self.drawing == Drawing::Nothing || !room {
            return;
        }
        if let Ok(score) = Score::new(score, self.detector.score.semantics) {
            self.telling.entry(track).or_default().push(score.toward_spoof(), time, crop);
        }
    }

    /// Shows what the scores of `faces` rest on: the most telling crops, the first with its map.
    fn show(
        &mut self,
        mut faces: Vec<(f64, Subject)>,
        show: &mut dyn FnMut(Picture),
    ) -> Result<(), DetectError> {
        faces.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable: of equal ones the lower track first
        for (_, subject) in faces.into_iter().take(telling::MOST_DRAWN) {
            let Subject::Track { track, .. } = subject else { continue };
            let crops = self.telling.remove(&track).unwrap_or_default().into_crops();
            for (i, crop) in crops.into_iter().enumerate() {
                let heat = if i == 0 { self.heat(&crop)? } else { None };
                let caption = format!("{} at {}: {:.2}", self.detector.spec.id, crop.time, crop.score);
                show(Picture {
                    kind: "crop",
                    subject: subject.clone(),
                    caption,
                    frame: crop.picture,
                    heat,
                    path: None,
                });
            }
        }
        Ok(())
    }

    fn heat(&self, crop: &telling::Crop) -> Result<Option<HeatMap>, DetectError> {
        let detector = self.detector;
        telling::heat(&crop.picture, crop.score, &mut |hidden| {
            let value = detector.scores(&[hidden])?.first().copied().unwrap_or(f64::NAN);
            let score = Score::new(value, detector.score.semantics);
            Ok(score.map_or(f64::NAN, |s| s.toward_spoof()))
        })
    }

    /// Says what a face comes to. The score turned toward spoof, where the face is one to be shown.
    fn judge(&self, track: &TrackSummary, main: bool, log: &mut EvidenceLog) -> Option<(f64, Subject)> {
        let subject = track.subject();
        let empty = TrackScores::default();
        let kept = self.tracks.get(&track.track).unwrap_or(&empty);
        let mut quality = track.quality;
        quality.samples = u32::try_from(kept.scores.len()).ok();
        let abstain = |reason, detail| Outcome::Abstained(Abstain { reason, detail });
        let value = aggregate(&kept.scores, self.detector.score.aggregate)
            .and_then(|v| Score::new(v, self.detector.score.semantics).ok());
        let Some(score) = value else {
            let outcome = if kept.too_small > 0 && kept.unfit == 0 {
                let px = track.quality.face_px.unwrap_or(0.0);
                abstain(
                    AbstainReason::FaceTooSmall,
                    format!("face {px:.0} px, needs {:.0}", self.detector.image.min_face_px),
                )
            } else {
                abstain(AbstainReason::OutsideValidatedConditions, "face in profile or blurred".into())
            };
            log.push(self.detector.spec.evidence(subject, main, outcome, quality));
            return None;
        };
        let llr = self.detector.calibrator.as_ref().and_then(|c| c.llr(score, &quality));
        let outcome = self.detector.points.scored(score, llr);
        log.push(self.detector.spec.evidence(subject.clone(), main, outcome, quality));
        if llr.is_none() && main {
            log.push(self.detector.spec.without_llr(subject.clone(), self.detector.calibrator.is_some()));
        }
        let flagged = llr.zip(self.detector.points.supports_spoof_at).is_some_and(|(l, at)| l.value >= at);
        let shown = match self.drawing {
            Drawing::Nothing => false,
            Drawing::Flagged => flagged,
            Drawing::FlaggedAndMain => flagged || main,
        };
        shown.then(|| (score.toward_spoof(), subject))
    }
}

impl DetectorRun for Run<'_> {
    fn push(&mut self, sample: &Sample, _log: &mut EvidenceLog) -> Result<(), DetectError> {
        let Sample::Face(face) = sample else { return Ok(()) };
        let state = self.tracks.entry(face.track).or_default();
        if face.face.long_side() < self.detector.image.min_face_px {
            state.too_small += 1;
            return Ok(());
        }
        if quality::yaw(&face.landmarks).abs() > MAX_YAW || face.sharpness < MIN_SHARPNESS {
            state.unfit += 1;
            return Ok(());
        }
        let crop = tensor::model_crop(&face.picture, &face.face, &self.detector.image);
        self.pending.push((face.track, face.time, crop));
        if self.pending.len() >= self.detector.batch { self.flush() } else { Ok(()) }
    }

    fn finish(
        mut self: Box<Self>,
        context: &ClipContext,
        log: &mut EvidenceLog,
        show: &mut dyn FnMut(Picture),
    ) -> Result<(), DetectError> {
        self.flush()?;
        let main = context.main_track().map(|t| t.track);
        if main.is_none() {
            let (reason, detail) = context.without_face();
            let outcome = Outcome::Abstained(Abstain { reason, detail });
            log.push(self.detector.spec.evidence(Subject::Clip, true, outcome, Quality::default()));
        }
        let shown = |t: &TrackSummary| self.judge(t, Some(t.track) == main, log);
        let faces = context.tracks.iter().filter_map(shown).collect();
        self.show(faces, show)
    }
}

/// Whether a manifest describes a detector of face manipulation.
pub fn accepts(manifest: &seamline_infer::Manifest) -> bool {
    manifest.aspect == Some(Aspect::Face) && matches!(manifest.preprocess, Preprocess::Image(_))
}
