//! A picture of the sound at bounded size: columns are merged in pairs whenever there are too many.

use crate::stft::{FFT, PowerSpectrum};
use seamline_core::{AudioBlock, RgbFrame};

const MAX_COLUMNS: usize = 1_024;
/// Rows: 0 to 8 kHz from the bottom.
const ROWS: usize = 128;
/// Decibels from black to white.
const RANGE_DB: f32 = 70.0;

/// Builds the picture from a stream of samples.
pub struct Spectrogram {
    stft: PowerSpectrum,
    pending: Vec<f32>,
    columns: Vec<[f32; ROWS]>,
    /// Frames merged in the column being built, and how many make one.
    open: ([f32; ROWS], usize),
    per_column: usize,
}

impl Default for Spectrogram {
    fn default() -> Self {
        Self {
            stft: PowerSpectrum::default(),
            pending: Vec::new(),
            columns: Vec::new(),
            open: ([0.0; ROWS], 0),
            per_column: 1,
        }
    }
}

impl Spectrogram {
    /// Adds sound.
    pub fn push(&mut self, samples: &[f32]) {
        self.pending.extend_from_slice(samples);
        let whole = self.pending.len() / FFT * FFT;
        for frame in self.pending[..whole].chunks_exact(FFT) {
            let bins = self.stft.of(frame);
            for (row, power) in self.open.0.iter_mut().enumerate() {
                let here = bins[2 * row].max(bins[2 * row + 1]);
                *power = power.max(here);
            }
            self.open.1 += 1;
            if self.open.1 == self.per_column {
                self.columns.push(std::mem::replace(&mut self.open, ([0.0; ROWS], 0)).0);
                if self.columns.len() == MAX_COLUMNS {
                    self.columns = self
                        .columns
                        .chunks(2)
                        .map(|pair| std::array::from_fn(|r| pair.iter().map(|c| c[r]).fold(0.0, f32::max)))
                        .collect();
                    self.per_column *= 2;
                }
            }
        }
        self.pending.drain(..whole);
    }

    /// Seconds that one column covers.
    pub fn column_secs(&self) -> f64 {
        (self.per_column * FFT) as f64 / f64::from(AudioBlock::RATE_HZ)
    }

    /// The picture, one pixel a column; `None` for less than two columns.
    pub fn picture(&self) -> Option<RgbFrame> {
        let width = self.columns.len();
        if width < 2 {
            return None;
        }
        let peak = self.columns.iter().flatten().fold(1e-12f32, |m, &p| m.max(p));
        let mut data = Vec::with_capacity(width * ROWS * 3);
        for row in (0..ROWS).rev() {
            for column in &self.columns {
                let db = 10.0 * (column[row].max(1e-12) / peak).log10();
                let v = ((db / RANGE_DB + 1.0).clamp(0.0, 1.0) * 255.0) as u8;
                data.extend([v, v, v]);
            }
        }
        RgbFrame::new(width as u32, ROWS as u32, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_stays_small_however_long_the_sound() {
        let mut s = Spectrogram::default();
        assert!(s.picture().is_none());
        let second: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.3).sin()).collect();
        for _ in 0..200 {
            s.push(&second);
        }
        let p = s.picture().unwrap();
        assert!(p.width() < MAX_COLUMNS as u32 && p.width() > MAX_COLUMNS as u32 / 2 - 2);
        assert_eq!(p.height(), ROWS as u32);
    }
}
