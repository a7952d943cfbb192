//! Jobs: clips that wait to be judged, are being judged, or have come to an end.
//!
//! A job is named by what it is to find out ([`JobId`]: the clip's bytes and the pipeline), so submitting it twice is
//! submitting it once. It is handed out at least once, under a lease that expires; what it finds out is recorded
//! exactly once, because whoever records it must still hold the lease, and records verdict and end in one step.

use crate::moment::Moment;
use crate::{ClipId, Sha256Hash, Stage};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::PathBuf;

/// What a job is to find out: SHA-256 over the clip's SHA-256 and the pipeline's digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Sha256Hash);

impl JobId {
    /// The job of judging `clip` with the pipeline of that digest.
    pub fn new(clip: &ClipId, pipeline_digest: &Sha256Hash) -> Self {
        let mut hash = Sha256::new();
        hash.update(clip.as_bytes());
        hash.update(pipeline_digest.as_bytes());
        Self(Sha256Hash::from_bytes(hash.finalize().into()))
    }

    /// From a digest that [`JobId::as_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Sha256Hash::from_bytes(bytes))
    }

    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Reads 64 hexadecimal digits; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        Sha256Hash::parse(text).map(Self)
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Sha256Hash::deserialize(d).map(Self)
    }
}

/// A clip seen at a time and place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Where, as a URL; may be empty.
    #[serde(default)]
    pub url: String,
    /// Who posted it: a channel, an account; may be empty.
    #[serde(default)]
    pub channel: String,
    /// When it was seen.
    pub seen_at: Moment,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits.
    Queued,
    /// Somebody has it under a lease.
    Running,
    /// Its verdict is recorded. The end.
    Done,
    /// It could not be judged, and trying again would not change that: a coded failure says why. The end.
    Failed,
    /// It broke its worker, or was abandoned, as often as is allowed. Kept with its evidence until it is replayed.
    Dead,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Dead];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }

    /// From that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// Whether nothing more will happen by itself.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Dead)
    }
}

/// Why a job, or an attempt at one, ended without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FailureCode {
    /// The file is no longer where it was.
    #[serde(rename = "source.gone")]
    SourceGone,
    /// The file's bytes are no longer those that were submitted.
    #[serde(rename = "source.changed")]
    SourceChanged,
    /// The file is there and cannot be read.
    #[serde(rename = "source.unreadable")]
    SourceUnreadable,
    /// Its deadline passed before its turn came.
    #[serde(rename = "deadline.passed")]
    DeadlinePassed,
    /// The worker that judged it crashed, hung, or went over a limit.
    #[serde(rename = "worker.lost")]
    WorkerLost,
    /// Whoever had the lease went away without a word.
    #[serde(rename = "lease.expired")]
    LeaseExpired,
}

impl FailureCode {
    /// Every code.
    pub const ALL: [Self; 6] = [
        Self::SourceGone,
        Self::SourceChanged,
        Self::SourceUnreadable,
        Self::DeadlinePassed,
        Self::WorkerLost,
        Self::LeaseExpired,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceGone => "source.gone",
            Self::SourceChanged => "source.changed",
            Self::SourceUnreadable => "source.unreadable",
            Self::DeadlinePassed => "deadline.passed",
            Self::WorkerLost => "worker.lost",
            Self::LeaseExpired => "lease.expired",
        }
    }

    /// From that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }

    /// Whether another attempt may end differently.
    pub const fn may_heal(self) -> bool {
        matches!(self, Self::WorkerLost | Self::LeaseExpired)
    }
}

/// A failure with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The code.
    pub code: FailureCode,
    /// One line for people.
    pub message: String,
}

/// One attempt that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Moment,
    /// How.
    #[serde(flatten)]
    pub failure: Failure,
}

/// Least and greatest priority; 0 is usual, more goes first.
pub const PRIORITIES: std::ops::RangeInclusive<i8> = -100..=100;

/// A clip to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The clip.
    pub clip: ClipId,
    /// The pipeline that is to judge it.
    pub pipeline_digest: Sha256Hash,
    /// Its name for people and reports.
    pub path: String,
    /// Where its bytes are.
    pub source: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// See [`PRIORITIES`].
    pub priority: i8,
    /// When it is no longer of use.
    pub deadline: Option<Moment>,
    /// Which way it came in, e.g. `watch` or `http`.
    pub origin: String,
    /// Who submitted it; may be empty.
    pub by: String,
    /// What is claimed of it; may be empty.
    pub claim: String,
    /// Where it was seen.
    pub sightings: Vec<Sighting>,
    /// A URL that is told when it ends.
    pub callback: Option<String>,
}

