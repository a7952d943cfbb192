//! How good a stretch of sound is: bandwidth, level over the noise floor, clipping.

use crate::stft::{FFT, PowerSpectrum};
use seamline_core::{AudioBlock, Quality};

/// The band ends where the average spectrum falls this far below its peak, for good. Speech itself is some
/// 40 to 50 dB weaker at 7 kHz than at 500 Hz; what a codec or a telephone cut off is weaker still.
const BAND_DB: f64 = 60.0;
/// |sample| from here on is full scale.
const FULL_SCALE: f32 = 0.999;
/// Histogram of frame levels in whole decibels, from -100 to 0.
const LEVELS: usize = 101;

/// Gathers quality over a stream at flat memory.
pub struct VoiceQuality {
    stft: PowerSpectrum,
    spectrum: Vec<f64>,
    levels: [u64; LEVELS],
    speech_levels: [u64; LEVELS],
    clipped: u64,
    total: u64,
}

impl Default for VoiceQuality {
    fn default() -> Self {
        Self {
            stft: PowerSpectrum::default(),
            spectrum: vec![0.0; FFT / 2 + 1],
            levels: [0; LEVELS],
            speech_levels: [0; LEVELS],
            clipped: 0,
            total: 0,
        }
    }
}

impl VoiceQuality {
    /// Any stretch of sound: its level counts for the noise floor.
    pub fn sound(&mut self, samples: &[f32]) {
        for frame in samples.chunks_exact(FFT / 2) {
            self.levels[level(frame)] += 1;
        }
        self.total += samples.len() as u64;
        self.clipped += samples.iter().filter(|s| s.abs() >= FULL_SCALE).count() as u64;
    }

    /// A stretch of speech: its spectrum counts for the bandwidth.
    pub fn speech(&mut self, samples: &[f32]) {
        for frame in samples.chunks_exact(FFT) {
            self.speech_levels[level(frame)] += 1;
            let power = self.stft.of(frame);
            self.spectrum.iter_mut().zip(power).for_each(|(sum, p)| *sum += f64::from(*p));
        }
    }

    /// What it comes to; fields that could not be measured are absent.
    pub fn measure(&self) -> Quality {
        let peak = self.spectrum.iter().copied().fold(0.0, f64::max);
        let bandwidth_hz = (peak > 0.0).then(|| {
            let least = peak * 10f64.powf(-BAND_DB / 10.0);
            let last = self.spectrum.iter().rposition(|&e| e >= least).unwrap_or(0);
            (last + 1).min(FFT / 2) as f32 * AudioBlock::RATE_HZ as f32 / FFT as f32
        });
        let floor = percentile(&self.levels, 0.05);
        let speech = percentile(&self.speech_levels, 0.5);
        Quality {
            bandwidth_hz,
            snr_db: speech.zip(floor).map(|(s, f)| (s - f).max(0.0)),
            clipped: (self.total > 0).then(|| (self.clipped as f64 / self.total as f64) as f32),
            ..Quality::default()
        }
    }
}

fn level(frame: &[f32]) -> usize {
    let power = frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len().max(1) as f64;
    let db = 10.0 * power.max(1e-10).log10();
    (db + 100.0).clamp(0.0, 100.0) as usize
}

fn percentile(levels: &[u64; LEVELS], p: f64) -> Option<f32> {
    let total: u64 = levels.iter().sum();
    if total == 0 {
        return None;
    }
    let want = (total as f64 * p) as u64;
    let mut sum = 0;
    levels
        .iter()
        .position(|n| {
            sum += n;
            sum > want
        })
        .map(|i| i as f32 - 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_passed_signal_shows_its_band_and_loud_over_quiet_its_ratio() {
        let mut q = VoiceQuality::default();
        let tone = |hz: f32, amp: f32, n: usize| -> Vec<f32> {
            (0..n).map(|i| amp * (2.0 * std::f32::consts::PI * hz * i as f32 / 16_000.0).sin()).collect()
        };
        q.sound(&tone(300.0, 0.001, 16_000));
        let speech: Vec<f32> =
            tone(500.0, 0.3, 16_000).iter().zip(tone(3_000.0, 0.2, 16_000)).map(|(a, b)| a + b).collect();
        q.sound(&speech);
        q.speech(&speech);
        let m = q.measure();
        assert!((2_950.0..3_300.0).contains(&m.bandwidth_hz.unwrap()), "{m:?}");
        assert!((45.0..55.0).contains(&m.snr_db.unwrap()), "{m:?}");
        assert_eq!(m.clipped, Some(0.0));
        assert_eq!(VoiceQuality::default().measure(), Quality::default());
    }
}
