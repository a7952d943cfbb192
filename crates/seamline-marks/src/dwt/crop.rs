//! The search for a mark in a part of a picture: where the block grid begins, how wide the original was and where
//! the part lay in it are all unknown.
//!
//! Modulo the payload's length only two numbers are left of width and place: by how many bits a block below lies
//! further on (the stride), and which bit the first block carries (the shift). For each of 64 pixel offsets every
//! stride's averages are made, and where they vary more than chance lets them, all shifts are tried.

use super::{DECIDE_LN_P, pearson, unperiodic};
use super::{Grid, Halving, Hit, PAYLOADS, Payload, Place, Planes, Reading, Scheme, Statistic};
use crate::stats::ln_p_correlation;
use seamline_core::{RgbFrame, pixels};

/// Longest side that is searched, in pixels: of larger pictures the middle. 14,400 blocks are plenty.
const MAX_SIDE: u32 = 960;
/// Fewest blocks that a search makes sense in.
const MIN_BLOCKS: usize = 256;
/// Soft bits as whole numbers: sums of a whole grid's column of them stay inside 16 bits.
const LEVELS: f32 = 31.0;

/// Searches one picture.
pub fn search(picture: &RgbFrame) -> Option<Hit> {
    let (w, h) = (picture.width().min(MAX_SIDE), picture.height().min(MAX_SIDE));
    let (x0, y0) = ((picture.width() - w) / 2, (picture.height() - h) / 2);
    let cropped;
    let part = if (x0, y0) == (0, 0) && (w, h) == (picture.width(), picture.height()) {
        picture
    } else {
        cropped = pixels::crop(picture, x0.into(), y0.into(), w, h);
        &cropped
    };
    let tests = tests();
    let mut search =
        Search { tests, best: None, sums: Vec::new(), doubled: Vec::new(), needed: needed(tests) };
    for reading in Reading::ALL {
        let planes = Planes::new(part, reading);
        for parity in 0..4 {
            let (px, py) = (parity % 2, parity / 2);
            let low = planes.low_band(Halving::Haar { x: px, y: py });
            for block in 0..16 {
                let (bx, by) = (block % 4, block / 4);
                let place = Place::Part { x: x0 + (px + 2 * bx) as u32, y: y0 + (py + 2 * by) as u32 };
                for statistic in Statistic::OF_PARTS {
                    search.grid(&low.grid(bx, by, statistic), reading, statistic.scheme(), place);
                }
            }
        }
    }
    search.best
}

/// Tests that one search stands for: offsets, readings, statistics, and for each payload strides and shifts.
fn tests() -> u64 {
    let variants = 64 * Reading::ALL.len() * Statistic::OF_PARTS.len();
    PAYLOADS.iter().map(|p| (variants * p.len() * p.len()) as u64).sum()
}

/// For each payload length the correlation that would be decisive.
fn needed(tests: u64) -> Vec<(usize, f64)> {
    let wanted = DECIDE_LN_P - (tests as f64).ln();
    lengths()
        .map(|length| {
            let (mut low, mut high) = (0.0, 1.0);
            for _ in 0..40 {
                let middle = (low + high) / 2.0;
                if ln_p_correlation(middle, length) < wanted { high = middle } else { low = middle }
            }
            (length, high)
        })
        .collect()
}

/// The payloads' different lengths.
fn lengths() -> impl Iterator<Item = usize> {
    let mut all: Vec<usize> = PAYLOADS.iter().map(Payload::len).collect();
    all.dedup(); // they stand in order
    all.into_iter()
}

struct Search {
    tests: u64,
    best: Option<Hit>,
    sums: Vec<i16>,
    /// The sums twice in a row.
    doubled: Vec<i16>,
    needed: Vec<(usize, f64)>,
}

impl Search {
    fn grid(&mut self, grid: &Grid, reading: Reading, scheme: Scheme, place: Place) {
        if grid.data.len() < MIN_BLOCKS {
            return;
        }
        let whole: Vec<i16> = grid.data.iter().map(|v| (v * LEVELS).round() as i16).collect();
        let n = whole.len() as f64;
        let mean = whole.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = whole.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n - mean * mean;
        if variance < 1.0 {
            return; // a flat picture carries nothing
        }
        for i in 0..self.needed.len() {
            let (length, r) = self.needed[i];
            // Under no mark a sum of n / length independent soft bits varies by that many times their variance;
            // a decisive correlation r leaves at most 1 - r^2 of the sums' variance to chance, so smaller spreads
            // need no further look. The slack keeps what scatters below.
            let chance = variance * n / length as f64;
            let enough = 0.8 * chance / (1.0 - r * r).max(1e-3);
            let folded = fold(&whole, grid.columns, length);
            for stride in 0..length {
                self.sum(&folded, length, stride);
                if spread(&self.sums) >= enough {
                    self.shifts(length, reading, scheme, place);
                }
            }
        }
    }

