//! What a piece of evidence is about.

use crate::{Span, StreamIndex, TrackId};
use serde::{Deserialize, Serialize};

/// An axis-aligned box in display pixels (after rotation and sample aspect ratio); may reach outside the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelBox {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, >= 0.
    pub w: f32,
    /// Height, >= 0.
    pub h: f32,
}

impl PixelBox {
    /// The longer side: the "face size" that limits and cards speak of.
    pub fn long_side(&self) -> f32 {
        self.w.max(self.h)
    }

    /// Intersection over union, 0 to 1; 0 when either is empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let ix = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let iy = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        if ix <= 0.0 || iy <= 0.0 {
            return 0.0;
        }
        let inter = ix * iy;
        inter / (self.w * self.h + other.w * other.h - inter)
    }
}

/// The part of a clip that evidence speaks of, from the whole to the smallest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// The whole clip, its container and its metadata.
    Clip,
    /// One stream, or a span of it.
    Stream {
        /// Which.
        stream: StreamIndex,
        /// Part of it; absent = all.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        span: Option<Span>,
    },
    /// One face followed within a shot.
    Track {
        /// Its number.
        track: TrackId,
        /// From first to last sighting.
        span: Span,
        /// Where it was in its best frame.
        face: PixelBox,
    },
    /// A run of speech in one audio stream.
    Segment {
        /// Which audio stream.
        stream: StreamIndex,
        /// When.
        span: Span,
    },
    /// One still picture, or one frame.
    Frame {
        /// Which stream.
        stream: StreamIndex,
        /// When.
        span: Span,
    },
}

impl Subject {
    /// When it is, if it has a place on the timeline.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Clip => None,
            Self::Stream { span, .. } => *span,
            Self::Track { span, .. } | Self::Segment { span, .. } | Self::Frame { span, .. } => Some(*span),
        }
    }
}
