//! The queue in the store itself: a job's end and its verdict are one transaction.

use super::sql::{Db, Row, params};
use super::sqlite::{hash, moment, row_of};
use super::{SqlStore, StoreError};
use crate::moment::Moment;
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
            StoreError::Away(why) => Self::Away(why),
            other => Self::Backend(other.to_string()),
        }
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

pub(super) fn job(r: &Row<'_>) -> Result<Job, StoreError> {
    let optional = |column: usize| -> Result<Option<Moment>, StoreError> {
        Ok(r.get::<Option<i64>>(column)?.map(moment))
    };
    let state: String = r.get(7)?;
    let code: Option<String> = r.get(18)?;
    let failure = match code.as_deref().and_then(FailureCode::from_name) {
        Some(code) => Some(Failure { code, message: r.get::<Option<String>>(19)?.unwrap_or_default() }),
        None => None,
    };
    Ok(Job {
        number: r.get::<i64>(0)? as u64,
        id: JobId::from_bytes(r.get(1)?),
        sha256: hash(r, 2)?,
        pipeline_digest: hash(r, 3)?,
        path: r.get(4)?,
        source: path_of(r.get(5)?),
        size: r.get::<i64>(6)? as u64,
        // A state that this version does not know is one it must not touch.
        state: JobState::from_name(&state).unwrap_or(JobState::Dead),
        priority: r.get(8)?,
        attempts: r.get(9)?,
        starts: r.get(10)?,
        submitted_at: moment(r.get(11)?),
        deadline: optional(12)?,
        started_at: optional(13)?,
        ended_at: optional(14)?,
        stage: r.get::<Option<String>>(15)?.as_deref().and_then(stage_from),
        fraction: r.get::<f64>(16)? as f32,
        conclusion: r.get(17)?,
        failure,
        ended: r.get::<Option<i64>>(20)?.map(|n| n as u64),
    })
}

fn by_id(db: &Db, id: &JobId) -> Result<Option<Job>, StoreError> {
    db.one(&format!("SELECT {COLUMNS} FROM job WHERE id = ?1"), params![id.as_bytes()], job)
}

/// The next number in the order of ends.
pub(super) fn next_end(tx: &Db) -> Result<i64, StoreError> {
    tx.only("UPDATE counter SET value = value + 1 WHERE name = 'ended' RETURNING value", params![], |r| {
        r.get(0)
    })
}

/// Whether a lease still stands.
pub(super) fn holds(tx: &Db, l: &Lease) -> Result<bool, StoreError> {
    tx.exists(
        "SELECT 1 FROM job WHERE n = ?1 AND state = 'running' AND starts = ?2",
        params![l.job.number as i64, l.job.starts],
    )
}

pub(super) fn note_attempt(tx: &Db, n: i64, f: &Failure, at: Moment) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO attempt (job, at, failure, message) VALUES (?1, ?2, ?3, ?4)",
        params![n, at.as_millis(), f.code.as_str(), f.message],
    )?;
    Ok(())
}

/// Ends a job without a verdict.
pub(super) fn end(
    tx: &Db,
    n: i64,
    state: JobState,
    failure: &Failure,
    line: &str,
    at: Moment,
) -> Result<(), StoreError> {
    let ended = next_end(tx)?;
    tx.execute(
        "UPDATE job SET state = ?2, owner = NULL, lease_until = NULL, ended_at = ?3, failure = ?4, message = ?5,
         line = ?6, ended = ?7 WHERE n = ?1",
        params![n, state.as_str(), at.as_millis(), failure.code.as_str(), failure.message, line, ended],
    )?;
    Ok(())
}

/// Puts a job that ended without a verdict back to its beginning.
fn begin_anew(tx: &Db, n: i64, at: Moment) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE job SET state = 'queued', attempts = 0, abandoned = 0, not_before = 0, due = ?2, deadline = NULL,
         pipeline_digest = coalesce((SELECT value FROM setting WHERE name = 'pipeline'), pipeline_digest),
         ended = NULL, ended_at = NULL, failure = NULL, message = NULL, line = NULL, stage = NULL, fraction = 0
         WHERE n = ?1",
        params![n, at.as_millis()],
    )?;
    Ok(())
}

/// No lease is longer, and no job is put off for longer, in milliseconds. What ends later was written before the clock
/// was set back.
const FAR_MS: i64 = 600_000;

/// The time past which nothing that was written by this clock ends.
pub(super) fn far(at: Moment) -> i64 {
    at.as_millis().saturating_add(FAR_MS)
}

