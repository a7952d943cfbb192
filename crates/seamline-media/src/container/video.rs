//! The video stream of a container: which packets are decoded, and what a decoded picture is.

use super::lower;
use crate::{DecodeOptions, ffi, still};
use ff::codec::discard::Discard;
use ffmpeg_next as ff;
use seamline_core::media::LUMA_GRID;
use seamline_core::pixels;
use seamline_core::{FrameSource, Limits, MediaError, MediaTime, RgbFrame};
use std::sync::Arc;

/// What is left undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipping {
    /// Nothing.
    None,
    /// Pictures that no other picture refers to.
    NonReference,
    /// Pictures sooner than this after the last, in codecs whose every picture is a key frame.
    Spaced(MediaTime),
}

impl Skipping {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::None => "every picture decoded",
            Self::NonReference => "pictures that no other picture refers to were skipped",
            Self::Spaced(_) => "every picture is a key frame, and those that no sample needs were skipped",
        }
    }

    /// The fastest way that leaves pictures no further apart than `longest_gap`.
    ///
    /// Key frames alone are used only where the codec itself has nothing else. An index that promises many key
    /// frames in H.264 or HEVC may lie, and a clip that hides its pictures so from a detector still plays.
    fn choose(id: ff::codec::Id, longest_gap: Option<MediaTime>) -> Self {
        use ff::codec::Id;
        let Some(gap) = longest_gap else { return Self::None };
        match id {
            Id::H264 | Id::HEVC | Id::MPEG4 | Id::MPEG2VIDEO => Self::NonReference,
            // Half of the gap: a sampler that wants one picture in each gap then always finds one.
            id if ffi::is_intra_only(id) => Self::Spaced(MediaTime::from_micros(gap.as_micros() / 2)),
            _ => Self::None,
        }
    }
}

pub(super) struct VideoTrack {
    pub(super) index: usize,
    pub(super) decoder: ff::decoder::Video,
    pub(super) base: ff::Rational,
    pub(super) rotation: u16,
    pub(super) sar: (i32, i32),
    pub(super) last: Option<MediaTime>,
    pub(super) skipping: Skipping,
    last_sent: Option<MediaTime>,
}

impl VideoTrack {
    pub(super) fn open(
        stream: &ff::format::stream::Stream<'_>,
        facts: &ffi::CodecFacts,
        rotation: u16,
        limits: &Limits,
        options: DecodeOptions,
    ) -> Result<Self, MediaError> {
        still::check_size(facts.width, facts.height, limits)?;
        let fail =
            |e: ff::Error| MediaError::Decode(format!("{}: {}", stream.parameters().id().name(), lower(e)));
        let mut context = ff::codec::context::Context::from_parameters(stream.parameters()).map_err(fail)?;
        // One thread: concealment of damage must not depend on how many cores a machine has.
        context.set_threading(ff::threading::Config { count: 1, ..Default::default() });
        let mut decoder = context.decoder();
        let base = stream.time_base();
        let skipping = Skipping::choose(stream.parameters().id(), options.longest_gap);
        if skipping == Skipping::NonReference {
            decoder.skip_frame(Discard::NonReference);
        }
        Ok(Self {
            index: stream.index(),
            decoder: decoder.video().map_err(fail)?,
            base,
            rotation,
            sar: facts.sar,
            last: None,
            skipping,
            last_sent: None,
        })
    }

    /// Whether the picture at this time is to be decoded.
    pub(super) fn wants(&mut self, at: MediaTime) -> bool {
        let Skipping::Spaced(spacing) = self.skipping else { return true };
        if self.last_sent.is_some_and(|last| at >= last && at.minus(last) < spacing) {
            return false;
        }
        self.last_sent = Some(at);
        true
    }
}

/// Clockwise quarter turns from the display matrix (ISO/IEC 14496-12, 8.3.2: 16.16 fixed point, row-major).
pub(super) fn rotation(stream: &ff::format::stream::Stream<'_>) -> u16 {
    let kind = ff::codec::packet::side_data::Type::DisplayMatrix;
    let Some(data) = stream.side_data().find(|d| d.kind() == kind) else { return 0 };
    let cell = |i: usize| {
        data.data().get(i * 4..i * 4 + 4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes)
    };
    let degrees = f64::from(cell(1)).atan2(f64::from(cell(0))).to_degrees();
    ((degrees / 90.0).round() as i32).rem_euclid(4) as u16 * 90
}

