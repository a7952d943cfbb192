//! Seconds for every pooled metric with bootstrap intervals: `bootstrap_speed TRIALS RESAMPLES`. Prints one line of
//! JSON for `benches/metrics_speed.py`, which does the same with scikit-learn and NumPy.
#![allow(clippy::print_stdout)]

use seamline_core::{Label, Probability};
use seamline_eval::bootstrap::{Strata, percentile_interval};
use seamline_eval::measure::{CONFIDENCE, ranking};
use seamline_eval::metrics::{ClassLosses, Costs, Posteriors, Ranked, aurc};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let trials: usize = args.next().ok_or("TRIALS?")?.parse()?;
    let resamples: u32 = args.next().ok_or("RESAMPLES?")?.parse()?;
    // A scattered sequence (Weyl) as quantiles: no two scores tie, as with 64-bit scores in practice.
    let unit = |i: usize, step: f64| (i as f64 * step).fract();
    let mut scores = Vec::with_capacity(trials);
    let mut keys = Vec::with_capacity(trials);
    for i in 0..trials {
        let spoof = i % 2 == 0;
        let u = unit(i + 1, 0.618_033_988_749_894_9).clamp(1e-9, 1.0 - 1e-9);
        scores.push((u / (1.0 - u)).ln() + if spoof { 1.5 } else { -1.5 });
        keys.push((i / 2 % 20, if spoof { Label::Spoof } else { Label::Bonafide }));
    }
    let labels: Vec<Label> = keys.iter().map(|k| k.1).collect();
    let half = Probability::new(0.5)?;
    let start = Instant::now();
    let ranked = Ranked::new(&scores, &labels)?;
    let strata = Strata::new(&keys)?.ranks(&ranked)?;
    let losses = ClassLosses::new(&ranked);
    let even = Posteriors::new(&ranked, half);
    let costs = Costs::ASVSPOOF5;
    let rows = strata.resample(1, resamples, |counts| {
        let r = ranking(&ranked, counts);
        let actual = ranked.operating_above(costs.bayes_threshold(), counts).dcf(&costs).ok();
        [
            r[0],
            r[1],
            r[3],
            r[4],
            r[5],
            actual,
            losses.cllr(&ranked, counts).ok(),
            even.ece(15, counts).ok(),
            even.brier(counts).ok(),
            aurc(&ranked, 0.0, counts).ok(),
        ]
    });
    let auc: Vec<Option<f64>> = rows.iter().map(|r| r[0]).collect();
    let interval = percentile_interval(&auc, CONFIDENCE).ok_or("no interval")?;
    println!(
        "{{\"trials\":{trials},\"resamples\":{resamples},\"seconds\":{:.3},\"auc_lo\":{},\"auc_hi\":{}}}",
        start.elapsed().as_secs_f64(),
        interval.lo,
        interval.hi
    );
    Ok(())
}
