//! Points in calendar time: when a clip was seen, when somebody decided. Always given, never read from a clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z; printed as RFC 3339 in UTC. Years 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(i64);

/// 0000-01-01 and 9999-12-31T23:59:59.999, the range of RFC 3339.
const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

impl Moment {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch; `None` outside the years 0 to 9999.
    pub fn from_millis(ms: i64) -> Option<Self> {
        RANGE.contains(&ms).then_some(Self(ms))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2026-11-27T10:50:55Z`, fractions and offsets allowed) or a date alone, which means midnight
    /// in UTC. Anything else is `None`; a leap second counts as the second before it.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<i64>().ok())?;
        let date = text.get(..10)?;
        let part = |s: &str, at: std::ops::Range<usize>| s.get(at).and_then(number);
        let (year, month, day) = (part(date, 0..4)?, part(date, 5..7)?, part(date, 8..10)?);
        if &date[4..5] != "-" || &date[7..8] != "-" || !(1..=12).contains(&month) {
            return None;
        }
        if !(1..=days_in(year, month)).contains(&day) {
            return None;
        }
        let midnight = days_from_civil(year, month, day) * 86_400_000;
        let rest = &text[10..];
        if rest.is_empty() {
            return Self::from_millis(midnight);
        }
        if !matches!(rest.as_bytes().first(), Some(b'T' | b't' | b' ')) {
            return None;
        }
        let time = rest.get(1..9)?;
        let (hour, minute, second) = (part(time, 0..2)?, part(time, 3..5)?, part(time, 6..8)?);
        if &time[2..3] != ":" || &time[5..6] != ":" || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut zone = &rest[9..];
        let mut millis = 0;
        if let Some(fraction) = zone.strip_prefix('.') {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            let padded = format!("{:0<3}", &fraction[..digits]);
            millis = number(padded.get(..3)?)?;
            zone = &fraction[digits..];
        }
        let offset = match zone.as_bytes() {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
                let (h, m) = (part(zone, 1..3)?, part(zone, 4..6)?);
                if h > 23 || m > 59 {
                    return None;
                }
                (h * 60 + m) * if *sign == b'+' { 1 } else { -1 }
            }
            _ => return None,
        };
        let seconds = hour * 3_600 + minute * 60 + second.min(59) - offset * 60;
        Self::from_millis(midnight + seconds * 1_000 + millis)
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by counting leap days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    y * 365 + leaps + (153 * m + 2) / 5 + day - 1 - 719_468
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        // The year by estimate, then corrected: 146,097 days are 400 years.
        let mut year = 1970 + days * 400 / 146_097;
        while days_from_civil(year, 1, 1) > days {
            year -= 1;
        }
        while days_from_civil(year + 1, 1, 1) <= days {
            year += 1;
        }
        let mut month = 1;
        while month < 12 && days_from_civil(year, month + 1, 1) <= days {
            month += 1;
        }
        let day = days - days_from_civil(year, month, 1) + 1;
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:03}Z", ms % 1_000)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        let ms = |t: &str| Moment::parse(t).map(Moment::as_millis);
        assert_eq!(ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(ms("2000-02-29T12:00:00.5Z"), Some(951_825_600_500));
        assert_eq!(ms("2026-11-27T11:50:55+01:00"), ms("2026-11-27T10:50:55Z"));
        assert_eq!(ms("2026-11-27"), ms("2026-11-27T00:00:00.000Z"));
        for bad in ["", "2026-13-01", "2026-02-29", "2026-11-27T25:00:00Z", "2026-11-27T10:00:00", "soon"] {
            assert_eq!(ms(bad), None, "{bad}");
        }
        assert_eq!(Moment::parse("2026-11-27").unwrap().to_string(), "2026-11-27T00:00:00.000Z");
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(ms in RANGE) {
            let moment = Moment::from_millis(ms).unwrap();
            prop_assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
        }

        #[test]
        fn no_text_panics(text in "[0-9TZtz:+. -]{0,30}") {
            let _ = Moment::parse(&text);
        }
    }
}
