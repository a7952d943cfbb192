//! YuNet (Wu et al. 2023) output: for each stride `cls_S`, `obj_S`, `bbox_S`, `kps_S`; score = sqrt(cls x obj).

use super::{Candidate, output};
use crate::DetectError;
use seamline_infer::OutputTensor;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Spec {
    strides: Vec<usize>,
}

impl Spec {
    pub(super) fn decode(
        &self,
        model: &str,
        outputs: &[OutputTensor],
        width: usize,
        height: usize,
        threshold: f32,
    ) -> Result<Vec<Candidate>, DetectError> {
        let mut found = Vec::new();
        for &stride in &self.strides {
            let stride = stride.max(1);
            let (columns, rows) = (width / stride, height / stride);
            let cells = columns * rows;
            let get = |name: &str, n: usize| output(model, outputs, &format!("{name}_{stride}"), n * cells);
            let (cls, obj, bbox, kps) = (get("cls", 1)?, get("obj", 1)?, get("bbox", 4)?, get("kps", 10)?);
            for cell in 0..cells {
                let score = (cls[cell].clamp(0.0, 1.0) * obj[cell].clamp(0.0, 1.0)).sqrt();
                if score.is_nan() || score < threshold {
                    continue;
                }
                let s = stride as f32;
                let (x, y) = ((cell % columns) as f32, (cell / columns) as f32);
                let b = &bbox[4 * cell..4 * cell + 4];
                let (cx, cy, w, h) = ((x + b[0]) * s, (y + b[1]) * s, b[2].exp() * s, b[3].exp() * s);
                let points =
                    kps[10 * cell..10 * cell + 10].chunks_exact(2).map(|p| ((p[0] + x) * s, (p[1] + y) * s));
                found.push(Candidate {
                    corners: [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0],
                    score,
                    points: points.collect(),
                });
            }
        }
        Ok(found)
    }
}
