//! Clips that come in pieces, over hours and over restarts: what has come stays, and whoever sends goes on behind it.
//!
//! Two files each in the media folder: what was said of the clip, and its bytes. How far it is, the length of the
//! second says; a piece is on the disk before its sender is told so.

use super::media::{MediaError, MediaFolder};
use seamline_campaign::store::SqlStore;
use seamline_core::{ClipId, Sha256Hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, TryLockError};
use std::hash::BuildHasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long an upload waits for its next piece, and how long one that is whole can still be asked for.
pub const UPLOAD_AGE: Duration = Duration::from_secs(24 * 3_600);
/// Uploads that are open at once, of all tokens together: each may grow to the largest clip.
pub const MOST_UPLOADS: usize = 1_000;
/// Bytes of what is said of an upload, at most.
const SAID: u64 = 64 << 10;

/// Why an upload could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It never was, or is over for long.
    #[error("there is no such upload")]
    Unknown,
    /// Somebody else is sending a piece of it.
    #[error("a piece of this upload is being sent already")]
    Busy,
    /// The piece does not begin where the last one ended.
    #[error("the upload is at {at}, not at {said}")]
    Elsewhere {
        /// Bytes that are there.
        at: u64,
        /// Where the piece was said to begin.
        said: u64,
    },
    /// It would be longer than was said at first.
    #[error("the upload is {length} bytes long, and more came")]
    TooLong {
        /// Bytes that were announced.
        length: u64,
    },
    /// Too many are open.
    #[error("{MOST_UPLOADS} uploads are open already")]
    TooMany,
    /// The folder.
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// What was said of an upload when it began, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Bytes.
    pub length: u64,
    /// The number of the token that it came with; nobody else may go on with it.
    pub owner: i64,
    /// Names and values, as they came.
    pub said: BTreeMap<String, String>,
    /// The job, once it is whole.
    pub job: Option<String>,
}

/// Where uploads lie.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: Arc<MediaFolder>,
    dir: PathBuf,
}

/// An upload that is being sent to, by nobody else.
#[derive(Debug)]
pub struct Resumed {
    uploads: Uploads,
    id: String,
    file: File,
    at: u64,
    /// What was said of it.
    pub announced: Announced,
}

impl Uploads {
    /// In a media folder, beside its clips.
    pub fn open(folder: &Arc<MediaFolder>) -> Result<Self, MediaError> {
        let dir = folder.root().join("uploads");
        fs::create_dir_all(&dir).map_err(folder.io(&dir))?;
        Ok(Self { folder: folder.clone(), dir })
    }

    fn paths(&self, id: &str) -> Result<(PathBuf, PathBuf), ResumeError> {
        // It becomes a part of a path.
        let sound = Sha256Hash::parse(id).is_some_and(|parsed| parsed.to_string() == id);
        if !sound {
            return Err(ResumeError::Unknown);
        }
        Ok((self.dir.join(format!("{id}.json")), self.dir.join(format!("{id}.part"))))
    }

    /// Begins an upload: its name.
    pub fn begin(&self, announced: &Announced) -> Result<String, ResumeError> {
        self.sweep()?;
        let open = fs::read_dir(&self.dir).map_err(self.folder.io(&self.dir))?;
        if open.filter_map(Result::ok).filter(|e| e.path().extension().is_some_and(|x| x == "part")).count()
            >= MOST_UPLOADS
        {
            return Err(ResumeError::TooMany);
        }
        let (seeds, now) = (RandomState::new(), SystemTime::now());
        let id = Sha256Hash::of(
            format!("{:x} {:x} {now:?} {}", seeds.hash_one(1), seeds.hash_one(2), std::process::id())
                .as_bytes(),
        )
        .to_string();
        let (info, part) = self.paths(&id)?;
        File::options().write(true).create_new(true).open(&part).map_err(self.folder.io(&part))?;
        self.write(&info, announced)?;
        Ok(id)
    }

