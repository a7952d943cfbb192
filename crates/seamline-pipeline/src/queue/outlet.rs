//! A file of verdict lines that grows as jobs end: each end once, whatever is killed when.
//!
//! Lines come from the store, in the order of the ends, and the store remembers how far the file was written. What
//! stands in the file beyond that was written by a process that did not live to say so: it is cut off and written
//! again, to the same bytes.

use seamline_campaign::store::{OutletMark, SqlStore, StoreError};
use seamline_core::job::{JobError, JobQueue};
use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Lines written at a time.
const BATCH: u32 = 256;

/// Why verdicts could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutletError {
    /// The file.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("{}: another process writes to it", .0.display())]
    Taken(PathBuf),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] JobError),
}

/// A report file that is open.
#[derive(Debug)]
pub struct Outlet {
    file: File,
    path: PathBuf,
    mark: OutletMark,
}

impl Outlet {
    /// Opens or makes the file. One that this store never wrote to begins with what ends from now on, after whatever
    /// is in it.
    pub fn open(path: &Path, store: &mut SqlStore) -> Result<Self, OutletError> {
        let failed = |source| OutletError::Io { path: path.to_owned(), source };
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutletError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let path = std::fs::canonicalize(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mark = match store.outlet(&path)? {
            // Somebody put an empty file there, or an older one: it goes on from its end.
            Some(mark) if length < mark.bytes => OutletMark { bytes: length, ..mark },
            Some(mark) => mark,
            None => OutletMark { ended: store.last_ended()?, bytes: length },
        };
        file.set_len(mark.bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(mark.bytes)).map_err(failed)?;
        store.mark_outlet(&path, mark)?;
        Ok(Self { file, path, mark })
    }

    /// Writes what has ended since; the number of lines.
    pub fn write(&mut self, store: &mut SqlStore) -> Result<usize, OutletError> {
        let mut written = 0;
        loop {
            let lines = store.ended_after(self.mark.ended, BATCH)?;
            let Some((last, _)) = lines.last() else { return Ok(written) };
            let mut text = String::new();
            for (_, line) in &lines {
                text += line;
                text.push('\n');
            }
            let before = self.mark.bytes;
            let done = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
            if let Err(source) = done {
                // Half a batch must not stay; if even that fails, the next start cuts it off.
                let _ = self.file.set_len(before).and_then(|()| self.file.seek(SeekFrom::Start(before)));
                return Err(OutletError::Io { path: self.path.clone(), source });
            }
            self.mark = OutletMark { ended: *last, bytes: before + text.len() as u64 };
            store.mark_outlet(&self.path, self.mark)?;
            written += lines.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::submit::{Said, Submitter};
    use seamline_core::job::{Failure, FailureCode, Lane, Rules};
    use seamline_core::{Moment, Sha256Hash};

    fn end_one(store: &mut SqlStore, n: u32) {
        let digest = Sha256Hash::of(b"pipeline");
        let s = Submitter::of(digest, "test");
        let clip = Sha256Hash::of(&n.to_le_bytes());
        let rules = Rules::default();
        let at = Moment::EPOCH;
        store.submit(&s.known(clip, 1, "x".into(), "/x".into(), &Said::default()), &rules, at).unwrap();
        let lease = store.lease(1, Lane::Any, &digest, &rules, at, at).unwrap().unwrap();
        let gone = Failure { code: FailureCode::SourceGone, message: String::new() };
        store.fail(&lease, &gone, &format!("{{\"n\":{n}}}"), &rules, at).unwrap();
    }

    #[test]
    fn each_end_is_written_once_whatever_stands_in_the_file_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqlStore::open(&dir.path().join("s.db")).unwrap();
        let path = dir.path().join("out.jsonl");
        end_one(&mut store, 0);
        std::fs::write(&path, "earlier\n").unwrap();
        let mut outlet = Outlet::open(&path, &mut store).unwrap();
        assert!(matches!(Outlet::open(&path, &mut store), Err(OutletError::Taken(_))), "one writer");
        end_one(&mut store, 1);
        end_one(&mut store, 2);
        assert_eq!(outlet.write(&mut store).unwrap(), 2);
        assert_eq!(outlet.write(&mut store).unwrap(), 0);
        drop(outlet);
        // Killed after writing, before the store knew: half a line, and a whole one.
        end_one(&mut store, 3);
        std::fs::write(&path, "earlier\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n").unwrap();
        let mut outlet = Outlet::open(&path, &mut store).unwrap();
        outlet.write(&mut store).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "earlier\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        // Somebody moved the file away.
        drop(outlet);
        std::fs::remove_file(&path).unwrap();
        end_one(&mut store, 4);
        Outlet::open(&path, &mut store).unwrap().write(&mut store).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"n\":4}\n");
    }
}
