//! Finding faces: letterbox, model, decoder, suppression. `scripts/train/vision/face_detect.py` is the
//! reference for every step.

pub mod align;
mod blazeface;
mod centerface;
pub mod mesh;
pub mod nms;
pub mod quality;
pub mod track;
mod yunet;

use crate::{DetectError, tensor};
use seamline_core::{FrameSource, PixelBox, RgbFrame};
use seamline_infer::{Manifest, Model, ModelError, OutputTensor, Preprocess};
use serde::Deserialize;

/// Points of a face in display pixels; left and right are the person's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Landmarks {
    /// Centre of the person's right eye (on the picture's left in a frontal view).
    pub right_eye: (f32, f32),
    /// Centre of the left eye.
    pub left_eye: (f32, f32),
    /// Tip of the nose.
    pub nose: (f32, f32),
    /// Middle of the mouth.
    pub mouth: (f32, f32),
}

/// One detected face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Box, in display pixels.
    pub face: PixelBox,
    /// The detector's own confidence, 0 to 1; not evidence.
    pub confidence: f32,
    /// Points.
    pub landmarks: Landmarks,
}

/// A candidate before suppression, in canvas pixels.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Corners x0, y0, x1, y1.
    pub(crate) corners: [f32; 4],
    pub(crate) score: f32,
    pub(crate) points: Vec<(f32, f32)>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Decoder {
    Blazeface(blazeface::Spec),
    Centerface(centerface::Spec),
    Yunet(yunet::Spec),
}

/// What all decoders share.
#[derive(Clone, Debug, Deserialize)]
struct Common {
    score_threshold: f32,
    nms_iou: f32,
    keypoints: Vec<String>,
    #[serde(default = "one")]
    box_scale: f32,
    #[serde(default)]
    box_shift_y: f32,
}

fn one() -> f32 {
    1.0
}

/// A face detector: a model and its decoder.
#[derive(Debug)]
pub struct FaceDetector {
    model: Model,
    decoder: Decoder,
    common: Common,
}

impl FaceDetector {
    /// Reads the decoder's part of the manifest.
    pub fn new(model: Model) -> Result<Self, ModelError> {
        let manifest = model.manifest();
        let fail =
            |message: String| ModelError::Manifest { path: manifest.dir().join("manifest.toml"), message };
        let table = manifest.decode.clone().ok_or_else(|| fail("no [decode]".into()))?;
        let common: Common =
            table.clone().try_into().map_err(|e| fail(format!("[decode]: {e}").replace('\n', " ")))?;
        let decoder: Decoder =
            table.try_into().map_err(|e| fail(format!("[decode]: {e}").replace('\n', " ")))?;
        for name in ["right_eye", "left_eye", "nose"] {
            if !common.keypoints.iter().any(|k| k == name) {
                return Err(fail(format!("[decode] keypoints lack {name:?}")));
            }
        }
        Ok(Self { model, decoder, common })
    }

    /// The same detector at another score threshold, for measurements.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f32) -> Self {
        self.common.score_threshold = threshold;
        self
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// Faces of a picture of `width x height` display pixels, best first.
    pub fn detect(
        &self,
        source: &dyn FrameSource,
        width: u32,
        height: u32,
    ) -> Result<Vec<Face>, DetectError> {
        let Preprocess::Image(spec) = &self.model.manifest().preprocess else { return Ok(Vec::new()) };
        if width == 0 || height == 0 {
            return Ok(Vec::new());
        }
        // Letterbox: fit inside, aspect kept, top left, black padding up to the canvas.
        let scale =
            (f64::from(spec.width) / f64::from(width)).min(f64::from(spec.height) / f64::from(height));
        let side = |n: u32| ((f64::from(n) * scale + 0.5).floor() as u32).max(1);
        let (w, h) = (side(width).min(spec.width), side(height).min(spec.height));
        let small = source.rgb(w, h)?;
        let (cw, ch) = match spec.canvas_multiple {
            Some(m) => (w.next_multiple_of(m), h.next_multiple_of(m)),
            None => (spec.width, spec.height),
        };
        let canvas = pad(&small, cw, ch);
        let mut data = Vec::with_capacity(canvas.data().len());
        tensor::push_image(&canvas, spec, &mut data);
        let outputs = self.model.run(&tensor::image_shape(1, cw, ch, spec.layout), &data)?;
        let candidates = self.decode(&outputs, cw as usize, ch as usize)?;
        let kept = nms::suppress(candidates, self.common.nms_iou);
        Ok(kept.into_iter().filter_map(|c| self.finish(&c, scale as f32)).collect())
    }

