//! What ways in and out remember between runs: files of watched folders, and how far a report file was written.

use super::jobs::{bytes_of, path_of};
use super::{SqliteStore, StoreError};
use rusqlite::{OptionalExtension, params};
use seamline_core::job::{JobId, JobState};
use std::path::{Path, PathBuf};

/// Who a file is, whatever its name: a rename keeps all four, a new content changes at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of its content, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// A file of a watched folder that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedFile {
    /// Who it is.
    pub identity: FileIdentity,
    /// Where it was seen last.
    pub path: PathBuf,
    /// Its job.
    pub job: JobId,
    /// That job's state.
    pub state: JobState,
}

/// How far a report file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutletMark {
    /// The number of the last end in it.
    pub ended: u64,
    /// Its length in bytes then.
    pub bytes: u64,
}

impl SqliteStore {
    /// Whether a file was submitted already. One that was renamed is known by its new name from now on.
    pub fn is_watched(&mut self, file: &FileIdentity, path: &Path) -> Result<bool, StoreError> {
        let key = params![file.device as i64, file.inode as i64, file.size as i64, file.mtime_ns];
        let known: Option<(Vec<u8>, [u8; 32])> = self
            .db
            .prepare_cached(
                "SELECT path, job FROM watched WHERE device = ?1 AND inode = ?2 AND size = ?3 AND mtime_ns = ?4",
            )?
            .query_row(key, |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let Some((was, job)) = known else { return Ok(false) };
        if was != bytes_of(path) {
            let tx = self.write()?;
            tx.execute(
                "UPDATE watched SET path = ?5 WHERE device = ?1 AND inode = ?2 AND size = ?3 AND mtime_ns = ?4",
                params![
                    file.device as i64,
                    file.inode as i64,
                    file.size as i64,
                    file.mtime_ns,
                    bytes_of(path)
                ],
            )?;
            // Its job follows it.
            tx.execute(
                "UPDATE job SET source = ?3 WHERE id = ?1 AND source = ?2 AND state IN ('queued', 'running')",
                params![job, was, bytes_of(path)],
            )?;
            tx.commit()?;
        }
        Ok(true)
    }

    /// Remembers that a file was submitted.
    pub fn watch(&mut self, file: &FileIdentity, path: &Path, job: &JobId) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR REPLACE INTO watched (device, inode, size, mtime_ns, path, job) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                file.device as i64,
                file.inode as i64,
                file.size as i64,
                file.mtime_ns,
                bytes_of(path),
                job.as_bytes()
            ],
        )?;
        Ok(())
    }

    /// Files below `root` whose jobs have ended and that were not moved yet, at most `limit`.
    pub fn to_move(&self, root: &Path, limit: u32) -> Result<Vec<WatchedFile>, StoreError> {
        let mut below = bytes_of(root).to_vec();
        below.push(b'/');
        let mut all = self.db.prepare_cached(
            "SELECT w.device, w.inode, w.size, w.mtime_ns, w.path, w.job, j.state FROM watched w
             JOIN job j ON j.id = w.job WHERE w.moved = 0 AND j.state IN ('done', 'failed', 'dead')
             AND substr(w.path, 1, length(?2)) = ?2 LIMIT ?1",
        )?;
        let found = all.query_map(params![limit, below], |r| {
            let state: String = r.get(6)?;
            Ok(WatchedFile {
                identity: FileIdentity {
                    device: r.get::<_, i64>(0)? as u64,
                    inode: r.get::<_, i64>(1)? as u64,
                    size: r.get::<_, i64>(2)? as u64,
                    mtime_ns: r.get(3)?,
                },
                path: path_of(r.get(4)?),
                job: JobId::from_bytes(r.get(5)?),
                state: JobState::from_name(&state).unwrap_or(JobState::Dead),
            })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Says that a file was moved, or is gone, so that nobody looks for it again; with its new place, a dead letter
    /// can be replayed from there.
    pub fn moved(&mut self, file: &WatchedFile, to: Option<&Path>) -> Result<(), StoreError> {
        let tx = self.write()?;
        let i = &file.identity;
        tx.execute(
            "UPDATE watched SET moved = 1 WHERE device = ?1 AND inode = ?2 AND size = ?3 AND mtime_ns = ?4",
            params![i.device as i64, i.inode as i64, i.size as i64, i.mtime_ns],
        )?;
        if let Some(to) = to {
            tx.execute(
                "UPDATE job SET source = ?3 WHERE id = ?1 AND source = ?2",
                params![file.job.as_bytes(), bytes_of(&file.path), bytes_of(to)],
            )?;
        }
        Ok(tx.commit()?)
    }

    /// How far a report file was written, if it ever was.
    pub fn outlet(&self, path: &Path) -> Result<Option<OutletMark>, StoreError> {
        let mark =
            self.db.query_row("SELECT ended, bytes FROM outlet WHERE path = ?1", [bytes_of(path)], |r| {
                let (ended, bytes): (i64, i64) = (r.get(0)?, r.get(1)?);
                Ok(OutletMark { ended: ended as u64, bytes: bytes as u64 })
            });
        Ok(mark.optional()?)
    }

    /// Says how far a report file is written and on the disk.
    pub fn mark_outlet(&mut self, path: &Path, mark: OutletMark) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR REPLACE INTO outlet (path, ended, bytes) VALUES (?1, ?2, ?3)",
            params![bytes_of(path), mark.ended as i64, mark.bytes as i64],
        )?;
        Ok(())
    }
}
