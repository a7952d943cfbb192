//! `seamline bench compare`: B - A over the trials that both scored.

use super::inputs::Input;
use crate::cli_bench::CompareArgs;
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_eval::answers::{AnswerSet, Answers};
use seamline_eval::compare::compare;
use seamline_eval::evidence::{CLEAN, VERDICT};
use seamline_eval::measure::MeasureOptions;
use std::process::ExitCode;

pub(crate) fn run(args: &CompareArgs) -> Result<ExitCode> {
    let protocol = super::protocol(&args.protocol)?;
    let a = Input::parse(&args.a).read(&protocol, &args.foreign)?;
    let b = Input::parse(&args.b).read(&protocol, &args.foreign)?;
    let (name_a, a) = choose(&a, args.detector_a.as_deref(), &args.a)?;
    let wanted_b = args.detector_b.as_deref().or(args.detector_a.as_deref());
    let (name_b, b) = choose(&b, wanted_b, &args.b)?;
    let options = MeasureOptions { resamples: args.bootstrap.resamples, seed: args.bootstrap.seed };
    let rows = compare(&protocol, a, b, &options).with_context(|| {
        format!("{name_a} and {name_b} cannot be compared on the trials that both scored")
    })?;
    if let Some(path) = &args.out {
        let mut json = serde_json::to_vec_pretty(&rows)?;
        json.push(b'\n');
        super::score::write(path, &json)?;
    }
    if let Some(first) = rows.first() {
        output::say(&format!(
            "A = {name_a}, B = {name_b}: {} bona fide and {} spoofed trials that both scored; {} only A, {} only B",
            first.n_bonafide, first.n_spoof, first.only_a, first.only_b
        ))?;
        output::say(&format!("{:<12} {:>9} {:>9}   B - A [95 %]", "metric", "A", "B"))?;
    }
    for r in &rows {
        let interval = r.lo.zip(r.hi).map_or(String::new(), |(lo, hi)| format!(" [{lo:+.4}, {hi:+.4}]"));
        output::say(&format!("{:<12} {:>9.4} {:>9.4}   {:+.4}{interval}", r.metric, r.a, r.b, r.difference))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The one detector of clean clips, or the one that was asked for.
fn choose<'s>(set: &'s AnswerSet, wanted: Option<&str>, file: &str) -> Result<(&'s str, &'s Answers)> {
    let fits = |name: &str| wanted.map_or(name != VERDICT, |w| w == name);
    let found: Vec<_> = set.iter().filter(|(k, _)| k.condition == CLEAN && fits(&k.detector)).collect();
    match found[..] {
        [(key, answers)] => Ok((&key.detector, answers)),
        [] => bail!("{file}: holds no answers of {}", wanted.unwrap_or("a detector")),
        _ => {
            let names: Vec<&str> = found.iter().map(|f| f.0.detector.as_str()).collect();
            bail!("{file}: holds several detectors, choose one: {}", names.join(", "))
        }
    }
}
