//! Finished scans by pipeline digest and clip hash: what was judged once, by these models with these options, is
//! not judged again.

use anyhow::{Context, Result};
use seamline_core::{ClipRecord, Outcome, Sha256Hash, Stage};
use seamline_report::jsonl;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of finished scans for one pipeline.
pub(crate) struct ScanCache {
    dir: PathBuf,
}

impl ScanCache {
    pub(crate) fn open(root: &Path, pipeline: Sha256Hash) -> Result<Self> {
        let dir = root.join("scans").join(pipeline.to_string());
        fs::create_dir_all(&dir).with_context(|| format!("{}: cannot be made", dir.display()))?;
        Ok(Self { dir })
    }

    fn path(&self, clip: Sha256Hash) -> PathBuf {
        self.dir.join(format!("{clip}.jsonl"))
    }

    pub(crate) fn has(&self, clip: Sha256Hash) -> bool {
        self.path(clip).is_file()
    }

    /// The clip's lines: evidence and verdict.
    pub(crate) fn get(&self, clip: Sha256Hash) -> Result<String> {
        let path = self.path(clip);
        fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))
    }

    /// Keeps a finished clip. A worker that was lost (a limit, a crash) may do better on a quieter machine: such a
    /// clip is told to the caller and not kept.
    pub(crate) fn put(&self, record: &ClipRecord) -> Result<bool> {
        let lost = |o: &Outcome| matches!(o, Outcome::Failed { stage: Stage::Worker, .. });
        let Some(clip) = record.clip else { return Ok(false) };
        if record.evidence.iter().any(|e| lost(&e.outcome)) {
            return Ok(false);
        }
        let path = self.path(clip);
        let part = path.with_extension(format!("{}.part", std::process::id()));
        fs::write(&part, jsonl::clip(record, false)?)
            .and_then(|()| fs::rename(&part, &path))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(true)
    }
}
