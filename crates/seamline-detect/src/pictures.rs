//! Pictures: which are looked at, where shots and faces are, and the face samples that detectors get.

use crate::DetectError;
use crate::aggregate::median;
use crate::faces::{Face, FaceDetector, Landmarks, align, quality, track::Tracker};
use crate::sample::{FaceSample, MovingSample, Picture, Sample, TrackSummary, WholeSample};
use crate::shots::ShotDetector;
use seamline_core::{FaceAt, FacePath, MediaTime, PixelBox, Quality, Span, Subject, TrackId, VideoFrame};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How densely pictures are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePolicy {
    /// Distance between pictures while faces are seen.
    pub with_faces: MediaTime,
    /// Distance while none were seen in the last picture of this shot.
    pub without_faces: MediaTime,
    /// Least distance between whole pictures, of those looked at; the first is always one.
    pub whole: MediaTime,
}

impl FramePolicy {
    /// About two pictures a second while faces are seen, one otherwise.
    pub const FAST: Self = Self {
        with_faces: MediaTime::from_millis(500),
        without_faces: MediaTime::from_millis(1_000),
        whole: MediaTime::from_millis(8_000),
    };
    /// About five a second throughout.
    pub const THOROUGH: Self = Self {
        with_faces: MediaTime::from_millis(200),
        without_faces: MediaTime::from_millis(200),
        whole: MediaTime::from_millis(2_000),
    };

    /// In words, for the report.
    pub fn describe(&self) -> String {
        let ms = |t: MediaTime| t.as_micros() / 1_000;
        format!(
            "a picture every {} ms while faces are seen, every {} ms otherwise, and at each cut",
            ms(self.with_faces),
            ms(self.without_faces)
        )
    }
}

/// Faces smaller than this are not followed: no model here can use them.
const MIN_FOLLOWED_PX: f32 = 24.0;
/// Pictures in which a face is followed are at least this far apart: every second one at 25 a second, every second at 30,
/// every fourth at 60, so that the distance is even.
const MOVING: MediaTime = MediaTime::from_millis(58);
/// The followed face gives way to another only if that is larger by this.
const LARGER: f32 = 1.25;
/// Whole pictures of one clip, at most: a long clip is sampled ever more sparsely. Beyond this many, the distance doubles.
const WHOLE_AT_FIRST: u32 = 32;
/// Sightings of one track that are kept for pointing at it. Beyond this many every other one goes, again and again.
const MAX_PATH: usize = 512;
/// Per-track values kept for medians.
const MAX_KEPT: usize = 10_000;

struct TrackState {
    span: Span,
    sightings: u32,
    weight: f64,
    sizes: Vec<f32>,
    sharpness: Vec<f32>,
    yaws: Vec<f32>,
    best: Option<(f32, PixelBox, seamline_core::RgbFrame, MediaTime)>,
    path: FacePath,
    /// Of how many sightings one is kept in `path`.
    every: u32,
}

impl TrackState {
    /// Keeps where the face was; to be called before the sighting is counted.
    fn keep(&mut self, time: MediaTime, face: PixelBox) {
        if !self.sightings.is_multiple_of(self.every) {
            return;
        }
        if self.path.seen.len() == MAX_PATH {
            let mut n = 0;
            self.path.seen.retain(|_| {
                n += 1;
                n % 2 == 1
            });
            self.every *= 2;
        }
        let face = PixelBox { x: face.x.round(), y: face.y.round(), w: face.w.round(), h: face.h.round() };
        self.path.seen.push(FaceAt { at_us: time, face });
    }
}

/// Samples pictures of one clip.
pub struct PictureSampler<'a> {
    detector: &'a FaceDetector,
    policy: FramePolicy,
    max_tracks: u32,
    shots: ShotDetector,
    tracker: Tracker,
    tracks: BTreeMap<TrackId, TrackState>,
    next: Option<MediaTime>,
    pictures: u64,
    not_kept: u64,
    largest: f32,
    cuts: Vec<MediaTime>,
    /// Whole pictures wanted, and the last one given with how many there were.
    whole: bool,
    last_whole: Option<MediaTime>,
    wholes: u32,
    /// Moving faces wanted; the track that is followed, and its last picture.
    moving: bool,
    followed: Option<TrackId>,
    last_moving: Option<MediaTime>,
}

