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
