//! `seamline jobs`.

use super::recorder::{must_exist, open_store};
use crate::cli_ingest::JobsCommand;
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::store::{SqlStore, StoreAt};
use seamline_core::job::{Job, JobQueue, JobState};
use seamline_pipeline::record::now;
use std::process::ExitCode;

/// Jobs read at a time.
const PAGE: u32 = 200;

fn open(at: &StoreAt) -> Result<SqlStore> {
    must_exist(at)?;
    open_store(at)
}

pub(crate) fn run(command: &JobsCommand) -> Result<ExitCode> {
    match command {
        JobsCommand::List { at, state, limit, json } => {
            let store = open(&at.store)?;
            let state = state.as_deref().map(|s| {
                JobState::from_name(s)
                    .with_context(|| format!("--state {s}: queued, running, done, failed or dead"))
            });
            for job in store.jobs(state.transpose()?, None, *limit)? {
                output::say(&if *json { serde_json::to_string(&job)? } else { headline(&job) })?;
            }
            if !json {
                let c = store.counts()?;
                output::say(&format!(
                    "{} queued, {} running, {} done, {} failed, {} dead",
                    c.queued, c.running, c.done, c.failed, c.dead
                ))?;
            }
        }
        JobsCommand::Show { id, at, json } => {
            let store = open(&at.store)?;
            show(&store, &find(&store, id)?, *json)?;
        }
        JobsCommand::Dead { at, json } => {
            let store = open(&at.store)?;
            each_dead(&store, &mut |job| show(&store, job, *json))?;
        }
        JobsCommand::Replay { ids, all_dead, at } => {
            let mut store = open(&at.store)?;
            let mut wanted = ids.iter().map(|id| find(&store, id)).collect::<Result<Vec<_>>>()?;
            if *all_dead {
                each_dead(&store, &mut |job| {
                    wanted.push(job.clone());
                    Ok(())
                })?;
            }
            for job in &wanted {
                store.replay(&job.id, now())?;
                store.audit(now(), &super::tokens::account(), "replay", &job.id.to_string())?;
            }
            output::say(&format!("{} back in the queue", wanted.len()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn each_dead(store: &SqlStore, each: &mut dyn FnMut(&Job) -> Result<()>) -> Result<()> {
    let mut before = None;
    loop {
        let page = store.jobs(Some(JobState::Dead), before, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.number);
        page.iter().try_for_each(&mut *each)?;
    }
}

fn find(store: &SqlStore, digits: &str) -> Result<Job> {
    if digits.len() < 6 {
        bail!("{digits}: six digits at least, as `seamline jobs list` shows them");
    }
    let mut found = store.jobs_named(digits, 2)?;
    match (found.pop(), found.pop()) {
        (Some(job), None) => Ok(job),
        (None, _) => bail!("no job {digits}"),
        _ => bail!("{digits} is the beginning of more than one job"),
    }
}

fn headline(job: &Job) -> String {
    let state = match job.state {
        JobState::Running => format!("{:.0} %", job.fraction * 100.0),
        other => other.as_str().to_owned(),
    };
    let end = match (&job.conclusion, &job.failure) {
        (Some(c), _) => c.replace('_', " "),
        (None, Some(f)) => format!("{}: {}", f.code.as_str(), f.message),
        (None, None) => String::new(),
    };
    format!("{}  {state:<8} {}  {end}", job.id.short(), job.path)
}

fn show(store: &SqlStore, job: &Job, json: bool) -> Result<()> {
    let attempts = store.attempts(&job.id)?;
    if json {
        let mut value = serde_json::to_value(job)?;
        value["failed_attempts"] = serde_json::to_value(&attempts)?;
        return Ok(output::say(&value.to_string())?);
    }
    output::say(&headline(job))?;
    output::say(&format!("  clip {}, {} bytes, submitted {}", job.sha256, job.size, job.submitted_at))?;
    for a in attempts {
        output::say(&format!("  {}  {}: {}", a.at, a.failure.code.as_str(), a.failure.message))?;
    }
    Ok(())
}
