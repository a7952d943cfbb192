//! Power spectra of Hann-windowed frames, for pictures and quality; models bring their own front ends.

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Samples a frame: 32 ms at 16 kHz.
pub(crate) const FFT: usize = 512;

/// A transform with its buffers.
pub(crate) struct PowerSpectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    input: Vec<f32>,
    output: Vec<Complex<f32>>,
    power: Vec<f32>,
}

impl Default for PowerSpectrum {
    fn default() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(FFT);
        // Periodic, so that it is the same for every frame of a stream.
        let window = (0..FFT)
            .map(|i| 0.5 - 0.5 * (2.0 * std::f32::consts::PI * i as f32 / FFT as f32).cos())
            .collect();
        let (input, output) = (fft.make_input_vec(), fft.make_output_vec());
        Self { fft, window, input, output, power: vec![0.0; FFT / 2 + 1] }
    }
}

impl PowerSpectrum {
    /// Squared magnitudes of the `FFT / 2 + 1` bins of one frame of [`FFT`] samples; a frame of another length
    /// is silence.
    pub(crate) fn of(&mut self, frame: &[f32]) -> &[f32] {
        self.power.fill(0.0);
        if frame.len() == FFT {
            self.input.iter_mut().zip(frame.iter().zip(&self.window)).for_each(|(i, (s, w))| *i = s * w);
            if self.fft.process(&mut self.input, &mut self.output).is_ok() {
                self.power.iter_mut().zip(&self.output).for_each(|(p, c)| *p = c.norm_sqr());
            }
        }
        &self.power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_lies_in_its_bin_and_parseval_holds() {
        let tone: Vec<f32> =
            (0..FFT).map(|i| (2.0 * std::f32::consts::PI * 40.0 * i as f32 / FFT as f32).sin()).collect();
        let mut spectrum = PowerSpectrum::default();
        let power = spectrum.of(&tone).to_vec();
        let best = (0..power.len()).max_by(|&a, &b| power[a].total_cmp(&power[b]));
        assert_eq!(best, Some(40));
        let energy: f32 = tone.iter().zip(&spectrum.window).map(|(s, w)| (s * w).powi(2)).sum();
        let bins = 2.0 * power.iter().sum::<f32>() - power[0] - power[FFT / 2];
        assert!((bins / FFT as f32 / energy - 1.0).abs() < 1e-4);
        assert!(spectrum.of(&[1.0; 3]).iter().all(|&p| p == 0.0));
    }
}
