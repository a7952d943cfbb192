//! 468 points of a face: the face mesh of MediaPipe (Kartynnik et al. 2019), following itself from picture to picture.

use super::Landmarks;
use super::align::{bilinear, similarity};
use crate::DetectError;
use seamline_core::{PixelBox, RgbFrame};
use seamline_infer::Model;

/// Points of the mesh.
pub const POINTS: usize = 468;
/// Side of the model's input in pixels.
const SIDE: usize = 192;
/// Side of the square that is cut out, in longer sides of the face box: what the mesh was made for.
const MARGIN: f32 = 1.5;

/// Outline of the face.
pub const OVAL: [usize; 36] = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
    149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
];
/// Points that neither speech nor a blink moves: bridge and sides of the nose, corners of the eyes, cheekbones, forehead.
pub const RIGID: [usize; 18] = [168, 6, 197, 195, 5, 4, 33, 133, 263, 362, 116, 345, 117, 346, 9, 8, 151, 10];

/// The points of one face in one picture, in its pixels.
#[derive(Clone, Debug)]
pub struct Mesh {
    points: Vec<(f32, f32)>,
}

impl Mesh {
    /// A point; one that does not exist is the origin.
    pub fn at(&self, index: usize) -> (f32, f32) {
        self.points.get(index).copied().unwrap_or_default()
    }

    fn middle(&self, a: usize, b: usize) -> (f32, f32) {
        let (a, b) = (self.at(a), self.at(b));
        ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0)
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (self.at(a), self.at(b));
        (a.0 - b.0).hypot(a.1 - b.1)
    }

    /// Centres of the eyes, tip of the nose, middle of the corners of the mouth.
    pub fn landmarks(&self) -> Landmarks {
        Landmarks {
            right_eye: self.middle(33, 133),
            left_eye: self.middle(263, 362),
            nose: self.at(1),
            mouth: self.middle(61, 291),
        }
    }

    /// Distance of the outer corners of the eyes: it changes with the head, not with speech.
    pub fn unit(&self) -> f32 {
        self.distance(33, 263).max(1e-6)
    }

    /// How far the lips are apart inside, in [`Mesh::unit`].
    pub fn mouth_opening(&self) -> f32 {
        let gap: f32 = [(13, 14), (82, 87), (312, 317)].iter().map(|&(a, b)| self.distance(a, b)).sum();
        gap / 3.0 / self.unit()
    }

    /// How far the eyelids are apart, the mean of both eyes, in [`Mesh::unit`].
    pub fn eye_opening(&self) -> f32 {
        (self.distance(159, 145) + self.distance(386, 374)) / 2.0 / self.unit()
    }

    /// The box of the outline.
    pub fn outline(&self) -> PixelBox {
        let oval = || OVAL.iter().map(|&i| self.at(i));
        let low = oval().fold((f32::MAX, f32::MAX), |m, p| (m.0.min(p.0), m.1.min(p.1)));
        let high = oval().fold((f32::MIN, f32::MIN), |m, p| (m.0.max(p.0), m.1.max(p.1)));
        PixelBox { x: low.0, y: low.1, w: high.0 - low.0, h: high.1 - low.1 }
    }

    /// These points of it.
    pub fn some(&self, indices: &[usize]) -> Vec<(f32, f32)> {
        indices.iter().map(|&i| self.at(i)).collect()
    }
}

/// Points of the face in a box whose eyes are known; `None` where the model sees no face there.
pub fn mesh(
    model: &Model,
    picture: &RgbFrame,
    face: &PixelBox,
    marks: &Landmarks,
) -> Result<Option<Mesh>, DetectError> {
    // A square that stands upright on the eyes.
    let (dx, dy) = (marks.left_eye.0 - marks.right_eye.0, marks.left_eye.1 - marks.right_eye.1);
    let (angle, side) = (dy.atan2(dx), MARGIN * face.long_side());
    let (cos, sin) = (angle.cos() * side / SIDE as f32, angle.sin() * side / SIDE as f32);
    let half = SIDE as f32 / 2.0;
    let (cx, cy) = (face.x + face.w / 2.0, face.y + face.h / 2.0);
    let back =
        |x: f32, y: f32| (cos * (x - half) - sin * (y - half) + cx, sin * (x - half) + cos * (y - half) + cy);
    if !(side.is_finite() && cx.is_finite() && cy.is_finite() && angle.is_finite()) {
        return Ok(None);
    }
    let mut data = vec![0f32; 3 * SIDE * SIDE];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (px, py) = back(x as f32, y as f32);
            let rgb = bilinear(picture, px, py);
            for (channel, value) in rgb.into_iter().enumerate() {
                data[channel * SIDE * SIDE + y * SIDE + x] = value / 255.0;
            }
        }
    }
    let outputs = model.run(&[1, 3, SIDE, SIDE], &data)?;
    let id = model.manifest().id.as_str();
    let points = super::output(id, &outputs, "landmarks", POINTS * 3)?;
    let presence = super::output(id, &outputs, "presence", 1)?;
    if presence.first().is_none_or(|p| *p < 0.0) || points.iter().any(|v| !v.is_finite()) {
        return Ok(None);
    }
    let points: Vec<_> = points.chunks_exact(3).map(|p| back(p[0], p[1])).collect();
    Ok(Some(Mesh { points }))
}

/// How far points moved once the best similarity is taken out: `from` turned, scaled and shifted onto `to`, less `to`,
/// by the points `fit`. `None` where they coincide.
pub fn residual(from: &[(f32, f32)], to: &[(f32, f32)], fit: usize) -> Option<Vec<(f32, f32)>> {
    let (a, b, tx, ty) = similarity(from.get(..fit)?, to.get(..fit)?)?;
    Some(
        from.iter()
            .zip(to)
            .map(|(f, t)| (a * f.0 - b * f.1 + tx - t.0, b * f.0 + a * f.1 + ty - t.1))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_face_has_no_residual_and_a_moved_point_has() {
        let from: Vec<(f32, f32)> = (0..18).map(|i| (i as f32 * 3.0, (i * i % 17) as f32)).collect();
        let turn = |p: &(f32, f32)| (0.9 * p.0 - 0.3 * p.1 + 5.0, 0.3 * p.0 + 0.9 * p.1 - 2.0);
        let mut to: Vec<(f32, f32)> = from.iter().map(turn).collect();
        let still = residual(&from, &to, 18).unwrap();
        assert!(still.iter().all(|r| r.0.abs() < 1e-3 && r.1.abs() < 1e-3));
        to[3].0 += 4.0;
        let moved = residual(&from, &to, 18).unwrap();
        assert!(moved[3].0 < -2.0 && moved[9].0.abs() < 1.0, "{moved:?}");
        assert!(residual(&[(1.0, 1.0); 4], &[(1.0, 1.0); 4], 4).is_none());
    }
}
