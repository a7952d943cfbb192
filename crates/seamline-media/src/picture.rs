//! Pictures that are in memory as RGB already: stills and animations.

use seamline_core::media::LUMA_GRID;
use seamline_core::pixels::{self, Kernel};
use seamline_core::{FrameSource, MediaError, MediaTime, RgbFrame, StreamIndex, VideoFrame};
use std::sync::Arc;

struct InMemory {
    rgb: RgbFrame,
    alpha: Option<Vec<u8>>,
}

impl FrameSource for InMemory {
    fn rgb(&self, width: u32, height: u32) -> Result<RgbFrame, MediaError> {
        Ok(pixels::resize(&self.rgb, width, height, Kernel::Triangle))
    }

    fn alpha(&self) -> Option<&[u8]> {
        self.alpha.as_deref()
    }
}

/// A frame from finished RGB.
pub(crate) fn from_rgb(rgb: RgbFrame, time: MediaTime) -> VideoFrame {
    with_alpha(rgb, None, time)
}

/// A frame from finished RGB and the transparency that was flattened into it.
pub(crate) fn with_alpha(rgb: RgbFrame, alpha: Option<Vec<u8>>, time: MediaTime) -> VideoFrame {
    let (columns, rows) = LUMA_GRID;
    let mut luma = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let x = (2 * column + 1) as i64 * i64::from(rgb.width()) / (2 * columns) as i64;
            let y = (2 * row + 1) as i64 * i64::from(rgb.height()) / (2 * rows) as i64;
            luma.push(pixels::luma(rgb.pixel(x, y)) as u8);
        }
    }
    VideoFrame {
        stream: StreamIndex(0),
        time,
        width: rgb.width(),
        height: rgb.height(),
        luma: luma.into(),
        damaged: false,
        pixels: Arc::new(InMemory { rgb, alpha }),
    }
}
