//! A process that records is killed with SIGKILL again and again: nothing that it acknowledged is lost, nothing is
//! there twice, and the store passes its check each time. The child is this test binary itself.
#![allow(clippy::unwrap_used)] // helpers of tests

use seamline_campaign::moment::Moment;
use seamline_campaign::observables::{Observables, VERSION};
use seamline_campaign::sound::SoundPrint;
use seamline_campaign::store::{Recording, Sighting, SqlStore, Store};
use seamline_core::Sha256Hash;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CLIPS: u32 = 1_000;
const KILLS: u64 = 20;
const CHILD: &str = "SEAMLINE_TEST_CRASH_STORE";

fn clip(n: u32) -> Sha256Hash {
    Sha256Hash::of(&n.to_le_bytes())
}

fn record(store: &mut SqlStore, n: u32) {
    let observables = Observables {
        version: VERSION,
        clip: clip(n),
        duration_us: 1_000_000,
        frames: Vec::new(),
        sound: Some(SoundPrint { items: vec![n; 500], start_us: 0 }),
        voices: Vec::new(),
        patches: Vec::new(),
        traces: Vec::new(),
        truncated: false,
        thumbnail: Vec::new(),
    };
    let sighting = Sighting {
        url: format!("https://example.org/{n}"),
        channel: "c".into(),
        seen_at: Moment::from_millis(i64::from(n)).unwrap(),
    };
    let lines = [format!("{{\"n\":{n}}}"), "{}".to_owned()];
    store
        .record(&Recording {
            clip: clip(n),
            path: "clip.mp4",
            size: u64::from(n),
            at: Moment::EPOCH,
            pipeline_digest: Sha256Hash::of(b"pipeline"),
            conclusion: "inconclusive",
            llr: Some(0.5),
            verdict_line: "{}",
            evidence_lines: &lines,
            observables: Some(&observables),
            sightings: &[sighting],
        })
        .unwrap();
}

/// Not a test by itself: the child's part. Records everything from the start, and says so clip by clip.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let mut store = SqlStore::open(Path::new(&path)).unwrap();
    for n in 0..CLIPS {
        record(&mut store, n);
        println!("acknowledged {n}");
    }
}

#[test]
fn nothing_is_lost_and_nothing_doubled_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let number = |line: &str| line.split("acknowledged ").nth(1).and_then(|n| n.trim().parse::<u32>().ok());
    let mut acknowledged = 0;
    let mut cut_short = 0;
    for round in 0..KILLS {
        let mut process = start();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // Read along in a thread, so that a full pipe does not hold the child up; kill at an odd moment.
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).filter_map(|l| number(&l)).max());
        std::thread::sleep(Duration::from_millis(40 + round * 37 % 211));
        process.kill().unwrap();
        if !process.wait().unwrap().success() {
            cut_short += 1;
        }
        if let Some(last) = reader.join().unwrap() {
            acknowledged = acknowledged.max(last + 1);
        }
        let store = SqlStore::open(&path).unwrap();
        let report = store.check().unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "round {round}");
        assert!(report.clips >= u64::from(acknowledged), "{} clips of {acknowledged}", report.clips);
        for n in 0..acknowledged {
            assert!(store.clip(&clip(n)).unwrap().is_some(), "clip {n} was acknowledged in round {round}");
        }
    }
    assert!(cut_short > KILLS / 2, "most children were killed at work: {cut_short}");
    let mut last = start();
    std::io::copy(&mut last.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert!(last.wait().unwrap().success());
    let store = SqlStore::open(&path).unwrap();
    let report = store.check().unwrap();
    assert_eq!((report.clips, report.verdicts), (u64::from(CLIPS), u64::from(CLIPS)));
    assert!(report.problems.is_empty());
    let mut rows = 0;
    store
        .observables_after(0, &mut |_, o| {
            rows += 1;
            assert_eq!(o.sound.as_ref().map(|s| s.items.len()), Some(500));
            Ok(())
        })
        .unwrap();
    assert_eq!(rows, CLIPS);
    for n in (0..CLIPS).step_by(97) {
        let c = store.clip(&clip(n)).unwrap().unwrap();
        assert_eq!(store.verdicts(&clip(n)).unwrap()[0].evidence.len(), 2);
        assert_eq!(store.cluster(c.cluster).unwrap().sightings.len(), 1);
    }
}
