//! Fingerprint of sound: Chromaprint's 32-bit items, one every 0.124 s, from a stream of mono samples.
//!
//! The algorithm is Chromaprint's own (Lalinsky, "How does Chromaprint work?", 2011; configuration `test2`, the one
//! that `fpcalc` uses), through `rusty-chromaprint`. It keeps what a lossy codec, a change of level or a speed change
//! that keeps the pitch leave alone; it does not survive a change of pitch.
//!
//! Sound is brought to 11,025 Hz here, by a polyphase filter of our own, since the crate's resampler picks the nearest
//! of its filter phases and may stop the process on a short rest.

use rusty_chromaprint::{Configuration, Fingerprinter};
use serde::{Deserialize, Serialize};

/// What goes in: `seamline_core::AudioBlock::RATE_HZ`.
pub const INPUT_HZ: u32 = 16_000;
/// What Chromaprint works at.
const INNER_HZ: u32 = 11_025;
/// 11,025 / 16,000 in lowest terms.
const UP: usize = 441;
const DOWN: usize = 640;
/// Taps a phase: the filter spans 32 input samples, with a stop band under -60 dB from 5.9 kHz on.
const TAPS: usize = 32;
/// Samples in a step of the analysis at 11,025 Hz: 4,096 / 3, rounded down, as Chromaprint has it.
const STEP_SAMPLES: u32 = 1_365;
/// Time between two items, in microseconds.
pub const STEP_US: u32 = (STEP_SAMPLES as u64 * 1_000_000 / INNER_HZ as u64) as u32;
/// Samples that one item is made of: 16 steps of chroma in its widest filter, 4 more that the chroma filter spans,
/// and the length of a transform.
const SPAN_SAMPLES: u32 = 15 * STEP_SAMPLES + 4 * STEP_SAMPLES + 4_096;
/// Time that one item hears, in microseconds.
pub const SPAN_US: u32 = (SPAN_SAMPLES as u64 * 1_000_000 / INNER_HZ as u64) as u32;
/// An item that occurs this often in a row is silence or one held tone: it would match everywhere.
const HELD: usize = 4;

/// The fingerprint of a clip's sound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundPrint {
    /// Items, the first from the start of the sound; item `n` hears from `n * STEP_US` for [`SPAN_US`].
    pub items: Vec<u32>,
    /// When the sound begins on the clip's timeline, in microseconds.
    pub start_us: i64,
}

impl SoundPrint {
    /// When item `n` begins, in microseconds on the clip's timeline.
    pub fn time_us(&self, n: usize) -> i64 {
        self.start_us.saturating_add((n as i64).saturating_mul(i64::from(STEP_US)))
    }

    /// Items worth looking for, with their numbers: not those of silence or of a held tone.
    pub fn telling(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let mut held = vec![false; self.items.len()];
        let mut from = 0;
        for n in 1..=self.items.len() {
            if n == self.items.len() || self.items[n] != self.items[from] {
                if n - from >= HELD {
                    held[from..n].fill(true);
                }
                from = n;
            }
        }
        self.items.iter().enumerate().zip(held).filter(|(_, held)| !held).map(|((n, &item), _)| (n, item))
    }
}

/// Makes a fingerprint from mono sound at 16 kHz as it comes.
pub struct SoundPrinter {
    printer: Fingerprinter,
    resampler: Resampler,
    ready: Vec<i16>,
    any: bool,
}

impl Default for SoundPrinter {
    fn default() -> Self {
        Self::new()
    }
}

impl SoundPrinter {
    /// Ready for the first sample.
    pub fn new() -> Self {
        let mut printer = Fingerprinter::new(&Configuration::preset_test2());
        // Refuses only rates under 1 kHz and no channels.
        let _ = printer.start(INNER_HZ, 1);
        Self { printer, resampler: Resampler::new(), ready: Vec::new(), any: false }
    }

    /// The next samples, in -1 to 1; louder ones are clipped.
    pub fn push(&mut self, samples: &[f32]) {
        self.any |= !samples.is_empty();
        self.ready.clear();
        self.resampler.push(samples, &mut self.ready);
        self.printer.consume(&self.ready);
    }

    /// The fingerprint; `None` where there was no sound, or too little for one item (2.7 s).
    pub fn finish(mut self, start_us: i64) -> Option<SoundPrint> {
        self.ready.clear();
        self.resampler.finish(&mut self.ready);
        self.printer.consume(&self.ready);
        self.printer.finish();
        let items = self.printer.fingerprint().to_vec();
        (self.any && !items.is_empty()).then_some(SoundPrint { items, start_us })
    }
}

/// 16 kHz to 11,025 Hz, by a windowed sinc in 441 phases.
struct Resampler {
    phases: Vec<[f32; TAPS]>,
    /// Samples not yet behind the filter; the first is at input position `base`.
    held: Vec<f32>,
    base: usize,
    /// Number of the next output.
    next: usize,
}

