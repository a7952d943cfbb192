//! `seamline watch`: folders into which people and programs put clips.

mod candidates;
mod mover;

use super::grown;
use super::recorder::open_store;
use super::work::{stop_on_signals, tell};
use crate::cli_ingest::WatchArgs;
use crate::output;
use anyhow::{Context, Result, bail};
use candidates::Candidates;
use mover::Mover;
use notify::{EventKind, RecursiveMode, Watcher};
use seamline_campaign::store::{FileIdentity, SqlStore};
use seamline_core::job::{JobQueue, Rules};
use seamline_infer::Home;
use seamline_pipeline::queue::{Outlet, Said, SubmitError, Submitter};
use seamline_pipeline::record::now;
use seamline_pipeline::walk;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Changes that wait to be looked at; when there are more, the folders are looked through instead.
const CHANGES: usize = 4_096;
const TICK: Duration = Duration::from_millis(100);

/// What the kernel tells.
enum Change {
    /// Somebody did something to this file.
    Touched(PathBuf),
    /// Somebody who wrote to this file closed it.
    Closed(PathBuf),
}

pub(crate) fn run(args: &WatchArgs) -> Result<ExitCode> {
    let roots = args.dirs.iter().map(|d| folder(d)).collect::<Result<Vec<_>>>()?;
    for (n, root) in roots.iter().enumerate() {
        if roots.iter().enumerate().any(|(m, other)| m != n && root.starts_with(other)) {
            bail!("{} lies within another watched folder", root.display());
        }
    }
    let aside =
        [&args.done, &args.failed].into_iter().flatten().map(|d| made(d)).collect::<Result<Vec<_>>>()?;
    let mut submitter = Submitter::new(&Home::resolve(), &args.work.options(), "watch")?;
    submitter.shared = grown::media(args.shared.media.as_ref(), &args.at.store)?;
    let mut store = open_store(&args.at.store)?;
    let mut outlet = args.out.as_deref().map(|out| Outlet::open(out, &mut store)).transpose()?;
    let broker = grown::broker(args.shared.queue.as_ref())?;
    let mut runner = args.work.runner(&args.at.store)?;
    (runner.broker, runner.media) = (broker, submitter.shared.clone());
    let stop = stop_on_signals()?;
    let (drain, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut folders = Folders {
        args,
        submitter,
        candidates: Candidates::new(Duration::try_from_secs_f64(args.settle).context("--settle")?),
        mover: Mover::new(args.done.as_deref(), args.failed.as_deref())?,
        store,
        roots,
        aside,
    };
    let judged = std::thread::scope(|scope| -> Result<()> {
        let looker = scope.spawn(|| {
            let looked = folders.look(&mut outlet, &stop, &drain, &over);
            if looked.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            looked
        });
        let ran = runner.run(&drain, &stop, &|note| tell(&note, args.quiet));
        if ran.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        over.store(true, Ordering::Relaxed);
        looker.join().map_err(|_| anyhow::anyhow!("a thread died"))??;
        Ok(ran?)
    });
    judged?;
    runner.close()?;
    Ok(ExitCode::SUCCESS)
}

fn folder(path: &Path) -> Result<PathBuf> {
    let path = std::fs::canonicalize(path).with_context(|| path.display().to_string())?;
    if !path.is_dir() {
        bail!("{} is no folder", path.display());
    }
    Ok(path)
}

fn made(path: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(path).with_context(|| format!("{}: cannot be made", path.display()))?;
    folder(path)
}

struct Folders<'a> {
    args: &'a WatchArgs,
    submitter: Submitter,
    candidates: Candidates,
    mover: Mover,
    store: SqlStore,
    roots: Vec<PathBuf>,
    /// Where judged files go: not looked at, should they lie within a watched folder.
    aside: Vec<PathBuf>,
}

