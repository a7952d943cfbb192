//! What single pictures of a face cannot show: how it moves, and whether its mouth goes with the sound.
//!
//! The largest face is followed through nearly every picture by the face mesh ([`crate::faces::mesh`]). A dozen numbers
//! of its motion and texture ([`features`]) and the correlation of mouth and sound ([`lips`]) make one score by a
//! logistic head that stands in the manifest's `[temporal]`. Spans in which mouth and sound disagree are findings:
//! hints, since a voice-over disagrees too.

mod curve;
pub mod features;
pub mod lips;
mod texture;

use crate::detector::{Detector, DetectorRun, DetectorSpec, SampleKind};
use crate::faces::mesh::{self, Mesh, OVAL, RIGID};
use crate::faces::{Landmarks, align};
use crate::sample::{ClipContext, MovingSample, Picture, Sample, StreamSpeech, TrackSummary};
use crate::telling::Drawing;
use crate::voice_window::OperatingPoints;
use crate::{DetectError, levels::StreamLevels};
use features::Tick;
use lips::LipWindow;
use seamline_core::code::{SYNC_LIPS_DISAGREE, SYNC_LIPS_FOLLOW};
use seamline_core::{
    Abstain, AbstainReason, Aspect, Calibrator, EvidenceLog, MediaTime, Outcome, PixelBox, Quality, Score,
    Span, Subject, TrackId,
};
use seamline_infer::{Manifest, Model, ModelError, Preprocess, ScoreSpec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pictures of a clip that are measured: ten minutes and more of a face; what comes later is not.
const MOST: usize = 10_000;
/// Longer side of a face, in pixels, to which larger ones are reduced: the mesh sees 128 of them, texture 112.
const REDUCED_PX: f32 = 256.0;
/// Numbers of a face: those of [`features`] and the correlation of mouth and sound.
pub const NUMBERS: usize = features::NAMES.len() + 1;
/// A mesh that overlaps the found face less than this has slipped off it.
const SLIPPED: f32 = 0.2;

/// Numbers this many deviations from the bona fide mean say no more than nearer ones.
const FAR: f64 = 3.0;

/// `[temporal]`: the heads. Each number less `mean`, divided by `scale`, held within [`FAR`], times a break's `weights`, and
/// its `bias`, says how much it looks like that break; the score is the logarithm of the sum of their exponentials, so that
/// one of them is enough. A face without sound to compare it with has the mean for a correlation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    features: Vec<String>,
    mean: Vec<f64>,
    scale: Vec<f64>,
    breaks: Vec<Break>,
    /// Mouth and sound disagree where `disagree_windows` windows in a row correlate less than this; absent = never told.
    disagree_below: Option<f32>,
    #[serde(default = "two")]
    disagree_windows: usize,
}

/// One thing that manipulation breaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Break {
    /// For whoever reads the manifest; no score depends on it.
    #[serde(rename = "name")]
    _name: String,
    weights: Vec<f64>,
    bias: f64,
}

fn two() -> usize {
    2
}

impl Head {
    fn read(manifest: &Manifest) -> Result<Self, String> {
        let table = manifest.temporal.clone().ok_or("no [temporal]")?;
        let head: Self = table.try_into().map_err(|e| format!("[temporal]: {e}").replace('\n', " "))?;
        let named = head.features.iter().map(String::as_str).eq(features::NAMES.into_iter().chain(["lips"]));
        let lists = || head.breaks.iter().map(|b| &b.weights).chain([&head.mean, &head.scale]);
        if !named || head.breaks.is_empty() || lists().any(|l| l.len() != NUMBERS) {
            return Err(format!(
                "[temporal] needs {NUMBERS} numbers each, of {:?} and lips",
                features::NAMES
            ));
        }
        let finite = lists().flatten().chain(head.breaks.iter().map(|b| &b.bias)).all(|v| v.is_finite());
        if !finite || head.scale.iter().any(|s| *s <= 0.0) {
            return Err("[temporal]: numbers must be finite, and scale positive".into());
        }
        Ok(head)
    }

