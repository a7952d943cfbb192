//! Marks in sound: Perth, in sliding windows, so that a spliced insert is found where it stands.

use crate::said_by;
use seamline_core::code::{MARK_OPERATOR, MARK_PERTH, MARK_PERTH_WEAK};
use seamline_core::{AudioBlock, Evidence, FindingCode, MediaTime, Outcome, Span, StreamIndex, Subject};
use seamline_infer::{Delivery, MarkSpec, Model, ModelError, Preprocess};
use std::collections::BTreeMap;

/// Windows quieter than this (root mean square about the mean, full scale = 1) are passed over: silence carries no
/// mark.
const SILENT: f64 = 1e-4;
/// Spans listed for one stream, and windows remembered.
const MAX_SPANS: usize = 64;
const MAX_WINDOWS: usize = 20_000;
/// Speech that a window must hold to count: the scheme was made and measured on speech, and looped test tones score
/// as high as a mark.
const MIN_SPEECH: MediaTime = MediaTime::from_millis(500);

/// The decoder: a model whose output is the mark's confidence in a window.
#[derive(Debug)]
pub struct SpeechMark {
    model: Model,
    spec: MarkSpec,
    window: usize,
    hop: usize,
    /// Set where every other window may be passed over: where windows overlap by half.
    look_closer: Option<f64>,
}

impl SpeechMark {
    /// From a loaded model whose manifest has `[preprocess.waveform]` and `[mark]`.
    pub fn new(model: Model) -> Result<Self, ModelError> {
        let m = model.manifest();
        let fail = |message: &str| ModelError::Contract { id: m.id.to_string(), message: message.into() };
        let Preprocess::Waveform(waveform) = &m.preprocess else {
            return Err(fail("a mark in sound needs [preprocess.waveform]"));
        };
        let (Some(window), Some(spec)) = (waveform.samples, m.mark.clone()) else {
            return Err(fail("a mark in sound needs a window length and [mark]"));
        };
        let hop = waveform.hop_samples.unwrap_or(window).clamp(1, window.max(1));
        let look_closer = spec.look_closer.filter(|_| hop * 2 == window);
        Ok(Self { window, hop, spec, model, look_closer })
    }

    /// Confidence in one window, which must be whole: a repeated one has a rhythm that poses as a mark.
    pub fn score(&self, samples: &[f32]) -> Result<f64, ModelError> {
        let outputs = self.model.run(&[1, self.window], samples)?;
        let value = outputs.first().and_then(|o| o.data.first()).copied().map(f64::from);
        value.filter(|v| v.is_finite()).ok_or_else(|| ModelError::Contract {
            id: self.model.manifest().id.to_string(),
            message: "its output is no number".into(),
        })
    }

    /// Begins a clip.
    pub fn start(&self) -> SpeechMarkRun<'_> {
        SpeechMarkRun { mark: self, streams: BTreeMap::new() }
    }
}

/// One clip.
#[derive(Debug)]
pub struct SpeechMarkRun<'m> {
    mark: &'m SpeechMark,
    streams: BTreeMap<StreamIndex, Track>,
}

#[derive(Debug, Default)]
struct Track {
    pending: Vec<f32>,
    /// When the first pending sample is heard.
    at: Option<MediaTime>,
    /// Score of the window that begins there, if it was looked at already.
    first: Option<f64>,
    /// Windows so far with their scores, 0 for those passed over; up to [`MAX_WINDOWS`] (five hours and a half).
    windows: Vec<(Span, f64)>,
}

/// Windows in a row at one level.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    span: Span,
    windows: u64,
    best: f64,
}