/// What the sampler leaves at the end.
#[derive(Default)]
pub struct PictureSummary {
    /// Pictures looked at.
    pub pictures: u64,
    /// Tracks, by number.
    pub tracks: Vec<TrackSummary>,
    /// Tracks over the limit.
    pub tracks_not_kept: u64,
    /// Longer side of the largest face.
    pub largest_face_px: f32,
    /// Where shots begin, at most 1,000.
    pub cuts: Vec<MediaTime>,
    /// One thumbnail a track.
    pub thumbnails: Vec<Picture>,
}

impl<'a> PictureSampler<'a> {
    /// A sampler for one clip.
    pub fn new(detector: &'a FaceDetector, policy: FramePolicy, max_tracks: u32) -> Self {
        Self {
            detector,
            policy,
            max_tracks,
            shots: ShotDetector::default(),
            tracker: Tracker::default(),
            tracks: BTreeMap::new(),
            next: None,
            pictures: 0,
            not_kept: 0,
            largest: 0.0,
            cuts: Vec::new(),
            whole: false,
            last_whole: None,
            wholes: 0,
            moving: false,
            followed: None,
            last_moving: None,
        }
    }

    /// Gives nearly every picture of the largest face too.
    #[must_use]
    pub fn with_moving(mut self, wanted: bool) -> Self {
        self.moving = wanted;
        self
    }

    /// Gives whole pictures too.
    #[must_use]
    pub fn with_whole(mut self, wanted: bool) -> Self {
        self.whole = wanted;
        self
    }

    /// Whether a whole picture is due. The distance doubles with each power of two of [`WHOLE_AT_FIRST`].
    fn whole_due(&self, time: MediaTime) -> bool {
        let doublings = (self.wholes / WHOLE_AT_FIRST).checked_ilog2().map_or(0, |n| n + 1);
        let pause = self.policy.whole.as_micros() << doublings.min(16);
        self.whole && self.last_whole.is_none_or(|last| time.minus(last).as_micros().abs() >= pause)
    }

    /// Takes one decoded picture; face samples go to `sink`.
    pub fn push(
        &mut self,
        frame: &VideoFrame,
        sink: &mut dyn FnMut(Sample) -> Result<(), DetectError>,
    ) -> Result<(), DetectError> {
        let cut = self.shots.push(frame.time, &frame.luma);
        if cut {
            self.tracker.cut();
            self.followed = None;
            if self.cuts.len() < 1_000 {
                self.cuts.push(frame.time);
            }
        }
        let due = cut || self.next.is_none_or(|next| frame.time >= next);
        // A damaged picture shows concealment, not the scene: wait for the next whole one.
        if !due || frame.damaged {
            return self.moving(frame, None, sink);
        }
        self.pictures += 1;
        let mut faces = self.detector.detect(frame.pixels.as_ref(), frame.width, frame.height)?;
        self.largest = faces.iter().map(|f| f.face.long_side()).fold(self.largest, f32::max);
        faces.retain(|f| f.face.long_side() >= MIN_FOLLOWED_PX);
        let pause = if faces.is_empty() { self.policy.without_faces } else { self.policy.with_faces };
        // The grid is kept from the picture that was due, so that sparse pictures do not drift.
        let base = match self.next {
            Some(next) if !cut && frame.time.minus(next) < pause => next,
            _ => frame.time,
        };
        self.next = Some(base.plus(pause));
        let whole = self.whole_due(frame.time);
        if faces.is_empty() {
            self.followed = None;
        }
        if faces.is_empty() && !whole {
            return Ok(());
        }
        let picture = Arc::new(frame.pixels.rgb(frame.width, frame.height)?);
        if whole {
            self.last_whole = Some(frame.time);
            self.wholes += 1;
            let largest = faces.iter().map(|f| f.face.long_side()).fold(0.0, f32::max);
            sink(Sample::Whole(WholeSample {
                stream: frame.stream,
                time: frame.time,
                face_share: largest / frame.width.min(frame.height).max(1) as f32,
                picture: picture.clone(),
            }))?;
        }
        if faces.is_empty() {
            return Ok(());
        }
        let numbers = self.tracker.update(frame.time, &faces);
        self.choose(&faces, &numbers);
        let followed = numbers.iter().zip(&faces).find(|(n, _)| Some(**n) == self.followed);
        self.moving(frame, followed.map(|(_, f)| (f.face, f.landmarks)), sink)?;
        for (face, track) in faces.iter().zip(numbers) {
            if !self.tracks.contains_key(&track) && self.tracks.len() >= self.max_tracks as usize {
                self.not_kept += 1;
                continue;
            }
            let crop = align::aligned(&picture, &face.landmarks);
            let sharpness = crop.as_ref().map_or(0.0, quality::sharpness);
            let state = self.tracks.entry(track).or_insert_with(|| TrackState {
                span: Span::new(frame.time, frame.time),
                sightings: 0,
                weight: 0.0,
                sizes: Vec::new(),
                sharpness: Vec::new(),
                yaws: Vec::new(),
                best: None,
                path: FacePath { width: frame.width, height: frame.height, seen: Vec::new() },
                every: 1,
            });
            let size = face.face.long_side();
            let yaw = quality::yaw(&face.landmarks);
            state.span = state.span.union(&Span::new(frame.time, frame.time));
            state.keep(frame.time, face.face);
            state.sightings += 1;
            state.weight += f64::from(size);
            if state.sizes.len() < MAX_KEPT {
                state.sizes.push(size);
                state.sharpness.push(sharpness);
                state.yaws.push(yaw);
            }
            let merit = size * (1.0 - yaw.abs());
            if let Some(crop) = crop
                && state.best.as_ref().is_none_or(|b| merit > b.0)
            {
                state.best = Some((merit, face.face, crop, frame.time));
            }
            sink(Sample::Face(FaceSample {
                track,
                time: frame.time,
                face: face.face,
                landmarks: face.landmarks,
                sharpness,
                picture: picture.clone(),
            }))?;
        }
        Ok(())
    }

