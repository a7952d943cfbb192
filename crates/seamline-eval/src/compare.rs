//! Two detectors over the same trials: differences with paired bootstrap intervals.
//!
//! Both see the same draws, so that what is easy or hard in a resample is so for both. Only trials that both scored
//! count: what one of them abstained on says nothing about the difference, and the numbers are given beside it.

use crate::answers::Answers;
use crate::bootstrap::{Strata, percentile_interval};
use crate::measure::{CONFIDENCE, MeasureOptions, RANKING, ranking};
use crate::metrics::{ClassLosses, Counts, MetricError, Ranked};
use crate::protocol::Protocol;
use seamline_core::Label;
use serde::Serialize;

/// The difference B - A in one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Metric.
    pub metric: String,
    /// Value of A on the common trials.
    pub a: f64,
    /// Value of B on the common trials.
    pub b: f64,
    /// B - A.
    pub difference: f64,
    /// Lower end of its 95 % interval.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Bona fide trials that both scored.
    pub n_bonafide: u64,
    /// Spoofed trials that both scored.
    pub n_spoof: u64,
    /// Trials that only A scored.
    pub only_a: u64,
    /// Trials that only B scored.
    pub only_b: u64,
}

/// Compares ranking metrics, and Cllr where both have LLRs.
pub fn compare(
    protocol: &Protocol,
    a: &Answers,
    b: &Answers,
    options: &MeasureOptions,
) -> Result<Vec<Difference>, MetricError> {
    let mut out = Vec::new();
    let score = |x: &Answers, i: usize| x.by_trial.get(&i).and_then(|x| x.score).map(|s| s.toward_spoof());
    let llr = |x: &Answers, i: usize| x.by_trial.get(&i).and_then(|x| x.llr).map(|l| l.nats());
    let pairs = Pairs::new(protocol, &|i| score(a, i), &|i| score(b, i))?;
    let of_ranks = |r: &Ranked| {
        let r = r.clone();
        move |c: Counts<'_>| ranking(&r, c)
    };
    pairs.differences(&RANKING, of_ranks(&pairs.a), of_ranks(&pairs.b), options, &mut out)?;
    if let Ok(pairs) = Pairs::new(protocol, &|i| llr(a, i), &|i| llr(b, i)) {
        let of_llrs = |r: &Ranked| {
            let (losses, r) = (ClassLosses::new(r), r.clone());
            move |c: Counts<'_>| [losses.cllr(&r, c).ok()]
        };
        pairs.differences(&["cllr"], of_llrs(&pairs.a), of_llrs(&pairs.b), options, &mut out)?;
    }
    Ok(out)
}

struct Pairs {
    a: Ranked,
    b: Ranked,
    strata: Strata,
    only: (u64, u64),
}

type Number<'n> = &'n dyn Fn(usize) -> Option<f64>;

impl Pairs {
    fn new(protocol: &Protocol, a: Number<'_>, b: Number<'_>) -> Result<Self, MetricError> {
        let (mut of_a, mut of_b, mut labels, mut keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut only = (0, 0);
        for (i, trial) in protocol.trials.iter().enumerate() {
            match (a(i), b(i)) {
                (Some(x), Some(y)) => {
                    of_a.push(x);
                    of_b.push(y);
                    labels.push(trial.label);
                    keys.push((trial.source.as_str(), trial.label));
                }
                (Some(_), None) => only.0 += 1,
                (None, Some(_)) => only.1 += 1,
                (None, None) => {}
            }
        }
        let has = |label| labels.iter().filter(|l| **l == label).count() as u64;
        let (bonafide, spoof) = (has(Label::Bonafide), has(Label::Spoof));
        if bonafide == 0 || spoof == 0 {
            return Err(MetricError::OneClass { bonafide, spoof });
        }
        let (a, b) = (Ranked::new(&of_a, &labels)?, Ranked::new(&of_b, &labels)?);
        Ok(Self { strata: Strata::new(&keys)?, a, b, only })
    }

    fn differences<const M: usize>(
        &self,
        names: &[&str; M],
        of_a: impl Fn(Counts<'_>) -> [Option<f64>; M] + Sync,
        of_b: impl Fn(Counts<'_>) -> [Option<f64>; M] + Sync,
        options: &MeasureOptions,
        out: &mut Vec<Difference>,
    ) -> Result<(), MetricError> {
        let (by_a, by_b) = (self.strata.ranks(&self.a)?, self.strata.ranks(&self.b)?);
        // The same seed draws the same members of each stratum, whatever their ranks.
        let drawn_a = by_a.resample(options.seed, options.resamples, &of_a);
        let drawn_b = by_b.resample(options.seed, options.resamples, &of_b);
        let (point_a, point_b) = (of_a(Counts::Once), of_b(Counts::Once));
        let (n_bonafide, n_spoof) = self.a.totals(Counts::Once);
        for (i, name) in names.iter().enumerate() {
            let at = |row: &[Option<f64>; M]| row.get(i).copied().flatten();
            let (Some(a), Some(b)) = (at(&point_a), at(&point_b)) else { continue };
            let differences: Vec<Option<f64>> =
                drawn_a.iter().zip(&drawn_b).map(|(a, b)| Some(at(b)? - at(a)?)).collect();
            let interval = percentile_interval(&differences, CONFIDENCE);
            out.push(Difference {
                metric: (*name).into(),
                a,
                b,
                difference: b - a,
                lo: interval.map(|i| i.lo),
                hi: interval.map(|i| i.hi),
                n_bonafide,
                n_spoof,
                only_a: self.only.0,
                only_b: self.only.1,
            });
        }
        Ok(())
    }
}
