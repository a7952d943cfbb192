//! One file a command.

mod bench;
mod campaign;
mod doctor;
mod grown;
mod ingest;
mod jobs;
mod matching;
mod models;
mod recorder;
mod scan;
mod seen;
mod serve;
mod tokens;
mod watch;
mod work;
mod worker;

use crate::cli::{Cli, Command};
use crate::output;
use anyhow::{Context, Result};
use clap::CommandFactory;
use std::process::ExitCode;

pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Scan(args) => scan::run(&args),
        Command::Match(args) => matching::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Ingest(args) => ingest::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Jobs(command) => jobs::run(&command),
        Command::Tokens(command) => tokens::run(&command),
        Command::Campaign(command) => campaign::run(&command),
        Command::Store(command) => campaign::store(&command),
        Command::Models(command) => models::run(&command),
        Command::Bench(command) => bench::run(&command),
        Command::Doctor => doctor::run(),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "seamline", &mut text);
            output::bytes(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { dir: Some(dir) } => {
            std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
            clap_mangen::generate_to(Cli::command(), &dir).with_context(|| dir.display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { dir: None } => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            output::bytes(&text)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
