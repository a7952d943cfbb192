//! Voice activity: a small network (crate `earshot`) frame by frame, then hysteresis to runs of speech. It hears words
//! to the frame, and takes music and noise for speech as well: a second opinion ([`crate::activity`]) says what is.

use seamline_core::AudioBlock;

/// Samples a frame: 16 ms.
pub const FRAME: usize = 256;
/// Frames at or above this are speech (the crate's recommended threshold).
const ON: f32 = 0.5;
/// Speech goes on through frames above this.
const STAY: f32 = 0.35;
/// Silence of this many frames (about 0.4 s) ends a run.
const HANGOVER: u64 = 25;
/// A run needs this many speech frames (about 0.2 s) by either opinion.
const MIN_FRAMES: u64 = 12;
/// Speech rises and falls with its syllables; a steady tone or hum, which the network can take for a vowel, does
/// not. A run whose frame levels vary less than this (standard deviation, in decibels) is no speech.
const MIN_MODULATION_DB: f64 = 3.0;
/// A run goes on for this many frames (1 s) without the second opinion, and begins at most so long before it.
const UNSURE: u64 = 62;
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

/// A run that has not ended yet.
#[derive(Clone, Copy)]
struct Open {
    start: u64,
    last: u64,
    count: u64,
    /// The last frame that the second opinion takes for speech, and how many there are.
    sure: Option<u64>,
    sure_count: u64,
    /// Sum and sum of squares of the speech frames' levels in decibels.
    levels: (f64, f64),
}

impl Open {
    fn is_speech(&self) -> bool {
        let n = self.count as f64;
        let variance = self.levels.1 / n - (self.levels.0 / n).powi(2);
        self.count.min(self.sure_count) >= MIN_FRAMES && variance.max(0.0).sqrt() >= MIN_MODULATION_DB
    }
}

/// Streaming voice activity detection for one audio stream.
#[derive(Default)]
pub struct Vad {
    detector: earshot::Detector,
    frame: u64,
    open: Option<Open>,
    speech_frames: u64,
    /// Frames that only the first opinion took for speech, since the second last agreed or was asked to forget.
    doubt: u64,
}

impl Vad {
    /// Takes one frame of exactly [`FRAME`] samples and whether the second opinion takes it for speech; gives a run when
    /// one has ended.
    pub fn push(&mut self, samples: &[f32], sure: bool) -> Option<Run> {
        let clean: Vec<f32> = samples.iter().map(|s| s.clamp(-1.0, 1.0)).collect();
        let score = if clean.len() == FRAME { self.detector.predict_f32(&clean) } else { 0.0 };
        let now = self.frame;
        self.frame += 1;
        let speech = score >= ON || (self.open.is_some() && score >= STAY);
        if sure {
            self.doubt = 0;
        }
        if speech {
            self.doubt += 1;
            let power = clean.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / FRAME as f64;
            let db = 10.0 * power.max(1e-10).log10();
            let new = Open { start: now, last: now, count: 0, sure: None, sure_count: 0, levels: (0.0, 0.0) };
            let mut open = self.open.unwrap_or(new);
            open.last = now;
            open.count += 1;
            open.levels = (open.levels.0 + db, open.levels.1 + db * db);
            if sure {
                open.sure = Some(now);
                open.sure_count += 1;
            }
            self.open = Some(open);
            if now - open.sure.unwrap_or(open.start) <= UNSURE {
                return None;
            }
            self.open = open.sure.map(|last| Open { last, ..open });
            return self.close();
        }
        match self.open {
            Some(open) if now - open.last > HANGOVER => self.close(),
            _ => None,
        }
    }

    /// Whether a run is open, be it speech or not.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether `frames` of speech and more went by without the second opinion; asked again, counts anew.
    pub fn doubted(&mut self, frames: u64) -> bool {
        let doubted = self.doubt >= frames;
        if doubted {
            self.doubt = 0;
        }
        doubted
    }

    /// The end of the stream: the run that is still open.
    pub fn finish(&mut self) -> Option<Run> {
        self.close()
    }

    /// The start of the run that is open, if it counts as speech already.
    pub fn open_since(&self) -> Option<u64> {
        self.open.filter(Open::is_speech).map(|o| o.start.saturating_sub(MARGIN))
    }

    /// Seconds of frames judged to be speech, in runs that have ended.
    pub fn speech_secs(&self) -> f32 {
        (self.speech_frames as f64 * FRAME as f64 / f64::from(AudioBlock::RATE_HZ)) as f32
    }

    fn close(&mut self) -> Option<Run> {
        let open = self.open.take().filter(Open::is_speech)?;
        self.speech_frames += open.count;
        Some(Run { start: open.start.saturating_sub(MARGIN), end: (open.last + 1 + MARGIN).min(self.frame) })
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
                vad.push(&frame, true);
            }
            vad.finish();
            assert!(vad.speech_secs() < 1.0, "kind {kind}: {} s of speech", vad.speech_secs());
        }
    }
}
