//! Exact search for hashes within a Hamming distance, over tens of millions of them, while new ones arrive.
//!
//! The index is a folder of sealed, memory-mapped segments (`segment.rs`) and a short tail in memory that is searched
//! by comparing all of it. When the tail is full it is sealed; segments of like size are merged, so that there are few.
//! [`code`] says why nothing within the distance is missed.
//!
//! The store is the truth, not the index. Every entry carries a key that the caller makes from a row number that only
//! grows; `covered` says up to which row the sealed part reaches, and whoever opens the index inserts the later rows
//! again. So nothing here needs a journal: a crash loses only the tail, and a damaged folder is thrown away and built
//! anew. Files come into being under another name and are renamed once they are durable.
//!
//! Keys of clips that have been observed again stay until the next rebuild; the store no longer knows them, and
//! whoever resolves a key skips it.

pub mod code;
mod segment;

use code::{Code, ToCode, distance, max_radius};
use segment::Segment;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Entries of the tail at which it is sealed. Comparing a query with all of them costs about as much as searching a
/// large segment does.
const TAIL_MAX: usize = 4_096;
/// Segments of one size class that are merged into one of the next.
const FAN_OUT: usize = 8;
const MANIFEST: &str = "manifest.json";

/// An index of PDQ hashes.
pub type PictureIndex = HammingIndex<16>;
/// An index of 32-bit items of sound fingerprints.
pub type SoundIndex = HammingIndex<2>;

/// Why an index could not be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Reading or writing failed; a full disk ends here.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be. The remedy is to rebuild from the store.
    #[error("{}: {what}; rebuild the index from the store", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// More entries than a segment can number.
    #[error("{entries} entries do not fit into one segment")]
    TooLarge {
        /// How many were asked for.
        entries: u64,
    },
    /// A search wider than the chunks allow.
    #[error("a distance of {asked} is more than this index can search exactly, which is {most}")]
    Radius {
        /// What was asked for.
        asked: u32,
        /// The largest that works.
        most: u32,
    },
    /// Another process has sealed since this one opened the index. The remedy is to open it again.
    #[error("{}: another process has changed this index", path.display())]
    Stale {
        /// The folder.
        path: PathBuf,
    },
    /// Another process seals right now.
    #[error("{}: another process is writing this index", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

impl IndexError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// An entry that lies within the distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The key it was inserted with.
    pub key: u64,
    /// Bits in which it differs from the query.
    pub distance: u32,
}

/// What stands in the folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Manifest {
    /// Format of this file.
    version: u32,
    /// The last row of the store whose entries are sealed.
    covered: u64,
    /// Number for the next file.
    next: u64,
    /// File names with their numbers of entries, oldest first.
    segments: Vec<(String, u64)>,
}

struct Named<const M: usize> {
    name: String,
    segment: Segment<M>,
}

struct Tail<const M: usize> {
    codes: Vec<Code<M>>,
    keys: Vec<u64>,
}

struct State<const M: usize> {
    segments: Vec<Arc<Named<M>>>,
    tail: Tail<M>,
    covered: u64,
}

/// An index over codes of `M` chunks of 16 bits. Searching takes `&self` and may go on from any number of threads
/// while others insert or seal.
pub struct HammingIndex<const M: usize> {
    folder: PathBuf,
    state: RwLock<State<M>>,
    sealing: Mutex<u64>,
}

