//! What ends jobs with verdicts, hands many in at once, and asks about them: beside the queue's own contract.

use super::jobs::{COLUMNS, Rows, bytes_of, holds, job, next_end, submit_in};
use super::sqlite::{add_links_in, hash, moment, record_in, row_of};
use super::{Recorded, Recording, SqliteStore, StoreError};
use crate::cluster::Link;
use crate::moment::Moment;
use rusqlite::{OptionalExtension, Transaction, params};
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

impl SqliteStore {
    /// Records a job's verdict and ends the job, both or neither. [`JobError::LeaseLost`] where somebody else has the
    /// job by now, or has ended it: then nothing was recorded.
    pub fn complete(
        &mut self,
        l: &Lease,
        r: &Recording<'_>,
        beside: &Beside<'_>,
    ) -> Result<Recorded, JobError> {
        let tx = self.write()?;
        if !holds(&tx, l).job()? {
            return Err(JobError::LeaseLost(l.job.id));
        }
        let recorded = record_in(&tx, r)?;
        keep_beside(&tx, &r.clip, &r.pipeline_digest, beside).job()?;
        let n = l.job.number as i64;
        let waiting: Vec<Sighting> = tx
            .prepare_cached("SELECT url, channel, seen_at FROM job_sighting WHERE job = ?1")
            .job()?
            .query_map([n], |s| {
                Ok(Sighting { url: s.get(0)?, channel: s.get(1)?, seen_at: moment(s.get(2)?) })
            })
            .job()?
            .collect::<Result<_, _>>()
            .job()?;
        if !waiting.is_empty() {
            super::sqlite::insert_sightings(&tx, row_of(&tx, &r.clip)?, &waiting)?;
            tx.execute("DELETE FROM job_sighting WHERE job = ?1", [n]).job()?;
        }
        let ended = next_end(&tx).job()?;
        tx.prepare_cached(
            "UPDATE job SET state = 'done', owner = NULL, lease_until = NULL, stage = NULL, fraction = 1,
             ended_at = ?2, conclusion = ?3, failure = NULL, message = NULL, line = NULL, ended = ?4 WHERE n = ?1",
        )
        .job()?
        .execute(params![n, r.at.as_millis(), r.conclusion, ended])
        .job()?;
        tx.commit().job()?;
        Ok(recorded)
    }

    /// Records a scan that is no job, with what a report needs beside it.
    pub fn record_with(&mut self, r: &Recording<'_>, beside: &Beside<'_>) -> Result<Recorded, StoreError> {
        let tx = self.write()?;
        let recorded = record_in(&tx, r)?;
        keep_beside(&tx, &r.clip, &r.pipeline_digest, beside)?;
        tx.commit()?;
        Ok(recorded)
    }

    /// Adds many jobs and says how far a manifest was read, all of it or nothing.
    pub fn submit_from(
        &mut self,
        all: &[Submission],
        rules: &Rules,
        at: Moment,
        manifest: Option<&ManifestMark>,
    ) -> Result<Vec<Submitted>, JobError> {
        let tx = self.write()?;
        let done = all.iter().map(|s| submit_in(&tx, s, rules, at)).collect::<Result<_, _>>()?;
        if let Some(m) = manifest {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO manifest (path, head, offset, line) VALUES (?1, ?2, ?3, ?4)",
            )
            .job()?
            .execute(params![bytes_of(&m.path), m.head.as_bytes(), m.offset as i64, m.line as i64])
            .job()?;
        }
        tx.commit().job()?;
        Ok(done)
    }

    /// How far a manifest was read.
    pub fn manifest(&self, path: &Path) -> Result<Option<ManifestMark>, StoreError> {
        Ok(self
            .db
            .query_row("SELECT head, offset, line FROM manifest WHERE path = ?1", [bytes_of(path)], |r| {
                let head = hash(r, 0)?;
                let (offset, line): (i64, i64) = (r.get(1)?, r.get(2)?);
                Ok(ManifestMark { path: path.to_owned(), head, offset: offset as u64, line: line as u64 })
            })
            .optional()?)
    }

    /// Jobs whose names, or whose clips' names, begin with these digits (six or more), at most `limit`.
    pub fn jobs_named(&self, digits: &str, limit: u32) -> Result<Vec<Job>, JobError> {
        let Some((lo, hi)) = super::search::hash_range(digits) else { return Ok(Vec::new()) };
        self.db
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM job WHERE id BETWEEN ?1 AND ?2 OR clip BETWEEN ?1 AND ?2 ORDER BY n LIMIT ?3"
            ))
            .job()?
            .query_map(params![lo, hi, limit], job)
            .job()?
            .collect::<Result<_, _>>()
            .job()
    }

    /// Whether a job of this clip has yet to end: its bytes are needed.
    pub fn is_wanted(&self, clip: &ClipId) -> Result<bool, StoreError> {
        Ok(self
            .db
            .prepare_cached("SELECT 1 FROM job WHERE clip = ?1 AND state IN ('queued', 'running')")?
            .exists([clip.as_bytes()])?)
    }

    /// Whether there is a job of this clip, in whatever state.
    pub fn has_job(&self, clip: &ClipId) -> Result<bool, StoreError> {
        Ok(self.db.prepare_cached("SELECT 1 FROM job WHERE clip = ?1")?.exists([clip.as_bytes()])?)
    }

    /// Whether a job of this clip is a dead letter, which somebody may want to replay.
    pub fn is_dead_letter(&self, clip: &ClipId) -> Result<bool, StoreError> {
        Ok(self
            .db
            .prepare_cached("SELECT 1 FROM job WHERE clip = ?1 AND state = 'dead'")?
            .exists([clip.as_bytes()])?)
    }

    /// Says what a clip was found to share with the rest, all of it or nothing; then it is no longer unlinked.
    pub fn link(&mut self, clip: &ClipId, links: &[Link]) -> Result<(), StoreError> {
        let tx = self.write()?;
        add_links_in(&tx, links)?;
        tx.execute("DELETE FROM unlinked WHERE clip = ?1", [row_of(&tx, clip)?])?;
        Ok(tx.commit()?)
    }

    /// Clips that were recorded and not compared with the rest yet.
    pub fn unlinked(&self) -> Result<Vec<ClipId>, StoreError> {
        let mut all =
            self.db.prepare("SELECT c.sha256 FROM unlinked u JOIN clip c ON c.id = u.clip ORDER BY c.id")?;
        Ok(all.query_map([], |r| hash(r, 0))?.collect::<Result<_, _>>()?)
    }
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

fn keep_beside(
    tx: &Transaction<'_>,
    clip: &ClipId,
    digest: &Sha256Hash,
    b: &Beside<'_>,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO run (pipeline_digest, info) VALUES (?1, ?2)")?
        .execute(params![digest.as_bytes(), b.info])?;
    if let Some(list) = b.exhibits {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO exhibits (verdict, list) SELECT v.id, ?3 FROM verdict v JOIN clip c ON c.id = v.clip
             WHERE c.sha256 = ?1 AND v.pipeline_digest = ?2",
        )?
        .execute(params![clip.as_bytes(), digest.as_bytes(), list])?;
    }
    Ok(())
}
