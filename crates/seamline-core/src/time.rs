//! Presentation time as a typed integer. Seconds as floats exist only at the edge, for people.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A point on a clip's presentation timeline, in microseconds; may be negative (edit lists, priming).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The clip's origin.
    pub const ZERO: Self = Self(0);

    /// From microseconds.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// From milliseconds, saturating.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// Microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// `ticks` of `num / den` seconds, rounded half away from zero; `None` if the base is not positive
    /// or the result does not fit.
    pub fn from_ticks(ticks: i64, num: i32, den: i32) -> Option<Self> {
        if num <= 0 || den <= 0 {
            return None;
        }
        let scaled = i128::from(ticks) * i128::from(num) * 1_000_000;
        let den = i128::from(den);
        let half = if scaled >= 0 { den / 2 } else { -(den / 2) };
        i64::try_from((scaled + half) / den).ok().map(Self)
    }

    /// The time of sample `index` at `rate_hz`; `None` if the rate is zero or the result does not fit.
    pub fn from_samples(index: u64, rate_hz: u32) -> Option<Self> {
        if rate_hz == 0 {
            return None;
        }
        i64::try_from(i128::from(index) * 1_000_000 / i128::from(rate_hz)).ok().map(Self)
    }

    /// This time plus `other`, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This time minus `other`, saturating.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Seconds, for printing and for wire formats that people read.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for MediaTime {
    /// `MM:SS.mmm`, or `H:MM:SS.mmm` from one hour; a minus sign before negative times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = (self.0.unsigned_abs() + 500) / 1_000;
        let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        if h > 0 {
            write!(f, "{sign}{h}:{m:02}:{s:02}.{ms:03}")
        } else {
            write!(f, "{sign}{m:02}:{s:02}.{ms:03}")
        }
    }
}

/// A half-open span `[start, end)` of presentation time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First moment inside.
    #[serde(rename = "start_us")]
    pub start: MediaTime,
    /// First moment after.
    #[serde(rename = "end_us")]
    pub end: MediaTime,
}

impl Span {
    /// A span; an end before the start is moved to the start.
    pub fn new(start: MediaTime, end: MediaTime) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Length in time.
    pub fn duration(&self) -> MediaTime {
        self.end.minus(self.start)
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_round_half_away_from_zero_and_refuse_bad_bases() {
        assert_eq!(MediaTime::from_ticks(1, 1, 3), Some(MediaTime::from_micros(333_333)));
        assert_eq!(MediaTime::from_ticks(-1, 1, 2_000_000), Some(MediaTime::from_micros(-1)));
        assert_eq!(MediaTime::from_ticks(90_000, 1, 90_000), Some(MediaTime::from_micros(1_000_000)));
        assert_eq!(MediaTime::from_ticks(1, 0, 1), None);
        assert_eq!(MediaTime::from_ticks(1, 1, -5), None);
        assert_eq!(MediaTime::from_ticks(i64::MAX, i32::MAX, 1), None);
    }

    #[test]
    fn times_print_as_people_read_them() {
        assert_eq!(MediaTime::from_micros(61_001_499).to_string(), "01:01.001");
        assert_eq!(MediaTime::from_millis(3_600_000).to_string(), "1:00:00.000");
        assert_eq!(MediaTime::from_millis(-40).to_string(), "-00:00.040");
    }
}
