//! How good a face crop is.

use super::Landmarks;
use seamline_core::RgbFrame;
use seamline_core::pixels::luma;

/// Variance of the 4-neighbour Laplacian of luma (Pech-Pacheco et al. 2000), in squared 8-bit levels.
pub fn sharpness(crop: &RgbFrame) -> f32 {
    let (w, h) = (crop.width() as usize, crop.height() as usize);
    if w < 3 || h < 3 {
        return 0.0;
    }
    let y: Vec<f32> = crop.data().chunks_exact(3).map(|p| luma([p[0], p[1], p[2]])).collect();
    let (mut sum, mut squares) = (0f64, 0f64);
    for row in 1..h - 1 {
        for col in 1..w - 1 {
            let i = row * w + col;
            let l = f64::from(y[i - 1] + y[i + 1] + y[i - w] + y[i + w] - 4.0 * y[i]);
            sum += l;
            squares += l * l;
        }
    }
    let n = ((w - 2) * (h - 2)) as f64;
    (squares / n - (sum / n).powi(2)) as f32
}

/// Yaw proxy in -1 to 1: the nose's offset from the middle of the eyes along the eye line, in half eye distances.
/// 0 is frontal; beyond about 0.7 the far eye is hardly seen.
pub fn yaw(m: &Landmarks) -> f32 {
    let (ex, ey) = (m.left_eye.0 - m.right_eye.0, m.left_eye.1 - m.right_eye.1);
    let eye_distance = ex.hypot(ey);
    if eye_distance < 1e-3 {
        return 1.0;
    }
    let (cx, cy) = ((m.left_eye.0 + m.right_eye.0) / 2.0, (m.left_eye.1 + m.right_eye.1) / 2.0);
    let along = ((m.nose.0 - cx) * ex + (m.nose.1 - cy) * ey) / eye_distance;
    (along / (eye_distance / 2.0)).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_crop_has_no_sharpness_and_an_edge_has() {
        let flat = RgbFrame::new(8, 8, vec![9; 192]).unwrap();
        assert_eq!(sharpness(&flat), 0.0);
        let edge = RgbFrame::new(8, 8, (0..64).flat_map(|i| [if i % 8 < 4 { 0 } else { 200 }; 3]).collect())
            .unwrap();
        assert!(sharpness(&edge) > 1_000.0);
    }

    #[test]
    fn yaw_is_signed_and_bounded() {
        let m = |nose: f32| Landmarks {
            right_eye: (0.0, 0.0),
            left_eye: (20.0, 0.0),
            nose: (nose, 8.0),
            mouth: (10.0, 20.0),
        };
        assert_eq!(yaw(&m(10.0)), 0.0);
        assert_eq!(yaw(&m(15.0)), 0.5);
        assert_eq!(yaw(&m(-90.0)), -1.0);
    }
}
