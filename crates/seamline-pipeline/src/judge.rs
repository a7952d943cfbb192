//! One clip: open it, hash it, have a worker judge it, replace the worker if it dies, fuse what was found.

use crate::analyse::failure;
use crate::supervise::{Ending, Findings, LOST_STAGE, Wants, Worker, WorkerSetup};
use rustix::fs::{Mode, OFlags};
use seamline_campaign::observables::Observables;
use seamline_core::job::{Failure, FailureCode};
use seamline_core::{ClipId, ClipRecord, Fuser, RunInfo, Stage};
use seamline_fuse::MaxAspectFuser;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What judges one clip at a time; shared by all threads of a run, each with a worker of its own.
pub(crate) struct Judge {
    pub(crate) setup: WorkerSetup,
    pub(crate) info: RunInfo,
    pub(crate) fuser: MaxAspectFuser,
    pub(crate) wants: Wants,
}

/// How judging a clip came out, beside its record.
pub(crate) enum Outlook {
    /// A worker looked at it to the end, whatever it found.
    Judged,
    /// It could not be judged, for a reason that lies with the clip.
    Broken(Failure),
    /// No worker could be started: nothing is known about the clip.
    NoWorker(String),
    /// The clip's bytes could not be had now; nothing is wrong with it.
    Away(String),
}

/// A clip's record, what it can be recognised by, and how it came to that.
pub(crate) struct Judged {
    pub(crate) record: Box<ClipRecord>,
    pub(crate) observables: Option<Box<Observables>>,
    pub(crate) outlook: Outlook,
}

impl Judge {
    /// Judges a file that was opened, which is called `shown` in the record. With `expected`, a file of other bytes is
    /// refused. `None` only where the run was stopped.
    pub(crate) fn clip(
        &self,
        opened: io::Result<(File, u64)>,
        shown: &str,
        expected: Option<ClipId>,
        slot: &mut Option<Worker>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Stage, f32),
    ) -> Option<Judged> {
        let broken = |clip, size, stage, code, message: String| {
            let found = Findings {
                evidence: vec![failure("seamline", stage, message.clone())],
                ..Findings::default()
            };
            Some(self.judged(shown, clip, size, found, Outlook::Broken(Failure { code, message })))
        };
        let (mut file, size) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                let gone = e.kind() == io::ErrorKind::NotFound;
                let code = if gone { FailureCode::SourceGone } else { FailureCode::SourceUnreadable };
                return broken(expected, 0, Stage::Open, code, e.to_string());
            }
        };
        let clip = match hash(&mut file, stop) {
            Ok(Some(clip)) => clip,
            Ok(None) => return None,
            Err(e) => {
                return broken(expected, size, Stage::Open, FailureCode::SourceUnreadable, e.to_string());
            }
        };
        if let Some(expected) = expected.filter(|e| *e != clip) {
            let message = format!("the file changed since it was submitted: it is {clip} now");
            return broken(Some(expected), size, Stage::Open, FailureCode::SourceChanged, message);
        }
        let mut worker = match slot.take().map_or_else(|| Worker::start(&self.setup), Ok) {
            Ok(worker) => worker,
            Err(e) => {
                let message = e.to_string();
                let evidence = vec![failure("seamline", LOST_STAGE, message.clone())];
                let found = Findings { evidence, ..Findings::default() };
                return Some(self.judged(shown, Some(clip), size, found, Outlook::NoWorker(message)));
            }
        };
        let limits = &self.setup.options.limits;
        let (mut found, ending) = worker.clip(&file, clip, size, self.wants, limits, stop, progress);
        let outlook = match ending {
            Ending::Done => {
                *slot = Some(worker);
                Outlook::Judged
            }
            Ending::Lost(message) => {
                found.evidence.push(failure("seamline", LOST_STAGE, message.clone()));
                Outlook::Broken(Failure { code: FailureCode::WorkerLost, message })
            }
            Ending::Stopped => return None,
        };
        Some(self.judged(shown, Some(clip), size, found, outlook))
    }

    /// What comes of a clip whose bytes cannot be had now.
    pub(crate) fn away(&self, shown: &str, clip: ClipId, size: u64, message: String) -> Judged {
        self.judged(shown, Some(clip), size, Findings::default(), Outlook::Away(message))
    }

    /// The record of a clip that nobody looked at, and why not.
    pub(crate) fn unjudged(&self, path: &str, clip: ClipId, size: u64, why: &Failure) -> Box<ClipRecord> {
        let evidence = vec![failure("seamline", Stage::Open, why.message.clone())];
        let found = Findings { evidence, ..Findings::default() };
        self.judged(path, Some(clip), size, found, Outlook::Broken(why.clone())).record
    }

    fn judged(
        &self,
        path: &str,
        clip: Option<ClipId>,
        size: u64,
        found: Findings,
        outlook: Outlook,
    ) -> Judged {
        let verdict = self.fuser.fuse(clip, &found.evidence);
        let record = ClipRecord {
            path: path.to_owned(),
            clip,
            size,
            streams: found.streams,
            policy: found.policy,
            gaps: found.gaps,
            evidence: found.evidence,
            exhibits: found.exhibits,
            verdict,
        };
        Judged { record: Box::new(record), observables: found.observables, outlook }
    }
}

/// Opens a regular file without waiting for anything: a FIFO or a device is refused, not waited for.
pub(crate) fn open_clip(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    let file = File::from(fd);
    let meta = file.metadata()?;
    let refused = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what.to_owned()));
    if meta.is_dir() {
        return refused("is a directory without media files");
    }
    if !meta.is_file() {
        return refused("is not a regular file");
    }
    Ok((file, meta.len()))
}

/// The SHA-256 of a whole file, which is at its beginning again afterwards; `None` where `stop` was set.
pub(crate) fn hash(file: &mut File, stop: &AtomicBool) -> io::Result<Option<ClipId>> {
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match file.read(&mut block)? {
            0 => break,
            n => digest.update(&block[..n]),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(Some(ClipId::from_bytes(digest.finalize().into())))
}
