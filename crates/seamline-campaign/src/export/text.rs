//! Tables and hash lists.

use super::Dossier;
use crate::observables::{Observables, View};
use std::fmt::Write;

/// One line a sighting (one a clip without any), with a header; RFC 4180.
pub fn csv(d: &Dossier) -> String {
    let mut out = String::from("sha256,path,size,conclusion,llr,seen_at,channel,url,cluster,confirmed\r\n");
    for clip in &d.detail.clips {
        let mut line = |seen_at: String, channel: &str, url: &str| {
            let cells = [
                clip.sha256.to_string(),
                clip.path.clone(),
                clip.size.to_string(),
                clip.conclusion.clone(),
                clip.llr.map(|l| format!("{l:.4}")).unwrap_or_default(),
                seen_at,
                channel.to_owned(),
                url.to_owned(),
                d.title(),
                d.detail.summary.confirmed.to_string(),
            ];
            let row: Vec<String> = cells.iter().enumerate().map(|(i, c)| cell(c, i == 4)).collect();
            out.push_str(&row.join(","));
            out.push_str("\r\n");
        };
        let mut any = false;
        for (_, s) in d.detail.sightings.iter().filter(|(c, _)| *c == clip.sha256) {
            line(s.seen_at.to_string(), &s.channel, &s.url);
            any = true;
        }
        if !any {
            line(String::new(), "", "");
        }
    }
    out
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
