//! What a broker is for: which jobs are to be handed out, one named job taken, one buried. The store stays the only one
//! that says what state a job is in; a broker that loses everything is told again.

use super::jobs::{COLUMNS, bare_line, end, far, job, pipeline, reap};
use super::sql::params;
use super::{SqlStore, StoreError};
use crate::moment::Moment;
use seamline_core::Sha256Hash;
use seamline_core::job::{Failure, FailureCode, Job, JobError, JobId, JobState, Lease, Rules};

/// A job that waits, as a broker needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The job.
    pub id: JobId,
    /// Times that it was handed out before.
    pub starts: u32,
    /// Size in bytes.
    pub size: u64,
    /// Its priority.
    pub priority: i8,
}

/// What asking for a named job came to.
#[derive(Debug)]
pub enum Claim {
    /// It is the asker's.
    Taken(Box<Lease>),
    /// It is over, or there is no such job: nothing is left to do.
    Over,
    /// Somebody has it until then, or it is to wait until then.
    Later(Moment),
    /// It waits for a pipeline that is not the asker's.
    OtherPipeline,
}

impl SqlStore {
    /// Jobs of this pipeline that wait, in the order of their turns, at most `limit`. Leases of others than `owner` that
    /// ran out are dealt with first.
    pub fn offers(
        &mut self,
        owner: u64,
        pipeline_digest: &Sha256Hash,
        rules: &Rules,
        at: Moment,
        limit: u32,
    ) -> Result<Vec<Offer>, JobError> {
        let sql = "SELECT 1 FROM job WHERE state = 'running' AND (lease_until < ?1 OR lease_until > ?2)";
        if self.db.exists(sql, params![at.as_millis(), far(at)])? {
            self.transact(|tx| reap(tx, owner, rules, at))?;
        }
        let found = self.db.rows(
            "SELECT id, starts, size, priority FROM job WHERE state = 'queued'
             AND (not_before <= ?1 OR not_before > ?4) AND pipeline_digest = ?2 ORDER BY priority DESC, due, n LIMIT ?3",
            params![at.as_millis(), pipeline_digest.as_bytes(), limit, far(at)],
            |r| {
                let (id, size): ([u8; 32], i64) = (r.get(0)?, r.get(2)?);
                Ok(Offer {
                    id: JobId::from_bytes(id),
                    starts: r.get(1)?,
                    size: size as u64,
                    priority: r.get(3)?,
                })
            },
        );
        Ok(found?)
    }

    /// Takes one job until `until`, if it is there to be taken. A lease on it that ran out is dealt with first.
    pub fn lease_job(
        &mut self,
        id: &JobId,
        owner: u64,
        pipeline_digest: &Sha256Hash,
        rules: &Rules,
        at: Moment,
        until: Moment,
    ) -> Result<Claim, JobError> {
        if let Some(held) = self.undoubted()? {
            if held.job.id == *id {
                return Ok(Claim::Taken(Box::new(held)));
            }
            // Taken for a message that is somebody else's by now: it goes back, and is offered again.
            seamline_core::job::JobQueue::give_back(self, &held, at)?;
        }
        let tx = self.write()?;
        reap(&tx, owner, rules, at)?;
        let known: Option<(Job, i64, Option<i64>)> = tx.one(
            &format!("SELECT {COLUMNS}, not_before, lease_until FROM job WHERE id = ?1"),
            params![id.as_bytes()],
            |r| Ok((job(r)?, r.get(21)?, r.get(22)?)),
        )?;
        let claim = match known {
            None => Claim::Over,
            Some((j, _, _)) if j.state.is_end() => Claim::Over,
            Some((j, _, lease_until)) if j.state == JobState::Running => {
                Claim::Later(lease_until.and_then(Moment::from_millis).unwrap_or(at))
            }
            Some((_, not_before, _)) if not_before > at.as_millis() && not_before <= far(at) => {
                Claim::Later(Moment::from_millis(not_before).unwrap_or(at))
            }
            Some((j, _, _)) if j.pipeline_digest != *pipeline_digest => Claim::OtherPipeline,
            Some((j, _, _)) => {
                let taken = tx.only(
                    &format!(
                        "UPDATE job SET state = 'running', owner = ?1, lease_until = ?2, started_at = ?3,
                         starts = starts + 1, stage = NULL, fraction = 0 WHERE n = ?4 RETURNING {COLUMNS}"
                    ),
                    params![owner as i64, until.as_millis(), at.as_millis(), j.number as i64],
                    job,
                )?;
                let committed = tx.commit();
                return Ok(match self.taken(Some(taken), committed)? {
                    Some(lease) => Claim::Taken(Box::new(lease)),
                    None => Claim::Later(at),
                });
            }
        };
        tx.commit()?;
        Ok(claim)
    }

    /// Makes a dead letter of a job that a broker handed out as often as it may, and that nobody came back from. One
    /// that is over, or in somebody's hands, stays as it is. Whether it was buried.
    pub fn bury(&mut self, id: &JobId, deliveries: u64, at: Moment) -> Result<bool, JobError> {
        self.transact(|tx| {
            let known: Option<(i64, String, String, Option<i64>)> = tx.one(
                "SELECT n, path, state, lease_until FROM job WHERE id = ?1",
                params![id.as_bytes()],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
            )?;
            let Some((n, path, state, lease_until)) = known else { return Ok(false) };
            let state = JobState::from_name(&state).unwrap_or(JobState::Dead);
            let held = state == JobState::Running && lease_until.is_some_and(|u| u >= at.as_millis());
            if state.is_end() || held {
                return Ok(false);
            }
            let message = format!("the broker handed it out {deliveries} times, and nobody came back");
            let failure = Failure { code: FailureCode::LeaseExpired, message };
            super::jobs::note_attempt(tx, n, &failure, at)?;
            end(tx, n, JobState::Dead, &failure, &bare_line(&path, &failure), at)?;
            Ok(true)
        })
    }

    /// The pipeline that judges now, if any said so.
    pub fn judging(&self) -> Result<Option<Sha256Hash>, StoreError> {
        pipeline(&self.db)
    }

    /// Whether `owner` may do until `until` what only one of all runs should do at a time. Doing it twice does no harm;
    /// it is only work for nothing.
    pub fn take_role(
        &mut self,
        role: &str,
        owner: u64,
        at: Moment,
        until: Moment,
    ) -> Result<bool, StoreError> {
        let name = format!("role {role}");
        let ours = |value: &[u8], at: i64| {
            let (who, end) = value.split_at_checked(8)?;
            let end = i64::from_be_bytes(end.try_into().ok()?);
            Some(who == owner.to_be_bytes() || end < at)
        };
        let mut value = owner.to_be_bytes().to_vec();
        value.extend(until.as_millis().to_be_bytes());
        self.transact(|tx| {
            let now: Option<Vec<u8>> =
                tx.one("SELECT value FROM setting WHERE name = ?1", params![name], |r| r.get(0))?;
            if now.is_some_and(|now| ours(&now, at.as_millis()) == Some(false)) {
                return Ok(false);
            }
            tx.execute(
                "INSERT INTO setting (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                params![name, value],
            )?;
            Ok(true)
        })
    }
}
