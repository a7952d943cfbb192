//! The store over a real PostgreSQL that several machines share, through what the rest of Seamline sees of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // helpers outside of #[test] functions

use seamline_campaign::cluster::{Decision, Link, LinkKind, Ruling};
use seamline_campaign::observables::{Observables, Trace, TraceKind, VERSION};
use seamline_campaign::store::{
    Beside, CheckReport, Claim, ClipQuery, FileIdentity, OutletMark, Recording, Role, Sighting, SqlStore,
    Store, StoreAt, StoreError,
};
use seamline_core::job::{
    Failure, FailureCode, JobError, JobId, JobQueue, JobState, Lane, Lease, Rules, Submission,
};
use seamline_core::{ClipId, Moment, Sha256Hash, Stage};
use seamline_testkit::servers::Postgres;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn server() -> Option<Postgres> {
    let server = Postgres::start().unwrap();
    if server.is_none() {
        eprintln!("PASSED OVER: PostgreSQL is not installed (scripts/setup.sh installs it)");
    }
    server
}

fn on(url: &str, machine: &str) -> SqlStore {
    SqlStore::at(&StoreAt::new(url.as_ref(), machine)).unwrap()
}

fn at(ms: i64) -> Moment {
    Moment::from_millis(ms).unwrap()
}

fn id(n: u32) -> ClipId {
    Sha256Hash::of(&n.to_le_bytes())
}

fn digest() -> Sha256Hash {
    Sha256Hash::of(b"pipeline")
}

fn observables(n: u32) -> Observables {
    Observables {
        version: VERSION,
        clip: id(n),
        duration_us: i64::from(n),
        frames: Vec::new(),
        sound: None,
        voices: Vec::new(),
        patches: Vec::new(),
        traces: vec![Trace { kind: TraceKind::GeneratorRun, value: format!("run {}", n % 2) }],
        truncated: false,
        thumbnail: vec![1, 2, 3],
    }
}

fn recording<'a>(n: u32, path: &'a str, o: &'a Observables, evidence: &'a [String]) -> Recording<'a> {
    Recording {
        clip: id(n),
        path,
        size: 5,
        at: at(1_000 + i64::from(n)),
        pipeline_digest: digest(),
        conclusion: "inconclusive",
        llr: Some(0.5),
        verdict_line: "{\"type\":\"verdict\"}",
        evidence_lines: evidence,
        observables: Some(o),
        sightings: &[],
    }
}

fn record(store: &mut SqlStore, n: u32) {
    store.record(&recording(n, "a.mp4", &observables(n), &["{\"type\":\"evidence\"}".into()])).unwrap();
}

fn submission(n: u32, priority: i8) -> Submission {
    Submission {
        clip: id(n),
        pipeline_digest: digest(),
        path: format!("{n}.mp4"),
        source: PathBuf::from(format!("/in/{n}.mp4")),
        size: 5,
        priority,
        deadline: None,
        origin: "test".into(),
        by: "k.m.".into(),
        claim: "filmed\0today".into(),
        sightings: vec![Sighting { url: "u".repeat(9_000), channel: "c".into(), seen_at: at(7) }],
        callback: Some("https://desk.example.org/".into()),
    }
}

fn complete(store: &mut SqlStore, l: &Lease, n: u32) -> Result<bool, JobError> {
    let o = observables(n);
    let beside = Beside { info: "{}", exhibits: Some("[]") };
    store.complete(l, &recording(n, &l.job.path, &o, &[]), &beside).map(|r| r.new_clip)
}

