//! Voices as vectors, to find one speaker in other clips. It says who sounds alike, never whether anybody is genuine.

use crate::DetectError;
use crate::sample::SpeechWindow;
use seamline_core::{Sha256Hash, Span, StreamIndex};
use seamline_infer::{Model, ModelError, Preprocess};
use std::collections::BTreeMap;

/// Cosine from which two runs of speech are one speaker's. In `models/speaker-ge2e/card.md`'s measurement, halves of one
/// recording of 6 s are closer in 95 %, two speakers in 1.6 %.
const ONE_SPEAKER: f32 = 0.75;
/// Windows that a speaker must have: two, 3.2 s of speech.
const LEAST_WINDOWS: u32 = 2;
/// Speakers kept of a clip, those who speak longest; and runs of speech that are told apart at all.
const MAX_SPEAKERS: usize = 8;
const MAX_RUNS: usize = 4_096;
/// Windows encoded at once: from four on, a window costs half of what it costs alone (its recurrent layers wait for
/// memory).
const BATCH: usize = 4;

/// A speaker in a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// From the first to the last speech of this speaker.
    pub span: Span,
    /// Of length 1.
    pub vector: Vec<f32>,
}

/// The model.
#[derive(Debug)]
pub struct SpeakerEncoder {
    model: Model,
    window: usize,
}

impl SpeakerEncoder {
    /// From a loaded model whose manifest has the role `speaker`.
    pub fn new(model: Model) -> Result<Self, ModelError> {
        let m = model.manifest();
        let Preprocess::Waveform(waveform) = &m.preprocess else {
            return Err(ModelError::Contract {
                id: m.id.to_string(),
                message: "a speaker model needs [preprocess.waveform]".into(),
            });
        };
        let window = waveform.samples.unwrap_or(crate::speech::MIN_WINDOW);
        Ok(Self { window, model })
    }

    /// Length of its windows, in samples.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Which weights: vectors of different ones are not compared.
    pub fn sha256(&self) -> Sha256Hash {
        self.model.manifest().sha256()
    }

    /// The vectors of whole windows that lie one after the other in `samples`.
    pub fn encode(&self, samples: &[f32]) -> Result<Vec<Vec<f32>>, DetectError> {
        let windows = samples.len() / self.window;
        let mut outputs = self.model.run(&[windows, self.window], samples)?;
        let all = outputs.drain(..1).next().map(|o| o.data).unwrap_or_default();
        if all.is_empty() || !all.len().is_multiple_of(windows) || all.iter().any(|v| !v.is_finite()) {
            let model = self.model.manifest().id.to_string();
            return Err(DetectError::Output { model, message: "a voice that is no vector".into() });
        }
        Ok(all.chunks_exact(all.len() / windows).map(<[f32]>::to_vec).collect())
    }

    /// Begins a clip.
    pub fn start(&self) -> SpeakerRun<'_> {
        SpeakerRun { encoder: self, runs: BTreeMap::new(), waiting: Vec::new(), samples: Vec::new() }
    }
}

/// One clip.
#[derive(Debug)]
pub struct SpeakerRun<'e> {
    encoder: &'e SpeakerEncoder,
    /// Sum of vectors, their number and the span, by stream and run of speech.
    runs: BTreeMap<Key, (Vec<f32>, u32, Span)>,
    /// Windows that are encoded together, and their samples.
    waiting: Vec<(Key, Span)>,
    samples: Vec<f32>,
}

/// Stream and run of speech.
type Key = (StreamIndex, u32);

impl SpeakerRun<'_> {
    /// Takes a window of speech; of another length, or cut short, it is passed over.
    pub fn push(&mut self, window: &SpeechWindow) -> Result<(), DetectError> {
        let wanted = window.nominal == self.encoder.window && window.samples.len() == self.encoder.window;
        let key = (window.stream, window.segment);
        if !wanted || (self.runs.len() >= MAX_RUNS && !self.runs.contains_key(&key)) {
            return Ok(());
        }
        self.waiting.push((key, window.span));
        self.samples.extend_from_slice(&window.samples);
        if self.waiting.len() < BATCH { Ok(()) } else { self.encode() }
    }

    fn encode(&mut self) -> Result<(), DetectError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let vectors = self.encoder.encode(&self.samples)?;
        self.samples.clear();
        for ((key, span), vector) in self.waiting.drain(..).zip(vectors) {
            let run = self.runs.entry(key).or_insert((vec![0.0; vector.len()], 0, span));
            run.0.iter_mut().zip(&vector).for_each(|(sum, v)| *sum += v);
            run.1 += 1;
            run.2 = run.2.union(&span);
        }
        Ok(())
    }

    /// The speakers, by when they are heard first.
    pub fn finish(mut self) -> Result<Vec<Voice>, DetectError> {
        self.encode()?;
        let mut speakers: Vec<(Vec<f32>, u32, Span)> = Vec::new();
        // Long runs first: they say best who somebody is, and the order does not depend on anything else.
        let mut runs: Vec<_> = self.runs.into_iter().collect();
        runs.sort_by_key(|(key, run)| (std::cmp::Reverse(run.1), *key));
        for (_, (sum, count, span)) in runs {
            let nearest = speakers
                .iter_mut()
                .map(|s| (cosine(&s.0, &sum), s))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(c, _)| *c >= ONE_SPEAKER);
            match nearest {
                Some((_, speaker)) => {
                    speaker.0.iter_mut().zip(&sum).for_each(|(a, b)| *a += b);
                    speaker.1 += count;
                    speaker.2 = speaker.2.union(&span);
                }
                None => speakers.push((sum, count, span)),
            }
        }
        speakers.retain(|s| s.1 >= LEAST_WINDOWS);
        speakers.sort_by_key(|s| (std::cmp::Reverse(s.1), s.2.start));
        speakers.truncate(MAX_SPEAKERS);
        speakers.sort_by_key(|s| (s.2.start, s.2.end));
        let unit = |sum: Vec<f32>| {
            let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
            sum.iter().map(|v| v / length.max(f32::MIN_POSITIVE)).collect()
        };
        Ok(speakers.into_iter().map(|(sum, _, span)| Voice { span, vector: unit(sum) }).collect())
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |u: &[f32], v: &[f32]| u.iter().zip(v).map(|(p, q)| p * q).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE)
}
