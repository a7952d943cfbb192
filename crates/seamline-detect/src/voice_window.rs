//! A voice detector that is a manifest and its weights: windows of speech in, a score a window out.

use crate::aggregate::aggregate;
use crate::detector::{Detector, DetectorRun, DetectorSpec, SampleKind};
use crate::sample::{ClipContext, Picture, Sample, StreamSpeech};
use crate::speech::{MAX_WINDOW, MIN_WINDOW};
use crate::{DetectError, Drawing, tensor};
use seamline_core::{
    Abstain, AbstainReason, Aspect, Calibrator, Evidence, EvidenceLog, Llr, LlrInterval, Outcome, Quality,
    Score, Span, StreamIndex, Subject,
};
use seamline_infer::{Model, ModelError, OutputSpec, Preprocess, ScoreSpec, WaveformPreprocess};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Windows a batch: 1 for the reason given in `face_crop`; of voice-whisper, 4 are no faster and hold 55 MB more.
const BATCH: usize = 1;
/// Runs of speech that get evidence of their own.
const MAX_LISTED: usize = 200;
/// Less bandwidth than this is outside what any detector here was trained on: the telephone's 3.4 kHz is inside.
const MIN_BANDWIDTH_HZ: f32 = 3_000.0;

/// Where a detector may speak, from its calibration.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperatingPoints {
    /// See [`Outcome::Scored`].
    pub supports_spoof_at: Option<Llr>,
    /// See [`Outcome::Scored`].
    pub supports_bonafide_at: Option<Llr>,
}

impl OperatingPoints {
    /// A score with its LLR, if it has one, and from where on the detector may speak.
    pub(crate) fn scored(&self, score: Score, llr: Option<LlrInterval>) -> Outcome {
        let Self { supports_spoof_at, supports_bonafide_at } = *self;
        Outcome::Scored { score, llr, supports_spoof_at, supports_bonafide_at }
    }
}

/// The detector.
pub struct VoiceWindowDetector {
    spec: DetectorSpec,
    model: Model,
    waveform: WaveformPreprocess,
    output: OutputSpec,
    score: ScoreSpec,
    calibrator: Option<Arc<dyn Calibrator>>,
    points: OperatingPoints,
    batch: usize,
}

impl VoiceWindowDetector {
    /// From a loaded model whose manifest has `[preprocess.waveform]`.
    pub fn new(
        model: Model,
        calibrator: Option<Arc<dyn Calibrator>>,
        points: OperatingPoints,
    ) -> Result<Self, ModelError> {
        let m = model.manifest();
        let fail = |message: &str| ModelError::Contract { id: m.id.to_string(), message: message.into() };
        let Preprocess::Waveform(waveform) = m.preprocess.clone() else {
            return Err(fail("a voice detector needs [preprocess.waveform]"));
        };
        // A fixed first dimension, or windows of any length, mean one window a run.
        let batch = if m.input.shape.first() == Some(&-1) && waveform.samples.is_some() { BATCH } else { 1 };
        let window = waveform.samples.unwrap_or(MAX_WINDOW).clamp(MIN_WINDOW, MAX_WINDOW);
        let (spec, output, score) = DetectorSpec::of(&model, SampleKind::Speech, batch, Some(window))?;
        Ok(Self { spec, model, waveform, output, score, calibrator, points, batch })
    }

    /// The model's input for one window, for golden tests.
    pub fn tensor(&self, samples: &[f32]) -> Vec<f32> {
        tensor::waveform(samples, &self.waveform)
    }

    /// Raw scores of whole tensors, for golden tests.
    pub fn scores(&self, tensors: &[Vec<f32>]) -> Result<Vec<f64>, DetectError> {
        let Some(first) = tensors.first() else { return Ok(Vec::new()) };
        // The tensor is [n, samples], or with further dimensions of 1 as the manifest has them.
        let mut shape: Vec<usize> =
            self.model.manifest().input.shape.iter().map(|&d| usize::try_from(d).unwrap_or(1)).collect();
        if let [batch, .., last] = shape.as_mut_slice() {
            *batch = tensors.len();
            *last = first.len();
        }
        let outputs = self.model.run(&shape, &tensors.concat())?;
        tensor::select(self.spec.id.as_str(), &outputs, &self.output, tensors.len())
    }
}

impl Detector for VoiceWindowDetector {
    fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    fn start(&self, _drawing: Drawing) -> Box<dyn DetectorRun + '_> {
        Box::new(Run { detector: self, pending: Vec::new(), streams: BTreeMap::new() })
    }
}

#[derive(Default)]
struct StreamScores {
    windows: Vec<f64>,
    /// Scores and span of each run of speech that is listed.
    segments: BTreeMap<u32, (Span, Vec<f64>)>,
}

struct Run<'d> {
    detector: &'d VoiceWindowDetector,
    pending: Vec<(StreamIndex, u32, Span, Vec<f32>)>,
    streams: BTreeMap<StreamIndex, StreamScores>,
}

