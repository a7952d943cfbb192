//! From pixels to one soft bit a block.

use super::{Reading, Statistic};
use seamline_core::RgbFrame;

/// The step of the scheme's quantiser (invisible-watermark's default scale of the U channel).
const SCALE: f32 = 36.0;
/// Side of a block in low-band coefficients.
const BLOCK: usize = 4;

/// The U channel of a picture.
pub struct Planes {
    width: usize,
    height: usize,
    u: Vec<f32>,
}

/// How the low band is made of the U channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halving {
    /// Haar's sum of four over two, on pairs that begin at `x`, `y` (0 or 1).
    Haar {
        /// Left out from the left.
        x: usize,
        /// Left out from the top.
        y: usize,
    },
    /// The picture itself was halved by averaging: twice its values are the low band.
    Done,
}

/// The Haar low band.
pub struct LowBand {
    width: usize,
    height: usize,
    data: Vec<f32>,
}

/// One soft bit a block: +1 is bit 0, -1 is bit 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// Row-major.
    pub data: Vec<f32>,
}

impl Planes {
    /// The U channel as the marking code saw it.
    pub fn new(picture: &RgbFrame, reading: Reading) -> Self {
        let pixels = picture.data().as_chunks::<3>().0;
        let (red, blue) = if reading.blue_first { (0, 2) } else { (2, 0) };
        let u = if reading.float {
            // OpenCV, float: U = 0.492 (B - Y) + 0.5, Y = 0.299 R + 0.587 G + 0.114 B.
            pixels
                .iter()
                .map(|p| {
                    let (r, g, b) = (f32::from(p[red]), f32::from(p[1]), f32::from(p[blue]));
                    0.492 * (b - (0.299 * r + 0.587 * g + 0.114 * b)) + 0.5
                })
                .collect()
        } else {
            // OpenCV, bytes: the same in fixed point of 14 bits, around 128.
            pixels
                .iter()
                .map(|p| {
                    let (r, g, b) = (i32::from(p[red]), i32::from(p[1]), i32::from(p[blue]));
                    let y = (b * 1_868 + g * 9_617 + r * 4_899 + 8_192) >> 14;
                    (((b - y) * 8_061 + (128 << 14) + 8_192) >> 14).clamp(0, 255) as f32
                })
                .collect()
        };
        Self { width: picture.width() as usize, height: picture.height() as usize, u }
    }

    /// The low band.
    pub fn low_band(&self, halving: Halving) -> LowBand {
        let (w, h) = (self.width, self.height);
        let Halving::Haar { x, y } = halving else {
            return LowBand { width: w, height: h, data: self.u.iter().map(|v| 2.0 * v).collect() };
        };
        let (width, height) = (w.saturating_sub(x) / 2, h.saturating_sub(y) / 2);
        let mut data = Vec::with_capacity(width * height);
        for row in 0..height {
            let top = &self.u[(2 * row + y) * w + x..][..2 * width];
            let bottom = &self.u[(2 * row + 1 + y) * w + x..][..2 * width];
            let pairs = top.as_chunks::<2>().0.iter().zip(bottom.as_chunks::<2>().0);
            data.extend(pairs.map(|(a, b)| (a[0] + a[1] + b[0] + b[1]) * 0.5));
        }
        LowBand { width, height, data }
    }
}

