//! The queue in the store's own file: a job's end and its verdict are one transaction.

use super::sqlite::{hash, moment, row_of};
use super::{SqliteStore, StoreError};
use crate::moment::Moment;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use seamline_core::job::{
    Attempt, Failure, FailureCode, Job, JobCounts, JobError, JobId, JobQueue, JobState, Lane, Lease, Rules,
    Sighting, Submission, Submitted,
};
use seamline_core::{ClipId, Sha256Hash, Stage};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

impl From<StoreError> for JobError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Full => Self::Full,
            StoreError::Busy => Self::Busy,
            other => Self::Backend(other.to_string()),
        }
    }
}

fn db(e: rusqlite::Error) -> JobError {
    StoreError::from(e).into()
}

/// The same for both, so that `?` serves in transactions that answer with either.
pub(super) trait Rows<T> {
    fn job(self) -> Result<T, JobError>;
}

impl<T> Rows<T> for rusqlite::Result<T> {
    fn job(self) -> Result<T, JobError> {
        self.map_err(db)
    }
}

pub(super) const COLUMNS: &str = "n, id, clip, pipeline_digest, path, source, size, state, priority, attempts, starts, \
    submitted_at, deadline, started_at, ended_at, stage, fraction, conclusion, failure, message, ended";

pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

pub(super) fn bytes_of(path: &Path) -> &[u8] {
    AsRef::<OsStr>::as_ref(path).as_bytes()
}

fn stage_from(name: &str) -> Option<Stage> {
    serde_json::from_value(serde_json::Value::String(name.into())).ok()
}

pub(super) fn job(r: &Row<'_>) -> rusqlite::Result<Job> {
    let optional = |column: usize| -> rusqlite::Result<Option<Moment>> {
        Ok(r.get::<_, Option<i64>>(column)?.map(moment))
    };
    let state: String = r.get(7)?;
    let code: Option<String> = r.get(18)?;
    let failure = match code.as_deref().and_then(FailureCode::from_name) {
        Some(code) => Some(Failure { code, message: r.get::<_, Option<String>>(19)?.unwrap_or_default() }),
        None => None,
    };
    Ok(Job {
        number: r.get::<_, i64>(0)? as u64,
        id: JobId::from_bytes(r.get(1)?),
        sha256: hash(r, 2)?,
        pipeline_digest: hash(r, 3)?,
        path: r.get(4)?,
        source: path_of(r.get(5)?),
        size: r.get::<_, i64>(6)? as u64,
        // A state that this version does not know is one it must not touch.
        state: JobState::from_name(&state).unwrap_or(JobState::Dead),
        priority: r.get(8)?,
        attempts: r.get(9)?,
        starts: r.get(10)?,
        submitted_at: moment(r.get(11)?),
        deadline: optional(12)?,
        started_at: optional(13)?,
        ended_at: optional(14)?,
        stage: r.get::<_, Option<String>>(15)?.as_deref().and_then(stage_from),
        fraction: r.get::<_, f64>(16)? as f32,
        conclusion: r.get(17)?,
        failure,
        ended: r.get::<_, Option<i64>>(20)?.map(|n| n as u64),
    })
}

fn by_id(db: &Connection, id: &JobId) -> rusqlite::Result<Option<Job>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM job WHERE id = ?1"))?
        .query_row([id.as_bytes()], job)
        .optional()
}

/// The next number in the order of ends.
pub(super) fn next_end(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    tx.query_row("UPDATE counter SET value = value + 1 WHERE name = 'ended' RETURNING value", [], |r| {
        r.get(0)
    })
}

/// Whether a lease still stands.
pub(super) fn holds(tx: &Transaction<'_>, l: &Lease) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM job WHERE n = ?1 AND state = 'running' AND starts = ?2")?
        .exists(params![l.job.number as i64, l.job.starts])
}

fn note_attempt(tx: &Transaction<'_>, n: i64, f: &Failure, at: Moment) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO attempt (job, at, failure, message) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![n, at.as_millis(), f.code.as_str(), f.message])?;
    Ok(())
}