impl Folders<'_> {
    /// Takes files until `stop` is set, or with `--once` until all that were there are taken. Then goes on writing and
    /// moving until `over` is set: until nothing ends any more.
    fn look(
        &mut self,
        outlet: &mut Option<Outlet>,
        stop: &AtomicBool,
        drain: &AtomicBool,
        over: &AtomicBool,
    ) -> Result<()> {
        let (give, changes) = sync_channel(CHANGES);
        let missed = std::sync::Arc::new(AtomicBool::new(false));
        let _watcher = if self.args.once { None } else { self.listen(give, missed.clone()) };
        let mut next_walk = Instant::now();
        loop {
            let last = over.load(Ordering::Relaxed);
            if !drain.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
                self.hear(&changes);
                if missed.swap(false, Ordering::Relaxed) {
                    next_walk = Instant::now();
                }
                if Instant::now() >= next_walk {
                    self.walk();
                    // Looking through everything costs time where there is much: most of the time goes to other things.
                    next_walk = self.next_walk();
                }
                self.take(stop)?;
                if self.args.once && self.candidates.is_empty() {
                    drain.store(true, Ordering::Relaxed);
                }
            }
            match self.put_out(outlet) {
                // The next time, or the next run, writes and moves it.
                Err(e) if grown::is_away(&e) => output::complain(&format!("{e:#}; waiting for it")),
                other => other?,
            }
            if last {
                return Ok(());
            }
            std::thread::sleep(TICK);
        }
    }

    /// Writes what has ended, and moves its files.
    fn put_out(&mut self, outlet: &mut Option<Outlet>) -> Result<()> {
        if let Some(outlet) = outlet {
            outlet.write(&mut self.store)?;
        }
        self.roots.iter().try_for_each(|root| self.mover.move_ended(root, &mut self.store))
    }

    fn next_walk(&self) -> Instant {
        let now = Instant::now();
        // A century is never, and a sum that no clock overflows at.
        let secs =
            if self.args.once || self.args.poll == 0 { 3_155_760_000 } else { u64::from(self.args.poll) };
        now.checked_add(Duration::from_secs(secs)).unwrap_or(now)
    }

    /// Asks the kernel to tell of changes. Where it cannot, the folders are looked through, and people are told.
    fn listen(
        &self,
        give: SyncSender<Change>,
        missed: std::sync::Arc<AtomicBool>,
    ) -> Option<notify::RecommendedWatcher> {
        let handler = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else {
                missed.store(true, Ordering::Relaxed);
                return;
            };
            if event.need_rescan() {
                missed.store(true, Ordering::Relaxed);
            }
            use notify::event::{AccessKind, AccessMode};
            let closed = matches!(event.kind, EventKind::Access(AccessKind::Close(AccessMode::Write)));
            if !closed && matches!(event.kind, EventKind::Access(_) | EventKind::Remove(_)) {
                return;
            }
            for path in event.paths {
                let change = if closed { Change::Closed(path) } else { Change::Touched(path) };
                if give.try_send(change).is_err() {
                    missed.store(true, Ordering::Relaxed);
                }
            }
        };
        let mut watcher = match notify::recommended_watcher(handler) {
            Ok(watcher) => watcher,
            Err(e) => {
                output::complain(&format!(
                    "the kernel does not tell of changes ({e}); looking every --poll seconds"
                ));
                return None;
            }
        };
        for root in &self.roots {
            if let Err(e) = watcher.watch(root, RecursiveMode::Recursive) {
                output::complain(&format!("{}: {e}; looking every --poll seconds", root.display()));
            }
        }
        Some(watcher)
    }

    fn hear(&mut self, changes: &Receiver<Change>) {
        for change in changes.try_iter().take(CHANGES) {
            let (path, closed) = match change {
                Change::Touched(path) => (path, false),
                Change::Closed(path) => (path, true),
            };
            if path.is_dir() {
                // A folder that was moved in: the kernel tells nothing of what is in it.
                for file in walk::files(&path) {
                    self.consider(file, false);
                }
            } else if !hidden(&path, &self.roots) && path.is_file() && walk::looks_like_media(&path) {
                self.consider(path, closed);
            }
        }
    }

    fn walk(&mut self) {
        for root in self.roots.clone() {
            for path in walk::files(&root) {
                self.consider(path, false);
            }
        }
    }

    fn consider(&mut self, path: PathBuf, closed: bool) {
        if !self.aside.iter().any(|a| path.starts_with(a)) {
            self.candidates.consider(path, closed);
        }
    }

    /// Hands in what is whole.
    fn take(&mut self, stop: &AtomicBool) -> Result<()> {
        let whole = self.candidates.whole();
        for (n, (path, identity)) in whole.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            match self.take_one(path, identity, stop) {
                Ok(()) => self.candidates.known(*identity, path),
                Err(_) if stop.load(Ordering::Relaxed) => return Ok(()),
                Err(e) if grown::is_away(&e) => {
                    output::complain(&format!("{e:#}; waiting for it"));
                    whole[n..].iter().for_each(|(path, _)| self.candidates.consider(path.clone(), true));
                    return Ok(());
                }
                Err(e) if e.is::<SubmitError>() => {
                    output::complain(&e.to_string());
                    // Not again until it changes.
                    self.candidates.known(*identity, path);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn take_one(&mut self, path: &Path, identity: &FileIdentity, stop: &AtomicBool) -> Result<()> {
        if self.store.is_watched(identity, path)? {
            return Ok(());
        }
        let submission = self.submitter.file(path, &Said::default(), stop)?;
        let submitted = self.store.submit(&submission, &Rules::default(), now())?;
        // Killed in between, the file is read once more and nothing else: it is the same job.
        Ok(self.store.watch(identity, path, &submitted.id)?)
    }
}

/// Whether a part of the path below its folder begins with a dot.
fn hidden(path: &Path, roots: &[PathBuf]) -> bool {
    let below = roots.iter().find_map(|r| path.strip_prefix(r).ok()).unwrap_or(path);
    below.components().any(|c| c.as_os_str().as_encoded_bytes().starts_with(b"."))
}