impl LowBand {
    /// Soft bits of the blocks that begin `x`, `y` coefficients from the corner.
    pub fn grid(&self, x: usize, y: usize, statistic: Statistic) -> Grid {
        let columns = self.width.saturating_sub(x) / BLOCK;
        let rows = self.height.saturating_sub(y) / BLOCK;
        let mut data = vec![0.0; columns * rows];
        if columns == 0 {
            return Grid { columns, rows: 0, data: Vec::new() };
        }
        for (row, out) in data.chunks_exact_mut(columns).enumerate() {
            let lines: [&[f32]; BLOCK] = std::array::from_fn(|i| {
                &self.data[(row * BLOCK + i + y) * self.width + x..][..columns * BLOCK]
            });
            for (n, out) in out.chunks_mut(LANES).enumerate() {
                let mut blocks = [[0.0; LANES]; BLOCK * BLOCK];
                for (i, line) in lines.iter().enumerate() {
                    let part = &line[n * LANES * BLOCK..];
                    for (lane, four) in part.as_chunks::<BLOCK>().0.iter().take(LANES).enumerate() {
                        for (j, v) in four.iter().enumerate() {
                            blocks[i * BLOCK + j][lane] = *v;
                        }
                    }
                }
                let bits = match statistic {
                    Statistic::Largest => largest(&blocks).map(soft_bit),
                    Statistic::Prominence => prominence(&blocks),
                    Statistic::Singular => largest_singular(&blocks).map(soft_bit),
                };
                out.copy_from_slice(&bits[..out.len()]);
            }
        }
        Grid { columns, rows, data }
    }
}

/// Blocks worked on at once: loops over this many floats become vector instructions.
const LANES: usize = 8;
type Lanes = [f32; LANES];

/// cos(2 pi (r - 9) / 36) = sin(2 pi r / 36), r = |v| modulo 36, for v >= 0.
fn soft_bit(value: f32) -> f32 {
    let turns = value / SCALE;
    // Bhaskara's approximation of the sine on half a turn, within 0.0017: plenty for an average.
    let half = 2.0 * (turns - turns as i32 as f32);
    let (sign, t) = if half < 1.0 { (1.0, half) } else { (-1.0, half - 1.0) };
    let q = t * (1.0 - t);
    sign * 16.0 * q / (5.0 - 4.0 * q)
}

/// The largest by size of all coefficients but the first.
fn largest(blocks: &[Lanes; 16]) -> Lanes {
    let mut best = [0.0f32; LANES];
    for values in &blocks[1..] {
        for (best, v) in best.iter_mut().zip(values) {
            *best = if v.abs() > *best { v.abs() } else { *best };
        }
    }
    best
}

/// More than this (half of what two bits differ by) a coefficient stands out only at edges of the picture.
const MOST_PROMINENT: f32 = 9.0;

/// How far the largest by size of all coefficients but the first stands above their mean, from 0 (not at all, as
/// after bit 0) to -1 (as after bit 1).
fn prominence(blocks: &[Lanes; 16]) -> Lanes {
    let top = largest(blocks);
    let mut mean = [0.0f32; LANES];
    for values in &blocks[1..] {
        mean.iter_mut().zip(values).for_each(|(m, v)| *m += v.abs() / 15.0);
    }
    std::array::from_fn(|i| -((top[i] - mean[i]).min(MOST_PROMINENT) / MOST_PROMINENT))
}

/// Places of a symmetric 4 x 4 matrix that is kept as ten numbers.
const SYMMETRIC: [[usize; 4]; 4] = [[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]];
const DIAGONAL: [usize; 4] = [0, 4, 7, 9];

