//! Crops and windows to input tensors, output tensors to scores: the manifest's word made arithmetic.

use crate::DetectError;
use seamline_core::pixels;
use seamline_core::{PixelBox, RgbFrame};
use seamline_infer::{
    Fit, ImagePreprocess, Normalise, OutputSpec, OutputTensor, Pad, Select, WaveformPreprocess,
};
pub use seamline_infer::{image_shape, kernel, push_image};

/// Square around a face: side `margin x` longer side of the box, rounded; centred; edge pixels repeat.
/// The same arithmetic as the training recipe's `crop_square`.
pub fn face_crop(picture: &RgbFrame, face: &PixelBox, margin: f32) -> RgbFrame {
    let side = (f64::from(margin) * f64::from(face.long_side()) + 0.5).floor().clamp(1.0, 16_384.0);
    let corner =
        |low: f32, size: f32| (f64::from(low) + f64::from(size) / 2.0 - side / 2.0 + 0.5).floor() as i64;
    pixels::crop(picture, corner(face.x, face.w), corner(face.y, face.h), side as u32, side as u32)
}

/// A face crop resized to the model's size.
pub fn model_crop(picture: &RgbFrame, face: &PixelBox, spec: &ImagePreprocess) -> RgbFrame {
    pixels::resize(&face_crop(picture, face, spec.crop_margin), spec.width, spec.height, kernel(spec.filter))
}

/// A whole picture as the model wants it: the longer side reduced to `longest_px` where it is larger (sides round half
/// up), then made the model's size as `fit` says. Each step rounds to bytes.
pub fn whole_picture(picture: &RgbFrame, spec: &ImagePreprocess) -> RgbFrame {
    let small = reduced(picture, spec);
    match spec.fit {
        Fit::Squeeze => pixels::resize(&small, spec.width, spec.height, kernel(spec.filter)),
        Fit::Centre => {
            let corner = |side: u32, of: u32| (i64::from(side) - i64::from(of)).div_euclid(2);
            let (x, y) = (corner(small.width(), spec.width), corner(small.height(), spec.height));
            pixels::crop(&small, x, y, spec.width, spec.height)
        }
    }
}

/// The first step of [`whole_picture`].
pub fn reduced(picture: &RgbFrame, spec: &ImagePreprocess) -> RgbFrame {
    let longer = picture.width().max(picture.height());
    match spec.longest_px {
        Some(most) if longer > most => {
            let side =
                |v: u32| ((f64::from(v) * f64::from(most) / f64::from(longer) + 0.5).floor() as u32).max(1);
            let filter = kernel(spec.longest_filter.unwrap_or(spec.filter));
            pixels::resize(picture, side(picture.width()), side(picture.height()), filter)
        }
        _ => picture.clone(),
    }
}

/// One window as the model wants it: length, filling, level.
pub fn waveform(samples: &[f32], spec: &WaveformPreprocess) -> Vec<f32> {
    let mut wave: Vec<f32> = match spec.samples {
        None => samples.to_vec(),
        Some(n) if samples.is_empty() => vec![0.0; n],
        Some(n) => match spec.pad {
            Pad::Repeat => samples.iter().copied().cycle().take(n).collect(),
            Pad::Zero => samples.iter().copied().chain(std::iter::repeat(0.0)).take(n).collect(),
        },
    };
    if spec.normalise == Normalise::Peak {
        let peak = wave.iter().fold(0f32, |m, s| m.max(s.abs()));
        if peak > 0.0 {
            wave.iter_mut().for_each(|s| *s /= peak);
        }
    }
    wave
}