#[test]
fn a_job_goes_its_way_from_submission_to_report() {
    let Some(server) = server() else { return };
    let mut store = on(&server.database().unwrap(), "m");
    let rules = Rules::default();
    store.adopt(&digest()).unwrap();
    let batch: Vec<_> = (0..3).map(|n| submission(n, (n * 10) as i8)).collect();
    let made = store.submit_from(&batch, &rules, at(0), None).unwrap();
    assert!(made.iter().all(|s| s.new) && !store.submit(&batch[0], &rules, at(1)).unwrap().new);
    let lease = |store: &mut SqlStore, owner: u64, now: i64| {
        store.lease(owner, Lane::Light, &digest(), &rules, at(now), at(now + 10)).unwrap()
    };
    let first = lease(&mut store, 1, 10).unwrap();
    assert_eq!(first.job.path, "2.mp4", "by priority");
    assert!(store.renew(&first, at(15), Stage::Open, 0.5).unwrap());
    let again = lease(&mut store, 2, 100).unwrap();
    assert_eq!((again.job.id, again.job.starts), (first.job.id, 2), "the first one ran out");
    assert!(!store.renew(&first, at(200), Stage::Open, 0.5).unwrap());
    assert!(matches!(complete(&mut store, &first, 2), Err(JobError::LeaseLost(_))));
    assert!(complete(&mut store, &again, 2).unwrap());
    assert!(!complete(&mut store, &again, 2).unwrap(), "once more under the same lease: the same");
    let lost = Failure { code: FailureCode::WorkerLost, message: "crashed".into() };
    for n in 1..=3 {
        let l = lease(&mut store, 1, 200 + n).unwrap();
        assert_eq!(l.job.path, "1.mp4");
        let state = store.fail(&l, &lost, "{\"n\":1}", &rules, at(200 + n)).unwrap();
        assert_eq!(state, if n < 3 { JobState::Queued } else { JobState::Dead });
    }
    assert_eq!(store.attempts(&made[1].id).unwrap().len(), 3);
    store.replay(&made[1].id, at(300)).unwrap();
    let offers = store.offers(9, &digest(), &rules, at(300), 9).unwrap();
    assert_eq!(offers.iter().map(|o| o.id).collect::<Vec<_>>(), [made[1].id, made[0].id]);
    let claim = store.lease_job(&made[0].id, 1, &digest(), &rules, at(300), at(310)).unwrap();
    assert!(matches!(&claim, Claim::Taken(l) if l.job.id == made[0].id));
    let held = store.lease_job(&made[0].id, 2, &digest(), &rules, at(305), at(310)).unwrap();
    assert!(matches!(held, Claim::Later(until) if until == at(310)));
    assert!(store.bury(&made[1].id, 5, at(301)).unwrap() && !store.bury(&made[0].id, 5, at(301)).unwrap());
    assert!(store.take_role("relay", 1, at(0), at(10)).unwrap());
    assert!(!store.take_role("relay", 2, at(5), at(15)).unwrap());
    let counts = store.counts().unwrap();
    assert_eq!((counts.done, counts.dead, counts.running, counts.queued), (1, 1, 1, 0));
    let lines = store.ended_after(0, 9).unwrap();
    assert_eq!(lines.len(), 2, "the replayed one counts once: {lines:?}");
    assert_eq!(store.jobs(None, None, 9).unwrap().len(), 3);
    assert_eq!(store.jobs_named(&id(2).to_string()[..8], 9).unwrap().len(), 1);
    let report = store.report(&id(2)).unwrap().unwrap();
    assert_eq!((report.info.as_deref(), report.exhibits.as_deref()), (Some("{}"), Some("[]")));
    assert_eq!(store.sightings(&id(2)).unwrap().len(), 1);
    assert_eq!(store.claims_of(&id(2)).unwrap(), [("k.m.".to_owned(), "filmed\u{fffd}today".to_owned())]);
}

#[test]
fn campaigns_search_tokens_and_the_audit_log_are_what_they_are_in_a_file() {
    let Some(server) = server() else { return };
    let mut store = on(&server.database().unwrap(), "m");
    (0..4).for_each(|n| record(&mut store, n));
    record(&mut store, 0);
    let link = Link::new(id(0), id(1), LinkKind::SamePictures, 0.9, Vec::new()).unwrap();
    store.link(&id(1), &[link]).unwrap();
    assert_eq!(store.unlinked().unwrap(), [id(0), id(2), id(3)]);
    let ruling = Ruling::Merge { clips: [id(1), id(2)].into() };
    store.decide(&Decision { author: "k.m.".into(), at: at(9), ruling }).unwrap();
    let cluster = &store.clusters(9).unwrap()[0];
    assert_eq!((cluster.members, store.members(cluster.id).unwrap().len()), (3, 3));
    assert_eq!(store.links_of(&id(0)).unwrap().len(), 1);
    let shown = store.appearance(&id(3)).unwrap().unwrap();
    assert_eq!((shown.duration.as_micros(), shown.thumbnail), (3, vec![1, 2, 3]));
    let trace = Trace { kind: TraceKind::GeneratorRun, value: "run 1".into() };
    assert_eq!(store.clips_with_trace(&trace).unwrap().len(), 2);
    let find = |q: &ClipQuery| store.search(q, 9).unwrap().len();
    assert_eq!(
        find(&ClipQuery { text: Some("A.MP".into()), ..ClipQuery::default() }),
        4,
        "letters of either case"
    );
    assert_eq!(find(&ClipQuery { text: Some("a_mp4".into()), ..ClipQuery::default() }), 0);
    assert_eq!(find(&ClipQuery { text: Some(id(3).to_string()[..9].into()), ..ClipQuery::default() }), 1);
    let recent =
        ClipQuery { from: Some(at(1_002)), conclusion: Some("inconclusive".into()), ..ClipQuery::default() };
    assert_eq!(find(&recent), 2);
    assert_eq!(store.verdicts(&id(0)).unwrap()[0].evidence.len(), 1);
    let token = store.add_token("desk", Role::Read, &digest(), at(1), None).unwrap();
    assert!(store.revoke_token(token, at(2)).unwrap() && !store.revoke_token(token, at(2)).unwrap());
    store.audit(at(1), "desk", "submit", "x").unwrap();
    assert!(
        server.sql("seen1", "DELETE FROM audit").is_err() && server.sql("seen1", "TRUNCATE audit").is_err()
    );
    assert_eq!(store.audit_log(None, 9).unwrap().len(), 1);
    assert_eq!(store.check().unwrap(), CheckReport { clips: 4, verdicts: 4, problems: vec![] });
}

