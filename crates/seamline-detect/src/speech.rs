//! Sound: where speech is, and the windows of it that detectors get.

use crate::DetectError;
use crate::activity::{STEP, SpeechModel, SpeechSteps};
use crate::sample::{Picture, Sample, SpeechWindow, StreamSpeech};
use crate::spectrogram::Spectrogram;
use crate::vad::{FRAME, Run, Vad};
use crate::voice_quality::VoiceQuality;
use seamline_core::{AudioBlock, MediaTime, Span, StreamIndex, Subject};
use std::collections::VecDeque;

/// Runs of speech that are listed; later ones still count and are still scored.
pub const MAX_SEGMENTS: usize = 2_000;
/// Longest window, in samples: what a detector that takes any length is given.
pub const MAX_WINDOW: usize = 160_000;
/// Runs shorter than this give no window: too little for any model.
pub const MIN_WINDOW: usize = 16_000;
/// Sound before the current run that is kept, so that a run's margin is still there.
const KEEP: usize = 16_000;

type Sink<'s> = dyn FnMut(Sample) -> Result<(), DetectError> + 's;

/// Samples that are looked at together (0.5 s), whatever the blocks they come in.
const GROUP: usize = 16 * STEP;
/// Frames of speech (4 s) without the second opinion, after which it begins anew.
const DOUBT: u64 = 250;

/// Samples one audio stream.
///
/// For each window length that a detector wants, windows lie edge to edge inside a run of speech; what is left at
/// its end becomes a last window that reaches back to full length, or the whole run if that is shorter.
pub struct SpeechSampler<'m> {
    stream: StreamIndex,
    origin: Option<MediaTime>,
    /// Samples from `base` on, on the stream's own count.
    buffer: VecDeque<f32>,
    base: u64,
    taken: u64,
    framed: u64,
    vad: Vad,
    /// Who has the second opinion; nobody in tests and tools that know that they have speech.
    second: Option<SpeechSteps<'m>>,
    /// Window lengths, and up to where windows of the open run were given.
    lengths: Vec<(usize, Option<u64>)>,
    segments: Vec<Span>,
    /// When the open run began: what was said at its beginning may be let go of before it ends.
    opened: Option<MediaTime>,
    count: u32,
    quality: VoiceQuality,
    spectrogram: Option<Spectrogram>,
    /// Blocks' own times, so that gaps in the sound do not shift what comes after.
    marks: VecDeque<(u64, MediaTime)>,
}

impl<'m> SpeechSampler<'m> {
    /// A sampler for one stream; `lengths` are the window lengths wanted, in samples, at most [`MAX_WINDOW`];
    /// `draw` = also make a spectrogram.
    pub fn new(stream: StreamIndex, lengths: &[usize], draw: bool) -> Self {
        Self {
            stream,
            origin: None,
            buffer: VecDeque::new(),
            base: 0,
            taken: 0,
            framed: 0,
            vad: Vad::default(),
            second: None,
            lengths: lengths.iter().map(|&n| (n.clamp(MIN_WINDOW, MAX_WINDOW), None)).collect(),
            segments: Vec::new(),
            opened: None,
            count: 0,
            quality: VoiceQuality::default(),
            spectrogram: draw.then(Spectrogram::default),
            marks: VecDeque::new(),
        }
    }

    /// Only what `model` takes for speech as well is speech.
    #[must_use]
    pub fn confirmed_by(mut self, model: Option<&'m SpeechModel>) -> Self {
        self.second = model.map(SpeechModel::start);
        self
    }

    /// Takes a block of sound; windows go to `sink`.
    pub fn push(&mut self, block: &AudioBlock, sink: &mut Sink<'_>) -> Result<(), DetectError> {
        self.origin.get_or_insert(block.time);
        let jump = self.marks.back().is_none_or(|&(at, time)| {
            let expected =
                MediaTime::from_samples(self.taken - at, AudioBlock::RATE_HZ).map(|d| time.plus(d));
            expected.is_none_or(|e| (e.minus(block.time)).as_micros().abs() > 20_000)
        });
        if jump {
            self.marks.push_back((self.taken, block.time));
        }
        self.quality.sound(&block.samples);
        if let Some(spectrogram) = &mut self.spectrogram {
            spectrogram.push(&block.samples);
        }
        self.buffer.extend(&block.samples);
        self.taken += block.samples.len() as u64;
        while self.framed + GROUP as u64 <= self.taken {
            self.frames(self.framed + GROUP as u64, sink)?;
        }
        // Give windows of a long run as they fill, so that memory does not grow with it.
        if let Some(start) = self.vad.open_since() {
            let start = (start * FRAME as u64).max(self.base);
            if self.opened.is_none() {
                self.opened = Some(self.time(start));
            }
            for i in 0..self.lengths.len() {
                let (length, given) = self.lengths[i];
                let mut from = given.unwrap_or(start);
                while from + 2 * length as u64 <= self.framed {
                    self.window(length, from, from + length as u64, sink)?;
                    from += length as u64;
                    self.lengths[i].1 = Some(from);
                }
            }
        }
        self.trim();
        Ok(())
    }