    /// Follows the largest face, and stays with it while it is nearly the largest.
    fn choose(&mut self, faces: &[Face], numbers: &[TrackId]) {
        let size = |wanted: Option<TrackId>| {
            let of =
                |(face, track): (&Face, &TrackId)| (Some(*track) == wanted).then(|| face.face.long_side());
            faces.iter().zip(numbers).find_map(of)
        };
        let largest =
            faces.iter().zip(numbers).max_by(|a, b| a.0.face.long_side().total_cmp(&b.0.face.long_side()));
        let Some((face, track)) = largest else { return };
        if size(self.followed).is_none_or(|now| face.face.long_side() > LARGER * now) {
            self.followed = Some(*track);
        }
    }

    fn moving(
        &mut self,
        frame: &VideoFrame,
        face: Option<(PixelBox, Landmarks)>,
        sink: &mut dyn FnMut(Sample) -> Result<(), DetectError>,
    ) -> Result<(), DetectError> {
        let Some(track) = self.followed.filter(|_| self.moving && !frame.damaged) else { return Ok(()) };
        if self.last_moving.is_some_and(|last| frame.time > last && frame.time.minus(last) < MOVING) {
            return Ok(());
        }
        self.last_moving = Some(frame.time);
        sink(Sample::Moving(MovingSample { track, face, frame: frame.clone() }))
    }

    /// The end of the clip.
    pub fn finish(self) -> PictureSummary {
        let mut tracks = Vec::new();
        let mut thumbnails = Vec::new();
        for (track, state) in self.tracks {
            let quality = Quality {
                face_px: median(&state.sizes),
                sharpness: median(&state.sharpness),
                yaw: median(&state.yaws),
                samples: Some(state.sightings),
                ..Quality::default()
            };
            let best_face = state.best.as_ref().map_or(PixelBox { x: 0.0, y: 0.0, w: 0.0, h: 0.0 }, |b| b.1);
            if let Some((_, face, crop, time)) = state.best {
                thumbnails.push(Picture {
                    kind: "face",
                    subject: Subject::Track { track, span: state.span, face },
                    caption: format!("face {} at {time}", track.0),
                    frame: crop,
                    heat: None,
                    path: Some(state.path),
                });
            }
            tracks.push(TrackSummary {
                track,
                span: state.span,
                best_face,
                sightings: state.sightings,
                quality,
                weight: state.weight,
            });
        }
        PictureSummary {
            pictures: self.pictures,
            tracks,
            tracks_not_kept: self.not_kept,
            largest_face_px: self.largest,
            cuts: self.cuts,
            thumbnails,
        }
    }
}
