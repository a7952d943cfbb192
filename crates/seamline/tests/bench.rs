//! `seamline bench` end to end, on clips made here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

mod common;

use common::seamline;
use seamline_testkit::clips::reading;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A media root with speech under three names (one of them the same bytes) and a protocol.
fn set(dir: &Path) -> PathBuf {
    let media = dir.join("media");
    std::fs::create_dir_all(&media).unwrap();
    std::fs::copy(reading(), media.join("a.wav")).unwrap();
    std::fs::copy(reading(), media.join("same.wav")).unwrap();
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(reading())
        .args(["-af", "asetrate=14400,aresample=16000"])
        .arg(media.join("b.wav"))
        .status()
        .unwrap();
    assert!(out.success());
    let hash = |name: &str| seamline_core::Sha256Hash::of(&std::fs::read(media.join(name)).unwrap());
    let mut text = "trial_id\tpath\tsha256\tmodality\tlabel\tgenerator\tsource\tuse\n".to_owned();
    for (name, label) in [("a.wav", "bonafide"), ("same.wav", "bonafide"), ("b.wav", "spoof")] {
        text += &format!("{name}\t{name}\t{}\taudio\t{label}\tslow\tmade\teval\n", hash(name));
    }
    std::fs::write(dir.join("p.tsv"), text).unwrap();
    media
}

fn bench(dir: &Path, args: &[&str]) -> Output {
    let protocol = dir.join("p.tsv");
    seamline().arg("bench").args(args).arg("--protocol").arg(protocol).output().unwrap()
}

fn run(dir: &Path, media: &Path, out: &str, more: &[&str]) -> Output {
    let (media, out) = (media.to_string_lossy().into_owned(), dir.join(out).to_string_lossy().into_owned());
    let cache = dir.join("cache").to_string_lossy().into_owned();
    let mut args = vec!["run", "--media", &media, "--out", &out, "--cache", &cache, "--split", "eval"];
    args.extend(["--detectors", "voice-whisper", "--resamples", "50", "--quiet"]);
    args.extend(more);
    bench(dir, &args)
}

fn text(o: &Output) -> String {
    String::from_utf8_lossy(&o.stderr).into_owned() + &String::from_utf8_lossy(&o.stdout)
}

#[test]
fn a_run_scans_once_repeats_to_the_byte_and_scores() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let media = set(dir);
    let first = run(dir, &media, "one", &["--conditions", "clean,telephone"]);
    assert!(first.status.success(), "{}", text(&first));
    let evidence = std::fs::read_to_string(dir.join("one/evidence.jsonl")).unwrap();
    let verdicts: Vec<serde_json::Value> = evidence
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .filter(|v| v["type"] == "verdict")
        .collect();
    let names: Vec<_> =
        verdicts.iter().map(|v| (v["trial"].as_str().unwrap(), v["condition"].as_str().unwrap())).collect();
    assert_eq!(
        names,
        [("a.wav", "clean"), ("b.wav", "clean"), ("a.wav", "telephone"), ("b.wav", "telephone")]
    );
    for file in ["metrics.json", "trials.parquet", "report.html", "arena/voice-whisper/result.yaml"] {
        assert!(dir.join("one").join(file).is_file(), "{file}");
    }
    let rows: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(dir.join("one/metrics.json")).unwrap()).unwrap();
    assert!(
        rows.iter().any(|r| r["detector"] == "voice-whisper"
            && r["condition"] == "telephone"
            && r["metric"] == "auc")
    );

    // What was scanned is not scanned again: a kept scan is what the second run reports.
    let scans: Vec<PathBuf> =
        std::fs::read_dir(dir.join("cache/scans")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(scans.len(), 1);
    assert_eq!(std::fs::read_dir(&scans[0]).unwrap().count(), 4);
    let again = run(dir, &media, "two", &["--conditions", "clean,telephone"]);
    assert!(again.status.success(), "{}", text(&again));
    for file in ["evidence.jsonl", "metrics.json", "report.html"] {
        let read = |d: &str| std::fs::read(dir.join(d).join(file)).unwrap();
        assert!(read("one") == read("two"), "{file} differs");
    }
    let kept = std::fs::read_dir(&scans[0]).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&kept, std::fs::read_to_string(&kept).unwrap().replace("voice-whisper", "voice-marked"))
        .unwrap();
    assert!(run(dir, &media, "three", &["--conditions", "clean,telephone"]).status.success());
    assert!(std::fs::read_to_string(dir.join("three/evidence.jsonl")).unwrap().contains("voice-marked"));

    // A detector against itself.
    let e = dir.join("one/evidence.jsonl").to_string_lossy().into_owned();
    let same = bench(dir, &["compare", &e, &e, "--detector-a", "voice-whisper", "--split", "eval"]);
    assert!(same.status.success() && text(&same).contains("+0.0000 [+0.0000, +0.0000]"), "{}", text(&same));
}

#[test]
fn bad_inputs_end_with_code_2_and_name_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let media = set(dir);
    let fails = |o: Output, what: &str| {
        assert_eq!(o.status.code(), Some(2), "{}", text(&o));
        assert!(text(&o).contains(what), "{}", text(&o));
    };
    fails(run(dir, &media, "o", &["--conditions", "mp3"]), "no condition named mp3; there are: h264-crf23");
    fails(run(dir, &media, "o", &["--protocol-format", "xml"]), "no protocol format named xml");
    std::fs::write(media.join("b.wav"), "changed").unwrap();
    fails(run(dir, &media, "o", &[]), "not the file that the protocol names: row 4 b.wav");
    std::fs::remove_file(media.join("b.wav")).unwrap();
    fails(run(dir, &media, "o", &[]), "row 4 b.wav");
    std::fs::write(dir.join("s.csv"), "file_name,score\na.wav,1\nb.wav,2\n").unwrap();
    let scores = format!("theirs=csv:{}", dir.join("s.csv").display());
    fails(bench(dir, &["score", "--evidence", &scores]), "never guessed");
    let ok = bench(dir, &["score", "--evidence", &scores, "--polarity", "higher-is-spoof"]);
    assert!(ok.status.success() && text(&ok).contains("theirs"), "{}", text(&ok));
    std::fs::write(dir.join("s.csv"), "file_name,score\na.wav,1\n").unwrap();
    fails(bench(dir, &["score", "--evidence", &scores, "--polarity", "higher-is-spoof"]), "row 4 b.wav");
}