/// The largest singular value, by squaring the 4 x 4 Gram matrix four times (its 16th power): the error is that
/// of a Rayleigh quotient after 16 steps of the power method, and nothing where the two largest are equal.
fn largest_singular(blocks: &[Lanes; 16]) -> Lanes {
    let mut gram = [[0.0f32; LANES]; 10];
    for i in 0..4 {
        for j in i..4 {
            let sum = &mut gram[SYMMETRIC[i][j]];
            for k in 0..4 {
                multiply_add(sum, &blocks[k * 4 + i], &blocks[k * 4 + j]);
            }
        }
    }
    let mut power = gram;
    for _ in 0..4 {
        let mut scale = [f32::MIN_POSITIVE; LANES];
        for d in DIAGONAL {
            scale.iter_mut().zip(&power[d]).for_each(|(s, v)| *s += v);
        }
        scale.iter_mut().for_each(|s| *s = 1.0 / *s);
        for values in &mut power {
            values.iter_mut().zip(&scale).for_each(|(v, s)| *v *= s);
        }
        let mut next = [[0.0f32; LANES]; 10];
        for i in 0..4 {
            for j in i..4 {
                let sum = &mut next[SYMMETRIC[i][j]];
                for k in 0..4 {
                    multiply_add(sum, &power[SYMMETRIC[i][k]], &power[SYMMETRIC[k][j]]);
                }
            }
        }
        power = next;
    }
    // The power is close to rank one: any column is the vector, the one with the largest diagonal most exactly.
    let mut vector = [[0.0f32; LANES]; 4];
    for lane in 0..LANES {
        let j =
            (1..4).fold(0, |a, b| if power[DIAGONAL[b]][lane] > power[DIAGONAL[a]][lane] { b } else { a });
        for i in 0..4 {
            vector[i][lane] = power[SYMMETRIC[i][j]][lane];
        }
    }
    let (mut norm, mut quotient) = ([0.0f32; LANES], [0.0f32; LANES]);
    for i in 0..4 {
        let mut product = [0.0f32; LANES];
        for j in 0..4 {
            multiply_add(&mut product, &gram[SYMMETRIC[i][j]], &vector[j]);
        }
        multiply_add(&mut quotient, &product, &vector[i]);
        let v = vector[i];
        multiply_add(&mut norm, &v, &v);
    }
    std::array::from_fn(|i| if norm[i] > 0.0 { (quotient[i] / norm[i]).max(0.0).sqrt() } else { 0.0 })
}

fn multiply_add(sum: &mut Lanes, a: &Lanes, b: &Lanes) {
    for i in 0..LANES {
        sum[i] += a[i] * b[i];
    }
}

impl Grid {
    /// Adds another grid of the same size; one of another size is no part of the sum.
    pub fn add(&mut self, other: &Self) {
        if (self.columns, self.rows) == (other.columns, other.rows) {
            self.data.iter_mut().zip(&other.data).for_each(|(a, b)| *a += b);
        }
    }

    /// Averages over blocks of the same bit, for a payload of `length` bits.
    pub fn averages(&self, length: usize) -> Vec<f32> {
        let mut sums = vec![0.0f32; length];
        let mut counts = vec![0u32; length];
        for chunk in self.data.chunks(length) {
            for ((sum, count), v) in sums.iter_mut().zip(&mut counts).zip(chunk) {
                *sum += v;
                *count += 1;
            }
        }
        sums.iter().zip(counts).map(|(s, n)| s / n.max(1) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_bits_point_to_the_quantisers_two_places() {
        assert!((soft_bit(9.0) - 1.0).abs() < 1e-3);
        assert!((soft_bit(27.0) + 1.0).abs() < 1e-3);
        assert!(soft_bit(18.0).abs() < 1e-3 && soft_bit(36.0).abs() < 1e-3);
        for i in 0..360 {
            let v = i as f32 * 0.2;
            let exact = (std::f32::consts::TAU * v / 36.0).sin();
            assert!((soft_bit(v) - exact).abs() < 2e-3, "{v}");
        }
    }

    #[test]
    fn the_largest_singular_value() {
        let mut diagonal = [0.0; 16];
        (diagonal[0], diagonal[5], diagonal[10], diagonal[15]) = (3.0, -7.0, 6.5, 1.0);
        let one_block = |b: [f32; 16]| largest_singular(&b.map(|v| [v; LANES]))[LANES - 1];
        assert!((one_block(diagonal) - 7.0).abs() < 0.02);
        // A rank of one: the product of both norms.
        let one: [f32; 16] =
            std::array::from_fn(|i| [1.0, 2.0, 2.0, 4.0][i / 4] * [3.0, 0.0, 4.0, 0.0][i % 4]);
        assert!((one_block(one) - 25.0).abs() < 1e-3);
        assert_eq!(one_block([0.0; 16]), 0.0);
    }
}
