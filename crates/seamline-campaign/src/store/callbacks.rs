//! Whom to tell when a job ends. That a job ended, its own row says: nothing is forgotten between the two.

use super::SqlStore;
use super::jobs::{COLUMNS, job};
use super::sql::params;
use crate::moment::Moment;
use seamline_core::job::{Job, JobError};

/// Somebody who waits for the end of a job that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// Its number in the store.
    pub number: i64,
    /// Where to say it.
    pub url: String,
    /// Times that it was tried in vain.
    pub tries: u32,
    /// The job.
    pub job: Job,
}

impl SqlStore {
    /// Who is to be told now, those that wait longest first, at most `limit`.
    pub fn callbacks_due(&self, at: Moment, limit: u32) -> Result<Vec<Callback>, JobError> {
        let due: Vec<(i64, String, u32, i64)> = self.db.rows(
            "SELECT id, url, tries, job FROM callback WHERE not_before <= ?1
             AND EXISTS (SELECT 1 FROM job WHERE n = callback.job AND ended IS NOT NULL)
             ORDER BY not_before, id LIMIT ?2",
            params![at.as_millis(), limit],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
        )?;
        let sql = format!("SELECT {COLUMNS} FROM job WHERE n = ?1");
        let mut all = Vec::with_capacity(due.len());
        for (number, url, tries, n) in due {
            all.push(Callback { number, url, tries, job: self.db.only(&sql, params![n], job)? });
        }
        Ok(all)
    }

    /// Told, or given up.
    pub fn callback_over(&mut self, number: i64) -> Result<(), JobError> {
        self.transact(|tx| {
            tx.execute("DELETE FROM callback WHERE id = ?1", params![number])?;
            Ok(())
        })
    }

    /// Tried in vain; not again before that time.
    pub fn callback_later(&mut self, number: i64, not_before: Moment) -> Result<(), JobError> {
        self.transact(|tx| {
            tx.execute(
                "UPDATE callback SET tries = tries + 1, not_before = ?2 WHERE id = ?1",
                params![number, not_before.as_millis()],
            )?;
            Ok(())
        })
    }
}
