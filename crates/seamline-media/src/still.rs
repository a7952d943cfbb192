//! Still pictures through `image`, each with limits.

use crate::picture;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use seamline_core::{
    Limits, MediaError, MediaReader, MediaTime, MediaUnit, RgbFrame, StreamIndex, StreamInfo, StreamKind,
};
use std::fs::File;
use std::io::BufReader;

/// One still picture as a reader that yields one frame.
struct StillReader {
    info: [StreamInfo; 1],
    unit: Option<MediaUnit>,
}

pub(crate) fn open(
    file: File,
    len: u64,
    format: ImageFormat,
    limits: &Limits,
) -> Result<Box<dyn MediaReader>, MediaError> {
    if len > limits.max_still_bytes {
        return Err(MediaError::Limit {
            what: "size of a still in bytes",
            got: len,
            limit: limits.max_still_bytes,
        });
    }
    let mut reader = ImageReader::with_format(BufReader::new(file), format);
    reader.limits(image_limits(limits));
    let mut decoder = reader.into_decoder().map_err(decode)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, limits)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(decode)?;
    picture.apply_orientation(orientation);
    let rgb = flatten(&picture)?;
    let alpha = picture.color().has_alpha().then(|| picture.to_rgba8().pixels().map(|p| p[3]).collect());
    let info = StreamInfo {
        index: StreamIndex(0),
        kind: StreamKind::Still,
        codec: format!("{format:?}").to_lowercase(),
        judged: true,
        width: Some(rgb.width()),
        height: Some(rgb.height()),
        rotation_degrees: None,
        sample_rate_hz: None,
        channels: None,
        duration: None,
        bit_rate: None,
    };
    let unit = Some(MediaUnit::Frame(picture::with_alpha(rgb, alpha, MediaTime::ZERO)));
    Ok(Box::new(StillReader { info: [info], unit }))
}

/// RGB over white, as a browser shows a transparent picture.
pub(crate) fn flatten(picture: &DynamicImage) -> Result<RgbFrame, MediaError> {
    let rgb = if picture.color().has_alpha() {
        let rgba = picture.to_rgba8();
        let (w, h) = rgba.dimensions();
        let over =
            |c: u8, a: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
        let data =
            rgba.pixels().flat_map(|p| [over(p[0], p[3]), over(p[1], p[3]), over(p[2], p[3])]).collect();
        RgbFrame::new(w, h, data)
    } else {
        let rgb = picture.to_rgb8();
        let (w, h) = rgb.dimensions();
        RgbFrame::new(w, h, rgb.into_raw())
    };
    rgb.ok_or_else(|| MediaError::Decode("picture size and data disagree".into()))
}

pub(crate) fn image_limits(limits: &Limits) -> image::Limits {
    let mut l = image::Limits::default();
    // Width and height are checked by `check_size`, whose error names both numbers.
    l.max_image_width = None;
    l.max_image_height = None;
    // 16-bit RGBA is the widest that is decoded, and one copy of it is made.
    l.max_alloc = Some(limits.max_pixels.saturating_mul(8));
    l
}

pub(crate) fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), MediaError> {
    let side = width.max(height);
    if side > limits.max_side {
        return Err(MediaError::Limit {
            what: "side in pixels",
            got: side.into(),
            limit: limits.max_side.into(),
        });
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return Err(MediaError::Limit { what: "number of pixels", got: pixels, limit: limits.max_pixels });
    }
    if pixels == 0 {
        return Err(MediaError::Decode("picture without pixels".into()));
    }
    Ok(())
}

pub(crate) fn decode(e: image::ImageError) -> MediaError {
    let text = e.to_string();
    MediaError::Decode(text.lines().next().unwrap_or("picture cannot be decoded").to_owned())
}

impl MediaReader for StillReader {
    fn streams(&self) -> &[StreamInfo] {
        &self.info
    }

    fn next_unit(&mut self) -> Result<Option<MediaUnit>, MediaError> {
        Ok(self.unit.take())
    }

    fn policy(&self) -> String {
        "one still picture, upright by its EXIF orientation, transparency over white".into()
    }
}
