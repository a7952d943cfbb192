//! The command line itself: help, manual pages, completions, and what a wrong call says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

mod common;

use common::seamline;

fn stdout(args: &[&str]) -> String {
    let output = seamline().args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_teaches() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    insta::assert_snapshot!("scan-help", stdout(&["scan", "--help"]));
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    stdout(&["man", "--dir", dir.path().to_str().unwrap()]);
    let help = stdout(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|l| *l != "Commands:")
        .skip(1)
        .take_while(|l| !l.is_empty())
        .filter_map(|l| l.split_whitespace().next())
        .filter(|c| *c != "help")
        .collect();
    assert!(commands.contains(&"scan"), "{help}");
    for command in commands {
        let name = format!("seamline-{command}.1");
        assert!(dir.path().join(&name).is_file(), "{name}");
    }
    let page = std::fs::read_to_string(dir.path().join("seamline-scan.1")).unwrap();
    assert!(page.contains("\\-\\-profile") && page.contains("Exit status"), "{page}");
    assert!(stdout(&["man"]).starts_with(".ie") && dir.path().join("seamline.1").is_file());
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let text = stdout(&["completions", shell]);
        assert!(text.contains("scan") && text.contains("doctor"), "{shell}");
    }
}

#[test]
fn a_wrong_option_is_named_and_exits_with_two() {
    let output = seamline().args(["scan", "--profil", "fast", "x.mp4"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--profil"));
}