impl<const M: usize> HammingIndex<M> {
    /// Opens the index in `folder`, or begins one there.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(folder).map_err(|e| IndexError::io(folder, e))?;
        let manifest = read_manifest(folder)?;
        let mut segments = Vec::new();
        for (name, count) in &manifest.segments {
            let file = folder.join(name);
            if name.contains(['/', '\\']) {
                let path = folder.join(MANIFEST);
                return Err(IndexError::Corrupt { path, what: "names a file outside its folder".into() });
            }
            let segment = Segment::open(&file).map_err(|e| match e {
                IndexError::Io { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                    IndexError::Corrupt { path, what: "missing".into() }
                }
                other => other,
            })?;
            if segment.len() as u64 != *count {
                return Err(IndexError::Corrupt {
                    path: file,
                    what: "not the size the manifest says".into(),
                });
            }
            segments.push(Arc::new(Named { name: name.clone(), segment }));
        }
        let tail = Tail { codes: Vec::new(), keys: Vec::new() };
        Ok(Self {
            folder: folder.to_owned(),
            state: RwLock::new(State { segments, tail, covered: manifest.covered }),
            sealing: Mutex::new(manifest.next),
        })
    }

    /// Throws away what is in `folder` and begins an empty index.
    pub fn begin_anew(folder: &Path) -> Result<Self, IndexError> {
        match std::fs::remove_dir_all(folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(IndexError::io(folder, e)),
            _ => {}
        }
        Self::open(folder)
    }

    /// The last row of the store that is sealed: rows after it are to be inserted after [`HammingIndex::open`].
    pub fn covered(&self) -> u64 {
        self.read(|s| s.covered)
    }

    /// Number of entries, sealed and not.
    pub fn len(&self) -> usize {
        self.read(|s| s.segments.iter().map(|n| n.segment.len()).sum::<usize>() + s.tail.codes.len())
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of sealed segments.
    pub fn segments(&self) -> usize {
        self.read(|s| s.segments.len())
    }

    /// Adds one entry, found by every search from now on. True when the tail is full: the caller then calls
    /// [`HammingIndex::seal`] at the next row boundary.
    pub fn insert(&self, hash: &impl ToCode<M>, key: u64) -> bool {
        let code = hash.to_code();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.tail.codes.push(code);
        state.tail.keys.push(key);
        state.tail.codes.len() >= TAIL_MAX
    }

    /// Every entry within `radius` of `hash`, nearest first, then by key. Exact.
    pub fn search(&self, hash: &impl ToCode<M>, radius: u32) -> Result<Vec<Hit>, IndexError> {
        let mut scratch = Vec::new();
        let mut hits = Vec::new();
        self.search_code(&hash.to_code(), radius, &mut scratch, &mut hits)?;
        Ok(hits)
    }

    /// [`HammingIndex::search`] for many hashes, on rayon's threads, in their order.
    pub fn search_all<T: ToCode<M> + Sync>(
        &self,
        hashes: &[T],
        radius: u32,
    ) -> Result<Vec<Vec<Hit>>, IndexError> {
        use rayon::prelude::*;
        let one = |scratch: &mut Vec<u32>, hash: &T| {
            let mut hits = Vec::new();
            self.search_code(&hash.to_code(), radius, scratch, &mut hits).map(|()| hits)
        };
        hashes.par_iter().map_init(Vec::new, one).collect()
    }

    fn search_code(
        &self,
        code: &Code<M>,
        radius: u32,
        scratch: &mut Vec<u32>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), IndexError> {
        let most = max_radius::<M>();
        if radius > most {
            return Err(IndexError::Radius { asked: radius, most });
        }
        // One look at the state, so that an entry that is being sealed is seen once: in the tail or in a segment.
        let segments = self.read(|state| {
            for (other, &key) in state.tail.codes.iter().zip(&state.tail.keys) {
                let distance = distance(other, code);
                if distance <= radius {
                    hits.push(Hit { key, distance });
                }
            }
            state.segments.clone()
        });
        for named in segments {
            named.segment.search(code, radius, scratch, hits);
        }
        hits.sort_unstable_by_key(|h| (h.distance, h.key));
        // A row that was inserted again after a crash between two seals stands there twice.
        hits.dedup();
        Ok(())
    }

    /// Makes the tail durable as a segment and notes that rows up to `covered` are in. Merges where there are many
    /// segments of a size. Searches go on meanwhile.
    pub fn seal(&self, covered: u64) -> Result<(), IndexError> {
        let mut next = self.lock_sealing();
        let _lock = self.lock_folder()?;
        let (codes, keys, before) =
            self.read(|s| (s.tail.codes.clone(), s.tail.keys.clone(), s.segments.clone()));
        let taken = codes.len();
        let mut segments = before;
        if taken > 0 {
            segments.push(self.add(&mut next, &codes, &keys)?);
        }
        self.merge(&mut next, &mut segments)?;
        self.publish(*next, segments, taken, covered)
    }

    /// Replaces everything by `codes` and `keys` in one segment: the quick way to build a large index.
    pub fn build(&self, codes: &[Code<M>], keys: &[u64], covered: u64) -> Result<(), IndexError> {
        let mut next = self.lock_sealing();
        let _lock = self.lock_folder()?;
        let segments = if codes.is_empty() { Vec::new() } else { vec![self.add(&mut next, codes, keys)?] };
        let taken = self.read(|s| s.tail.codes.len());
        self.publish(*next, segments, taken, covered)
    }

    /// Reads every sealed byte and compares checksums.
    pub fn verify(&self) -> Result<(), IndexError> {
        for named in self.read(|s| s.segments.clone()) {
            if !named.segment.verify() {
                let path = self.folder.join(&named.name);
                return Err(IndexError::Corrupt { path, what: "checksum does not match".into() });
            }
        }
        Ok(())
    }

    fn read<T>(&self, f: impl FnOnce(&State<M>) -> T) -> T {
        f(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_sealing(&self) -> MutexGuard<'_, u64> {
        self.sealing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One writer among processes, and only one that knows what is there; released with the handle, also by a crash.
    fn lock_folder(&self) -> Result<File, IndexError> {
        let path = self.folder.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| IndexError::io(&path, e))?;
        match file.try_lock() {
            Ok(()) if self.is_current()? => Ok(file),
            Ok(()) => Err(IndexError::Stale { path: self.folder.clone() }),
            Err(std::fs::TryLockError::WouldBlock) => Err(IndexError::Locked { path }),
            Err(std::fs::TryLockError::Error(e)) => Err(IndexError::io(&path, e)),
        }
    }

    /// Whether the folder holds what this process knows.
    fn is_current(&self) -> Result<bool, IndexError> {
        let there = read_manifest(&self.folder)?;
        Ok(self.read(|s| there.segments.iter().map(|(n, _)| n).eq(s.segments.iter().map(|n| &n.name))))
    }

    fn add(&self, next: &mut u64, codes: &[Code<M>], keys: &[u64]) -> Result<Arc<Named<M>>, IndexError> {
        // The process's number too: another process may have sealed under the same number since we opened.
        let name = format!("{:08}-{}.seg", *next, std::process::id());
        *next += 1;
        let (path, unfinished) = (self.folder.join(&name), self.folder.join(format!("{name}.new")));
        let _ = std::fs::remove_file(&unfinished);
        let written = Segment::write(&unfinished, codes, keys)
            .and_then(|()| std::fs::rename(&unfinished, &path).map_err(|e| IndexError::io(&path, e)));
        if let Err(e) = written {
            let _ = std::fs::remove_file(&unfinished);
            return Err(e);
        }
        Ok(Arc::new(Named { name, segment: Segment::open(&path)? }))
    }

    /// Merges the newest [`FAN_OUT`] segments while they are of one size class, a power of [`FAN_OUT`].
    fn merge(&self, next: &mut u64, segments: &mut Vec<Arc<Named<M>>>) -> Result<(), IndexError> {
        let class = |n: &Arc<Named<M>>| (n.segment.len() / TAIL_MAX).max(1).ilog(FAN_OUT);
        while segments.len() >= FAN_OUT {
            let newest = &segments[segments.len() - FAN_OUT..];
            let largest = newest.iter().map(class).max();
            if newest.last().map(class) != largest {
                break;
            }
            let mut codes = Vec::new();
            let mut keys = Vec::new();
            for named in newest {
                codes.extend_from_slice(named.segment.codes());
                keys.extend_from_slice(named.segment.keys());
            }
            let merged = self.add(next, &codes, &keys)?;
            segments.truncate(segments.len() - FAN_OUT);
            segments.push(merged);
        }
        Ok(())
    }

    /// Makes `segments` the sealed part: on disk first, then for searches; then removes what nobody names any more.
    fn publish(
        &self,
        next: u64,
        segments: Vec<Arc<Named<M>>>,
        taken: usize,
        covered: u64,
    ) -> Result<(), IndexError> {
        let manifest = Manifest {
            version: 1,
            covered,
            next,
            segments: segments.iter().map(|n| (n.name.clone(), n.segment.len() as u64)).collect(),
        };
        write_durably(&self.folder, MANIFEST, &serde_json::to_vec(&manifest).unwrap_or_default())?;
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.segments = segments;
            state.tail.codes.drain(..taken);
            state.tail.keys.drain(..taken);
            state.covered = covered;
        }
        // A file that cannot be removed costs space, not answers.
        if let Ok(entries) = std::fs::read_dir(&self.folder) {
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let ours = name.ends_with(".seg") || name.ends_with(".seg.new");
                if ours && !manifest.segments.iter().any(|(n, _)| *n == name) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
        Ok(())
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest, IndexError> {
    let path = folder.join(MANIFEST);
    let bad = |path, what| Err(IndexError::Corrupt { path, what });
    match std::fs::read(&path).map(|bytes| serde_json::from_slice::<Manifest>(&bytes)) {
        Ok(Ok(manifest)) if manifest.version == 1 => Ok(manifest),
        Ok(Ok(manifest)) => bad(path, format!("unknown version {}", manifest.version)),
        Ok(Err(e)) => bad(path, e.to_string()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Ok(Manifest { version: 1, ..Manifest::default() })
        }
        Err(e) => Err(IndexError::io(&path, e)),
    }
}

/// Writes `folder/name` so that after a crash either the old or the new content is there.
fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
    use std::io::Write;
    let (path, unfinished) = (folder.join(name), folder.join(format!("{name}.new")));
    let written = File::create(&unfinished)
        .and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync_all()))
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .and_then(|()| File::open(folder)?.sync_all());
    written.map_err(|e| IndexError::io(&path, e))
}

#[cfg(test)]
mod tests;
