//! A summary for a terminal: 80 columns, no colour needed.
//!
//! Every string of the clip (path, metadata, messages) passes `words::safe`, so that none can steer the
//! terminal.

use crate::words;
use seamline_core::{AspectVerdict, ClipRecord, Conclusion, RunTotals, Strength, Subject};
use unicode_width::UnicodeWidthChar;

/// How text is set.
#[derive(Clone, Debug)]
pub struct Style {
    /// Columns, at most.
    pub width: usize,
    /// Whether colour may be used.
    pub colour: bool,
}

impl Style {
    /// Width of the terminal, at most 100; colour on a terminal unless `NO_COLOR` is set (no-color.org).
    pub fn detect(is_terminal: bool) -> Self {
        let width = terminal_size::terminal_size().map_or(80, |(w, _)| usize::from(w.0)).clamp(40, 100);
        let colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { width, colour }
    }

    /// `text` in an SGR colour, if colour is on. Colour only repeats what the words say.
    fn paint(&self, sgr: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
/// Columns of the labels at the left.
const LABEL: usize = 14;
/// Findings, gaps and reasons that are listed; the reports hold them all.
const MOST: usize = 8;
/// Characters of one value.
const VALUE: usize = 200;

const fn colour_of(c: Conclusion) -> &'static str {
    match c {
        Conclusion::SupportsSpoof(_) => "1;31",
        Conclusion::SupportsBonaFide(_) => "1;34",
        Conclusion::Inconclusive => "1;33",
        Conclusion::NotAssessable => BOLD,
    }
}

/// One clip's summary: lines of at most `style.width` columns, and an empty one.
pub fn clip(record: &ClipRecord, style: &Style) -> String {
    let mut page = Page { out: String::new(), style };
    let v = &record.verdict;
    for (i, line) in wrap(&words::safe(&record.path, false), style.width, style.width - 2).iter().enumerate()
    {
        page.out += if i > 0 { "  " } else { "" };
        page.out += &style.paint(BOLD, line);
        page.out.push('\n');
    }
    page.headline(record);
    for a in v.aspects.iter().filter(|a| record.evidence.iter().any(|e| e.aspect == a.aspect)) {
        page.aspect(record, a);
    }
    page.findings(record);
    page.gaps(record);
    if let Some(quiet) = words::quiet(record) {
        page.entry("no finding", DIM, &quiet, DIM);
    }
    if let Some((all, why)) = words::silent(record) {
        page.entry("not covered", DIM, &format!("{all}: {why}"), DIM);
    }
    for note in notes(record) {
        page.entry("note", DIM, &note, "");
    }
    page.out.push('\n');
    page.out
}

/// What a reader must not take the conclusion for.
fn notes(record: &ClipRecord) -> Vec<String> {
    let mut out = Vec::new();
    match record.verdict.conclusion {
        Conclusion::SupportsSpoof(_) | Conclusion::SupportsBonaFide(_) => {
            out.push("support is not proof; weigh it with what else is known about the clip".into());
        }
        Conclusion::Inconclusive => {
            let aspects = &record.verdict.aspects;
            if aspects.iter().all(|a| !matches!(a.conclusion, Conclusion::SupportsSpoof(_))) {
                out.push(match record.verdict.llr.filter(|l| l.value.nats() > 0.0) {
                    Some(_) => "below the operating point, where genuine clips lie too; not proof".into(),
                    None => "nothing found; that is not proof of a genuine clip".into(),
                });
            } else {
                // The fuser's own sentence says what contradicts what.
                out.extend(record.verdict.reasons.first().map(|r| words::safe(r, false)));
                out.push("the evidence contradicts itself; a person has to look".into());
            }
        }
        Conclusion::NotAssessable => {
            out.push("not judged; this says nothing about whether the clip is genuine".into());
        }
    }
    out
}

/// The run's last lines.
pub fn totals(totals: &RunTotals, style: &Style) -> String {
    let mut parts = Vec::new();
    for (n, what) in [
        (totals.supports_spoof, if totals.supports_spoof == 1 { "supports spoof" } else { "support spoof" }),
        (
            totals.supports_bonafide,
            if totals.supports_bonafide == 1 { "supports bona fide" } else { "support bona fide" },
        ),
        (totals.inconclusive, "inconclusive"),
        (totals.not_assessable, "not assessable"),
    ] {
        if n > 0 {
            parts.push(format!("{} {what}", words::thousands(n)));
        }
    }
    let mut text = words::count(totals.clips, "clip", "clips");
    if !parts.is_empty() {
        text = format!("{text}: {}", parts.join(", "));
    }
    if totals.failed > 0 {
        text = format!("{text}; {} with failures", words::thousands(totals.failed));
    }
    let mut out = String::new();
    for line in wrap(&text, style.width, style.width) {
        out += &style.paint(BOLD, &line);
        out.push('\n');
    }
    if totals.interrupted {
        out += "Interrupted: clips that were not begun are not counted.\n";
    }
    out
}

struct Page<'s> {
    out: String,
    style: &'s Style,
}

