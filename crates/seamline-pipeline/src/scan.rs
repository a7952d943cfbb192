//! A scan: paths in, records out, in the order of the paths.
//!
//! Each job thread owns one worker and replaces it when it dies. At most a window of clips is begun beyond the
//! oldest unfinished one, so that ordered output needs bounded memory.

use crate::engine::{EngineError, Plan};
use crate::judge::{Judge, open_clip};
use crate::options::ScanOptions;
use crate::supervise::{Wants, Worker, WorkerError, WorkerSetup};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use seamline_campaign::observables::Observables;
use seamline_core::{ClipRecord, JailStatus, RunInfo, RunTotals, Stage};
use seamline_fuse::MaxAspectFuser;
use seamline_infer::{Home, RUNTIME_VERSION};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Clips begun beyond the oldest unfinished one, for each job.
const WINDOW_PER_JOB: u64 = 8;
const TICK: Duration = Duration::from_millis(100);

/// Why a scan could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Models, manifests, fusion data.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The first worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// What a scan tells while it runs.
pub enum Event<'a> {
    /// A clip was begun.
    Begun {
        /// Its number, from 0.
        index: u64,
        /// Its path.
        path: &'a Path,
    },
    /// How far a clip is.
    Progress {
        /// Its number.
        index: u64,
        /// What is being done.
        stage: Stage,
        /// 0 to 1; 0 where the length is unknown.
        fraction: f32,
    },
    /// A clip is finished; in order of number.
    Finished {
        /// Its number.
        index: u64,
        /// Everything about it.
        record: Box<ClipRecord>,
        /// What it can be recognised by, where [`Scan::observe`] is set and it could be decoded.
        observables: Option<Box<Observables>>,
    },
}

/// A scan that is ready to run: models found, the first worker shut in.
pub struct Scan {
    setup: WorkerSetup,
    info: RunInfo,
    fuser: MaxAspectFuser,
    first: Worker,
    /// Clips judged at once.
    pub jobs: usize,
    /// Whether pictures for reports are wanted.
    pub exhibits: bool,
    /// Whether it is wanted what clips can be recognised by; `false` unless set.
    pub observe: bool,
}

impl Scan {
    /// Chooses models and starts the first worker.
    pub fn prepare(home: &Home, setup: WorkerSetup, jobs: usize, exhibits: bool) -> Result<Self, ScanError> {
        let plan = Plan::new(home, &setup.options)?;
        let first = Worker::start(&setup)?;
        let info = run_info(&plan, &setup.options, first.status().clone());
        let fuser = MaxAspectFuser::new(plan.fusion);
        Ok(Self { setup, info, fuser, first, jobs: jobs.max(1), exhibits, observe: false })
    }

    /// What judges one clip at a time, and the first worker.
    pub(crate) fn into_parts(self) -> (Judge, Worker) {
        let wants = Wants { exhibits: self.exhibits, observe: self.observe };
        (Judge { setup: self.setup, info: self.info, fuser: self.fuser, wants }, self.first)
    }

