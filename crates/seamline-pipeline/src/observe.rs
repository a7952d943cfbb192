//! What a clip can be recognised by, taken in the same pass as detection: pictures in one thread, sound in the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seamline_campaign::observables::{
    Observables, ObservablesBuilder, Trace, TraceKind, VoiceEmbedding, codec,
};
use seamline_campaign::pdq::REDUCED_SIDE;
use seamline_core::pixels::{Kernel, resize};
use seamline_core::{
    AudioBlock, ClipId, Evidence, MediaError, MediaTime, Outcome, RgbFrame, Sha256Hash, StreamIndex,
    VideoFrame,
};
use seamline_detect::speaker::Voice;
use serde::{Deserialize, Serialize};

/// Silence put in for a gap, at most: longer ones shift what follows, and alignment finds it all the same.
const MAX_SILENCE: MediaTime = MediaTime::from_millis(600_000);
/// A thumbnail shows one of the first so many pictures that were hashed: the first is often a title or a fade.
const THUMBNAIL_FROM: usize = 20;
/// Longer side of a thumbnail in pixels, its JPEG quality, and the most bytes that makes.
const THUMBNAIL_SIDE: u32 = 160;
const THUMBNAIL_QUALITY: u8 = 70;
const MAX_THUMBNAIL: usize = 32 << 10;
/// Rounding of timestamps that is no gap.
const SLACK: MediaTime = MediaTime::from_millis(50);

/// Watches the pictures of the first stream that has any.
#[derive(Default)]
pub(crate) struct PictureObserver {
    builder: ObservablesBuilder,
    stream: Option<StreamIndex>,
    /// The picture with the most in it so far, of the first [`THUMBNAIL_FROM`] that were hashed.
    telling: Option<(usize, RgbFrame)>,
    seen: usize,
}

impl PictureObserver {
    /// A decoded picture; it is converted, at a reduced size, only if it is one to hash.
    pub(crate) fn push(&mut self, frame: &VideoFrame) -> Result<(), MediaError> {
        let time = frame.time.as_micros();
        let ours = *self.stream.get_or_insert(frame.stream) == frame.stream;
        if !ours || frame.damaged || !self.builder.wants(time) {
            return Ok(());
        }
        // Half as much again as what is hashed, so that the reduction to it is not a copy.
        let side = (REDUCED_SIDE * 3 / 2) as f32;
        let scale = (side / frame.width.min(frame.height).max(1) as f32).min(1.0);
        let size = |v: u32| ((v as f32 * scale).round() as u32).max(1);
        let rgb = frame.pixels.rgb(size(frame.width), size(frame.height))?;
        self.builder.push_frame(time, &rgb);
        self.seen += 1;
        if self.seen <= THUMBNAIL_FROM {
            let detail = detail(&rgb);
            if self.telling.as_ref().is_none_or(|(most, _)| detail > *most) {
                self.telling = Some((detail, rgb));
            }
        }
        Ok(())
    }

    /// Its half of the record.
    pub(crate) fn finish(self, clip: ClipId) -> Observables {
        let mut all = self.builder.finish(clip);
        // No thumbnail is no failure: it is for people alone.
        let small = self.telling.and_then(|(_, rgb)| thumbnail(&rgb));
        all.thumbnail = small.unwrap_or_default();
        all
    }
}

/// How much changes from one pixel to the next, in a sparse sample: a title card or a fade has little of it.
fn detail(rgb: &RgbFrame) -> usize {
    let green: Vec<u8> = rgb.data().iter().skip(1).step_by(3 * 4).copied().collect();
    green.windows(2).map(|w| usize::from(w[0].abs_diff(w[1]))).sum()
}

fn thumbnail(rgb: &RgbFrame) -> Option<Vec<u8>> {
    let scale = (THUMBNAIL_SIDE as f32 / rgb.width().max(rgb.height()).max(1) as f32).min(1.0);
    let side = |v: u32| ((v as f32 * scale).round() as u32).max(1);
    let small = resize(rgb, side(rgb.width()), side(rgb.height()), Kernel::Triangle);
    let jpeg = seamline_media::encode_jpeg(&small, THUMBNAIL_QUALITY).ok()?.bytes;
    (jpeg.len() <= MAX_THUMBNAIL).then_some(jpeg)
}

/// Listens to the first stream of sound.
#[derive(Default)]
pub(crate) struct SoundObserver {
    builder: ObservablesBuilder,
    stream: Option<StreamIndex>,
    until: Option<MediaTime>,
}

