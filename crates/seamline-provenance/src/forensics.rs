//! How a file was written: tables, settings, edit lists, durations, dates. Context or hint, never proof: ordinary
//! editing and every messenger leave the same traces.

use crate::walk::Field;
use crate::{Found, exif};
use seamline_core::code::{
    FORENSIC_CAMERA, FORENSIC_DATE, FORENSIC_DURATION, FORENSIC_EDIT_LIST, FORENSIC_ENCODER,
    FORENSIC_QUANTISATION, FORENSIC_THUMBNAIL,
};

/// More than the longest encoder delay (AAC: 2,112 samples, Opus: 312 at 48 kHz) and the last picture together.
const SLACK_US: u64 = 500_000;
/// Time zones lie up to 14 hours apart; cameras write local time, containers UTC.
const DAY_SECS: i64 = 86_400;

pub(crate) fn read(fields: &[Field], texts: &[(String, String)]) -> Vec<Found> {
    let facts: Vec<(&str, &str)> = fields
        .iter()
        .filter_map(|f| match f {
            Field::Fact { name, value } => Some((name.as_str(), value.as_str())),
            _ => None,
        })
        .collect();
    let mut out = Vec::new();
    out.extend(quantisation(&facts));
    out.extend(settings(texts));
    out.extend(edit_lists(&facts));
    out.extend(durations(&facts));
    out.extend(dates(&facts, texts));
    out.extend(camera(texts));
    let thumbnail = fields.iter().find_map(|f| match f {
        Field::Exif(block) => exif::thumbnail(block),
        _ => None,
    });
    out.extend(thumbnail.and_then(|t| thumbnail_shape(&facts, t)));
    out
}

fn fact<'a>(facts: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    facts.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
}

/// Luminance table of ISO/IEC 10918-1, annex K, table K.1, in zigzag order.
const LUMINANCE: [u32; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40,
    58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103,
    104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];

/// The annex's table at a quality of 1 to 100, scaled as libjpeg does (`jcparam.c`, `jpeg_quality_scaling`).
fn libjpeg(quality: u32) -> impl Iterator<Item = u32> {
    let scale = if quality < 50 { 5_000 / quality } else { 200 - 2 * quality };
    LUMINANCE.iter().map(move |v| ((v * scale + 50) / 100).clamp(1, 255))
}

fn quantisation(facts: &[(&str, &str)]) -> Option<Found> {
    let table: Vec<u32> = fact(facts, "quantisation 0")?.split(' ').filter_map(|v| v.parse().ok()).collect();
    let quality = (1..=100).find(|&q| libjpeg(q).eq(table.iter().copied()));
    let whose = match quality {
        Some(q) => format!("libjpeg, quality {q}"),
        None => "not libjpeg's at any quality: a camera's or an editor's own".into(),
    };
    let first = table.iter().take(8).map(u32::to_string).collect::<Vec<_>>().join(" ");
    Some(Found::new(&FORENSIC_QUANTISATION, &[("tables", &whose), ("first_entries", &first)]))
}

fn settings(texts: &[(String, String)]) -> Option<Found> {
    let (key, value) = texts.iter().find(|(k, _)| k == "sei.x264" || k == "sei.x265")?;
    let encoder = key.trim_start_matches("sei.");
    Some(Found::new(&FORENSIC_ENCODER, &[("encoder", encoder), ("settings", value)]))
}

/// One pause before one piece is how sound and picture are aligned; anything more is an edit.
fn edit_lists(facts: &[(&str, &str)]) -> Vec<Found> {
    facts
        .iter()
        .filter(|(name, _)| name.starts_with("track ") && name.ends_with(" edits"))
        .filter(|(_, value)| {
            let entries: Vec<&str> = value.split(' ').collect();
            let pieces = entries.iter().filter(|e| **e != "pause").count();
            pieces > 1 || entries.iter().skip(1).any(|e| *e == "pause")
        })
        .map(|(name, value)| {
            Found::new(&FORENSIC_EDIT_LIST, &[("track", name.trim_end_matches(" edits")), ("starts", value)])
        })
        .take(8)
        .collect()
}