/// Width and height as shown: sample aspect ratio stretched, then turned.
pub(super) fn display_size(width: u32, height: u32, (num, den): (i32, i32), rotation: u16) -> (u32, u32) {
    let ratio = if num > 0 && den > 0 { f64::from(num) / f64::from(den) } else { 1.0 };
    let ratio = if (0.125..=8.0).contains(&ratio) { ratio } else { 1.0 };
    let stretched = ((f64::from(width) * ratio).round() as u32).max(1);
    if rotation % 180 == 90 { (height, stretched) } else { (stretched, height) }
}

/// Luma samples, straight from an 8-bit luma plane where there is one, else through a small conversion.
pub(super) fn luma_grid(frame: &ff::util::frame::Video) -> Arc<[u8]> {
    use ff::format::Pixel;
    let (columns, rows) = LUMA_GRID;
    let direct = matches!(
        frame.format(),
        Pixel::YUV420P
            | Pixel::YUVJ420P
            | Pixel::YUV422P
            | Pixel::YUVJ422P
            | Pixel::YUV444P
            | Pixel::YUVJ444P
            | Pixel::NV12
            | Pixel::GRAY8
    );
    if direct && let Some((plane, stride)) = ffi::first_plane(frame) {
        let (w, h) = (frame.width() as usize, frame.height() as usize);
        let sample =
            |r: usize, c: usize| plane.get(r.min(h - 1) * stride + c.min(w - 1)).map_or(0, |&v| u32::from(v));
        let mut grid = Vec::with_capacity(columns * rows);
        for r in 0..rows {
            for c in 0..columns {
                // The mean of four points of the cell.
                let (y1, y2) = ((4 * r + 1) * h / (4 * rows), (4 * r + 3) * h / (4 * rows));
                let (x1, x2) = ((4 * c + 1) * w / (4 * columns), (4 * c + 3) * w / (4 * columns));
                let sum = sample(y1, x1) + sample(y1, x2) + sample(y2, x1) + sample(y2, x2);
                grid.push((sum / 4) as u8);
            }
        }
        return grid.into();
    }
    match ffi::to_rgb(frame, columns as u32, rows as u32) {
        Ok(small) => match copy_rgb(&small) {
            Some(rgb) => rgb.data().chunks_exact(3).map(|p| pixels::luma([p[0], p[1], p[2]]) as u8).collect(),
            None => vec![0; columns * rows].into(),
        },
        Err(_) => vec![0; columns * rows].into(),
    }
}

fn copy_rgb(frame: &ff::util::frame::Video) -> Option<RgbFrame> {
    let (w, h, stride) = (frame.width() as usize, frame.height() as usize, frame.stride(0));
    let data = frame.data(0);
    let mut packed = Vec::with_capacity(w * h * 3);
    for row in 0..h {
        packed.extend_from_slice(data.get(row * stride..row * stride + w * 3)?);
    }
    RgbFrame::new(frame.width(), frame.height(), packed)
}

pub(super) struct Decoded {
    pub(super) frame: ffi::SharedFrame,
    pub(super) rotation: u16,
}

impl FrameSource for Decoded {
    fn rgb(&self, width: u32, height: u32) -> Result<RgbFrame, MediaError> {
        if width == 0 || height == 0 || width > 16_384 || height > 16_384 {
            return Err(MediaError::Limit {
                what: "side in pixels",
                got: width.max(height).into(),
                limit: 16_384,
            });
        }
        let (w, h) = if self.rotation % 180 == 90 { (height, width) } else { (width, height) };
        let rgb = ffi::to_rgb(self.frame.get(), w, h).map_err(|e| MediaError::Decode(lower(e)))?;
        let rgb = copy_rgb(&rgb).ok_or_else(|| MediaError::Decode("converted picture is short".into()))?;
        Ok(pixels::rotate(rgb, self.rotation))
    }
}
