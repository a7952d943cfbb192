//! BlazeFace (Bazarevsky et al. 2019) output: anchors at cell centres, row by row; boxes and points relative
//! to the anchor, in canvas pixels.

use super::{Candidate, output};
use crate::DetectError;
use seamline_infer::OutputTensor;
use serde::Deserialize;

/// Numbers of an anchor's box row: x, y, w, h, then six points.
const ROW: usize = 16;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Spec {
    boxes_output: String,
    scores_output: String,
    strides: Vec<usize>,
    anchors_per_cell: Vec<usize>,
    score_clip: f32,
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
        let mut anchors = Vec::new();
        for (&stride, &per_cell) in self.strides.iter().zip(&self.anchors_per_cell) {
            let stride = stride.max(1);
            for y in 0..height / stride {
                for x in 0..width / stride {
                    let centre = ((x as f32 + 0.5) * stride as f32, (y as f32 + 0.5) * stride as f32);
                    anchors.extend(std::iter::repeat_n(centre, per_cell));
                }
            }
        }
        let scores = output(model, outputs, &self.scores_output, anchors.len())?;
        let boxes = output(model, outputs, &self.boxes_output, anchors.len() * ROW)?;
        let mut found = Vec::new();
        for ((&(ax, ay), &logit), row) in anchors.iter().zip(scores).zip(boxes.chunks_exact(ROW)) {
            let score = 1.0 / (1.0 + (-logit.clamp(-self.score_clip, self.score_clip)).exp());
            if score >= threshold {
                let (cx, cy, w, h) = (row[0] + ax, row[1] + ay, row[2], row[3]);
                found.push(Candidate {
                    corners: [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0],
                    score,
                    points: row[4..].chunks_exact(2).map(|p| (p[0] + ax, p[1] + ay)).collect(),
                });
            }
        }
        Ok(found)
    }
}
