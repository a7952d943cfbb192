//! Pages: self-contained, well-formed, the same twice, and no string of a clip becomes markup.

#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

mod common;

use common::*;
use seamline_core::{ClipRecord, Sha256Hash};
use seamline_report::html::{IndexEntry, campaign_page, clip_page, file_name, index_page};

fn index(records: &[ClipRecord]) -> String {
    let entries: Vec<_> = records.iter().map(|r| IndexEntry::new(r, file_name(r))).collect();
    index_page(&entries, &totals(records), &info())
}

fn pages() -> Vec<String> {
    let mut records = all();
    records.push(crowded());
    let mut pages: Vec<_> = records.iter().map(|r| clip_page(r, &info())).collect();
    pages.push(index(&all()));
    pages.push(index(&[]));
    pages.push(campaign_page(&dossier(), "0.1.0"));
    pages
}

/// Elements without an end tag.
const VOID: [&str; 3] = ["meta", "img", "br"];

/// Every tag, in order; checks that `<` begins one, that attributes are quoted, and that tags nest.
fn tags(page: &str) -> Vec<String> {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (style, tail) = rest.split_once("</style>").unwrap();
    assert!(!style.contains('<'));
    let mut all = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let text = format!("{}{tail}", head.strip_prefix("<!DOCTYPE html>").unwrap());
    let mut left = text.as_str();
    while let Some(at) = left.find('<') {
        left = &left[at + 1..];
        let mut quoted = false;
        let end = left
            .char_indices()
            .find(|(_, c)| {
                quoted ^= *c == '"';
                assert!(!(quoted && *c == '<'), "< inside an attribute: {}", &left[..60.min(left.len())]);
                *c == '>' && !quoted
            })
            .unwrap()
            .0;
        let tag = &left[..end];
        left = &left[end + 1..];
        let name = tag.split(' ').next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "ends in order");
        } else {
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "a tag: {tag}");
            if !VOID.contains(&name) {
                open.push(name.into());
            }
            all.push(tag.to_owned());
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    all
}

#[test]
fn pages_are_well_formed_and_ask_for_nothing() {
    for page in pages() {
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("@import"));
        let mut ids = std::collections::BTreeSet::new();
        for tag in tags(&page) {
            let name = tag.split(' ').next().unwrap().to_owned();
            assert!(
                !["script", "iframe", "object", "embed", "link", "base", "form", "video", "audio"]
                    .contains(&name.as_str())
            );
            for attribute in tag.split('"').step_by(2) {
                let attribute = attribute.trim().rsplit(' ').next().unwrap_or_default();
                assert!(!attribute.starts_with("on"), "a handler: {tag}");
            }
            if let Some((_, src)) = tag.split_once(" src=\"") {
                assert!(
                    src.starts_with("data:image/png;base64,") || src.starts_with("data:image/jpeg;base64,"),
                    "{tag}"
                );
                assert!(tag.contains(" alt=\""), "{tag}");
            }
            if let Some((_, href)) = tag.split_once(" href=\"") {
                assert!(href.starts_with('#') || href.starts_with("./"), "{tag}");
            }
            if let Some((_, id)) = tag.split_once(" id=\"") {
                assert!(ids.insert(id.split('"').next().unwrap().to_owned()), "twice: {tag}");
            }
        }
        // Every link on the page leads somewhere.
        for href in page.split("href=\"#").skip(1).map(|h| h.split('"').next().unwrap()) {
            assert!(ids.contains(href), "#{href}");
        }
    }
}

#[test]
fn a_clip_s_strings_never_become_markup() {
    for page in [clip_page(&hostile(), &info()), index(&[hostile()]), campaign_page(&dossier(), "0.1.0")] {
        tags(&page);
        assert!(!page.contains("<script") && !page.contains("<img src=x"));
        assert!(page.contains("&lt;script&gt;"));
        // Neither terminal escapes nor a reversed reading order.
        assert!(!page.contains(['\u{1b}', '\u{7}', '\u{202e}']));
        assert!(page.contains("\\u{202e}"));
    }
    let page = clip_page(&hostile(), &info());
    // Both faces are not clean; the spectrogram and two crops are, one of them shown twice.
    assert_eq!(page.matches("<img ").count(), 4);
    assert_eq!(page.matches("This picture is not shown").count(), 2);
}

