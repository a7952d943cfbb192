//! Sound: where speech is, and the windows of it that detectors get.

use crate::DetectError;
use crate::sample::{Picture, Sample, SpeechWindow, StreamSpeech};
use crate::spectrogram::Spectrogram;
use crate::vad::{FRAME, Run, Vad};
use crate::voice_quality::VoiceQuality;
use seamline_core::{AudioBlock, MediaTime, Span, StreamIndex, Subject};
use std::collections::VecDeque;

/// Runs of speech that are listed; later ones still count and are still scored.
pub const MAX_SEGMENTS: usize = 2_000;
/// Window length in samples: 3 s.
pub const WINDOW: usize = 48_000;
/// Runs shorter than this give no window: too little for any model.
pub const MIN_WINDOW: usize = 16_000;
/// Sound before the current run that is kept, so that a run's margin is still there.
const KEEP: usize = 16_000;

type Sink<'s> = dyn FnMut(Sample) -> Result<(), DetectError> + 's;

/// Samples one audio stream.
///
/// Windows of 3 s lie edge to edge inside a run of speech; what is left at its end becomes a last window that
/// reaches back to full length, or the whole run if the run is shorter than a window.
pub struct SpeechSampler {
    stream: StreamIndex,
    origin: Option<MediaTime>,
    /// Samples from `base` on, on the stream's own count.
    buffer: VecDeque<f32>,
    base: u64,
    taken: u64,
    framed: u64,
    vad: Vad,
    /// Windows of the open run were given up to here.
    given: Option<u64>,
    segments: Vec<Span>,
    count: u32,
    quality: VoiceQuality,
    spectrogram: Option<Spectrogram>,
    /// Blocks' own times, so that gaps in the sound do not shift what comes after.
    marks: VecDeque<(u64, MediaTime)>,
}

impl SpeechSampler {
    /// A sampler for one stream; `draw` = also make a spectrogram.
    pub fn new(stream: StreamIndex, draw: bool) -> Self {
        Self {
            stream,
            origin: None,
            buffer: VecDeque::new(),
            base: 0,
            taken: 0,
            framed: 0,
            vad: Vad::default(),
            given: None,
            segments: Vec::new(),
            count: 0,
            quality: VoiceQuality::default(),
            spectrogram: draw.then(Spectrogram::default),
            marks: VecDeque::new(),
        }
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
        while self.framed + FRAME as u64 <= self.taken {
            let frame = self.slice(self.framed, self.framed + FRAME as u64);
            self.framed += FRAME as u64;
            if let Some(run) = self.vad.push(&frame) {
                self.end_run(run, sink)?;
            }
        }
        // Give windows of a long run as they fill, so that memory does not grow with it.
        if let Some(start) = self.vad.open_since() {
            let start = start * FRAME as u64;
            let mut from = self.given.unwrap_or(start);
            while from + (2 * WINDOW) as u64 <= self.framed {
                self.window(from, from + WINDOW as u64, sink)?;
                from += WINDOW as u64;
                self.given = Some(from);
            }
        }
        self.trim();
        Ok(())
    }

    fn end_run(&mut self, run: Run, sink: &mut Sink<'_>) -> Result<(), DetectError> {
        // What was trimmed while the run did not count as speech yet is not judged.
        let (start, end) = ((run.start * FRAME as u64).max(self.base), (run.end * FRAME as u64).min(self.taken));
        if end <= start {
            return Ok(());
        }
        let mut from = self.given.take().unwrap_or(start);
        while from + WINDOW as u64 <= end {
            self.window(from, from + WINDOW as u64, sink)?;
            from += WINDOW as u64;
        }
        let rest = end.saturating_sub(from) as usize;
        if rest >= MIN_WINDOW / 2 && end - start >= WINDOW as u64 {
            self.window(end - WINDOW as u64, end, sink)?;
        } else if rest >= MIN_WINDOW && from == start {
            self.window(start, end, sink)?;
        }
        if self.segments.len() < MAX_SEGMENTS {
            self.segments.push(Span::new(self.time(start), self.time(end)));
        }
        self.count += 1;
        Ok(())
    }

    fn window(&mut self, from: u64, to: u64, sink: &mut Sink<'_>) -> Result<(), DetectError> {
        let samples = self.slice(from, to);
        self.quality.speech(&samples);
        sink(Sample::Speech(SpeechWindow {
            stream: self.stream,
            segment: self.count,
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
        let needed = match (self.given, open) {
            // One full window back stays, for the last window that reaches back.
            (Some(given), _) => given.saturating_sub(WINDOW as u64),
            (None, Some(start)) => start,
            (None, None) => self.framed.saturating_sub(KEEP as u64),
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