    /// Looks at what was not looked at yet, up to sample `end`, frame by frame.
    fn frames(&mut self, end: u64, sink: &mut Sink<'_>) -> Result<(), DetectError> {
        let fresh = self.slice(self.framed, end);
        let sure = match &mut self.second {
            Some(second) => second.push(&fresh)?,
            None => Vec::new(),
        };
        for (i, frame) in fresh.chunks_exact(FRAME).enumerate() {
            self.framed += FRAME as u64;
            let sure = self.second.is_none() || sure.get(i * FRAME / STEP).copied().unwrap_or(false);
            if let Some(run) = self.vad.push(frame, sure) {
                self.end_run(run, sink)?;
            } else if !self.vad.is_open() {
                // A run that was speech for a while and is none as a whole leaves nothing to the next.
                self.opened = None;
                self.lengths.iter_mut().for_each(|(_, given)| *given = None);
            }
        }
        if let Some(second) = &mut self.second
            && self.vad.doubted(DOUBT)
        {
            second.forget();
        }
        Ok(())
    }

    fn end_run(&mut self, run: Run, sink: &mut Sink<'_>) -> Result<(), DetectError> {
        // What was trimmed while the run did not count as speech yet is not judged.
        let opened = self.opened.take();
        let (start, end) =
            ((run.start * FRAME as u64).max(self.base), (run.end * FRAME as u64).min(self.taken));
        if end <= start {
            return Ok(());
        }
        self.quality.speech(&self.slice(end.saturating_sub(MAX_WINDOW as u64).max(start), end));
        for i in 0..self.lengths.len() {
            let (length, given) = (self.lengths[i].0, self.lengths[i].1.take());
            let mut from = given.unwrap_or(start);
            while from + length as u64 <= end {
                self.window(length, from, from + length as u64, sink)?;
                from += length as u64;
            }
            let rest = end.saturating_sub(from) as usize;
            if rest >= MIN_WINDOW / 2 && end - start >= length as u64 {
                self.window(length, end - length as u64, end, sink)?;
            } else if rest >= MIN_WINDOW && from == start {
                self.window(length, start, end, sink)?;
            }
        }
        if self.segments.len() < MAX_SEGMENTS {
            self.segments.push(Span::new(opened.unwrap_or_else(|| self.time(start)), self.time(end)));
        }
        self.count += 1;
        Ok(())
    }

    fn window(&mut self, nominal: usize, from: u64, to: u64, sink: &mut Sink<'_>) -> Result<(), DetectError> {
        let samples = self.slice(from, to);
        sink(Sample::Speech(SpeechWindow {
            stream: self.stream,
            segment: self.count,
            nominal,
            span: Span::new(self.time(from), self.time(to)),
            samples: samples.into(),
        }))
    }

    fn time(&self, sample: u64) -> MediaTime {
        let mark = self.marks.iter().rev().find(|m| m.0 <= sample).or(self.marks.front());
        let (at, time) = mark.copied().unwrap_or((0, MediaTime::ZERO));
        let offset = MediaTime::from_samples(sample.saturating_sub(at), AudioBlock::RATE_HZ);
        time.plus(offset.unwrap_or(MediaTime::ZERO))
    }

    fn slice(&self, from: u64, to: u64) -> Vec<f32> {
        let from = (from.max(self.base) - self.base) as usize;
        let to = ((to.max(self.base) - self.base) as usize).min(self.buffer.len());
        self.buffer.range(from.min(to)..to).copied().collect()
    }

    fn trim(&mut self) {
        let open = self.vad.open_since().map(|f| f * FRAME as u64);
        // One full window back stays, for the last window that reaches back.
        let needed = match open {
            Some(start) => self
                .lengths
                .iter()
                .map(|(length, given)| given.map_or(start, |g| g.saturating_sub(*length as u64)))
                .min()
                .unwrap_or(self.framed),
            None => self.framed.saturating_sub(KEEP as u64),
        };
        let drop = needed.min(self.framed.saturating_sub(KEEP as u64)).saturating_sub(self.base);
        self.buffer.drain(..(drop as usize).min(self.buffer.len()));
        self.base += drop;
        while self.marks.len() > 2 && self.marks[1].0 <= self.base {
            self.marks.pop_front();
        }
    }

