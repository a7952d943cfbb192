//! Tables and hash lists.

use super::Dossier;
use crate::observables::{Observables, View};
use crate::store::{Sighting, StoredClip};
use std::fmt::Write;

/// One line a sighting (one a clip without any), with a header; RFC 4180.
pub fn csv(d: &Dossier) -> String {
    let mut out = String::from("sha256,path,size,conclusion,llr,seen_at,channel,url,cluster,confirmed\r\n");
    for (clip, seen) in rows(d) {
        let cells = [
            clip.sha256.to_string(),
            clip.path.clone(),
            clip.size.to_string(),
            clip.conclusion.clone(),
            clip.llr.map(|l| format!("{l:.4}")).unwrap_or_default(),
            seen.map(|s| s.seen_at.to_string()).unwrap_or_default(),
            seen.map(|s| s.channel.clone()).unwrap_or_default(),
            seen.map(|s| s.url.clone()).unwrap_or_default(),
            d.title(),
            d.detail.summary.confirmed.to_string(),
        ];
        let row: Vec<String> = cells.iter().enumerate().map(|(i, c)| cell(c, i == 4)).collect();
        out.push_str(&row.join(","));
        out.push_str("\r\n");
    }
    out
}

/// One row a sighting, one a clip without any.
pub(super) fn rows(d: &Dossier) -> Vec<(&StoredClip, Option<&Sighting>)> {
    let mut rows = Vec::new();
    for clip in &d.detail.clips {
        let before = rows.len();
        let seen = d.detail.sightings.iter().filter(|(c, _)| *c == clip.sha256);
        rows.extend(seen.map(|(_, s)| (clip, Some(s))));
        if rows.len() == before {
            rows.push((clip, None));
        }
    }
    rows
}

/// Quoted where needed. Text that a spreadsheet would take for a formula gets an apostrophe: channels and paths are
/// chosen by whoever posts.
fn cell(text: &str, number: bool) -> String {
    let formula = !number && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Frame hashes of a clip in vPDQ's text format, one a line: number, quality, hash, seconds. For sharing without
/// media; only whole pictures, which is what vPDQ hashes.
pub fn hash_list(o: &Observables) -> String {
    let mut out = String::new();
    for (n, f) in o.frames.iter().filter(|f| f.view == View::Whole).enumerate() {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{n},{},{},{:.3}", f.quality, f.hash, f.time_us as f64 / 1e6);
    }
    out
}
