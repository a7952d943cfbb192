//! The few places where FFmpeg's structures are touched directly, each with why it is sound.
#![allow(unsafe_code)]

use ffmpeg_next as ff;
use ffmpeg_next::ffi;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::frame;
use std::cell::RefCell;

/// A decoded picture that is only read from here on.
pub(crate) struct SharedFrame(frame::Video);

// SAFETY: an AVFrame's pixel buffers are reference-counted with atomic counters, and nothing writes to the
// frame or its buffers after it was handed over; `SharedFrame` gives out shared access only.
unsafe impl Send for SharedFrame {}
// SAFETY: as above: all access is read-only.
unsafe impl Sync for SharedFrame {}

impl SharedFrame {
    pub(crate) fn new(frame: frame::Video) -> Self {
        Self(frame)
    }

    pub(crate) fn get(&self) -> &frame::Video {
        &self.0
    }
}

/// The first plane with its stride, when its rows run downwards and lie inside the buffer.
/// (Some raw AVI pictures are stored bottom up with a negative stride: those give `None`.)
pub(crate) fn first_plane(frame: &frame::Video) -> Option<(&[u8], usize)> {
    // SAFETY: `as_ptr` is a valid AVFrame for the borrow's length. The slice is at most stride x height bytes
    // from data[0], which av_frame_get_buffer and every decoder allocate in full.
    unsafe {
        let raw = frame.as_ptr();
        let stride = usize::try_from((*raw).linesize[0]).ok().filter(|&s| s > 0)?;
        let data = (*raw).data[0];
        let height = usize::try_from((*raw).height).ok()?;
        if data.is_null() || height == 0 {
            return None;
        }
        // The last row may be shorter than the stride; only its visible part is certain to exist.
        let visible = usize::try_from((*raw).width).ok()?.min(stride);
        Some((std::slice::from_raw_parts(data, stride * (height - 1) + visible), stride))
    }
}

/// One plane of sound as bytes: the only plane of a packed format, or one channel of a planar one.
pub(crate) fn sound_plane(frame: &frame::Audio, plane: usize, channels: usize) -> &[u8] {
    let planar = frame.is_planar();
    if (planar && plane >= channels) || (!planar && plane != 0) {
        return &[];
    }
    let per_plane = frame.samples() * frame.format().bytes() * if planar { 1 } else { channels };
    // SAFETY: `extended_data` holds `channels` pointers for planar formats and one otherwise (AVFrame docs);
    // each buffer holds nb_samples x bytes (x channels when packed); the index was checked above.
    unsafe {
        let raw = frame.as_ptr();
        if (*raw).extended_data.is_null() {
            return &[];
        }
        let data = *(*raw).extended_data.add(plane);
        if data.is_null() { &[] } else { std::slice::from_raw_parts(data, per_plane) }
    }
}

/// Whether the container's duration was read from the file, not guessed from a bit rate.
pub(crate) fn duration_is_declared(input: &ff::format::context::Input) -> bool {
    // SAFETY: a plain field read on a valid, open AVFormatContext.
    let method = unsafe { (*input.as_ptr()).duration_estimation_method };
    method == ffi::AVDurationEstimationMethod::AVFMT_DURATION_FROM_STREAM
}

/// The container's start on its own timeline, in microseconds, if known.
pub(crate) fn start_time_us(input: &ff::format::context::Input) -> Option<i64> {
    // SAFETY: as above.
    let start = unsafe { (*input.as_ptr()).start_time };
    (start != ffi::AV_NOPTS_VALUE).then_some(start)
}

/// Asks the demuxer not to hand out packets of a stream.
pub(crate) fn discard_stream(input: &mut ff::format::context::Input, index: usize) {
    if index >= input.nb_streams() as usize {
        return;
    }
    // SAFETY: the index was checked against nb_streams; `discard` is a user-settable field of AVStream.
    unsafe {
        let stream = *(*input.as_mut_ptr()).streams.add(index);
        (*stream).discard = ffi::AVDiscard::AVDISCARD_ALL;
    }
}

/// Whether every picture of a codec stands alone.
pub(crate) fn is_intra_only(id: ff::codec::Id) -> bool {
    // SAFETY: returns null or a pointer to a static table.
    unsafe {
        let descriptor = ffi::avcodec_descriptor_get(id.into());
        !descriptor.is_null() && (*descriptor).props & ffi::AV_CODEC_PROP_INTRA_ONLY != 0
    }
}