    fn score(&self, numbers: &FaceNumbers) -> f64 {
        let lips = numbers.lips.or(self.mean.last().copied()).unwrap_or(0.0);
        let values = numbers.features.iter().copied().chain([lips]);
        let near = values.zip(self.mean.iter().zip(&self.scale));
        let near: Vec<f64> = near.map(|(v, (mean, scale))| ((v - mean) / scale).clamp(-FAR, FAR)).collect();
        let says = |b: &Break| b.weights.iter().zip(&near).map(|(w, v)| w * v).sum::<f64>() + b.bias;
        self.breaks.iter().map(|b| says(b).exp()).sum::<f64>().ln()
    }
}

/// What is measured of one face.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceNumbers {
    /// In the order of [`features::NAMES`].
    pub features: [f64; 12],
    /// Median of the windows' correlation of mouth and sound, if there are any.
    pub lips: Option<f64>,
    /// These windows.
    pub windows: Vec<LipWindow>,
}

/// The detector.
pub struct TemporalDetector {
    spec: DetectorSpec,
    model: Model,
    score: ScoreSpec,
    head: Head,
    min_face_px: f32,
    calibrator: Option<Arc<dyn Calibrator>>,
    points: OperatingPoints,
}

impl TemporalDetector {
    /// From the face mesh, whose manifest has `[temporal]`.
    pub fn new(
        model: Model,
        calibrator: Option<Arc<dyn Calibrator>>,
        points: OperatingPoints,
    ) -> Result<Self, ModelError> {
        let m = model.manifest();
        let fail = |message: String| ModelError::Manifest { path: m.dir().join("manifest.toml"), message };
        let Preprocess::Image(image) = &m.preprocess else {
            return Err(fail("a temporal face detector needs [preprocess.image]".into()));
        };
        let (head, min_face_px) = (Head::read(m).map_err(fail)?, image.min_face_px);
        let (spec, _, score) = DetectorSpec::of(&model, SampleKind::Moving, 1, None)?;
        Ok(Self { spec, model, score, head, min_face_px, calibrator, points })
    }

    /// Begins a clip. [`Detector::start`] gives the same without its type.
    pub fn begin(&self, drawing: Drawing) -> TemporalRun<'_> {
        let tracks = BTreeMap::new();
        TemporalRun { detector: self, drawing, tracks, now: None, count: 0, small: 0.0 }
    }

    /// The score of measured numbers.
    pub fn score_of(&self, numbers: &FaceNumbers) -> f64 {
        self.head.score(numbers)
    }
}

impl Detector for TemporalDetector {
    fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    fn start(&self, drawing: Drawing) -> Box<dyn DetectorRun + '_> {
        Box::new(self.begin(drawing))
    }
}

/// The face that is followed.
struct Following {
    track: TrackId,
    face: PixelBox,
    marks: Landmarks,
    /// Luma of the last aligned crop, and when.
    last: Option<(MediaTime, Vec<f32>)>,
    scale: f32,
}

/// One clip.
pub struct TemporalRun<'d> {
    detector: &'d TemporalDetector,
    drawing: Drawing,
    tracks: BTreeMap<TrackId, Vec<Tick>>,
    now: Option<Following>,
    count: usize,
    /// Longer side of the largest face that was too small.
    small: f32,
}

