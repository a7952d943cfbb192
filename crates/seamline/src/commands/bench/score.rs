//! `seamline bench score`: from answers to tables, files and plots.

use super::inputs::read_all;
use crate::cli_bench::{BootstrapArgs, ProtocolArgs, RunArgs, ScoreArgs};
use crate::output;
use anyhow::{Context, Result};
use seamline_eval::answers::AnswerSet;
use seamline_eval::evidence::{self, CLEAN, Strictness};
use seamline_eval::measure::{MeasureOptions, Row, measure};
use seamline_eval::protocol::{Protocol, Share};
use seamline_eval::{arena, html, summary, trials};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(args: &ScoreArgs) -> Result<ExitCode> {
    let protocol = super::protocol(&args.protocol)?;
    let set = read_all(&args.evidence, &protocol, &args.foreign)?;
    let scored = Scored::new(&protocol, &set, &args.protocol, args.bootstrap);
    if let Some(dir) = &args.out {
        scored.write(dir)?;
    }
    if let Some(file) = &args.markdown {
        let title = format!("Detectors on {}", protocol.name);
        write(file, summary::markdown(&title, &scored.notes, &scored.rows).as_bytes())?;
    }
    if !args.quiet {
        scored.show()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Scores what `bench run` has just written.
pub(crate) fn after_run(args: &RunArgs, protocol: &Protocol, file: &Path) -> Result<ExitCode> {
    let set = evidence::read(file, protocol, Strictness::default())?;
    let scored = Scored::new(protocol, &set, &args.protocol, args.bootstrap);
    scored.write(&args.out)?;
    if !args.quiet {
        scored.show()?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Scored<'a> {
    protocol: &'a Protocol,
    set: &'a AnswerSet,
    split: &'a str,
    notes: Vec<String>,
    rows: Vec<Row>,
}

impl<'a> Scored<'a> {
    fn new(
        protocol: &'a Protocol,
        set: &'a AnswerSet,
        args: &'a ProtocolArgs,
        bootstrap: BootstrapArgs,
    ) -> Self {
        let options = MeasureOptions { resamples: bootstrap.resamples, seed: bootstrap.seed };
        let rows = measure(protocol, set, &options);
        let split = args.split.as_deref().unwrap_or_default();
        Self { protocol, set, split, notes: notes(protocol, set, split, args.share, bootstrap), rows }
    }

    fn show(&self) -> Result<()> {
        for note in &self.notes {
            output::say(note)?;
        }
        output::bytes(summary::terminal(&self.rows).as_bytes())?;
        Ok(())
    }

    /// `metrics.json`, `trials.parquet`, `report.html`, and `arena/<detector>/result.yaml` with its scores.
    fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("{}: cannot be made", dir.display()))?;
        let mut json = serde_json::to_vec_pretty(&self.rows)?;
        json.push(b'\n');
        write(&dir.join("metrics.json"), &json)?;
        let path = dir.join("trials.parquet");
        let file = File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
        trials::write_parquet(BufWriter::new(file), self.protocol, self.set)
            .with_context(|| format!("{}: writing failed", path.display()))?;
        let page = html::page(self.protocol, self.set, &self.rows, &self.notes);
        write(&dir.join("report.html"), page.as_bytes())?;
        for (key, answers) in self.set.iter().filter(|(k, _)| k.condition == CLEAN) {
            let Some(result) = arena::arena_result(self.protocol, self.split, key, answers) else { continue };
            let dir = dir.join("arena").join(file_name(&key.detector));
            fs::create_dir_all(&dir).with_context(|| format!("{}: cannot be made", dir.display()))?;
            write(&dir.join("scores.csv"), result.scores.as_bytes())?;
            write(&dir.join("result.yaml"), result.yaml.as_bytes())?;
        }
        Ok(())
    }
}

/// What a reader must know beside the figures.
fn notes(
    protocol: &Protocol,
    set: &AnswerSet,
    split: &str,
    share: Option<Share>,
    bootstrap: BootstrapArgs,
) -> Vec<String> {
    let mut of = if split.is_empty() { String::new() } else { format!(", split {split}") };
    if let Some(share) = share {
        of += &format!(", {} of each source and class", share.fraction());
    }
    let mut notes = vec![format!(
        "Protocol {}{of}: {} trials; {} resamples, seed {}.",
        protocol.name,
        protocol.trials.len(),
        bootstrap.resamples,
        bootstrap.seed
    )];
    if !protocol.same_file.is_empty() {
        notes.push(format!(
            "{} further rows are files that the protocol lists twice; each file counts once.",
            protocol.same_file.len()
        ));
    }
    if protocol.unlabelled > 0 {
        notes.push(format!("{} rows without a label are no trials.", protocol.unlabelled));
    }
    let missing: usize = set
        .values()
        .map(|a| protocol.trials.len().saturating_sub(a.by_trial.len()))
        .max()
        .unwrap_or_default();
    if missing > 0 && set.keys().all(|k| k.condition == CLEAN) {
        notes.push(format!("Partial: up to {missing} trials have no answer and are in no figure."));
    }
    notes
}

/// A detector of others may be called anything.
fn file_name(detector: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = detector.chars().map(fit).collect();
    if name.is_empty() { "unnamed".into() } else { name }
}

/// Beside the final name, then renamed: a reader never meets half a file.
pub(crate) fn write(path: &Path, data: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let result = fs::write(&part, data).and_then(|()| fs::rename(&part, path));
    if result.is_err() {
        let _ = fs::remove_file(&part); // the write's own error is the one that matters
    }
    result.with_context(|| format!("{}: cannot be written", path.display()))
}
