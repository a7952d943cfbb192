//! Bad input: a clear one-line failure or a partial verdict; the rest of the batch goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

mod common;

use common::{Scan, scan, seamline};
use seamline_testkit::clips::{self, reading, talking_face, transcoded};
use seamline_testkit::damage::mutate;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Scans `bad` between two good clips: all three must have a verdict, the good ones a real one.
fn among_good(bad: &Path, args: &[&str]) -> Scan {
    let good = reading();
    let s = scan(&[&good, bad, &good], args);
    let v = s.verdicts();
    assert_eq!(v.len(), 3, "{}: {}", bad.display(), s.text);
    for i in [0, 2] {
        assert_eq!(v[i]["conclusion"], "inconclusive", "{}", v[i]);
    }
    assert_eq!(v[0]["aspects"], v[2]["aspects"], "the bad clip changed the next one's verdict");
    s
}

fn expect_failure(bad: &Path, stage: &str, words: &str) {
    let s = among_good(bad, &[]);
    let (at, message) = s.failure().unwrap_or_else(|| panic!("{}: no failure", bad.display()));
    assert_eq!(at, stage, "{}: {message}", bad.display());
    assert!(message.contains(words), "{}: {message}", bad.display());
    assert!(!message.contains('\n') && !message.contains("panicked"), "{message}");
    assert_eq!(s.verdicts()[1]["conclusion"], "not_assessable");
    assert_eq!(s.code(), 1);
}

#[test]
fn files_that_are_no_media_are_named_with_their_stage() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, data: &[u8]| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, data).unwrap();
        path
    };
    expect_failure(&put("empty.mp4", b""), "probe", "empty");
    expect_failure(&put("text.mp4", b"this is not a video\n"), "probe", "not a media file");
    expect_failure(&put("zeros.mp4", &[0; 100_000]), "probe", "");
    expect_failure(&dir.path().join("missing.mp4"), "open", "No such file");
    let link = dir.path().join("loop.mp4");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    expect_failure(&link, "open", "symbolic links");
    let fifo = dir.path().join("pipe.mp4");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    expect_failure(&fifo, "open", "not a regular file");
    expect_failure(Path::new("/dev/zero"), "open", "not a regular file");
}

#[test]
fn an_empty_folder_is_an_error_and_an_unreadable_file_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let s = scan(&[dir.path()], &[]);
    assert_eq!(s.code(), 2);
    assert!(s.stderr().contains("no media files"), "{}", s.stderr());
    // Root reads everything: only meaningful for other users.
    if !rustix::process::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.path().join("closed.wav");
        std::fs::copy(reading(), &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        expect_failure(&path, "open", "ermission denied");
    }
}

