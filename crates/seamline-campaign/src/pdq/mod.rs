//! PDQ: a 256-bit perceptual hash of a picture with a measure of how much there was to hash.
//!
//! Written from the published specification (Facebook, "The TMK+PDQF video-hashing algorithm and the PDQ
//! image-hashing algorithm", 2019, section 4 of hashing.pdf): luma, two passes of a two-dimensional box filter (an
//! approximate Jarosz tent), decimation to 64 x 64, gradient quality, 16 x 16 of the discrete cosine transform
//! without its constant row and column, threshold at the median. Its numbers are compared with the C++ reference in
//! `tests/pdq_reference.rs`.

pub mod border;
mod luma;

pub use luma::{LumaPlane, Rect};

use seamline_core::RgbFrame;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::OnceLock;

/// Side of the decimated picture (specification, 4.3).
const GRID: usize = 64;
/// Side of the block of cosine coefficients that becomes the hash.
const BLOCK: usize = 16;
/// Bits of a hash.
pub const BITS: u32 = 256;
/// Two pictures whose hashes differ in at most this many bits are near-duplicates (specification, 6.2: "31").
pub const MATCH_DISTANCE: u32 = 31;
/// Hashes of pictures below this quality are too featureless to match (specification, 6.1 and vPDQ's default of 50).
pub const MIN_QUALITY: u8 = 50;
/// The shorter side to which pictures are reduced before hashing. Against the hash of the full picture this moves a
/// few bits of 256 (`tests/pdq_reference.rs` states how many) and costs a tenth.
pub const REDUCED_SIDE: usize = 160;

/// 256 bits; bit `16 i + j` is the coefficient of vertical frequency `i + 1` and horizontal frequency `j + 1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PdqHash(pub [u64; 4]);

impl PdqHash {
    /// Number of bits in which two hashes differ, 0 to 256.
    #[inline]
    pub fn distance(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// From the 64 hexadecimal digits that the reference prints, bit 255 first; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self::from_bytes(bytes))
    }

    /// 32 bytes, bit 255 first: the order of the hexadecimal form.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0.iter().rev()) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The reverse of [`PdqHash::to_bytes`].
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0u64; 4];
        for (word, chunk) in words.iter_mut().rev().zip(bytes.chunks_exact(8)) {
            *word = chunk.iter().fold(0, |w, &b| w << 8 | u64::from(b));
        }
        Self(words)
    }
}

impl fmt::Display for PdqHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|w| write!(f, "{w:016x}"))
    }
}

impl fmt::Debug for PdqHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PdqHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PdqHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected 64 hexadecimal digits"))
    }
}

/// The cosine coefficients of a picture, from which its hash and those of its mirror images follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficients {
    block: [[f32; BLOCK]; BLOCK],
    /// 0 to 100; see [`MIN_QUALITY`].
    pub quality: u8,
}

/// How a picture is turned before hashing. The names are those of the result, seen from the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// As it is.
    Upright,
    /// Left and right swapped.
    Mirrored,
    /// Top and bottom swapped.
    UpsideDown,
    /// Half a turn.
    HalfTurn,
}

impl Coefficients {
    /// Of a whole plane; `None` for an empty one.
    pub fn of(plane: &LumaPlane) -> Option<Self> {
        let (w, h) = (plane.width(), plane.height());
        if w == 0 || h == 0 {
            return None;
        }
        let grid = decimate(plane, w, h);
        Some(Self { quality: quality(&grid), block: cosine(&grid) })
    }

    /// The hash of the picture, turned.
    pub fn hash(&self, turn: Turn) -> PdqHash {
        // Mirroring negates the odd cosines: cos(pi f (2 (N-1-x) + 1) / 2N) = (-1)^f cos(pi f (2x + 1) / 2N), and
        // row or column `n` of the block has frequency n + 1.
        let (flip_rows, flip_columns) = match turn {
            Turn::Upright => (false, false),
            Turn::Mirrored => (false, true),
            Turn::UpsideDown => (true, false),
            Turn::HalfTurn => (true, true),
        };
        let mut values = [0f32; BLOCK * BLOCK];
        for (i, row) in self.block.iter().enumerate() {
            for (j, &v) in row.iter().enumerate() {
                let negate = (flip_rows && i % 2 == 0) != (flip_columns && j % 2 == 0);
                values[i * BLOCK + j] = if negate { -v } else { v };
            }
        }
        let mut sorted = values;
        // The lower of the two middle values, as the reference's median picks it.
        let median = *sorted.select_nth_unstable_by(values.len() / 2 - 1, f32::total_cmp).1;
        let mut words = [0u64; 4];
        for (k, &v) in values.iter().enumerate() {
            if v > median {
                words[k / 64] |= 1 << (k % 64);
            }
        }
        PdqHash(words)
    }
}

/// The hash and quality of every pixel of `frame`, exactly as the specification has it; `None` for an empty picture.
pub fn hash_full(frame: &RgbFrame) -> Option<(PdqHash, u8)> {
    let c = Coefficients::of(&LumaPlane::full(frame))?;
    Some((c.hash(Turn::Upright), c.quality))
}

/// Width of the box filter for one side (specification, 4.2): two boxes of it span one of 64 cells.
fn window(side: usize) -> usize {
    side.div_ceil(2 * GRID).max(1)
}