/// A stream's sample aspect ratio and channel count, which the safe API does not show.
pub(crate) fn codec_facts(stream: &ff::format::stream::Stream<'_>) -> CodecFacts {
    // SAFETY: plain field reads on the stream's valid AVCodecParameters.
    unsafe {
        let p = stream.parameters();
        let raw = p.as_ptr();
        let own = (*stream.as_ptr()).sample_aspect_ratio;
        let sar = if own.num > 0 && own.den > 0 { own } else { (*raw).sample_aspect_ratio };
        CodecFacts {
            width: u32::try_from((*raw).width).unwrap_or(0),
            height: u32::try_from((*raw).height).unwrap_or(0),
            sar: (sar.num, sar.den),
            sample_rate_hz: u32::try_from((*raw).sample_rate).unwrap_or(0),
            channels: u16::try_from((*raw).channels).unwrap_or(0),
            bit_rate: u64::try_from((*raw).bit_rate).ok().filter(|&b| b > 0),
        }
    }
}

/// What [`codec_facts`] reads.
pub(crate) struct CodecFacts {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) sar: (i32, i32),
    pub(crate) sample_rate_hz: u32,
    pub(crate) channels: u16,
    pub(crate) bit_rate: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct ScalerKey {
    from: (ff::format::Pixel, u32, u32),
    to: (u32, u32),
    colourspace: i32,
    full_range: bool,
}

thread_local! {
    /// Scalers are not thread-safe and cost a millisecond to set up: each thread keeps the last few.
    static SCALERS: RefCell<Vec<(ScalerKey, scaling::Context)>> = const { RefCell::new(Vec::new()) };
}
const KEPT_SCALERS: usize = 6;

/// Converts a picture to RGB24 of `width x height`, with the colour matrix and range that it declares.
pub(crate) fn to_rgb(source: &frame::Video, width: u32, height: u32) -> Result<frame::Video, ff::Error> {
    // SAFETY: plain field reads on a valid AVFrame.
    let (space, range) = unsafe { ((*source.as_ptr()).colorspace, (*source.as_ptr()).color_range) };
    let colourspace = match space {
        ffi::AVColorSpace::AVCOL_SPC_BT709 => ffi::SWS_CS_ITU709,
        ffi::AVColorSpace::AVCOL_SPC_BT2020_NCL | ffi::AVColorSpace::AVCOL_SPC_BT2020_CL => {
            ffi::SWS_CS_BT2020
        }
        _ => ffi::SWS_CS_ITU601,
    };
    let full_range = range == ffi::AVColorRange::AVCOL_RANGE_JPEG;
    let key = ScalerKey {
        from: (source.format(), source.width(), source.height()),
        to: (width, height),
        colourspace,
        full_range,
    };
    SCALERS.with_borrow_mut(|kept| {
        let mut context = match kept.iter().position(|(k, _)| *k == key) {
            Some(at) => kept.remove(at).1,
            None => scaler(key)?,
        };
        let mut out = frame::Video::new(ff::format::Pixel::RGB24, width, height);
        let result = context.run(source, &mut out);
        kept.insert(0, (key, context));
        kept.truncate(KEPT_SCALERS);
        result.map(|()| out)
    })
}

fn scaler(key: ScalerKey) -> Result<scaling::Context, ff::Error> {
    let (format, w, h) = key.from;
    let flags = scaling::Flags::BILINEAR | scaling::Flags::ACCURATE_RND;
    let mut context =
        scaling::Context::get(format, w, h, ff::format::Pixel::RGB24, key.to.0, key.to.1, flags)?;
    // SAFETY: the context is valid and owned; sws_getCoefficients returns a static table. A negative result
    // (formats without a matrix) leaves the defaults, which is right for them.
    unsafe {
        let table = ffi::sws_getCoefficients(key.colourspace as _);
        let unity = 1 << 16;
        ffi::sws_setColorspaceDetails(
            context.as_mut_ptr(),
            table,
            i32::from(key.full_range),
            ffi::sws_getCoefficients(ffi::SWS_CS_DEFAULT as _),
            0,
            0,
            unity,
            unity,
        );
    }
    Ok(context)
}