fn durations(facts: &[(&str, &str)]) -> Option<Found> {
    let longest = |kind: &str| {
        facts
            .iter()
            .filter(|(name, value)| name.ends_with(" kind") && *value == kind)
            .filter_map(|(name, _)| {
                let track = name.trim_end_matches(" kind");
                fact(facts, &format!("{track} duration_us"))?.parse::<u64>().ok()
            })
            .max()
    };
    let (video, sound) = (longest("vide")?, longest("soun")?);
    // A fragmented file states no length in its header.
    if video == 0 || sound == 0 || video.abs_diff(sound) <= SLACK_US {
        return None;
    }
    let secs = |us: u64| format!("{:.3} s", us as f64 / 1e6);
    Some(Found::new(&FORENSIC_DURATION, &[("video", &secs(video)), ("sound", &secs(sound))]))
}

fn dates(facts: &[(&str, &str)], texts: &[(String, String)]) -> Vec<Found> {
    let of = |name: &str| texts.iter().find(|(k, _)| k == name).and_then(|(_, v)| seconds(v));
    let mut out = Vec::new();
    let mut differ = |a: &str, first: Option<i64>, b: &str, second: Option<i64>, either_way: bool| {
        let (Some(x), Some(y)) = (first, second) else { return };
        let apart = x - y;
        if apart > DAY_SECS || (either_way && apart < -DAY_SECS) {
            let days = format!("{:.1}", apart as f64 / DAY_SECS as f64);
            out.push(Found::new(&FORENSIC_DATE, &[("earlier", b), ("later", a), ("days", &days)]));
        }
    };
    differ("captured (EXIF)", of("DateTimeOriginal"), "changed (EXIF)", of("DateTime"), false);
    let movie = fact(facts, "movie created").and_then(|t| t.parse().ok());
    differ(
        "created (QuickTime key)",
        of("com.apple.quicktime.creationdate"),
        "created (movie header)",
        movie,
        true,
    );
    let track = fact(facts, "track 1 created").and_then(|t| t.parse().ok());
    differ("created (track header)", track, "created (movie header)", movie, true);
    out
}

/// Seconds since 1970 of `YYYY:MM:DD hh:mm:ss` (Exif 2.32) or `YYYY-MM-DDThh:mm:ss` (ISO 8601), zones ignored.
fn seconds(text: &str) -> Option<i64> {
    let n: Vec<i64> =
        text.get(..19)?.split([':', '-', ' ', 'T']).map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let &[year, month, day, h, m, s] = n.as_slice() else { return None };
    if !(1900..=2200).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from civil date: years begin in March, so that leap days come last.
    let (y, shifted) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * DAY_SECS + h * 3_600 + m * 60 + s)
}

/// Makers of cameras and phones, as they write themselves into EXIF and QuickTime keys.
const MAKERS: [&str; 14] = [
    "apple",
    "canon",
    "nikon",
    "sony",
    "samsung",
    "google",
    "huawei",
    "xiaomi",
    "fujifilm",
    "panasonic",
    "olympus",
    "dji",
    "gopro",
    "leica",
];
/// Software that runs on no camera.
const EDITORS: [&str; 12] = [
    "photoshop",
    "gimp",
    "lightroom",
    "lavf",
    "lavc",
    "imagemagick",
    "premiere",
    "handbrake",
    "capcut",
    "canva",
    "davinci",
    "after effects",
];

fn camera(texts: &[(String, String)]) -> Option<Found> {
    let named = |keys: &[&str], words: &[&str]| {
        texts.iter().filter(|(k, _)| keys.contains(&k.as_str())).map(|(_, v)| v.trim()).find(|v| {
            let lower = v.to_lowercase();
            words.iter().any(|w| lower.contains(w))
        })
    };
    let make = named(&["Make", "\u{a9}mak", "com.apple.quicktime.make"], &MAKERS)?;
    let software = named(
        &["Software", "encoder", "Encoder", "\u{a9}too", "\u{a9}swr", "com.apple.quicktime.software"],
        &EDITORS,
    )?;
    Some(Found::new(&FORENSIC_CAMERA, &[("make", make), ("software", software)]))
}