impl SpeechMarkRun<'_> {
    /// Takes sound in order of time.
    pub fn push(&mut self, block: &AudioBlock) -> Result<(), ModelError> {
        let mark = self.mark;
        let track = self.streams.entry(block.stream).or_default();
        // After a gap in time the windows begin anew: no window spans what was not there.
        let expected = track.at.zip(MediaTime::from_samples(track.pending.len() as u64, AudioBlock::RATE_HZ));
        if expected.is_none_or(|(at, n)| block.time.minus(at.plus(n)).as_micros().abs() > 100_000) {
            track.end(mark)?;
            track.pending.clear();
            track.at = Some(block.time);
        }
        track.pending.extend_from_slice(&block.samples);
        match mark.look_closer {
            Some(look) => track.every_other(mark, look),
            None => {
                while track.pending.len() >= mark.window {
                    track.window(mark, 0)?;
                    track.forget(mark.hop);
                }
                Ok(())
            }
        }
    }

    /// What was found where there is speech, whose spans by stream are given, in order of time. Nothing found says
    /// nothing.
    pub fn finish(self, speech: &BTreeMap<StreamIndex, Vec<Span>>) -> Result<Vec<Evidence>, ModelError> {
        let mark = self.mark;
        let mut out = Vec::new();
        for (stream, mut track) in self.streams {
            track.end(mark)?;
            let spoken = speech.get(&stream).map(Vec::as_slice).unwrap_or_default();
            let only = track.windows.len() == 1;
            let windows: Vec<(Span, f64)> =
                track.windows.into_iter().filter(|(span, _)| speech_in(span, spoken) >= MIN_SPEECH).collect();
            let (mut found, mut weak) = (Vec::new(), Vec::new());
            for &(span, score) in &windows {
                if score >= mark.spec.weak {
                    note(if score >= mark.spec.found { &mut found } else { &mut weak }, span, score);
                }
            }
            let counted = windows.len() as u64;
            // A weak stretch beside a found one adds nothing.
            let reached = windows.iter().filter(|w| w.1 >= mark.spec.found).count() as u64;
            let (code, stretches) = match mark.spec.throughout {
                Some(t) if t.holds(reached, counted) => (&MARK_PERTH, whole(&found, reached)),
                Some(_) => {
                    found.retain(|s| s.windows > 1 || only);
                    (&MARK_PERTH_WEAK, found)
                }
                None => by_stretch(found, weak, only),
            };
            // What an operator brought says what its own card says; below "found" it says nothing here.
            let operator = mark.model.manifest().delivery == Delivery::Operator;
            if operator && code == &MARK_PERTH_WEAK {
                continue;
            }
            let code = if operator { &MARK_OPERATOR } else { code };
            out.extend(stretches.iter().map(|s| mark.finding(stream, code, s, counted)));
        }
        Ok(out)
    }
}

/// One stretch over all that was found.
fn whole(found: &[Stretch], windows: u64) -> Vec<Stretch> {
    let join =
        |a: Stretch, b: Stretch| Stretch { span: a.span.union(&b.span), windows, best: a.best.max(b.best) };
    found.iter().copied().map(|s| Stretch { windows, ..s }).reduce(join).into_iter().collect()
}

/// Windows overlap by half: a real insert of three seconds fills two. One alone, as a swept tone gave in a test, is a
/// hint, unless the clip has no second.
fn by_stretch(
    found: Vec<Stretch>,
    mut weak: Vec<Stretch>,
    only: bool,
) -> (&'static FindingCode, Vec<Stretch>) {
    let (found, alone): (Vec<Stretch>, Vec<Stretch>) = found.into_iter().partition(|s| s.windows > 1 || only);
    if !found.is_empty() {
        return (&MARK_PERTH, found);
    }
    weak.extend(alone);
    weak.sort_by_key(|s| s.span.start);
    (&MARK_PERTH_WEAK, weak)
}

/// How much of a span is speech. `spoken` is in order of time and does not overlap.
fn speech_in(span: &Span, spoken: &[Span]) -> MediaTime {
    let first = spoken.partition_point(|s| s.end <= span.start);
    let within = spoken[first..].iter().take_while(|s| s.start < span.end);
    within.fold(MediaTime::ZERO, |sum, s| {
        let (start, end) = (s.start.max(span.start), s.end.min(span.end));
        if start < end { sum.plus(end.minus(start)) } else { sum }
    })
}

impl Track {
    /// Windows end to end; those between two only where one of the two has something of a mark, since a marked
    /// stretch that fills the one between also fills half of both.
    fn every_other(&mut self, mark: &SpeechMark, look: f64) -> Result<(), ModelError> {
        if self.first.is_none() && self.pending.len() >= mark.window {
            self.first = Some(self.window(mark, 0)?);
        }
        while let Some(first) = self.first
            && self.pending.len() >= 2 * mark.window
        {
            let second = self.score(mark, mark.window)?;
            if first.max(second) >= look {
                self.window(mark, mark.hop)?;
            } else {
                self.keep(mark, mark.hop, 0.0);
            }
            self.keep(mark, mark.window, second);
            self.first = Some(second);
            self.forget(mark.window);
        }
        Ok(())
    }

    /// The sound ends, or has a gap: what is left may hold one window more, which no other covers.
    fn end(&mut self, mark: &SpeechMark) -> Result<(), ModelError> {
        if self.first.take().is_some() && self.pending.len() >= mark.window + mark.hop {
            self.window(mark, mark.hop)?;
        }
        Ok(())
    }

