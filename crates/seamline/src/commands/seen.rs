//! Where clips were seen: said for a whole run on the command line, or for each clip in a side file.

use super::recorder::now;
use crate::cli::ScanArgs;
use anyhow::{Context, Result, bail};
use seamline_campaign::moment::Moment;
use seamline_campaign::store::Sighting;
use seamline_core::ClipId;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longest line of a side file, in bytes.
const MAX_LINE: u64 = 64 << 10;
/// Most lines of one: they are held in memory, some 200 bytes each.
const MAX_LINES: usize = 5_000_000;

/// One line of a side file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: Option<String>,
    sha256: Option<ClipId>,
    #[serde(default)]
    url: String,
    #[serde(default)]
    channel: String,
    seen_at: Moment,
}

/// Sightings of the clips of one run.
#[derive(Default)]
pub(crate) struct Seen {
    every: Vec<Sighting>,
    by_path: HashMap<String, Vec<Sighting>>,
    by_hash: HashMap<ClipId, Vec<Sighting>>,
}

impl Seen {
    /// As the command line says.
    pub(crate) fn from_args(args: &ScanArgs) -> Result<Self> {
        let mut seen = Self::default();
        if args.seen_at.is_some() || args.seen_on.is_some() || args.time.is_some() {
            let seen_at = match &args.time {
                Some(text) => Moment::parse(text).with_context(|| format!("--time {text}: not a time"))?,
                None => now(),
            };
            let text = |option: &Option<String>| option.clone().unwrap_or_default();
            seen.every.push(Sighting { url: text(&args.seen_at), channel: text(&args.seen_on), seen_at });
        }
        if let Some(path) = &args.sightings {
            seen.read(path).with_context(|| path.display().to_string())?;
        }
        Ok(seen)
    }

    /// Reads a side file. A bad line is an error with its number: a sighting that is lost in silence cannot be told
    /// from one that never was.
    fn read(&mut self, path: &Path) -> Result<()> {
        let mut reader = BufReader::new(File::open(path)?);
        for number in 1.. {
            let mut line = String::new();
            let read = reader
                .by_ref()
                .take(MAX_LINE)
                .read_line(&mut line)
                .with_context(|| format!("line {number}"))?;
            if read == 0 {
                break;
            }
            if read as u64 == MAX_LINE || number > MAX_LINES {
                bail!("line {number}: over the limit of {MAX_LINES} lines of {MAX_LINE} bytes");
            }
            if line.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&line).with_context(|| format!("line {number}"))?;
            let sighting = Sighting { url: line.url, channel: line.channel, seen_at: line.seen_at };
            match (line.path, line.sha256) {
                (Some(path), None) => self.by_path.entry(path).or_default().push(sighting),
                (None, Some(hash)) => self.by_hash.entry(hash).or_default().push(sighting),
                _ => bail!("line {number}: wants either path or sha256"),
            }
        }
        Ok(())
    }

    /// Sightings of one clip.
    pub(crate) fn of(&self, path: &str, clip: &ClipId) -> Vec<Sighting> {
        let by_path = self.by_path.get(path).map_or(&[][..], Vec::as_slice);
        let by_hash = self.by_hash.get(clip).map_or(&[][..], Vec::as_slice);
        [&self.every, by_path, by_hash].concat()
    }
}
