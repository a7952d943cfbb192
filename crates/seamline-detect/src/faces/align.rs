//! Alignment by a similarity transform (Umeyama 1991) from eyes, nose and mouth to a fixed template.

use super::Landmarks;
use seamline_core::RgbFrame;

/// Side of the aligned crop in pixels.
pub const SIDE: u32 = 112;
/// Where right eye, left eye, nose and mouth come to lie: the 112 px template of ArcFace (Deng et al. 2019),
/// the mouth being the mean of its two corners.
const TEMPLATE: [(f32, f32); 4] =
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (56.1396, 92.2848)];

/// The upright face at 112 x 112; outside the picture its edge repeats. `None` if the points coincide.
pub fn aligned(picture: &RgbFrame, marks: &Landmarks) -> Option<RgbFrame> {
    let source = [marks.right_eye, marks.left_eye, marks.nose, marks.mouth];
    let (a, b, tx, ty) = similarity(&TEMPLATE, &source)?;
    // Average over a small grid when the source is larger than the crop, so that fine texture does not alias.
    let taps = (a.hypot(b).ceil() as usize).clamp(1, 4);
    let mut data = Vec::with_capacity((SIDE * SIDE * 3) as usize);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let mut sum = [0f32; 3];
            for i in 0..taps * taps {
                let sub = |k: usize| (k as f32 + 0.5) / taps as f32 - 0.5;
                let (px, py) = (x as f32 + sub(i % taps), y as f32 + sub(i / taps));
                let p = bilinear(picture, a * px - b * py + tx, b * px + a * py + ty);
                (0..3).for_each(|c| sum[c] += p[c]);
            }
            data.extend(sum.map(|v| (v / (taps * taps) as f32 + 0.5).clamp(0.0, 255.0) as u8));
        }
    }
    RgbFrame::new(SIDE, SIDE, data)
}

/// Least-squares `a, b, tx, ty` of `to = [a -b; b a] from + t`.
pub(super) fn similarity(from: &[(f32, f32)], to: &[(f32, f32)]) -> Option<(f32, f32, f32, f32)> {
    let n = from.len() as f32;
    let mean = |p: &[(f32, f32)]| p.iter().fold((0.0, 0.0), |m, q| (m.0 + q.0 / n, m.1 + q.1 / n));
    let (mf, mt) = (mean(from), mean(to));
    let (mut dot, mut cross, mut norm) = (0.0, 0.0, 0.0);
    for (f, t) in from.iter().zip(to) {
        let (fx, fy, tx, ty) = (f.0 - mf.0, f.1 - mf.1, t.0 - mt.0, t.1 - mt.1);
        dot += fx * tx + fy * ty;
        cross += fx * ty - fy * tx;
        norm += fx * fx + fy * fy;
    }
    let (a, b) = (dot / norm, cross / norm);
    let usable = a.is_finite() && b.is_finite() && a.hypot(b) > 1e-3 && a.hypot(b) < 1e3;
    usable.then_some((a, b, mt.0 - a * mf.0 + b * mf.1, mt.1 - b * mf.0 - a * mf.1))
}

pub(super) fn bilinear(picture: &RgbFrame, x: f32, y: f32) -> [f32; 3] {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let (column, row) = (x0 as i64, y0 as i64);
    let (w, h) = (i64::from(picture.width()), i64::from(picture.height()));
    let [p, q, r, s] = if column >= 0 && row >= 0 && column + 1 < w && row + 1 < h {
        // Inside, two neighbours are six bytes in a row.
        let line = |row: i64| {
            let at = ((row * w + column) * 3) as usize;
            let six = picture.data().get(at..at + 6).and_then(|six| six.first_chunk::<6>());
            let [a, b, c, d, e, f] = six.copied().unwrap_or_default().map(f32::from);
            ([a, b, c], [d, e, f])
        };
        let ((p, q), (r, s)) = (line(row), line(row + 1));
        [p, q, r, s]
    } else {
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| picture.pixel(column + dx, row + dy).map(f32::from))
    };
    [0, 1, 2].map(|c| {
        let (top, bottom) = (p[c] + (q[c] - p[c]) * fx, r[c] + (s[c] - r[c]) * fx);
        top + (bottom - top) * fy
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_and_scaled_template_is_found_again() {
        let turn = |p: (f32, f32)| (2.0 * (0.8 * p.0 - 0.6 * p.1) + 7.0, 2.0 * (0.6 * p.0 + 0.8 * p.1) - 3.0);
        let (a, b, tx, ty) = similarity(&TEMPLATE, &TEMPLATE.map(turn)).unwrap();
        for (got, want) in [(a, 1.6), (b, 1.2), (tx, 7.0), (ty, -3.0)] {
            assert!((got - want).abs() < 1e-3, "{got} {want}");
        }
        let same = [(1.0, 1.0); 4];
        assert!(similarity(&TEMPLATE, &same).is_none());
    }

    #[test]
    fn the_identity_transform_copies_pixels() {
        let data: Vec<u8> = (0..112 * 112).flat_map(|i| [(i % 112) as u8, (i / 112) as u8, 3]).collect();
        let f = RgbFrame::new(112, 112, data).unwrap();
        let [r, l, n, m] = TEMPLATE;
        let out = aligned(&f, &Landmarks { right_eye: r, left_eye: l, nose: n, mouth: m }).unwrap();
        let near = out.data().iter().zip(f.data()).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(near);
    }
}