/// What submitting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job.
    pub id: JobId,
    /// Whether it is new; otherwise it was there already, in whatever state.
    pub new: bool,
    /// Its state now.
    pub state: JobState,
}

/// A job as the queue knows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// Its place in the order of submission, from 1.
    pub number: u64,
    /// Its name.
    pub id: JobId,
    /// The clip.
    pub sha256: ClipId,
    /// The pipeline.
    pub pipeline_digest: Sha256Hash,
    /// The clip's name for people, as submitted first.
    pub path: String,
    /// Where its bytes are: a path of this machine, which is nobody else's business.
    #[serde(skip)]
    pub source: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// How far it is.
    pub state: JobState,
    /// See [`PRIORITIES`].
    pub priority: i8,
    /// Attempts that ended by the clip's fault.
    pub attempts: u32,
    /// Times that it was handed out; tells one lease from the next.
    pub starts: u32,
    /// When it was submitted first.
    pub submitted_at: Moment,
    /// When it is no longer of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Moment>,
    /// When it was handed out last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// What is being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// How much of it is done, 0 to 1; 0 where the clip's length is unknown.
    pub fraction: f32,
    /// The verdict's conclusion, once done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<String>,
    /// Why it ended without a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Its place in the order of endings, from 1; a replayed job ends again, later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
}

/// A job in somebody's hands.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The job as it was handed out; [`Job::starts`] tells this lease from any other of the same job.
    pub job: Job,
}

/// Which jobs somebody takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// All.
    Any,
    /// Only those smaller than [`Rules::heavy_bytes`]: so that they never wait for the end of a heavy one.
    Light,
}

/// How jobs are handed out and given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Attempts that may end by the clip's fault before the job is dead.
    pub max_attempts: u32,
    /// Times that a job may be abandoned before it is dead: whoever had it was killed, which is seldom its fault.
    pub max_abandoned: u32,
    /// From this size on a clip is heavy, in bytes.
    pub heavy_bytes: u64,
    /// Milliseconds that a clip stands back for each MiB: a short one that came a little later goes first, and a
    /// heavy one still gets its turn however many short ones follow.
    pub stand_back_ms_per_mib: u32,
}

impl Default for Rules {
    fn default() -> Self {
        // Three attempts tell bad luck from a bad clip. 64 MiB are about ten minutes of what platforms hand out.
        Self { max_attempts: 3, max_abandoned: 20, heavy_bytes: 64 << 20, stand_back_ms_per_mib: 1_000 }
    }
}

/// How many jobs there are of each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JobCounts {
    /// Waiting.
    pub queued: u64,
    /// In hand.
    pub running: u64,
    /// With a verdict.
    pub done: u64,
    /// Ended without one.
    pub failed: u64,
    /// Dead letters.
    pub dead: u64,
}

impl JobCounts {
    /// Jobs that will still do something by themselves.
    pub const fn open(&self) -> u64 {
        self.queued + self.running
    }
}

/// Why the queue could not do something.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The disk is full. Nothing of the operation was kept.
    #[error("queue: the disk is full; nothing of this was recorded")]
    Full,
    /// Another process holds the queue for longer than is waited.
    #[error("queue: another process has the store locked")]
    Busy,
    /// The lease ran out and the job went to somebody else, or is over.
    #[error("queue: the lease on job {} is lost", .0.short())]
    LeaseLost(JobId),
    /// No such job.
    #[error("queue: no job {0}")]
    NoJob(JobId),
    /// A job in this state cannot be replayed.
    #[error("queue: job {} is {}, not failed or dead", .0.short(), .1.as_str())]
    NotOver(JobId, JobState),
    /// The server that keeps the queue was not reached for as long as it is waited for. What was being written may or
    /// may not stay; doing it again is safe.
    #[error("queue: its server is away: {0}")]
    Away(String),
    /// Whatever keeps the queue said no.
    #[error("queue: {0}")]
    Backend(String),
}