/// A thumbnail is made from the picture: another shape means that only one of them was cropped. Cameras letterbox
/// thumbnails to 4:3, so that shape is passed over, and so is a turned picture.
fn thumbnail_shape(facts: &[(&str, &str)], thumbnail: (u16, u16)) -> Option<Found> {
    let (w, h) = fact(facts, "picture size")?.split_once(' ')?;
    let (w, h): (f64, f64) = (w.parse().ok()?, h.parse().ok()?);
    let (tw, th) = (f64::from(thumbnail.0), f64::from(thumbnail.1));
    if w < 1.0 || h < 1.0 || tw < 16.0 || th < 16.0 {
        return None;
    }
    // Two pixels of rounding on the thumbnail's shorter side.
    let near = |a: f64, b: f64| (a / b - 1.0).abs() <= 2.0 / tw.min(th) + 0.01;
    let same = near(w / h, tw / th) || near(h / w, tw / th) || near(4.0 / 3.0, tw / th);
    let text = |a: f64, b: f64| format!("{a:.0} x {b:.0}");
    (!same)
        .then(|| Found::new(&FORENSIC_THUMBNAIL, &[("picture", &text(w, h)), ("thumbnail", &text(tw, th))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(facts: &[(&str, &str)], texts: &[(&str, &str)]) -> Vec<&'static str> {
        let mut fields = Vec::new();
        for (name, value) in facts {
            fields.push(Field::Fact { name: (*name).into(), value: (*value).into() });
        }
        let texts: Vec<(String, String)> = texts.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        read(&fields, &texts).iter().map(|f| f.code.name).collect()
    }

    #[test]
    fn tables_are_matched_at_their_quality() {
        let table = libjpeg(92).map(|v| v.to_string()).collect::<Vec<_>>().join(" ");
        let found = quantisation(&[("quantisation 0", &table)]).unwrap();
        assert!(found.detail.iter().any(|(_, v)| v == "libjpeg, quality 92"), "{found:?}");
        let other = table.replacen('3', "2", 1);
        let found = quantisation(&[("quantisation 0", &other)]).unwrap();
        assert!(found.detail.iter().any(|(_, v)| v.starts_with("not libjpeg")), "{found:?}");
    }

    #[test]
    fn alignment_is_no_edit() {
        assert!(codes(&[("track 1 edits", "1024")], &[]).is_empty());
        assert!(codes(&[("track 1 edits", "pause 0")], &[]).is_empty());
        assert_eq!(codes(&[("track 1 edits", "0 90000")], &[]), ["forensics.edit_list"]);
        assert_eq!(codes(&[("track 2 edits", "0 pause")], &[]), ["forensics.edit_list"]);
    }

    #[test]
    fn lengths_and_dates_that_contradict_each_other() {
        let tracks = |sound| {
            [
                ("track 1 kind", "vide"),
                ("track 1 duration_us", "10000000"),
                ("track 2 kind", "soun"),
                ("track 2 duration_us", sound),
            ]
        };
        assert!(codes(&tracks("10090000"), &[]).is_empty());
        assert_eq!(codes(&tracks("12000000"), &[]), ["forensics.duration_mismatch"]);
        assert!(codes(&tracks("0"), &[]).is_empty());
        let exif = |changed| [("DateTimeOriginal", "2024:03:01 10:00:00"), ("DateTime", changed)];
        assert!(codes(&[], &exif("2024:02:29 22:00:00")).is_empty());
        assert!(codes(&[], &exif("2025:01:01 00:00:00")).is_empty());
        assert_eq!(codes(&[], &exif("2024:02:27 00:00:00")), ["forensics.date_mismatch"]);
        assert_eq!(seconds("1970-01-02T00:00:01"), Some(86_401));
    }

    #[test]
    fn a_thumbnail_of_another_shape_is_named() {
        let size = [("picture size", "1920 1080")];
        assert!(thumbnail_shape(&size, (160, 90)).is_none());
        assert!(thumbnail_shape(&size, (160, 120)).is_none());
        assert!(thumbnail_shape(&size, (160, 160)).is_some());
    }
}
