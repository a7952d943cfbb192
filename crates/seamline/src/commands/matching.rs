//! `seamline match`.

use crate::cli_campaign::MatchArgs;
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::matching::Match;
use seamline_infer::Home;
use seamline_pipeline::ScanOptions;
use seamline_pipeline::scan::{Event, Scan};
use seamline_pipeline::supervise::WorkerSetup;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) fn run(args: &MatchArgs) -> Result<ExitCode> {
    super::recorder::must_exist(&args.store)?;
    let recorder = super::recorder::open(&args.store)?;
    let setup = WorkerSetup {
        program: std::env::current_exe().context("finding this program")?,
        options: ScanOptions { judge_nothing: true, voices: true, ..ScanOptions::default() },
        allow_unjailed: args.allow_unjailed,
    };
    let mut scan = Scan::prepare(&Home::resolve(), setup, 1, false)?;
    scan.observe = true;
    let mut observed = None;
    let mut reason = String::new();
    let paths = Box::new(std::iter::once(args.clip.clone()));
    scan.run(paths, &Arc::default(), &mut |event| {
        if let Event::Finished { record, observables, .. } = event {
            observed = observables;
            reason = record.verdict.reasons.first().cloned().unwrap_or_default();
        }
    });
    let Some(observables) = observed else { bail!("{}: {reason}", args.clip.display()) };
    let (store, matcher) = recorder.parts();
    let matches = matcher.matches(&observables, store)?;
    for m in &matches {
        let line = if args.json { serde_json::to_string(m)? } else { in_words(m) };
        output::say(&line)?;
    }
    if matches.is_empty() && !args.json {
        output::say("nothing in the store shares pictures, sound, a voice or a logo with it")?;
    }
    Ok(ExitCode::from(u8::from(matches.is_empty())))
}

fn in_words(m: &Match) -> String {
    let mut text = format!("{:.2}  {:<18} {}", m.score, m.kind.as_str().replace('_', " "), m.path);
    if let (Some(start), Some(end), Some(there), Some(until)) =
        (m.start_s, m.end_s, m.other_start_s, m.other_end_s)
    {
        text += &format!("\n      {start:.1} to {end:.1} s here is {there:.1} to {until:.1} s there");
        if let Some(speed) = m.speed.filter(|s| (s - 1.0).abs() > 0.01) {
            text += &format!(", at {speed:.2} times the speed");
        }
        if m.mirrored == Some(true) {
            text += ", mirrored";
        }
    }
    text
}