/// Widths of the two boxes along one side of a plane that was reduced by `factor`: those that, together with the
/// reduction itself, blur as two boxes of [`window`] blur the full picture. A box of `w` has variance (w^2 - 1) / 12.
fn windows(side: usize, factor: usize) -> [usize; 2] {
    let full = window(side * factor);
    if factor == 1 {
        return [full; 2];
    }
    let variance = |w: usize| (w * w) as f64 / 12.0 - 1.0 / 12.0;
    let wanted = 2.0 * variance(full);
    let mut best = ([1; 2], f64::MAX);
    for a in 1..=full.div_ceil(factor) + 1 {
        for b in 1..=a {
            let ours = variance(factor) + (variance(a) + variance(b)) * (factor * factor) as f64;
            if (ours - wanted).abs() < best.1 {
                best = ([a, b], (ours - wanted).abs());
            }
        }
    }
    best.0
}

/// Two passes of boxes along rows and columns, then the centre of each of 64 x 64 cells.
fn decimate(plane: &LumaPlane, w: usize, h: usize) -> [[f32; GRID]; GRID] {
    let mut a = plane.data().to_vec();
    let mut b = vec![0f32; a.len()];
    let mut sums = vec![0f32; w];
    let (across, down) = (windows(w, plane.factor()), windows(h, plane.factor()));
    for pass in 0..2 {
        for (from, to) in a.chunks_exact(w).zip(b.chunks_exact_mut(w)) {
            box_row(from, to, across[pass]);
        }
        box_columns(&b, &mut a, &mut sums, down[pass]);
    }
    let mut grid = [[0f32; GRID]; GRID];
    let centre = |i: usize, side: usize| ((i as f64 + 0.5) * side as f64 / GRID as f64) as usize;
    for (i, row) in grid.iter_mut().enumerate() {
        for (j, v) in row.iter_mut().enumerate() {
            *v = a[centre(i, h) * w + centre(j, w)];
        }
    }
    grid
}

/// How many inputs before and after an output its box spans; an even box leans forward, as the reference does.
fn reach(window: usize) -> (usize, usize) {
    let ahead = window / 2;
    (window - 1 - ahead, ahead)
}

/// Running mean over a line; at the ends over what there is.
fn box_row(from: &[f32], to: &mut [f32], window: usize) {
    let n = from.len();
    let (back, ahead) = reach(window);
    let mut sum = 0f32;
    let mut count = 0f32;
    for &v in &from[..ahead.min(n)] {
        sum += v;
        count += 1.0;
    }
    for o in 0..n {
        if let Some(&v) = from.get(o + ahead) {
            sum += v;
            count += 1.0;
        }
        if o > back {
            sum -= from[o - back - 1];
            count -= 1.0;
        }
        to[o] = sum / count;
    }
}

/// The same down the columns, a whole row at a time.
fn box_columns(from: &[f32], to: &mut [f32], sums: &mut [f32], window: usize) {
    let w = sums.len();
    let n = from.len() / w;
    let (back, ahead) = reach(window);
    let line = |y: usize| &from[y * w..(y + 1) * w];
    sums.fill(0.0);
    let mut count = 0f32;
    let add = |sums: &mut [f32], y: usize| sums.iter_mut().zip(line(y)).for_each(|(s, v)| *s += v);
    for y in 0..ahead.min(n) {
        add(sums, y);
        count += 1.0;
    }
    for o in 0..n {
        if o + ahead < n {
            add(sums, o + ahead);
            count += 1.0;
        }
        if o > back {
            sums.iter_mut().zip(line(o - back - 1)).for_each(|(s, v)| *s -= v);
            count -= 1.0;
        }
        to[o * w..(o + 1) * w].iter_mut().zip(sums.iter()).for_each(|(t, s)| *t = s / count);
    }
}

/// Sum of absolute gradients in percent of full scale, over 90, at most 100 (specification, 4.5).
fn quality(grid: &[[f32; GRID]; GRID]) -> u8 {
    let step = |u: f32, v: f32| (((u - v) * 100.0) / 255.0) as i32;
    let mut sum = 0i32;
    for i in 0..GRID {
        for j in 0..GRID {
            if i + 1 < GRID {
                sum += step(grid[i][j], grid[i + 1][j]).abs();
            }
            if j + 1 < GRID {
                sum += step(grid[i][j], grid[i][j + 1]).abs();
            }
        }
    }
    (sum / 90).clamp(0, 100) as u8
}

/// Rows of the cosine matrix: frequencies 1 to 16 of 64, scaled by sqrt(2 / 64).
fn basis() -> &'static [[f32; GRID]; BLOCK] {
    static BASIS: OnceLock<[[f32; GRID]; BLOCK]> = OnceLock::new();
    BASIS.get_or_init(|| {
        let mut rows = [[0f32; GRID]; BLOCK];
        let scale = (2.0 / GRID as f64).sqrt();
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, v) in row.iter_mut().enumerate() {
                let angle = std::f64::consts::PI / (2 * GRID) as f64 * (i + 1) as f64 * (2 * j + 1) as f64;
                *v = (scale * angle.cos()) as f32;
            }
        }
        rows
    })
}

/// `D grid D^T`.
fn cosine(grid: &[[f32; GRID]; GRID]) -> [[f32; BLOCK]; BLOCK] {
    let basis = basis();
    let mut block = [[0f32; BLOCK]; BLOCK];
    for (row, out) in basis.iter().zip(&mut block) {
        let mut middle = [0f32; GRID];
        for (d, line) in row.iter().zip(grid) {
            middle.iter_mut().zip(line).for_each(|(m, v)| *m += d * v);
        }
        for (column, v) in basis.iter().zip(out.iter_mut()) {
            *v = column.iter().zip(&middle).map(|(d, m)| d * m).sum();
        }
    }
    block
}

#[cfg(test)]
mod tests;
