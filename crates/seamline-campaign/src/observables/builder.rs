//! Makes observables from pictures and sound as they are decoded.

use super::{FrameHash, Observables, Trace, VERSION, View, VoiceEmbedding};
use crate::patches::PatchFinder;
use crate::pdq::{
    Coefficients, LumaPlane, MATCH_DISTANCE, MIN_QUALITY, PdqHash, REDUCED_SIDE, Rect, Turn, border,
};
use crate::sound::{INPUT_HZ, SoundPrinter};
use seamline_core::{ClipId, RgbFrame};

/// Time between two hashed frames while pictures hold still, in microseconds. Frames are taken where a multiple of it
/// is passed, so that two encodings of one clip are sampled at the same moments.
pub const FRAME_STEP_US: i64 = 500_000;
/// The same while they move: another cut of the clip, at another speed or frame rate, is sampled at other moments,
/// and half a second of quick movement turns over more bits than a match allows.
pub const MOVING_STEP_US: i64 = 125_000;
/// Two samples further apart than a match allows: pictures move.
const MOVING: u32 = MATCH_DISTANCE;
/// At a quarter of the step, a quarter of the bits: they hold still again.
const SETTLED: u32 = MATCH_DISTANCE / 4;
/// Most frames kept of a clip: nine hours at two a second, 26 MB of hashes.
const MAX_FRAMES: usize = 65_536;
/// Most sound that is fingerprinted, in samples: nine hours.
const MAX_SAMPLES: u64 = 9 * 3_600 * INPUT_HZ as u64;

/// Builds an [`Observables`] record while a clip streams past.
pub struct ObservablesBuilder {
    frames: Vec<FrameHash>,
    last_us: Option<i64>,
    last_whole: Option<PdqHash>,
    moving: bool,
    pictures: usize,
    sound: Option<SoundPrinter>,
    sound_start_us: i64,
    samples: u64,
    end_us: i64,
    patches: PatchFinder,
    voices: Vec<VoiceEmbedding>,
    traces: Vec<Trace>,
    truncated: bool,
}

impl Default for ObservablesBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ObservablesBuilder {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            frames: Vec::new(),
            last_us: None,
            last_whole: None,
            moving: false,
            pictures: 0,
            sound: None,
            sound_start_us: 0,
            samples: 0,
            end_us: 0,
            patches: PatchFinder::new(),
            voices: Vec::new(),
            traces: Vec::new(),
            truncated: false,
        }
    }

    /// Whether the frame at `time_us` should be pushed: cheap, asked before a frame is converted.
    pub fn wants(&self, time_us: i64) -> bool {
        let step = if self.moving { MOVING_STEP_US } else { FRAME_STEP_US };
        self.last_us.is_none_or(|last| time_us.div_euclid(step) != last.div_euclid(step))
    }

    /// Compares with the last picture that has something in it; a cut counts as movement and is sampled densely until
    /// the new shot holds still.
    fn watch_movement(&mut self, hash: PdqHash) {
        if let Some(last) = self.last_whole {
            let distance = last.distance(&hash);
            self.moving = distance > if self.moving { SETTLED } else { MOVING };
        }
        self.last_whole = Some(hash);
    }

    /// Hashes one frame. It may be of any size; 284 x 160 and larger give the same hashes within a few bits, so a
    /// caller that can have frames scaled down cheaply should.
    pub fn push_frame(&mut self, time_us: i64, frame: &RgbFrame) {
        self.end_us = self.end_us.max(time_us);
        if self.pictures >= MAX_FRAMES {
            self.truncated = true;
            return;
        }
        self.pictures += 1;
        self.last_us = Some(time_us);
        let plane = LumaPlane::reduced(frame, REDUCED_SIDE);
        let whole = plane.bounds();
        let inside = border::inside(&plane);
        let base = inside.unwrap_or(whole);
        // Of the whole, since a cut clip was cut without regard to what we take for a border; of the inside as well,
        // where there is one, for clips that were cut before they were framed.
        let views: [(View, Option<Rect>); 7] = [
            (View::Whole, Some(whole)),
            (View::Inside, inside),
            (View::Centre90, whole.cut(50, 50, 50, 50)),
            (View::Centre80, whole.cut(100, 100, 100, 100)),
            (View::Upper80, whole.cut(0, 0, 0, 200)),
            (View::Centre90, inside.and_then(|r| r.cut(50, 50, 50, 50))),
            (View::Centre80, inside.and_then(|r| r.cut(100, 100, 100, 100))),
        ];
        for (view, rect) in views {
            let Some(rect) = rect else { continue };
            let hashed =
                if rect == whole { Coefficients::of(&plane) } else { Coefficients::of(&plane.part(rect)) };
            let Some(c) = hashed else { continue };
            if view == View::Whole && c.quality >= MIN_QUALITY {
                self.watch_movement(c.hash(Turn::Upright));
            }
            self.frames.push(FrameHash {
                time_us,
                quality: c.quality,
                view,
                hash: c.hash(Turn::Upright),
                mirrored: c.hash(Turn::Mirrored),
            });
        }
        self.patches.push(&plane, base);
    }

    /// The next samples of the clip's sound, mono at 16 kHz in -1 to 1. A gap is pushed as silence by the caller.
    pub fn push_sound(&mut self, samples: &[f32]) {
        if self.samples >= MAX_SAMPLES {
            self.truncated = true;
            return;
        }
        self.sound.get_or_insert_default().push(samples);
        self.samples += samples.len() as u64;
    }

    /// When the sound begins on the clip's timeline, in microseconds; zero unless said.
    pub fn sound_starts(&mut self, time_us: i64) {
        self.sound_start_us = time_us;
    }

    /// Adds a voice.
    pub fn push_voice(&mut self, voice: VoiceEmbedding) {
        self.voices.push(voice);
    }

    /// Adds a trace.
    pub fn push_trace(&mut self, trace: Trace) {
        self.traces.push(trace);
    }

    /// The record.
    pub fn finish(mut self, clip: ClipId) -> Observables {
        let sound_us = (self.samples as i64).saturating_mul(1_000_000) / i64::from(INPUT_HZ);
        self.traces.sort_unstable();
        self.traces.dedup();
        self.frames.sort_by_key(|f| (f.time_us, f.view));
        Observables {
            version: VERSION,
            clip,
            duration_us: self.end_us.max(self.sound_start_us.saturating_add(sound_us)),
            frames: self.frames,
            sound: self.sound.and_then(|s| s.finish(self.sound_start_us)),
            voices: self.voices,
            patches: self.patches.finish(),
            traces: self.traces,
            truncated: self.truncated,
            thumbnail: Vec::new(),
        }
    }
}
