//! The server through the real binary: a clip goes in over HTTP, a verdict comes out; who may what; what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

mod common;
mod http;

use common::seamline;
use http::{Answer, Part, multipart, request};
use seamline_server::{Need, ROUTES};
use seamline_testkit::clips::{reading, talking_face, transcoded};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Served {
    child: Child,
    address: String,
    dir: std::rc::Rc<tempfile::TempDir>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn place() -> std::rc::Rc<tempfile::TempDir> {
    std::rc::Rc::new(tempfile::tempdir().unwrap())
}

fn command(dir: &tempfile::TempDir, args: &[&str]) -> Command {
    let mut command = seamline();
    command.current_dir(dir.path()).args(args).args(["--store", "s.db"]);
    command
}

fn start_in(dir: &std::rc::Rc<tempfile::TempDir>, more: &[&str]) -> Served {
    let args = [&["serve", "--listen", "127.0.0.1:0", "--detectors", "perth", "-w", "1"][..], more].concat();
    let mut child = command(dir, &args).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("it says where it listens").unwrap();
        if let Some((_, address)) = line.split_once("listening on ").and_then(|(_, at)| at.split_once("://"))
        {
            break address.to_owned();
        }
    };
    // So that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    Served { child, address, dir: dir.clone() }
}

fn start(more: &[&str]) -> Served {
    start_in(&place(), more)
}

impl Served {
    fn get(&self, path: &str) -> Answer {
        request(&self.address, "GET", path, &[], b"")
    }

    fn with(&self, method: &str, path: &str, token: &str) -> Answer {
        request(&self.address, method, path, &[("authorization", &format!("Bearer {token}"))], b"")
    }

