//! A summary for a terminal: 80 columns, no colour needed.

use seamline_core::{ClipRecord, RunTotals};

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
}

/// One clip's summary.
pub fn clip(record: &ClipRecord, _style: &Style) -> String {
    format!("{}: {}\n", record.path, record.verdict.conclusion.as_str())
}

/// The run's last lines.
pub fn totals(totals: &RunTotals, _style: &Style) -> String {
    format!("{} clips\n", totals.clips)
}
