//! How much fine detail parts of a face have in one picture, and how much they changed since the last one.

use crate::faces::align::SIDE;
use seamline_core::RgbFrame;
use seamline_core::pixels::luma;

/// Parts of the aligned crop (see [`crate::faces::align`]), as x0, x1, y0, y1 in its pixels: mouth; eyes; nose and cheeks
/// between them; and the lower edge, where jaw and neck meet, as two sides and a strip.
const MOUTH: [usize; 4] = [34, 78, 78, 106];
const EYES: [usize; 4] = [22, 90, 40, 62];
const MIDDLE: [usize; 4] = [30, 82, 62, 78];
const EDGE: [[usize; 4]; 3] = [[1, 9, 48, 111], [103, 111, 48, 111], [9, 103, 106, 111]];

/// Measures of one picture; `change` is absent for the first of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Texture {
    /// Logarithm of the mean squared Laplacian of luma (plus 1), of mouth, eyes and middle.
    pub(super) detail: [f32; 3],
    /// Mean absolute difference of luma to the last picture, of mouth, eyes, middle and edge, in 8-bit levels.
    pub(super) change: Option<[f32; 4]>,
}

/// Luma of an aligned crop.
pub(super) fn luma_of(crop: &RgbFrame) -> Vec<f32> {
    crop.data().chunks_exact(3).map(|p| luma([p[0], p[1], p[2]])).collect()
}

/// Measures a crop against the last one.
pub(super) fn measure(now: &[f32], before: Option<&[f32]>) -> Texture {
    let change = before.map(|before| {
        let parts: [&[[usize; 4]]; 4] = [&[MOUTH], &[EYES], &[MIDDLE], &EDGE];
        parts.map(|part| mean(part, |i| value(now, i).zip(value(before, i)).map(|(a, b)| (a - b).abs())))
    });
    let detail = [MOUTH, EYES, MIDDLE].map(|part| (1.0 + mean(&[part], |i| laplacian(now, i))).ln());
    Texture { detail, change }
}

fn value(luma: &[f32], i: usize) -> Option<f32> {
    luma.get(i).copied()
}

fn laplacian(luma: &[f32], i: usize) -> Option<f32> {
    let side = SIDE as usize;
    let around = [i.checked_sub(1)?, i + 1, i.checked_sub(side)?, i + side].map(|i| value(luma, i));
    let [Some(a), Some(b), Some(c), Some(d)] = around else { return None };
    let l = a + b + c + d - 4.0 * value(luma, i)?;
    Some(l * l)
}

fn mean(parts: &[[usize; 4]], of: impl Fn(usize) -> Option<f32>) -> f32 {
    let (mut sum, mut n) = (0.0, 0u32);
    for &[x0, x1, y0, y1] in parts {
        for y in y0..y1 {
            for x in x0..x1 {
                if let Some(v) = of(y * SIDE as usize + x) {
                    sum += v;
                    n += 1;
                }
            }
        }
    }
    if n > 0 { sum / n as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mouth_that_alone_is_blurred_or_moves_shows_in_its_own_numbers() {
        let side = SIDE as usize;
        let pixel = |i: usize| if (i / side + i % side).is_multiple_of(2) { 90.0 } else { 110.0 };
        let sharp: Vec<f32> = (0..side * side).map(pixel).collect();
        let mut soft = sharp.clone();
        for y in MOUTH[2] - 1..MOUTH[3] + 1 {
            for x in MOUTH[0] - 1..MOUTH[1] + 1 {
                soft[y * side + x] = 100.0;
            }
        }
        let (a, b) = (measure(&sharp, None), measure(&soft, Some(&sharp)));
        assert!(a.detail[0] > 5.0 && b.detail[0] < 0.1 && b.detail[1] == a.detail[1], "{a:?} {b:?}");
        let change = b.change.unwrap();
        assert!((change[0] - 10.0).abs() < 1e-3 && change[1] == 0.0 && change[2] < 1.0, "{change:?}");
        assert_eq!(a.change, None);
    }
}
