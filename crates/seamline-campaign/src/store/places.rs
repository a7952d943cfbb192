//! What ways in and out remember between runs: files of watched folders, and how far a report file was written.

use super::jobs::{bytes_of, path_of};
use super::sql::params;
use super::{SqlStore, StoreError};
use seamline_core::Sha256Hash;
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

impl SqlStore {
    /// The name of a place of this machine: its path, and where others stand on the store too, whose path it is.
    pub(super) fn here(&self, path: &Path) -> Vec<u8> {
        let mut name = self.machine.as_bytes().to_vec();
        name.extend_from_slice(bytes_of(path));
        name
    }

    /// The path that a name is of.
    fn path_here(&self, mut name: Vec<u8>) -> PathBuf {
        path_of(name.split_off(self.machine.len().min(name.len())))
    }

    /// The device's number among all machines that stand on the store.
    fn device(&self, file: &FileIdentity) -> i64 {
        if self.machine.is_empty() {
            return file.device as i64;
        }
        let salt = Sha256Hash::of(self.machine.as_bytes());
        let bytes = salt.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
        (file.device ^ u64::from_le_bytes(bytes)) as i64
    }

    /// Whether a file was submitted already. One that was renamed is known by its new name from now on.
    pub fn is_watched(&mut self, file: &FileIdentity, path: &Path) -> Result<bool, StoreError> {
        let (device, name) = (self.device(file), self.here(path));
        let known: Option<(Vec<u8>, [u8; 32])> = self.db.one(
            "SELECT path, job FROM watched WHERE device = ?1 AND inode = ?2 AND size = ?3 AND mtime_ns = ?4",
            params![device, file.inode as i64, file.size as i64, file.mtime_ns],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        let Some((was, job)) = known else { return Ok(false) };
        if was != name {
            let before = self.path_here(was);
            self.transact(|tx| {
                tx.execute(
                    "UPDATE watched SET path = ?5
                     WHERE device = ?1 AND inode = ?2 AND size = ?3 AND mtime_ns = ?4",
                    params![device, file.inode as i64, file.size as i64, file.mtime_ns, name],
                )?;
                // Its job follows it.
                tx.execute(
                    "UPDATE job SET source = ?3 WHERE id = ?1 AND source = ?2 AND state IN ('queued', 'running')",
                    params![job, bytes_of(&before), bytes_of(path)],
                )?;
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(true)
    }

    /// Remembers that a file was submitted.
    pub fn watch(&mut self, file: &FileIdentity, path: &Path, job: &JobId) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO watched (device, inode, size, mtime_ns, path, job) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (device, inode, size, mtime_ns)
             DO UPDATE SET path = excluded.path, job = excluded.job, moved = 0",
            params![
                self.device(file),
                file.inode as i64,
                file.size as i64,
                file.mtime_ns,
                self.here(path),
                job.as_bytes()
            ],
        )?;
        Ok(())
    }

    /// Files below `root` whose jobs have ended and that were not moved yet, at most `limit`.
    pub fn to_move(&self, root: &Path, limit: u32) -> Result<Vec<WatchedFile>, StoreError> {
        let mut below = self.here(root);
        below.push(b'/');
        let salt = self.device(&FileIdentity { device: 0, inode: 0, size: 0, mtime_ns: 0 });
        self.db.rows(
            "SELECT w.device, w.inode, w.size, w.mtime_ns, w.path, w.job, j.state FROM watched w
             JOIN job j ON j.id = w.job WHERE w.moved = 0 AND j.state IN ('done', 'failed', 'dead')
             AND substr(w.path, 1, ?3) = ?2 LIMIT ?1",
            params![limit, below, below.len() as i64],
            |r| {
                let state: String = r.get(6)?;
                Ok(WatchedFile {
                    identity: FileIdentity {
                        device: (r.get::<i64>(0)? ^ salt) as u64,
                        inode: r.get::<i64>(1)? as u64,
                        size: r.get::<i64>(2)? as u64,
                        mtime_ns: r.get(3)?,
                    },
                    path: self.path_here(r.get(4)?),
                    job: JobId::from_bytes(r.get(5)?),
                    state: JobState::from_name(&state).unwrap_or(JobState::Dead),
                })
            },
        )
    }

    /// Says that a file was moved, or is gone, so that nobody looks for it again; with its new place, a dead letter
    /// can be replayed from there.
    pub fn moved(&mut self, file: &WatchedFile, to: Option<&Path>) -> Result<(), StoreError> {
        let (i, device) = (&file.identity, self.device(&file.identity));
        self.transact(|tx| {
            tx.execute(
                "UPDATE watched SET moved = 1 WHERE device = ?1 AND inode = ?2 AND size = ?3 AND mtime_ns = ?4",
                params![device, i.inode as i64, i.size as i64, i.mtime_ns],
            )?;
            if let Some(to) = to {
                tx.execute(
                    "UPDATE job SET source = ?3 WHERE id = ?1 AND source = ?2",
                    params![file.job.as_bytes(), bytes_of(&file.path), bytes_of(to)],
                )?;
            }
            Ok(())
        })
    }

    /// How far a report file was written, if it ever was.
    pub fn outlet(&self, path: &Path) -> Result<Option<OutletMark>, StoreError> {
        self.db.one("SELECT ended, bytes FROM outlet WHERE path = ?1", params![self.here(path)], |r| {
            let (ended, bytes): (i64, i64) = (r.get(0)?, r.get(1)?);
            Ok(OutletMark { ended: ended as u64, bytes: bytes as u64 })
        })
    }

    /// Says how far a report file is written and on the disk.
    pub fn mark_outlet(&mut self, path: &Path, mark: OutletMark) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO outlet (path, ended, bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT (path) DO UPDATE SET ended = excluded.ended, bytes = excluded.bytes",
            params![self.here(path), mark.ended as i64, mark.bytes as i64],
        )?;
        Ok(())
    }
}
