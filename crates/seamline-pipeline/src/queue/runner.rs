//! Takes jobs and has them judged in jailed workers, until it is told to stop or nothing is left.
//!
//! Each lane is a thread with a worker of its own. When all of them are busy with heavy clips, one lane more takes light
//! ones, so that a short clip never waits for the end of a long one. A lane says how far it is by renewing its lease; one
//! that learns that its lease is lost stops at once. The order of what happens is: the worker's last word, then verdict
//! and end of the job in one transaction, then links. Killed at any point, a job is either over or handed out again.

use crate::judge::{Judge, Judged, Outlook};
use crate::record::{Lines, RecordError, Recorder, later, now};
use crate::scan::{Scan, ScanError};
use crate::supervise::{Worker, WorkerSetup};
use seamline_campaign::store::SqliteStore;
use seamline_core::job::{Failure, FailureCode, Job, JobError, JobQueue, JobState, Lane, Lease, Rules};
use seamline_core::{Moment, RunInfo, Stage};
use seamline_infer::Home;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a job stays with whoever took it and says nothing more, in milliseconds.
pub const LEASE_MS: i64 = 15_000;
/// How often a lease is renewed, and progress written.
const RENEWAL: Duration = Duration::from_secs(1);
/// How long an idle lane waits before it looks again.
const IDLE: Duration = Duration::from_millis(200);
/// How long a job waits where no worker could be had: the machine, not the clip, is short of something.
const NO_WORKER_MS: i64 = 5_000;
/// Starts of workers that may fail in a row before the run gives up.
const NO_WORKER_LIMIT: u32 = 5;

/// Why a run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Models or the first worker.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The store.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] JobError),
    /// Workers do not start any more.
    #[error("no worker could be started {NO_WORKER_LIMIT} times in a row: {0}")]
    NoWorker(String),
}

