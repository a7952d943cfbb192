//! Files that may be whole, and when they are taken for it.

use seamline_campaign::store::FileIdentity;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What programs that fetch files put after the name of one that is not whole, the final name beside it.
const HALF: [&str; 10] =
    ["part", "crdownload", "tmp", "partial", "download", "opdownload", "filepart", "aria2", "!ut", "temp"];
/// An empty file is mostly a place kept; one that stays empty for so long is meant.
const EMPTY: Duration = Duration::from_secs(60);
/// A writer that closes a file is mostly done with it; a little later it surely has not begun anew.
const CLOSED: Duration = Duration::from_millis(500);

struct Candidate {
    identity: FileIdentity,
    since: Instant,
    closed: bool,
}

/// Files that were seen and not yet handed in.
pub(super) struct Candidates {
    settle: Duration,
    open: HashMap<PathBuf, Candidate>,
    /// Files that need no second look under this name, by a hash of it: numbers only, so that huge folders fit.
    known: HashMap<FileIdentity, u64>,
}

/// Who a regular file is; `None` for anything else, and for what is gone.
pub(super) fn identity(path: &Path) -> Option<FileIdentity> {
    let meta = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mtime_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    Some(FileIdentity { device: meta.dev(), inode: meta.ino(), size: meta.len(), mtime_ns })
}

/// Whether the name says that the file is not whole, or a file beside it says so.
fn is_half(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let name = path.file_name().unwrap_or_default();
    let temporary = name.as_encoded_bytes().ends_with(b"~");
    temporary
        || HALF.contains(&extension.as_str())
        || HALF.iter().any(|half| {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".");
            beside.push(half);
            Path::new(&beside).exists()
        })
}

fn name_hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

impl Candidates {
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, open: HashMap::new(), known: HashMap::new() }
    }

    /// A file that is there, or was a moment ago; `closed` where whoever wrote to it is known to have closed it.
    pub(super) fn consider(&mut self, path: PathBuf, closed: bool) {
        let Some(identity) = identity(&path) else { return };
        // Known by another name, it is for the store to say whether it was renamed: at once, since it has not changed.
        let renamed = match self.known.get(&identity) {
            Some(name) if *name == name_hash(&path) => return,
            known => known.is_some(),
        };
        let closed = closed || renamed;
        let candidate =
            self.open.entry(path).or_insert(Candidate { identity, since: Instant::now(), closed });
        if candidate.identity != identity {
            *candidate = Candidate { identity, since: Instant::now(), closed };
        } else if closed && !candidate.closed {
            (candidate.closed, candidate.since) = (true, Instant::now());
        }
    }

    /// Files that have not changed for long enough. They are looked at here, not when the kernel tells: a mount that
    /// tells nothing is as good.
    pub(super) fn whole(&mut self) -> Vec<(PathBuf, FileIdentity)> {
        let mut whole = Vec::new();
        let settle = self.settle;
        self.open.retain(|path, c| {
            let wait = match (c.identity.size, c.closed) {
                (0, _) => settle.max(EMPTY),
                (_, true) => settle.min(CLOSED),
                (_, false) => settle,
            };
            if c.since.elapsed() < wait {
                return true;
            }
            match identity(path) {
                None => false,
                Some(now) if now != c.identity => {
                    *c = Candidate { identity: now, since: Instant::now(), closed: false };
                    true
                }
                Some(_) if is_half(path) => {
                    c.since = Instant::now();
                    true
                }
                Some(now) => {
                    whole.push((path.clone(), now));
                    false
                }
            }
        });
        whole.sort_by(|a, b| a.0.cmp(&b.0));
        whole
    }

    /// Needs no second look until it changes.
    pub(super) fn known(&mut self, file: FileIdentity, path: &Path) {
        self.known.insert(file, name_hash(path));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_when_it_has_not_changed_for_a_while_and_nothing_beside_it_says_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mp4");
        std::fs::write(&path, "half").unwrap();
        let mut candidates = Candidates::new(Duration::from_millis(60));
        candidates.consider(path.clone(), false);
        assert!(candidates.whole().is_empty(), "just seen");
        std::thread::sleep(Duration::from_millis(80));
        std::fs::write(&path, "half and more").unwrap();
        assert!(candidates.whole().is_empty(), "it grew");
        let beside = dir.path().join("clip.mp4.crdownload");
        std::fs::write(&beside, "").unwrap();
        std::thread::sleep(Duration::from_millis(80));
        assert!(candidates.whole().is_empty(), "it is being fetched");
        std::fs::remove_file(&beside).unwrap();
        std::thread::sleep(Duration::from_millis(80));
        let whole = candidates.whole();
        assert_eq!(whole.len(), 1);
        assert!(candidates.is_empty());
        candidates.known(whole[0].1, &path);
        candidates.consider(path.clone(), false);
        assert!(candidates.is_empty(), "nothing new");
        std::fs::write(&path, "other content").unwrap();
        candidates.consider(path, false);
        assert!(!candidates.is_empty(), "new content is a new file");
    }

    #[test]
    fn half_downloads_are_known_by_their_names() {
        for name in ["a.mp4.part", "a.crdownload", "b.TMP", "c.mp4~"] {
            assert!(is_half(Path::new(name)), "{name}");
        }
        assert!(!is_half(Path::new("departure.mp4")));
    }
}