/// Leases that ran out: back to the queue, or dead where that happened too often.
pub(super) fn reap(tx: &Db, owner: u64, rules: &Rules, at: Moment) -> Result<(), StoreError> {
    let expired: Vec<(i64, u32, String)> = tx.rows(
        "SELECT n, abandoned, path FROM job
         WHERE state = 'running' AND (lease_until < ?1 OR lease_until > ?3) AND owner <> ?2",
        params![at.as_millis(), owner as i64, far(at)],
        |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
    )?;
    for (n, abandoned, path) in expired {
        let failure = Failure {
            code: FailureCode::LeaseExpired,
            message: "whoever judged it went away without a word".into(),
        };
        note_attempt(tx, n, &failure, at)?;
        if abandoned + 1 >= rules.max_abandoned {
            end(tx, n, JobState::Dead, &failure, &bare_line(&path, &failure), at)?;
        } else {
            tx.execute(
                "UPDATE job SET state = 'queued', owner = NULL, lease_until = NULL, stage = NULL, fraction = 0,
                 abandoned = abandoned + 1 WHERE n = ?1",
                params![n],
            )?;
        }
    }
    Ok(())
}

/// The pipeline that judges now, if any said so.
pub(super) fn pipeline(db: &Db) -> Result<Option<Sha256Hash>, StoreError> {
    db.one("SELECT value FROM setting WHERE name = 'pipeline'", params![], |r| hash(r, 0))
}

/// The verdict line of a clip of which nobody came back with one.
pub(super) fn bare_line(path: &str, failure: &Failure) -> String {
    let reason = format!("{}: {}", failure.code.as_str(), failure.message);
    serde_json::json!({
        "type": "verdict", "path": path, "sha256": null, "conclusion": "not_assessable", "llr": null,
        "aspects": {}, "reasons": [reason],
    })
    .to_string()
}

fn add_sightings(tx: &Db, n: i64, clip: &ClipId, all: &[Sighting]) -> Result<(), StoreError> {
    if all.is_empty() {
        return Ok(());
    }
    match row_of(tx, clip) {
        Ok(row) => super::sqlite::insert_sightings(tx, row, all),
        Err(StoreError::NoClip(_)) => {
            for s in all {
                tx.execute(
                    "INSERT INTO job_sighting (job, url, channel, seen_at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO NOTHING",
                    params![n, s.url, s.channel, s.seen_at.as_millis()],
                )?;
            }
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// Adds a job within a transaction, which may hold more than one.
pub(super) fn submit_in(tx: &Db, s: &Submission, rules: &Rules, at: Moment) -> Result<Submitted, StoreError> {
    let id = JobId::new(&s.clip, &s.pipeline_digest);
    let known: Option<(i64, String)> =
        tx.one("SELECT n, state FROM job WHERE id = ?1", params![id.as_bytes()], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })?;
    let new = known.is_none();
    let deadline = s.deadline.map(Moment::as_millis);
    let (n, state) = match known {
        Some((n, state)) => {
            // Somebody is in more of a hurry, or has longer. The bytes are the same wherever they lie: a waiting job
            // takes the latest place, since the earlier one may be gone.
            tx.execute(
                "UPDATE job SET priority = CASE WHEN priority < ?2 THEN ?2 ELSE priority END, source = ?3,
                 deadline = CASE WHEN CAST(?4 AS BIGINT) IS NULL THEN NULL WHEN deadline < ?4 THEN ?4 ELSE deadline END
                 WHERE n = ?1 AND state = 'queued'",
                params![n, s.priority, bytes_of(&s.source), deadline],
            )?;
            let mut state = JobState::from_name(&state).unwrap_or(JobState::Dead);
            if state == JobState::Failed {
                // What it failed of was the file or the time, and here it is again.
                begin_anew(tx, n, at)?;
                tx.execute(
                    "UPDATE job SET source = ?2, deadline = ?3 WHERE n = ?1",
                    params![n, bytes_of(&s.source), deadline],
                )?;
                state = JobState::Queued;
            }
            (n, state)
        }
        None => insert(tx, &id, s, rules, at)?,
    };
    tx.execute(
        "INSERT INTO submission (job, at, origin, who, path, claim) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
        params![n, at.as_millis(), s.origin, s.by, s.path, s.claim],
    )?;
    add_sightings(tx, n, &s.clip, &s.sightings)?;
    if let Some(url) = &s.callback {
        tx.execute(
            "INSERT INTO callback (job, url) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![n, url],
        )?;
    }
    Ok(Submitted { id, new, state })
}

fn insert(
    tx: &Db,
    id: &JobId,
    s: &Submission,
    rules: &Rules,
    at: Moment,
) -> Result<(i64, JobState), StoreError> {
    let judged: Option<String> = tx.one(
        "SELECT v.conclusion FROM verdict v JOIN clip c ON c.id = v.clip
         WHERE c.sha256 = ?1 AND v.pipeline_digest = ?2",
        params![s.clip.as_bytes(), s.pipeline_digest.as_bytes()],
        |r| r.get(0),
    )?;
    let state = if judged.is_some() { JobState::Done } else { JobState::Queued };
    let stand_back = (s.size >> 10).saturating_mul(u64::from(rules.stand_back_ms_per_mib)) >> 10;
    let due = at.as_millis().saturating_add(i64::try_from(stand_back).unwrap_or(i64::MAX));
    let ended = if state.is_end() { Some(next_end(tx)?) } else { None };
    let n = tx.only(
        "INSERT INTO job (id, clip, pipeline_digest, path, source, size, state, priority, due, deadline,
         submitted_at, ended_at, conclusion, ended)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) RETURNING n",
        params![
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
        ],
        |r| r.get(0),
    )?;
    Ok((n, state))
}

