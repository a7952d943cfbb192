//! `seamline`: the command line. Thin: it reads arguments, draws progress, writes reports, and leaves the work
//! to the crates below.

mod cli;
mod cli_bench;
mod cli_campaign;
mod cli_ingest;
mod commands;
mod output;
mod place;
mod progress;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A worker is this same program; it must not read the user's arguments or print.
    if std::env::args_os().nth(1).is_some_and(|a| a == seamline_pipeline::worker::WORKER_ARGUMENT) {
        return if seamline_pipeline::worker::run().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let cli = cli::Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("SEAMLINE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match commands::run(cli) {
        Ok(code) => code,
        Err(e) => {
            output::complain(&format!("{e:#}"));
            ExitCode::from(2)
        }
    }
}
