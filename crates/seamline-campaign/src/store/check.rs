//! Looks for contradictions in a store.

use super::sql::{Db, params};
use super::{CheckReport, StoreError};
use crate::observables::codec;

/// Each must give no row; what it gives is said after its sentence.
const CONTRADICTIONS: [(&str, &str); 6] = [
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
    (
        "searches by time miss a clip",
        "SELECT c.id FROM clip c LEFT JOIN clip_time t ON t.block = c.id / 1024
         WHERE t.block IS NULL OR c.recorded_at NOT BETWEEN t.earliest AND t.latest",
    ),
];

/// Rows of observables that are read at a time.
const PAGE: i64 = 256;

pub(super) fn check(db: &Db) -> Result<CheckReport, StoreError> {
    let count = |table: &str| -> Result<u64, StoreError> {
        let n: i64 = db.only(&format!("SELECT count(*) FROM {table}"), params![], |r| r.get(0))?;
        Ok(n as u64)
    };
    let mut report = CheckReport { clips: count("clip")?, verdicts: count("verdict")?, problems: Vec::new() };
    // PostgreSQL keeps its own files and references whole.
    if !db.is_pg() {
        let lines: Vec<String> = db.rows("PRAGMA integrity_check", params![], |r| r.get(0))?;
        report.problems.extend(lines.into_iter().filter(|l| l != "ok"));
        let foreign: Vec<(String, Option<i64>)> =
            db.rows("PRAGMA foreign_key_check", params![], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let said = |(table, row)| format!("{table} row {row:?} refers to something that is not there");
        report.problems.extend(foreign.into_iter().map(said));
    }
    for (what, sql) in CONTRADICTIONS {
        let rows: Vec<i64> = db.rows(sql, params![], |r| r.get(0))?;
        report.problems.extend(rows.iter().map(|row| format!("{what}: row {row}")));
    }
    let mut last = 0i64;
    loop {
        let page = db.rows(
            "SELECT id, frames, sound, rest FROM observables WHERE id > ?1 ORDER BY id LIMIT ?2",
            params![last, PAGE],
            |r| {
                let (frames, sound, rest): (Vec<u8>, Vec<u8>, String) = (r.get(1)?, r.get(2)?, r.get(3)?);
                Ok((r.get::<i64>(0)?, codec::unpack(&frames, &sound, &rest).err()))
            },
        )?;
        let Some((end, _)) = page.last() else { return Ok(report) };
        last = *end;
        for (id, e) in page.iter().filter_map(|(id, e)| e.as_ref().map(|e| (id, e))) {
            report.problems.push(format!("observables row {id}: {e}"));
        }
    }
}