impl JobQueue for SqlStore {
    fn submit(&mut self, s: &Submission, rules: &Rules, at: Moment) -> Result<Submitted, JobError> {
        self.transact(|tx| Ok(submit_in(tx, s, rules, at)?))
    }

    fn adopt(&mut self, pipeline_digest: &Sha256Hash) -> Result<u64, JobError> {
        self.transact(|tx| {
            tx.execute(
                "INSERT INTO setting (name, value) VALUES ('pipeline', ?1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                params![pipeline_digest.as_bytes()],
            )?;
            let adopted = tx.execute(
                "UPDATE job SET pipeline_digest = ?1 WHERE state = 'queued' AND pipeline_digest <> ?1",
                params![pipeline_digest.as_bytes()],
            )?;
            Ok(adopted as u64)
        })
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
        if let Some(held) = self.undoubted()? {
            return Ok(Some(held));
        }
        // Looking first without the write lock: idle lanes of many processes must not hold up those that record.
        let any: bool = self.db.only(
            "SELECT EXISTS (SELECT 1 FROM job WHERE state = 'queued')
             OR EXISTS (SELECT 1 FROM job WHERE state = 'running' AND (lease_until < ?1 OR lease_until > ?2))",
            params![at.as_millis(), far(at)],
            |r| r.get(0),
        )?;
        if !any {
            return Ok(None);
        }
        let tx = self.write()?;
        reap(&tx, owner, rules, at)?;
        let most = match lane {
            Lane::Any => i64::MAX,
            Lane::Light => i64::try_from(rules.heavy_bytes).unwrap_or(i64::MAX).saturating_sub(1),
        };
        let taken = tx.one(
            &format!(
                "UPDATE job SET state = 'running', owner = ?1, lease_until = ?2, started_at = ?3, starts = starts + 1,
                 stage = NULL, fraction = 0
                 WHERE n = (SELECT n FROM job INDEXED BY job_turn WHERE state = 'queued' AND size <= ?4
                   AND (not_before <= ?3 OR not_before > ?6) AND pipeline_digest = ?5 ORDER BY priority DESC, due, n LIMIT 1)
                 RETURNING {COLUMNS}"
            ),
            params![owner as i64, until.as_millis(), at.as_millis(), most, pipeline_digest.as_bytes(), far(at)],
            job,
        )?;
        let committed = tx.commit();
        self.taken(taken, committed)
    }

    fn renew(&mut self, l: &Lease, until: Moment, stage: Stage, fraction: f32) -> Result<bool, JobError> {
        let changed = self.db.execute(
            "UPDATE job SET lease_until = ?3, stage = ?4, fraction = ?5
             WHERE n = ?1 AND state = 'running' AND starts = ?2",
            params![
                l.job.number as i64,
                l.job.starts,
                until.as_millis(),
                stage.as_str(),
                f64::from(fraction)
            ],
        )?;
        Ok(changed > 0)
    }

    fn give_back(&mut self, l: &Lease, not_before: Moment) -> Result<(), JobError> {
        self.transact(|tx| {
            tx.execute(
                "UPDATE job SET state = 'queued', owner = NULL, lease_until = NULL, stage = NULL, fraction = 0,
                 not_before = ?3 WHERE n = ?1 AND state = 'running' AND starts = ?2",
                params![l.job.number as i64, l.job.starts, not_before.as_millis()],
            )?;
            Ok(())
        })
    }

    fn fail(
        &mut self,
        l: &Lease,
        failure: &Failure,
        line: &str,
        rules: &Rules,
        at: Moment,
    ) -> Result<JobState, JobError> {
        self.transact(|tx| {
            if !holds(tx, l)? {
                return Err(JobError::LeaseLost(l.job.id));
            }
            let n = l.job.number as i64;
            note_attempt(tx, n, failure, at)?;
            let attempts = l.job.attempts + 1;
            tx.execute("UPDATE job SET attempts = ?2 WHERE n = ?1", params![n, attempts])?;
            let state = if !failure.code.may_heal() {
                JobState::Failed
            } else if attempts >= rules.max_attempts {
                JobState::Dead
            } else {
                JobState::Queued
            };
            if state.is_end() {
                end(tx, n, state, failure, line, at)?;
            } else {
                // Behind the others of its priority: a clip that breaks workers does not hold up those that do not.
                tx.execute(
                    "UPDATE job SET state = 'queued', owner = NULL, lease_until = NULL, stage = NULL, fraction = 0,
                     due = CASE WHEN due < ?2 THEN ?2 ELSE due END WHERE n = ?1",
                    params![n, at.as_millis()],
                )?;
            }
            Ok(state)
        })
    }