    /// Canvas-pixel candidates of one output; exposed for golden tests.
    fn decode(
        &self,
        outputs: &[OutputTensor],
        width: usize,
        height: usize,
    ) -> Result<Vec<Candidate>, DetectError> {
        let id = self.model.manifest().id.as_str();
        match &self.decoder {
            Decoder::Blazeface(s) => s.decode(id, outputs, width, height, self.common.score_threshold),
            Decoder::Centerface(s) => s.decode(id, outputs, width, height, self.common.score_threshold),
            Decoder::Yunet(s) => s.decode(id, outputs, width, height, self.common.score_threshold),
        }
    }

    /// To the common face box, in display pixels. A candidate with a number that is not finite is dropped.
    fn finish(&self, c: &Candidate, scale: f32) -> Option<Face> {
        let [x0, y0, x1, y1] = c.corners;
        let (w, h) = (x1 - x0, y1 - y0);
        let (cx, cy) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0 + self.common.box_shift_y * h);
        let (w, h) = (w * self.common.box_scale, h * self.common.box_scale);
        let face =
            PixelBox { x: (cx - w / 2.0) / scale, y: (cy - h / 2.0) / scale, w: w / scale, h: h / scale };
        let point = |name: &str| {
            let at = self.common.keypoints.iter().position(|k| k == name)?;
            c.points.get(at).map(|p| (p.0 / scale, p.1 / scale))
        };
        let mouth = point("mouth").or_else(|| {
            let (r, l) = (point("right_mouth")?, point("left_mouth")?);
            Some(((r.0 + l.0) / 2.0, (r.1 + l.1) / 2.0))
        })?;
        let landmarks = Landmarks {
            right_eye: point("right_eye")?,
            left_eye: point("left_eye")?,
            nose: point("nose")?,
            mouth,
        };
        let numbers = [face.x, face.y, face.w, face.h, landmarks.nose.0, landmarks.nose.1, mouth.0, mouth.1];
        (numbers.iter().all(|n| n.is_finite()) && face.w > 0.0 && face.h > 0.0).then_some(Face {
            face,
            confidence: c.score,
            landmarks,
        })
    }
}

fn pad(frame: &RgbFrame, width: u32, height: u32) -> RgbFrame {
    if frame.width() == width && frame.height() == height {
        return frame.clone();
    }
    let mut data = vec![0u8; width as usize * height as usize * 3];
    let (from, to) = (frame.width() as usize * 3, width as usize * 3);
    if from > 0 {
        for (row, out) in frame.data().chunks_exact(from).zip(data.chunks_exact_mut(to)) {
            let n = from.min(to);
            out[..n].copy_from_slice(&row[..n]);
        }
    }
    RgbFrame::new(width, height, data).unwrap_or_else(RgbFrame::empty)
}

/// Finds an output tensor by name and checks how many values it has.
pub(crate) fn output<'a>(
    model: &str,
    outputs: &'a [OutputTensor],
    name: &str,
    values: usize,
) -> Result<&'a [f32], DetectError> {
    let fail = |message: String| DetectError::Output { model: model.to_owned(), message };
    let tensor =
        outputs.iter().find(|o| o.name == name).ok_or_else(|| fail(format!("gave no output {name:?}")))?;
    if tensor.data.len() == values {
        Ok(&tensor.data)
    } else {
        Err(fail(format!("output {name:?} has {} values, expected {values}", tensor.data.len())))
    }
}
