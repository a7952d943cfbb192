//! What may go wrong on one machine, through the real binary: full disks, a clock that jumps, two servers on one store.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // helpers outside of #[test] functions

mod common;
mod http;

use common::seamline;
use http::{Part, multipart, request};
use seamline_testkit::wave;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// One light model: what is tested here does not depend on how much is looked at.
const LIGHT: [&str; 4] = ["--detectors", "perth", "-w", "1"];

/// Seconds of sound that is like no other, as a file.
fn tone(n: u64, samples: usize) -> Vec<u8> {
    let mut noise = wave::Random::new(n);
    let data: Vec<u8> =
        (0..samples).flat_map(|_| (((noise.next_u64() >> 50) as i16) - 8_192).to_le_bytes()).collect();
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(16_000u32.to_le_bytes());
    wav.extend(32_000u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    wav
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(dir: &Path, args: &[&str]) -> Output {
    seamline().current_dir(dir).args(args).output().unwrap()
}

/// A small disk of its own, where this user may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let size = format!("size={kib}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output();
        if !mounted.is_ok_and(|m| m.status.success()) {
            eprintln!("PASSED OVER: this user may not mount a small disk");
            return None;
        }
        Some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

/// Something large that takes all the room there is left but for a little.
fn fill(disk: &Path, leave: usize) {
    let mut all = Vec::new();
    while std::fs::write(disk.join(format!("fill{}", all.len())), vec![1; 8_192]).is_ok() {
        all.push(disk.join(format!("fill{}", all.len())));
    }
    std::fs::remove_file(disk.join(format!("fill{}", all.len()))).unwrap();
    all.iter().rev().take(leave / 8_192).for_each(|f| std::fs::remove_file(f).unwrap());
}

fn empty(disk: &Path) {
    let files = std::fs::read_dir(disk).unwrap().map(|e| e.unwrap().path());
    files.filter(|f| f.file_name().unwrap().to_str().unwrap().starts_with("fill")).for_each(|f| {
        std::fs::remove_file(f).unwrap();
    });
}

#[test]
fn a_full_disk_for_store_or_report_ends_the_run_with_a_word_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path().join("disk"), 4_096) else { return };
    std::fs::create_dir(dir.path().join("in")).unwrap();
    for n in 0..12 {
        std::fs::write(dir.path().join(format!("in/{n:02}.wav")), tone(n, 16_000)).unwrap();
    }
    let watch = |store: &str, out: &str| {
        let args = ["watch", "in", "--once", "--settle", "0.1", "--store", store, "--out", out];
        run(dir.path(), &[&args[..], &LIGHT].concat())
    };
    for (store, out) in [("disk/s.db", "out.jsonl"), ("s.db", "disk/out.jsonl")] {
        // The tables are there, the room for verdicts is not.
        assert!(
            run(dir.path(), &["tokens", "create", "x", "--role", "read", "--store", store]).status.success()
        );
        fill(&disk.0, if store.starts_with("disk") { 16_384 } else { 0 });
        let full = watch(store, out);
        assert_eq!(full.status.code(), Some(2), "{store}: {}", text(&full.stderr));
        let said = text(&full.stderr);
        assert!(said.contains("disk is full") || said.contains("No space left"), "{store}: {said}");
        empty(&disk.0);
        let room = watch(store, out);
        assert!(room.status.success(), "{store}: {}", text(&room.stderr));
        let lines = std::fs::read_to_string(dir.path().join(out)).unwrap();
        let clips: BTreeSet<String> = lines
            .lines()
            .map(|l| {
                serde_json::from_str::<serde_json::Value>(l).unwrap()["path"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!((clips.len(), lines.lines().count()), (12, 12), "{store}");
        let check = run(dir.path(), &["store", "check", "--store", store]);
        assert_eq!(text(&check.stdout).trim(), "12 clips, 12 verdicts, 0 problems");
    }
}

/// A server, and where it listens.
struct Served(Child, String);

impl Served {
    fn start(dir: &Path, more: &[&str]) -> Self {
        let args = [&["serve", "--listen", "127.0.0.1:0", "--store", "s.db"][..], &LIGHT, more].concat();
        let mut child = seamline().current_dir(dir).args(args).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.to_owned();
            }
        };
        // So that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, address)
    }

    fn upload(&self, name: &str, clip: &[u8]) -> http::Answer {
        let (kind, body) = multipart(&[Part::file(name, clip)]);
        request(&self.1, "POST", "/v1/clips", &[("content-type", &kind)], &body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

#[test]
fn a_full_disk_for_media_refuses_uploads_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path().join("disk"), 1_024) else { return };
    let served = Served::start(dir.path(), &["--media", "disk/media"]);
    fill(&disk.0, 0);
    let clip = tone(1, 64_000);
    let refused = served.upload("a.wav", &clip);
    assert_eq!(refused.status, 507, "{}", refused.text());
    let left: Vec<_> = std::fs::read_dir(dir.path().join("disk/media/parts")).unwrap().collect();
    assert!(left.is_empty(), "nothing of it is left: {left:?}");
    assert_eq!(request(&served.1, "GET", "/v1/clips", &[], &[]).status, 200, "reading goes on");
    empty(&disk.0);
    let taken = served.upload("a.wav", &clip);
    assert_eq!(taken.status, 202, "{}", taken.text());
}

#[test]
fn two_servers_on_one_store_share_jobs_and_show_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (Served::start(dir.path(), &[]), Served::start(dir.path(), &[]));
    let mut hashes = BTreeSet::new();
    for n in 0..16 {
        let (to, other) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let clip = tone(100 + n, 16_000);
        let answer = to.upload("x.wav", &clip);
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert_eq!(other.upload("y.wav", &clip).status, 200, "the other knows it already");
        hashes.insert(answer.json()["sha256"].as_str().unwrap().to_owned());
    }
    let end = Instant::now() + Duration::from_secs(120);
    for served in [&a, &b] {
        for hash in &hashes {
            let report = format!("/v1/reports/{hash}");
            while request(&served.1, "GET", &report, &[], &[]).status != 200 {
                assert!(Instant::now() < end, "{report}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
    let check = run(dir.path(), &["store", "check", "--store", "s.db"]);
    assert_eq!(text(&check.stdout).trim(), "16 clips, 16 verdicts, 0 problems");
    let jobs = text(&run(dir.path(), &["jobs", "list", "--json", "--store", "s.db"]).stdout);
    assert_eq!(
        jobs.lines().filter(|l| l.contains("\"starts\":1,")).count(),
        16,
        "none was judged twice: {jobs}"
    );
}
