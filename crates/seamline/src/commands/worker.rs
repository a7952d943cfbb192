//! `seamline worker`.

use super::grown;
use super::work::{stop_on_signals, tell};
use crate::cli_ingest::WorkerArgs;
use anyhow::Result;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

pub(crate) fn run(args: &WorkerArgs) -> Result<ExitCode> {
    let media = grown::media(args.shared.media.as_ref(), &args.at.store)?;
    let broker = grown::broker(args.shared.queue.as_ref())?;
    let mut runner = args.work.runner(&args.at.store)?;
    (runner.broker, runner.media, runner.herald) = (broker, media, grown::herald(&args.callbacks)?);
    let stop = stop_on_signals()?;
    runner.run(&AtomicBool::new(args.once), &stop, &|note| tell(&note, args.quiet))?;
    runner.close()?;
    Ok(ExitCode::SUCCESS)
}