    fn write(&self, info: &PathBuf, announced: &Announced) -> Result<(), MediaError> {
        let failed = |e: io::Error| self.folder.io(info)(e);
        let text = serde_json::to_vec(announced).map_err(|e| failed(e.into()))?;
        // Whole or not at all.
        let new = info.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, info)).map_err(failed)
    }

    /// How far an upload is, in bytes, and what was said of it.
    pub fn state(&self, id: &str) -> Result<(u64, Announced), ResumeError> {
        let (info, part) = self.paths(id)?;
        let announced = self.announced(&info)?;
        if announced.job.is_some() {
            return Ok((announced.length, announced));
        }
        match fs::metadata(&part) {
            Ok(meta) => Ok((meta.len(), announced)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(ResumeError::Unknown),
            Err(e) => Err(self.folder.io(&part)(e).into()),
        }
    }

    fn announced(&self, info: &PathBuf) -> Result<Announced, ResumeError> {
        let mut text = Vec::new();
        match File::open(info).and_then(|f| f.take(SAID * 4).read_to_end(&mut text)) {
            Ok(_) => serde_json::from_slice(&text).map_err(|_| ResumeError::Unknown),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(ResumeError::Unknown),
            Err(e) => Err(self.folder.io(info)(e).into()),
        }
    }

    /// Goes on with an upload at `said` bytes.
    pub fn resume(&self, id: &str, said: u64) -> Result<Resumed, ResumeError> {
        let (at, announced) = self.state(id)?;
        if announced.job.is_some() {
            return Err(ResumeError::Elsewhere { at, said });
        }
        let (_, part) = self.paths(id)?;
        let failed = |e: io::Error| ResumeError::from(self.folder.io(&part)(e));
        let mut file = File::options().read(true).write(true).open(&part).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ResumeError::Unknown,
            _ => failed(e),
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ResumeError::Busy),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // Asked again now that nobody else adds to it.
        let at = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if at != said {
            return Err(ResumeError::Elsewhere { at, said });
        }
        Ok(Resumed { uploads: self.clone(), id: id.to_owned(), file, at, announced })
    }

    /// Lets go of an upload and of what came of it.
    pub fn end(&self, id: &str) -> Result<(), ResumeError> {
        let (info, part) = self.paths(id)?;
        self.announced(&info)?;
        for path in [info, part] {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(self.folder.io(&path)(e).into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what nobody went on with.
    pub fn sweep(&self) -> Result<(), MediaError> {
        for entry in fs::read_dir(&self.dir).map_err(self.folder.io(&self.dir))? {
            let path = entry.map_err(self.folder.io(&self.dir))?.path();
            let idle = |p: &PathBuf| {
                let changed = fs::metadata(p).and_then(|m| m.modified()).ok()?;
                SystemTime::now().duration_since(changed).ok()
            };
            // The bytes change with every piece, what was said does not.
            let youngest =
                [path.with_extension("part"), path.with_extension("json")].iter().filter_map(idle).min();
            if youngest.is_some_and(|age| age > UPLOAD_AGE) {
                let _ = fs::remove_file(&path); // somebody else may have been quicker
            }
        }
        Ok(())
    }
}

impl Resumed {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ResumeError> {
        let length = self.announced.length;
        if self.at.saturating_add(bytes.len() as u64) > length {
            return Err(ResumeError::TooLong { length });
        }
        self.file.write_all(bytes).map_err(|e| self.failed(e))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn failed(&self, e: io::Error) -> ResumeError {
        self.uploads.folder.io(&self.uploads.dir.join(&self.id))(e).into()
    }

    /// Bytes that are there.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Makes what came durable: bytes that are there now.
    pub fn keep(&mut self) -> Result<u64, ResumeError> {
        self.file.sync_data().map_err(|e| self.failed(e))?;
        Ok(self.at)
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.at == self.announced.length
    }

    /// Puts a whole clip in its place: its name and size.
    pub fn finish(&mut self, store: &SqlStore) -> Result<(ClipId, u64), ResumeError> {
        let mut hash = Sha256::new();
        let mut block = vec![0; 1 << 20];
        self.file.rewind().map_err(|e| self.failed(e))?;
        loop {
            match self.file.read(&mut block).map_err(|e| self.failed(e))? {
                0 => break,
                n => hash.update(&block[..n]),
            }
        }
        let clip = ClipId::from_bytes(hash.finalize().into());
        let (_, part) = self.uploads.paths(&self.id)?;
        self.file.sync_all().map_err(|e| self.failed(e))?;
        self.uploads.folder.place(&clip, &part, self.at, store)?;
        Ok((clip, self.at))
    }

    /// Remembers which job it became, for senders that missed the answer.
    pub fn became(&mut self, job: &str) -> Result<(), ResumeError> {
        self.announced.job = Some(job.to_owned());
        let (info, part) = self.uploads.paths(&self.id)?;
        self.uploads.write(&info, &self.announced)?;
        let _ = fs::remove_file(part); // gone already, unless the clip was known
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Retain;

    fn announced(length: u64) -> Announced {
        Announced { length, owner: 1, said: BTreeMap::from([("name".into(), "a.wav".into())]), job: None }
    }

    #[test]
    fn an_upload_goes_on_where_it_was_left_and_becomes_a_clip() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqlStore::open(&dir.path().join("s.db")).unwrap();
        let open = || {
            let folder = MediaFolder::open(&dir.path().join("m"), 1 << 20, Retain::Days(1)).unwrap();
            Uploads::open(&Arc::new(folder)).unwrap()
        };
        let id = open().begin(&announced(6)).unwrap();
        let uploads = open();
        let mut first = uploads.resume(&id, 0).unwrap();
        assert!(matches!(uploads.resume(&id, 0), Err(ResumeError::Busy)));
        first.write(b"abcd").unwrap();
        assert_eq!(first.keep().unwrap(), 4);
        drop(first);
        // Another process.
        let uploads = open();
        assert_eq!(uploads.state(&id).unwrap(), (4, announced(6)));
        assert!(matches!(uploads.resume(&id, 3), Err(ResumeError::Elsewhere { at: 4, said: 3 })));
        let mut rest = uploads.resume(&id, 4).unwrap();
        assert!(matches!(rest.write(b"efg"), Err(ResumeError::TooLong { length: 6 })));
        rest.write(b"ef").unwrap();
        assert!(rest.is_whole());
        let (clip, size) = rest.finish(&store).unwrap();
        assert_eq!((clip, size), (Sha256Hash::of(b"abcdef"), 6));
        rest.became("job").unwrap();
        let (at, after) = uploads.state(&id).unwrap();
        assert_eq!((at, after.job.as_deref()), (6, Some("job")));
        assert!(matches!(uploads.resume(&id, 6), Err(ResumeError::Elsewhere { .. })));
        uploads.end(&id).unwrap();
        assert!(matches!(uploads.state(&id), Err(ResumeError::Unknown)));
    }

    #[test]
    fn names_are_no_paths_and_what_is_left_alone_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Arc::new(MediaFolder::open(dir.path(), 1 << 20, Retain::None).unwrap());
        let uploads = Uploads::open(&folder).unwrap();
        for odd in ["", "../../etc/passwd", "A", &"A".repeat(64), &"0".repeat(64)] {
            assert!(matches!(uploads.state(odd), Err(ResumeError::Unknown)), "{odd}");
        }
        let (old, young) = (uploads.begin(&announced(6)).unwrap(), uploads.begin(&announced(6)).unwrap());
        let long_ago = SystemTime::now() - UPLOAD_AGE * 2;
        for ending in ["json", "part"] {
            let path = dir.path().join(format!("uploads/{old}.{ending}"));
            File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        }
        uploads.sweep().unwrap();
        assert!(matches!(uploads.state(&old), Err(ResumeError::Unknown)));
        assert_eq!(uploads.state(&young).unwrap().0, 0);
        assert_eq!(fs::read_dir(dir.path().join("uploads")).unwrap().count(), 2);
    }
}