    fn job(&self, id: &JobId) -> Result<Option<Job>, JobError> {
        Ok(by_id(&self.db, id)?)
    }

    fn jobs(&self, state: Option<JobState>, before: Option<u64>, limit: u32) -> Result<Vec<Job>, JobError> {
        let before = before.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        let found = match state {
            Some(state) => self.db.rows(
                &format!("SELECT {COLUMNS} FROM job WHERE n < ?1 AND state = ?3 ORDER BY n DESC LIMIT ?2"),
                params![before, limit, state.as_str()],
                job,
            ),
            None => self.db.rows(
                &format!("SELECT {COLUMNS} FROM job WHERE n < ?1 ORDER BY n DESC LIMIT ?2"),
                params![before, limit],
                job,
            ),
        };
        Ok(found?)
    }

    fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>, JobError> {
        let found = self.db.rows(
            "SELECT a.at, a.failure, a.message FROM attempt a JOIN job j ON j.n = a.job WHERE j.id = ?1
             ORDER BY a.rowid",
            params![id.as_bytes()],
            |r| {
                let code: String = r.get(1)?;
                let code = FailureCode::from_name(&code).unwrap_or(FailureCode::WorkerLost);
                Ok(Attempt { at: moment(r.get(0)?), failure: Failure { code, message: r.get(2)? } })
            },
        );
        Ok(found?)
    }

    fn counts(&self) -> Result<JobCounts, JobError> {
        let mut counts = JobCounts::default();
        let all: Vec<(String, i64)> =
            self.db.rows("SELECT name, value FROM counter", params![], |r| Ok((r.get(0)?, r.get(1)?)))?;
        for (name, value) in all {
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
        let sql = "SELECT 1 FROM job WHERE state IN ('queued', 'running') AND pipeline_digest = ?1 LIMIT 1";
        Ok(self.db.exists(sql, params![pipeline_digest.as_bytes()])?)
    }

    fn replay(&mut self, id: &JobId, at: Moment) -> Result<(), JobError> {
        let tx = self.write()?;
        let Some(job) = by_id(&tx, id)? else { return Err(JobError::NoJob(*id)) };
        if !matches!(job.state, JobState::Failed | JobState::Dead) {
            return Err(JobError::NotOver(*id, job.state));
        }
        begin_anew(&tx, job.number as i64, at)?;
        Ok(tx.commit()?)
    }

    fn ended_after(&self, ended: u64, limit: u32) -> Result<Vec<(u64, String)>, JobError> {
        let found = self.db.rows(
            "SELECT j.ended, coalesce(j.line, v.line, '') FROM job j
             LEFT JOIN clip c ON c.sha256 = j.clip
             LEFT JOIN verdict v ON v.clip = c.id AND v.pipeline_digest = j.pipeline_digest
             WHERE j.ended > ?1 ORDER BY j.ended LIMIT ?2",
            params![ended as i64, limit],
            |r| Ok((r.get::<i64>(0)? as u64, r.get(1)?)),
        );
        Ok(found?)
    }

    fn last_ended(&self) -> Result<u64, JobError> {
        let sql = "SELECT value FROM counter WHERE name = 'ended'";
        Ok(self.db.only(sql, params![], |r| r.get::<i64>(0))? as u64)
    }
}

impl SqlStore {
    /// A job that an earlier transaction took after all, although its answer was lost: else it would stay in the hands
    /// of a run that does not know of it and never takes its own leases for expired.
    pub(super) fn undoubted(&mut self) -> Result<Option<Lease>, StoreError> {
        let Some(lease) = &self.doubtful else { return Ok(None) };
        let held = holds(&self.db, lease)?;
        Ok(self.doubtful.take().filter(|_| held))
    }

    /// What was taken, once it is known whether that stays.
    pub(super) fn taken(
        &mut self,
        taken: Option<Job>,
        committed: Result<(), StoreError>,
    ) -> Result<Option<Lease>, JobError> {
        let lease = taken.map(|job| Lease { job });
        match committed {
            Ok(()) => Ok(lease),
            Err(StoreError::Away(_)) if lease.is_some() => {
                self.doubtful = lease;
                Ok(self.undoubted()?)
            }
            Err(e) => Err(e.into()),
        }
    }
}