    /// What the run is made with.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Judges every path, telling `on` what happens. Returns when all are finished or `stop` was set; clips
    /// that were not finished then are not reported.
    pub fn run(
        self,
        paths: Box<dyn Iterator<Item = PathBuf> + Send>,
        stop: &Arc<AtomicBool>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> RunTotals {
        let mut totals = RunTotals::default();
        let queue = Queue::feed(paths, self.jobs, stop.clone());
        let (tell, told) = bounded::<Message>(64);
        let jobs = self.jobs;
        let (judge, first) = self.into_parts();
        let shared = Shared { judge: &judge, queue: &queue, stop };
        std::thread::scope(|scope| {
            let mut first = Some(first);
            for _ in 0..jobs {
                let (worker, tell, shared) = (first.take(), tell.clone(), &shared);
                scope.spawn(move || shared.work(worker, &tell));
            }
            drop(tell);
            let mut waiting = BTreeMap::new();
            let mut next = 0;
            for message in told {
                match message {
                    Message::Begun(index, path) => on(Event::Begun { index, path: &path }),
                    Message::Progress(index, stage, fraction) => {
                        on(Event::Progress { index, stage, fraction })
                    }
                    Message::Finished(index, judged) => {
                        waiting.insert(index, judged);
                        while let Some((record, observables)) = waiting.remove(&next) {
                            totals.count(&record);
                            on(Event::Finished { index: next, record, observables });
                            next += 1;
                            queue.emitted(next);
                        }
                    }
                }
            }
            // A stopped run leaves holes: what was finished after them is still told.
            for (index, (record, observables)) in waiting {
                totals.count(&record);
                on(Event::Finished { index, record, observables });
            }
        });
        totals.interrupted = stop.load(Ordering::Relaxed);
        totals
    }
}

fn run_info(plan: &Plan, options: &ScanOptions, jail: JailStatus) -> RunInfo {
    RunInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        pipeline_digest: plan.digest(options),
        profile: options.profile.as_str().into(),
        fusion: plan.fusion.name(),
        models: plan.models(),
        trust_list: options.trust_list.as_deref().and_then(|p| crate::trust::read(p).ok()).map(|t| t.info),
        onnxruntime: RUNTIME_VERSION.into(),
        libavcodec: seamline_media::versions().0,
        jail,
    }
}

/// A record, and what the clip can be recognised by.
type Judged = (Box<ClipRecord>, Option<Box<Observables>>);

enum Message {
    Begun(u64, PathBuf),
    Progress(u64, Stage, f32),
    Finished(u64, Judged),
}

/// Paths with their numbers, and the window that holds the eager back.
struct Queue {
    paths: Receiver<(u64, PathBuf)>,
    window: u64,
    emitted: Mutex<u64>,
    moved: Condvar,
}

impl Queue {
    /// Reads paths on a thread of its own: a pipe that gives none must not keep a stopped run from ending.
    fn feed(paths: Box<dyn Iterator<Item = PathBuf> + Send>, jobs: usize, stop: Arc<AtomicBool>) -> Self {
        let (give, take) = bounded(jobs);
        std::thread::spawn(move || {
            for (index, path) in paths.enumerate() {
                if stop.load(Ordering::Relaxed) || give.send((index as u64, path)).is_err() {
                    break;
                }
            }
        });
        Self {
            paths: take,
            window: WINDOW_PER_JOB * jobs as u64,
            emitted: Mutex::new(0),
            moved: Condvar::new(),
        }
    }

    fn emitted(&self, count: u64) {
        *self.emitted.lock().unwrap_or_else(PoisonError::into_inner) = count;
        self.moved.notify_all();
    }

    fn next(&self, stop: &AtomicBool) -> Option<(u64, PathBuf)> {
        let (index, path) = loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            match self.paths.recv_timeout(TICK) {
                Ok(next) => break next,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        };
        let mut emitted = self.emitted.lock().unwrap_or_else(PoisonError::into_inner);
        while index >= *emitted + self.window {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            emitted = self.moved.wait_timeout(emitted, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        Some((index, path))
    }
}

struct Shared<'s> {
    judge: &'s Judge,
    queue: &'s Queue,
    stop: &'s AtomicBool,
}

impl Shared<'_> {
    fn work(&self, mut worker: Option<Worker>, tell: &Sender<Message>) {
        while let Some((index, path)) = self.queue.next(self.stop) {
            let _ = tell.send(Message::Begun(index, path.clone()));
            let mut progress = |stage, fraction| {
                // Progress is for people: when the channel is full it is dropped, never waited for.
                let _ = tell.try_send(Message::Progress(index, stage, fraction));
            };
            let shown = path.to_string_lossy();
            let opened = open_clip(&path);
            let Some(judged) = self.judge.clip(opened, &shown, None, &mut worker, self.stop, &mut progress)
            else {
                return;
            };
            if tell.send(Message::Finished(index, (judged.record, judged.observables))).is_err() {
                return;
            }
        }
    }
}
