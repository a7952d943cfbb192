//! Containers and video through FFmpeg, streaming.
//!
//! FFmpeg gets a file descriptor through custom I/O, an empty list of protocols, and a list of demuxers that
//! open nothing else (no playlists, no concat).

use crate::{DecodeOptions, ffi, still};
use ff::media::Type;
use ffmpeg_next as ff;
use seamline_core::{
    Gap, Limits, MediaError, MediaReader, MediaTime, MediaUnit, Span, StreamIndex, StreamInfo, StreamKind,
    VideoFrame,
};
use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Once};

mod audio;
mod video;
use audio::AudioTrack;
use video::{Decoded, VideoTrack, display_size, luma_grid};

/// Demuxers that read one file and nothing else. Playlists (hls, dash, concat), devices and images by
/// pattern are left out on purpose.
const DEMUXERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,mpegvideo,h264,hevc,\
    ogg,mp3,aac,flac,wav,w64,aiff,amr,asf,gif,apng,ivf,m4v,mxf,dv,rm,caf,au,ac3,eac3,obu,av1,wv,tta,nut,3g2";
const IO_BUFFER: usize = 64 << 10;
/// Entries of one dictionary that are listed.
const MAX_TAGS: usize = 256;
/// Read errors in a row after which the rest is given up.
const MAX_READ_ERRORS: u32 = 64;
/// A declared end this much after the last decoded moment counts as a missing tail.
const TAIL: MediaTime = MediaTime::from_millis(750);

/// FFmpeg's version strings for `seamline doctor`: libavcodec, libavformat, configuration licence.
pub fn versions() -> (String, String, &'static str) {
    let v = |n: u32| format!("{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
    (v(ff::codec::version()), v(ff::format::version()), ff::codec::license())
}

fn init() -> Result<(), MediaError> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| {
        result = ff::init().map_err(|e| MediaError::Decode(e.to_string()));
        ff::log::set_level(ff::log::Level::Quiet);
    });
    result
}

/// See [`crate::warm_up`].
pub(crate) fn warm_up() {
    let _ = init(); // a failure shows again, with its message, when a clip is opened
}

struct ContainerReader {
    input: ff::format::context::Input,
    info: Vec<StreamInfo>,
    video: Option<VideoTrack>,
    audio: Vec<AudioTrack>,
    origin_us: i64,
    declared: Option<MediaTime>,
    limits: Limits,
    queue: VecDeque<MediaUnit>,
    end: MediaTime,
    read_errors: u32,
    gaps: u32,
    /// The gap that further damage close by is added to.
    open_gap: Option<Gap>,
    done: bool,
}

pub(crate) fn open(
    file: File,
    limits: &Limits,
    options: DecodeOptions,
) -> Result<Box<dyn MediaReader>, MediaError> {
    init()?;
    let io = ff::format::context::StreamIo::from_read_seek_with_capacity(file, IO_BUFFER)
        .map_err(|e| MediaError::Io(e.to_string()))?;
    let mut dictionary = ff::Dictionary::new();
    dictionary.set("protocol_whitelist", "none");
    dictionary.set("format_whitelist", DEMUXERS);
    dictionary.set("max_streams", "1000");
    let input = ff::format::input_from_stream(io, None, Some(dictionary))
        .map_err(|e| MediaError::Unrecognised(lower(e)))?;
    ContainerReader::new(input, limits, options).map(|r| Box::new(r) as Box<dyn MediaReader>)
}

fn lower(e: ff::Error) -> String {
    let text = e.to_string();
    text.strip_suffix('.').unwrap_or(&text).to_lowercase()
}