    fn forget(&mut self, samples: usize) {
        self.pending.drain(..samples);
        let passed = MediaTime::from_samples(samples as u64, AudioBlock::RATE_HZ);
        self.at = self.at.zip(passed).map(|(at, passed)| at.plus(passed));
    }

    /// Scores a window that begins `from` samples on, and keeps the score if it is high.
    fn window(&mut self, mark: &SpeechMark, from: usize) -> Result<f64, ModelError> {
        let score = self.score(mark, from)?;
        self.keep(mark, from, score);
        Ok(score)
    }

    /// 0 for a window that is silent.
    fn score(&self, mark: &SpeechMark, from: usize) -> Result<f64, ModelError> {
        let length = mark.window;
        let samples = &self.pending[from..from + length];
        // About the mean: a constant level is as silent as zero.
        let n = length.max(1) as f64;
        let (sum, squares) = samples.iter().fold((0.0, 0.0), |(sum, squares), &v| {
            let v = f64::from(v);
            (sum + v, squares + v * v)
        });
        let loudness = (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
        if loudness >= SILENT { mark.score(samples) } else { Ok(0.0) }
    }

    fn keep(&mut self, mark: &SpeechMark, from: usize, score: f64) {
        let time = |samples: usize| MediaTime::from_samples(samples as u64, AudioBlock::RATE_HZ);
        if let (Some(at), Some(from), Some(length)) = (self.at, time(from), time(mark.window))
            && self.windows.len() < MAX_WINDOWS
        {
            let start = at.plus(from);
            self.windows.push((Span::new(start, start.plus(length)), score));
        }
    }
}

fn note(stretches: &mut Vec<Stretch>, span: Span, score: f64) {
    if let Some(last) = stretches.last_mut()
        && span.start <= last.span.end
    {
        last.span = last.span.union(&span);
        last.windows += 1;
        last.best = last.best.max(score);
    } else if stretches.len() < MAX_SPANS {
        stretches.push(Stretch { span, windows: 1, best: score });
    }
}

impl SpeechMark {
    fn finding(&self, stream: StreamIndex, code: &FindingCode, stretch: &Stretch, windows: u64) -> Evidence {
        let m = self.model.manifest();
        let weakness = match m.delivery {
            Delivery::Operator => "as the operator's card says",
            _ => "public: anybody can embed it; Opus at 16 kbit/s, pitch shifts and re-recording remove it",
        };
        let detail = [
            (
                "confidence",
                format!(
                    "{:.3} at most, found from {}, weak from {}",
                    stretch.best, self.spec.found, self.spec.weak
                ),
            ),
            ("generator", m.title.clone()),
            ("payload", "one bit: present".to_owned()),
            ("scheme", self.spec.scheme.clone()),
            ("weakness", weakness.to_owned()),
            ("windows", format!("{} of {windows}", stretch.windows)),
        ];
        let detail = detail.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let subject = Subject::Stream { stream, span: Some(stretch.span) };
        said_by(m, subject, Outcome::Finding { code: *code, detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(start_secs: i64, windows: u64) -> Stretch {
        let start = MediaTime::from_millis(1_000 * start_secs);
        Stretch { span: Span::new(start, start.plus(MediaTime::from_millis(2_000))), windows, best: 0.95 }
    }

    #[test]
    fn without_throughout_two_windows_are_found_and_one_is_a_hint_unless_it_is_all_there_is() {
        let (code, found) = by_stretch(vec![stretch(0, 1), stretch(9, 2)], vec![stretch(5, 3)], false);
        assert_eq!((code, found.len(), found[0].windows), (&MARK_PERTH, 1, 2));
        let (code, hints) = by_stretch(vec![stretch(7, 1)], vec![stretch(5, 3)], false);
        assert_eq!(code, &MARK_PERTH_WEAK);
        assert!(hints.len() == 2 && hints[0].span.start < hints[1].span.start, "{hints:?}");
        assert_eq!(by_stretch(vec![stretch(0, 1)], Vec::new(), true).0, &MARK_PERTH);
    }

    #[test]
    fn speech_is_counted_where_it_overlaps() {
        let secs = |a: i64, b: i64| Span::new(MediaTime::from_millis(a), MediaTime::from_millis(b));
        let spoken = [secs(0, 500), secs(1_500, 2_500), secs(3_900, 9_000)];
        assert_eq!(speech_in(&secs(2_000, 4_000), &spoken), MediaTime::from_millis(600));
        assert_eq!(speech_in(&secs(600, 1_400), &spoken), MediaTime::ZERO);
    }
}
