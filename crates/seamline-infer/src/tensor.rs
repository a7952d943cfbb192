//! Pictures to input tensors: the manifest's word made arithmetic.

use crate::{Colour, ImagePreprocess, Layout, ResizeFilter};
use seamline_core::RgbFrame;
use seamline_core::pixels::Kernel;

/// The manifest's filter as a resize kernel.
pub fn kernel(filter: ResizeFilter) -> Kernel {
    match filter {
        ResizeFilter::Area => Kernel::Box,
        ResizeFilter::Bilinear => Kernel::Triangle,
        ResizeFilter::Bicubic => Kernel::CatmullRom,
    }
}

/// Appends one picture's values, in the manifest's layout, colour order, range, mean and standard deviation.
/// The picture must have the manifest's size (or the canvas size of a face detector).
pub fn push_image(frame: &RgbFrame, spec: &ImagePreprocess, out: &mut Vec<f32>) {
    let scale = (spec.range[1] - spec.range[0]) / 255.0;
    let source = |c: usize| match spec.colour {
        Colour::Rgb => c,
        Colour::Bgr => 2 - c,
    };
    let value = |level: u8, c: usize| (f32::from(level) * scale + spec.range[0] - spec.mean[c]) / spec.std[c];
    match spec.layout {
        Layout::Nchw => {
            for c in 0..3 {
                out.extend(frame.data().chunks_exact(3).map(|p| value(p[source(c)], c)));
            }
        }
        Layout::Nhwc => {
            out.extend(frame.data().chunks_exact(3).flat_map(|p| [0, 1, 2].map(|c| value(p[source(c)], c))));
        }
    }
}

/// The tensor's shape for `n` pictures of `width x height`.
pub fn image_shape(n: usize, width: u32, height: u32, layout: Layout) -> [usize; 4] {
    match layout {
        Layout::Nchw => [n, 3, height as usize, width as usize],
        Layout::Nhwc => [n, height as usize, width as usize, 3],
    }
}
