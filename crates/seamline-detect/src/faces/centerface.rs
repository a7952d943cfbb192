//! CenterFace (Xu et al. 2019) output: a heat map with a box and five points a cell.

use super::{Candidate, output};
use crate::DetectError;
use seamline_infer::OutputTensor;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Spec {
    heatmap_output: String,
    scale_output: String,
    offset_output: String,
    landmarks_output: String,
    stride: usize,
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
        let stride = self.stride.max(1);
        let (columns, rows) = (width / stride, height / stride);
        let cells = columns * rows;
        let heat = output(model, outputs, &self.heatmap_output, cells)?;
        let scale = output(model, outputs, &self.scale_output, 2 * cells)?;
        let offset = output(model, outputs, &self.offset_output, 2 * cells)?;
        let marks = output(model, outputs, &self.landmarks_output, 10 * cells)?;
        let mut found = Vec::new();
        for (cell, &score) in heat.iter().enumerate() {
            if score.is_nan() || score < threshold {
                continue;
            }
            let (x, y) = ((cell % columns) as f32, (cell / columns) as f32);
            let s = stride as f32;
            let (h, w) = (scale[cell].exp() * s, scale[cells + cell].exp() * s);
            let x0 = (x + offset[cells + cell] + 0.5) * s - w / 2.0;
            let y0 = (y + offset[cell] + 0.5) * s - h / 2.0;
            let points = (0..5)
                .map(|j| (marks[(2 * j + 1) * cells + cell] * w + x0, marks[2 * j * cells + cell] * h + y0))
                .collect();
            found.push(Candidate { corners: [x0, y0, x0 + w, y0 + h], score, points });
        }
        Ok(found)
    }
}
