//! Audio files through symphonia.

use crate::mono::Mono16k;
use seamline_core::{
    AudioBlock, Gap, Limits, MediaError, MediaReader, MediaTime, MediaUnit, Span, StreamIndex, StreamInfo,
    StreamKind,
};
use std::collections::VecDeque;
use std::fs::File;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::TimeBase;

const STREAM: StreamIndex = StreamIndex(0);
/// Undecodable packets in a row after which a stream is given up.
const MAX_BAD_PACKETS: u32 = 1_000;

struct SoundReader {
    info: Vec<StreamInfo>,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    time_base: TimeBase,
    declared: Option<MediaTime>,
    limit: MediaTime,
    max_gaps: u32,
    mono: Mono16k,
    interleaved: Vec<f32>,
    queue: VecDeque<MediaUnit>,
    end: MediaTime,
    bad: u32,
    gaps: u32,
    done: bool,
}

pub(crate) fn open(file: File, limits: &Limits) -> Result<Box<dyn MediaReader>, MediaError> {
    let source = MediaSourceStream::new(Box::new(file), Default::default());
    let metadata = usize::try_from(limits.max_metadata_bytes).unwrap_or(usize::MAX);
    let meta = MetadataOptions::default()
        .limit_tag_bytes(Limit::Maximum(metadata))
        .limit_visual_bytes(Limit::Maximum(metadata));
    let format = symphonia::default::get_probe()
        .probe(&Hint::new(), source, FormatOptions::default(), meta)
        .map_err(|e| MediaError::Unrecognised(e.to_string()))?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| MediaError::NoStreams("no audio track".into()))?;
    let params = track
        .codec_params
        .as_ref()
        .and_then(|p| p.audio())
        .ok_or_else(|| MediaError::NoStreams("audio track without parameters".into()))?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(params, &AudioDecoderOptions::default())
        .map_err(|e| MediaError::Decode(e.to_string()))?;
    let rate =
        params.sample_rate.filter(|&r| r > 0).ok_or_else(|| MediaError::Decode("no sampling rate".into()))?;
    let time_base = track
        .time_base
        .or_else(|| TimeBase::try_new(1, rate))
        .ok_or_else(|| MediaError::Decode("no time base".into()))?;
    let declared = track.num_frames.and_then(|n| MediaTime::from_samples(n, rate));
    let codec = symphonia::default::get_codecs()
        .get_audio_decoder(params.codec)
        .map_or("unknown", |c| c.codec.info.short_name);
    let info = StreamInfo {
        index: STREAM,
        kind: StreamKind::Audio,
        codec: codec.to_owned(),
        judged: true,
        width: None,
        height: None,
        rotation_degrees: None,
        sample_rate_hz: Some(rate),
        channels: params.channels.as_ref().and_then(|c| u16::try_from(c.count()).ok()),
        duration: declared,
        bit_rate: None,
    };
    let track = track.id;
    let limit = MediaTime::from_millis(
        i64::try_from(limits.max_duration_secs.saturating_mul(1000)).unwrap_or(i64::MAX),
    );
    Ok(Box::new(SoundReader {
        info: vec![info],
        format,
        decoder,
        track,
        time_base,
        declared,
        limit,
        max_gaps: limits.max_gaps,
        mono: Mono16k::new(STREAM),
        interleaved: Vec::new(),
        queue: VecDeque::new(),
        end: MediaTime::ZERO,
        bad: 0,
        gaps: 0,
        done: false,
    }))
}

impl SoundReader {
    fn gap(&mut self, span: Span, cause: String) {
        self.gaps += 1;
        if self.gaps <= self.max_gaps {
            self.queue.push_back(MediaUnit::Gap(Gap { stream: Some(STREAM), span, cause }));
        }
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.done = true;
        let queue = &mut self.queue;
        self.mono.flush(&mut |b| queue.push_back(MediaUnit::Audio(b)))?;
        let end = self.end;
        if let Some(declared) = self.declared
            && declared.minus(end) > MediaTime::from_millis(500)
        {
            self.gap(Span::new(end, declared), "file ends before its declared length".into());
        }
        if self.mono.not_numbers > 0 {
            let cause = format!("{} samples that are not numbers were set to zero", self.mono.not_numbers);
            self.gap(Span::new(MediaTime::ZERO, end), cause);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), MediaError> {
        let packet = match self.format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return self.finish(),
            Err(Error::ResetRequired) => {
                self.gap(
                    Span::new(self.end, self.end),
                    "a new stream begins here: the rest was not decoded".into(),
                );
                return self.finish();
            }
            Err(e) => {
                self.gap(Span::new(self.end, self.end), format!("reading ended: {e}"));
                return self.finish();
            }
        };
        if packet.track_id != self.track {
            return Ok(());
        }
        let (num, den) = (self.time_base.numer.get(), self.time_base.denom.get());
        let base = (i32::try_from(num).unwrap_or(1), i32::try_from(den).unwrap_or(i32::MAX));
        let time = MediaTime::from_ticks(packet.pts.get(), base.0, base.1).unwrap_or(self.end);
        let length =
            i64::try_from(packet.dur.get()).ok().and_then(|d| MediaTime::from_ticks(d, base.0, base.1));
        let after = time.plus(length.unwrap_or(MediaTime::ZERO));
        if time > self.limit {
            self.gap(
                Span::new(time, time),
                "longer than the limit on duration: the rest was not decoded".into(),
            );
            return self.finish();
        }
        match self.decoder.decode(&packet) {
            Ok(buffer) => {
                self.bad = 0;
                self.end = self.end.max(after);
                let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                buffer.copy_to_vec_interleaved(&mut self.interleaved);
                let queue = &mut self.queue;
                self.mono.push(time, rate, channels, &self.interleaved, &mut |b: AudioBlock| {
                    queue.push_back(MediaUnit::Audio(b));
                })
            }
            Err(e) => {
                self.bad += 1;
                self.gap(Span::new(time, after), format!("packet cannot be decoded: {e}"));
                self.end = self.end.max(after);
                if self.bad >= MAX_BAD_PACKETS { self.finish() } else { Ok(()) }
            }
        }
    }
}

impl MediaReader for SoundReader {
    fn streams(&self) -> &[StreamInfo] {
        &self.info
    }

    fn next_unit(&mut self) -> Result<Option<MediaUnit>, MediaError> {
        while self.queue.is_empty() && !self.done {
            self.step()?;
        }
        Ok(self.queue.pop_front())
    }

    fn policy(&self) -> String {
        "audio file: channels averaged, resampled to 16 kHz (FFT)".into()
    }
}
