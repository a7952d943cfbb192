//! Speech, or only sound: a second opinion for [`crate::vad`], by a recurrent network (Silero) that music, hums, drums and
//! applause do not deceive. `models/speech-silero/card.md` has what both say of speech and of other sound.

use crate::DetectError;
use seamline_infer::{Model, ModelError};

/// Samples a step: 32 ms, two frames of [`crate::vad`].
pub const STEP: usize = 512;
/// Samples before a step that the network hears again.
const BEFORE: usize = 64;
/// Numbers that the network remembers from step to step: two times 128.
const MEMORY: usize = 256;
/// From here on a step is speech (the package's default).
const SPEECH: f32 = 0.5;

/// The network.
#[derive(Debug)]
pub struct SpeechModel {
    model: Model,
}

impl SpeechModel {
    /// From a loaded model whose manifest has the role `voice-activity`.
    pub fn new(model: Model) -> Result<Self, ModelError> {
        if model.manifest().input.shape != [-1, (BEFORE + STEP) as i64] {
            return Err(ModelError::Contract {
                id: model.manifest().id.to_string(),
                message: format!("a voice activity model takes [-1, {}]", BEFORE + STEP),
            });
        }
        Ok(Self { model })
    }

    /// Begins a stream.
    pub fn start(&self) -> SpeechSteps<'_> {
        SpeechSteps { model: &self.model, memory: vec![0.0; MEMORY], before: vec![0.0; BEFORE] }
    }
}

/// One stream.
#[derive(Debug)]
pub struct SpeechSteps<'m> {
    model: &'m Model,
    memory: Vec<f32>,
    before: Vec<f32>,
}

impl SpeechSteps<'_> {
    /// What was heard so far is forgotten: after music the network can be deaf to speech for as long as it remembers.
    pub fn forget(&mut self) {
        self.memory.fill(0.0);
    }

    /// Whether each whole step of `samples`, which go on where the last ones ended, is speech.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<bool>, DetectError> {
        let steps = samples.len() / STEP;
        if steps == 0 {
            return Ok(Vec::new());
        }
        let row = BEFORE + STEP;
        let mut rows = vec![0.0; (1 + steps) * row];
        let (memory, sound) = rows.split_at_mut(row);
        memory[..MEMORY].copy_from_slice(&self.memory);
        for (row, step) in sound.chunks_exact_mut(row).zip(samples.chunks_exact(STEP)) {
            row[..BEFORE].copy_from_slice(&self.before);
            row[BEFORE..].copy_from_slice(step);
            row[BEFORE..].iter_mut().for_each(|s| *s = s.clamp(-1.0, 1.0));
            self.before.copy_from_slice(&row[STEP..]);
        }
        let outputs = self.model.run(&[1 + steps, row], &rows)?;
        let numbers = |name: &str| outputs.iter().find(|o| o.name == name).map(|o| o.data.as_slice());
        let fail = |message: &str| DetectError::Output {
            model: self.model.manifest().id.to_string(),
            message: message.into(),
        };
        let (Some(speech), Some(h), Some(c)) = (numbers("speech_probs"), numbers("hn"), numbers("cn")) else {
            return Err(fail("no speech_probs, hn and cn"));
        };
        if speech.len() != steps || h.len() + c.len() != MEMORY || h.iter().chain(c).any(|v| !v.is_finite()) {
            return Err(fail("speech that is no number a step"));
        }
        self.memory.splice(.., h.iter().chain(c).copied());
        Ok(speech.iter().map(|&p| p >= SPEECH).collect())
    }
}
