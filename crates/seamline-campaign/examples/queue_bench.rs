//! What the queue costs beside the disk it writes to: `queue_bench FOLDER [JOBS] [CLIPS]`. One JSON object.
//!
//! Jobs do nothing, so what is measured is the queue. Raw inserts are one row of the same size a transaction, in the
//! same mode (WAL, synchronous FULL), on the same disk, in the same run. CLIPS is the size of the store searched.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement, not a library

use seamline_campaign::moment::Moment;
use seamline_campaign::store::{Beside, ClipQuery, Recording, SqlStore, Store};
use seamline_core::job::{JobQueue, Lane, Rules, Submission};
use seamline_core::{ClipId, Sha256Hash};
use std::path::Path;
use std::time::Instant;

fn at(ms: i64) -> Moment {
    Moment::from_millis(ms).unwrap()
}

fn clip(n: u64) -> ClipId {
    Sha256Hash::of(&n.to_le_bytes())
}

fn submission(n: u64, digest: Sha256Hash) -> Submission {
    Submission {
        clip: clip(n),
        pipeline_digest: digest,
        path: format!("clip number {n}.mp4"),
        source: format!("/inbox/clip number {n}.mp4").into(),
        size: 1_000 + n,
        priority: 0,
        deadline: None,
        origin: "bench".into(),
        by: String::new(),
        claim: String::new(),
        sightings: Vec::new(),
        callback: None,
    }
}

fn recording<'a>(n: u64, path: &'a str, digest: Sha256Hash, line: &'a str) -> Recording<'a> {
    let conclusion = ["inconclusive", "supports_spoof", "not_assessable"][(n % 3) as usize];
    Recording {
        clip: clip(n),
        path,
        size: 1_000 + n,
        at: at(n as i64),
        pipeline_digest: digest,
        conclusion,
        llr: Some(0.5),
        verdict_line: line,
        evidence_lines: &[],
        observables: None,
        sightings: &[],
    }
}

fn raw_inserts(path: &Path, jobs: u64, line: &str) -> f64 {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id BLOB PRIMARY KEY, line TEXT)")
        .unwrap();
    let began = Instant::now();
    for n in 0..jobs {
        db.prepare_cached("INSERT INTO t VALUES (?1, ?2)")
            .unwrap()
            .execute(rusqlite::params![clip(n).as_bytes(), line])
            .unwrap();
    }
    jobs as f64 / began.elapsed().as_secs_f64()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let folder = Path::new(&args[1]);
    let number = |n: usize, usual: u64| args.get(n).map_or(usual, |a| a.parse().unwrap());
    let (jobs, clips) = (number(2, 5_000), number(3, 100_000));
    let line = format!("{{\"type\":\"verdict\",\"reasons\":[\"{}\"]}}", "x".repeat(1_500));
    let raw = raw_inserts(&folder.join("raw.db"), jobs, &line);

    let digest = Sha256Hash::of(b"pipeline");
    let rules = Rules::default();
    let mut store = SqlStore::open(&folder.join("queue.db")).unwrap();
    store.adopt(&digest).unwrap();
    let began = Instant::now();
    for n in 0..jobs {
        store.submit(&submission(n, digest), &rules, at(n as i64)).unwrap();
    }
    let submitted = jobs as f64 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    for from in (jobs..2 * jobs).step_by(64) {
        let batch: Vec<_> = (from..(from + 64).min(2 * jobs)).map(|n| submission(n, digest)).collect();
        store.submit_from(&batch, &rules, at(0), None).unwrap();
    }
    let batched = jobs as f64 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    for _ in 0..jobs {
        let now = at(1 << 40);
        let l = store.lease(1, Lane::Any, &digest, &rules, now, now).unwrap().unwrap();
        let n = l.job.number;
        store
            .complete(&l, &recording(n, &l.job.path, digest, &line), &Beside { info: "{}", exhibits: None })
            .unwrap();
    }
    let done = jobs as f64 / began.elapsed().as_secs_f64();

    // A store of many verdicts, written in fewer transactions so that making it does not take all day.
    let searched = folder.join("searched.db");
    drop(SqlStore::open(&searched).unwrap());
    let mut db = rusqlite::Connection::open(&searched).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let tx = db.transaction().unwrap();
    for n in 0..clips {
        let id = clip(n);
        let conclusion = if n % 1_000 == 0 { "supports_spoof" } else { "inconclusive" };
        tx.prepare_cached("INSERT INTO cluster (founder, members, last_seen) VALUES (?1, 1, ?2)")
            .unwrap()
            .execute(rusqlite::params![id.as_bytes(), n as i64])
            .unwrap();
        tx.prepare_cached("INSERT INTO clip (sha256, path, size, recorded_at, conclusion, cluster) VALUES (?1, ?2, 1, ?3, ?4, ?5)")
            .unwrap()
            .execute(rusqlite::params![
                id.as_bytes(),
                format!("/media/inbox/2026/{:02}/clip-{n:07}-{}.mp4", n % 12 + 1, &id.to_string()[..6]),
                n as i64,
                conclusion,
                n as i64 + 1
            ])
            .unwrap();
        tx.prepare_cached("INSERT INTO verdict (clip, pipeline_digest, recorded_at, conclusion, line) VALUES (?1, ?2, ?3, ?4, ?5)")
            .unwrap()
            .execute(rusqlite::params![n as i64 + 1, digest.as_bytes(), n as i64, conclusion, line])
            .unwrap();
    }
    tx.commit().unwrap();
    drop(db);
    let store = SqlStore::open(&searched).unwrap();
    let time = |q: &ClipQuery| {
        let once = || {
            let began = Instant::now();
            let found = store.search(q, 50).unwrap().len();
            (began.elapsed().as_secs_f64() * 1e3, found)
        };
        let found = once().1;
        serde_json::json!({ "ms": median((0..9).map(|_| once().0).collect()), "found": found })
    };
    let text = |t: String| ClipQuery { text: Some(t), ..ClipQuery::default() };
    let spoof = Some("supports_spoof".to_owned());
    let search = serde_json::json!({
        "hash": time(&text(clip(clips / 2).to_string())),
        "latest_page": time(&ClipQuery::default()),
        "common_name": time(&text("inbox".into())),
        "rare_name": time(&text(format!("clip-{:07}", clips / 2))),
        "no_such_name": time(&text("nothing is called this".into())),
        "conclusion": time(&ClipQuery { conclusion: spoof.clone(), ..ClipQuery::default() }),
        "conclusion_and_no_such_name": time(&ClipQuery { conclusion: spoof, ..text("nothing is called this".into()) }),
        "first_hundredth_by_time": time(&ClipQuery { until: Some(at(clips as i64 / 100)), ..ClipQuery::default() }),
    });
    println!(
        "{}",
        serde_json::json!({
            "jobs": jobs, "raw_inserts_per_s": raw, "submitted_per_s": submitted, "submitted_by_64_per_s": batched,
            "leased_and_completed_per_s": done, "clips": clips, "search": search,
            "check": store.clip(&clip(1)).unwrap().is_some(),
        })
    );
}
