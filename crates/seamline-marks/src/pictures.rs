//! Marks in pictures: what is looked at, and what is said of it.

use crate::dwt::{self, Accumulator, Hit, Place};
use crate::model::{PictureMark, PictureMarkRun};
use crate::sparkle::{self, Sparkle, SparkleSearch};
use crate::stats::show_p;
use crate::stealth::{self, Stealth};
use seamline_core::code::{MARK_INVISIBLE, MARK_SPARKLE, MARK_STEALTH};
use seamline_core::{
    Aspect, AttackFamily, DetectorId, Evidence, FindingCode, MediaError, MediaTime, Outcome, Quality, Span,
    StreamIndex, Subject, VideoFrame,
};

/// Pictures of a video that are looked at, and how far apart they begin: marks are in every picture, and their
/// signals add up.
const MAX_PICTURES: u32 = 24;
const APART: MediaTime = MediaTime::from_millis(400);
/// Pictures in which a star must be found at one place before a video is said to have it.
const AGREE: usize = 3;
/// Longest text shown.
const MAX_SHOWN: usize = 400;

/// How much is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Search for marks in parts of a still picture, which takes a second for a megapixel.
    pub parts: bool,
}

/// Looks for marks in the pictures of one clip.
#[derive(Debug)]
pub struct PictureMarks<'m> {
    options: Options,
    models: Vec<PictureMarkRun<'m>>,
    waves: Accumulator,
    part: Option<Hit>,
    stealth: Option<Stealth>,
    sparkle: SparkleSearch,
    stars: Vec<(MediaTime, Sparkle)>,
    stream: StreamIndex,
    span: Option<Span>,
    next: Option<MediaTime>,
    still: bool,
}

impl<'m> PictureMarks<'m> {
    /// For one clip, with the operator's models. A still picture is looked at more closely than one of a video.
    pub fn new(options: Options, still: bool, models: &'m [PictureMark]) -> Self {
        Self {
            options,
            models: models.iter().map(PictureMark::start).collect(),
            waves: Accumulator::default(),
            part: None,
            stealth: None,
            sparkle: SparkleSearch::default(),
            stars: Vec::new(),
            stream: StreamIndex(0),
            span: None,
            next: None,
            still,
        }
    }

    /// Takes one decoded picture.
    pub fn push(&mut self, frame: &VideoFrame) -> Result<(), MediaError> {
        let due = self.next.is_none_or(|next| frame.time >= next);
        if !due || frame.damaged || self.waves.pictures() >= MAX_PICTURES {
            return Ok(());
        }
        self.next = Some(frame.time.plus(APART));
        self.stream = frame.stream;
        let now = Span::new(frame.time, frame.time);
        self.span = Some(self.span.map_or(now, |s| s.union(&now)));
        let picture = frame.pixels.rgb(frame.width, frame.height)?;
        self.waves.push(&picture);
        self.models.iter_mut().for_each(|m| m.push(&picture, frame.stream, frame.time));
        if let Some(star) = self.sparkle.best(&picture) {
            self.stars.push((frame.time, star));
        }
        if self.still {
            let (w, h) = (picture.width() as usize, picture.height() as usize);
            self.stealth = frame
                .pixels
                .alpha()
                .and_then(|alpha| stealth::read(alpha, w, h, 1))
                .or_else(|| stealth::read(picture.data(), w, h, 3));
            if self.options.parts && self.waves.decide().is_none() {
                self.part = dwt::crop::search(&picture);
            }
        }
        Ok(())
    }

