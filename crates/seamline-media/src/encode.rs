//! Small pictures for reports: PNG and JPEG from RGB.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use seamline_core::{MediaError, RgbFrame};

/// An encoded picture with its media type.
#[derive(Clone, Debug)]
pub struct Still {
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// PNG, lossless.
pub fn encode_png(frame: &RgbFrame) -> Result<Still, MediaError> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(frame.data(), frame.width(), frame.height(), ExtendedColorType::Rgb8)
        .map_err(crate::still::decode)?;
    Ok(Still { media_type: "image/png", bytes })
}

/// JPEG at `quality` 1 to 100.
pub fn encode_jpeg(frame: &RgbFrame, quality: u8) -> Result<Still, MediaError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .write_image(frame.data(), frame.width(), frame.height(), ExtendedColorType::Rgb8)
        .map_err(crate::still::decode)?;
    Ok(Still { media_type: "image/jpeg", bytes })
}