impl SoundObserver {
    /// The next block.
    pub(crate) fn push(&mut self, block: &AudioBlock) {
        if *self.stream.get_or_insert(block.stream) != block.stream {
            return;
        }
        match self.until {
            None => self.builder.sound_starts(block.time.as_micros()),
            Some(until) if block.time.minus(until) > SLACK => {
                let missing = block.time.minus(until).min(MAX_SILENCE).as_micros();
                let samples = missing.saturating_mul(i64::from(AudioBlock::RATE_HZ)) / 1_000_000;
                self.builder.push_sound(&vec![0.0; usize::try_from(samples).unwrap_or(0)]);
            }
            Some(_) => {}
        }
        self.builder.push_sound(&block.samples);
        let length = MediaTime::from_samples(block.samples.len() as u64, AudioBlock::RATE_HZ);
        self.until = Some(block.time.plus(length.unwrap_or(MediaTime::ZERO)));
    }

    /// The voices that are heard in it.
    pub(crate) fn voices(&mut self, model_sha256: Sha256Hash, voices: Vec<Voice>) {
        for Voice { span, vector } in voices {
            let (start_us, end_us) = (span.start.as_micros(), span.end.as_micros());
            self.builder.push_voice(VoiceEmbedding { start_us, end_us, vector, model_sha256 });
        }
    }

    /// Its half of the record.
    pub(crate) fn finish(self, clip: ClipId) -> Observables {
        self.builder.finish(clip)
    }
}

/// Both halves together, and what the file says of its tools. A half that failed is left out.
pub(crate) fn join(
    clip: ClipId,
    seen: Option<Observables>,
    heard: Option<Observables>,
    evidence: &[Evidence],
) -> Observables {
    let mut all = seen.unwrap_or_else(|| ObservablesBuilder::new().finish(clip));
    if let Some(heard) = heard {
        all.sound = heard.sound;
        all.voices = heard.voices;
        all.duration_us = all.duration_us.max(heard.duration_us);
        all.truncated |= heard.truncated;
    }
    all.traces.extend(evidence.iter().filter_map(trace));
    all.traces.sort_unstable();
    all.traces.dedup();
    all
}

/// What a finding about the file says of the tool that made it.
fn trace(evidence: &Evidence) -> Option<Trace> {
    let Outcome::Finding { code, detail } = &evidence.outcome else { return None };
    let value = |name: &str| detail.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (kind, value) = match code.name {
        // A broken seal names nobody.
        "c2pa.present" if value("integrity").as_deref() == Some("holds") => {
            (TraceKind::Signer, format!("{}, {}", value("common_name")?, value("issuer")?))
        }
        "container.encoder" => (TraceKind::Encoder, value("software")?),
        "container.platform" => (TraceKind::Platform, value("platform")?),
        // Prompt, seed and settings: the same text is the same run.
        "generator.a1111" => (TraceKind::GeneratorRun, run(&value("parameters")?)),
        "generator.comfyui" => (TraceKind::GeneratorRun, run(&value("graph")?)),
        "generator.other" => (TraceKind::Generator, value("generator")?),
        _ => return None,
    };
    Some(Trace { kind, value })
}

fn run(text: &str) -> String {
    Sha256Hash::of(text.as_bytes()).to_string()
}

/// Observables as a worker sends them: hashes packed, since hours of them are megabytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parcel {
    frames: String,
    sound: String,
    rest: String,
    #[serde(default)]
    thumbnail: String,
}

impl Parcel {
    pub(crate) fn pack(observables: &Observables) -> Result<Self, String> {
        let packed = codec::pack(observables).map_err(|e| e.to_string())?;
        let (frames, sound) = (STANDARD.encode(packed.frames), STANDARD.encode(packed.sound));
        Ok(Self { frames, sound, rest: packed.rest, thumbnail: STANDARD.encode(&observables.thumbnail) })
    }

    /// What a worker sent is not trusted: anything malformed is an error, and it speaks of no clip but `clip`.
    pub(crate) fn unpack(&self, clip: ClipId) -> Result<Observables, String> {
        let bytes = |text: &str| STANDARD.decode(text).map_err(|e| e.to_string());
        let observables = codec::unpack(&bytes(&self.frames)?, &bytes(&self.sound)?, &self.rest);
        let mut observables = observables.map_err(|e| e.to_string())?;
        observables.thumbnail = bytes(&self.thumbnail)?;
        // Only ever shown as a JPEG; what is none is dropped here and is nobody's problem later.
        if observables.thumbnail.len() > MAX_THUMBNAIL || !observables.thumbnail.starts_with(b"\xff\xd8\xff")
        {
            observables.thumbnail.clear();
        }
        if observables.clip == clip { Ok(observables) } else { Err("observables of another clip".into()) }
    }
}
