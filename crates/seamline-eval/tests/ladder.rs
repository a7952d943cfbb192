//! The ladder on small clips made here.
#![allow(clippy::unwrap_used)]

use seamline_core::Sha256Hash;
use seamline_eval::ladder::{Condition, LADDER, Ladder, LadderError};
use seamline_eval::protocol::Modality;
use std::path::{Path, PathBuf};
use std::process::Command;

fn make(dir: &Path, name: &str, args: &[&str]) -> (PathBuf, Sha256Hash) {
    let path = dir.join(name);
    let out = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).arg(&path).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let hash = Sha256Hash::of(&std::fs::read(&path).unwrap());
    (path, hash)
}

fn samples(path: &Path) -> Vec<f32> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "f32le", "-c:a", "pcm_f32le", "-"])
        .output()
        .unwrap();
    out.stdout.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn stream(path: &Path, entries: &str) -> String {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", entries, "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stdout).trim().replace('\n', ";")
}

#[test]
fn every_condition_makes_the_same_bytes_twice_and_other_bytes_than_the_clip() {
    let dir = tempfile::tempdir().unwrap();
    // An odd height: 4:2:0 needs even sides.
    let video = make(
        dir.path(),
        "v.mkv",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=642x501:d=0.4",
            "-f",
            "lavfi",
            "-i",
            "sine=d=0.4",
            "-c:v",
            "ffv1",
            "-c:a",
            "flac",
        ],
    );
    let audio = make(dir.path(), "a.flac", &["-f", "lavfi", "-i", "sine=f=440:r=22050:d=1.5"]);
    let image = make(dir.path(), "i.png", &["-f", "lavfi", "-i", "testsrc2=s=321x200", "-frames:v", "1"]);
    let (first, second) =
        (Ladder::new(&dir.path().join("1")).unwrap(), Ladder::new(&dir.path().join("2")).unwrap());
    let mut hashes = std::collections::BTreeSet::new();
    let mut made = 0;
    for condition in LADDER {
        for (modality, (path, hash)) in
            [(Modality::Video, &video), (Modality::Audio, &audio), (Modality::Image, &image)]
        {
            if !condition.takes(modality) {
                continue;
            }
            let bytes =
                |l: &Ladder| std::fs::read(l.make(condition, modality, path, *hash).unwrap()).unwrap();
            let (a, b) = (bytes(&first), bytes(&second));
            assert!(a == b, "{} is not deterministic", condition.id);
            assert!(hashes.insert(Sha256Hash::of(&a)), "{} is another condition", condition.id);
            assert_ne!(Sha256Hash::of(&a), *hash);
            made += 1;
        }
    }
    assert_eq!(made, 18);
    // What is there is not made again.
    let c = Condition::find("mp3-64k").unwrap();
    let done = first.make(c, Modality::Audio, &audio.0, audio.1).unwrap();
    std::fs::write(&done, "kept").unwrap();
    assert_eq!(std::fs::read(first.make(c, Modality::Audio, &audio.0, audio.1).unwrap()).unwrap(), b"kept");
    assert!(matches!(Condition::find("mp3").unwrap_err(), LadderError::Unknown { .. }));
}

#[test]
fn conditions_are_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let video = make(
        dir.path(),
        "v.mkv",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=720x1280:d=0.2",
            "-f",
            "lavfi",
            "-i",
            "sine=d=0.2:r=44100",
            "-c:v",
            "ffv1",
            "-c:a",
            "flac",
        ],
    );
    let small = make(dir.path(), "s.mkv", &["-f", "lavfi", "-i", "testsrc2=s=160x120:d=0.2", "-c:v", "ffv1"]);
    let audio = make(dir.path(), "a.flac", &["-f", "lavfi", "-i", "anoisesrc=r=16000:d=2:a=0.2:seed=3"]);
    let ladder = Ladder::new(&dir.path().join("c")).unwrap();
    let under = |id: &str, m, clip: &(PathBuf, Sha256Hash)| {
        ladder.make(Condition::find(id).unwrap(), m, &clip.0, clip.1).unwrap()
    };
    let wa = under("whatsapp", Modality::Video, &video);
    assert_eq!(stream(&wa, "stream=codec_name,width,height,channels"), "h264,480,854;aac,1");
    assert_eq!(stream(&under("240p", Modality::Video, &small), "stream=width,height"), "160,120");
    let phone = under("telephone", Modality::Audio, &audio);
    assert_eq!(stream(&phone, "stream=codec_name,sample_rate,channels"), "pcm_mulaw,8000,1");
    let (clean, fast) = (samples(&audio.0), samples(&under("speed-1.05", Modality::Audio, &audio)));
    let ratio = clean.len() as f64 / fast.len() as f64;
    assert!((ratio - 1.05).abs() < 0.002, "{ratio}");
    let power = |s: &mut dyn Iterator<Item = f64>| {
        let v: Vec<f64> = s.collect();
        v.iter().map(|x| x * x).sum::<f64>() / v.len() as f64
    };
    for (id, want) in [("noise-20db", 20.0), ("noise-10db", 10.0)] {
        let noisy = samples(&under(id, Modality::Audio, &audio));
        assert_eq!(noisy.len(), clean.len());
        let signal = power(&mut clean.iter().map(|s| f64::from(*s)));
        let noise = power(&mut noisy.iter().zip(&clean).map(|(n, c)| f64::from(n - c)));
        let snr = 10.0 * (signal / noise).log10();
        assert!((snr - want).abs() < 0.3, "{id}: {snr}");
    }
    // What cannot be made is an error with FFmpeg's own word, and leaves nothing behind.
    let broken = dir.path().join("broken.mp4");
    std::fs::write(&broken, "not a clip").unwrap();
    let e = ladder
        .make(Condition::find("h264-crf23").unwrap(), Modality::Video, &broken, Sha256Hash::of(b"x"))
        .unwrap_err();
    assert!(matches!(e, LadderError::Program { .. }), "{e}");
    let silent = make(dir.path(), "z.flac", &["-f", "lavfi", "-i", "anullsrc=r=16000:d=0.1"]);
    assert!(
        ladder.make(Condition::find("noise-20db").unwrap(), Modality::Audio, &silent.0, silent.1).is_err()
    );
    for entry in std::fs::read_dir(dir.path().join("c")).unwrap() {
        for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            let name = file.unwrap().file_name().to_string_lossy().into_owned();
            assert!(!name.contains("part"), "{name}");
        }
    }
}
