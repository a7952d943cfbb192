//! How loud a stream is, 25 times a second, on the clip's clock: what a mouth is compared with.

use crate::stft::{FFT, PowerSpectrum};
use seamline_core::{AudioBlock, MediaTime};

/// A tick, in samples at 16 kHz: 40 ms.
pub const TICK: usize = 640;
/// Ticks that are kept: three hours.
const MOST: usize = 3 * 3_600 * 25;
/// Bands of the mel scale (O'Shaughnessy 1987), between these frequencies in hertz: where speech is.
const BANDS: usize = 20;
const RANGE: (f32, f32) = (80.0, 7_600.0);
/// Added to a band's power, so that digital silence has a level.
const FLOOR: f32 = 1e-4;

/// The levels of one stream.
#[derive(Clone, Debug, Default)]
pub struct StreamLevels {
    /// When the first tick begins.
    pub start: MediaTime,
    /// Mean over mel bands of the logarithm of their power, natural; not a number where there was no sound.
    pub values: Vec<f32>,
}

impl StreamLevels {
    /// The level at a time, between the middles of two ticks; `None` outside and where there was no sound.
    pub fn at(&self, time: MediaTime) -> Option<f32> {
        let ticks = time.minus(self.start).as_secs_f64() * f64::from(AudioBlock::RATE_HZ) / TICK as f64 - 0.5;
        if !(ticks >= 0.0 && ticks.is_finite()) {
            return None;
        }
        let (low, part) = (ticks.floor() as usize, ticks.fract() as f32);
        let (a, b) = (*self.values.get(low)?, *self.values.get(low + 1)?);
        let level = a + (b - a) * part;
        level.is_finite().then_some(level)
    }
}

/// Measures one stream as it is decoded.
pub struct LevelMeter {
    stft: PowerSpectrum,
    /// For each band, its first bin and the weights of its bins.
    bands: Vec<(usize, Vec<f32>)>,
    pending: Vec<f32>,
    levels: StreamLevels,
    started: bool,
}

impl Default for LevelMeter {
    fn default() -> Self {
        let mel = |hz: f32| 2595.0 * (1.0 + hz / 700.0).log10();
        let hertz = |mel: f32| 700.0 * (10f32.powf(mel / 2595.0) - 1.0);
        let (low, high) = (mel(RANGE.0), mel(RANGE.1));
        let edge = |i: usize| hertz(low + (high - low) * i as f32 / (BANDS + 1) as f32);
        let bands = (0..BANDS).map(|i| triangle(edge(i), edge(i + 1), edge(i + 2))).collect();
        Self {
            stft: PowerSpectrum::default(),
            bands,
            pending: Vec::new(),
            levels: StreamLevels::default(),
            started: false,
        }
    }
}

fn triangle(low: f32, middle: f32, high: f32) -> (usize, Vec<f32>) {
    let hertz = |bin: usize| bin as f32 * AudioBlock::RATE_HZ as f32 / FFT as f32;
    let weight = |f: f32| ((f - low) / (middle - low)).min((high - f) / (high - middle)).max(0.0);
    let weights: Vec<f32> = (0..=FFT / 2).map(|bin| weight(hertz(bin))).collect();
    let first = weights.iter().position(|w| *w > 0.0).unwrap_or(0);
    let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
    (first, weights.get(first..=last).unwrap_or_default().to_vec())
}

impl LevelMeter {
    /// Takes a block of sound. Where time was left out, ticks without a level stand for it.
    pub fn push(&mut self, block: &AudioBlock) {
        if !self.started {
            self.started = true;
            self.levels.start = block.time;
        }
        let done = self.levels.values.len() * TICK + self.pending.len();
        let expected = MediaTime::from_samples(done as u64, AudioBlock::RATE_HZ).unwrap_or(MediaTime::ZERO);
        let late = block.time.minus(self.levels.start.plus(expected)).as_micros();
        if late > 40_000 {
            self.pending.clear();
            let ticks = usize::try_from(late / 40_000).unwrap_or(MOST).min(MOST);
            let room = MOST.saturating_sub(self.levels.values.len());
            self.levels.values.extend(std::iter::repeat_n(f32::NAN, ticks.min(room)));
        }
        self.pending.extend_from_slice(&block.samples);
        let mut from = 0;
        while let Some(tick) = self.pending.get(from..from + TICK) {
            if self.levels.values.len() < MOST {
                // Two windows of 32 ms, at the beginning and at the end of the 40.
                let mut level = 0.0;
                for start in [0, TICK - FFT] {
                    let power = self.stft.of(tick.get(start..start + FFT).unwrap_or_default());
                    for (first, weights) in &self.bands {
                        let sum: f32 =
                            weights.iter().zip(power.iter().skip(*first)).map(|(w, p)| w * p).sum();
                        level += (sum + FLOOR).ln();
                    }
                }
                self.levels.values.push(level / (2 * BANDS) as f32);
            }
            from += TICK;
        }
        self.pending.drain(..from);
    }

    /// The end of the stream.
    pub fn finish(self) -> StreamLevels {
        self.levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seamline_core::StreamIndex;

    fn levels(blocks: &[(i64, Vec<f32>)]) -> StreamLevels {
        let mut meter = LevelMeter::default();
        for (at, samples) in blocks {
            let time = MediaTime::from_millis(*at);
            let block =
                AudioBlock { stream: StreamIndex(0), time, samples: samples.clone(), native_peak: 0.0 };
            meter.push(&block);
        }
        meter.finish()
    }

    #[test]
    fn ten_times_the_amplitude_is_4_6_nats_and_blocks_do_not_matter() {
        let noise = seamline_testkit::wave::lcg_noise(16_000);
        let loud: Vec<f32> = noise.iter().map(|s| s * 10.0).collect();
        let (a, b) = (levels(&[(0, noise.clone())]), levels(&[(0, loud)]));
        assert_eq!(a.values.len(), 25);
        for (a, b) in a.values.iter().zip(&b.values) {
            assert!((b - a - 100f32.ln()).abs() < 0.05, "{a} {b}");
        }
        let halves = levels(&[(0, noise[..7_000].to_vec()), (437, noise[7_000..].to_vec())]);
        assert_eq!(halves.values, a.values);
    }

    #[test]
    fn sound_that_is_left_out_has_no_level() {
        let noise = seamline_testkit::wave::lcg_noise(6_400);
        let l = levels(&[(1_000, noise.clone()), (2_400, noise)]);
        assert!(l.at(MediaTime::from_millis(1_200)).is_some());
        assert!(l.at(MediaTime::from_millis(2_000)).is_none());
        assert!(l.at(MediaTime::from_millis(2_600)).is_some());
        assert!(l.at(MediaTime::from_millis(500)).is_none());
        assert!(l.at(MediaTime::from_millis(9_000)).is_none());
    }
}
