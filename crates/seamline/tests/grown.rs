//! Several machines through the real binary: a real PostgreSQL, a real nats-server and a server that speaks S3, each on
//! loopback. Each "machine" has a name and a cache of its own, and finds clips in the bucket only.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // helpers outside of #[test] functions

mod common;
mod http;

use common::seamline;
use seamline_testkit::servers::{self, Nats, Postgres};
use seamline_testkit::wave;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One light model: what is tested here does not depend on how much is looked at.
const LIGHT: [&str; 4] = ["--detectors", "perth", "-w", "1"];

/// A server that speaks S3, as `cargo` built it beside the binary under test.
struct S3 {
    child: Child,
    url: String,
}

impl S3 {
    fn start(root: &Path) -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_seamline")).with_file_name("examples").join("s3_server");
        if !program.is_file() {
            eprintln!(
                "PASSED OVER: {} is not built (cargo build --workspace --all-targets)",
                program.display()
            );
            return None;
        }
        std::fs::create_dir_all(root.join("clips")).unwrap();
        let port = servers::free_port().unwrap();
        let child =
            Command::new(program).arg(port.to_string()).arg(root).args(["key", "secret"]).spawn().unwrap();
        servers::until_open(port).unwrap();
        Some(Self { child, url: format!("http://127.0.0.1:{port}") })
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

/// What several machines share.
struct Place {
    dir: tempfile::TempDir,
    database: Postgres,
    broker: Nats,
    s3: S3,
    store: String,
}

impl Place {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        let (database, broker) = (Postgres::start().unwrap(), Nats::start().unwrap());
        let (Some(database), Some(broker)) = (database, broker) else {
            eprintln!(
                "PASSED OVER: PostgreSQL or nats-server is not installed (scripts/setup.sh installs them)"
            );
            return None;
        };
        let s3 = S3::start(&dir.path().join("s3"))?;
        let store = database.database().unwrap();
        Some(Self { dir, database, broker, s3, store })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command on one of the machines.
    fn on(&self, machine: &str, args: &[&str]) -> Command {
        let mut command = seamline();
        command.current_dir(self.dir.path()).args(args).env("SEAMLINE_STORE", &self.store);
        command
            .env("SEAMLINE_MACHINE", machine)
            .env("CACHE_DIRECTORY", self.path(&format!("cache-{machine}")));
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        command
            .env("AWS_ENDPOINT", &self.s3.url)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ALLOW_HTTP", "true");
        command.env("SEAMLINE_MEDIA", "s3://clips/desk").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn with_broker(&self, machine: &str, args: &[&str]) -> Command {
        let mut command = self.on(machine, &[args, &LIGHT].concat());
        command.env("SEAMLINE_QUEUE", self.broker.url());
        command
    }

    fn said(&self, args: &[&str]) -> String {
        let out = self.on("desk", args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    fn jobs(&self) -> Vec<Value> {
        let list = self.said(&["jobs", "list", "--json", "--limit", "10000"]);
        list.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// How many times each file has a line in the report.
    fn lines(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for line in std::fs::read_to_string(self.path("out.jsonl")).unwrap_or_default().lines() {
            let Ok(v) = serde_json::from_str::<Value>(line) else { continue };
            let name = v["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            *all.entry(name).or_default() += 1;
        }
        all
    }

    /// Recordings, each like no other, and the manifest that lists them.
    fn clips(&self, count: u64) {
        let mut list = String::new();
        for n in 0..count {
            tone(&self.path(&format!("in/{n:03}.wav")), n);
            list += &format!("{{\"path\":\"in/{n:03}.wav\"}}\n");
        }
        std::fs::write(self.path("list.ndjson"), list).unwrap();
    }

    /// Every clip has its verdict, once; every job is done.
    fn nothing_lost_and_nothing_twice(&self, clips: u64) {
        let lines = self.lines();
        assert_eq!(lines.len() as u64, clips, "{lines:?}");
        assert!(lines.values().all(|n| *n == 1), "{lines:?}");
        let check = self.said(&["store", "check"]);
        assert_eq!(check.trim(), format!("{clips} clips, {clips} verdicts, 0 problems"));
        assert!(self.jobs().iter().all(|j| j["state"] == "done"), "{:?}", self.jobs());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Some seconds of sound that is like no other.
fn tone(to: &Path, n: u64) {
    let mut noise = wave::Random::new(n);
    let data: Vec<u8> =
        (0..64_000).flat_map(|_| (((noise.next_u64() >> 50) as i16) - 8_192).to_le_bytes()).collect();
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(16_000u32.to_le_bytes());
    wav.extend(32_000u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    std::fs::write(to, wav).unwrap();
}

fn until(secs: u64, what: &str, mut fits: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(secs);
    while !fits() {
        assert!(Instant::now() < end, "waited {secs} s for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn terminate(child: Child) -> String {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    text(&out.stderr)
}

/// Command line and environment of each child.
fn children(of: u32) -> Vec<(String, String)> {
    let read = |pid: &str, what: &str| {
        text(&std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default()).replace('\0', " ")
    };
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().into_string().ok());
    let ours = pids.filter(|pid| {
        let stat = read(pid, "stat");
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&of.to_string())
    });
    ours.map(|pid| (read(&pid, "cmdline"), read(&pid, "environ"))).collect()
}

fn ended_well(child: Child) -> String {
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    text(&out.stderr)
}

#[test]
fn workers_killed_in_mid_job_lose_nothing_and_nothing_is_recorded_twice() {
    const CLIPS: u64 = 30;
    let Some(place) = Place::new() else { return };
    place.clips(CLIPS);
    let submit = place.with_broker("desk", &["ingest", "list.ndjson", "--submit-only"]).output().unwrap();
    assert!(submit.status.success(), "{}", text(&submit.stderr));
    // Only the bucket has them from now on.
    std::fs::remove_dir_all(place.path("in")).unwrap();
    let mut desk =
        place.with_broker("desk", &["ingest", "list.ndjson", "--out", "out.jsonl"]).spawn().unwrap();
    until(60, "work", || !place.lines().is_empty());
    let mut killed = 0;
    while killed < 3 {
        let mut worker = place.with_broker("second", &["worker"]).stderr(Stdio::null()).spawn().unwrap();
        let done = place.lines().len();
        // Two lanes and two jobs in hand: one of them is the worker's.
        until(90, "both at work", || {
            let running = place.jobs().iter().filter(|j| j["state"] == "running").count();
            running >= 2 || place.lines().len() as u64 == CLIPS
        });
        worker.kill().unwrap();
        worker.wait().unwrap();
        killed += 1;
        if place.lines().len() as u64 == CLIPS {
            break;
        }
        until(60, "the rest goes on", || place.lines().len() > done || desk.try_wait().unwrap().is_some());
    }
    let third = place.with_broker("third", &["worker", "--once"]).spawn().unwrap();
    ended_well(third);
    ended_well(desk);
    place.nothing_lost_and_nothing_twice(CLIPS);
    let again = place.jobs().iter().filter(|j| j["starts"].as_u64() > Some(1)).count();
    assert!(again > 0, "no worker was killed in mid-job in {killed} tries");
}

#[test]
fn broker_and_database_are_stopped_crashed_and_started_in_mid_run() {
    const CLIPS: u64 = 40;
    let Some(mut place) = Place::new() else { return };
    place.clips(CLIPS);
    let desk = place.with_broker("desk", &["ingest", "list.ndjson", "--out", "out.jsonl"]).spawn().unwrap();
    let worker = place.with_broker("second", &["worker"]).spawn().unwrap();
    let goes_on = |place: &Place, more: usize| {
        let before = place.lines().len();
        until(90, "work goes on", || {
            place.lines().len() >= before + more || place.lines().len() as u64 == CLIPS
        });
    };
    goes_on(&place, 3);
    let mut at_work = 0;
    for round in 0..4 {
        at_work += u64::from((place.lines().len() as u64) < CLIPS);
        match round {
            0 => place.broker.stop(),
            1 => place.database.stop(),
            2 => place.database.crash(),
            _ => {
                place.broker.stop();
                place.broker.forget().unwrap();
                place.database.stop();
            }
        }
        std::thread::sleep(Duration::from_secs(1));
        if round > 0 {
            place.database.start_again().unwrap();
        }
        if round % 3 == 0 {
            place.broker.start_again().unwrap();
        }
        goes_on(&place, 3);
    }
    assert!(at_work >= 3, "it was over too soon: {at_work}");
    let desk = ended_well(desk);
    let worker = terminate(worker);
    place.nothing_lost_and_nothing_twice(CLIPS);
    let (a, b) = (desk.matches(": judged").count(), worker.matches(": judged").count());
    assert!(a > 0 && b > 0, "{a} and {b}");
    // A database that is back within half a minute is not worth a word.
    assert!((desk + &worker).contains("the broker is away"));
}

#[test]
fn without_a_broker_the_database_hands_jobs_out_and_a_folder_takes_the_bucket_s_place() {
    let Some(place) = Place::new() else { return };
    place.clips(12);
    std::fs::create_dir(place.path("media")).unwrap();
    let media = format!("file://{}", place.path("media").display());
    let run = |machine: &str, args: &[&str]| {
        let mut command = place.on(machine, &[args, &LIGHT].concat());
        command.env("SEAMLINE_MEDIA", &media).spawn().unwrap()
    };
    let watch = ["watch", "in", "--once", "--settle", "0.1", "--out", "out.jsonl", "--done", "done"];
    let desk = run("desk", &watch);
    until(60, "jobs", || !place.lines().is_empty());
    let other = run("second", &["worker", "--once"]);
    // Whoever judges untrusted clips does not know how to enter the database.
    let all = children(desk.id());
    let jailed = all.iter().find(|c| c.0.contains("__worker"));
    // Shut in, it may also hide its environment; on most kernels root may read it.
    if let Some((_, environment)) = jailed.filter(|j| !j.1.is_empty()) {
        assert!(environment.contains("SEAMLINE_HOME=") && !environment.contains("SEAMLINE_STORE="));
        assert!(!environment.contains("AWS_"), "{environment}");
    }
    let (desk, other) = (ended_well(desk), ended_well(other));
    let (a, b) = (desk.matches(": judged").count(), other.matches(": judged").count());
    assert_eq!(a + b, 12, "{a} and {b}");
    place.nothing_lost_and_nothing_twice(12);
    assert_eq!(std::fs::read_dir(place.path("done")).unwrap().count(), 12);
    // A worker that was not told where the clips are takes them for what they are: not gone, out of its reach.
    tone(&place.path("in/later.wav"), 99);
    let one = place.path("one.ndjson");
    std::fs::write(&one, "{\"path\":\"in/later.wav\"}\n").unwrap();
    ended_well(run("desk", &["ingest", "one.ndjson", "--submit-only"]));
    let mut lost =
        place.on("third", &[&["worker", "--media", "paths"], &LIGHT[..]].concat()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(lost.try_wait().unwrap().is_none());
    assert!(terminate(lost).contains("--media"));
    ended_well(run("second", &["worker", "--once"]));
    assert!(place.jobs().iter().all(|j| j["state"] == "done"));
}

#[test]
fn a_server_takes_clips_that_another_machine_judges_and_shows_their_reports() {
    let Some(place) = Place::new() else { return };
    place.clips(1);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--no-work", "--quiet", "--detectors", "perth"];
    let mut serve = place.on("desk", &serve).spawn().unwrap();
    let mut said = std::io::BufReader::new(serve.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    let address =
        line.trim().rsplit_once("listening on http://").unwrap_or_else(|| panic!("{line}")).1.to_owned();
    let clip = std::fs::read(place.path("in/000.wav")).unwrap();
    let (kind, body) = http::multipart(&[http::Part::file("000.wav", &clip)]);
    let answer = http::request(&address, "POST", "/v1/clips", &[("content-type", &kind)], &body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let sha256 = answer.json()["sha256"].as_str().unwrap().to_owned();
    let worker = place.with_broker("second", &["worker"]).spawn().unwrap();
    let report = format!("/v1/reports/{sha256}");
    until(60, "a report", || http::request(&address, "GET", &report, &[], &[]).status == 200);
    for page in ["/", "/clips", "/v1/clips", "/metrics", "/readyz"] {
        let answer = http::request(&address, "GET", page, &[], &[]);
        assert_eq!(answer.status, 200, "{page}: {}", answer.text());
    }
    terminate(worker);
    let pid = rustix::process::Pid::from_child(&serve);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(serve.wait().unwrap().success());
}

#[test]
fn what_cannot_work_is_said_at_once_and_passwords_are_not() {
    let run = |args: &[&str]| {
        let out = seamline().args(args).args(LIGHT).env_remove("SEAMLINE_MEDIA").output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        text(&out.stderr)
    };
    let store = ["worker", "--store", "postgres://me:s3cret@127.0.0.1:1/seen"];
    let said = run(&store);
    assert!(said.contains("must find the clips: --media") && !said.contains("s3cret"), "{said}");
    let said = run(&[&store[..], &["--media", "ftp://x"]].concat());
    assert!(said.contains("expected s3://BUCKET/PREFIX"), "{said}");
    let said = run(&["worker", "--store", "x.db", "--queue", "nats://me:s3cret@127.0.0.1:1"]);
    assert!(said.contains("--queue nats://127.0.0.1:1") && !said.contains("s3cret"), "{said}");
    let said = run(&["worker", "--store", "x.db", "--queue", "nats://a?most=3"]);
    assert!(said.contains("no option is called most"), "{said}");
    let said = run(&["worker", "--store", "x.db", "--media", "s3://clips"]);
    assert!(said.contains("AWS_ACCESS_KEY_ID"), "{said}");
}
