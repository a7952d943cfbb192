//! One audio stream of a container: decode, convert to float, average, resample.

use super::lower;
use crate::ffi;
use crate::mono::Mono16k;
use ff::format::Sample;
use ffmpeg_next as ff;
use seamline_core::{AudioBlock, MediaError, MediaTime, StreamIndex};

/// More channels than any real recording has.
const MAX_CHANNELS: usize = 64;

pub(super) struct AudioTrack {
    pub(super) index: usize,
    pub(super) base: ff::Rational,
    decoder: ff::decoder::Audio,
    mono: Mono16k,
    next: MediaTime,
}

impl AudioTrack {
    pub(super) fn open(stream: &ff::format::stream::Stream<'_>) -> Result<Self, MediaError> {
        let fail =
            |e: ff::Error| MediaError::Decode(format!("{}: {}", stream.parameters().id().name(), lower(e)));
        let context = ff::codec::context::Context::from_parameters(stream.parameters()).map_err(fail)?;
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(stream.time_base());
        let decoder = decoder.audio().map_err(fail)?;
        let index = stream.index();
        Ok(Self {
            index,
            base: stream.time_base(),
            decoder,
            mono: Mono16k::new(StreamIndex(index as u32)),
            next: MediaTime::ZERO,
        })
    }

    pub(super) fn send(&mut self, packet: &ff::Packet) -> Result<(), ff::Error> {
        self.decoder.send_packet(packet)
    }

    pub(super) fn send_eof(&mut self) {
        let _ = self.decoder.send_eof(); // an error here only means that nothing is left
    }

    /// Takes what the decoder has; returns the end of the last sample, on the clip's timeline.
    pub(super) fn drain(
        &mut self,
        origin: MediaTime,
        sink: &mut dyn FnMut(AudioBlock),
    ) -> Result<MediaTime, MediaError> {
        let mut frame = ff::util::frame::Audio::empty();
        while self.decoder.receive_frame(&mut frame).is_ok() {
            let rate = frame.rate();
            let channels = usize::from(frame.channels());
            if channels == 0 || channels > MAX_CHANNELS || frame.samples() == 0 || rate == 0 {
                continue;
            }
            let time = frame
                .timestamp()
                .and_then(|t| MediaTime::from_ticks(t, self.base.0, self.base.1))
                .map_or(self.next, |t| t.minus(origin));
            let samples = interleave(&frame, channels);
            self.mono.push(time, rate, channels, &samples, sink)?;
            let length = MediaTime::from_samples(frame.samples() as u64, rate).unwrap_or(MediaTime::ZERO);
            self.next = time.plus(length);
        }
        Ok(self.next)
    }

    pub(super) fn flush(&mut self, sink: &mut dyn FnMut(AudioBlock)) -> Result<(), MediaError> {
        self.mono.flush(sink)
    }

    pub(super) fn not_numbers(&self) -> u64 {
        self.mono.not_numbers
    }
}

/// Every sample format as f32, interleaved; integer full scale becomes 1.
fn interleave(frame: &ff::util::frame::Audio, channels: usize) -> Vec<f32> {
    fn convert<const N: usize>(bytes: &[u8], to: impl Fn([u8; N]) -> f32, mut put: impl FnMut(usize, f32)) {
        for (i, chunk) in bytes.chunks_exact(N).enumerate() {
            let mut sample = [0; N];
            sample.copy_from_slice(chunk);
            put(i, to(sample));
        }
    }
    let planar = frame.is_planar();
    let mut out = vec![0f32; frame.samples() * channels];
    for plane in 0..if planar { channels } else { 1 } {
        let bytes = ffi::sound_plane(frame, plane, channels);
        let put = |i: usize, v: f32| {
            let at = if planar { i * channels + plane } else { i };
            if let Some(slot) = out.get_mut(at) {
                *slot = v;
            }
        };
        match frame.format() {
            Sample::U8(_) => convert::<1>(bytes, |b| (f32::from(b[0]) - 128.0) / 128.0, put),
            Sample::I16(_) => convert::<2>(bytes, |b| f32::from(i16::from_ne_bytes(b)) / 32_768.0, put),
            Sample::I32(_) => {
                convert::<4>(bytes, |b| (f64::from(i32::from_ne_bytes(b)) / 2_147_483_648.0) as f32, put)
            }
            Sample::I64(_) => {
                convert::<8>(bytes, |b| (i64::from_ne_bytes(b) as f64 / 9.223_372_036_854_776e18) as f32, put)
            }
            Sample::F32(_) => convert::<4>(bytes, f32::from_ne_bytes, put),
            Sample::F64(_) => convert::<8>(bytes, |b| f64::from_ne_bytes(b) as f32, put),
            Sample::None => {}
        }
    }
    out
}
