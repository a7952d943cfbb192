//! A store of many clips: how long a list of campaigns, one campaign, one more recording and a new link take. Prints
//! one JSON object.
//!
//! `store_bench FILE CLIPS`: FILE is made anew. The clips are put there in one transaction of plain SQL, in clusters
//! of 1 to 8, each clip with one sighting; what is timed goes through the library.
#![allow(clippy::print_stdout)]

use rusqlite::params;
use seamline_campaign::cluster::{Link, LinkKind};
use seamline_campaign::moment::Moment;
use seamline_campaign::store::{Recording, SqlStore, Store};
use seamline_core::{ClipId, Sha256Hash};
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn clip(n: u64) -> ClipId {
    Sha256Hash::of(&n.to_le_bytes())
}

fn fill(path: &Path, clips: u64) -> Result<(), Failure> {
    let mut db = rusqlite::Connection::open(path)?;
    let tx = db.transaction()?;
    {
        let mut cluster = tx.prepare("INSERT INTO cluster (founder, members, sightings, first_seen, last_seen) VALUES (?1, ?2, ?2, ?3, ?3)")?;
        let mut one = tx.prepare("INSERT INTO clip (sha256, path, size, recorded_at, conclusion, cluster) VALUES (?1, 'a.mp4', 1, ?2, 'inconclusive', ?3)")?;
        let mut verdict = tx.prepare("INSERT INTO verdict (clip, pipeline_digest, recorded_at, conclusion, line) VALUES (?1, ?2, ?3, 'inconclusive', '{}')")?;
        let mut sighting =
            tx.prepare("INSERT INTO sighting (clip, url, channel, seen_at) VALUES (?1, ?2, 'c', ?3)")?;
        let digest = Sha256Hash::of(b"p");
        let (mut left, mut home) = (0, 0);
        for n in 0..clips {
            // Clusters of 1 to 8 one after another; every clip founds a row, and lives in the first of its cluster.
            let first = left == 0;
            if first {
                left = (n * 7 % 8 + 1).min(clips - n);
            }
            let at = (n * 2_654_435_761 % 1_000_000_007) as i64;
            cluster.execute(params![clip(n).as_bytes(), if first { left as i64 } else { 0 }, at])?;
            if first {
                home = tx.last_insert_rowid();
            }
            left -= 1;
            one.execute(params![clip(n).as_bytes(), at, home])?;
            let row = tx.last_insert_rowid();
            verdict.execute(params![row, digest.as_bytes(), at])?;
            sighting.execute(params![row, format!("https://example.org/{n}"), at])?;
        }
    }
    tx.commit()?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, clips] = arguments.as_slice() else { return Err("usage: store_bench FILE CLIPS".into()) };
    let (path, clips): (&Path, u64) = (Path::new(path), clips.parse()?);
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    drop(SqlStore::open(path)?);
    fill(path, clips)?;
    let timed = |f: &mut dyn FnMut() -> Result<(), Failure>| -> Result<f64, Failure> {
        let clock = Instant::now();
        f()?;
        Ok(clock.elapsed().as_secs_f64() * 1e3)
    };
    // A new process each time as far as the store is concerned: open and list.
    let mut listed = 0;
    let list_ms = timed(&mut || {
        listed = SqlStore::open(path)?.clusters(100)?.len();
        Ok(())
    })?;
    let mut store = SqlStore::open(path)?;
    let top = store.clusters(1)?.first().ok_or("no cluster")?.id;
    let show_ms = timed(&mut || {
        store.cluster(top)?;
        Ok(())
    })?;
    let record_ms = timed(&mut || {
        for n in clips..clips + 100 {
            store.record(&Recording {
                clip: clip(n),
                path: "b.mp4",
                size: 1,
                at: Moment::EPOCH,
                pipeline_digest: Sha256Hash::of(b"p"),
                conclusion: "inconclusive",
                llr: None,
                verdict_line: "{}",
                evidence_lines: &[],
                observables: None,
                sightings: &[],
            })?;
        }
        Ok(())
    })? / 100.0;
    let link_ms = timed(&mut || {
        for n in 0..100 {
            let link = Link::new(clip(n * 101), clip(clips + n), LinkKind::SamePictures, 0.9, Vec::new());
            store.add_links(&[link.ok_or("a clip linked to itself")?])?;
        }
        Ok(())
    })? / 100.0;
    println!(
        "{}",
        serde_json::json!({"clips": clips, "file_bytes": std::fs::metadata(path)?.len(), "open_and_list_ms": list_ms,
            "listed": listed, "show_ms": show_ms, "record_ms": record_ms, "link_ms": link_ms})
    );
    Ok(())
}
