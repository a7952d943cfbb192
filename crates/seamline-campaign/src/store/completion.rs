//! What ends jobs with verdicts, hands many in at once, and asks about them: beside the queue's own contract.

use super::jobs::{COLUMNS, holds, job, next_end, submit_in};
use super::sql::{Db, params};
use super::sqlite::{add_links_in, hash, moment, record_in, row_of};
use super::{Recorded, Recording, SqlStore, StoreError};
use crate::cluster::Link;
use crate::moment::Moment;
use seamline_core::job::{Job, JobError, Lease, Rules, Sighting, Submission, Submitted};
use seamline_core::{ClipId, Sha256Hash};
use std::path::{Path, PathBuf};

/// What a report needs beside the verdict and its evidence.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// What the run is made with, as JSON.
    pub info: &'a str,
    /// Pictures for people, as a JSON list.
    pub exhibits: Option<&'a str>,
}

impl SqlStore {
    /// Records a job's verdict and ends the job, both or neither. [`JobError::LeaseLost`] where somebody else has the
    /// job by now, or has ended it: then nothing was recorded. Done once more under the same lease, it comes to the
    /// same.
    pub fn complete(
        &mut self,
        l: &Lease,
        r: &Recording<'_>,
        beside: &Beside<'_>,
    ) -> Result<Recorded, JobError> {
        self.transact(|tx| complete_in(tx, l, r, beside))
    }

    /// Records a scan that is no job, with what a report needs beside it.
    pub fn record_with(&mut self, r: &Recording<'_>, beside: &Beside<'_>) -> Result<Recorded, StoreError> {
        self.transact(|tx| {
            let recorded = record_in(tx, r)?;
            keep_beside(tx, &r.clip, &r.pipeline_digest, beside)?;
            Ok(recorded)
        })
    }

    /// Adds many jobs and says how far a manifest was read, all of it or nothing.
    pub fn submit_from(
        &mut self,
        all: &[Submission],
        rules: &Rules,
        at: Moment,
        manifest: Option<&ManifestMark>,
    ) -> Result<Vec<Submitted>, JobError> {
        let place = manifest.map(|m| self.here(&m.path));
        self.transact(|tx| {
            let done = all.iter().map(|s| submit_in(tx, s, rules, at)).collect::<Result<_, _>>()?;
            if let (Some(m), Some(place)) = (manifest, &place) {
                tx.execute(
                    "INSERT INTO manifest (path, head, \"offset\", line) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (path)
                     DO UPDATE SET head = excluded.head, \"offset\" = excluded.\"offset\", line = excluded.line",
                    params![place, m.head.as_bytes(), m.offset as i64, m.line as i64],
                )?;
            }
            Ok(done)
        })
    }

    /// How far a manifest was read.
    pub fn manifest(&self, path: &Path) -> Result<Option<ManifestMark>, StoreError> {
        let sql = "SELECT head, \"offset\", line FROM manifest WHERE path = ?1";
        self.db.one(sql, params![self.here(path)], |r| {
            let (offset, line): (i64, i64) = (r.get(1)?, r.get(2)?);
            let (head, path) = (hash(r, 0)?, path.to_owned());
            Ok(ManifestMark { path, head, offset: offset as u64, line: line as u64 })
        })
    }

