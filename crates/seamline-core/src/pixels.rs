//! Pure picture arithmetic that more than one crate needs: resizing with a stated filter, cropping with
//! repeated edges, quarter turns. Deterministic: plain f32 in a fixed order.

use crate::RgbFrame;

/// A separable resize kernel; its support grows with the shrink factor, so shrinking never aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Box: area average when shrinking, nearest when growing.
    Box,
    /// Triangle (bilinear).
    Triangle,
    /// Catmull-Rom cubic, a = -0.5 (Keys 1981, eq. 4).
    CatmullRom,
}

impl Kernel {
    fn support(self) -> f32 {
        match self {
            Self::Box => 0.5,
            Self::Triangle => 1.0,
            Self::CatmullRom => 2.0,
        }
    }

    fn weight(self, x: f32) -> f32 {
        let x = x.abs();
        match self {
            Self::Box => f32::from(u8::from(x <= 0.5)),
            Self::Triangle => (1.0 - x).max(0.0),
            Self::CatmullRom if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::CatmullRom if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::CatmullRom => 0.0,
        }
    }
}

/// Taps of one output position: first source index and normalised weights.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn taps(kernel: Kernel, from: u32, to: u32) -> Vec<Taps> {
    let scale = from as f32 / to as f32;
    let stretch = scale.max(1.0);
    let reach = kernel.support() * stretch;
    (0..to)
        .map(|i| {
            let centre = (i as f32 + 0.5) * scale;
            let first = (centre - reach).floor().max(0.0) as usize;
            let last = ((centre + reach).ceil() as usize).min(from as usize);
            let mut weights: Vec<f32> = (first..last.max(first + 1))
                .map(|j| kernel.weight((j as f32 + 0.5 - centre) / stretch))
                .collect();
            let sum: f32 = weights.iter().sum();
            if sum.abs() > f32::EPSILON {
                weights.iter_mut().for_each(|w| *w /= sum);
            } else {
                // A box narrower than a pixel can fall between centres: take the nearest pixel.
                let nearest = (centre as usize).min(from as usize - 1);
                return Taps { first: nearest, weights: vec![1.0] };
            }
            Taps { first: first.min(from as usize - 1), weights }
        })
        .collect()
}

/// Resizes to exactly `width x height`. A zero size on either side gives an empty picture.
pub fn resize(frame: &RgbFrame, width: u32, height: u32, kernel: Kernel) -> RgbFrame {
    if frame.width() == width && frame.height() == height {
        return frame.clone();
    }
    if frame.width() == 0 || frame.height() == 0 || width == 0 || height == 0 {
        return RgbFrame::empty();
    }
    let columns = taps(kernel, frame.width(), width);
    let rows = taps(kernel, frame.height(), height);
    let (src_stride, dst_stride) = (frame.width() as usize * 3, width as usize * 3);
    // Horizontal pass over the source rows, then vertical.
    let mut middle = vec![0f32; dst_stride * frame.height() as usize];
    for (src, dst) in frame.data().chunks_exact(src_stride).zip(middle.chunks_exact_mut(dst_stride)) {
        for (tap, out) in columns.iter().zip(dst.chunks_exact_mut(3)) {
            let mut sum = [0f32; 3];
            for (w, px) in tap.weights.iter().zip(src[tap.first * 3..].chunks_exact(3)) {
                for c in 0..3 {
                    sum[c] += w * f32::from(px[c]);
                }
            }
            out.copy_from_slice(&sum);
        }
    }
    let mut data = vec![0u8; dst_stride * height as usize];
    let mut line = vec![0f32; dst_stride];
    for (tap, out) in rows.iter().zip(data.chunks_exact_mut(dst_stride)) {
        line.fill(0.0);
        for (w, src) in tap.weights.iter().zip(middle[tap.first * dst_stride..].chunks_exact(dst_stride)) {
            for (sum, &v) in line.iter_mut().zip(src) {
                *sum += w * v;
            }
        }
        for (o, &v) in out.iter_mut().zip(&line) {
            *o = (v + 0.5).clamp(0.0, 255.0) as u8;
        }
    }
    RgbFrame::new(width, height, data).unwrap_or_else(RgbFrame::empty)
}

