//! Folders and manifests through the real binary: nothing lost, nothing twice, nothing in the way of the rest.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside of #[test] functions

mod common;

use common::seamline;
use seamline_testkit::clips::reading;
use seamline_testkit::wave;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// One light model: what is tested here does not depend on how much is looked at.
const LIGHT: [&str; 2] = ["--detectors", "perth"];

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command on this place's store.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = seamline();
        command.current_dir(self.dir.path()).args(args).args(["--store", "s.db"]);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn watch(&self, more: &[&str]) -> Command {
        let args = ["watch", "in", "--out", "out.jsonl", "--settle", "0.3"];
        self.command(&[&args[..], &LIGHT, more].concat())
    }

    /// Verdict lines so far, by the file's name.
    fn verdicts(&self) -> BTreeMap<String, Vec<Value>> {
        let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in std::fs::read_to_string(self.path("out.jsonl")).unwrap_or_default().lines() {
            // The last line may be half written while the program runs.
            let Ok(v) = serde_json::from_str::<Value>(line) else { continue };
            assert_eq!(v["type"], "verdict");
            let name = v["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            all.entry(name).or_default().push(v);
        }
        all
    }

    fn jobs(&self) -> Vec<Value> {
        let out = self.run(&["jobs", "list", "--json", "--limit", "10000"]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        text(&out.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A second of sound that is like no other.
fn tone(to: &Path, n: u64) {
    let mut noise = wave::Random::new(n);
    let samples: Vec<i16> = (0..16_000).map(|_| (noise.next_u64() >> 50) as i16 - 8_192).collect();
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
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

/// Waits for something, not for ever.
fn until(secs: u64, what: &str, mut fits: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(secs);
    while !fits() {
        assert!(Instant::now() < end, "waited {secs} s for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ends with SIGTERM, as a service manager does.
fn terminate(mut child: Child) {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_folder_is_judged_as_files_arrive_whole_and_only_once() {
    let place = Place::new();
    std::fs::copy(reading(), place.path("in/here.wav")).unwrap();
    std::fs::write(place.path("in/broken.mp4"), "not a video").unwrap();
    std::fs::write(place.path("in/.hidden.wav"), "x").unwrap();
    std::fs::write(place.path("in/half.mp4.part"), "x").unwrap();
    std::fs::write(place.path("in/notes.txt"), "x").unwrap();
    let start =
        || place.watch(&["--done", "done", "--failed", "failed"]).stderr(Stdio::null()).spawn().unwrap();
    let child = start();
    until(60, "what was there", || place.verdicts().len() == 2);
    // A slow writer: whole only at the end.
    {
        use std::io::Write;
        tone(&place.path("slow.wav"), 1);
        let bytes = std::fs::read(place.path("slow.wav")).unwrap();
        let mut file = std::fs::File::create(place.path("in/slow.wav")).unwrap();
        for piece in bytes.chunks(8_000) {
            file.write_all(piece).unwrap();
            file.flush().unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    // A download that gets its name when it is whole, and a folder that is moved in.
    tone(&place.path("in/late.wav.part"), 2);
    std::fs::rename(place.path("in/late.wav.part"), place.path("in/late.wav")).unwrap();
    std::fs::create_dir(place.path("sub")).unwrap();
    tone(&place.path("sub/inner.wav"), 3);
    std::fs::rename(place.path("sub"), place.path("in/sub")).unwrap();
    until(60, "what came", || place.verdicts().len() == 5);
    until(10, "moving", || place.path("done/inner.wav").exists() && place.path("done/here.wav").exists());
    // The same bytes under another name are known; the file goes where its twin went.
    std::fs::copy(place.path("done/here.wav"), place.path("in/again.wav")).unwrap();
    until(30, "moving a twin", || place.path("done/again.wav").exists());
    terminate(child);
    let child = start();
    tone(&place.path("in/next.wav"), 4);
    until(60, "the next after a restart", || place.verdicts().contains_key("next.wav"));
    until(10, "moving it", || place.path("done/next.wav").exists());
    terminate(child);

    let verdicts = place.verdicts();
    let names: Vec<&str> = verdicts.keys().map(String::as_str).collect();
    assert_eq!(names, ["broken.mp4", "here.wav", "inner.wav", "late.wav", "next.wav", "slow.wav"]);
    assert!(verdicts.values().all(|v| v.len() == 1), "{verdicts:?}");
    assert_eq!(verdicts["broken.mp4"][0]["conclusion"], "not_assessable");
    assert_eq!(verdicts["slow.wav"][0]["size"], 32_044, "whole when it was taken");
    let left: Vec<_> = std::fs::read_dir(place.path("in")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}: hidden, half, notes, an empty folder");
    let jobs = place.jobs();
    assert!(jobs.len() == 6 && jobs.iter().all(|j| j["starts"] == 1 && j["state"] == "done"), "{jobs:?}");
}

#[test]
fn killed_again_and_again_it_loses_nothing_and_reports_nothing_twice() {
    const CLIPS: u64 = 60;
    const KILLS: u64 = 6;
    let place = Place::new();
    for n in 0..CLIPS {
        tone(&place.path(&format!("in/{n:03}.wav")), n);
    }
    let mut cut_short = 0;
    for round in 0..KILLS {
        let mut child = place.watch(&["-w", "2"]).stderr(Stdio::null()).spawn().unwrap();
        let before = place.verdicts().len();
        until(60, "work", || place.verdicts().len() >= before + 3 || place.verdicts().len() as u64 == CLIPS);
        std::thread::sleep(Duration::from_millis(round * 53 % 190));
        child.kill().unwrap();
        child.wait().unwrap();
        let verdicts = place.verdicts();
        cut_short += u64::from((verdicts.len() as u64) < CLIPS);
        assert!(verdicts.values().all(|v| v.len() == 1), "round {round}");
    }
    assert!(cut_short >= KILLS / 2, "most runs were killed at work: {cut_short}");
    let last = place.watch(&["--once", "-w", "2"]).output().unwrap();
    assert!(last.status.success(), "{}", text(&last.stderr));
    let verdicts = place.verdicts();
    assert_eq!(verdicts.len() as u64, CLIPS);
    assert!(verdicts.values().all(|v| v.len() == 1));
    let check = place.run(&["store", "check"]);
    assert_eq!(text(&check.stdout).trim(), format!("{CLIPS} clips, {CLIPS} verdicts, 0 problems"));
    assert!(place.jobs().iter().all(|j| j["state"] == "done"));
}

#[test]
fn two_processes_on_one_store_share_the_work() {
    let place = Place::new();
    for n in 0..24 {
        tone(&place.path(&format!("in/{n:02}.wav")), 100 + n);
    }
    let args = [&["watch", "in", "--once", "--settle", "0.1", "-w", "1"][..], &LIGHT].concat();
    let run = || place.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    let (a, b) = (run(), run());
    let done = |c: Child| {
        let out = c.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", text(&out.stderr));
        text(&out.stderr).matches(": judged").count()
    };
    let (a, b) = (done(a), done(b));
    assert_eq!(a + b, 24, "each clip was judged by one of them: {a} and {b}");
    assert!(a > 0 && b > 0, "{a} and {b}");
    let check = place.run(&["store", "check"]);
    assert_eq!(text(&check.stdout).trim(), "24 clips, 24 verdicts, 0 problems");
}

#[test]
fn a_manifest_is_ingested_past_its_bad_lines_and_goes_on_where_it_stopped() {
    let place = Place::new();
    for n in 0..3 {
        tone(&place.path(&format!("in/{n}.wav")), 200 + n);
    }
    let long = format!("{{\"path\":\"in/0.wav\",\"claim\":\"{}\"}}", "x".repeat(70_000));
    let manifest = [
        r#"{"path":"in/0.wav","where":"https://example.org/0","channel":"c","when":"2026-05-01T10:00:00Z","claim":"filmed today","who":"desk"}"#,
        "{not json",
        r#"{"path":"in/absent.wav"}"#,
        "",
        &long,
        r#"{"path":"in/1.wav","priority":5,"callback":"https://example.org/known-to-others"}"#,
        r#"{"path":"in/1.wav","priority":500}"#,
        r#"{"path":"in/0.wav","where":"https://example.org/0b","when":"2026-05-02"}"#,
    ];
    std::fs::write(place.path("list.ndjson"), manifest.join("\n") + "\n").unwrap();
    let run = || place.run(&[&["ingest", "list.ndjson", "--out", "out.jsonl"][..], &LIGHT].concat());
    let out = run();
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    let said = text(&out.stderr);
    for line in ["line 2:", "line 3:", "line 5: longer than", "line 7: priority 500"] {
        assert!(said.contains(&format!("list.ndjson: {line}")), "{line} in {said}");
    }
    assert!(said.contains("absent.wav") && said.contains("will not be told: nobody is told here"), "{said}");
    assert_eq!(place.verdicts().len(), 2);
    // Appended to, it goes on; unchanged, nothing happens twice.
    let more = std::fs::read_to_string(place.path("list.ndjson")).unwrap() + "{\"path\":\"in/2.wav\"}\n";
    std::fs::write(place.path("list.ndjson"), more).unwrap();
    let out = run();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("goes on after line 8"), "{}", text(&out.stderr));
    let verdicts = place.verdicts();
    assert!(verdicts.len() == 3 && verdicts.values().all(|v| v.len() == 1), "{verdicts:?}");
    let show = |id: &str| text(&place.run(&["jobs", "show", id, "--json"]).stdout);
    let job: Value = serde_json::from_str(&show(verdicts["1.wav"][0]["sha256"].as_str().unwrap())).unwrap();
    assert_eq!((&job["priority"], &job["state"]), (&5.into(), &"done".into()), "{job}");
    assert!(job.get("source").is_none(), "where a file lies is nobody else's business");
}

/// Head and body of each request.
type Heard = Vec<(String, Vec<u8>)>;

/// Answers each request with the next of these statuses; the heads and bodies of all of them.
fn listener(statuses: &'static [u16]) -> (u16, std::thread::JoinHandle<Heard>) {
    use std::io::{BufRead, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Nobody who calls fails the test; it does not wait for ever.
    listener.set_nonblocking(true).unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    let heard = std::thread::spawn(move || {
        let hear = |status: &u16| {
            let mut stream = loop {
                match listener.accept() {
                    Ok((stream, _)) => break stream,
                    Err(e)
                        if e.kind() == std::io::ErrorKind::WouldBlock
                            && std::time::Instant::now() < until =>
                    {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                    Err(e) => panic!("nobody called: {e}"),
                }
            };
            stream.set_nonblocking(false).unwrap();
            let mut from = std::io::BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(from.read_line(&mut head).unwrap(), 0);
            }
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .unwrap()
                .split("\r\n")
                .next()
                .unwrap()
                .parse();
            let mut body = vec![0; length.unwrap()];
            from.read_exact(&mut body).unwrap();
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            (head, body)
        };
        statuses.iter().map(hear).collect()
    });
    (port, heard)
}

#[test]
fn who_asked_is_told_that_a_job_ended_in_words_that_are_signed() {
    use hmac::Mac;
    let place = Place::new();
    tone(&place.path("in/0.wav"), 300);
    tone(&place.path("in/1.wav"), 301);
    let (port, heard) = listener(&[503, 204]);
    let list = format!(
        "{{\"path\":\"in/0.wav\",\"callback\":\"http://127.0.0.1:{port}/told?x=1\"}}\n{{\"path\":\"in/1.wav\",\"callback\":\"http://127.0.0.1:1/\"}}\n"
    );
    std::fs::write(place.path("list.ndjson"), list).unwrap();
    let host = format!("127.0.0.1:{port}");
    let secret = "a secret of thirty-two bytes, no fewer";
    let args =
        ["ingest", "list.ndjson", "--submit-only", "--callback-host", &host, "--callback-secret", secret];
    let out = place.run(&[&args[..], &LIGHT].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(
        text(&out.stderr).contains("http://127.0.0.1:1/ will not be told: 127.0.0.1:1 is not among"),
        "{}",
        text(&out.stderr)
    );
    let args = ["worker", "--callback-host", &host];
    let worker =
        place.command(&[&args[..], &LIGHT].concat()).env("SEAMLINE_CALLBACK_SECRET", secret).spawn().unwrap();
    let heard = heard.join().unwrap();
    terminate(worker);
    let (head, body) = &heard[1];
    assert_eq!(heard[0].1, *body, "said again, since the first time it was not heard");
    assert!(head.starts_with("POST /told?x=1 HTTP/1.1\r\n"), "{head}");
    let sign = head.split("seamline-signature: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let (time, hex) = sign.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = <hmac::Hmac<sha2::Sha256> as Mac>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    let wanted: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, wanted);
    let job: Value = serde_json::from_slice(body).unwrap();
    assert!(job["state"] == "done" && job["path"].as_str().unwrap().ends_with("/in/0.wav"), "{job}");
    assert!(job["conclusion"].is_string() && job["sha256"].as_str().unwrap().len() == 64, "{job}");
}

#[test]
fn a_file_that_vanished_is_a_coded_failure_and_runs_when_it_is_back() {
    let place = Place::new();
    tone(&place.path("in/a.wav"), 300);
    tone(&place.path("in/b.wav"), 301);
    std::fs::write(place.path("list.ndjson"), "{\"path\":\"in/a.wav\"}\n{\"path\":\"in/b.wav\"}\n").unwrap();
    let submit = place.run(&[&["ingest", "list.ndjson", "--submit-only"][..], &LIGHT].concat());
    assert!(submit.status.success(), "{}", text(&submit.stderr));
    std::fs::rename(place.path("in/a.wav"), place.path("away.wav")).unwrap();
    tone(&place.path("in/b.wav"), 302);
    let out = place.run(&[&["ingest", "list.ndjson", "--out", "out.jsonl"][..], &LIGHT].concat());
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    let codes: BTreeMap<String, String> = place
        .jobs()
        .iter()
        .map(|j| (j["path"].as_str().unwrap().into(), j["failure"]["code"].as_str().unwrap().into()))
        .collect();
    let codes: Vec<(&str, &str)> =
        codes.iter().map(|(p, c)| (p.rsplit('/').next().unwrap(), c.as_str())).collect();
    assert_eq!(codes, [("a.wav", "source.gone"), ("b.wav", "source.changed")]);
    assert!(place.verdicts().values().flatten().all(|v| v["conclusion"] == "not_assessable"));
    std::fs::rename(place.path("away.wav"), place.path("in/a.wav")).unwrap();
    let id = place.jobs().into_iter().find(|j| j["path"].as_str().unwrap().ends_with("a.wav")).unwrap();
    let replay = place.run(&["jobs", "replay", id["id"].as_str().unwrap()]);
    assert_eq!(text(&replay.stdout).trim(), "1 back in the queue");
    let out = place.run(&[&["ingest", "list.ndjson", "--out", "out.jsonl"][..], &LIGHT].concat());
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert_eq!(place.verdicts()["a.wav"].len(), 2, "a replayed job ends again");
}

#[test]
fn a_clip_that_is_stopped_at_a_limit_each_time_becomes_a_dead_letter_and_the_rest_goes_on() {
    let place = Place::new();
    let long = seamline_testkit::clips::generated(
        "minutes.wav",
        &["-f", "lavfi", "-i", "anoisesrc=r=16000:d=600:seed=7", "-c:a", "pcm_s16le"],
    )
    .unwrap();
    std::fs::copy(long, place.path("in/long.wav")).unwrap();
    tone(&place.path("in/short.wav"), 400);
    // Ten minutes of sound in no second of work: the worker is stopped at its limit, each time.
    let out = place.watch(&["--once", "-w", "1", "--max-cpu-secs", "0"]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    let states: BTreeMap<String, String> = place
        .jobs()
        .iter()
        .map(|j| {
            let name = j["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            (name, j["state"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(states["long.wav"], "dead", "{states:?}");
    assert!(text(&out.stderr).contains("long.wav: once more: worker.lost"), "{}", text(&out.stderr));
    // On a busy machine the short clip may meet the limit too: its entry is not what is counted.
    let dead = text(&place.run(&["jobs", "dead"]).stdout);
    let mut lines = dead.lines().skip_while(|l| l.starts_with(' ') || !l.contains("long.wav"));
    let entry: Vec<&str> = lines.next().into_iter().chain(lines.take_while(|l| l.starts_with(' '))).collect();
    let dead = entry.join("\n");
    assert_eq!(
        dead.matches("worker.lost: stopped at the limit").count(),
        4,
        "the job and three attempts: {dead}"
    );
    let v = &place.verdicts()["long.wav"];
    assert!(v.len() == 1 && v[0]["conclusion"] == "not_assessable", "{v:?}");
}

#[test]
fn a_token_is_printed_once_listed_without_its_secret_and_revoked() {
    let place = Place::new();
    let out = place.run(&["tokens", "create", "desk", "--role", "analyst", "--days", "30"]);
    let secret = text(&out.stdout).trim().to_owned();
    assert!(secret.starts_with("seamline_") && secret.len() == 9 + 64, "{secret}");
    let list = text(&place.run(&["tokens", "list"]).stdout);
    assert!(list.contains("desk") && list.contains("until") && !list.contains(&secret[9..]), "{list}");
    assert!(place.run(&["tokens", "revoke", "1"]).status.success());
    assert!(text(&place.run(&["tokens", "list"]).stdout).contains("revoked"));
    assert_eq!(place.run(&["tokens", "revoke", "1"]).status.code(), Some(2));
    assert_eq!(place.run(&["tokens", "create", "x", "--role", "king"]).status.code(), Some(2));
}
