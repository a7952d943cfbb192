//! What the decoder hands on: pictures, sound and gaps, on one timeline.

use crate::{MediaTime, Span, StreamIndex};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// One picture: a still file.
    Still,
    /// A picture that belongs to an audio file (cover art); not judged as video.
    CoverArt,
    /// Subtitles, data, attachments: not judged.
    Other,
}

/// One stream of a container, as its header declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Index in the container.
    pub index: StreamIndex,
    /// What it carries.
    pub kind: StreamKind,
    /// The codec's short name, e.g. `h264`.
    pub codec: String,
    /// Whether this stream is decoded and judged.
    pub judged: bool,
    /// Display width in pixels (after rotation and sample aspect ratio), video and stills.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    /// Display height in pixels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
    /// Clockwise quarter turns applied: 0, 90, 180 or 270 degrees.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rotation_degrees: Option<u16>,
    /// Native sampling rate in hertz, audio.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample_rate_hz: Option<u32>,
    /// Native number of channels, audio.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channels: Option<u16>,
    /// Declared length; absent where the container does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration: Option<MediaTime>,
    /// Declared bit rate in bits a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bit_rate: Option<u64>,
}

/// A picture in memory: 8-bit RGB, rows from the top, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbFrame {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl RgbFrame {
    /// Wraps `data` of exactly `width * height * 3` bytes; any other length is `None`.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Option<Self> {
        let want = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (data.len() == want).then_some(Self { width, height, data })
    }

    /// A picture without pixels.
    pub fn empty() -> Self {
        Self { width: 0, height: 0, data: Vec::new() }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `height * width * 3` bytes, RGB interleaved.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, for in-place work.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The pixel at `(x, y)`, which must be inside; outside it is the nearest edge pixel.
    #[inline]
    pub fn pixel(&self, x: i64, y: i64) -> [u8; 3] {
        if self.data.is_empty() {
            return [0; 3]; // nothing to repeat
        }
        let x = x.clamp(0, i64::from(self.width) - 1) as usize;
        let y = y.clamp(0, i64::from(self.height) - 1) as usize;
        let at = (y * self.width as usize + x) * 3;
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }
}

impl std::fmt::Debug for RgbFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbFrame({}x{})", self.width, self.height)
    }
}

/// A decoded picture that has not been converted yet; conversion is paid only for frames that are used.
pub trait FrameSource: Send + Sync {
    /// The picture as RGB at exactly `width x height` display pixels, upright.
    fn rgb(&self, width: u32, height: u32) -> Result<RgbFrame, MediaError>;

    /// Transparency as the file has it, a byte a pixel of the display size; `None` where there is none, or where
    /// the source does not keep it.
    fn alpha(&self) -> Option<&[u8]> {
        None
    }
}

/// Side of the luma grid: 32 columns by 18 rows.
pub const LUMA_GRID: (usize, usize) = (32, 18);

/// One decoded picture.
#[derive(Clone)]
pub struct VideoFrame {
    /// Which stream.
    pub stream: StreamIndex,
    /// When it is shown.
    pub time: MediaTime,
    /// Display width in pixels.
    pub width: u32,
    /// Display height in pixels.
    pub height: u32,
    /// Point samples of luma on a [`LUMA_GRID`], row-major: enough to see cuts and still pictures.
    pub luma: Arc<[u8]>,
    /// Whether the decoder flagged damage in this picture.
    pub damaged: bool,
    /// The pixels.
    pub pixels: Arc<dyn FrameSource>,
}

/// A run of mono sound at 16 kHz.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioBlock {
    /// Which stream.
    pub stream: StreamIndex,
    /// When its first sample is heard.
    pub time: MediaTime,
    /// Samples in -1 to 1 (louder is possible, NaN is not), [`AudioBlock::RATE_HZ`] a second.
    pub samples: Vec<f32>,
    /// Peak of |sample| before resampling, over all channels: clipping shows here.
    pub native_peak: f32,
}

impl AudioBlock {
    /// The one sampling rate inside Seamline: what speech models expect.
    pub const RATE_HZ: u32 = 16_000;
}

/// A span that could not be decoded or was left out, and why. Never skipped in silence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Which stream; absent = the container.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stream: Option<StreamIndex>,
    /// When, as far as known.
    pub span: Span,
    /// The cause, in one line of lower-case text.
    pub cause: String,
}

/// What a [`crate::MediaReader`] yields.
#[derive(Clone)]
pub enum MediaUnit {
    /// A picture.
    Frame(VideoFrame),
    /// Sound.
    Audio(AudioBlock),
    /// Nothing, and why.
    Gap(Gap),
}

/// Why a clip or a part of it could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Not a media file that any decoder knows.
    #[error("not a media file that can be read: {0}")]
    Unrecognised(String),
    /// A media file without a stream that can be judged.
    #[error("no picture or sound in it: {0}")]
    NoStreams(String),
    /// A limit was hit; names the limit and both numbers.
    #[error("{what} is {got}, over the limit of {limit}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// What the file asks for.
        got: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The decoder failed.
    #[error("decoder: {0}")]
    Decode(String),
    /// Reading the file failed.
    #[error("reading: {0}")]
    Io(String),
}
