//! File names of pages.

use seamline_core::{ClipRecord, Sha256Hash};

/// Characters of the clip's own name that are kept.
const STEM: usize = 40;

/// Names that Windows gives to devices, whatever follows the first dot.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// A page's file name: the clip's name made safe, and the first twelve digits of its hash (of its path, where
/// the file could not be read). Never a path: `[A-Za-z0-9._-]` only, and never a dot in front.
pub fn file_name(record: &ClipRecord) -> String {
    let name = record.path.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut kept = String::new();
    for c in stem.chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        // One dash or dot for a run of them: no `..`, and no row of dashes for a title in another script.
        if matches!(c, '-' | '.') && (kept.is_empty() || kept.ends_with(['-', '.'])) {
            continue;
        }
        kept.push(c);
        if kept.len() == STEM {
            break;
        }
    }
    let kept = kept.trim_end_matches(['-', '.']);
    let hash = record.clip.unwrap_or_else(|| Sha256Hash::of(record.path.as_bytes())).short();
    let first = kept.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let device = DEVICES.contains(&first.as_str())
        || (first.len() == 4
            && (first.starts_with("COM") || first.starts_with("LPT"))
            && first.ends_with(|c: char| c.is_ascii_digit()));
    match kept {
        "" => format!("clip.{hash}.html"),
        kept if device => format!("clip-{kept}.{hash}.html"),
        kept => format!("{kept}.{hash}.html"),
    }
}
