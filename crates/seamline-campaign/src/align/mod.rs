//! Ordered alignment of two clips: which stretch of one is which stretch of the other, at what speed, mirrored or not.
//!
//! Input is pairs of moments that look or sound alike. A pair says little; many pairs along one line
//! `there = offset + speed * here` say that a stretch was taken over in order. [`line`] finds that line by voting
//! (Hough, US patent 3,069,654, 1962, over speed and offset), fits it, and lets it run on across short gaps.
//! Moments in any other order, a bag of hashes, make no line.
//!
//! "Here" is the clip that is asked about, "there" a clip that is known.

mod line;
mod pictures;
mod sound;

pub use pictures::{PicturePair, align_pictures};
pub use sound::{SoundPair, align_sound};

use seamline_core::{MediaTime, Span};
use serde::{Deserialize, Serialize};

/// Slowest and fastest speed that is looked for, `there` seconds a second of `here`. Cuts for evading detection stay
/// within a quarter; beyond that people notice.
pub const SPEEDS: (f64, f64) = (0.8, 1.25);

/// One stretch that two clips share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// In the clip that is asked about.
    pub here: Span,
    /// In the known clip.
    pub there: Span,
    /// Seconds of `there` in a second of `here`: above 1, `here` plays faster.
    pub speed: f64,
    /// Whether the pictures are mirrored left to right.
    pub mirrored: bool,
    /// 0 to 1: how much of the stretch fits, and how well. Not a probability.
    pub score: f64,
    /// Moments of `here` that found their counterpart on the line.
    pub matched: u32,
    /// The pictures do not tell one moment from the next (a still, a held frame): the same picture is there, but
    /// which second belongs to which, and the speed, cannot be said.
    pub held: bool,
}

impl Alignment {
    /// Length in the clip that is asked about.
    pub fn duration(&self) -> MediaTime {
        self.here.duration()
    }

    /// The same stretch seen from the other clip.
    #[must_use]
    pub fn turned_round(&self) -> Self {
        Self { here: self.there, there: self.here, speed: whole_millionths(1.0 / self.speed), ..*self }
    }
}

/// A speed without the last digits, which depend on the order of sums.
fn whole_millionths(speed: f64) -> f64 {
    (speed * 1e6).round() / 1e6
}

fn span(start_us: f64, end_us: f64) -> Span {
    Span::new(MediaTime::from_micros(start_us.round() as i64), MediaTime::from_micros(end_us.round() as i64))
}

#[cfg(test)]
mod tests;