impl Run<'_> {
    fn flush(&mut self) -> Result<(), DetectError> {
        for batch in std::mem::take(&mut self.pending).chunks(self.detector.batch) {
            let tensors: Vec<Vec<f32>> = batch.iter().map(|b| b.3.clone()).collect();
            let scores = self.detector.scores(&tensors)?;
            for ((stream, segment, span, _), score) in batch.iter().zip(scores) {
                let kept = self.streams.entry(*stream).or_default();
                kept.windows.push(score);
                if (*segment as usize) < MAX_LISTED {
                    let entry = kept.segments.entry(*segment).or_insert((*span, Vec::new()));
                    entry.0 = entry.0.union(span);
                    entry.1.push(score);
                }
            }
        }
        Ok(())
    }

    fn abstain(
        &self,
        stream: Option<StreamIndex>,
        reason: AbstainReason,
        detail: String,
        quality: Quality,
    ) -> Evidence {
        let subject = stream.map_or(Subject::Clip, |stream| Subject::Stream { stream, span: None });
        self.detector.spec.evidence(subject, true, Outcome::Abstained(Abstain { reason, detail }), quality)
    }

    fn scored(&self, scores: &[f64], quality: &Quality, calibrate: bool) -> Option<Outcome> {
        let value = aggregate(scores, self.detector.score.aggregate)?;
        let score = Score::new(value, self.detector.score.semantics).ok()?;
        let llr = if calibrate {
            self.detector.calibrator.as_ref().and_then(|c| c.llr(score, quality))
        } else {
            None
        };
        Some(self.detector.points.scored(score, llr))
    }

    fn judge(&self, speech: &StreamSpeech, log: &mut EvidenceLog) {
        let stream = speech.stream;
        let need = self.detector.waveform.min_speech_secs;
        if speech.speech_secs < 0.2 {
            log.push(self.abstain(Some(stream), AbstainReason::NoSpeech, String::new(), speech.quality));
            return;
        }
        let empty = StreamScores::default();
        let scores = self.streams.get(&stream).unwrap_or(&empty);
        if speech.speech_secs < need || scores.windows.is_empty() {
            let detail = format!("{:.1} s of speech, needs {need:.1} s in one run", speech.speech_secs);
            log.push(self.abstain(Some(stream), AbstainReason::TooLittleSpeech, detail, speech.quality));
            return;
        }
        let mut quality = speech.quality;
        quality.samples = u32::try_from(scores.windows.len()).ok();
        for (span, segment) in scores.segments.values() {
            let q = Quality { samples: u32::try_from(segment.len()).ok(), ..Quality::default() };
            if let Some(outcome) = self.scored(segment, &q, false) {
                log.push(self.detector.spec.evidence(
                    Subject::Segment { stream, span: *span },
                    false,
                    outcome,
                    q,
                ));
            }
        }
        let narrow = quality.bandwidth_hz.is_some_and(|b| b < MIN_BANDWIDTH_HZ);
        let subject = Subject::Stream { stream, span: None };
        match self.scored(&scores.windows, &quality, !narrow) {
            Some(outcome @ Outcome::Scored { llr: None, .. }) => {
                // The score is shown, and beside it why it makes no LLR.
                let (reason, detail) = if self.detector.calibrator.is_none() {
                    (AbstainReason::Uncalibrated, String::new())
                } else if narrow {
                    let hz = quality.bandwidth_hz.unwrap_or(0.0);
                    (AbstainReason::OutsideValidatedConditions, format!("speech ends at {hz:.0} Hz"))
                } else {
                    (AbstainReason::OutsideCalibratedRange, String::new())
                };
                log.push(self.detector.spec.evidence(subject, true, outcome, quality));
                log.push(self.abstain(Some(stream), reason, detail, Quality::default()));
            }
            Some(outcome) => log.push(self.detector.spec.evidence(subject, true, outcome, quality)),
            None => {
                log.push(self.abstain(Some(stream), AbstainReason::TooLittleSpeech, String::new(), quality))
            }
        }
    }
}

impl DetectorRun for Run<'_> {
    fn push(&mut self, sample: &Sample, _log: &mut EvidenceLog) -> Result<(), DetectError> {
        let Sample::Speech(window) = sample else { return Ok(()) };
        if Some(window.nominal) != self.detector.spec.window {
            return Ok(());
        }
        let tensor = self.detector.tensor(&window.samples);
        self.pending.push((window.stream, window.segment, window.span, tensor));
        if self.pending.len() >= self.detector.batch { self.flush() } else { Ok(()) }
    }

    fn finish(
        mut self: Box<Self>,
        context: &ClipContext,
        log: &mut EvidenceLog,
        _show: &mut dyn FnMut(Picture),
    ) -> Result<(), DetectError> {
        self.flush()?;
        if context.speech.is_empty() {
            log.push(self.abstain(None, AbstainReason::NoSound, String::new(), Quality::default()));
        }
        for speech in &context.speech {
            self.judge(speech, log);
        }
        Ok(())
    }
}

/// Whether a manifest describes a voice detector.
pub fn accepts(manifest: &seamline_infer::Manifest) -> bool {
    manifest.aspect == Some(Aspect::Voice) && matches!(manifest.preprocess, Preprocess::Waveform(_))
}
