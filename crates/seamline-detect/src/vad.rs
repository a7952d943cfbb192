//! Voice activity: a small network (crate `earshot`) frame by frame, then hysteresis to runs of speech.

use seamline_core::AudioBlock;

/// Samples a frame: 16 ms.
pub const FRAME: usize = 256;
/// Frames at or above this are speech (the crate's recommended threshold).
const ON: f32 = 0.5;
/// Speech goes on through frames above this.
const STAY: f32 = 0.35;
/// Silence of this many frames (about 0.4 s) ends a run.
const HANGOVER: u64 = 25;
/// A run needs this many speech frames (about 0.2 s).
const MIN_FRAMES: u64 = 12;
/// Frames added before and after a run (about 0.1 s), so that onsets are inside.
const MARGIN: u64 = 6;

/// A run of speech in frames since the start of the stream: `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First frame.
    pub start: u64,
    /// First frame after.
    pub end: u64,
}

/// Streaming voice activity detection for one audio stream.
pub struct Vad {
    detector: earshot::Detector,
    frame: u64,
    open: Option<(u64, u64, u64)>, // start, last speech frame, number of speech frames
    speech_frames: u64,
}

impl Default for Vad {
    fn default() -> Self {
        Self { detector: earshot::Detector::default(), frame: 0, open: None, speech_frames: 0 }
    }
}

impl Vad {
    /// Takes one frame of exactly [`FRAME`] samples; gives a run when one has ended.
    pub fn push(&mut self, samples: &[f32]) -> Option<Run> {
        let clean: Vec<f32> = samples.iter().map(|s| s.clamp(-1.0, 1.0)).collect();
        let score = if clean.len() == FRAME { self.detector.predict_f32(&clean) } else { 0.0 };
        let now = self.frame;
        self.frame += 1;
        let speech = score >= ON || (self.open.is_some() && score >= STAY);
        if speech {
            self.speech_frames += 1;
            let (start, _, count) = self.open.unwrap_or((now, now, 0));
            self.open = Some((start, now, count + 1));
            return None;
        }
        match self.open {
            Some((_, last, _)) if now - last > HANGOVER => self.close(),
            _ => None,
        }
    }

    /// The end of the stream: the run that is still open.
    pub fn finish(&mut self) -> Option<Run> {
        self.close()
    }

    /// The start of the run that is open, if it is long enough to count already.
    pub fn open_since(&self) -> Option<u64> {
        self.open.filter(|o| o.2 >= MIN_FRAMES).map(|o| o.0.saturating_sub(MARGIN))
    }

    /// Seconds of frames judged to be speech.
    pub fn speech_secs(&self) -> f32 {
        (self.speech_frames as f64 * FRAME as f64 / f64::from(AudioBlock::RATE_HZ)) as f32
    }

    fn close(&mut self) -> Option<Run> {
        let (start, last, count) = self.open.take()?;
        let run = Run { start: start.saturating_sub(MARGIN), end: (last + 1 + MARGIN).min(self.frame) };
        (count >= MIN_FRAMES).then_some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_noise_and_a_tone_are_not_speech() {
        let mut noise = 1u32;
        let mut random = move || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        for kind in 0..3 {
            let mut vad = Vad::default();
            for f in 0..600usize {
                let frame: Vec<f32> = (0..FRAME)
                    .map(|i| match kind {
                        0 => 0.0,
                        1 => 0.05 * random(),
                        _ => 0.3 * (((f * FRAME + i) as f32) * 0.173).sin(),
                    })
                    .collect();
                vad.push(&frame);
            }
            vad.finish();
            assert!(vad.speech_secs() < 1.0, "kind {kind}: {} s of speech", vad.speech_secs());
        }
    }
}