    /// Adds the folded rows, each turned by a stride more than the one above.
    fn sum(&mut self, folded: &[i16], length: usize, stride: usize) {
        self.sums.clear();
        self.sums.resize(length, 0);
        let mut turn = 0;
        for row in folded.chunks_exact(length) {
            // sums[k] += row[k - turn]
            let (head, tail) = self.sums.split_at_mut(turn);
            add(tail, &row[..length - turn]);
            add(head, &row[length - turn..]);
            turn = (turn + stride) % length;
        }
    }

    fn shifts(&mut self, length: usize, reading: Reading, scheme: Scheme, place: Place) {
        let needed = self.needed.iter().find(|n| n.0 == length).map_or(1.0, |n| n.1);
        // Twice in a row, every turn of the sums is a slice.
        self.doubled.clear();
        self.doubled.extend_from_slice(&self.sums);
        self.doubled.extend_from_slice(&self.sums);
        let n = length as f64;
        let total: f64 = self.sums.iter().map(|&v| f64::from(v)).sum();
        let spread = spread(&self.sums) * n;
        for payload in PAYLOADS.iter().filter(|p| p.len() == length) {
            let signs: Vec<i16> = payload.signs().map(|s| s as i16).collect();
            let sign_total: f64 = signs.iter().map(|&s| f64::from(s)).sum();
            let scale = (spread * (n - sign_total * sign_total / n)).sqrt();
            for turn in 0..length {
                let turned = &self.doubled[turn..turn + length];
                let product = dot(turned, &signs);
                if (f64::from(product) - total * sign_total / n) < needed * scale {
                    continue;
                }
                let averages: Vec<f32> = turned.iter().map(|&v| f32::from(v)).collect();
                let pairs = averages.iter().zip(payload.signs()).map(|(&v, s)| (f64::from(v), s));
                let Some(correlation) = pearson(pairs) else { continue };
                let hit = Hit {
                    payload,
                    scheme,
                    reading,
                    place,
                    correlation,
                    ln_p: ln_p_correlation(correlation, length),
                    ln_p_unperiodic: unperiodic(&averages, payload),
                    tests: self.tests,
                };
                if hit.is_decisive() && self.best.as_ref().is_none_or(|b| hit.ln_p < b.ln_p) {
                    self.best = Some(hit);
                }
            }
        }
    }
}

/// Sum of products; [`LEVELS`] keeps it far inside 32 bits.
fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).fold(0i32, |sum, (&x, &y)| sum.wrapping_add(i32::from(x).wrapping_mul(i32::from(y))))
}

/// Variance of the sums.
fn spread(sums: &[i16]) -> f64 {
    let n = sums.len() as f64;
    let s: i32 = sums.iter().fold(0, |s, &v| s.wrapping_add(i32::from(v)));
    // Floats hold the squares exactly up to 2^24 each and add without a check for overflow.
    let ss = sums.as_chunks::<8>().0.iter().fold([0.0f32; 8], |mut ss, chunk| {
        ss.iter_mut().zip(chunk).for_each(|(a, &v)| *a += f32::from(v) * f32::from(v));
        ss
    });
    let rest: f32 = sums.as_chunks::<8>().1.iter().map(|&v| f32::from(v) * f32::from(v)).sum();
    let ss = f64::from(ss.iter().sum::<f32>() + rest);
    (ss - f64::from(s) * f64::from(s) / n) / n
}

/// Adds as far as the shorter one goes. [`LEVELS`] and [`MAX_SIDE`] keep every sum inside 16 bits; said so to the
/// compiler, eight additions are one instruction.
fn add(to: &mut [i16], from: &[i16]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a = a.wrapping_add(*b));
}

/// Each row's sums over blocks of the same bit: rows x length.
fn fold(whole: &[i16], columns: usize, length: usize) -> Vec<i16> {
    let rows = whole.len() / columns;
    let mut out = vec![0i16; rows * length];
    for (row, sums) in whole.chunks_exact(columns).zip(out.chunks_exact_mut(length)) {
        for chunk in row.chunks(length) {
            add(sums, chunk);
        }
    }
    out
}