    fn upload(&self, parts: &[Part<'_>], headers: &[(&str, &str)]) -> Answer {
        let (kind, body) = multipart(parts);
        let headers = [&[("content-type", kind.as_str())], headers].concat();
        request(&self.address, "POST", "/v1/clips", &headers, &body)
    }

    fn until_done(&self, job: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let job = self.get(&format!("/v1/jobs/{job}")).json();
            if !matches!(job["state"].as_str().unwrap(), "queued" | "running") {
                return job;
            }
            assert!(Instant::now() < end, "{job}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn token(dir: &tempfile::TempDir, role: &str) -> String {
    let out = command(dir, &["tokens", "create", role, "--role", role]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn bytes(path: &PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_clip_goes_in_and_its_verdict_is_read_by_programs_and_people() {
    // With a detector that speaks of stretches, so that there is a timeline.
    let s = start(&["--detectors", "voice-whisper"]);
    let clip = bytes(&talking_face().unwrap());
    let parts = [
        Part::text("where", "https://example.org/1"),
        Part::text("channel", "channel one"),
        Part::text("when", "2026-05-01T10:00:00Z"),
        Part::text("claim", "filmed <today>"),
        Part::file("../evil/talk.mkv", &clip),
    ];
    let first = s.upload(&parts, &[]);
    assert_eq!(first.status, 202, "{}", first.text());
    let job = first.json();
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location").unwrap(), format!("/v1/jobs/{id}"));
    assert_eq!(job["path"], "talk.mkv");
    assert_eq!(s.upload(&parts, &[]).status, 200, "the same bytes are the same job");

    let events = s.get(&format!("/v1/jobs/{id}/events"));
    assert!(events.header("content-type").unwrap().starts_with("text/event-stream"));
    let last = events.text().rsplit("data: ").next().unwrap().to_owned();
    let done: Value = serde_json::from_str(last.trim()).unwrap();
    assert_eq!(done["state"], "done", "the stream ends with the job: {done}");
    let sha = done["sha256"].as_str().unwrap();

    let report = s.get(&format!("/v1/reports/{sha}"));
    let json = report.json();
    assert_eq!(json["verdict"]["type"], "verdict");
    assert_eq!(json["verdict"]["sha256"], sha);
    assert!(json["evidence"].as_array().unwrap().iter().all(|e| e["type"] == "evidence"));
    assert_eq!(json["run"]["pipeline_digest"], json["pipeline_digest"]);
    let tag = report.header("etag").unwrap();
    let again = request(&s.address, "GET", &format!("/v1/reports/{sha}"), &[("if-none-match", &tag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let page = s.get(&format!("/v1/reports/{sha}?format=html"));
    assert!(
        page.text().contains("Seamline report")
            && page.header("content-security-policy").unwrap().contains("sandbox")
    );

    // The page in the browser: report, player, what was said, escaped.
    let page = s.get(&format!("/clips/{sha}"));
    let text = page.text();
    assert_eq!(page.status, 200, "{text}");
    assert!(text.contains("<video id=\"player\"") && text.contains("class=\"timeline\""), "{text}");
    assert!(text.contains("filmed &lt;today&gt;") && text.contains("https://example.org/1"));
    assert!(
        !text.contains("<script>") && !text.contains("href=\"https://example.org"),
        "no script, no link to a liar's page"
    );
    let media = s.get(&format!("/clips/{sha}/media"));
    assert_eq!(media.body, clip);
    assert_eq!(media.header("content-type").unwrap(), "video/webm");
    assert_eq!(media.header("content-disposition").unwrap(), "attachment");
    assert_eq!(media.header("x-content-type-options").unwrap(), "nosniff");
    let part = request(&s.address, "GET", &format!("/clips/{sha}/media"), &[("range", "bytes=10-19")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &clip[10..20]));

    let found = s.get("/v1/clips?q=talk&limit=1").json();
    assert_eq!(found["clips"][0]["sha256"], sha);
    assert_eq!(s.get(&format!("/v1/clips?q={}", &sha[..10])).json()["clips"].as_array().unwrap().len(), 1);
    assert!(s.get("/v1/clips?q=nothing").json()["clips"].as_array().unwrap().is_empty());
    let detail = s.get(&format!("/v1/clips/{sha}")).json();
    assert_eq!(
        (&detail["sightings"][0]["channel"], &detail["claims"][0]["claim"]),
        (&"channel one".into(), &"filmed <today>".into())
    );
    let metrics = s.get("/metrics").text();
    assert!(
        metrics.contains("seamline_jobs{state=\"done\"} 1") && metrics.contains("seamline_uploads_total 2"),
        "{metrics}"
    );
    let audit = s.get("/v1/audit").json();
    assert_eq!(audit["entries"][0]["action"], "clip.submit");
    for path in ["/healthz", "/readyz", "/", "/clips", "/campaigns", "/login"] {
        assert!(matches!(s.get(path).status, 200 | 303), "{path}");
    }
}

#[test]
fn near_duplicates_are_shown_and_decided_on() {
    let s = start(&[]);
    let args = ["-vf", "hflip,scale=256:192", "-c:v", "libx264", "-crf", "30", "-c:a", "aac", "-b:a", "48k"];
    let copy = transcoded("mirrored.mp4", &args).unwrap();
    let mut shas = Vec::new();
    for (name, path) in [("original.mp4", talking_face().unwrap()), ("copy.mp4", copy)] {
        let job = s.upload(&[Part::file(name, &bytes(&path))], &[]).json();
        shas.push(s.until_done(job["id"].as_str().unwrap())["sha256"].as_str().unwrap().to_owned());
    }
    // Links are made right after the end of the job.
    let end = Instant::now() + Duration::from_secs(10);
    let matches = loop {
        let m = s.get(&format!("/v1/clips/{}/matches", shas[1])).json();
        if !m["matches"].as_array().unwrap().is_empty() || Instant::now() > end {
            break m;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let same = matches["matches"].as_array().unwrap().iter().find(|m| m["kind"] == "same_pictures").unwrap();
    assert_eq!(same["clip"]["path"], "original.mp4");
    let campaign = &s.get("/v1/campaigns").json()["campaigns"][0];
    let id = campaign["id"].to_string();
    assert_eq!((&campaign["members"], &campaign["confirmed"]), (&2.into(), &false.into()));
    let page = s.get(&format!("/campaigns/{id}")).text();
    let form =
        page.split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let post = |path: &str, body: String, headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        request(&s.address, "POST", path, &headers, body.as_bytes())
    };
    let name = format!("/campaigns/{id}/name");
    assert_eq!(post(&name, "name=x&form_token=0".into(), &[]).status, 403, "not our form");
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(post(&name, format!("name=x&form_token={form}"), &foreign).status, 403, "another site's form");
    assert_eq!(post(&name, format!("name=The+borrowed+face&form_token={form}"), &[]).status, 303);
    assert_eq!(post(&format!("/campaigns/{id}/confirm"), format!("form_token={form}"), &[]).status, 303);
    let detail = s.get(&format!("/v1/campaigns/{id}")).json();
    assert_eq!((&detail["name"], &detail["confirmed"]), (&"The borrowed face".into(), &true.into()));
    assert_eq!(detail["decisions"].as_array().unwrap().len(), 2);
    let split = serde_json::json!({ "clips": [shas[1]] }).to_string();
    let json = [("content-type", "application/json")];
    let path = format!("/v1/campaigns/{id}/split");
    assert_eq!(request(&s.address, "POST", &path, &json, split.as_bytes()).status, 204);
    assert!(s.get("/v1/campaigns").json()["campaigns"].as_array().unwrap().is_empty());
    let bad = request(&s.address, "POST", "/v1/campaigns/merge", &json, b"{\"ids\":[1]}");
    assert_eq!((bad.status, bad.json()["status"].as_u64()), (400, Some(400)));
    assert_eq!(bad.header("content-type").unwrap(), "application/problem+json");
}

#[test]
fn every_route_asks_for_the_role_that_the_table_says() {
    let dir = place();
    let out =
        command(&dir, &["serve", "--listen", "127.0.0.1:0", "--tokens", "--no-work", "--detectors", "perth"])
            .output()
            .unwrap();
    assert_eq!(out.status.code(), Some(2), "tokens demanded and none there");
    assert!(String::from_utf8_lossy(&out.stderr).contains("seamline tokens create"));
    let roles = ["submit", "read", "analyst", "admin"];
    let tokens: Vec<String> = roles.iter().map(|r| token(&dir, r)).collect();
    let revoked = token(&dir, "admin");
    assert!(command(&dir, &["tokens", "revoke", "5"]).output().unwrap().status.success());
    let s = start_in(&dir, &["--tokens", "--no-work", "--rate", "1000"]);
    for (method, path, need) in ROUTES {
        let zeros = "0".repeat(64);
        let id = if path.contains("campaigns") { "1" } else { &zeros };
        let path = path
            .replace("{sha256}", &zeros)
            .replace("{name}", "app.js")
            .replace("{id}", id)
            .replace("{other}", &zeros);
        let refused = |a: &Answer| {
            a.status == 401
                || a.status == 403
                || (a.status == 303 && a.header("location").as_deref() == Some("/login"))
        };
        let Need::Role(role) = need else {
            let a = request(&s.address, method, &path, &[], b"");
            assert!(!matches!(a.status, 401 | 403 | 404 | 405), "{method} {path}: {}", a.status);
            continue;
        };
        assert!(refused(&request(&s.address, method, &path, &[], b"")), "{method} {path} without a token");
        for wrong in [revoked.as_str(), "seamline_0", "", "x y"] {
            assert_eq!(s.with(method, &path, wrong).status, 401, "{method} {path} with {wrong:?}");
        }
        let basic = request(&s.address, method, &path, &[("authorization", "Basic eDp5")], b"");
        assert_eq!(basic.status, 401, "{method} {path}");
        for (name, token) in roles.iter().zip(&tokens) {
            let a = s.with(method, &path, token);
            let may = roles.iter().position(|r| r == name) >= roles.iter().position(|r| *r == role.as_str());
            // A form that is not ours is refused too, later and with other words.
            let no_role = a.status == 403 && a.text().contains("this needs the role");
            assert_eq!(no_role, !may, "{method} {path} as {name}: {} {}", a.status, a.text());
            assert!(
                a.status != 401 && a.status != 405 && a.status < 500,
                "{method} {path} as {name}: {}",
                a.status
            );
        }
    }
    // A browser's cookie is no leave for others to write.
    let cookie = format!("seamline_token={}", tokens[3]);
    let upload = |headers: &[(&str, &str)]| {
        s.upload(&[Part::file("a.wav", b"RIFFxxxxWAVE")], &[&[("cookie", cookie.as_str())], headers].concat())
            .status
    };
    assert_eq!(upload(&[]), 403);
    assert_eq!(upload(&[("x-seamline-form", "guess")]), 403);
    let page = request(&s.address, "GET", "/", &[("cookie", &cookie)], b"").text();
    let form =
        page.split("name=\"seamline-form\" content=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(upload(&[("x-seamline-form", &form)]), 202);
    assert_eq!(upload(&[("x-seamline-form", &form), ("sec-fetch-site", "cross-site")]), 403);
    let login = request(
        &s.address,
        "POST",
        "/login",
        &[("content-type", "application/x-www-form-urlencoded")],
        format!("token={}", tokens[1]).as_bytes(),
    );
    let set = login.header("set-cookie").unwrap();
    assert!(login.status == 303 && set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let wrong = request(
        &s.address,
        "POST",
        "/login",
        &[("content-type", "application/x-www-form-urlencoded")],
        b"token=nope",
    );
    assert!(wrong.status == 403 && wrong.header("set-cookie").is_none());
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let s = start(&["--no-work", "--max-upload-mb", "1", "--uploads", "4"]);
    let parts = |p: &[Part<'_>]| s.upload(p, &[]);
    assert_eq!(parts(&[]).status, 400);
    assert_eq!(parts(&[Part::file("empty.mp4", b"")]).status, 400);
    assert_eq!(parts(&[Part::file("a", b"x"), Part::file("b", b"y")]).status, 400);
    assert_eq!(parts(&[Part::text("unknown", "x"), Part::file("a", b"x")]).status, 400);
    assert_eq!(parts(&[Part::text("priority", "1000"), Part::file("a", b"x")]).status, 400);
    assert_eq!(parts(&[Part::text("when", "yesterday"), Part::file("a", b"x")]).status, 400);
    assert_eq!(parts(&[Part::text("claim", &"x".repeat(100_000)), Part::file("a", b"x")]).status, 413);
    let large = parts(&[Part::file("large.mp4", &vec![7; 1_500_000])]);
    assert_eq!(large.status, 413, "{}", large.text());
    assert_eq!(large.header("content-type").unwrap(), "application/problem+json");
    for (kind, body) in [
        ("multipart/form-data", &b"x"[..]),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf",
        ),
        ("text/plain", b"x"),
        ("application/json", b"{}"),
    ] {
        let a = request(&s.address, "POST", "/v1/clips", &[("content-type", kind)], body);
        assert!((400..=415).contains(&a.status), "{kind}: {}", a.status);
    }
    // Cut off in the middle.
    let (kind, body) = multipart(&[Part::file("cut.mp4", &[1; 100_000])]);
    http::cut_off(&s.address, "/v1/clips", &kind, &body, 50_000);
    for path in [
        "/v1/reports/zz",
        "/v1/jobs/zz",
        "/v1/clips?limit=x",
        "/v1/clips?cursor=x",
        "/v1/clips?conclusion=fake",
        "/v1/jobs?state=lost",
    ] {
        assert_eq!(s.get(path).status, 400, "{path}");
    }
    for path in [
        "/nothing",
        "/v1/nothing",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/clips/../../etc/passwd",
        "/v1/campaigns/99",
    ] {
        let a = s.get(path);
        assert_eq!(a.status, 404, "{path}");
        assert_eq!(a.header("content-type").unwrap(), "application/problem+json", "{path}");
    }
    assert_eq!(request(&s.address, "DELETE", "/v1/clips", &[], b"").status, 405);
    // A name that somebody else's page was made to point here.
    let a = request(&s.address, "GET", "/v1/clips", &[("host", "evil.example:8750")], b"");
    assert_eq!(a.status, 421);
    for a in [s.get("/"), s.get("/v1/clips"), s.get("/nothing"), s.get("/assets/app.js")] {
        let policy = a.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(a.header("x-content-type-options").unwrap(), "nosniff");
        assert!(a.header("access-control-allow-origin").is_none());
    }
    assert!(s.get("/v1/jobs").json()["jobs"].as_array().unwrap().is_empty(), "nothing of it became a job");
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let left: Vec<_> = walk(&s.dir.path().join("s.db.media"));
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "{left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn walk(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}

#[test]
fn many_upload_at_once_and_a_killed_server_loses_nothing() {
    const CLIPS: usize = 40;
    let dir = place();
    let speech = bytes(&reading());
    let s = start_in(&dir, &["--uploads", "64", "--rate", "1000"]);
    let send = |address: &str, n: usize| {
        // The end of the file differs: other bytes, another clip.
        let clip = [&speech[..], format!("{n}").as_bytes()].concat();
        let (kind, body) = multipart(&[Part::file(&format!("{n}.wav"), &clip)]);
        request(address, "POST", "/v1/clips", &[("content-type", kind.as_str())], &body).status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..CLIPS)
            .map(|n| {
                scope.spawn({
                    let (send, address) = (&send, &s.address);
                    move || send(address, n)
                })
            })
            .collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|s| *s == 202), "{statuses:?}");
    drop(s); // kill -9
    let s = start_in(&dir, &[]);
    assert_eq!(send(&s.address, 0), 200, "known");
    let end = Instant::now() + Duration::from_secs(180);
    loop {
        let m = s.get("/metrics").text();
        if m.contains(&format!("seamline_jobs{{state=\"done\"}} {CLIPS}\n")) {
            break;
        }
        assert!(Instant::now() < end, "{m}");
        std::thread::sleep(Duration::from_millis(300));
    }
    let check = command(&dir, &["store", "check"]).output().unwrap();
    let text = String::from_utf8(check.stdout).unwrap();
    assert_eq!(text.trim(), format!("{CLIPS} clips, {CLIPS} verdicts, 0 problems"));
}

#[test]
fn a_unix_socket_serves_too_and_nothing_is_kept_where_nothing_is_to_be_kept() {
    let dir = place();
    let args = ["serve", "--listen", "unix:s.sock", "--detectors", "perth", "-w", "1", "--retain", "none"];
    let mut child = command(&dir, &args).stderr(Stdio::null()).spawn().unwrap();
    let socket = dir.path().join("s.sock");
    let end = Instant::now() + Duration::from_secs(60);
    while !socket.exists() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(100));
    }
    let (kind, body) = multipart(&[Part::file("a.wav", &bytes(&reading()))]);
    let job = http::over_unix(&socket, "POST", "/v1/clips", &[("content-type", &kind)], &body);
    assert_eq!(job.status, 202, "{}", job.text());
    let id = job.json()["id"].as_str().unwrap().to_owned();
    loop {
        let job = http::over_unix(&socket, "GET", &format!("/v1/jobs/{id}"), &[], b"").json();
        if job["state"] == "done" {
            break;
        }
        assert!(Instant::now() < end, "{job}");
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_millis(500));
    assert!(walk(&dir.path().join("s.db.media")).is_empty());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let dir = place();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
    let cert = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--no-work", "--tokens"];
    let token = token(&dir, "admin");
    let refused =
        command(&dir, &[&["serve", "--listen", "127.0.0.1:0"][..], &cert].concat()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("key.pem") && said.lines().count() == 1, "{said}");

    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let served = start_in(&dir, &cert);
    // Clients that say nothing hold nobody up.
    let silent: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(&served.address).unwrap()).collect();
    let trusted = made.cert.der();
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        http::over_tls(&served.address, trusted, method, path, headers, body)
    };
    let answer = ask("GET", "/healthz", &[], b"");
    assert_eq!(answer.status, 200);
    assert!(answer.header("strict-transport-security").is_some());
    let form = format!("token={token}");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let entered = ask("POST", "/login", &kind, form.as_bytes());
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Secure") && cookie.contains("HttpOnly"), "{cookie}");
    let (kind, body) = multipart(&[Part::file("a.wav", &bytes(&reading()))]);
    let headers = [("content-type", kind.as_str()), ("authorization", &format!("Bearer {token}"))];
    assert_eq!(ask("POST", "/v1/clips", &headers, &body).status, 202);

    let mut plain = std::net::TcpStream::connect(&served.address).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer); // closed or reset: both are no answer
    assert!(!answer.starts_with(b"HTTP"), "nothing is said in the clear");
    drop(silent);
}

#[test]
fn a_large_clip_comes_in_pieces_over_broken_lines_and_a_killed_server() {
    let dir = place();
    let token = token(&dir, "submit");
    let other = self::token(&dir, "submit");
    let bearer = format!("Bearer {token}");
    let mut s = start_in(&dir, &["--tokens", "--max-upload-mb", "1"]);
    let clip = bytes(&reading());
    let tus = |s: &Served, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]| {
        let headers = [&[("authorization", bearer.as_str()), ("tus-resumable", "1.0.0")], more].concat();
        request(&s.address, method, path, &headers, body)
    };
    let can = request(&s.address, "OPTIONS", "/v1/uploads", &[], b"");
    assert_eq!((can.status, can.header("tus-max-size").as_deref()), (204, Some("1000000")));
    assert!(can.header("tus-extension").unwrap().contains("creation"));
    let length = clip.len().to_string();
    let said = [
        ("upload-length", length.as_str()),
        ("upload-metadata", "filename Z3LDvMOfZS53YXY=,claim YSBjbGFpbQ=="),
    ];
    let begun = tus(&s, "POST", "/v1/uploads", &said, b"");
    assert_eq!(begun.status, 201, "{}", begun.text());
    let at = begun.header("location").unwrap();
    assert!(begun.header("upload-expires").unwrap().ends_with("GMT"));
    let offset = |s: &Served| -> usize {
        let head = tus(s, "HEAD", &at, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("tus-resumable").as_deref(), Some("1.0.0"));
        head.header("upload-offset").unwrap().parse().unwrap()
    };
    assert_eq!(offset(&s), 0);
    const PIECE: (&str, &str) = ("content-type", "application/offset+octet-stream");
    // Cut off in the midst of a piece: what came stays.
    let half = clip.len() / 2;
    let headers = format!(
        "PATCH {at} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        PIECE.1,
        clip.len()
    );
    let mut line = std::net::TcpStream::connect(&s.address).unwrap();
    line.write_all(headers.as_bytes()).unwrap();
    line.write_all(&clip[..half]).unwrap();
    drop(line);
    let end = Instant::now() + Duration::from_secs(30);
    while offset(&s) < half {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(offset(&s), half);
    s.child.kill().unwrap();
    s.child.wait().unwrap();
    s = start_in(&dir, &["--tokens", "--max-upload-mb", "1"]);
    assert_eq!(offset(&s), half, "another server goes on with it");
    let status = |more: &[(&str, &str)], body: &[u8]| tus(&s, "PATCH", &at, more, body).status;
    let here = half.to_string();
    assert_eq!(status(&[PIECE, ("upload-offset", "0")], b"x"), 409);
    assert_eq!(status(&[PIECE], b"x"), 400);
    assert_eq!(status(&[("content-type", "text/plain"), ("upload-offset", &here)], b"x"), 415);
    let without = [("authorization", bearer.as_str()), PIECE, ("upload-offset", &here)];
    let spoken = request(&s.address, "PATCH", &at, &without, b"x");
    assert_eq!((spoken.status, spoken.header("tus-version").as_deref()), (412, Some("1.0.0")));
    assert_eq!(s.with("GET", &at, &other).status, 404, "somebody else's");
    let more = [&clip[half..], b"and more"].concat();
    assert_eq!(status(&[PIECE, ("upload-offset", &here)], &more), 413, "more than was said");
    let here = offset(&s).to_string();
    let rest = &clip[here.parse::<usize>().unwrap()..];
    let last = tus(&s, "PATCH", &at, &[PIECE, ("upload-offset", &here)], rest);
    assert_eq!(last.status, 204, "{}", last.text());
    let job = last.header("seamline-job").unwrap();
    let view = s.with("GET", &format!("/v1/jobs/{job}"), &token).json();
    assert_eq!(view["path"], "grüße.wav");
    let state = s.with("GET", &at, &token).json();
    assert_eq!(
        (state["offset"].as_u64(), state["job"].as_str()),
        (Some(clip.len() as u64), Some(job.as_str()))
    );
    while s.with("GET", &format!("/v1/jobs/{job}"), &token).json()["state"] != "done" {
        assert!(Instant::now() < end + Duration::from_secs(90));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(tus(&s, "DELETE", &at, &[], b"").status, 204);
    assert_eq!(tus(&s, "HEAD", &at, &[], b"").status, 404);
    assert!(walk(&dir.path().join("s.db.media/uploads")).is_empty(), "nothing of it is left");
    for (headers, wanted) in [
        (&[("upload-length", "1000001")][..], 413),
        (&[("upload-length", "0")], 400),
        (&[("upload-length", "-5")], 400),
        (&[], 400),
        (&[("upload-length", "5"), ("upload-metadata", "claim !!")], 400),
        (&[("upload-length", "5"), ("upload-metadata", "colour YQ==")], 400),
    ] {
        let refused = tus(&s, "POST", "/v1/uploads", headers, b"");
        assert_eq!(refused.status, wanted, "{headers:?}: {}", refused.text());
    }
}
