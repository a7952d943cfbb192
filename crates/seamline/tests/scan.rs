//! The whole path on real media: the real binary, the real jail, the real models.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

mod common;

use common::{root, scan, seamline};
use seamline_testkit::clips::{self, moving_face, reading, talking_face, transcoded};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_talking_face_gets_one_verdict_with_evidence_for_face_and_voice() {
    let clip = talking_face().unwrap();
    let s = scan(&[&clip], &[]);
    let v = s.verdicts();
    assert_eq!(v.len(), 1);
    assert_eq!(v[0]["path"], clip.to_string_lossy().as_ref());
    assert_eq!(v[0]["sha256"].as_str().unwrap().len(), 64);
    assert_ne!(v[0]["conclusion"], "supports_spoof", "{}", v[0]);
    assert_eq!(s.lines.first().unwrap()["type"], "begin");
    assert_eq!(s.lines.last().unwrap()["type"], "end");
    assert_eq!(s.lines[0]["jail"], serde_json::json!({"seccomp": true, "landlock": "full"}));
    let voice =
        s.evidence().into_iter().find(|e| e["detector"] == "voice-whisper" && e["rollup"] == true).unwrap();
    assert_eq!(voice["outcome"], "scored");
    assert!(voice["quality"]["speech_secs"].as_f64().unwrap() > 2.0, "{voice}");
    assert!(v[0]["aspects"]["voice"]["llr"].is_number());
    assert_eq!(v[0]["aspects"].as_object().unwrap().len(), 8);
    let faces: Vec<_> = s
        .evidence()
        .into_iter()
        .filter(|e| e["aspect"] == "face" && e["subject"]["kind"] == "track")
        .collect();
    assert!(!faces.is_empty(), "the drawn face is followed");
    assert!(faces[0]["quality"]["face_px"].as_f64().unwrap() > 60.0);
}

#[test]
fn a_face_is_followed_and_compared_with_the_sound_where_that_is_asked_for() {
    let clip = talking_face().unwrap();
    let fast = scan(&[&clip], &[]);
    assert!(
        fast.evidence().iter().all(|e| e["detector"] != "face-temporal"),
        "too dear for the fast profile"
    );
    for arguments in [&["--profile", "thorough"][..], &["--detectors", "face-temporal"]] {
        let s = scan(&[&clip], arguments);
        let said: Vec<_> = s.evidence().into_iter().filter(|e| e["detector"] == "face-temporal").collect();
        let face = said.iter().find(|e| e["aspect"] == "face" && e["rollup"] == true).unwrap();
        assert_eq!(face["outcome"], "scored", "{face}");
        // A hint: it has no threshold, and its likelihood ratio ends at 1.
        assert!(face.get("supports_spoof_at").is_none(), "{face}");
        assert!(face["llr"]["value"].as_f64().is_none_or(|v| v.abs() <= 1.0), "{face}");
        // 80 ms apart over four seconds, less what the first face took to be found.
        let pictures = face["quality"]["samples"].as_f64().unwrap();
        assert!((40.0..=52.0).contains(&pictures), "{pictures}");
        let sync = said.iter().find(|e| e["aspect"] == "sync").unwrap();
        assert!(sync["code"].is_string() || sync["outcome"] == "abstained", "{sync}");
        assert_ne!(s.verdicts()[0]["conclusion"], "supports_spoof");
    }
}

#[test]
fn sound_that_was_left_out_shows_in_the_timestamps() {
    let args = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"];
    let whole = transcoded("whole.mkv", &args).unwrap();
    let cut = [&["-af", "aselect='lt(t,1)+gt(t,2.5)'"], &args[..]].concat();
    let cut = transcoded("left-out.mkv", &cut).unwrap();
    let jumps = |path: &Path| -> Vec<f64> {
        let scan = scan(&[path], &["--detectors", "voice-whisper"]);
        let evidence = scan.evidence();
        let found = evidence.iter().filter(|e| e["code"] == "forensics.timestamp_jump");
        found.map(|e| e["detail"][0][1].as_str().unwrap().parse().unwrap()).collect()
    };
    assert!(jumps(&whole).is_empty());
    let found = jumps(&cut);
    assert!(found.len() == 1 && (found[0] - 1.5).abs() < 0.2, "{found:?}");
}

#[test]
fn synthesised_speech_scores_above_a_reading() {
    let text = "The quick brown fox jumps over the lazy dog, and then it looks back to see whether anybody has noticed it.";
    let fake = clips::cached("flite.wav", text, |out| {
        let status = Command::new("flite").args(["-voice", "slt", "-t", text, "-o"]).arg(out).status()?;
        assert!(status.success());
        Ok(())
    })
    .unwrap();
    let s = scan(&[&reading(), &fake], &["--detectors", "voice-whisper"]);
    let score = |i: usize| s.verdicts()[i]["aspects"]["voice"]["score"].as_f64().unwrap();
    assert!(score(1) > score(0) + 1.0, "reading {}, flite {}", score(0), score(1));
    assert_ne!(s.verdicts()[0]["conclusion"], "supports_spoof");
}