    /// The end of the stream.
    pub fn finish(mut self, sink: &mut Sink<'_>) -> Result<(StreamSpeech, Option<Picture>), DetectError> {
        self.frames(self.taken, sink)?;
        if let Some(run) = self.vad.finish() {
            self.end_run(run, sink)?;
        }
        let origin = self.origin.unwrap_or(MediaTime::ZERO);
        let end = self.time(self.taken);
        let mut quality = self.quality.measure();
        quality.speech_secs = Some(self.vad.speech_secs());
        let span = Span::new(origin, end);
        let picture = self.spectrogram.as_ref().and_then(|s| {
            s.picture().map(|frame| Picture {
                kind: "spectrogram",
                subject: Subject::Stream { stream: self.stream, span: Some(span) },
                caption: "sound, 0 to 8 kHz, 70 dB".into(),
                frame,
                heat: None,
                path: None,
            })
        });
        let speech = StreamSpeech {
            stream: self.stream,
            sound: span.duration(),
            segments: self.segments,
            speech_secs: self.vad.speech_secs(),
            quality,
        };
        Ok((speech, picture))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of a real reading, pushed in blocks of `block` samples.
    fn windows(samples: &[f32], block: usize, lengths: &[usize]) -> Vec<(usize, Span, usize)> {
        let mut out = Vec::new();
        let mut sampler = SpeechSampler::new(StreamIndex(0), lengths, false);
        let mut sink = |s: Sample| {
            if let Sample::Speech(w) = s {
                out.push((w.nominal, w.span, w.samples.len()));
            }
            Ok(())
        };
        for (i, part) in samples.chunks(block).enumerate() {
            let time = MediaTime::from_samples((i * block) as u64, 16_000).unwrap();
            let block = AudioBlock { stream: StreamIndex(0), time, samples: part.to_vec(), native_peak: 0.5 };
            sampler.push(&block, &mut sink).unwrap();
        }
        sampler.finish(&mut sink).unwrap();
        out
    }

    #[test]
    fn a_long_run_is_listed_from_its_beginning_whatever_is_kept_of_it() {
        let one = seamline_testkit::clips::reading_samples().unwrap();
        // A reading without its pauses: one run of half a minute.
        let spoken: Vec<f32> =
            one.chunks(1_600).filter(|c| c.iter().any(|s| s.abs() > 0.02)).flatten().copied().collect();
        let long: Vec<f32> = spoken.into_iter().cycle().take(16_000 * 30).collect();
        for lengths in [&[][..], &[48_000]] {
            let mut sampler = SpeechSampler::new(StreamIndex(0), lengths, false);
            for (i, part) in long.chunks(1_600).enumerate() {
                let time = MediaTime::from_millis(100 * i as i64);
                let samples = part.to_vec();
                let block = AudioBlock { stream: StreamIndex(0), time, samples, native_peak: 0.5 };
                sampler.push(&block, &mut |_| Ok(())).unwrap();
            }
            let (speech, _) = sampler.finish(&mut |_| Ok(())).unwrap();
            let listed: f64 = speech.segments.iter().map(|s| s.duration().as_secs_f64()).sum();
            assert!(listed > 27.0 && listed < 30.1, "{listed} of {:?}", speech.segments);
        }
    }

    #[test]
    fn windows_do_not_depend_on_block_size_and_cover_long_runs() {
        let one = seamline_testkit::clips::reading_samples().unwrap();
        let long: Vec<f32> = one.iter().copied().cycle().take(16_000 * 40).collect();
        let mut a = windows(&long, 1_000, &[48_000, 64_600]);
        let mut b = windows(&long, 16_000, &[48_000, 64_600]);
        let key = |w: &(usize, Span, usize)| (w.0, w.1);
        a.sort_by_key(key);
        b.sort_by_key(key);
        assert_eq!(a, b);
        let short: Vec<_> = a.iter().filter(|w| w.0 == 48_000).collect();
        assert!(short.len() >= 8, "{}", short.len());
        assert!(a.iter().all(|w| w.2 <= w.0 && w.2 >= MIN_WINDOW));
        assert!(a.iter().any(|w| w.0 == 64_600));
    }
}
