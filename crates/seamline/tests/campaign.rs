//! The thread that analysts follow: record, match, cluster, decide, hand on. Real media through the real binary.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside of #[test] functions

mod common;

use common::seamline;
use seamline_testkit::clips::{generated, reading, talking_face, transcoded};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

struct Place {
    _dir: tempfile::TempDir,
    store: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: dir.path().join("seen.db"), _dir: dir }
    }

    fn run(&self, args: &[&str], paths: &[&Path]) -> Output {
        seamline().args(args).args(paths).arg("--store").arg(&self.store).output().unwrap()
    }

    fn scan(&self, paths: &[&Path], more: &[&str]) {
        // One detector is enough: what a clip can be recognised by does not depend on them.
        let out = self.run(&[&["scan", "--quiet", "--detectors", "voice-whisper"], more].concat(), paths);
        assert!(matches!(out.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&out.stderr));
    }

    fn json(&self, args: &[&str], paths: &[&Path]) -> Vec<Value> {
        let out = self.run(args, paths);
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}"))).collect()
    }

    fn text(&self, args: &[&str]) -> String {
        let out = self.run(args, &[]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

fn mirrored() -> PathBuf {
    let args = ["-vf", "hflip,scale=256:192", "-c:v", "libx264", "-crf", "30", "-c:a", "aac", "-b:a", "48k"];
    transcoded("mirrored.mp4", &args).unwrap()
}

fn unrelated() -> PathBuf {
    let args =
        ["-f", "lavfi", "-i", "mandelbrot=size=320x240:rate=10", "-f", "lavfi", "-i", "sine=330", "-t", "4"];
    generated("mandelbrot.mp4", &[&args[..], &["-c:v", "libx264", "-c:a", "aac"]].concat()).unwrap()
}

#[test]
fn a_mirrored_copy_is_matched_linked_decided_on_and_handed_on() {
    let place = Place::new();
    let (original, copy, other) = (talking_face().unwrap(), mirrored(), unrelated());
    place.scan(
        &[&original],
        &["--seen-at", "https://example.org/1", "--seen-on", "channel one", "--time", "2026-05-01T10:00:00Z"],
    );
    place.scan(&[&other], &[]);

    // Not recorded yet, and found.
    let matches = place.json(&["match", "--json"], &[&copy]);
    assert!(!matches.is_empty());
    let of = |kind: &str| matches.iter().find(|m| m["kind"] == kind).unwrap_or_else(|| panic!("{matches:?}"));
    let m = of("same_pictures");
    assert_eq!(m["path"], original.to_string_lossy().as_ref(), "{m}");
    let number = |name: &str| m[name].as_f64().unwrap();
    assert!((number("speed") - 1.0).abs() < 0.05, "{m}");
    assert!((number("start_s") - number("other_start_s")).abs() < 0.6, "{m}");
    assert!(number("end_s") - number("start_s") > 1.5, "{m}");
    assert_eq!(of("same_pictures")["mirrored"], true);
    assert!(matches.iter().all(|m| m["path"] != other.to_string_lossy().as_ref()));
    let nothing = place.run(&["match", "--json"], &[&other]);
    assert_eq!(nothing.status.code(), Some(1), "its own clip is no match");

    place.scan(&[&copy], &["--seen-on", "channel two", "--time", "2026-05-02"]);
    let list = place.json(&["campaign", "list", "--json"], &[]);
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((&list[0]["members"], &list[0]["sightings"]), (&2.into(), &2.into()), "{list:?}");
    let id = list[0]["id"].to_string();
    let shown = place.text(&["campaign", "show", &id]);
    assert!(shown.contains("mirrored"), "{shown}");
    let seen = place.text(&["campaign", "timeline", &id]);
    assert!(seen.find("channel one").unwrap() < seen.find("channel two").unwrap(), "{seen}");

    place.text(&["campaign", "name", &id, "The borrowed face", "--author", "A. Analyst"]);
    let stix: Value =
        serde_json::from_str(&place.text(&["campaign", "export", &id, "--format", "stix"])).unwrap();
    let types = |bundle: &Value| -> Vec<String> {
        bundle["objects"].as_array().unwrap().iter().map(|o| o["type"].as_str().unwrap().into()).collect()
    };
    assert!(types(&stix).contains(&"grouping".to_owned()) && !types(&stix).contains(&"campaign".to_owned()));
    place.text(&["campaign", "confirm", &id, "--author", "A. Analyst"]);
    let stix: Value =
        serde_json::from_str(&place.text(&["campaign", "export", &id, "--format", "stix"])).unwrap();
    assert!(types(&stix).contains(&"campaign".to_owned()), "{:?}", types(&stix));
    for format in ["opencti", "misp", "csv", "hashes"] {
        assert!(!place.text(&["campaign", "export", &id, "--format", format]).is_empty(), "{format}");
    }
    let page = place.text(&["campaign", "export", &id, "--format", "html"]);
    assert!(page.contains("The borrowed face") && page.contains("channel two") && page.contains("mirrored"));
    assert_eq!(
        page.matches("data:image/jpeg;base64,/9j/").count(),
        4,
        "each with its clip and beside the other"
    );
    let table = place.run(&["campaign", "export", &id, "--format", "parquet"], &[]).stdout;
    assert!(table.starts_with(b"PAR1") && table.ends_with(b"PAR1"));
    let review = ["campaign", "export", &id, "--format", "media-review", "--category", "transformed"];
    assert_eq!(place.run(&review, &[]).status.code(), Some(2), "wants a publisher");
    let review = place.text(&[&review[..], &["--publisher", "Example Desk"]].concat());
    assert!(review.contains("TransformedContent") && review.contains("A. Analyst"), "{review}");
    let dump = place.json(&["store", "export"], &[]);
    let kinds = |kind: &str| dump.iter().filter(|l| l["type"] == kind).count();
    assert_eq!((kinds("clip"), kinds("decision")), (3, 2), "{dump:?}");
    assert!(kinds("link") >= 1);

    // Taken apart by an analyst, it stays apart, whatever is scanned again.
    let hash = list[0]["founder"].as_str().unwrap();
    place.text(&["campaign", "split", &id, &hash[..12], "--author", "A. Analyst"]);
    place.scan(&[&original, &copy], &[]);
    assert!(place.json(&["campaign", "list", "--json"], &[]).is_empty());
    let check = place.text(&["store", "check"]);
    assert!(check.contains("3 clips") && check.contains("0 problems"), "{check}");
}

#[test]
fn sound_alone_is_matched_through_a_lossy_encoder_and_with_its_start_cut_off() {
    let place = Place::new();
    let source = reading();
    let source_name = source.to_string_lossy().into_owned();
    let cut = ["-ss", "2", "-i", &source_name, "-c:a", "libmp3lame", "-b:a", "48k"];
    let cut = generated("reading-cut.mp3", &cut).unwrap();
    place.scan(&[&source], &[]);
    let matches = place.json(&["match", "--json"], &[&cut]);
    let m = matches.iter().find(|m| m["kind"] == "same_audio").unwrap_or_else(|| panic!("{matches:?}"));
    let offset = m["other_start_s"].as_f64().unwrap() - m["start_s"].as_f64().unwrap();
    assert!((offset - 2.0).abs() < 0.3, "{m}");
}

#[test]
fn the_same_reader_of_another_sentence_is_linked_by_voice_and_never_joined_by_it_alone() {
    let place = Place::new();
    let folder = reading().parent().unwrap().to_owned();
    let join = |name: &str, numbers: [&str; 2]| {
        let of = |n: &str| {
            folder
                .join(format!("sense_and_sensibility_01_austen_64kb-{n}.wav"))
                .to_string_lossy()
                .into_owned()
        };
        let args = ["-i", &of(numbers[0]), "-i", &of(numbers[1]), "-filter_complex", "concat=n=2:v=0:a=1"];
        generated(name, &args).unwrap()
    };
    let (one, two) = (join("reader-1.wav", ["0870", "0880"]), join("reader-2.wav", ["0890", "0920"]));
    place.scan(&[&one], &[]);
    let matches = place.json(&["match", "--json"], &[&two]);
    assert_eq!(matches.len(), 1, "{matches:?}");
    assert!(matches[0]["kind"] == "same_voice" && matches[0]["score"].as_f64().unwrap() > 0.86);
    place.scan(&[&two], &[]);
    assert!(place.json(&["campaign", "list", "--json"], &[]).is_empty(), "one reader reads for many");
}

#[test]
fn a_side_file_says_where_each_clip_was_seen_and_a_bad_line_of_it_is_named() {
    let place = Place::new();
    let (original, copy) = (talking_face().unwrap(), mirrored());
    let side = place.store.with_file_name("seen.ndjson");
    let line = |clip: &Path, channel: &str| {
        let (path, at) = (clip.to_string_lossy(), "2026-05-03T08:00:00Z");
        serde_json::json!({ "path": path, "channel": channel, "seen_at": at }).to_string() + "\n"
    };
    let text = [line(&original, "one"), line(&original, "two"), "\n".into(), line(&copy, "three")].concat();
    std::fs::write(&side, &text).unwrap();
    let side_name = side.to_string_lossy().into_owned();
    place.scan(&[&original, &copy], &["--sightings", &side_name]);
    let dump = place.json(&["store", "export"], &[]);
    let mut seen: Vec<usize> = dump.iter().filter_map(|l| l["sightings"].as_array()).map(Vec::len).collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2], "{dump:?}");
    std::fs::write(&side, text + "{\"channel\":\"nowhere\",\"seen_at\":\"2026-05-03\"}\n").unwrap();
    let out = place.run(&["scan", "--sightings", &side_name], &[&original]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2));
    assert!(said.contains("seen.ndjson") && said.contains("line 5") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_store_that_is_not_there_or_no_clip_is_a_clear_error() {
    let place = Place::new();
    for args in [&["campaign", "list"][..], &["store", "check"]] {
        let out = place.run(args, &[]);
        assert_eq!(out.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&out.stderr).contains("no store there"));
    }
    place.scan(&[&unrelated()], &[]);
    let text = seamline_testkit::clips::bytes("words.mp4", b"not a video").unwrap();
    let out = place.run(&["match"], &[&text]);
    assert_eq!(out.status.code(), Some(2));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("words.mp4") && said.lines().count() == 1, "{said}");
    assert!(place.store.with_extension("db.index").is_dir());
}
