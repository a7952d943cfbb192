//! Whatever strings a clip holds: lines stay lines, pages stay pages, the terminal is not steered.

#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

mod common;

use common::*;
use proptest::prelude::*;
use seamline_core::code;
use seamline_core::*;
use seamline_report::{html, jsonl, terminal};

/// Text with what is special to HTML, JSON, terminals and paths in it more often than chance would.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "<script>",
        "</style>",
        "<!--",
        "-->",
        "]]>",
        "&lt;",
        "&#60;",
        "\"",
        "'",
        ">",
        "<",
        "\u{1b}[2J",
        "\r\n",
        "\0",
        "\u{2028}",
        "\u{202e}",
        "\u{9b}",
        "../",
        "javascript:",
        "data:text/html,",
        "{{",
        "\\",
        "é",
        "影片",
        "😀",
    ]);
    prop::collection::vec(prop_oneof![special.prop_map(ToOwned::to_owned), any::<String>()], 0..5)
        .prop_map(|parts| parts.concat())
}

prop_compose! {
    fn record()(base in 0..6usize, t in prop::collection::vec(text(), 12)) -> ClipRecord {
        let mut r = all().swap_remove(base);
        r.path = t[0].clone();
        r.policy = t[1].clone();
        r.gaps.push(Gap { stream: None, span: span(0, 10), cause: t[2].clone() });
        r.evidence.push(finding(code::GEN_OTHER, Subject::Clip, &[(&t[3], &t[4])]));
        r.evidence.push(abstained("x", Aspect::Face, AbstainReason::NoFace, &t[5]));
        let failed = Outcome::Failed { stage: Stage::Decode, message: t[6].clone() };
        r.evidence.push(evidence("x", Aspect::Integrity, Subject::Clip, true, failed));
        r.evidence[0].version = t[7].clone();
        r.exhibits.push(Exhibit {
            kind: t[8].clone(),
            subject: Subject::Clip,
            caption: t[9].clone(),
            media_type: if t[10].len() % 2 == 0 { "image/png".into() } else { t[10].clone() },
            base64: t[11].clone(),
            heat: None,
            path: None,
        });
        r.streams.push(StreamInfo {
            index: StreamIndex(9), kind: StreamKind::Other, codec: t[8].clone(), judged: false, width: None, height: None,
            rotation_degrees: None, sample_rate_hz: None, channels: None, duration: None, bit_rate: None,
        });
        r.verdict.reasons = vec![t[9].clone(), t[3].clone()];
        r.verdict.fusion = t[10].clone();
        r.verdict.aspects[1].reasons = vec![t[11].clone()];
        r
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_parse_and_keep_the_strings(r in record()) {
        let text = jsonl::clip(&r, true).unwrap();
        prop_assert!(text.ends_with('\n'));
        let lines: Vec<serde_json::Value> = text.trim_end_matches('\n').split('\n').map(|l| serde_json::from_str(l).unwrap()).collect();
        prop_assert_eq!(lines.len(), r.evidence.len() + 1);
        let verdict = lines.last().unwrap();
        prop_assert_eq!(verdict["path"].as_str(), Some(r.path.as_str()));
        for (line, e) in lines.iter().zip(&r.evidence) {
            prop_assert_eq!(&serde_json::from_value::<Evidence>(line.clone()).unwrap(), e);
        }
    }

    #[test]
    fn pages_hold_no_markup_from_the_data(r in record()) {
        let file = html::file_name(&r);
        prop_assert!(file.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')));
        prop_assert!(!file.starts_with(['.', '-']) && !file.contains("..") && file.len() <= 64, "{}", file);
        let page = html::clip_page(&r, &info());
        let index = html::index_page(&[html::IndexEntry::new(&r, file)], &RunTotals::default(), &info());
        for page in [&page, &index] {
            prop_assert!(!page.contains("<script") && !page.contains("<!--") && page.matches("</style>").count() == 1);
            prop_assert!(page.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
            // Every `<` begins a tag of ours.
            for after in page.split('<').skip(1) {
                let name: String = after.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
                prop_assert!(OURS.contains(&name.as_str()) || after.starts_with("!DOCTYPE html>"), "<{name}");
            }
        }
    }

    #[test]
    fn the_terminal_is_not_steered_and_lines_fit(r in record(), width in 40..101usize) {
        let text = terminal::clip(&r, &terminal::Style { width, colour: false });
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        for line in text.lines() {
            let columns: usize = line.chars().map(|c| unicode_width::UnicodeWidthChar::width(c).unwrap_or(0)).sum();
            prop_assert!(columns <= width, "{} > {}: {}", columns, width, line);
        }
    }
}

/// Every element that pages use.
const OURS: [&str; 47] = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "header",
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "nav",
    "main",
    "section",
    "div",
    "span",
    "svg",
    "path",
    "circle",
    "rect",
    "line",
    "text",
    "g",
    "defs",
    "pattern",
    "figure",
    "figcaption",
    "strong",
    "ul",
    "li",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "dl",
    "dt",
    "dd",
    "pre",
    "article",
    "img",
    "footer",
];
