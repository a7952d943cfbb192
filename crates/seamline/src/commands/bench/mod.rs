//! `seamline bench run|score|compare`.

mod cache;
mod compare;
mod inputs;
mod run;
mod score;

use crate::cli_bench::{BenchCommand, ProtocolArgs};
use anyhow::{Result, anyhow};
use seamline_eval::protocol::{Format, Protocol, ReadOptions};
use std::process::ExitCode;

pub(crate) fn run(command: &BenchCommand) -> Result<ExitCode> {
    match command {
        BenchCommand::Run(args) => run::run(args),
        BenchCommand::Score(args) => score::run(args),
        BenchCommand::Compare(args) => compare::run(args),
    }
}

/// The value of a list of names, or an error that shows the list.
fn named<T: Copy>(what: &str, name: &str, all: &[(T, &str)]) -> Result<T> {
    all.iter().find(|a| a.1 == name).map(|a| a.0).ok_or_else(|| {
        let known = all.iter().map(|a| a.1).collect::<Vec<_>>().join(", ");
        anyhow!("no {what} named {name}; there are: {known}")
    })
}

fn protocol(args: &ProtocolArgs) -> Result<Protocol> {
    let format = named("protocol format", &args.protocol_format, &Format::ALL)?;
    let options = ReadOptions {
        media: args.media.as_deref(),
        split: args.split.as_deref(),
        compression: args.compression.as_deref(),
        share: args.share,
    };
    Ok(Protocol::read(&args.protocol, format, &options)?)
}
