//! `docs/codes.md` describes every code, and no other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

use seamline_core::code::ALL;

#[test]
fn the_documentation_and_the_codes_are_the_same() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/codes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|l| l.starts_with("| `"))
        .map(|l| l.trim_matches('|').split('|').map(|c| c.trim().trim_matches('`')).collect())
        .collect();
    let want: Vec<Vec<String>> = ALL
        .iter()
        .map(|c| {
            let lower = |v: String| v.to_lowercase();
            vec![
                c.name.into(),
                lower(format!("{:?}", c.strength)),
                lower(format!("{:?}", c.direction)),
                c.summary.into(),
            ]
        })
        .collect();
    assert_eq!(rows.len(), want.len());
    for (row, code) in rows.iter().zip(&want) {
        assert_eq!(row, code);
    }
}

#[test]
fn every_code_that_can_carry_something_says_how_it_is_forged_and_stripped() {
    use seamline_core::Strength;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/codes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("## What an attacker must do").nth(1).unwrap();
    let named: Vec<&str> = table
        .lines()
        .filter(|l| l.starts_with("| ") && l.contains('.'))
        .flat_map(|l| l.trim_start_matches("| ").split(" |").next().unwrap_or_default().split(", "))
        .collect();
    for code in ALL.iter().filter(|c| c.strength != Strength::Context) {
        assert!(named.contains(&code.name), "{} has no row", code.name);
    }
    for name in named {
        assert!(ALL.iter().any(|c| c.name == name), "{name} is no code");
    }
}