/// Ends a job without a verdict.
fn end(
    tx: &Transaction<'_>,
    n: i64,
    state: JobState,
    failure: &Failure,
    line: &str,
    at: Moment,
) -> rusqlite::Result<()> {
    let ended = next_end(tx)?;
    tx.prepare_cached(
        "UPDATE job SET state = ?2, owner = NULL, lease_until = NULL, ended_at = ?3, failure = ?4, message = ?5,
         line = ?6, ended = ?7 WHERE n = ?1",
    )?
    .execute(params![n, state.as_str(), at.as_millis(), failure.code.as_str(), failure.message, line, ended])?;
    Ok(())
}

/// Puts a job that ended without a verdict back to its beginning.
fn begin_anew(tx: &Transaction<'_>, n: i64, at: Moment) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE job SET state = 'queued', attempts = 0, abandoned = 0, not_before = 0, due = ?2, deadline = NULL,
         pipeline_digest = coalesce((SELECT value FROM setting WHERE name = 'pipeline'), pipeline_digest),
         ended = NULL, ended_at = NULL, failure = NULL, message = NULL, line = NULL, stage = NULL, fraction = 0
         WHERE n = ?1",
    )?
    .execute(params![n, at.as_millis()])?;
    Ok(())
}

/// Leases that ran out: back to the queue, or dead where that happened too often.
fn reap(tx: &Transaction<'_>, owner: u64, rules: &Rules, at: Moment) -> rusqlite::Result<()> {
    let expired: Vec<(i64, u32, String)> = tx
        .prepare_cached(
            "SELECT n, abandoned, path FROM job WHERE state = 'running' AND lease_until < ?1 AND owner <> ?2",
        )?
        .query_map(params![at.as_millis(), owner as i64], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (n, abandoned, path) in expired {
        let failure = Failure {
            code: FailureCode::LeaseExpired,
            message: "whoever judged it went away without a word".into(),
        };
        note_attempt(tx, n, &failure, at)?;
        if abandoned + 1 >= rules.max_abandoned {
            let line = bare_line(&path, &failure);
            end(tx, n, JobState::Dead, &failure, &line, at)?;
        } else {
            tx.prepare_cached(
                "UPDATE job SET state = 'queued', owner = NULL, lease_until = NULL, stage = NULL, fraction = 0,
                 abandoned = abandoned + 1 WHERE n = ?1",
            )?
            .execute([n])?;
        }
    }
    Ok(())
}

/// The verdict line of a clip of which nobody came back with one.
fn bare_line(path: &str, failure: &Failure) -> String {
    let reason = format!("{}: {}", failure.code.as_str(), failure.message);
    serde_json::json!({
        "type": "verdict", "path": path, "sha256": null, "conclusion": "not_assessable", "llr": null,
        "aspects": {}, "reasons": [reason],
    })
    .to_string()
}

fn add_sightings(tx: &Transaction<'_>, n: i64, clip: &ClipId, all: &[Sighting]) -> Result<(), JobError> {
    if all.is_empty() {
        return Ok(());
    }
    match row_of(tx, clip) {
        Ok(row) => super::sqlite::insert_sightings(tx, row, all)?,
        Err(StoreError::NoClip(_)) => {
            for s in all {
                tx.prepare_cached(
                    "INSERT OR IGNORE INTO job_sighting (job, url, channel, seen_at) VALUES (?1, ?2, ?3, ?4)",
                )
                .job()?
                .execute(params![n, s.url, s.channel, s.seen_at.as_millis()])
                .job()?;
            }
        }
        Err(e) => return Err(e.into()),
    }
    Ok(())
}

/// Adds a job within a transaction, which may hold more than one.
pub(super) fn submit_in(
    tx: &Transaction<'_>,
    s: &Submission,
    rules: &Rules,
    at: Moment,
) -> Result<Submitted, JobError> {
    let id = JobId::new(&s.clip, &s.pipeline_digest);
    let known: Option<(i64, String)> = tx
        .prepare_cached("SELECT n, state FROM job WHERE id = ?1")
        .job()?
        .query_row([id.as_bytes()], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()
        .job()?;
    let new = known.is_none();
    let (n, state) = match known {
        Some((n, state)) => {
            // Somebody is in more of a hurry, or has longer. The bytes are the same wherever they lie: a waiting job
            // takes the latest place, since the earlier one may be gone.
            tx.prepare_cached(
                "UPDATE job SET priority = max(priority, ?2), source = ?3,
                 deadline = CASE WHEN deadline IS NULL OR ?4 IS NULL THEN NULL ELSE max(deadline, ?4) END
                 WHERE n = ?1 AND state = 'queued'",
            )
            .job()?
            .execute(params![n, s.priority, bytes_of(&s.source), s.deadline.map(Moment::as_millis)])
            .job()?;
            let mut state = JobState::from_name(&state).unwrap_or(JobState::Dead);
            if state == JobState::Failed {
                // What it failed of was the file or the time, and here it is again.
                begin_anew(tx, n, at).job()?;
                tx.prepare_cached("UPDATE job SET source = ?2, deadline = ?3 WHERE n = ?1")
                    .job()?
                    .execute(params![n, bytes_of(&s.source), s.deadline.map(Moment::as_millis)])
                    .job()?;
                state = JobState::Queued;
            }
            (n, state)
        }
        None => insert(tx, &id, s, rules, at).job()?,
    };
    tx.prepare_cached(
        "INSERT OR IGNORE INTO submission (job, at, origin, who, path, claim) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .job()?
    .execute(params![n, at.as_millis(), s.origin, s.by, s.path, s.claim])
    .job()?;
    add_sightings(tx, n, &s.clip, &s.sightings)?;
    Ok(Submitted { id, new, state })
}

fn insert(
    tx: &Transaction<'_>,
    id: &JobId,
    s: &Submission,
    rules: &Rules,
    at: Moment,
) -> rusqlite::Result<(i64, JobState)> {
    let judged: Option<String> = tx
        .prepare_cached(
            "SELECT v.conclusion FROM verdict v JOIN clip c ON c.id = v.clip
             WHERE c.sha256 = ?1 AND v.pipeline_digest = ?2",
        )?
        .query_row(params![s.clip.as_bytes(), s.pipeline_digest.as_bytes()], |r| r.get(0))
        .optional()?;
    let state = if judged.is_some() { JobState::Done } else { JobState::Queued };
    let stand_back = (s.size >> 10).saturating_mul(u64::from(rules.stand_back_ms_per_mib)) >> 10;
    let due = at.as_millis().saturating_add(i64::try_from(stand_back).unwrap_or(i64::MAX));
    let ended = if state.is_end() { Some(next_end(tx)?) } else { None };
    tx.prepare_cached(
        "INSERT INTO job (id, clip, pipeline_digest, path, source, size, state, priority, due, deadline,
         submitted_at, ended_at, conclusion, ended)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        id.as_bytes(),
        s.clip.as_bytes(),
        s.pipeline_digest.as_bytes(),
        s.path,
        bytes_of(&s.source),
        s.size as i64,
        state.as_str(),
        s.priority.clamp(*seamline_core::job::PRIORITIES.start(), *seamline_core::job::PRIORITIES.end()),
        due,
        s.deadline.map(Moment::as_millis),
        at.as_millis(),
        ended.map(|_| at.as_millis()),
        judged,
        ended,
    ])?;
    Ok((tx.last_insert_rowid(), state))
}

impl JobQueue for SqliteStore {
    fn submit(&mut self, s: &Submission, rules: &Rules, at: Moment) -> Result<Submitted, JobError> {
        let tx = self.write()?;
        let submitted = submit_in(&tx, s, rules, at)?;
        tx.commit().job()?;
        Ok(submitted)
    }

    fn adopt(&mut self, pipeline_digest: &Sha256Hash) -> Result<u64, JobError> {
        let tx = self.write()?;
        tx.execute(
            "INSERT OR REPLACE INTO setting (name, value) VALUES ('pipeline', ?1)",
            [pipeline_digest.as_bytes()],
        )
        .job()?;
        let adopted = tx
            .execute(
                "UPDATE job SET pipeline_digest = ?1 WHERE state = 'queued' AND pipeline_digest <> ?1",
                [pipeline_digest.as_bytes()],
            )
            .job()?;
        tx.commit().job()?;
        Ok(adopted as u64)
    }

    fn lease(
        &mut self,
        owner: u64,
        lane: Lane,
        pipeline_digest: &Sha256Hash,
        rules: &Rules,
        at: Moment,
        until: Moment,
    ) -> Result<Option<Lease>, JobError> {
        // Looking first without the write lock: idle lanes of many processes must not hold up those that record.
        let any: bool = self
            .db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM job WHERE state = 'queued')
                 OR EXISTS (SELECT 1 FROM job WHERE state = 'running' AND lease_until < ?1)",
            )
            .job()?
            .query_row([at.as_millis()], |r| r.get(0))
            .job()?;
        if !any {
            return Ok(None);
        }
        let tx = self.write()?;
        reap(&tx, owner, rules, at).job()?;
        let most = match lane {
            Lane::Any => i64::MAX,
            Lane::Light => i64::try_from(rules.heavy_bytes).unwrap_or(i64::MAX).saturating_sub(1),
        };
        let taken = tx
            .prepare_cached(&format!(
                "UPDATE job SET state = 'running', owner = ?1, lease_until = ?2, started_at = ?3, starts = starts + 1,
                 stage = NULL, fraction = 0
                 WHERE n = (SELECT n FROM job INDEXED BY job_turn WHERE state = 'queued' AND size <= ?4
                   AND not_before <= ?3 AND pipeline_digest = ?5 ORDER BY priority DESC, due, n LIMIT 1)
                 RETURNING {COLUMNS}"
            ))
            .job()?
            .query_row(params![owner as i64, until.as_millis(), at.as_millis(), most, pipeline_digest.as_bytes()], job)
            .optional()
            .job()?;
        tx.commit().job()?;
        Ok(taken.map(|job| Lease { job }))
    }

    fn renew(&mut self, l: &Lease, until: Moment, stage: Stage, fraction: f32) -> Result<bool, JobError> {
        let changed = self
            .db
            .prepare_cached(
                "UPDATE job SET lease_until = ?3, stage = ?4, fraction = ?5
                 WHERE n = ?1 AND state = 'running' AND starts = ?2",
            )
            .job()?
            .execute(params![
                l.job.number as i64,
                l.job.starts,
                until.as_millis(),
                stage.as_str(),
                f64::from(fraction)
            ])
            .job()?;
        Ok(changed > 0)
    }

    fn give_back(&mut self, l: &Lease, not_before: Moment) -> Result<(), JobError> {
        self.db
            .prepare_cached(
                "UPDATE job SET state = 'queued', owner = NULL, lease_until = NULL, stage = NULL, fraction = 0,
                 not_before = ?3 WHERE n = ?1 AND state = 'running' AND starts = ?2",
            )
            .job()?
            .execute(params![l.job.number as i64, l.job.starts, not_before.as_millis()])
            .job()?;
        Ok(())
    }

    fn fail(
        &mut self,
        l: &Lease,
        failure: &Failure,
        line: &str,
        rules: &Rules,
        at: Moment,
    ) -> Result<JobState, JobError> {
        let tx = self.write()?;
        if !holds(&tx, l).job()? {
            return Err(JobError::LeaseLost(l.job.id));
        }
        let n = l.job.number as i64;
        note_attempt(&tx, n, failure, at).job()?;
        let attempts = l.job.attempts + 1;
        tx.prepare_cached("UPDATE job SET attempts = ?2 WHERE n = ?1")
            .job()?
            .execute(params![n, attempts])
            .job()?;
        let state = if !failure.code.may_heal() {
            JobState::Failed
        } else if attempts >= rules.max_attempts {
            JobState::Dead
        } else {
            JobState::Queued
        };
        if state.is_end() {
            end(&tx, n, state, failure, line, at).job()?;
        } else {
            // Behind the others of its priority: a clip that breaks workers does not hold up those that do not.
            tx.prepare_cached(
                "UPDATE job SET state = 'queued', owner = NULL, lease_until = NULL, stage = NULL, fraction = 0,
                 due = max(due, ?2) WHERE n = ?1",
            )
            .job()?
            .execute(params![n, at.as_millis()])
            .job()?;
        }
        tx.commit().job()?;
        Ok(state)
    }

    fn job(&self, id: &JobId) -> Result<Option<Job>, JobError> {
        by_id(&self.db, id).job()
    }

    fn jobs(&self, state: Option<JobState>, before: Option<u64>, limit: u32) -> Result<Vec<Job>, JobError> {
        let before = before.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        let filter = if state.is_some() { "state = ?3" } else { "?3 IS NULL" };
        self.db
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM job WHERE n < ?1 AND {filter} ORDER BY n DESC LIMIT ?2"
            ))
            .job()?
            .query_map(params![before, limit, state.map(JobState::as_str)], job)
            .job()?
            .collect::<Result<_, _>>()
            .job()
    }

    fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>, JobError> {
        self.db
            .prepare_cached(
                "SELECT a.at, a.failure, a.message FROM attempt a JOIN job j ON j.n = a.job WHERE j.id = ?1
                 ORDER BY a.rowid",
            )
            .job()?
            .query_map([id.as_bytes()], |r| {
                let code: String = r.get(1)?;
                let code = FailureCode::from_name(&code).unwrap_or(FailureCode::WorkerLost);
                Ok(Attempt { at: moment(r.get(0)?), failure: Failure { code, message: r.get(2)? } })
            })
            .job()?
            .collect::<Result<_, _>>()
            .job()
    }

    fn counts(&self) -> Result<JobCounts, JobError> {
        let mut counts = JobCounts::default();
        let mut all = self.db.prepare_cached("SELECT name, value FROM counter").job()?;
        let mut rows = all.query([]).job()?;
        while let Some(r) = rows.next().job()? {
            let (name, value): (String, i64) = (r.get(0).job()?, r.get(1).job()?);
            let value = value as u64;
            match JobState::from_name(&name) {
                Some(JobState::Queued) => counts.queued = value,
                Some(JobState::Running) => counts.running = value,
                Some(JobState::Done) => counts.done = value,
                Some(JobState::Failed) => counts.failed = value,
                Some(JobState::Dead) => counts.dead = value,
                None => {}
            }
        }
        Ok(counts)
    }

    fn is_open(&self, pipeline_digest: &Sha256Hash) -> Result<bool, JobError> {
        self.db
            .prepare_cached("SELECT 1 FROM job WHERE state IN ('queued', 'running') AND pipeline_digest = ?1")
            .job()?
            .exists([pipeline_digest.as_bytes()])
            .job()
    }

    fn replay(&mut self, id: &JobId, at: Moment) -> Result<(), JobError> {
        let tx = self.write()?;
        let Some(job) = by_id(&tx, id).job()? else { return Err(JobError::NoJob(*id)) };
        if !matches!(job.state, JobState::Failed | JobState::Dead) {
            return Err(JobError::NotOver(*id, job.state));
        }
        begin_anew(&tx, job.number as i64, at).job()?;
        tx.commit().job()
    }

    fn ended_after(&self, ended: u64, limit: u32) -> Result<Vec<(u64, String)>, JobError> {
        self.db
            .prepare_cached(
                "SELECT j.ended, coalesce(j.line, v.line, '') FROM job j
                 LEFT JOIN clip c ON c.sha256 = j.clip
                 LEFT JOIN verdict v ON v.clip = c.id AND v.pipeline_digest = j.pipeline_digest
                 WHERE j.ended > ?1 ORDER BY j.ended LIMIT ?2",
            )
            .job()?
            .query_map(params![ended as i64, limit], |r| Ok((r.get::<_, i64>(0)? as u64, r.get(1)?)))
            .job()?
            .collect::<Result<_, _>>()
            .job()
    }

    fn last_ended(&self) -> Result<u64, JobError> {
        self.db
            .query_row("SELECT value FROM counter WHERE name = 'ended'", [], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .job()
    }
}
