//! Moves files whose jobs have ended. What was to be moved when a run was killed is moved by the next.

use super::candidates::identity;
use super::made;
use crate::output;
use anyhow::Result;
use seamline_campaign::store::{SqlStore, WatchedFile};
use seamline_core::job::JobState;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Files moved at a time.
const BATCH: u32 = 256;

pub(super) struct Mover {
    done: Option<PathBuf>,
    failed: Option<PathBuf>,
}

impl Mover {
    pub(super) fn new(done: Option<&Path>, failed: Option<&Path>) -> Result<Self> {
        Ok(Self { done: done.map(made).transpose()?, failed: failed.map(made).transpose()? })
    }

    /// Moves what has ended below `root`. A file that cannot be moved is named and left.
    pub(super) fn move_ended(&self, root: &Path, store: &mut SqlStore) -> Result<()> {
        if self.done.is_none() && self.failed.is_none() {
            return Ok(());
        }
        for file in store.to_move(root, BATCH)? {
            let to = match file.state {
                JobState::Done => self.done.as_deref(),
                _ => self.failed.as_deref(),
            };
            // A file that changed since is another file: it has its own job, and moves when that has ended.
            let same = identity(&file.path).is_some_and(|i| i == file.identity);
            let moved = match to.filter(|_| same).map(|to| moved(&file, to)) {
                Some(Ok(place)) => Some(place),
                Some(Err(e)) => {
                    output::complain(&format!("{}: cannot be moved: {e}", file.path.display()));
                    None
                }
                None => None,
            };
            store.moved(&file, moved.as_deref())?;
        }
        Ok(())
    }
}

fn moved(file: &WatchedFile, to: &Path) -> io::Result<PathBuf> {
    let name = file.path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut place = to.join(name);
    if place.exists() {
        // Two of one name: the job's tells them apart, and the extension stays.
        let mut other = Path::new(name).file_stem().unwrap_or(name).to_owned();
        other.push(format!("-{}", file.job.short()));
        if let Some(extension) = Path::new(name).extension() {
            other.push(".");
            other.push(extension);
        }
        place = to.join(other);
    }
    match std::fs::rename(&file.path, &place) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => copy(&file.path, &place)?,
        other => other?,
    }
    Ok(place)
}

/// To another file system: whole and on the disk before the first one goes.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    std::fs::copy(from, &part)?;
    File::open(&part)?.sync_all()?;
    std::fs::rename(&part, to)?;
    std::fs::remove_file(from)
}