#[test]
fn nothing_to_judge_is_not_assessable_with_reasons() {
    let blank = clips::generated(
        "blank.mp4",
        &["-f", "lavfi", "-i", "color=gray:s=160x120:r=10:d=1", "-c:v", "libx264"],
    )
    .unwrap();
    let s = scan(&[&blank], &[]);
    let v = s.verdicts()[0];
    assert_eq!(v["conclusion"], "not_assessable");
    assert!(v["llr"].is_null());
    assert!(v["aspects"]["voice"]["reasons"][0].as_str().unwrap().contains("no sound"));
    assert!(v["aspects"]["face"]["reasons"][0].as_str().unwrap().contains("no face"), "{v}");
    assert_eq!(s.code(), 1);

    // A buzz that swells like syllables, and is none.
    let harmonics: Vec<String> = (1..=8).map(|k| format!("sin(2*PI*120*{k}*t)/{k}")).collect();
    let source = format!("aevalsrc=0.2*({})*(0.5+0.5*sin(2*PI*3*t)):s=16000:d=12", harmonics.join("+"));
    let buzz = clips::generated("buzz.wav", &["-f", "lavfi", "-i", &source]).unwrap();
    let s = scan(&[&buzz], &[]);
    let v = s.verdicts()[0];
    assert_eq!(v["conclusion"], "not_assessable", "{v}");
    assert!(v["aspects"]["voice"]["reasons"][0].as_str().unwrap().contains("no speech found"), "{v}");
}

#[test]
fn the_report_is_the_same_to_the_byte_whatever_the_number_of_jobs() {
    let a = talking_face().unwrap();
    let b = transcoded("jobs.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]).unwrap();
    let c = reading();
    let missing = Path::new("no-such-clip.mp4");
    let paths: Vec<&Path> = vec![&a, &b, &c, missing, &b, &a];
    let one = scan(&paths, &["-j", "1"]);
    let three = scan(&paths, &["-j", "3"]);
    assert_eq!(one.verdicts().len(), 6);
    assert_eq!(one.text, three.text);
}

#[test]
fn a_folder_and_a_pipe_give_one_verdict_a_file_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.wav", "a.wav"] {
        std::fs::copy(reading(), dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), "not media").unwrap();
    let s = scan(&[dir.path()], &["-j", "2"]);
    let names = |s: &common::Scan| -> Vec<String> {
        s.verdicts()
            .iter()
            .map(|v| v["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&s), ["a.wav", "b.wav"]);
    let out = dir.path().join("pipe.jsonl");
    let mut child = seamline()
        .args(["scan", "-", "-0", "--quiet", "--out"])
        .arg(&out)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    {
        use std::io::Write;
        let mut pipe = child.stdin.take().unwrap();
        write!(pipe, "{0}/b.wav\0{0}/a.wav\0", dir.path().display()).unwrap();
    }
    assert!(child.wait().unwrap().success());
    let text = std::fs::read_to_string(out).unwrap();
    assert_eq!(text.matches("\"type\":\"verdict\"").count(), 2);
}

#[test]
fn no_internet_socket_is_ever_opened() {
    let clip = talking_face().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("trace");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=socket,connect,bind,sendto", "-o"])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_seamline"))
        .args(["scan", "--quiet", "--out", "/dev/null"])
        .arg(&clip)
        .env("SEAMLINE_HOME", root())
        .status()
        .unwrap();
    assert!(status.code().is_some_and(|c| c <= 1), "{status}");
    let text = std::fs::read_to_string(&log).unwrap();
    for family in ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"] {
        assert!(
            !text.contains(family),
            "{family} in: {}",
            text.lines().find(|l| l.contains(family)).unwrap()
        );
    }
}

#[test]
fn thorough_looks_at_more_and_html_pages_stand_alone() {
    let clip = moving_face(
        "two-secs.mp4",
        640,
        480,
        50,
        &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"],
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let html = dir.path().to_string_lossy().into_owned();
    let folder = tempfile::tempdir().unwrap();
    let twin = folder.path().join(clip.file_name().unwrap());
    std::fs::copy(&clip, &twin).unwrap();
    let fast = scan(&[&clip, &twin], &["--html", &html]);
    let drawn = tempfile::tempdir().unwrap();
    let thorough = scan(&[&clip], &["--profile", "thorough", "--html", &drawn.path().to_string_lossy()]);
    let samples = |s: &common::Scan| {
        s.evidence()
            .iter()
            .filter_map(|e| (e["aspect"] == "face").then(|| e["quality"]["samples"].as_u64()).flatten())
            .max()
            .unwrap_or(0)
    };
    assert!(samples(&thorough) > samples(&fast), "{} {}", samples(&thorough), samples(&fast));
    // A drawn face does not reach the operating point: only the thorough profile shows what its score rests on.
    let page_of = |folder: &std::path::Path| {
        let pages = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        pages
            .filter(|p| !p.ends_with("report.html"))
            .map(|p| std::fs::read_to_string(p).unwrap())
            .next()
            .unwrap()
    };
    assert!(!page_of(dir.path()).contains("What the score rests on"));
    let page = page_of(drawn.path());
    assert!(page.contains("What the score rests on") && page.contains("class=\"heated\""));
    // Nothing is drawn into the evidence: the lines are those of a scan without a page.
    assert_eq!(thorough.evidence(), scan(&[&clip], &["--profile", "thorough"]).evidence());
    let pages: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(pages.len(), 3, "an index and a page a clip, also for twins: {pages:?}");
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for outside in ["src=\"http", "href=\"http", "url(http", "<script"] {
            assert!(!text.contains(outside), "{} has {outside}", page.display());
        }
    }
}