impl ContainerReader {
    fn new(
        mut input: ff::format::context::Input,
        limits: &Limits,
        options: DecodeOptions,
    ) -> Result<Self, MediaError> {
        let origin_us = ffi::start_time_us(&input).unwrap_or(0);
        let duration_us = input.duration();
        let declared = (ffi::duration_is_declared(&input) && duration_us > 0)
            .then(|| MediaTime::from_micros(duration_us));
        let mut reader = Self {
            info: Vec::new(),
            video: None,
            audio: Vec::new(),
            origin_us,
            declared,
            limits: limits.clone(),
            queue: VecDeque::new(),
            end: MediaTime::ZERO,
            read_errors: 0,
            gaps: 0,
            open_gap: None,
            done: false,
            input: {
                let many = input.nb_streams() as usize;
                for index in limits.max_streams as usize..many {
                    ffi::discard_stream(&mut input, index);
                }
                input
            },
        };
        reader.choose_streams(options);
        if reader.video.is_none() && reader.audio.is_empty() {
            let gap = reader.queue.iter().find_map(|u| match u {
                MediaUnit::Gap(g) => Some(g.cause.clone()),
                _ => None,
            });
            return Err(MediaError::NoStreams(
                gap.unwrap_or_else(|| format!("{} streams", reader.input.nb_streams())),
            ));
        }
        let keep: Vec<usize> =
            reader.audio.iter().map(|a| a.index).chain(reader.video.iter().map(|v| v.index)).collect();
        for index in 0..reader.input.nb_streams() as usize {
            if !keep.contains(&index) {
                ffi::discard_stream(&mut reader.input, index);
            }
        }
        Ok(reader)
    }

    /// The best video stream that is no cover art, and the first few audio streams.
    fn choose_streams(&mut self, options: DecodeOptions) {
        let art = ff::format::stream::Disposition::ATTACHED_PIC;
        let best = self.input.streams().best(Type::Video).map(|s| s.index());
        let first_real = self
            .input
            .streams()
            .find(|s| s.parameters().medium() == Type::Video && !s.disposition().contains(art))
            .map(|s| s.index());
        let best_is_real =
            best.and_then(|b| self.input.stream(b)).is_some_and(|s| !s.disposition().contains(art));
        let chosen = if best_is_real { best } else { first_real };

        let mut info = Vec::new();
        let mut refused = Vec::new();
        for stream in self.input.streams().take(self.limits.max_streams as usize) {
            let facts = ffi::codec_facts(&stream);
            let index = stream.index();
            let params = stream.parameters();
            let kind = match params.medium() {
                Type::Video if stream.disposition().contains(art) => StreamKind::CoverArt,
                Type::Video => StreamKind::Video,
                Type::Audio => StreamKind::Audio,
                _ => StreamKind::Other,
            };
            let duration = (stream.duration() > 0)
                .then(|| MediaTime::from_ticks(stream.duration(), stream.time_base().0, stream.time_base().1))
                .flatten();
            let mut entry = StreamInfo {
                index: StreamIndex(index as u32),
                kind,
                codec: params.id().name().to_owned(),
                judged: false,
                width: None,
                height: None,
                rotation_degrees: None,
                sample_rate_hz: None,
                channels: None,
                duration,
                bit_rate: facts.bit_rate,
            };
            let result = if kind == StreamKind::Video && Some(index) == chosen {
                let rotation = video::rotation(&stream);
                let (w, h) = display_size(facts.width, facts.height, facts.sar, rotation);
                (entry.width, entry.height) = (Some(w), Some(h));
                entry.rotation_degrees = Some(rotation);
                VideoTrack::open(&stream, &facts, rotation, &self.limits, options).map(|track| {
                    self.video = Some(track);
                    true
                })
            } else if kind == StreamKind::Audio {
                entry.sample_rate_hz = (facts.sample_rate_hz > 0).then_some(facts.sample_rate_hz);
                entry.channels = (facts.channels > 0).then_some(facts.channels);
                if self.audio.len() < self.limits.max_audio_streams as usize {
                    AudioTrack::open(&stream).map(|track| {
                        self.audio.push(track);
                        true
                    })
                } else {
                    Ok(false)
                }
            } else {
                if kind == StreamKind::Video || kind == StreamKind::CoverArt {
                    (entry.width, entry.height) = (Some(facts.width), Some(facts.height));
                }
                Ok(false)
            };
            match result {
                Ok(judged) => entry.judged = judged,
                Err(e) => refused.push((StreamIndex(index as u32), duration, e.to_string())),
            }
            info.push(entry);
        }
        self.info = info;
        for (stream, duration, cause) in refused {
            let end = duration.or(self.declared).unwrap_or(MediaTime::ZERO);
            self.push_gap(Gap { stream: Some(stream), span: Span::new(MediaTime::ZERO, end), cause });
        }
    }

