//! What samplers hand to detectors.

use crate::faces::Landmarks;
use crate::levels::StreamLevels;
use seamline_core::{
    AbstainReason, FacePath, HeatMap, MediaTime, PixelBox, Quality, RgbFrame, Span, StreamIndex, Subject,
    TrackId, VideoFrame,
};
use std::sync::Arc;

/// One face in one picture.
#[derive(Clone, Debug)]
pub struct FaceSample {
    /// The track it belongs to.
    pub track: TrackId,
    /// When.
    pub time: MediaTime,
    /// Where, in display pixels.
    pub face: PixelBox,
    /// Eyes, nose and mouth.
    pub landmarks: Landmarks,
    /// Variance of the Laplacian of the aligned crop (see [`Quality::sharpness`]).
    pub sharpness: f32,
    /// The whole picture at display size.
    pub picture: Arc<RgbFrame>,
}

/// A picture, of nearly every one, in which a face is followed.
#[derive(Clone)]
pub struct MovingSample {
    /// The track that is followed: of the largest face.
    pub track: TrackId,
    /// Where its face is, if it was looked for in this picture.
    pub face: Option<(PixelBox, Landmarks)>,
    /// The picture, not yet converted.
    pub frame: VideoFrame,
}

impl std::fmt::Debug for MovingSample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MovingSample({:?}, {})", self.track, self.frame.time)
    }
}

/// One whole picture.
#[derive(Clone, Debug)]
pub struct WholeSample {
    /// Which stream.
    pub stream: StreamIndex,
    /// When.
    pub time: MediaTime,
    /// Longer side of the largest face as a part of the picture's shorter side; 0 = no face.
    pub face_share: f32,
    /// At display size.
    pub picture: Arc<RgbFrame>,
}

/// One window of speech.
#[derive(Clone, Debug)]
pub struct SpeechWindow {
    /// Which audio stream.
    pub stream: StreamIndex,
    /// The run of speech it lies in, from 0.
    pub segment: u32,
    /// The window length in samples that it was cut for; a short run gives fewer samples.
    pub nominal: usize,
    /// When.
    pub span: Span,
    /// 16 kHz mono.
    pub samples: Arc<[f32]>,
}

/// A sample of any kind.
#[derive(Clone, Debug)]
pub enum Sample {
    /// A face.
    Face(FaceSample),
    /// A face that is followed.
    Moving(MovingSample),
    /// A whole picture.
    Whole(WholeSample),
    /// Speech.
    Speech(SpeechWindow),
}

/// A face track when it is over.
#[derive(Clone, Debug)]
pub struct TrackSummary {
    /// Its number.
    pub track: TrackId,
    /// From first to last sighting.
    pub span: Span,
    /// Where it was in its best picture.
    pub best_face: PixelBox,
    /// How many pictures it was seen in.
    pub sightings: u32,
    /// Median size, sharpness and yaw.
    pub quality: Quality,
    /// Sum over sightings of the face's longer side: the track with the largest is the main one.
    pub weight: f64,
}

impl TrackSummary {
    /// What evidence about the whole track is about.
    pub fn subject(&self) -> Subject {
        Subject::Track { track: self.track, span: self.span, face: self.best_face }
    }
}

/// Speech of one audio stream.
#[derive(Clone, Debug)]
pub struct StreamSpeech {
    /// Which.
    pub stream: StreamIndex,
    /// Length of the sound.
    pub sound: MediaTime,
    /// Runs of speech, at most [`crate::speech::MAX_SEGMENTS`] listed.
    pub segments: Vec<Span>,
    /// All speech together, in seconds, also beyond the list.
    pub speech_secs: f32,
    /// Bandwidth, signal-to-noise ratio, clipping.
    pub quality: Quality,
}

/// What is known of the clip once all of it was sampled.
#[derive(Clone, Debug, Default)]
pub struct ClipContext {
    /// Pictures that were looked at.
    pub pictures: u64,
    /// Face tracks, by number.
    pub tracks: Vec<TrackSummary>,
    /// Tracks beyond the limit, which were not judged.
    pub tracks_not_kept: u64,
    /// Largest face seen, also on tracks that are too small: longer side in display pixels.
    pub largest_face_px: f32,
    /// Audio streams that were decoded.
    pub speech: Vec<StreamSpeech>,
    /// How loud they are over time, where a detector compares faces with sound.
    pub levels: Vec<(StreamIndex, StreamLevels)>,
}

impl ClipContext {
    /// The track that a verdict about the clip rests on: largest and longest on screen.
    pub fn main_track(&self) -> Option<&TrackSummary> {
        self.tracks.iter().max_by(|a, b| a.weight.total_cmp(&b.weight).then(b.track.cmp(&a.track)))
    }

    /// Why there is no face to judge, where there is none, with the numbers behind it.
    pub fn without_face(&self) -> (AbstainReason, String) {
        match (self.pictures, self.largest_face_px > 0.0) {
            (0, _) => (AbstainReason::NoPicture, String::new()),
            (_, true) => {
                (AbstainReason::FaceTooSmall, format!("largest face {:.0} px", self.largest_face_px))
            }
            (n, false) => (AbstainReason::NoFace, format!("{n} pictures looked at")),
        }
    }
}

/// A picture for a report, not yet encoded.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `face`, `crop`, `frame`, `spectrogram`.
    pub kind: &'static str,
    /// What it shows.
    pub subject: Subject,
    /// One line under it.
    pub caption: String,
    /// The pixels.
    pub frame: RgbFrame,
    /// Which parts of it a score rests on.
    pub heat: Option<HeatMap>,
    /// Where a track's face was.
    pub path: Option<FacePath>,
}