/// What a run tells while it goes on.
pub enum Note<'a> {
    /// A job was taken.
    Began(&'a Job),
    /// A job ended or goes back: its state now, and what went wrong if anything did.
    Ended(&'a Job, JobState, Option<&'a Failure>),
    /// Near-duplicates of this clip are to be looked at again, because its verdict changed; their number.
    Reviews(&'a Job, usize),
    /// Something that people should know and that stops nothing.
    Trouble(String),
}

/// A run that is ready to begin.
pub struct Runner {
    judge: Judge,
    first: Mutex<Option<Worker>>,
    recorder: Mutex<Recorder>,
    store: PathBuf,
    lanes: usize,
    /// How jobs are handed out and given up.
    pub rules: Rules,
}

impl Runner {
    /// Finds models, starts the first worker, and opens the store, which is made if it is absent. What there is to say
    /// to people comes beside.
    pub fn prepare(
        home: &Home,
        setup: WorkerSetup,
        lanes: usize,
        store: &std::path::Path,
    ) -> Result<(Self, Option<String>), RunnerError> {
        let mut scan = Scan::prepare(home, setup, lanes, true)?;
        scan.observe = true;
        let (judge, first) = scan.into_parts();
        let (recorder, said) = Recorder::open(store)?;
        let runner = Self {
            judge,
            first: Mutex::new(Some(first)),
            recorder: Mutex::new(recorder),
            store: store.to_owned(),
            lanes: lanes.max(1),
            rules: Rules::default(),
        };
        Ok((runner, said))
    }

    /// What verdicts are made with.
    pub fn info(&self) -> &RunInfo {
        &self.judge.info
    }

    /// The store and its indexes, while nobody records.
    pub fn with_recorder<T>(&self, f: impl FnOnce(&mut Recorder) -> T) -> T {
        f(&mut self.recorder.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Judges jobs until `stop` is set, or once `drain` is set until none is left. Jobs in hand when it is stopped go
    /// back to the queue.
    pub fn run(
        &self,
        drain: &AtomicBool,
        stop: &AtomicBool,
        on: &(dyn Fn(Note<'_>) + Sync),
    ) -> Result<(), RunnerError> {
        let owner = owner();
        let trouble = Mutex::new(None);
        // A lane that ends with an error must not leave the others at work for ever.
        let halt = AtomicBool::new(false);
        // What waits for an earlier version, other models or other options is this run's from now on.
        let digest = self.judge.info.pipeline_digest;
        SqliteStore::open(&self.store).map_err(JobError::from)?.adopt(&digest)?;
        let heavy = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for n in 0..=self.lanes {
                let (trouble, halt, heavy) = (&trouble, &halt, &heavy);
                let lane = if n == self.lanes { Lane::Light } else { Lane::Any };
                let turns = Turns { of: self, owner, drain, stop, halt, on, heavy };
                scope.spawn(move || {
                    if let Err(e) = turns.work(lane) {
                        halt.store(true, Ordering::Relaxed);
                        trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                    }
                });
            }
        });
        trouble.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Makes the store's indexes durable.
    pub fn close(self) -> Result<(), RunnerError> {
        Ok(self.recorder.into_inner().unwrap_or_else(PoisonError::into_inner).close()?)
    }
}

/// A number that no other run on this store has.
fn owner() -> u64 {
    let mut hash = RandomState::new().build_hasher();
    hash.write_u32(std::process::id());
    hash.write_i64(now().as_millis());
    hash.finish()
}

/// What all lanes of a run share.
struct Turns<'r> {
    of: &'r Runner,
    owner: u64,
    drain: &'r AtomicBool,
    stop: &'r AtomicBool,
    halt: &'r AtomicBool,
    on: &'r (dyn Fn(Note<'_>) + Sync),
    /// Heavy jobs in hand.
    heavy: &'r AtomicUsize,
}

impl Turns<'_> {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.halt.load(Ordering::Relaxed)
    }

    fn is_over(&self, queue: &SqliteStore) -> Result<bool, JobError> {
        Ok(self.drain.load(Ordering::Relaxed) && !queue.is_open(&self.of.judge.info.pipeline_digest)?)
    }

    fn work(&self, lane: Lane) -> Result<(), RunnerError> {
        let mut queue = SqliteStore::open(&self.of.store).map_err(JobError::from)?;
        let mut worker = None;
        let mut unlucky = 0;
        while !self.stopped() {
            if lane == Lane::Light && self.heavy.load(Ordering::Relaxed) < self.of.lanes {
                // Some other lane comes free soon; and where nothing is left at all, this lane is over too.
                if self.is_over(&queue)? {
                    break;
                }
                std::thread::sleep(IDLE);
                continue;
            }
            let at = now();
            let lease = self.lease(&mut queue, lane, at)?;
            let Some(lease) = lease else {
                if self.is_over(&queue)? {
                    break;
                }
                std::thread::sleep(IDLE);
                continue;
            };
            if worker.is_none() {
                worker = self.of.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            let heavy = usize::from(lease.job.size >= self.of.rules.heavy_bytes);
            self.heavy.fetch_add(heavy, Ordering::Relaxed);
            let turn = self.turn(&lease, &mut queue, &mut worker);
            self.heavy.fetch_sub(heavy, Ordering::Relaxed);
            match turn? {
                Turn::Over => unlucky = 0,
                Turn::NoWorker(message) => {
                    unlucky += 1;
                    if unlucky >= NO_WORKER_LIMIT {
                        return Err(RunnerError::NoWorker(message));
                    }
                    (self.on)(Note::Trouble(format!("{}: {message}", lease.job.path)));
                }
            }
        }
        Ok(())
    }

    fn lease(&self, queue: &mut SqliteStore, lane: Lane, at: Moment) -> Result<Option<Lease>, JobError> {
        let digest = &self.of.judge.info.pipeline_digest;
        queue.lease(self.owner, lane, digest, &self.of.rules, at, later(at, LEASE_MS))
    }

    /// One job.
    fn turn(
        &self,
        lease: &Lease,
        queue: &mut SqliteStore,
        worker: &mut Option<Worker>,
    ) -> Result<Turn, RunnerError> {
        let job = &lease.job;
        (self.on)(Note::Began(job));
        if job.deadline.is_some_and(|d| now() > d) {
            let failure = Failure {
                code: FailureCode::DeadlinePassed,
                message: "its turn came after its deadline".into(),
            };
            return self.fail(lease, queue, &failure, None);
        }
        let judged = self.judge(lease, queue, worker);
        let Some(judged) = judged else {
            // Stopped, or the lease is lost; in the latter case this changes nothing.
            queue.give_back(lease, now())?;
            return Ok(Turn::Over);
        };
        match &judged.outlook {
            Outlook::Judged => self.complete(lease, &judged),
            Outlook::Broken(failure) => self.fail(lease, queue, failure, Some(&judged)),
            Outlook::NoWorker(message) => {
                queue.give_back(lease, later(now(), NO_WORKER_MS))?;
                Ok(Turn::NoWorker(message.clone()))
            }
        }
    }

    /// Judges the clip beside a thread that keeps the lease. `None` where it was stopped.
    fn judge(&self, lease: &Lease, queue: &mut SqliteStore, worker: &mut Option<Worker>) -> Option<Judged> {
        let job = &lease.job;
        // Where the clip is: stage, fraction. The worker's messages set it; the keeper writes it down.
        let place = Mutex::new((Stage::Open, 0.0f32));
        let (enough, over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let keeper = scope.spawn(|| {
                let mut last = Instant::now();
                while !over.load(Ordering::Relaxed) {
                    if self.stopped() {
                        enough.store(true, Ordering::Relaxed);
                    }
                    if last.elapsed() >= RENEWAL {
                        last = Instant::now();
                        let (stage, fraction) = *place.lock().unwrap_or_else(PoisonError::into_inner);
                        // A store that is busy or full now may not be next time; the lease outlives several tries.
                        match queue.renew(lease, later(now(), LEASE_MS), stage, fraction) {
                            Ok(true) => {}
                            Ok(false) => enough.store(true, Ordering::Relaxed),
                            Err(e) => (self.on)(Note::Trouble(format!("{}: {e}", job.path))),
                        }
                    }
                    std::thread::park_timeout(Duration::from_millis(20));
                }
            });
            let mut progress = |stage, fraction| {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = (stage, fraction);
            };
            let judged =
                self.of.judge.clip(&job.source, &job.path, Some(job.sha256), worker, &enough, &mut progress);
            over.store(true, Ordering::Relaxed);
            keeper.thread().unpark();
            judged
        })
    }

    fn complete(&self, lease: &Lease, judged: &Judged) -> Result<Turn, RunnerError> {
        let info = &self.of.judge.info;
        let done =
            self.of.with_recorder(|r| r.complete(lease, &judged.record, judged.observables.as_deref(), info));
        match done {
            Ok(recorded) => {
                if recorded.reviews > 0 {
                    (self.on)(Note::Reviews(&lease.job, recorded.reviews));
                }
                (self.on)(Note::Ended(&lease.job, JobState::Done, None));
                Ok(Turn::Over)
            }
            // Somebody else has it by now, or has done it.
            Err(e) if e.is_lost_lease() => Ok(Turn::Over),
            Err(e) => Err(e.into()),
        }
    }

    fn fail(
        &self,
        lease: &Lease,
        queue: &mut SqliteStore,
        failure: &Failure,
        judged: Option<&Judged>,
    ) -> Result<Turn, RunnerError> {
        let record = match judged {
            Some(judged) => judged.record.clone(),
            None => self.of.judge.unjudged(&lease.job.path, lease.job.sha256, lease.job.size, failure),
        };
        let line = Lines::of(&record).map_err(RecordError::from)?.verdict;
        match queue.fail(lease, failure, &line, &self.of.rules, now()) {
            Ok(state) => {
                (self.on)(Note::Ended(&lease.job, state, Some(failure)));
                Ok(Turn::Over)
            }
            Err(JobError::LeaseLost(_)) => Ok(Turn::Over),
            Err(e) => Err(e.into()),
        }
    }
}

enum Turn {
    Over,
    NoWorker(String),
}
