//! Makes jobs of files: the one place where a file that came in from outside is opened and named.

use crate::engine::{EngineError, Plan};
use crate::judge::{hash, open_clip};
use crate::options::ScanOptions;
use seamline_core::grown::{Herald, SharedError, SharedMedia};
use seamline_core::job::{Sighting, Submission};
use seamline_core::{ClipId, Moment, Sha256Hash};
use seamline_infer::Home;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What stands for the place of a clip that is in the shared media: each machine knows where that is.
const SHARED: &str = "shared:";

/// Why a file did not become a job.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be put where other machines find it.
    #[error("{}: {source}", path.display())]
    Shared {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SharedError,
    },
    /// It was stopped while it was read.
    #[error("{}: stopped", .0.display())]
    Stopped(PathBuf),
}

/// What is said of a clip when it is submitted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Who submits it.
    pub by: String,
    /// What is claimed of it.
    pub claim: String,
    /// Where and when it was seen.
    pub sightings: Vec<Sighting>,
    /// A URL that is told when it ends; see [`Submitter::may_tell`].
    pub callback: Option<String>,
    /// Its priority.
    pub priority: i8,
    /// When it is no longer of use.
    pub deadline: Option<Moment>,
}

/// Makes jobs for one pipeline.
#[derive(Clone)]
pub struct Submitter {
    /// The pipeline.
    pub pipeline_digest: Sha256Hash,
    /// Which way clips come in.
    pub origin: &'static str,
    /// Where other machines find clips; `None` = where they lie.
    pub shared: Option<Arc<dyn SharedMedia>>,
    /// What tells others that jobs ended; `None` = nobody is told.
    pub herald: Option<Arc<dyn Herald>>,
}

impl Submitter {
    /// For the pipeline that these options make; loads no model.
    pub fn new(home: &Home, options: &ScanOptions, origin: &'static str) -> Result<Self, EngineError> {
        Ok(Self::of(Plan::new(home, options)?.digest(options), origin))
    }

    /// For a pipeline that is known.
    pub fn of(pipeline_digest: Sha256Hash, origin: &'static str) -> Self {
        Self { pipeline_digest, origin, shared: None, herald: None }
    }

    /// Whether that URL may be told when a job ends; if not, why.
    pub fn may_tell(&self, url: &str) -> Result<(), String> {
        match &self.herald {
            Some(herald) => herald.allows(url),
            None => Err("nobody is told here; see --callback-host".into()),
        }
    }

    /// Reads a file to its end, puts it where other machines find it, and makes a job of it.
    pub fn file(&self, path: &Path, said: &Said, stop: &AtomicBool) -> Result<Submission, SubmitError> {
        let failed = |source| SubmitError::File { path: path.to_owned(), source };
        // The job may be taken by a process that stands elsewhere.
        let source = std::path::absolute(path).map_err(failed)?;
        let (mut file, size) = open_clip(&source).map_err(failed)?;
        let clip =
            hash(&mut file, stop).map_err(failed)?.ok_or_else(|| SubmitError::Stopped(path.to_owned()))?;
        let source = self
            .place(&clip, source)
            .map_err(|source| SubmitError::Shared { path: path.to_owned(), source })?;
        Ok(self.known(clip, size, path.to_string_lossy().into_owned(), source, said))
    }

    /// Where a job is to look for a clip that lies in `file`: there, or in the shared media, where it is put then.
    pub fn place(&self, clip: &ClipId, file: PathBuf) -> Result<PathBuf, SharedError> {
        let Some(shared) = &self.shared else { return Ok(file) };
        shared.put(clip, &file)?;
        Ok(SHARED.into())
    }

    /// Makes a job of a clip whose name and size are known.
    pub fn known(&self, clip: ClipId, size: u64, path: String, source: PathBuf, said: &Said) -> Submission {
        Submission {
            clip,
            pipeline_digest: self.pipeline_digest,
            path,
            source,
            size,
            priority: said.priority,
            deadline: said.deadline,
            origin: self.origin.into(),
            by: said.by.clone(),
            claim: said.claim.clone(),
            sightings: said.sightings.clone(),
            callback: said.callback.clone(),
        }
    }
}

/// Whether a job's clip is to be looked for in the shared media.
pub(crate) fn is_shared(source: &Path) -> bool {
    source.as_os_str() == SHARED
}