    fn push_gap(&mut self, gap: Gap) {
        self.close_gap();
        self.gaps += 1;
        if self.gaps <= self.limits.max_gaps {
            self.queue.push_back(MediaUnit::Gap(gap));
        }
    }

    /// Damage within a second of the last damage of the same kind is one gap.
    fn damage(&mut self, stream: usize, span: Span, cause: &str) {
        let stream = Some(StreamIndex(stream as u32));
        if let Some(open) = &mut self.open_gap
            && open.stream == stream
            && open.cause == cause
            && span.start.minus(open.span.end) < MediaTime::from_millis(1_000)
        {
            open.span = open.span.union(&span);
            return;
        }
        self.close_gap();
        self.open_gap = Some(Gap { stream, span, cause: cause.to_owned() });
    }

    fn close_gap(&mut self) {
        if let Some(gap) = self.open_gap.take() {
            self.gaps += 1;
            if self.gaps <= self.limits.max_gaps {
                self.queue.push_back(MediaUnit::Gap(gap));
            }
        }
    }

    fn time(&self, ticks: Option<i64>, base: ff::Rational) -> Option<MediaTime> {
        let time = MediaTime::from_ticks(ticks?, base.0, base.1)?;
        Some(time.minus(MediaTime::from_micros(self.origin_us)))
    }