    /// Jobs whose names, or whose clips' names, begin with these digits (six or more), at most `limit`.
    pub fn jobs_named(&self, digits: &str, limit: u32) -> Result<Vec<Job>, JobError> {
        let Some((lo, hi)) = super::search::hash_range(digits) else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {COLUMNS} FROM job WHERE id BETWEEN ?1 AND ?2 OR clip BETWEEN ?1 AND ?2 ORDER BY n LIMIT ?3"
        );
        Ok(self.db.rows(&sql, params![lo, hi, limit], job)?)
    }

    /// Whether a job of this clip has yet to end: its bytes are needed.
    pub fn is_wanted(&self, clip: &ClipId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM job WHERE clip = ?1 AND state IN ('queued', 'running')";
        self.db.exists(sql, params![clip.as_bytes()])
    }

    /// Whether there is a job of this clip, in whatever state.
    pub fn has_job(&self, clip: &ClipId) -> Result<bool, StoreError> {
        self.db.exists("SELECT 1 FROM job WHERE clip = ?1", params![clip.as_bytes()])
    }

    /// Whether a job of this clip is a dead letter, which somebody may want to replay.
    pub fn is_dead_letter(&self, clip: &ClipId) -> Result<bool, StoreError> {
        self.db.exists("SELECT 1 FROM job WHERE clip = ?1 AND state = 'dead'", params![clip.as_bytes()])
    }

    /// Says what a clip was found to share with the rest, all of it or nothing; then it is no longer unlinked.
    pub fn link(&mut self, clip: &ClipId, links: &[Link]) -> Result<(), StoreError> {
        self.transact(|tx| {
            add_links_in(tx, links)?;
            tx.execute("DELETE FROM unlinked WHERE clip = ?1", params![row_of(tx, clip)?])?;
            Ok(())
        })
    }

    /// Clips that were recorded and not compared with the rest yet.
    pub fn unlinked(&self) -> Result<Vec<ClipId>, StoreError> {
        let sql = "SELECT c.sha256 FROM unlinked u JOIN clip c ON c.id = u.clip ORDER BY c.id";
        self.db.rows(sql, params![], |r| hash(r, 0))
    }
}

fn complete_in(tx: &Db, l: &Lease, r: &Recording<'_>, beside: &Beside<'_>) -> Result<Recorded, JobError> {
    let n = l.job.number as i64;
    if !holds(tx, l)? {
        // Each lease has its own number: if the job ended under this one, it was here, and the answer was lost.
        let ours = "SELECT 1 FROM job WHERE n = ?1 AND state = 'done' AND starts = ?2";
        if tx.exists(ours, params![n, l.job.starts])? {
            let sql = "SELECT 1 FROM unlinked u JOIN clip c ON c.id = u.clip WHERE c.sha256 = ?1";
            let new_observables = tx.exists(sql, params![r.clip.as_bytes()])?;
            return Ok(Recorded { new_clip: false, new_observables, observables_row: None, reviews: 0 });
        }
        return Err(JobError::LeaseLost(l.job.id));
    }
    let recorded = record_in(tx, r)?;
    keep_beside(tx, &r.clip, &r.pipeline_digest, beside)?;
    let waiting: Vec<Sighting> =
        tx.rows("SELECT url, channel, seen_at FROM job_sighting WHERE job = ?1", params![n], |s| {
            Ok(Sighting { url: s.get(0)?, channel: s.get(1)?, seen_at: moment(s.get(2)?) })
        })?;
    if !waiting.is_empty() {
        super::sqlite::insert_sightings(tx, row_of(tx, &r.clip)?, &waiting)?;
        tx.execute("DELETE FROM job_sighting WHERE job = ?1", params![n])?;
    }
    let ended = next_end(tx)?;
    tx.execute(
        "UPDATE job SET state = 'done', owner = NULL, lease_until = NULL, stage = NULL, fraction = 1,
         ended_at = ?2, conclusion = ?3, failure = NULL, message = NULL, line = NULL, ended = ?4 WHERE n = ?1",
        params![n, r.at.as_millis(), r.conclusion, ended],
    )?;
    Ok(recorded)
}

/// How far a manifest was read and submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestMark {
    /// The manifest.
    pub path: PathBuf,
    /// SHA-256 of its first line.
    pub head: Sha256Hash,
    /// Bytes read.
    pub offset: u64,
    /// Lines read.
    pub line: u64,
}

fn keep_beside(tx: &Db, clip: &ClipId, digest: &Sha256Hash, b: &Beside<'_>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO run (pipeline_digest, info) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![digest.as_bytes(), b.info],
    )?;
    if let Some(list) = b.exhibits {
        tx.execute(
            "INSERT INTO exhibits (verdict, list) SELECT v.id, ?3 FROM verdict v JOIN clip c ON c.id = v.clip
             WHERE c.sha256 = ?1 AND v.pipeline_digest = ?2 ON CONFLICT DO NOTHING",
            params![clip.as_bytes(), digest.as_bytes(), list],
        )?;
    }
    Ok(())
}
