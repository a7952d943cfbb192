//! Bytes of clips that came without a file of their own, named by their SHA-256, within a size and for a time.
//!
//! A clip is written beside its place and moved there once it is whole and on the disk, so whoever finds it finds all
//! of it. What a waiting job needs is never removed.

use crate::record::now;
use seamline_campaign::store::{SqlStore, StoreError};
use seamline_core::ClipId;
use seamline_core::job::{Job, JobState};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A part may be another process's, as long as an upload may last.
const PART_AGE: Duration = Duration::from_secs(24 * 3_600);

/// A clip that was written a moment ago may have a job in a moment.
const YOUNG: Duration = Duration::from_secs(600);

/// How long a count of the folder's bytes is good for: with many clips, counting takes longer than writing one. What another
/// process adds meanwhile may go over the cap.
const COUNT_AGAIN: Duration = Duration::from_secs(60);

/// Why media could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The folder said no.
    #[error("media folder {}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no room under the cap, even without everything that may go.
    #[error("media folder {}: no room for {wanted} bytes under its cap of {cap} bytes", path.display())]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Size of the clip, in bytes.
        wanted: u64,
        /// The cap, in bytes.
        cap: u64,
    },
    /// The clip is larger than a single one may be.
    #[error("the clip is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The store could not say which clips are needed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How long media is kept after its job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retain {
    /// Not at all: verdicts stay, media goes.
    None,
    /// So many days.
    Days(u32),
}

impl std::str::FromStr for Retain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            days => days.parse().map(Self::Days).map_err(|_| "expected none or a number of days".into()),
        }
    }
}

/// A folder of clips.
#[derive(Debug)]
pub struct MediaFolder {
    root: PathBuf,
    cap: u64,
    retain: Retain,
    parts: AtomicU64,
    /// Bytes in it, as far as this process knows, and since when.
    known: Mutex<Option<(u64, Instant)>>,
}

/// A clip that is being written; dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct Part {
    folder: Arc<MediaFolder>,
    path: PathBuf,
    file: Option<File>,
    hash: Sha256,
    size: u64,
    limit: u64,
}

