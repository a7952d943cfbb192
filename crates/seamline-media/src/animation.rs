//! Animated WebP through `image`, frame by frame.

use crate::{picture, still};
use image::AnimationDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, Frames, ImageDecoder};
use seamline_core::{
    Gap, Limits, MediaError, MediaReader, MediaTime, MediaUnit, Span, StreamIndex, StreamInfo, StreamKind,
};
use std::fs::File;
use std::io::BufReader;

struct AnimationReader {
    info: [StreamInfo; 1],
    frames: Frames<'static>,
    time: MediaTime,
    limit: MediaTime,
    done: bool,
}

pub(crate) fn open(file: File, len: u64, limits: &Limits) -> Result<Box<dyn MediaReader>, MediaError> {
    if len > limits.max_still_bytes {
        return Err(MediaError::Limit {
            what: "size of a still in bytes",
            got: len,
            limit: limits.max_still_bytes,
        });
    }
    let mut decoder = WebPDecoder::new(BufReader::new(file)).map_err(still::decode)?;
    let (width, height) = decoder.dimensions();
    still::check_size(width, height, limits)?;
    decoder.set_limits(still::image_limits(limits)).map_err(still::decode)?;
    let info = StreamInfo {
        index: StreamIndex(0),
        kind: StreamKind::Video,
        codec: "webp".into(),
        judged: true,
        width: Some(width),
        height: Some(height),
        rotation_degrees: None,
        sample_rate_hz: None,
        channels: None,
        duration: None,
        bit_rate: None,
    };
    let limit = MediaTime::from_millis(
        i64::try_from(limits.max_duration_secs.saturating_mul(1000)).unwrap_or(i64::MAX),
    );
    Ok(Box::new(AnimationReader {
        info: [info],
        frames: decoder.into_frames(),
        time: MediaTime::ZERO,
        limit,
        done: false,
    }))
}

impl MediaReader for AnimationReader {
    fn streams(&self) -> &[StreamInfo] {
        &self.info
    }

    fn next_unit(&mut self) -> Result<Option<MediaUnit>, MediaError> {
        if self.done {
            return Ok(None);
        }
        let Some(next) = self.frames.next() else {
            self.done = true;
            return Ok(None);
        };
        let gap = |time, cause: String| {
            MediaUnit::Gap(Gap { stream: Some(StreamIndex(0)), span: Span::new(time, time), cause })
        };
        match next {
            Ok(frame) => {
                let time = self.time;
                let (num, den) = frame.delay().numer_denom_ms();
                // Browsers show a frame of no declared length for 100 ms.
                let ms = if den == 0 || num == 0 { 100 } else { i64::from(num) / i64::from(den) };
                self.time = time.plus(MediaTime::from_millis(ms.max(1)));
                if time > self.limit {
                    self.done = true;
                    return Ok(Some(gap(
                        time,
                        "longer than the limit on duration: the rest was not decoded".into(),
                    )));
                }
                let rgb = still::flatten(&DynamicImage::ImageRgba8(frame.into_buffer()))?;
                Ok(Some(MediaUnit::Frame(picture::from_rgb(rgb, time))))
            }
            Err(e) => {
                self.done = true;
                let cause = still::decode(e).to_string();
                Ok(Some(gap(self.time, format!("animation ends here: {cause}"))))
            }
        }
    }

    fn policy(&self) -> String {
        "every picture of the animation, composed, transparency over white".into()
    }
}
