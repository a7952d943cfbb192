//! The store beside a run: every judged clip is recorded, compared with everything seen, and linked.

use seamline_campaign::matching::{MatchError, Matcher};
use seamline_campaign::moment::Moment;
use seamline_campaign::observables::Observables;
use seamline_campaign::store::{Beside, Recorded, Recording, Sighting, SqlStore, Store, StoreAt, StoreError};
use seamline_core::job::{JobError, Lease};
use seamline_core::{ClipId, ClipRecord, RunInfo};
use seamline_report::jsonl;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, to the millisecond, by this machine's clock.
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok().and_then(Moment::from_millis).unwrap_or(Moment::EPOCH)
}

/// A moment so many milliseconds later; the last one that there is, where there is none so late.
pub fn later(from: Moment, ms: i64) -> Moment {
    Moment::from_millis(from.as_millis().saturating_add(ms)).unwrap_or(from)
}

/// Why a clip could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store said no.
    #[error("{}: {what}: {source}", store)]
    Store {
        /// The store.
        store: StoreAt,
        /// What was being done.
        what: String,
        /// Why not.
        source: StoreError,
    },
    /// Its indexes did.
    #[error("{}: its index: {source}", store)]
    Index {
        /// The store.
        store: StoreAt,
        /// Why not.
        source: MatchError,
    },
    /// The queue did; the lease may be lost.
    #[error("{}: {source}", store)]
    Queue {
        /// The store.
        store: StoreAt,
        /// Why not.
        source: JobError,
    },
    /// The record could not be written as a line.
    #[error("report: {0}")]
    Line(#[from] serde_json::Error),
}

impl RecordError {
    /// Whether somebody else has the job by now: nothing was recorded, and nothing is wrong.
    pub fn is_lost_lease(&self) -> bool {
        matches!(self, Self::Queue { source: JobError::LeaseLost(_), .. })
    }

    /// Whether the store's server is away; doing it again is safe.
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Store { source: StoreError::Away(_), .. }
                | Self::Index { source: MatchError::Store(StoreError::Away(_)), .. }
                | Self::Queue { source: JobError::Away(_), .. }
        )
    }
}

/// A store with its indexes.
pub struct Recorder {
    store: SqlStore,
    matcher: Matcher,
    at: StoreAt,
}

/// A record's lines, as the store and every report have them.
pub(crate) struct Lines {
    pub(crate) verdict: String,
    evidence: Vec<String>,
    exhibits: Option<String>,
}

impl Lines {
    pub(crate) fn of(record: &ClipRecord) -> Result<Self, serde_json::Error> {
        let text = jsonl::clip(record, false)?;
        let mut evidence: Vec<String> = text.lines().map(str::to_owned).collect();
        let verdict = evidence.pop().unwrap_or_default();
        let exhibits =
            (!record.exhibits.is_empty()).then(|| serde_json::to_string(&record.exhibits)).transpose()?;
        Ok(Self { verdict, evidence, exhibits })
    }
}

/// The folder of the indexes of a store in a file: they can be thrown away, and are built again.
pub fn index_beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

impl Recorder {
    /// Opens or makes the store, with its indexes in the folder `index`, and finishes what a crash may have left
    /// undone. What there is to say to people about it, if anything, comes beside.
    pub fn open(at: &StoreAt, index: &Path) -> Result<(Self, Option<String>), RecordError> {
        let store = SqlStore::at(at).map_err(|source| RecordError::Store {
            store: at.clone(),
            what: "cannot be opened".into(),
            source,
        })?;
        let (matcher, said) = Matcher::open(index, &store)
            .map_err(|source| RecordError::Index { store: at.clone(), source })?;
        let mut recorder = Self { store, matcher, at: at.clone() };
        recorder.catch_up()?;
        Ok((recorder, said))
    }

    /// The store and its indexes.
    pub fn parts(&self) -> (&SqlStore, &Matcher) {
        (&self.store, &self.matcher)
    }

