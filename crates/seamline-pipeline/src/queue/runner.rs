//! Takes jobs and has them judged in jailed workers, until it is told to stop or nothing is left.
//!
//! Each lane is a thread with a worker of its own. When all of them are busy with heavy clips, one lane more takes light
//! ones, so that a short clip never waits for the end of a long one. A lane says how far it is by renewing its lease; one
//! that learns that its lease is lost stops at once. The order of what happens is: the worker's last word, then verdict
//! and end of the job in one transaction, then links. Killed at any point, a job is either over or handed out again.
//!
//! With a broker a lane takes names of jobs from it instead of asking the store for the next; the lease is the store's
//! all the same. A store or a broker that goes away is waited for, until the run is stopped.

use super::callbacks::Callbacks;
use super::relay::{Relay, Round};
use super::submit::is_shared;
use crate::judge::{Judge, Judged, Outlook, open_clip};
use crate::record::{Lines, RecordError, Recorder, later, now};
use crate::scan::{Scan, ScanError};
use crate::supervise::{Worker, WorkerSetup};
use seamline_campaign::store::{Callback, Claim, SqlStore, StoreAt};
use seamline_core::grown::{Broker, Herald, HeraldError, SharedError, SharedMedia, Ticket};
use seamline_core::job::{Failure, FailureCode, Job, JobError, JobQueue, JobState, Lane, Lease, Rules};
use seamline_core::{RunInfo, Stage};
use seamline_infer::Home;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a job stays with whoever took it and says nothing more, in milliseconds.
pub const LEASE_MS: i64 = 15_000;
/// How often a lease is renewed, and progress written.
const RENEWAL: Duration = Duration::from_secs(1);
/// How long an idle lane waits before it looks again.
const IDLE: Duration = Duration::from_millis(200);
/// How long a job waits where no worker could be had: the machine, not the clip, is short of something.
const NO_WORKER_MS: i64 = 5_000;
/// How long a lane waits that is told to take no more: another pipeline judges now.
const IDLE_LONG: Duration = Duration::from_secs(5);
/// Between two tries to reach a store or a broker that is away.
const AWAY: Duration = Duration::from_secs(1);
/// How long a name is left alone whose job somebody holds, beyond that lease.
const SPARE_MS: i64 = 500;
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
    store: StoreAt,
    lanes: usize,
    /// What hands out names of jobs; `None` = the store.
    pub broker: Option<Arc<dyn Broker>>,
    /// Where clips are that were handed in elsewhere.
    pub media: Option<Arc<dyn SharedMedia>>,
    /// What tells others that jobs ended; `None` = another run does, or nobody.
    pub herald: Option<Arc<dyn Herald>>,
    /// How jobs are handed out and given up.
    pub rules: Rules,
}

