//! Writes the seeds of every target: `seed_corpus FOLDER` makes `FOLDER/<target>/seed-<n>`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(root) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return fail("usage: seed_corpus FOLDER");
    };
    for target in seamline_fuzz::TARGETS {
        let folder = root.join(target.name);
        let written = seamline_fuzz::seeds(target.name).map_err(|e| e.to_string()).and_then(|seeds| {
            std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
            seeds.iter().enumerate().try_for_each(|(n, seed)| {
                std::fs::write(folder.join(format!("seed-{n}")), seed).map_err(|e| e.to_string())
            })
        });
        if let Err(e) = written {
            return fail(&format!("{}: {e}", target.name));
        }
    }
    ExitCode::SUCCESS
}

#[allow(clippy::print_stderr)] // a tool for developers
fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}