    /// Records one clip of a scan. One that could not be read has no identity and is left to the report: `None`.
    pub fn record(
        &mut self,
        record: &ClipRecord,
        observables: Option<&Observables>,
        info: &RunInfo,
        sightings: &[Sighting],
    ) -> Result<Option<Recorded>, RecordError> {
        let Some(clip) = record.clip else { return Ok(None) };
        let lines = Lines::of(record)?;
        let info_line = serde_json::to_string(info)?;
        let beside = Beside { info: &info_line, exhibits: lines.exhibits.as_deref() };
        let recording = recording(clip, record, observables, info, sightings, &lines);
        let recorded =
            self.store.record_with(&recording, &beside).map_err(|e| self.context(&record.path, e))?;
        self.link(&clip, observables.filter(|_| recorded.new_observables), &record.path)?;
        Ok(Some(recorded))
    }

    /// Records a job's verdict and ends the job, in one step; see [`RecordError::is_lost_lease`].
    pub fn complete(
        &mut self,
        lease: &Lease,
        record: &ClipRecord,
        observables: Option<&Observables>,
        info: &RunInfo,
    ) -> Result<Recorded, RecordError> {
        let clip = lease.job.sha256;
        let lines = Lines::of(record)?;
        let info_line = serde_json::to_string(info)?;
        let beside = Beside { info: &info_line, exhibits: lines.exhibits.as_deref() };
        let recording = recording(clip, record, observables, info, &[], &lines);
        let recorded = self
            .store
            .complete(lease, &recording, &beside)
            .map_err(|source| RecordError::Queue { store: self.at.clone(), source })?;
        self.link(&clip, observables.filter(|_| recorded.new_observables), &record.path)?;
        Ok(recorded)
    }

    /// Makes the indexes durable; a run that ends without it costs the next one time, nothing else.
    pub fn close(self) -> Result<(), RecordError> {
        self.matcher.flush().map_err(|source| RecordError::Index { store: self.at.clone(), source })
    }

    fn context(&self, what: &str, source: StoreError) -> RecordError {
        RecordError::Store { store: self.at.clone(), what: format!("recording {what}"), source }
    }

    /// Links clips that were recorded by somebody who did not come so far.
    fn catch_up(&mut self) -> Result<(), RecordError> {
        let left = self.store.unlinked().map_err(|e| self.context("links", e))?;
        for clip in left {
            let observables = self.store.observables_of(&clip).map_err(|e| self.context("links", e))?;
            match observables {
                Some(o) => self.link(&clip, Some(&o), &clip.to_string())?,
                None => self.store.link(&clip, &[]).map_err(|e| self.context("links", e))?,
            }
        }
        Ok(())
    }

    fn link(&mut self, clip: &ClipId, new: Option<&Observables>, shown: &str) -> Result<(), RecordError> {
        let Some(observables) = new else { return Ok(()) };
        let matches = self
            .matcher
            .matches(observables, &self.store)
            .map_err(|source| RecordError::Index { store: self.at.clone(), source })?;
        let links: Vec<_> = matches.iter().filter_map(|m| m.link(*clip)).collect();
        self.store.link(clip, &links).map_err(|e| self.context(shown, e))
    }
}

fn recording<'a>(
    clip: ClipId,
    record: &'a ClipRecord,
    observables: Option<&'a Observables>,
    info: &RunInfo,
    sightings: &'a [Sighting],
    lines: &'a Lines,
) -> Recording<'a> {
    Recording {
        clip,
        path: &record.path,
        size: record.size,
        at: now(),
        pipeline_digest: info.pipeline_digest,
        conclusion: record.verdict.conclusion.as_str(),
        llr: record.verdict.llr.map(|l| l.value.nats()),
        verdict_line: &lines.verdict,
        evidence_lines: &lines.evidence,
        observables,
        sightings,
    }
}
