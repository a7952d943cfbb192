//! The terminal summary, as a fact-checker reads it.

#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

mod common;

use common::*;
use seamline_core::{ClipRecord, RunTotals};
use seamline_report::terminal::{Style, clip, totals};

const PLAIN: Style = Style { width: 80, colour: false };

macro_rules! shows {
    ($name:ident) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(clip(&common::$name(), &PLAIN));
        }
    };
}

shows!(spoof_voice);
shows!(inconclusive);
shows!(unreadable);
shows!(truncated);
shows!(findings);
shows!(bona_fide);
shows!(hostile);

#[test]
fn lines_fit_and_nothing_steers_the_terminal() {
    let mut records: Vec<ClipRecord> = all();
    records[0].path = "影".repeat(120);
    for record in &records {
        for width in [40, 80, 100] {
            let text = clip(record, &Style { width, colour: false });
            for line in text.lines() {
                let columns: usize = line.chars().map(|c| if c == '影' { 2 } else { 1 }).sum();
                assert!(columns <= width, "{columns} > {width}: {line}");
            }
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            assert!(!text.contains('\u{202e}'));
        }
    }
}

#[test]
fn colour_adds_only_colour() {
    for record in all() {
        let mut coloured = clip(&record, &Style { width: 80, colour: true });
        assert!(coloured.contains("\u{1b}[1m"));
        while let Some(at) = coloured.find('\u{1b}') {
            let end = at + coloured[at..].find('m').unwrap();
            coloured.replace_range(at..=end, "");
        }
        assert_eq!(coloured, clip(&record, &PLAIN));
    }
}

#[test]
fn totals_say_what_the_run_comes_to() {
    let mut t = common::totals(&all());
    t.interrupted = true;
    insta::assert_snapshot!(totals(&t, &PLAIN));
    assert_eq!(totals(&RunTotals::default(), &PLAIN), "0 clips\n");
}
