//! Running the real binary and reading what it wrote.
#![allow(dead_code, unreachable_pub)] // each test file uses its own part

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The source tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The binary under test, with the source tree as its home.
pub fn seamline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seamline"));
    command.env("SEAMLINE_HOME", root()).env_remove("SEAMLINE_ORT_LIB").env("NO_COLOR", "1");
    command.env("SEAMLINE_USER_MODELS", root().join("target/no-user-models"));
    command
}

/// A finished scan.
pub struct Scan {
    pub output: Output,
    pub lines: Vec<Value>,
    pub text: String,
}

impl Scan {
    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub fn verdicts(&self) -> Vec<&Value> {
        self.lines.iter().filter(|l| l["type"] == "verdict").collect()
    }

    pub fn evidence(&self) -> Vec<&Value> {
        self.lines.iter().filter(|l| l["type"] == "evidence").collect()
    }

    /// The first failure's stage and message.
    pub fn failure(&self) -> Option<(String, String)> {
        self.evidence().iter().find(|e| e["outcome"] == "failed").map(|e| {
            (e["stage"].as_str().unwrap_or_default().into(), e["message"].as_str().unwrap_or_default().into())
        })
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// Scans `paths` with further `args` and reads the JSON Lines.
pub fn scan(paths: &[&Path], args: &[&str]) -> Scan {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.jsonl");
    let output =
        seamline().arg("scan").args(paths).args(args).arg("--quiet").arg("--out").arg(&out).output().unwrap();
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    let lines =
        text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
    Scan { output, lines, text }
}