#[test]
fn a_campaign_s_page_shows_who_saw_what_when_and_what_is_shared() {
    let page = campaign_page(&dossier(), "0.1.0");
    for text in [
        "Campaign, confirmed",
        "3 sightings",
        "on 3 channels",
        "channel not said",
        "the same pictures",
        "mirrored",
        "00:03.0 to 00:17.0",
        "00:41.0 to 00:55.0",
        "supports spoof",
        "+3.20",
        "Verdicts so far",
        "confirmed it as a campaign",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Of two clips with a picture one has a JPEG, shown with the clip and beside what it shares.
    assert_eq!(page.matches("<img ").count(), 2, "what is no JPEG is not shown");
    assert_eq!(page.matches("class=\"dot ").count(), 3);
    let mut proposed = dossier();
    proposed.detail.summary.confirmed = false;
    proposed.detail.decisions.clear();
    assert!(campaign_page(&proposed, "0.1.0").contains("A proposal: these clips share"));
}

#[test]
fn only_clean_png_and_jpeg_are_shown() {
    for (media_type, base64) in [
        ("image/svg+xml", FACE.to_owned()),
        ("text/html", FACE.to_owned()),
        ("image/png", format!("{FACE}\"")),
        ("image/png", format!("{FACE}\n===")),
        ("image/png", "AAAA".to_owned()),
        ("image/jpeg", FACE.to_owned()),
        ("image/png", format!("{FACE}=")),
        ("image/png", String::new()),
    ] {
        let mut record = spoof_voice();
        record.exhibits.truncate(1);
        record.exhibits[0].media_type = media_type.into();
        record.exhibits[0].base64 = base64;
        assert!(!clip_page(&record, &info()).contains("<img "), "{media_type}");
    }
}

#[test]
fn what_a_score_rests_on_is_drawn_beside_the_crop() {
    let page = clip_page(&spoof_voice(), &info());
    let film = page.split_once("class=\"film\"").unwrap().1.split_once("</div><p").unwrap().0;
    assert_eq!(film.matches("<img ").count(), 3, "two crops, the first of them once more under its map");
    assert_eq!(film.matches("<svg ").count(), 1);
    assert!(page.contains("where that lowers the score it stays bright (by 1.78 at most)"));
    // The framed cells are those around the mouth.
    let path = film.split_once("class=\"over\" d=\"").unwrap().1.split_once('"').unwrap().0;
    let row = |p: &str| p.split_once(' ')?.1.split(['h', 'v']).next()?.parse::<u32>().ok();
    let rows: Vec<u32> = path.split('M').filter_map(row).collect();
    assert!(!rows.is_empty() && rows.iter().all(|y| (8..=11).contains(y)), "{path}");

    // A map over what is no picture would explain nothing.
    let mut record = spoof_voice();
    record.exhibits.retain(|x| x.heat.is_some());
    record.exhibits[0].base64 = "AAAA".into();
    let page = clip_page(&record, &info());
    let film = page.split_once("class=\"film\"").unwrap().1.split_once("</div><p").unwrap().0;
    assert!(!film.contains("<svg ") && !film.contains("<img "));
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    assert_eq!(pages(), pages());
}

#[test]
fn a_page_says_what_a_reader_needs() {
    let page = clip_page(&spoof_voice(), &info());
    for text in [
        "Supports spoof",
        "Moderate support",
        "about 25 times as probable",
        "8.2 to 74 times",
        "+3.20 [+2.10, +4.30]",
        "not proof",
        "faces too small",
        "1.7 % of genuine clips, 95 % bounds 0.6 to 3.6 %",
        "5,242,881 bytes",
        &Sha256Hash::of(b"spoof voice").to_string(),
        &Sha256Hash::of(b"pipeline").to_string(),
        "max-aspect/1",
        "Landlock full",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let page = clip_page(&inconclusive(), &info());
    assert!(page.contains("Nothing found is not proof of a genuine clip"));
    let page = clip_page(&bona_fide(), &info());
    assert!(page.contains("rests on a trusted signature or mark in the file"));
    let page_of = |r: &ClipRecord| clip_page(r, &info());
    assert!(page_of(&findings()).contains("rests on what the file says of itself"));
    let unread = page_of(&unreadable());
    assert!(unread.contains("judging broke off") && !unread.contains("everything that was meant"));
    assert!(page.contains("on its own it does not carry the verdict"));
}

#[test]
fn file_names_are_safe_everywhere() {
    let name = |path: &str| {
        let mut record = inconclusive();
        record.path = path.into();
        file_name(&record)
    };
    let hash = Sha256Hash::of(b"inconclusive").short();
    for (path, want) in [
        ("a/b/interview one.wav", "interview-one"),
        ("../../etc/passwd", "passwd"),
        ("..", "clip"),
        ("/", "clip"),
        ("", "clip"),
        ("C:\\x\\..\\evil<>.mp4", "evil"),
        ("影片.mp4", "clip"),
        ("clip 影片 2.mp4", "clip-2"),
        (".hidden.mp4", "hidden"),
        ("-rf.mp4", "rf"),
        ("a...b.mp4", "a.b"),
        ("con.tar.mp4", "clip-con.tar"),
        ("COM1.mp4", "clip-COM1"),
        (&"x".repeat(300), &"x".repeat(40)),
    ] {
        assert_eq!(name(path), format!("{want}.{hash}.html"), "{path}");
    }
    let mut other = unreadable();
    let first = file_name(&other);
    other.path = "elsewhere/clip.mov".into();
    assert_ne!(first, file_name(&other), "files that could not be read do not share a page");
}

#[test]
fn the_index_keeps_its_order_and_encodes_its_links() {
    let page = index(&all());
    let at = |text: &str| page.find(text).unwrap();
    assert!(at("professor_statement") < at("interview.wav") && at("interview.wav") < at("locked/clip.mov"));
    let entry = IndexEntry::new(&inconclusive(), "javascript:alert(1)/..%2f?\"é".into());
    let page = index_page(&[entry], &totals(&[inconclusive()]), &info());
    assert!(page.contains("href=\"./javascript%3Aalert%281%29%2F..%252f%3F%22%C3%A9\""));
}

/// Relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2).
fn luminance(hex: &str) -> f64 {
    let digits = hex.strip_prefix('#').unwrap();
    let step = digits.len() / 3;
    let channel = |i: usize| {
        let part = &digits[i * step..(i + 1) * step];
        let v = f64::from(u8::from_str_radix(&part.repeat(3 - step), 16).unwrap()) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
}

#[test]
fn text_has_the_contrast_that_wcag_aa_asks_for() {
    let style = include_str!("../src/html/style.css");
    for scheme in style.split(":root{").skip(1).take(2) {
        let colours: std::collections::BTreeMap<&str, &str> = scheme
            .split('}')
            .next()
            .unwrap()
            .split(';')
            .filter_map(|d| d.trim().strip_prefix("--").and_then(|d| d.split_once(':')))
            .collect();
        let text = [
            ("ink", &["bg", "card", "s1", "s2", "s3", "b1", "b2", "b3"][..], 3.0),
            ("ink", &["bg", "card", "unclear-bg"], 7.0),
            ("mute", &["bg", "card", "unclear-bg"], 4.5),
            ("link", &["bg", "card", "unclear-bg"], 4.5),
            ("spoof", &["card", "spoof-bg"], 4.5),
            ("bona", &["card", "bona-bg"], 4.5),
            ("unclear", &["bg", "card", "unclear-bg"], 4.5),
            ("none", &["card", "none-bg"], 4.5),
            ("bar-ink", &["raw1", "raw2", "raw3", "b1", "s2", "s3", "unclear-bg"], 4.5),
            ("raw-line", &["card"], 3.0),
        ];
        for (front, backs, least) in text {
            for back in backs {
                let (a, b) = (luminance(colours[front]), luminance(colours[back]));
                let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(ratio >= least, "{front} on {back}: {ratio:.2}, needs {least}");
            }
        }
    }
}

/// Writes pages to look at: `cargo test -p seamline-report --test html -- --ignored`.
#[test]
#[ignore = "for eyes: writes pages into the target folder"]
fn write_pages_to_look_at() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&dir).unwrap();
    for record in all().into_iter().chain([crowded()]) {
        std::fs::write(dir.join(file_name(&record)), clip_page(&record, &info())).unwrap();
    }
    std::fs::write(dir.join("report.html"), index(&all())).unwrap();
    println!("{}", dir.display());
}