/// The score of each of `n` items.
pub fn select(
    model: &str,
    outputs: &[OutputTensor],
    spec: &OutputSpec,
    n: usize,
) -> Result<Vec<f64>, DetectError> {
    let fail = |message: String| DetectError::Output { model: model.to_owned(), message };
    let tensor = outputs
        .iter()
        .find(|o| o.name == spec.name)
        .ok_or_else(|| fail(format!("gave no output {:?}", spec.name)))?;
    let columns = tensor.data.len().checked_div(n).filter(|c| c * n == tensor.data.len() && *c > 0);
    let Some(columns) = columns else {
        return Err(fail(format!("gave {} values for {n} items", tensor.data.len())));
    };
    tensor
        .data
        .chunks_exact(columns)
        .map(|row| {
            let at = |i: usize| {
                row.get(i).map(|&v| f64::from(v)).ok_or_else(|| fail(format!("has no column {i}")))
            };
            let score = match spec.select {
                Select::Scalar => at(0)?,
                Select::Index { index } => at(index)?,
                Select::Difference { plus, minus } => at(plus)? - at(minus)?,
            };
            if score.is_finite() { Ok(score) } else { Err(fail("gave a score that is not finite".into())) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seamline_infer::{Colour, Layout, ResizeFilter};

    fn spec(layout: Layout, colour: Colour) -> ImagePreprocess {
        ImagePreprocess {
            width: 2,
            height: 1,
            layout,
            colour,
            range: [0.0, 255.0],
            mean: [1.0, 2.0, 3.0],
            std: [1.0, 1.0, 2.0],
            filter: ResizeFilter::Area,
            crop_margin: 1.0,
            canvas_multiple: None,
            min_face_px: 0.0,
            longest_px: None,
            longest_filter: None,
            fit: Fit::Squeeze,
            min_side_px: 0,
            max_face_share: None,
        }
    }

    #[test]
    fn layout_and_colour_order_are_the_manifests() {
        let frame = RgbFrame::new(2, 1, vec![10, 20, 30, 40, 50, 60]).unwrap();
        let run = |l, c| {
            let mut out = Vec::new();
            push_image(&frame, &spec(l, c), &mut out);
            out
        };
        assert_eq!(run(Layout::Nchw, Colour::Rgb), [9.0, 39.0, 18.0, 48.0, 13.5, 28.5]);
        assert_eq!(run(Layout::Nhwc, Colour::Bgr), [29.0, 18.0, 3.5, 59.0, 48.0, 18.5]);
    }

    #[test]
    fn the_middle_is_cut_out_or_all_is_squeezed() {
        let data: Vec<u8> = (0..5 * 3).flat_map(|i| [i * 10; 3]).collect();
        let frame = RgbFrame::new(5, 3, data).unwrap();
        let mut spec = spec(Layout::Nchw, Colour::Rgb);
        spec.fit = Fit::Centre;
        let levels = |f: RgbFrame| f.data().iter().step_by(3).copied().collect::<Vec<_>>();
        assert_eq!(levels(whole_picture(&frame, &spec)), [60, 70]);
        spec.fit = Fit::Squeeze;
        assert_eq!(levels(whole_picture(&frame, &spec)), [60, 80]);
    }

    #[test]
    fn short_windows_are_filled_as_declared() {
        let mut s = WaveformPreprocess {
            sample_rate_hz: 16_000,
            samples: Some(5),
            pad: Pad::Repeat,
            normalise: Normalise::None,
            hop_samples: None,
            min_speech_secs: 1.0,
        };
        assert_eq!(waveform(&[0.1, 0.2], &s), [0.1, 0.2, 0.1, 0.2, 0.1]);
        s.pad = Pad::Zero;
        s.normalise = Normalise::Peak;
        assert_eq!(waveform(&[0.1, -0.2], &s), [0.5, -1.0, 0.0, 0.0, 0.0]);
        assert_eq!(waveform(&[], &s), [0.0; 5]);
    }

    #[test]
    fn a_non_finite_or_missing_score_is_an_error_not_a_number() {
        let out = |data: Vec<f32>| [OutputTensor { name: "y".into(), shape: vec![data.len()], data }];
        let scalar = OutputSpec { name: "y".into(), shape: vec![-1], select: Select::Scalar };
        assert_eq!(select("m", &out(vec![1.0, 2.0]), &scalar, 2).unwrap(), [1.0, 2.0]);
        assert!(select("m", &out(vec![f32::NAN]), &scalar, 1).is_err());
        assert!(select("m", &out(vec![1.0, 2.0, 3.0]), &scalar, 2).is_err());
        let diff = OutputSpec { select: Select::Difference { plus: 1, minus: 0 }, ..scalar };
        assert_eq!(select("m", &out(vec![1.0, 4.0]), &diff, 1).unwrap(), [3.0]);
        assert!(select("m", &out(vec![1.0]), &diff, 1).is_err());
    }
}
