//! What was written is read back: the page of a stored report is the page of the record it was made from.

#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

mod common;

use common::{all, info};
use seamline_report::{html, jsonl, read};

#[test]
fn a_stored_report_shows_what_the_record_showed() {
    for record in all() {
        let text = jsonl::clip(&record, false).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let verdict = lines.pop().unwrap();
        let exhibits = serde_json::to_string(&record.exhibits).unwrap();
        let back = read::clip(verdict, lines, Some(&exhibits)).unwrap();
        assert_eq!(html::clip_page(&back, &info()), html::clip_page(&record, &info()), "{}", record.path);
        assert_eq!(jsonl::clip(&back, false).unwrap(), text, "{}", record.path);
    }
}

#[test]
fn a_line_that_says_what_cannot_be_is_refused() {
    let line = |conclusion: &str, llr: &str| {
        format!(
            r#"{{"type":"verdict","path":"a","sha256":null,"conclusion":"{conclusion}","llr":{llr},"llr_interval":[0.0,1.0],"aspects":{{}}}}"#
        )
    };
    assert!(read::clip(&line("inconclusive", "0.5"), [], None).is_ok());
    for bad in
        [line("supports_spoof", "0.5"), line("certainly", "0.5"), line("inconclusive", "2.0"), "{}".into()]
    {
        assert!(read::clip(&bad, [], None).is_err(), "{bad}");
    }
}