impl Runner {
    /// Finds models, starts the first worker, and opens the store, which is made if it is absent, with its indexes in
    /// `index`. What there is to say to people comes beside.
    pub fn prepare(
        home: &Home,
        setup: WorkerSetup,
        lanes: usize,
        store: &StoreAt,
        index: &Path,
    ) -> Result<(Self, Option<String>), RunnerError> {
        let mut scan = Scan::prepare(home, setup, lanes, true)?;
        scan.observe = true;
        let (judge, first) = scan.into_parts();
        let (recorder, said) = Recorder::open(store, index)?;
        let runner = Self {
            judge,
            first: Mutex::new(Some(first)),
            recorder: Mutex::new(recorder),
            store: store.clone(),
            lanes: lanes.max(1),
            broker: None,
            media: None,
            herald: None,
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
        SqlStore::at(&self.store).map_err(JobError::from)?.adopt(&digest)?;
        let heavy = AtomicUsize::new(0);
        let working = AtomicUsize::new(self.lanes + 1);
        std::thread::scope(|scope| {
            if let Some(broker) = self.broker.as_deref() {
                let relay = Relay::new(broker, owner, digest, self.rules);
                let over = || {
                    stop.load(Ordering::Relaxed)
                        || halt.load(Ordering::Relaxed)
                        || working.load(Ordering::Relaxed) == 0
                };
                scope.spawn(move || self.relay(relay, &over, on));
            }
            if let Some(herald) = self.herald.as_deref() {
                let callbacks = Callbacks::new(herald, owner);
                let over = || {
                    stop.load(Ordering::Relaxed)
                        || halt.load(Ordering::Relaxed)
                        || working.load(Ordering::Relaxed) == 0
                };
                scope.spawn(move || self.call_back(callbacks, &over, on));
            }
            for n in 0..=self.lanes {
                let (trouble, halt, heavy, working) = (&trouble, &halt, &heavy, &working);
                let lane = if n == self.lanes { Lane::Light } else { Lane::Any };
                let turns = Turns { of: self, owner, drain, stop, halt, on, heavy };
                scope.spawn(move || {
                    if let Err(e) = turns.work(lane) {
                        halt.store(true, Ordering::Relaxed);
                        trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                    }
                    working.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        trouble.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Tells the broker what waits, until nobody takes anything any more.
    fn relay(&self, mut relay: Relay<'_>, over: &dyn Fn() -> bool, on: &(dyn Fn(Note<'_>) + Sync)) {
        let (mut store, mut quiet) = (None, false);
        while !over() {
            let round = match &mut store {
                Some(store) => relay.round(store).map_err(|e| e.to_string()),
                None => SqlStore::at(&self.store).map_err(|e| e.to_string()).map(|new| {
                    store = Some(new);
                    Round::Told
                }),
            };
            match round {
                Ok(Round::Told) => quiet = false,
                Ok(Round::Idle) => {
                    quiet = false;
                    std::thread::sleep(IDLE / 2);
                }
                Err(message) => {
                    if !quiet {
                        on(Note::Trouble(message));
                    }
                    quiet = true;
                    std::thread::sleep(AWAY);
                }
            }
        }
    }

    /// Tells who asked for it that jobs ended, until no more end here; what ended last is told too.
    fn call_back(
        &self,
        mut callbacks: Callbacks<'_>,
        over: &dyn Fn() -> bool,
        on: &(dyn Fn(Note<'_>) + Sync),
    ) {
        let lost = |c: &Callback, e: &HeraldError| {
            on(Note::Trouble(format!("{}: {} is not told: {e}", c.job.path, c.url)));
        };
        let mut store = None;
        loop {
            let last = over();
            let round = match &mut store {
                Some(store) => callbacks.round(store, &lost).map_err(|e| e.to_string()),
                None => SqlStore::at(&self.store).map_err(|e| e.to_string()).map(|new| {
                    store = Some(new);
                    1
                }),
            };
            match round {
                Ok(0) | Err(_) if last => return,
                Ok(0) => std::thread::sleep(IDLE),
                Ok(_) => {}
                // The lanes say so too.
                Err(_) => std::thread::sleep(AWAY),
            }
        }
    }

    /// The clip of a job, opened.
    fn open(&self, job: &Job) -> Result<io::Result<(File, u64)>, SharedError> {
        if !is_shared(&job.source) {
            return Ok(open_clip(&job.source));
        }
        let Some(media) = &self.media else {
            return Err(SharedError::Away("this run was not told where it is (--media)".into()));
        };
        match media.get(&job.sha256, job.size) {
            Ok(file) => Ok(file.metadata().map(|m| (file, m.len()))),
            Err(e @ SharedError::Gone) => Ok(Err(io::Error::new(io::ErrorKind::NotFound, e.to_string()))),
            Err(e @ SharedError::Changed) => {
                Ok(Err(io::Error::new(io::ErrorKind::InvalidData, e.to_string())))
            }
            Err(e) => Err(e),
        }
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

/// What a lane is to do next.
enum Next {
    /// Judge this, and answer for its name where a broker handed it out.
    Job(Box<Lease>, Option<Box<dyn Ticket>>),
    /// Look again.
    Nothing,
    /// Look again after a while.
    Wait(Duration),
}

impl Turns<'_> {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.halt.load(Ordering::Relaxed)
    }

    fn is_over(&self, queue: &SqlStore) -> Result<bool, JobError> {
        Ok(self.drain.load(Ordering::Relaxed) && !queue.is_open(&self.of.judge.info.pipeline_digest)?)
    }

    /// Does it again while the store's server is away; `None` once the run is stopped.
    fn patiently<T, E: Away>(&self, mut f: impl FnMut() -> Result<T, E>) -> Result<Option<T>, E> {
        let mut said = false;
        loop {
            match f() {
                Err(e) if e.is_away() => {
                    if self.stopped() {
                        return Ok(None);
                    }
                    if !said {
                        (self.on)(Note::Trouble(format!("{e}; waiting for it")));
                    }
                    said = true;
                    std::thread::sleep(AWAY);
                }
                other => return other.map(Some),
            }
        }
    }

    fn work(&self, lane: Lane) -> Result<(), RunnerError> {
        let Some(mut queue) = self.patiently(|| SqlStore::at(&self.of.store).map_err(JobError::from))? else {
            return Ok(());
        };
        let mut worker = None;
        let mut unlucky = 0;
        while !self.stopped() {
            let spared = lane == Lane::Light && self.heavy.load(Ordering::Relaxed) < self.of.lanes;
            // Spared, some other lane comes free soon.
            let next = if spared { Next::Wait(IDLE) } else { self.next(&mut queue, lane)? };
            let (lease, ticket) = match next {
                Next::Job(lease, ticket) => (lease, ticket),
                Next::Nothing | Next::Wait(_) => {
                    // Where nothing is left at all, this lane is over too.
                    if self.patiently(|| self.is_over(&queue))?.unwrap_or(true) {
                        break;
                    }
                    if let Next::Wait(time) = next {
                        std::thread::sleep(time);
                    }
                    continue;
                }
            };
            if worker.is_none() {
                worker = self.of.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            let heavy = usize::from(lease.job.size >= self.of.rules.heavy_bytes);
            self.heavy.fetch_add(heavy, Ordering::Relaxed);
            let turn = self.turn(&lease, &mut queue, &mut worker, ticket.as_deref());
            self.heavy.fetch_sub(heavy, Ordering::Relaxed);
            let turn = turn?;
            // Over, or back in the queue, from where it is told anew.
            if let Some(ticket) = ticket {
                ticket.done();
            }
            match turn {
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

    fn next(&self, queue: &mut SqlStore, lane: Lane) -> Result<Next, RunnerError> {
        let digest = &self.of.judge.info.pipeline_digest;
        let Some(broker) = &self.of.broker else {
            let lease = self.patiently(|| {
                let at = now();
                queue.lease(self.owner, lane, digest, &self.of.rules, at, later(at, LEASE_MS))
            })?;
            let none = Next::Wait(IDLE);
            return Ok(lease.flatten().map_or(none, |lease| Next::Job(Box::new(lease), None)));
        };
        let ticket = match broker.take(lane, IDLE) {
            Ok(Some(ticket)) => ticket,
            Ok(None) => return Ok(Next::Nothing),
            Err(e) => {
                (self.on)(Note::Trouble(format!("{e}; jobs wait for it")));
                return Ok(Next::Wait(AWAY));
            }
        };
        let claim = self.patiently(|| {
            let at = now();
            queue.lease_job(&ticket.job(), self.owner, digest, &self.of.rules, at, later(at, LEASE_MS))
        })?;
        Ok(match claim {
            Some(Claim::Taken(lease)) => Next::Job(lease, Some(ticket)),
            Some(Claim::Over) => {
                ticket.done();
                Next::Nothing
            }
            // The store tells it again when it is to be had. Until the broker would give it up it may come back here.
            Some(Claim::Later(_)) if ticket.is_last() => {
                ticket.done();
                Next::Nothing
            }
            Some(Claim::Later(when)) => {
                let ms = when.as_millis().saturating_sub(now().as_millis()).max(0) + SPARE_MS;
                ticket.again(Duration::from_millis(ms.unsigned_abs()));
                Next::Nothing
            }
            Some(Claim::OtherPipeline) => {
                ticket.done();
                (self.on)(Note::Trouble(
                    "another version or other options judge now; this run takes nothing".into(),
                ));
                Next::Wait(IDLE_LONG)
            }
            None => {
                ticket.again(Duration::ZERO);
                Next::Nothing
            }
        })
    }

    /// One job.
    fn turn(
        &self,
        lease: &Lease,
        queue: &mut SqlStore,
        worker: &mut Option<Worker>,
        ticket: Option<&dyn Ticket>,
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
        let judged = self.judge(lease, queue, worker, ticket);
        let Some(judged) = judged else {
            // Stopped, or the lease is lost; in the latter case this changes nothing.
            self.patiently(|| queue.give_back(lease, now()))?;
            return Ok(Turn::Over);
        };
        match &judged.outlook {
            Outlook::Judged => self.complete(lease, &judged),
            Outlook::Broken(failure) => self.fail(lease, queue, failure, Some(&judged)),
            Outlook::NoWorker(message) => {
                self.patiently(|| queue.give_back(lease, later(now(), NO_WORKER_MS)))?;
                Ok(Turn::NoWorker(message.clone()))
            }
            Outlook::Away(message) => {
                self.patiently(|| queue.give_back(lease, later(now(), NO_WORKER_MS)))?;
                (self.on)(Note::Trouble(format!("{}: {message}", job.path)));
                Ok(Turn::Over)
            }
        }
    }

    /// Judges the clip beside a thread that keeps the lease. `None` where it was stopped.
    fn judge(
        &self,
        lease: &Lease,
        queue: &mut SqlStore,
        worker: &mut Option<Worker>,
        ticket: Option<&dyn Ticket>,
    ) -> Option<Judged> {
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
                            Ok(true) => {
                                if let Some(ticket) = ticket {
                                    ticket.keep();
                                }
                            }
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
            let judge = &self.of.judge;
            let judged = match self.of.open(job) {
                Ok(file) => judge.clip(file, &job.path, Some(job.sha256), worker, &enough, &mut progress),
                Err(e) => Some(judge.away(&job.path, job.sha256, job.size, e.to_string())),
            };
            over.store(true, Ordering::Relaxed);
            keeper.thread().unpark();
            judged
        })
    }

    fn complete(&self, lease: &Lease, judged: &Judged) -> Result<Turn, RunnerError> {
        let info = &self.of.judge.info;
        let done = self.patiently(|| {
            self.of.with_recorder(|r| r.complete(lease, &judged.record, judged.observables.as_deref(), info))
        });
        match done {
            // Stopped while the store was away: its lease runs out, and it is judged again.
            Ok(None) => Ok(Turn::Over),
            Ok(Some(recorded)) => {
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
        queue: &mut SqlStore,
        failure: &Failure,
        judged: Option<&Judged>,
    ) -> Result<Turn, RunnerError> {
        let record = match judged {
            Some(judged) => judged.record.clone(),
            None => self.of.judge.unjudged(&lease.job.path, lease.job.sha256, lease.job.size, failure),
        };
        let line = Lines::of(&record).map_err(RecordError::from)?.verdict;
        match self.patiently(|| queue.fail(lease, failure, &line, &self.of.rules, now())) {
            Ok(None) => Ok(Turn::Over),
            Ok(Some(state)) => {
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

/// Errors that may say that the store's server is away.
trait Away: std::fmt::Display {
    fn is_away(&self) -> bool;
}

impl Away for JobError {
    fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl Away for RecordError {
    fn is_away(&self) -> bool {
        self.is_away()
    }
}