impl TemporalRun<'_> {
    fn follow(&mut self, sample: &MovingSample) -> Result<(), DetectError> {
        if self.count >= MOST {
            return Ok(());
        }
        if self.now.as_ref().is_some_and(|n| n.track != sample.track) {
            self.now = None;
        }
        if let (Some(now), Some((face, _))) = (&self.now, &sample.face)
            && now.face.iou(face) < SLIPPED
        {
            self.now = None;
        }
        if self.now.is_none()
            && let Some((face, marks)) = sample.face
        {
            if face.long_side() < self.detector.min_face_px {
                self.small = self.small.max(face.long_side());
                return Ok(());
            }
            self.now = Some(Following { track: sample.track, face, marks, last: None, scale: 1.0 });
        }
        let Some(now) = &mut self.now else { return Ok(()) };
        // The same size as before where it will do, so that the conversion does not change from picture to picture.
        let px = now.face.long_side();
        if px * now.scale > 1.5 * REDUCED_PX || (now.scale < 1.0 && px * now.scale < REDUCED_PX / 1.5) {
            now.scale = (REDUCED_PX / px).min(1.0);
        }
        let side = |n: u32| ((n as f32 * now.scale).round() as u32).max(1);
        let picture = sample.frame.pixels.rgb(side(sample.frame.width), side(sample.frame.height))?;
        let (face, marks) = (scaled_box(&now.face, now.scale), scaled(&now.marks, now.scale));
        let found = mesh::mesh(&self.detector.model, &picture, &face, &marks)?;
        let Some(found) = found else {
            self.now = None;
            return Ok(());
        };
        let crop = align::aligned(&picture, &found.landmarks());
        let (Some(crop), outline) = (crop, found.outline()) else {
            self.now = None;
            return Ok(());
        };
        let luma = texture::luma_of(&crop);
        let time = sample.frame.time;
        let before = now.last.as_ref().filter(|l| features::follows(l.0, time)).map(|l| l.1.as_slice());
        let texture = texture::measure(&luma, before);
        now.last = Some((time, luma));
        now.face = scaled_box(&outline, 1.0 / now.scale);
        now.marks = scaled(&found.landmarks(), 1.0 / now.scale);
        let tick = tick(&found, time, texture, now.scale);
        let kept = self.tracks.entry(sample.track).or_default();
        if kept.last().is_none_or(|l| l.time < time) {
            kept.push(tick);
            self.count += 1;
        }
        Ok(())
    }

    /// What was measured of each face that was followed long enough.
    pub fn numbers(&self, context: &ClipContext) -> BTreeMap<TrackId, FaceNumbers> {
        let sound = self.sound(context);
        let measured = self.tracks.iter().filter_map(|(track, ticks)| {
            let windows = match sound {
                Some((levels, speech)) => lips::windows(ticks, levels, &speech.segments),
                None => Vec::new(),
            };
            let correlations: Vec<f32> = windows.iter().map(|w| w.correlation).collect();
            let lips = crate::aggregate::median(&correlations).map(f64::from);
            Some((*track, FaceNumbers { features: features::of(ticks)?, lips, windows }))
        });
        measured.collect()
    }

    /// The stream that speaks most.
    fn sound<'c>(&self, context: &'c ClipContext) -> Option<(&'c StreamLevels, &'c StreamSpeech)> {
        let speech = context.speech.iter().max_by(|a, b| a.speech_secs.total_cmp(&b.speech_secs))?;
        let levels = context.levels.iter().find(|(stream, _)| *stream == speech.stream)?;
        Some((&levels.1, speech))
    }

    fn judge(&self, track: &TrackSummary, main: bool, numbers: Option<&FaceNumbers>, log: &mut EvidenceLog) {
        let spec = &self.detector.spec;
        let subject = track.subject();
        let pictures = self.tracks.get(&track.track).map_or(0, Vec::len);
        let mut quality = track.quality;
        quality.samples = u32::try_from(pictures).ok();
        let score =
            numbers.and_then(|n| Score::new(self.detector.head.score(n), self.detector.score.semantics).ok());
        let Some(score) = score else {
            if main {
                let detail = format!("the face was followed in {pictures} pictures that follow each other");
                let reason = AbstainReason::OutsideValidatedConditions;
                log.push(spec.evidence(
                    subject,
                    true,
                    Outcome::Abstained(Abstain { reason, detail }),
                    quality,
                ));
            }
            return;
        };
        let llr = self.detector.calibrator.as_ref().and_then(|c| c.llr(score, &quality));
        log.push(spec.evidence(subject.clone(), main, self.detector.points.scored(score, llr), quality));
        if llr.is_none() && main {
            log.push(spec.without_llr(subject, self.detector.calibrator.is_some()));
        }
    }

    /// Says where the main face's mouth and the sound disagree, that they do not, or why they were not compared.
    fn sync(
        &self,
        track: &TrackSummary,
        windows: &[LipWindow],
        context: &ClipContext,
        log: &mut EvidenceLog,
    ) {
        let head = &self.detector.head;
        let mut say = |span, outcome| {
            let subject = Subject::Track { track: track.track, span, face: track.best_face };
            let mut evidence = self.detector.spec.evidence(subject, false, outcome, Quality::default());
            evidence.aspect = Aspect::Sync;
            evidence.families = Vec::new();
            log.push(evidence);
        };
        let Some(least) = head.disagree_below else { return };
        let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
            let spoken = context.speech.iter().map(|s| s.speech_secs).fold(0.0, f32::max);
            let (reason, detail) = match (context.speech.is_empty(), spoken > 0.0) {
                (true, _) => (AbstainReason::NoSound, String::new()),
                (_, false) => (AbstainReason::NoSpeech, String::new()),
                _ => (AbstainReason::OutsideValidatedConditions, "face and speech hardly coincide".into()),
            };
            say(track.span, Outcome::Abstained(Abstain { reason, detail }));
            return;
        };
        let typical = crate::aggregate::median(&windows.iter().map(|w| w.correlation).collect::<Vec<_>>());
        let typical = ("median_correlation".to_owned(), format!("{:.2}", typical.unwrap_or(0.0)));
        let apart = lips::disagreements(windows, least, head.disagree_windows.max(1));
        for span in &apart {
            let inside = windows.iter().filter(|w| w.span.start >= span.start && w.span.end <= span.end);
            let highest = inside.map(|w| w.correlation).fold(-1.0, f32::max);
            let detail = vec![
                ("correlation".to_owned(), format!("{highest:.2} at most")),
                typical.clone(),
                ("span".to_owned(), span.to_string()),
            ];
            say(*span, Outcome::Finding { code: SYNC_LIPS_DISAGREE, detail });
        }
        if apart.is_empty() {
            let span = Span::new(first.span.start, last.span.end);
            say(span, Outcome::Finding { code: SYNC_LIPS_FOLLOW, detail: vec![typical] });
        }
    }
}

