//! `seamline bench score`.

use crate::cli_bench::RunArgs;
use anyhow::Result;
use seamline_eval::protocol::Protocol;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn after_run(_args: &RunArgs, _protocol: &Protocol, _evidence: &Path) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