    fn step(&mut self) -> Result<(), MediaError> {
        let mut packet = ff::Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => self.read_errors = 0,
            Err(ff::Error::Eof) => return self.finish(),
            Err(e) => {
                self.read_errors += 1;
                if self.read_errors >= MAX_READ_ERRORS {
                    let end = self.end;
                    self.push_gap(Gap {
                        stream: None,
                        span: Span::new(end, end),
                        cause: format!("reading ended: {}", lower(e)),
                    });
                    return self.finish();
                }
                return Ok(());
            }
        }
        let stream = packet.stream();
        if self.video.as_ref().is_some_and(|v| v.index == stream) {
            self.video_packet(&packet)?;
        } else if let Some(at) = self.audio.iter().position(|a| a.index == stream) {
            self.audio_packet(at, &packet)?;
        }
        let limit =
            i64::try_from(self.limits.max_duration_secs).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        if self.end.as_micros() > limit {
            let end = self.end;
            let cause = "longer than the limit on duration: the rest was not decoded".into();
            self.push_gap(Gap { stream: None, span: Span::new(end, end), cause });
            self.declared = None;
            return self.finish();
        }
        Ok(())
    }

    fn video_packet(&mut self, packet: &ff::Packet) -> Result<(), MediaError> {
        let Some(track) = self.video.as_mut() else { return Ok(()) };
        let (index, base) = (track.index, track.base);
        let at = packet.pts().or(packet.dts()).and_then(|t| MediaTime::from_ticks(t, base.0, base.1));
        if let Some(at) = at
            && !track.wants(at)
        {
            // What was left out was there all the same: the clip does not end before it.
            let length = length(packet.duration(), base);
            self.end = self.end.max(at.plus(length).minus(MediaTime::from_micros(self.origin_us)));
            return Ok(());
        }
        let sent = track.decoder.send_packet(packet);
        if sent.is_err() || packet.is_corrupt() {
            let at = self.time(packet.pts().or(packet.dts()), base).unwrap_or(self.end);
            let length = length(packet.duration(), base);
            self.damage(index, Span::new(at, at.plus(length)), "damaged picture data");
        }
        self.drain_video()
    }

    fn drain_video(&mut self) -> Result<(), MediaError> {
        loop {
            let Some(track) = self.video.as_mut() else { return Ok(()) };
            let mut frame = ff::util::frame::Video::empty();
            if track.decoder.receive_frame(&mut frame).is_err() {
                return Ok(());
            }
            let (index, base, rotation, sar, last) =
                (track.index, track.base, track.rotation, track.sar, track.last);
            if still::check_size(frame.width(), frame.height(), &self.limits).is_err() {
                let end = self.end;
                self.damage(index, Span::new(end, end), "picture larger than the limit");
                continue;
            }
            // A picture without a time follows the last one by a nominal 40 ms.
            let time = self
                .time(frame.timestamp(), base)
                .or_else(|| last.map(|t| t.plus(MediaTime::from_millis(40))))
                .unwrap_or(MediaTime::ZERO);
            let damaged = frame.is_corrupt() || frame.has_decode_errors();
            if damaged {
                self.damage(
                    index,
                    Span::new(time, time.plus(MediaTime::from_millis(40))),
                    "damaged picture data",
                );
            }
            if let Some(track) = self.video.as_mut() {
                track.last = Some(time);
            }
            let length = length(frame.packet().duration, base);
            self.end = self.end.max(time.plus(length));
            let (width, height) = display_size(frame.width(), frame.height(), sar, rotation);
            let luma = luma_grid(&frame);
            self.queue.push_back(MediaUnit::Frame(VideoFrame {
                stream: StreamIndex(index as u32),
                time,
                width,
                height,
                luma,
                damaged,
                pixels: Arc::new(Decoded { frame: ffi::SharedFrame::new(frame), rotation }),
            }));
        }
    }

    fn audio_packet(&mut self, at: usize, packet: &ff::Packet) -> Result<(), MediaError> {
        let (index, base) = (self.audio[at].index, self.audio[at].base);
        if self.audio[at].send(packet).is_err() || packet.is_corrupt() {
            let time = self.time(packet.pts().or(packet.dts()), base).unwrap_or(self.end);
            let length = length(packet.duration(), base);
            self.damage(index, Span::new(time, time.plus(length)), "damaged sound data");
        }
        self.drain_audio(at)
    }

    fn drain_audio(&mut self, at: usize) -> Result<(), MediaError> {
        let origin = MediaTime::from_micros(self.origin_us);
        let queue = &mut self.queue;
        let end = self.audio[at].drain(origin, &mut |b| queue.push_back(MediaUnit::Audio(b)))?;
        self.end = self.end.max(end);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.done = true;
        if let Some(track) = self.video.as_mut() {
            let _ = track.decoder.send_eof(); // an error here only means that nothing is left
            self.drain_video()?;
        }
        for at in 0..self.audio.len() {
            self.audio[at].send_eof();
            self.drain_audio(at)?;
            let queue = &mut self.queue;
            self.audio[at].flush(&mut |b| queue.push_back(MediaUnit::Audio(b)))?;
            let (bad, index, end) = (self.audio[at].not_numbers(), self.audio[at].index, self.end);
            if bad > 0 {
                let cause = format!("{bad} samples that are not numbers were set to zero");
                self.push_gap(Gap {
                    stream: Some(StreamIndex(index as u32)),
                    span: Span::new(MediaTime::ZERO, end),
                    cause,
                });
            }
        }
        self.close_gap();
        if let Some(declared) = self.declared
            && declared.minus(self.end) > TAIL
        {
            let span = Span::new(self.end, declared);
            self.push_gap(Gap { stream: None, span, cause: "file ends before its declared length".into() });
        }
        if self.gaps > self.limits.max_gaps {
            let cause = format!("{} more gaps not listed", self.gaps - self.limits.max_gaps);
            self.queue.push_back(MediaUnit::Gap(Gap {
                stream: None,
                span: Span::new(MediaTime::ZERO, self.end),
                cause,
            }));
        }
        Ok(())
    }
}

/// How long a packet's content lasts; zero where the container does not say.
fn length(ticks: i64, base: ff::Rational) -> MediaTime {
    MediaTime::from_ticks(ticks.max(0), base.0, base.1).unwrap_or(MediaTime::ZERO)
}

impl MediaReader for ContainerReader {
    fn streams(&self) -> &[StreamInfo] {
        &self.info
    }

    fn next_unit(&mut self) -> Result<Option<MediaUnit>, MediaError> {
        while self.queue.is_empty() && !self.done {
            self.step()?;
        }
        Ok(self.queue.pop_front())
    }

    fn dictionary(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut list = |dictionary: ff::DictionaryRef<'_>| {
            all.extend(dictionary.iter().take(MAX_TAGS).map(|(k, v)| (k.to_owned(), v.to_owned())));
        };
        list(self.input.metadata());
        for stream in self.input.streams().take(self.limits.max_streams as usize) {
            list(stream.metadata());
        }
        all
    }

    fn policy(&self) -> String {
        let pictures = self.video.as_ref().map_or("no pictures", |v| v.skipping.describe());
        format!("{pictures}; sound: channels averaged, resampled to 16 kHz (FFT)")
    }
}
