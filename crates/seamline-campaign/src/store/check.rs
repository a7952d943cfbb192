//! Looks for contradictions in a store.

use super::{CheckReport, StoreError};
use crate::observables::codec;
use rusqlite::Connection;

/// Each must give no row; what it gives is said after its sentence.
const CONTRADICTIONS: [(&str, &str); 5] = [
    (
        "a cluster's number of members is wrong",
        "SELECT k.id FROM cluster k WHERE k.members <> (SELECT count(*) FROM clip c WHERE c.cluster = k.id)",
    ),
    (
        "a cluster's number of sightings is wrong",
        "SELECT k.id FROM cluster k WHERE k.sightings <>
           (SELECT count(*) FROM sighting s JOIN clip c ON c.id = s.clip WHERE c.cluster = k.id)",
    ),
    (
        "a clip has no verdict",
        "SELECT c.id FROM clip c WHERE NOT EXISTS (SELECT 1 FROM verdict v WHERE v.clip = c.id)",
    ),
    (
        "a clip's conclusion is not that of its latest verdict",
        "SELECT c.id FROM clip c JOIN verdict v ON v.id = (SELECT max(id) FROM verdict WHERE clip = c.id)
         WHERE v.conclusion <> c.conclusion",
    ),
    (
        "a clip has no cluster of its own",
        "SELECT c.id FROM clip c LEFT JOIN cluster k ON k.founder = c.sha256 WHERE k.id IS NULL",
    ),
];

pub(super) fn check(db: &Connection) -> Result<CheckReport, StoreError> {
    let count = |table: &str| -> Result<u64, StoreError> {
        let n: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0))?;
        Ok(n as u64)
    };
    let mut report = CheckReport { clips: count("clip")?, verdicts: count("verdict")?, problems: Vec::new() };
    let mut integrity = db.prepare("PRAGMA integrity_check")?;
    let mut rows = integrity.query([])?;
    while let Some(r) = rows.next()? {
        let line: String = r.get(0)?;
        if line != "ok" {
            report.problems.push(line);
        }
    }
    let mut foreign = db.prepare("PRAGMA foreign_key_check")?;
    let mut rows = foreign.query([])?;
    while let Some(r) = rows.next()? {
        let (table, row): (String, Option<i64>) = (r.get(0)?, r.get(1)?);
        report.problems.push(format!("{table} row {row:?} refers to something that is not there"));
    }
    for (what, sql) in CONTRADICTIONS {
        let mut found = db.prepare(sql)?;
        let mut rows = found.query([])?;
        while let Some(r) = rows.next()? {
            report.problems.push(format!("{what}: row {}", r.get::<_, i64>(0)?));
        }
    }
    let mut all = db.prepare("SELECT id, frames, sound, rest FROM observables")?;
    let mut rows = all.query([])?;
    while let Some(r) = rows.next()? {
        let (id, frames, sound, rest): (i64, Vec<u8>, Vec<u8>, String) =
            (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
        if let Err(e) = codec::unpack(&frames, &sound, &rest) {
            report.problems.push(format!("observables row {id}: {e}"));
        }
    }
    Ok(report)
}