#[test]
fn truncated_files_are_judged_on_what_is_there() {
    let whole = transcoded(
        "scan-whole.mp4",
        &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart"],
    )
    .unwrap();
    let data = std::fs::read(&whole).unwrap();
    for (name, len) in [("one-byte-less.mp4", data.len() - 1), ("half.mp4", data.len() / 2)] {
        let cut = clips::bytes(name, &data[..len]).unwrap();
        let s = among_good(&cut, &[]);
        let v = s.verdicts()[1];
        assert_ne!(v["conclusion"], "supports_spoof");
        assert!(s.failure().is_none(), "{name}: {:?}", s.failure());
        if name == "half.mp4" {
            assert!(v["gaps"].to_string().contains("ends before its declared length"), "{v}");
            let found = s.evidence().iter().any(|e| e["code"] == "container.truncated");
            assert!(found);
        }
    }
    // Without its index an mp4 cannot be read at all.
    let late =
        transcoded("late-index.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]).unwrap();
    let data = std::fs::read(&late).unwrap();
    expect_failure(&clips::bytes("no-index.mp4", &data[..data.len() / 2]).unwrap(), "probe", "invalid data");
}

#[test]
fn bombs_hit_their_limits() {
    // 20,000 x 20,000 px in a few kilobytes: a valid PNG header, then zeros.
    let png = clips::cached("bomb.png", "v1", |out| {
        let script = "import sys,zlib,struct\n\
            c=lambda k,d: struct.pack('>I',len(d))+k+d+struct.pack('>I',zlib.crc32(k+d))\n\
            z=zlib.compressobj(9); row=b'\\0'*60001\n\
            data=b''.join(z.compress(row) for _ in range(20000))+z.flush()\n\
            open(sys.argv[1],'wb').write(b'\\x89PNG\\r\\n\\x1a\\n'+c(b'IHDR',struct.pack('>IIBBBBB',20000,20000,8,2,0,0,0))+c(b'IDAT',data)+c(b'IEND',b''))";
        assert!(Command::new("python3").args(["-c", script]).arg(out).status()?.success());
        Ok(())
    })
    .unwrap();
    expect_failure(&png, "probe", "side in pixels is 20000");
    // A text chunk that inflates to 1 GiB.
    let text = clips::cached("text-bomb.png", "v1", |out| {
        let script = "import sys,zlib,struct\n\
            c=lambda k,d: struct.pack('>I',len(d))+k+d+struct.pack('>I',zlib.crc32(k+d))\n\
            z=zlib.compressobj(9); block=b'a'*(1<<20)\n\
            text=b''.join(z.compress(block) for _ in range(1024))+z.flush()\n\
            open(sys.argv[1],'wb').write(b'\\x89PNG\\r\\n\\x1a\\n'+c(b'IHDR',struct.pack('>IIBBBBB',8,8,8,2,0,0,0))+c(b'zTXt',b'parameters\\0\\0'+text)+c(b'IDAT',zlib.compress((b'\\0'+b'\\x80'*24)*8))+c(b'IEND',b''))";
        assert!(Command::new("python3").args(["-c", script]).arg(out).status()?.success());
        Ok(())
    })
    .unwrap();
    let s = among_good(&text, &[]);
    assert!(s.failure().is_none_or(|f| f.0 == "provenance" || f.0 == "decode"), "{:?}", s.failure());
}

#[test]
fn a_video_without_frames_and_one_with_500_streams_do_no_harm() {
    let empty = clips::generated(
        "no-frames.mkv",
        &["-f", "lavfi", "-i", "color=gray:s=64x64:d=1", "-c:v", "libx264", "-frames:v", "0"],
    );
    if let Ok(empty) = empty {
        among_good(&empty, &[]);
    }
    let many = clips::cached("many.mkv", "v1", |out| {
        let maps: Vec<&str> = ["-map", "0:a"].into_iter().cycle().take(1000).collect();
        let head = ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "0.3", "-c:a", "pcm_s16le"];
        clips::ffmpeg(&[&head[..], &maps[..]].concat(), out)
    })
    .unwrap();
    let s = among_good(&many, &[]);
    let streams = s.verdicts()[1]["streams"].as_array().unwrap();
    assert!(streams.len() <= 64, "{}", streams.len());
    assert_eq!(streams.iter().filter(|x| x["judged"] == true).count(), 4);
}

#[test]
fn ten_hours_of_sparse_silence_pass_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("silence.wav");
    let bytes: u32 = 36_000 * 8_000; // 10 h of 8-bit mono at 8 kHz
    let mut head = b"RIFF".to_vec();
    head.extend((36 + bytes).to_le_bytes());
    head.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    head.extend(8_000u32.to_le_bytes());
    head.extend(8_000u32.to_le_bytes());
    head.extend(b"\x01\0\x08\0data");
    head.extend(bytes.to_le_bytes());
    std::fs::write(&path, head).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(u64::from(bytes) + 44).unwrap();
    let s = scan(&[&path], &["--max-wall-secs", "600"]);
    let v = s.verdicts()[0];
    assert_eq!(v["conclusion"], "not_assessable", "{v}");
    assert!(s.failure().is_none(), "{:?}", s.failure());
}

