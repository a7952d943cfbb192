//! Every file of the provenance set shows exactly the findings of `datasets/provenance/expected.tsv`. The set holds
//! other people's media and is no part of the repository: where it is absent, the test says so and passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // helpers outside of #[test] functions

mod common;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// `$SEAMLINE_PROVENANCE_DATA`, or `shared/data/provenance` beside one of the folders above this one.
fn data() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("SEAMLINE_PROVENANCE_DATA") {
        return Some(dir.into());
    }
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.map(|dir| dir.join("shared/data/provenance")).find(|dir| dir.is_dir())
}

#[test]
fn every_known_file_shows_exactly_what_the_table_says() {
    let Some(data) = data() else {
        println!("skipped: no provenance set here (SEAMLINE_PROVENANCE_DATA names one)");
        return;
    };
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/provenance/expected.tsv");
    let table = std::fs::read_to_string(table).unwrap();
    let mut expected: BTreeMap<&str, (&str, BTreeSet<&str>)> = BTreeMap::new();
    for row in table.lines().skip(1) {
        let [sha256, name, findings] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        expected.insert(sha256, (name, findings.split(' ').filter(|f| *f != "-").collect()));
    }
    let out = std::env::temp_dir().join(format!("seamline-provenance-{}.jsonl", std::process::id()));
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_seamline"))
        .args(["scan", "--quiet", "--allow-unjailed", "--trust-list"])
        .arg(data.join("c2pa-org+conformance-public"))
        .arg("--out")
        .args([&out, &data])
        .status()
        .unwrap();
    // Some of the files are broken on purpose, so that not every clip can be assessed.
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    let report = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in report.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let Some(sha256) = record["sha256"].as_str() else { continue };
        let codes = found.entry(sha256.to_owned()).or_default();
        codes.extend(record["code"].as_str().map(str::to_owned));
    }
    let mut compared = 0;
    let known: BTreeSet<&str> = expected.values().flat_map(|(_, codes)| codes.iter().copied()).collect();
    for (sha256, codes) in &found {
        let Some((name, want)) = expected.get(sha256.as_str()) else { continue };
        // Context is not in the table, unless the table names its code somewhere.
        let got: BTreeSet<&str> =
            codes.iter().map(String::as_str).filter(|c| known.contains(c) || !is_context(c)).collect();
        assert_eq!(&got, want, "{name}");
        compared += 1;
    }
    assert!(compared >= expected.len() * 9 / 10, "only {compared} of {} files are here", expected.len());
}

fn is_context(code: &str) -> bool {
    let named = seamline_core::code::FindingCode::by_name(code);
    code.starts_with("forensics.") || named.is_some_and(|c| c.strength == seamline_core::Strength::Context)
}