    /// What was found. Nothing found says nothing.
    pub fn finish(mut self) -> Vec<Evidence> {
        let models = std::mem::take(&mut self.models);
        let mut out: Vec<Evidence> = models.into_iter().filter_map(PictureMarkRun::finish).collect();
        if let Some(hit) = self.waves.decide().or_else(|| self.part.clone()) {
            out.push(self.finding(&MARK_INVISIBLE, wave_detail(&hit, self.waves.pictures()), true));
        }
        if let Some(stealth) = &self.stealth {
            let text: String = stealth.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let detail = [
                ("place", "lowest bits of every pixel, column by column".to_owned()),
                ("scheme", stealth.header.to_owned()),
                ("text", text.chars().take(MAX_SHOWN).collect()),
                ("weakness", "any lossy save removes it; anybody can write it".to_owned()),
            ];
            out.push(self.finding(&MARK_STEALTH, detail.into(), true));
        }
        if let Some((star, times)) = self.star() {
            let detail = [
                ("agreeing_pictures", times.to_string()),
                ("place", format!("{} x {} pixels at {}, {}", star.side, star.side, star.x, star.y)),
                ("scheme", "Gemini or Veo corner star".to_owned()),
                ("score", format!("{:.2} of 1, found from {:.2}", star.score, sparkle::FOUND)),
                ("weakness", "a crop removes it; anybody can draw it".to_owned()),
            ];
            out.push(self.finding(&MARK_SPARKLE, detail.into(), false));
        }
        out
    }

    /// The star, if it is found in a still, or at one place in several pictures of a video.
    fn star(&self) -> Option<(Sparkle, usize)> {
        let found: Vec<&Sparkle> =
            self.stars.iter().map(|(_, s)| s).filter(|s| s.score >= sparkle::FOUND).collect();
        let best = found.iter().max_by(|a, b| a.score.total_cmp(&b.score))?;
        let near =
            |s: &Sparkle| s.side == best.side && s.x.abs_diff(best.x) <= 2 && s.y.abs_diff(best.y) <= 2;
        let agree = found.iter().filter(|s| near(s)).count();
        let needed = if self.still { 1 } else { AGREE.min(self.stars.len().div_ceil(2)) };
        (agree >= needed).then_some((**best, agree))
    }

    fn finding(&self, code: &FindingCode, detail: Vec<(&str, String)>, whole: bool) -> Evidence {
        let span = self.span.unwrap_or(Span::new(MediaTime::ZERO, MediaTime::ZERO));
        let stream = self.stream;
        let subject = if self.still {
            Subject::Frame { stream, span }
        } else {
            Subject::Stream { stream, span: Some(span) }
        };
        let detail = detail.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        Evidence {
            detector: DetectorId::builtin("marks"),
            version: env!("CARGO_PKG_VERSION").into(),
            model_sha256: None,
            aspect: Aspect::Marks,
            families: if whole { vec![AttackFamily::EFS] } else { Vec::new() },
            subject,
            rollup: true,
            outcome: Outcome::Finding { code: *code, detail },
            quality: Quality::default(),
        }
    }
}

/// Sorted by name, as reports have it.
fn wave_detail(hit: &Hit, pictures: u32) -> Vec<(&'static str, String)> {
    let place = match hit.place {
        Place::Whole => "the whole picture".to_owned(),
        Place::Half => "the whole picture at half its size".to_owned(),
        Place::Part { x, y } => format!("a part of the original; blocks begin at {x}, {y}"),
    };
    let order = if hit.reading.blue_first { "blue first" } else { "red first" };
    let numbers = if hit.reading.float { "floats" } else { "bytes" };
    vec![
        ("correlation", format!("{:.3} over {} bits", hit.correlation, hit.payload.len())),
        ("false_alarm_bound", show_p(hit.ln_bound())),
        ("generator", hit.payload.generator.to_owned()),
        ("p_value", show_p(hit.ln_p)),
        ("payload", hit.payload.name.to_owned()),
        ("pictures", pictures.to_string()),
        ("place", place),
        ("reading", format!("{order}, {numbers}")),
        ("scheme", hit.scheme.name().to_owned()),
        ("tests", hit.tests.to_string()),
        (
            "weakness",
            "public and without a key: anybody can embed it; strong JPEG or rotation removes it".to_owned(),
        ),
    ]
}
