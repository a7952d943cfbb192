//! The jail, tried from inside a real worker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

use rustix::process::{Pid, Signal, kill_process};
use seamline_core::{ClipId, Limits};
use seamline_pipeline::supervise::{Ending, Wants, Worker, WorkerSetup};
use seamline_pipeline::{Probe, ScanOptions};
use seamline_testkit::clips::reading;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

fn worker() -> Worker {
    let setup = WorkerSetup {
        program: env!("CARGO_BIN_EXE_seamline").into(),
        options: ScanOptions::default(),
        allow_unjailed: false,
    };
    Worker::start(&setup).unwrap()
}

fn judge(worker: &mut Worker, path: &Path, limits: &Limits) -> (usize, Ending) {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let stop = AtomicBool::new(false);
    let (found, ending) =
        worker.clip(&file, ClipId::of(b""), size, Wants::default(), limits, &stop, &mut |_, _| ());
    (found.evidence.len(), ending)
}

#[test]
fn a_worker_cannot_open_a_socket_read_another_file_or_start_a_program() {
    let mut worker = worker();
    assert!(worker.status().is_full(), "{:?}", worker.status());
    for probe in [Probe::Socket, Probe::ReadFile, Probe::Exec] {
        let refusal = worker.probe(probe, &Limits::default()).unwrap();
        assert!(refusal.is_some_and(|r| r.contains("not permitted") || r.contains("denied")), "{probe:?}");
    }
    // And it still judges.
    let (evidence, ending) = judge(&mut worker, &reading(), &Limits::default());
    assert!(matches!(ending, Ending::Done), "{ending:?}");
    assert!(evidence > 0);
}

/// Twenty seconds of 1080p at 60 pictures a second: many CPU seconds of decoding.
fn busy_clip() -> std::path::PathBuf {
    seamline_testkit::clips::generated(
        "noise.mkv",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=1920x1080:r=60:d=20",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "35",
        ],
    )
    .unwrap()
}

#[test]
fn memory_has_an_end() {
    let mut worker = worker();
    let refusal = worker.probe(Probe::Allocate, &Limits::default());
    assert!(matches!(refusal, Ok(Some(_))) || refusal.is_err(), "{refusal:?}");
}

#[test]
fn a_crash_is_named_and_a_hang_and_a_busy_loop_end_at_their_limits() {
    let crash = worker().probe(Probe::Crash, &Limits::default()).unwrap_err();
    assert!(crash.contains("signal 6 (abort)"), "{crash}");
    let short = Limits { wall_secs: 1, ..Limits::default() };
    let began = Instant::now();
    let hang = worker().probe(Probe::Hang, &short).unwrap_err();
    assert!(hang.contains("limit of 1 s"), "{hang}");
    let cpu = Limits { cpu_secs: 1, ..Limits::default() };
    let spin = worker().probe(Probe::Spin, &cpu).unwrap_err();
    assert!(spin.contains("CPU seconds"), "{spin}");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_worker_killed_in_mid_clip_costs_that_clip_only() {
    let long = busy_clip();
    for signal in [Signal::KILL, Signal::SEGV] {
        let mut worker = worker();
        let pid = Pid::from_raw(worker.pid() as i32).unwrap();
        let killer = std::thread::spawn(move || {
            // The first SEGV from outside only disarms Rust's own handler, which looks for stack overflows.
            for _ in 0..2 {
                std::thread::sleep(Duration::from_millis(300));
                let _ = kill_process(pid, signal); // the first KILL may have been enough
            }
        });
        let (_, ending) = judge(&mut worker, &long, &Limits::default());
        killer.join().unwrap();
        match ending {
            Ending::Lost(cause) => assert!(cause.contains("signal"), "{cause}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_clip_that_eats_cpu_is_stopped_at_its_limit() {
    let bomb = busy_clip();
    let limits = Limits { cpu_secs: 1, ..Limits::default() };
    let began = Instant::now();
    let (_, ending) = judge(&mut worker(), &bomb, &limits);
    match ending {
        Ending::Lost(cause) => assert!(cause.contains("CPU seconds"), "{cause}"),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}
