//! What commands that judge clips have in common: options, the run that works through the queue, signals.

use crate::cli::{BoundArgs, LookArgs};
use crate::cli_ingest::WorkArgs;
use crate::output;
use anyhow::{Context, Result};
use seamline_campaign::store::StoreAt;
use seamline_core::Limits;
use seamline_core::job::{Failure, Job, JobState};
use seamline_infer::Home;
use seamline_pipeline::ScanOptions;
use seamline_pipeline::queue::{Note, Runner};
use seamline_pipeline::supervise::WorkerSetup;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Options that shape results; `voices` where clips are to be recognised again.
pub(crate) fn options(look: &LookArgs, bounds: &BoundArgs, voices: bool) -> ScanOptions {
    ScanOptions {
        profile: look.profile.into(),
        detectors: look.detectors.clone(),
        trust_list: bounds.trust_list.clone(),
        limits: Limits {
            cpu_secs: bounds.max_cpu_secs,
            wall_secs: bounds.max_wall_secs,
            ..Limits::default()
        },
        judge_nothing: false,
        voices,
    }
}

/// Clips judged at once: as said, or one per core.
pub(crate) fn at_once(said: Option<u16>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, Into::into);
    said.map_or_else(cores, usize::from)
}

impl WorkArgs {
    /// Options that shape results.
    pub(crate) fn options(&self) -> ScanOptions {
        options(&self.look, &self.bounds, true)
    }

    /// The run over `store`, ready to begin.
    pub(crate) fn runner(&self, store: &StoreAt) -> Result<Runner> {
        let setup = WorkerSetup {
            program: std::env::current_exe().context("finding this program")?,
            options: self.options(),
            allow_unjailed: self.bounds.allow_unjailed,
        };
        let (runner, said) = Runner::prepare(
            &Home::resolve(),
            setup,
            at_once(self.workers),
            store,
            &crate::place::index(store),
        )?;
        if let Some(said) = said {
            output::complain(&said);
        }
        if !runner.info().jail.is_full() {
            output::complain("workers are not fully shut in on this kernel (see `seamline doctor`)");
        }
        Ok(runner)
    }
}

/// A flag that interrupts set; the second one ends the program at once.
pub(crate) fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

/// Says in a line what became of a job. What a conclusion is, the report says.
pub(crate) fn tell(note: &Note<'_>, quiet: bool) {
    match note {
        Note::Began(_) => {}
        Note::Ended(job, state, failure) => {
            if let Some(line) = ending(job, *state, *failure).filter(|_| !quiet || *state != JobState::Done) {
                output::complain(&line);
            }
        }
        Note::Reviews(job, n) => output::complain(&format!(
            "{}: the verdict changed; near-duplicates to look at again: {n} (`seamline campaign reviews`)",
            job.path
        )),
        Note::Trouble(message) => output::complain(message),
    }
}

fn ending(job: &Job, state: JobState, failure: Option<&Failure>) -> Option<String> {
    let why = || failure.map(|f| format!("{}: {}", f.code.as_str(), f.message)).unwrap_or_default();
    Some(match state {
        JobState::Done => format!("{}: judged", job.path),
        JobState::Failed => format!("{}: not judged: {}", job.path, why()),
        JobState::Dead => format!("{}: given up: {} (`seamline jobs dead`)", job.path, why()),
        JobState::Queued => format!("{}: once more: {}", job.path, why()),
        JobState::Running => return None,
    })
}