/// The square or oblong `[x, x+w) x [y, y+h)`, in whole pixels; outside the picture its edge pixels repeat.
pub fn crop(frame: &RgbFrame, x: i64, y: i64, w: u32, h: u32) -> RgbFrame {
    let mut data = Vec::with_capacity(w as usize * h as usize * 3);
    for row in y..y.saturating_add(i64::from(h)) {
        for col in x..x.saturating_add(i64::from(w)) {
            data.extend_from_slice(&frame.pixel(col, row));
        }
    }
    RgbFrame::new(w, h, data).unwrap_or_else(RgbFrame::empty)
}

/// Turns clockwise by `degrees`, a multiple of 90; other angles are taken as 0.
pub fn rotate(frame: RgbFrame, degrees: u16) -> RgbFrame {
    let (w, h) = (frame.width(), frame.height());
    let (out_w, out_h) = if degrees % 180 == 90 { (h, w) } else { (w, h) };
    let source: fn(i64, i64, i64, i64) -> (i64, i64) = match degrees % 360 {
        90 => |x, y, _, h| (y, h - 1 - x),
        180 => |x, y, w, h| (w - 1 - x, h - 1 - y),
        270 => |x, y, w, _| (w - 1 - y, x),
        _ => return frame,
    };
    let mut data = Vec::with_capacity(frame.data().len());
    for y in 0..i64::from(out_h) {
        for x in 0..i64::from(out_w) {
            let (sx, sy) = source(x, y, i64::from(w), i64::from(h));
            data.extend_from_slice(&frame.pixel(sx, sy));
        }
    }
    RgbFrame::new(out_w, out_h, data).unwrap_or_else(RgbFrame::empty)
}

/// BT.601 luma of an RGB pixel, 0 to 255.
pub fn luma([r, g, b]: [u8; 3]) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(w: u32, h: u32) -> RgbFrame {
        let data = (0..h)
            .flat_map(|y| (0..w).flat_map(move |x| [(x * 7 % 256) as u8, (y * 11 % 256) as u8, 9]))
            .collect();
        RgbFrame::new(w, h, data).unwrap()
    }

    #[test]
    fn flat_pictures_stay_flat_under_every_kernel() {
        let flat = RgbFrame::new(13, 7, vec![77; 13 * 7 * 3]).unwrap();
        for kernel in [Kernel::Box, Kernel::Triangle, Kernel::CatmullRom] {
            for (w, h) in [(1, 1), (5, 3), (13, 7), (40, 29)] {
                let out = resize(&flat, w, h, kernel);
                assert_eq!((out.width(), out.height()), (w, h));
                assert!(out.data().iter().all(|&v| v == 77), "{kernel:?} {w}x{h}");
            }
        }
    }

    #[test]
    fn box_halving_is_the_mean_of_four() {
        let out = resize(
            &RgbFrame::new(2, 2, [0, 10, 20, 30].iter().flat_map(|&v| [v; 3]).collect()).unwrap(),
            1,
            1,
            Kernel::Box,
        );
        assert_eq!(out.data(), [15; 3]);
    }

    #[test]
    fn four_quarter_turns_are_none_and_one_moves_the_top_left_to_the_top_right() {
        let f = ramp(4, 3);
        let once = rotate(f.clone(), 90);
        assert_eq!((once.width(), once.height()), (3, 4));
        assert_eq!(once.pixel(2, 0), f.pixel(0, 0));
        assert_eq!(rotate(rotate(once, 90), 180), f);
        assert_eq!(rotate(rotate(f.clone(), 270), 90), f);
    }

    #[test]
    fn a_crop_outside_repeats_the_edge() {
        let f = ramp(3, 3);
        let c = crop(&f, -2, -2, 3, 3);
        assert_eq!(c.pixel(0, 0), f.pixel(0, 0));
        assert_eq!(c.pixel(2, 2), f.pixel(0, 0));
        assert_eq!(crop(&f, 1, 1, 1, 1).pixel(0, 0), f.pixel(1, 1));
    }
}