/// Does it again while the server is away: twice in a row is more than the store makes up for, and doing it again is
/// safe.
fn patiently<T>(mut f: impl FnMut() -> Result<T, StoreError>) -> T {
    loop {
        match f() {
            Ok(done) => return done,
            Err(e) => assert!(matches!(e, StoreError::Away(_)), "{e}"),
        }
    }
}

#[test]
fn machines_share_a_database_and_it_may_be_stopped_crashed_and_started_meanwhile() {
    let Some(mut server) = server() else { return };
    let url = server.database().unwrap();
    // All of them begin it at once: one does.
    std::thread::scope(|scope| {
        let recording: Vec<_> = (0..3)
            .map(|machine| {
                let url = &url;
                scope.spawn(move || {
                    let mut s = patiently(|| SqlStore::at(&StoreAt::new(url.as_ref(), "m")));
                    // Half of the clips are recorded by two of them.
                    for n in 0..80 {
                        let (n, evidence) = (machine * 40 + n, ["{\"type\":\"evidence\"}".to_owned()]);
                        let o = observables(n);
                        patiently(|| s.record(&recording(n, "a.mp4", &o, &evidence)));
                        std::thread::sleep(Duration::from_millis(20));
                    }
                })
            })
            .collect();
        let mut at_work = 0;
        for n in 0..6 {
            std::thread::sleep(Duration::from_millis(500));
            at_work += usize::from(!recording.iter().all(|r| r.is_finished()));
            if n % 2 == 0 {
                server.stop()
            } else {
                server.crash()
            }
            server.start_again().unwrap();
        }
        assert!(at_work > 2, "they were done too soon: {at_work}");
    });
    let s = on(&url, "m");
    assert_eq!(s.check().unwrap(), CheckReport { clips: 160, verdicts: 160, problems: vec![] });
    let mut rows = Vec::new();
    s.observables_after(0, &mut |row, o| {
        rows.push((row, o.clip));
        Ok(())
    })
    .unwrap();
    assert!(rows.len() == 160 && rows.windows(2).all(|w| w[0].0 < w[1].0));
}

#[test]
fn what_machines_remember_of_their_files_is_kept_apart() {
    let Some(server) = server() else { return };
    let url = server.database().unwrap();
    let (mut a, mut b) = (on(&url, "a"), on(&url, "b"));
    let out = Path::new("/srv/out.jsonl");
    let mark = OutletMark { ended: 7, bytes: 70 };
    a.mark_outlet(out, mark).unwrap();
    assert_eq!((a.outlet(out).unwrap(), b.outlet(out).unwrap()), (Some(mark), None));
    let file = FileIdentity { device: u64::MAX, inode: 2, size: 3, mtime_ns: -4 };
    let (was, now) = (Path::new("/in/x"), Path::new("/in/y"));
    let job = a
        .submit(&Submission { source: was.into(), ..submission(1, 0) }, &Rules::default(), at(0))
        .unwrap()
        .id;
    a.watch(&file, was, &job).unwrap();
    assert!(a.is_watched(&file, was).unwrap() && !b.is_watched(&file, was).unwrap());
    assert!(a.is_watched(&file, now).unwrap());
    assert_eq!(a.job(&job).unwrap().unwrap().source, now, "its job follows it");
    assert!(a.bury(&job, 5, at(1)).unwrap());
    assert!(b.to_move(Path::new("/in"), 9).unwrap().is_empty());
    let ended = a.to_move(Path::new("/in"), 9).unwrap().remove(0);
    assert_eq!((ended.identity, ended.path.as_path(), ended.job), (file, now, job));
    a.moved(&ended, None).unwrap();
    assert!(a.to_move(Path::new("/in"), 9).unwrap().is_empty());
    assert!(a.job(&JobId::from_bytes([1; 32])).unwrap().is_none());
}