impl MediaFolder {
    /// Opens or makes the folder. At most `cap` bytes are kept in it.
    pub fn open(root: &Path, cap: u64, retain: Retain) -> Result<Self, MediaError> {
        let folder =
            Self { root: root.to_owned(), cap, retain, parts: AtomicU64::new(0), known: Mutex::new(None) };
        let parts = folder.root.join("parts");
        fs::create_dir_all(&parts).map_err(folder.io(&parts))?;
        // Uploads that a crash cut off.
        for part in folder.list(&parts)? {
            if part.age.is_none_or(|a| a > PART_AGE) {
                let _ = fs::remove_file(&part.path); // somebody else may have been quicker
            }
        }
        Ok(folder)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn io(&self, path: &Path) -> impl FnOnce(io::Error) -> MediaError + use<> {
        let path = path.to_owned();
        move |source| MediaError::Io { path, source }
    }

    /// Where a clip is or would be: two digits of its hash, then all of it. No extension: nothing must guess by one.
    pub fn path(&self, clip: &ClipId) -> PathBuf {
        let name = clip.to_string();
        self.root.join(&name[..2]).join(name)
    }

    /// Whether it holds a clip.
    pub fn holds(&self, clip: &ClipId) -> bool {
        self.path(clip).is_file()
    }

    /// Begins to write a clip of at most `limit` bytes.
    pub fn begin(self: &Arc<Self>, limit: u64) -> Result<Part, MediaError> {
        let n = self.parts.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("parts").join(format!("{}-{}-{n}", std::process::id(), now().as_millis()));
        let file = File::options().write(true).create_new(true).open(&path).map_err(self.io(&path))?;
        Ok(Part { folder: self.clone(), path, file: Some(file), hash: Sha256::new(), size: 0, limit })
    }

    /// Moves a clip, whole and on the disk, to its place. Where it is there already, `from` stays where it was.
    pub(super) fn place(
        &self,
        clip: &ClipId,
        from: &Path,
        size: u64,
        store: &SqlStore,
    ) -> Result<(), MediaError> {
        let place = self.path(clip);
        if place.is_file() {
            // Young again: what was about to be swept is needed once more.
            let touched = File::open(&place).and_then(|f| f.set_modified(SystemTime::now()));
            return touched.map_err(self.io(&place));
        }
        self.make_room(store, size)?;
        let shelf = place.parent().unwrap_or(&self.root);
        fs::create_dir_all(shelf).map_err(self.io(shelf))?;
        fs::rename(from, &place).map_err(self.io(&place))?;
        // Made now, whatever its bytes' age: it has a job in a moment.
        let touched = File::open(&place).and_then(|f| f.set_modified(SystemTime::now()));
        touched.map_err(self.io(&place))?;
        // The name too must survive a power cut.
        File::open(shelf).and_then(|d| d.sync_all()).map_err(self.io(shelf))
    }

    /// Sees to it that `room` bytes fit under the cap, and counts them as there.
    fn make_room(&self, store: &SqlStore, room: u64) -> Result<(), MediaError> {
        if let Some((used, since)) = &mut *self.known()
            && since.elapsed() < COUNT_AGAIN
            && used.saturating_add(room) <= self.cap
        {
            *used = used.saturating_add(room);
            return Ok(());
        }
        self.sweep(store, room)?;
        if let Some((used, _)) = &mut *self.known() {
            *used = used.saturating_add(room);
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes in the folder, and its clips, the oldest first.
    fn usage(&self) -> Result<(u64, Vec<Kept>), MediaError> {
        let mut all = Vec::new();
        for shelf in fs::read_dir(&self.root).map_err(self.io(&self.root))? {
            let shelf = shelf.map_err(self.io(&self.root))?.path();
            if shelf.is_dir() && shelf.file_name().is_some_and(|n| n.len() == 2) {
                all.extend(self.list(&shelf)?);
            }
        }
        all.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.path.cmp(&b.path)));
        Ok((all.iter().map(|k| k.size).sum(), all))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Kept>, MediaError> {
        let mut all = Vec::new();
        for entry in fs::read_dir(dir).map_err(self.io(dir))? {
            let path = entry.map_err(self.io(dir))?.path();
            // What is gone by now is not in the way.
            if let Ok(meta) = fs::symlink_metadata(&path)
                && meta.is_file()
            {
                let age = meta.modified().ok().and_then(|m| SystemTime::now().duration_since(m).ok());
                all.push(Kept { path, size: meta.len(), age });
            }
        }
        Ok(all)
    }

    /// Removes what is past its time and what no job knows of, then the oldest until `room` bytes fit under the cap. What a waiting job needs
    /// stays. Bytes that were freed.
    pub fn sweep(&self, store: &SqlStore, room: u64) -> Result<u64, MediaError> {
        let (mut used, all) = self.usage()?;
        let before = used;
        for kept in all {
            let over = used.saturating_add(room) > self.cap;
            let age = kept.age.unwrap_or_default();
            let old = match self.retain {
                Retain::None => true,
                Retain::Days(days) => age > Duration::from_secs(u64::from(days) * 86_400),
            };
            let clip = kept.path.file_name().and_then(|n| n.to_str()).and_then(ClipId::parse);
            let Some(clip) = clip.filter(|_| age > YOUNG) else { continue };
            // Killed between the clip and its job, nobody knows of it.
            if !(over || old) && store.has_job(&clip)? {
                continue;
            }
            let letter = self.retain == Retain::None && !over && store.is_dead_letter(&clip)?;
            if letter || store.is_wanted(&clip)? {
                continue;
            }
            match fs::remove_file(&kept.path) {
                Ok(()) => used -= kept.size,
                Err(e) if e.kind() == io::ErrorKind::NotFound => used -= kept.size,
                Err(e) => return Err(self.io(&kept.path)(e)),
            }
        }
        *self.known() = Some((used, Instant::now()));
        if used.saturating_add(room) > self.cap {
            return Err(MediaError::NoRoom { path: self.root.clone(), wanted: room, cap: self.cap });
        }
        Ok(before - used)
    }

    /// Lets go of an ended job's clip at once, where nothing is to be retained. A dead letter keeps its evidence.
    pub fn ended(&self, job: &Job, state: JobState, store: &SqlStore) -> Result<(), MediaError> {
        let path = self.path(&job.sha256);
        let keep = self.retain != Retain::None || state != JobState::Done || job.source != path;
        if keep || store.is_wanted(&job.sha256)? {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Ok(()) => {
                if let Some((used, _)) = &mut *self.known() {
                    *used = used.saturating_sub(job.size);
                }
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(self.io(&path)(e)),
        }
    }

    /// Bytes in the folder.
    pub fn used(&self) -> Result<u64, MediaError> {
        Ok(self.usage()?.0)
    }
}

struct Kept {
    path: PathBuf,
    size: u64,
    /// `None` where its time lies in the future.
    age: Option<Duration>,
}

impl Part {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.limit {
            return Err(MediaError::TooLarge { limit: self.limit });
        }
        self.hash.update(bytes);
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(self.folder.io(&self.path)),
            None => Ok(()),
        }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Puts the clip in its place, on the disk: its name and size.
    pub fn finish(mut self, store: &SqlStore) -> Result<(ClipId, u64), MediaError> {
        let clip = ClipId::from_bytes(std::mem::take(&mut self.hash).finalize().into());
        if let Some(file) = self.file.take()
            && !self.folder.holds(&clip)
        {
            file.sync_all().map_err(self.folder.io(&self.path))?;
        }
        self.folder.place(&clip, &self.path, self.size, store)?;
        Ok((clip, self.size))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // gone already where it was finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seamline_core::job::{Rules, Submission};
    use seamline_core::{Moment, Sha256Hash};

    fn put(folder: &Arc<MediaFolder>, store: &SqlStore, bytes: &[u8]) -> Result<ClipId, MediaError> {
        let mut part = folder.begin(1 << 20)?;
        part.write(bytes)?;
        part.finish(store).map(|(clip, _)| clip)
    }

    /// As if it had been written long ago.
    fn age(folder: &MediaFolder, clip: &ClipId, days: u64) {
        let file = File::options().write(true).open(folder.path(clip)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
    }

    #[test]
    fn clips_are_named_by_their_bytes_kept_for_a_time_and_never_taken_from_a_waiting_job() {
        use seamline_core::job::JobQueue;
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqlStore::open(&dir.path().join("s.db")).unwrap();
        let folder = Arc::new(MediaFolder::open(&dir.path().join("media"), 100, Retain::Days(3)).unwrap());
        let a = put(&folder, &store, &[1; 40]).unwrap();
        assert_eq!(a, Sha256Hash::of(&[1; 40]));
        assert_eq!(put(&folder, &store, &[1; 40]).unwrap(), a);
        let b = put(&folder, &store, &[2; 40]).unwrap();
        assert_eq!(folder.used().unwrap(), 80);
        let (young, c) = (put(&folder, &store, &[3; 40]), Sha256Hash::of(&[3; 40]));
        assert!(matches!(young, Err(MediaError::NoRoom { .. })), "what came a moment ago stays");
        assert!(
            !folder.holds(&c) && std::fs::read_dir(dir.path().join("media/parts")).unwrap().next().is_none()
        );
        age(&folder, &a, 2);
        age(&folder, &b, 1);
        let s = Submission {
            clip: a,
            pipeline_digest: a,
            path: "a".into(),
            source: folder.path(&a),
            size: 40,
            priority: 0,
            deadline: None,
            origin: "test".into(),
            by: String::new(),
            claim: String::new(),
            sightings: Vec::new(),
            callback: None,
        };
        store.submit(&s, &Rules::default(), Moment::EPOCH).unwrap();
        put(&folder, &store, &[3; 40]).unwrap();
        assert!(folder.holds(&a) && !folder.holds(&b), "the older one is needed, so the other went");
        age(&folder, &c, 4);
        assert_eq!(folder.sweep(&store, 0).unwrap(), 40, "past its time");
        assert!(!folder.holds(&c) && folder.holds(&a));
        // Room is reckoned without counting again, and never too much of it: what ended has left.
        put(&folder, &store, &[4; 30]).unwrap();
        put(&folder, &store, &[5; 30]).unwrap();
        assert_eq!(folder.known().unwrap().0, folder.used().unwrap());
        assert!(matches!(put(&folder, &store, &[6; 10]), Err(MediaError::NoRoom { .. })));
    }

    #[test]
    fn an_upload_that_is_cut_off_or_too_large_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Arc::new(MediaFolder::open(dir.path(), 1 << 20, Retain::None).unwrap());
        let mut part = folder.begin(10).unwrap();
        part.write(&[0; 10]).unwrap();
        assert!(matches!(part.write(&[0]), Err(MediaError::TooLarge { limit: 10 })));
        drop(part);
        drop(folder.begin(10).unwrap());
        assert_eq!(folder.used().unwrap(), 0);
        assert!(std::fs::read_dir(dir.path().join("parts")).unwrap().next().is_none());
        assert_eq!("none".parse(), Ok(Retain::None));
        assert_eq!("30".parse(), Ok(Retain::Days(30)));
        assert!("ever".parse::<Retain>().is_err());
    }
}
