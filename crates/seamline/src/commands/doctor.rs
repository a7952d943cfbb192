//! `seamline doctor`: what is present, what is missing, how to mend it. The jail is not believed but tried.

use super::models;
use crate::output;
use anyhow::Result;
use seamline_core::Limits;
use seamline_infer::{Home, Runtime};
use seamline_pipeline::supervise::{Worker, WorkerSetup};
use seamline_pipeline::{Probe, ScanOptions};
use std::process::ExitCode;

struct Checks {
    failed: u32,
}

impl Checks {
    fn line(&mut self, what: &str, result: std::result::Result<String, String>) -> Result<()> {
        match result {
            Ok(found) => output::say(&format!("ok    {what:<16} {found}"))?,
            Err(problem) => {
                self.failed += 1;
                output::say(&format!("FAIL  {what:<16} {problem}"))?;
            }
        }
        Ok(())
    }
}

pub(crate) fn run() -> Result<ExitCode> {
    let home = Home::resolve();
    let mut checks = Checks { failed: 0 };
    output::say(&format!("seamline {}", env!("CARGO_PKG_VERSION")))?;
    checks.line("machine", Ok(machine()))?;
    let (codec, format, licence) = seamline_media::versions();
    checks.line("FFmpeg", Ok(format!("libavcodec {codec}, libavformat {format} ({licence})")))?;
    checks.line(
        "ONNX Runtime",
        Runtime::find(&home)
            .map(|p| format!("{} verified, {}", seamline_infer::RUNTIME_VERSION, p.display()))
            .map_err(|e| e.to_string()),
    )?;
    for manifest in models::all(&home) {
        match manifest {
            Ok(m) => {
                let state =
                    models::state(&home, &m).map(|()| format!("verified, sha256 {}", m.sha256().short()));
                checks.line(m.id.as_str(), state)?;
            }
            Err(e) => checks.line("manifest", Err(e.to_string()))?,
        }
    }
    jail(&mut checks)?;
    if checks.failed > 0 {
        output::say(&format!("{} problems; scripts/setup.sh mends missing or damaged files", checks.failed))?;
    }
    Ok(ExitCode::from(if checks.failed > 0 { 2 } else { 0 }))
}

/// Starts a real worker and lets it try what it must not be able to do.
fn jail(checks: &mut Checks) -> Result<()> {
    let setup = WorkerSetup {
        program: std::env::current_exe()?,
        options: ScanOptions::default(),
        allow_unjailed: true,
    };
    let mut worker = match Worker::start(&setup) {
        Ok(worker) => worker,
        Err(e) => return checks.line("worker", Err(e.to_string())),
    };
    let status = worker.status().clone();
    let summary =
        format!("seccomp {}, landlock {}", if status.seccomp { "on" } else { "off" }, status.landlock);
    let hint = "; a kernel from 6.7 with CONFIG_SECURITY_LANDLOCK and seccomp has both";
    checks.line("jail", if status.is_full() { Ok(summary) } else { Err(summary + hint) })?;
    for (what, probe) in
        [("jail: network", Probe::Socket), ("jail: files", Probe::ReadFile), ("jail: programs", Probe::Exec)]
    {
        let result = match worker.probe(probe, &Limits::default()) {
            Ok(Some(refusal)) => Ok(format!("refused ({refusal})")),
            Ok(None) => Err("was allowed".to_owned()),
            Err(e) => Err(e),
        };
        checks.line(what, result)?;
    }
    Ok(())
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    #[cfg(target_arch = "x86_64")]
    let features = {
        let known = [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
            ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
            ("sha", std::arch::is_x86_feature_detected!("sha")),
        ];
        known.iter().filter(|f| f.1).map(|f| f.0).collect::<Vec<_>>().join(" ")
    };
    #[cfg(not(target_arch = "x86_64"))]
    let features = "";
    format!("{} {}, {cores} cores, {features}", std::env::consts::OS, std::env::consts::ARCH)
}
