//! Watermarks embedded by recipe, so that decoders have something to find: the invisible-watermark schemes written
//! anew from their description, parameters in lowest bits, and a drawn sparkle.

use seamline_core::RgbFrame;

const SCALE: f32 = 36.0;

/// A natural-looking picture by formula: smooth shapes and seeded grain in every channel.
pub fn scene(width: u32, height: u32, seed: u64) -> RgbFrame {
    let mut random = crate::wave::Random::new(seed);
    let phase: Vec<f32> = (0..12).map(|_| random.below(6_283) as f32 / 1_000.0).collect();
    let speed: Vec<f32> = (0..12).map(|_| 0.004 + random.below(400) as f32 / 10_000.0).collect();
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let grain = random.below(17) as f32 - 8.0;
            for c in 0..3 {
                let wave = |i: usize, v: u32| (v as f32 * speed[i] + phase[i]).sin();
                let i = c * 4;
                let v = 128.0
                    + 45.0 * wave(i, x)
                    + 40.0 * wave(i + 1, y)
                    + 18.0 * wave(i + 2, x + y)
                    + 10.0 * wave(i + 3, 3 * x + 2 * y)
                    + grain
                    + random.below(9) as f32
                    - 4.0;
                data.push(v.clamp(0.0, 255.0) as u8);
            }
        }
    }
    RgbFrame::new(width, height, data).unwrap_or_else(RgbFrame::empty)
}

/// How a mark is put in.
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// Colours are floats around 0.5 instead of bytes around 128.
    pub float: bool,
    /// Red stands where blue should.
    pub swapped: bool,
    /// The largest singular value carries the bit, otherwise the largest coefficient.
    pub singular: bool,
}

/// Embeds `bits` into the Haar low band of the U channel, a block of 4 x 4 coefficients each, in reading order.
pub fn embed(picture: &RgbFrame, bits: &[bool], how: Embedding) -> RgbFrame {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let (red, blue) = if how.swapped { (2, 0) } else { (0, 2) };
    let offset = if how.float { 0.5 } else { 128.0 };
    let data = picture.data();
    let u = |x: usize, y: usize| {
        let p = &data[(y * w + x) * 3..][..3];
        let (r, g, b) = (f32::from(p[red]), f32::from(p[1]), f32::from(p[blue]));
        let v = 0.492 * (b - (0.299 * r + 0.587 * g + 0.114 * b)) + offset;
        if how.float { v } else { v.round() }
    };
    let mut out: Vec<f32> = data.iter().map(|&v| f32::from(v)).collect();
    for (n, (row, column)) in (0..h / 8).flat_map(|r| (0..w / 8).map(move |c| (r, c))).enumerate() {
        let mut block = [0.0f32; 16];
        for (i, v) in block.iter_mut().enumerate() {
            let (x, y) = (column * 8 + 2 * (i % 4), row * 8 + 2 * (i / 4));
            *v = (u(x, y) + u(x + 1, y) + u(x, y + 1) + u(x + 1, y + 1)) / 2.0;
        }
        let change = change(&block, bits[n % bits.len()], how.singular);
        for (i, d) in change.iter().enumerate() {
            let (x, y) = (column * 8 + 2 * (i % 4), row * 8 + 2 * (i / 4));
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let at = ((y + dy) * w + x + dx) * 3;
                // A low-band coefficient is half the sum of four; back to colours at fixed Y and V (BT.601).
                out[at + blue] += d / 2.0 * 2.032;
                out[at + 1] -= d / 2.0 * 0.395;
            }
        }
    }
    let data = out.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
    RgbFrame::new(picture.width(), picture.height(), data).unwrap_or_else(RgbFrame::empty)
}

fn target(value: f32, bit: bool) -> f32 {
    ((value / SCALE).floor() + if bit { 0.75 } else { 0.25 }) * SCALE
}

fn change(block: &[f32; 16], bit: bool, singular: bool) -> [f32; 16] {
    let mut out = [0.0; 16];
    if !singular {
        let mut at = 1;
        for i in 2..16 {
            if block[i].abs() > block[at].abs() {
                at = i;
            }
        }
        let size = target(block[at].abs(), bit);
        out[at] = size.copysign(block[at]) - block[at];
        return out;
    }
    // The first pair of singular vectors by the power method.
    let mut v = [0.5f32; 4];
    for _ in 0..200 {
        let left: [f32; 4] = std::array::from_fn(|i| (0..4).map(|j| block[i * 4 + j] * v[j]).sum());
        let next: [f32; 4] = std::array::from_fn(|j| (0..4).map(|i| block[i * 4 + j] * left[i]).sum());
        let norm = next.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-20);
        v = next.map(|x| x / norm);
    }
    let left: [f32; 4] = std::array::from_fn(|i| (0..4).map(|j| block[i * 4 + j] * v[j]).sum());
    let s = left.iter().map(|x| x * x).sum::<f32>().sqrt();
    if s > 1e-6 {
        let d = target(s, bit) - s;
        for i in 0..16 {
            out[i] = d * left[i / 4] / s * v[i % 4];
        }
    }
    out
}

/// Bits of a text, most significant first.
pub fn bits(text: &[u8]) -> Vec<bool> {
    text.iter().flat_map(|b| (0..8).map(move |i| b >> (7 - i) & 1 == 1)).collect()
}

/// Writes a message into lowest bits, column by column: of a plane of `channels` values a pixel.
pub fn hide(plane: &mut [u8], width: usize, height: usize, channels: usize, message: &[u8]) {
    let places = (0..width).flat_map(|x| (0..height).map(move |y| (y * width + x) * channels));
    let places = places.flat_map(|at| (0..channels).map(move |c| at + c));
    for (at, bit) in places.zip(bits(message)) {
        plane[at] = plane[at] & 0xfe | u8::from(bit);
    }
}

/// Draws a white four-pointed star, |x|^0.65 + |y|^0.65 < 1.1^0.65 in units of half the box, at `strength` 0 to 1.
pub fn sparkle(picture: &mut RgbFrame, left: u32, top: u32, side: u32, strength: f32) {
    let width = picture.width() as usize;
    let data = picture.data_mut();
    for y in 0..side {
        for x in 0..side {
            // Coverage of the pixel by 4 x 4 samples.
            let mut inside = 0;
            for s in 0..16u32 {
                let at = |v: u32, k: u32| {
                    ((v as f32 + (k as f32 + 0.5) / 4.0) / side as f32 * 2.0 - 1.0).abs().powf(0.65)
                };
                inside += u32::from(at(x, s % 4) + at(y, s / 4) < 1.1f32.powf(0.65));
            }
            let alpha = strength * inside as f32 / 16.0;
            let at = ((top + y) as usize * width + (left + x) as usize) * 3;
            for v in &mut data[at..at + 3] {
                *v = (f32::from(*v) * (1.0 - alpha) + 255.0 * alpha).round() as u8;
            }
        }
    }
}