impl Resampler {
    fn new() -> Self {
        // The pass band ends at 0.9 of the new half rate; Blackman's window (Harris 1978, eq. 32).
        let cutoff = 0.9 * f64::from(INNER_HZ) / f64::from(INPUT_HZ);
        let phase = |p: usize| {
            let fraction = p as f64 / UP as f64;
            let mut taps = [0f64; TAPS];
            for (k, tap) in taps.iter_mut().enumerate() {
                let x = k as f64 - (TAPS / 2 - 1) as f64 - fraction;
                let sinc = if x.abs() < 1e-9 {
                    cutoff
                } else {
                    (std::f64::consts::PI * cutoff * x).sin() / (std::f64::consts::PI * x)
                };
                let w = std::f64::consts::PI * x / (TAPS / 2) as f64;
                *tap = sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos());
            }
            let sum: f64 = taps.iter().sum();
            taps.map(|t| (t / sum) as f32)
        };
        // Silence before the first sample, so that the first output is centred on it.
        Self { phases: (0..UP).map(phase).collect(), held: vec![0.0; TAPS / 2 - 1], base: 0, next: 0 }
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<i16>) {
        self.held.extend(samples.iter().map(|s| if s.is_finite() { *s } else { 0.0 }));
        loop {
            let position = self.next * DOWN;
            let at = position / UP - self.base;
            let Some(window) = self.held.get(at..at + TAPS) else { break };
            let value: f32 = window.iter().zip(&self.phases[position % UP]).map(|(s, t)| s * t).sum();
            out.push((value * 32_767.0).clamp(-32_768.0, 32_767.0) as i16);
            self.next += 1;
        }
        let done = (self.next * DOWN / UP - self.base).min(self.held.len());
        self.held.drain(..done);
        self.base += done;
    }

    fn finish(&mut self, out: &mut Vec<i16>) {
        self.push(&[0.0; TAPS / 2], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn song(seconds: usize, seed: u32) -> Vec<f32> {
        // Notes that change every 0.3 s, from a linear congruence.
        let mut state = seed;
        let mut note = 0f32;
        let mut phase = [0f32; 3];
        (0..seconds * INPUT_HZ as usize)
            .map(|n| {
                if n % 4_800 == 0 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    note = 110.0 * 2f32.powf((state >> 27) as f32 / 12.0);
                }
                let mut sum = 0.0;
                for (k, p) in phase.iter_mut().enumerate() {
                    *p = (*p + note * (k as f32 + 1.0) / INPUT_HZ as f32).fract();
                    sum += (*p * std::f32::consts::TAU).sin() * 0.2;
                }
                sum
            })
            .collect()
    }

    fn print(samples: &[f32], block: usize) -> SoundPrint {
        let mut printer = SoundPrinter::new();
        samples.chunks(block).for_each(|b| printer.push(b));
        printer.finish(0).unwrap()
    }

    #[test]
    fn blocks_do_not_matter() {
        let s = song(12, 1);
        assert_eq!(print(&s, 1_000), print(&s, 16_000 * 12));
        assert_eq!(print(&s, 7), print(&s, 4_096));
    }

    #[test]
    fn a_tone_keeps_its_level_and_one_above_the_band_is_gone() {
        let level = |hz: f32| {
            let tone: Vec<f32> =
                (0..16_000).map(|n| 0.5 * (std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin()).collect();
            let (mut r, mut out) = (Resampler::new(), Vec::new());
            r.push(&tone, &mut out);
            r.finish(&mut out);
            assert!(out.len().abs_diff(11_025) <= 2, "{}", out.len());
            let middle = &out[2_000..9_000];
            let power: f64 = middle.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>();
            (power / middle.len() as f64).sqrt() / 32_767.0 * std::f64::consts::SQRT_2
        };
        assert!((level(440.0) - 0.5).abs() < 0.005, "{}", level(440.0));
        assert!((level(3_000.0) - 0.5).abs() < 0.02, "{}", level(3_000.0));
        assert!(level(7_000.0) < 0.002, "{}", level(7_000.0));
    }

    #[test]
    fn louder_sound_has_nearly_the_same_items_and_other_sound_others() {
        let s = song(20, 1);
        let quiet: Vec<f32> = s.iter().map(|v| v * 0.3).collect();
        let (a, b, c) = (print(&s, 4_096), print(&quiet, 4_096), print(&song(20, 2), 4_096));
        let errors = |x: &SoundPrint, y: &SoundPrint| {
            let n = x.items.len().min(y.items.len());
            let bits: u32 = x.items.iter().zip(&y.items).map(|(a, b)| (a ^ b).count_ones()).sum();
            f64::from(bits) / (n * 32) as f64
        };
        assert!(errors(&a, &b) < 0.03, "{}", errors(&a, &b));
        assert!(errors(&a, &c) > 0.3, "{}", errors(&a, &c));
        let expected = (20_000_000 - i64::from(SPAN_US)) / i64::from(STEP_US);
        assert!((a.items.len() as i64 - expected).abs() <= 2, "{} items", a.items.len());
    }

    #[test]
    fn silence_has_nothing_telling_and_too_little_sound_no_print() {
        let quiet = print(&vec![0.0; 16_000 * 10], 4_096);
        assert_eq!(quiet.telling().count(), 0);
        let mut short = SoundPrinter::new();
        short.push(&song(1, 1));
        assert_eq!(short.finish(0), None);
        assert_eq!(SoundPrinter::new().finish(0), None);
    }
}