impl DetectorRun for TemporalRun<'_> {
    fn push(&mut self, sample: &Sample, _log: &mut EvidenceLog) -> Result<(), DetectError> {
        match sample {
            Sample::Moving(moving) => self.follow(moving),
            _ => Ok(()),
        }
    }

    fn finish(
        self: Box<Self>,
        context: &ClipContext,
        log: &mut EvidenceLog,
        show: &mut dyn FnMut(Picture),
    ) -> Result<(), DetectError> {
        let main = context.main_track().map(|t| t.track);
        let numbers = self.numbers(context);
        if main.is_none() || (self.tracks.is_empty() && self.small > 0.0) {
            let (reason, mut detail) = context.without_face();
            if reason == AbstainReason::FaceTooSmall {
                detail += &format!(", needs {:.0}", self.detector.min_face_px);
            }
            let outcome = Outcome::Abstained(Abstain { reason, detail });
            log.push(self.detector.spec.evidence(Subject::Clip, true, outcome, Quality::default()));
            return Ok(());
        }
        for track in &context.tracks {
            let found = numbers.get(&track.track);
            let is_main = Some(track.track) == main;
            self.judge(track, is_main, found, log);
            if is_main {
                let windows = found.map_or(&[][..], |f| &f.windows);
                self.sync(track, windows, context, log);
                if self.drawing != Drawing::Nothing
                    && !windows.is_empty()
                    && let Some((levels, _)) = self.sound(context)
                    && let Some(ticks) = self.tracks.get(&track.track)
                {
                    show(curve::draw(track.subject(), ticks, levels, windows));
                }
            }
        }
        Ok(())
    }
}

fn tick(mesh: &Mesh, time: MediaTime, texture: texture::Texture, scale: f32) -> Tick {
    let points = mesh.some(&RIGID).into_iter().chain(mesh.some(&OVAL));
    Tick {
        time,
        points: points.map(|p| (p.0 / scale, p.1 / scale)).collect(),
        unit: mesh.unit() / scale,
        mouth: mesh.mouth_opening(),
        eyes: mesh.eye_opening(),
        texture,
    }
}

fn scaled_box(b: &PixelBox, by: f32) -> PixelBox {
    PixelBox { x: b.x * by, y: b.y * by, w: b.w * by, h: b.h * by }
}

fn scaled(marks: &Landmarks, by: f32) -> Landmarks {
    let point = |p: (f32, f32)| (p.0 * by, p.1 * by);
    Landmarks {
        right_eye: point(marks.right_eye),
        left_eye: point(marks.left_eye),
        nose: point(marks.nose),
        mouth: point(marks.mouth),
    }
}

/// Whether a manifest describes such a detector.
pub fn accepts(manifest: &Manifest) -> bool {
    manifest.temporal.is_some()
}