#[test]
fn a_thousand_mutations_of_five_clips_cost_nothing_but_themselves() {
    let sources = [
        transcoded(
            "fuzz.mp4",
            &["-t", "0.6", "-vf", "scale=64:48", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"],
        )
        .unwrap(),
        transcoded(
            "fuzz.webm",
            &[
                "-t",
                "0.6",
                "-vf",
                "scale=64:48",
                "-c:v",
                "libvpx",
                "-deadline",
                "realtime",
                "-c:a",
                "libopus",
            ],
        )
        .unwrap(),
        transcoded("fuzz.gif", &["-t", "0.4", "-vf", "scale=64:48", "-r", "5", "-an"]).unwrap(),
        transcoded("fuzz.mp3", &["-t", "1", "-vn", "-c:a", "libmp3lame", "-b:a", "32k"]).unwrap(),
        transcoded("fuzz.png", &["-frames:v", "1", "-vf", "scale=64:48"]).unwrap(),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (i, source) in sources.iter().enumerate() {
        let data = std::fs::read(source).unwrap();
        let kind = source.extension().unwrap().to_str().unwrap();
        for seed in 0..200u64 {
            std::fs::write(
                dir.path().join(format!("{i}-{seed:03}.{kind}")),
                mutate(&data, seed * 5 + i as u64),
            )
            .unwrap();
        }
    }
    let began = Instant::now();
    let s = scan(&[dir.path()], &["-j", "2", "--max-wall-secs", "20"]);
    assert!(s.code() == 0 || s.code() == 1, "{} {}", s.code(), s.stderr());
    assert_eq!(s.verdicts().len(), 1000);
    assert_eq!(s.lines.last().unwrap()["clips"], 1000);
    let crashes: Vec<_> = s
        .evidence()
        .into_iter()
        .filter(|e| e["outcome"] == "failed" && e["stage"] == "worker")
        .map(|e| format!("{} {}", e["path"], e["message"]))
        .collect();
    assert!(crashes.is_empty(), "{crashes:#?}");
    assert!(began.elapsed() < Duration::from_secs(600));
}

#[test]
fn a_changed_model_byte_and_a_missing_runtime_stop_the_scan_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    for folder in ["models", "lib"] {
        std::fs::create_dir_all(cache.join(folder)).unwrap();
        for entry in std::fs::read_dir(common::root().join(".cache").join(folder)).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, cache.join(folder).join(from.file_name().unwrap())).unwrap();
        }
    }
    let run = || seamline().arg("scan").arg(reading()).env("SEAMLINE_CACHE", &cache).output().unwrap();
    assert!(run().status.success());
    let model = cache.join("models/voice-whisper.onnx");
    let mut data = std::fs::read(&model).unwrap();
    let middle = data.len() / 2;
    data[middle] ^= 1;
    std::fs::write(&model, &data).unwrap();
    let out = run();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2));
    assert!(text.contains("voice-whisper.onnx") && text.contains("the manifest pins"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    std::fs::remove_dir_all(cache.join("lib")).unwrap();
    let out = run();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2));
    assert!(text.contains("ONNX Runtime") && text.contains("setup.sh"), "{text}");
}

#[test]
fn a_full_disk_is_a_clear_error() {
    let out = seamline().arg("scan").arg(reading()).args(["--quiet", "--out", "/dev/full"]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains("/dev/full") && text.contains("No space left"), "{text}");
}

#[test]
fn an_interrupt_leaves_whole_clips_only() {
    let dir = tempfile::tempdir().unwrap();
    let clip = talking_face().unwrap();
    for i in 0..40 {
        std::fs::copy(&clip, dir.path().join(format!("{i:02}.mkv"))).unwrap();
    }
    let out = dir.path().join("out.jsonl");
    let mut child = seamline()
        .arg("scan")
        .arg(dir.path())
        .args(["-j", "2", "--quiet", "--out"])
        .arg(&out)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while std::fs::read_to_string(&out).unwrap_or_default().matches("\"type\":\"verdict\"").count() < 3 {
        assert!(Instant::now() < deadline, "no verdicts");
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let verdicts = lines.iter().filter(|l| l["type"] == "verdict").count();
    assert!((3..40).contains(&verdicts), "{verdicts}");
    let end = lines.last().unwrap();
    assert_eq!(end["type"], "end");
    assert_eq!(end["interrupted"], true);
    assert_eq!(end["clips"], verdicts as u64);
}