impl Page<'_> {
    fn headline(&mut self, record: &ClipRecord) {
        let v = &record.verdict;
        let mut words = words::conclusion(v.conclusion).to_uppercase();
        if let Some(s) = v.conclusion.support() {
            words = format!("{words} ({})", words::support(s));
        }
        // The overall LLR is the highest of all aspects: under a verdict that findings carry it would mislead.
        let llr = match (v.conclusion.support(), words::carrying_llr(record), v.llr) {
            (Some(_), None, _) => Some("by findings, not by an LLR".into()),
            (_, Some(l), _) | (None, None, Some(l)) => Some(format!("LLR {}", words::llr(l))),
            (None, None, None) => None,
        };
        let room = self.style.width.saturating_sub(2 + words.len() + 3);
        self.out += "  ";
        self.out += &self.style.paint(colour_of(v.conclusion), &words);
        if let Some(llr) = llr {
            self.out += if llr.len() <= room { "   " } else { "\n  " };
            self.out += &llr;
        }
        self.out.push('\n');
    }

    fn aspect(&mut self, record: &ClipRecord, a: &AspectVerdict) {
        let why = words::not_judged(record, a.aspect);
        let number = match (a.llr, a.score) {
            (Some(l), _) => Some(format!("LLR {}", words::llr(l))),
            (None, Some(s)) => Some(format!("raw score {s:.3} (higher supports spoof), no LLR")),
            (None, None) => None,
        };
        let mut lines: Vec<String> = Vec::new();
        match a.conclusion {
            // The reasons below say it better.
            Conclusion::NotAssessable if !why.is_empty() => {}
            Conclusion::NotAssessable => lines.push("nothing to judge; see the findings".into()),
            c => lines.push(words::conclusion_with_band(c)),
        }
        if let Some(first) = lines.first_mut() {
            first.extend(number.into_iter().flat_map(|n| [", ".into(), n]));
        }
        if !a.families.is_empty() {
            lines.push(format!("sees {}", words::families(&a.families)));
        }
        let more = why.len().saturating_sub(MOST);
        lines.extend(why.iter().take(MOST).map(|w| words::safe(&words::shorten(w, VALUE), false)));
        if more > 0 {
            lines.push(format!("{more} more not judged"));
        }
        for (i, line) in lines.iter().enumerate() {
            let label = if i == 0 { a.aspect.as_str() } else { "" };
            self.entry(label, colour_of(a.conclusion), line, "");
        }
    }

    fn findings(&mut self, record: &ClipRecord) {
        // A gap's own finding repeats the gap; it is listed there.
        let all: Vec<_> = words::findings(record)
            .into_iter()
            .filter(|(_, _, code, _)| record.gaps.is_empty() || !is_gap_code(code.name))
            .collect();
        for (_, e, code, detail) in all.iter().take(MOST) {
            let sgr = if code.strength >= Strength::Declares { BOLD } else { "" };
            let mut text = format!("{} [{}", code.summary, code.name);
            if !matches!(e.subject, Subject::Clip) {
                text += &format!(", {}", words::subject(&e.subject));
            }
            text.push(']');
            self.entry(words::strength(code.strength), sgr, &text, "");
            for (name, value) in detail.iter().take(MOST) {
                let line = format!("{name}: {}", words::shorten(value, VALUE));
                self.entry("", "", &words::safe(&line, false), DIM);
            }
        }
        if all.len() > MOST {
            self.entry("", "", &format!("{} more findings in the report", all.len() - MOST), DIM);
        }
    }

    fn gaps(&mut self, record: &ClipRecord) {
        for gap in record.gaps.iter().take(MOST) {
            let place = gap.stream.map_or_else(|| "the file".into(), |s| format!("stream {}", s.0));
            let cause = words::safe(&words::shorten(&gap.cause, VALUE), false);
            self.entry("gap", "33", &format!("{place}, {}: {cause}", gap.span), "");
        }
        if record.gaps.len() > MOST {
            self.entry("", "", &format!("{} more gaps in the report", record.gaps.len() - MOST), DIM);
        }
    }

    /// A label and its text, wrapped beside it.
    fn entry(&mut self, label: &str, label_sgr: &str, text: &str, text_sgr: &str) {
        let width = self.style.width.saturating_sub(2 + LABEL).max(16);
        for (i, line) in wrap(text, width, width).iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            let pad = " ".repeat(LABEL.saturating_sub(label.len()));
            self.out += "  ";
            if label.is_empty() || label_sgr.is_empty() {
                self.out += label;
            } else {
                self.out += &self.style.paint(label_sgr, label);
            }
            self.out += &pad;
            if text_sgr.is_empty() {
                self.out += line;
            } else {
                self.out += &self.style.paint(text_sgr, line);
            }
            self.out.push('\n');
        }
    }
}

fn is_gap_code(name: &str) -> bool {
    name == seamline_core::code::CONTAINER_TRUNCATED.name
        || name == seamline_core::code::CONTAINER_DAMAGED.name
}

/// Lines of at most `first` and then `rest` columns, broken at spaces; a word that is longer is broken where it
/// must. Wide (CJK) characters count twice.
fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let columns: usize = word.chars().map(columns_of).sum();
        let room = if lines.is_empty() { first } else { rest };
        if used > 0 && used + 1 + columns <= room {
            line.push(' ');
            line.push_str(word);
            used += 1 + columns;
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for c in word.chars() {
            let room = if lines.is_empty() { first } else { rest };
            if used + columns_of(c) > room && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += columns_of(c);
        }
    }
    lines.push(line);
    lines
}

fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_in_their_columns_and_lose_nothing() {
        assert_eq!(wrap("one two three", 7, 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4, 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("影片影片", 5, 4), ["影片", "影片"]);
        assert_eq!(wrap("", 5, 5), [""]);
        assert_eq!(wrap("a b c", 1, 3), ["a", "b c"]);
    }
}