/// Where jobs are kept. Each method is one transaction, and safe beside other threads and processes.
///
/// The end with a verdict is not here: it belongs to whoever keeps the verdicts, since both are one step.
pub trait JobQueue {
    /// Adds a job, or what is new about one that is there (where it was seen, who submitted it, a higher priority).
    /// A clip that has a verdict of this pipeline already becomes a job that is done.
    fn submit(&mut self, s: &Submission, rules: &Rules, at: Moment) -> Result<Submitted, JobError>;

    /// Says which pipeline judges from now on: what waits for another waits for this one, under the name it has.
    /// So nothing that was submitted before an upgrade is left behind. The number of jobs concerned.
    fn adopt(&mut self, pipeline_digest: &Sha256Hash) -> Result<u64, JobError>;

    /// Hands out the next job of this pipeline until `until`, if there is one for this lane. Leases of others than `owner` that ran
    /// out are dealt with first; an owner's own never run out while it lives, however the clock jumps.
    fn lease(
        &mut self,
        owner: u64,
        lane: Lane,
        pipeline_digest: &Sha256Hash,
        rules: &Rules,
        at: Moment,
        until: Moment,
    ) -> Result<Option<Lease>, JobError>;

    /// Extends a lease and says how far the job is. `false` = the lease is lost: whoever had it must stop.
    fn renew(&mut self, l: &Lease, until: Moment, stage: Stage, fraction: f32) -> Result<bool, JobError>;

    /// Puts a job back that nothing was wrong with, not to be handed out before `not_before`.
    fn give_back(&mut self, l: &Lease, not_before: Moment) -> Result<(), JobError>;

    /// Ends an attempt without a verdict. A failure that may heal costs one attempt, and the job waits again until
    /// they are used up; then it is dead. Any other is the end. `line` is the report's verdict line for it.
    fn fail(
        &mut self,
        l: &Lease,
        failure: &Failure,
        line: &str,
        rules: &Rules,
        at: Moment,
    ) -> Result<JobState, JobError>;

    /// A job.
    fn job(&self, id: &JobId) -> Result<Option<Job>, JobError>;

    /// Jobs of one state, or of any, with numbers below `before`, the latest first.
    fn jobs(&self, state: Option<JobState>, before: Option<u64>, limit: u32) -> Result<Vec<Job>, JobError>;

    /// Attempts at a job that came to nothing, oldest first: the evidence of a dead letter.
    fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>, JobError>;

    /// How many there are.
    fn counts(&self) -> Result<JobCounts, JobError>;

    /// Whether a job of this pipeline waits or is in anybody's hands.
    fn is_open(&self, pipeline_digest: &Sha256Hash) -> Result<bool, JobError>;

    /// Lets a failed or dead job begin anew, with all its attempts before it, for the pipeline that judges now.
    fn replay(&mut self, id: &JobId, at: Moment) -> Result<(), JobError>;

    /// The report's verdict lines of jobs that ended after `ended`, in the order of their ends, with that order's
    /// numbers.
    fn ended_after(&self, ended: u64, limit: u32) -> Result<Vec<(u64, String)>, JobError>;

    /// The number of the latest end; 0 = none.
    fn last_ended(&self) -> Result<u64, JobError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_clip_and_pipeline_and_nothing_else() {
        let (a, b) = (Sha256Hash::of(b"a"), Sha256Hash::of(b"b"));
        assert_eq!(JobId::new(&a, &b), JobId::new(&a, &b));
        assert_ne!(JobId::new(&a, &b), JobId::new(&b, &a));
        let id = JobId::new(&a, &b);
        assert_eq!(JobId::parse(&id.to_string()), Some(id));
        assert_eq!(JobId::parse("0"), None);
    }

    #[test]
    fn names_on_the_wire_are_read_back() {
        for s in JobState::ALL {
            assert_eq!(JobState::from_name(s.as_str()), Some(s));
            assert_eq!(
                serde_json::to_value(s).ok().and_then(|v| v.as_str().map(str::to_owned)).as_deref(),
                Some(s.as_str())
            );
        }
        for c in FailureCode::ALL {
            assert_eq!(FailureCode::from_name(c.as_str()), Some(c));
            assert_eq!(
                serde_json::to_value(c).ok().and_then(|v| v.as_str().map(str::to_owned)).as_deref(),
                Some(c.as_str())
            );
        }
    }
}
