//! The store beside a scan: every finished clip is recorded, matched with everything seen, and linked.

use super::seen::Seen;
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::matching::Matcher;
use seamline_campaign::moment::Moment;
use seamline_campaign::observables::Observables;
use seamline_campaign::store::{Recording, SqliteStore, Store};
use seamline_core::{ClipRecord, RunInfo};
use seamline_report::jsonl;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, to the millisecond.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok().and_then(Moment::from_millis).unwrap_or(Moment::EPOCH)
}

/// Reading makes no store: a mistyped path is an error, not an empty store.
pub(crate) fn must_exist(store: &Path) -> Result<()> {
    if !store.is_file() {
        bail!("{}: no store there; `seamline scan --store` makes one", store.display());
    }
    Ok(())
}

/// A store with its indexes.
pub(crate) struct Recorder {
    store: SqliteStore,
    matcher: Matcher,
    path: PathBuf,
    seen: Seen,
}

/// The folder of a store's indexes: they can be thrown away, and are built again.
fn index_folder(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

impl Recorder {
    /// Opens or makes the store at `path`.
    pub(crate) fn open(path: &Path, seen: Seen) -> Result<Self> {
        let store = SqliteStore::open(path).with_context(|| format!("{}", path.display()))?;
        let (matcher, said) = Matcher::open(&index_folder(path), &store)
            .with_context(|| format!("{}: its index", path.display()))?;
        if let Some(said) = said {
            output::complain(&said);
        }
        Ok(Self { store, matcher, path: path.to_owned(), seen })
    }

    /// The store and its indexes.
    pub(crate) fn parts(&self) -> (&SqliteStore, &Matcher) {
        (&self.store, &self.matcher)
    }

    /// Records one clip. One that could not be read has no identity and is left to the report.
    pub(crate) fn record(
        &mut self,
        record: &ClipRecord,
        observables: Option<&Observables>,
        info: &RunInfo,
    ) -> Result<()> {
        let Some(clip) = record.clip else { return Ok(()) };
        let context = || format!("{}: recording {}", self.path.display(), record.path);
        let lines = jsonl::clip(record, false)?;
        let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        let verdict = lines.pop().unwrap_or_default();
        let sightings = self.seen.of(&record.path, &clip);
        let recording = Recording {
            clip,
            path: &record.path,
            size: record.size,
            at: now(),
            pipeline_digest: info.pipeline_digest,
            conclusion: record.verdict.conclusion.as_str(),
            llr: record.verdict.llr.map(|l| l.value.nats()),
            verdict_line: &verdict,
            evidence_lines: &lines,
            observables,
            sightings: &sightings,
        };
        let recorded = self.store.record(&recording).with_context(context)?;
        if recorded.reviews > 0 {
            output::complain(&format!(
                "{}: the verdict changed; near-duplicates to look at again: {} (`seamline campaign reviews`)",
                record.path, recorded.reviews
            ));
        }
        if let Some(observables) = observables.filter(|_| recorded.new_observables) {
            let matches = self.matcher.matches(observables, &self.store).with_context(context)?;
            let links: Vec<_> = matches.iter().filter_map(|m| m.link(clip)).collect();
            if !links.is_empty() {
                self.store.add_links(&links).with_context(context)?;
            }
        }
        Ok(())
    }

    /// Makes the indexes durable; a run that ends without it costs the next one time, nothing else.
    pub(crate) fn close(self) -> Result<()> {
        self.matcher.flush().with_context(|| format!("{}: its index", self.path.display()))
    }
}
