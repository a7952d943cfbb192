//! From answers to rows: every figure with the trials behind it, and an interval.
//!
//! Slices of one detector, modality and condition: all trials (source `*`, generator `*`); each source; each
//! generator (its spoofed clips against every bona fide clip of the slice). A metric that does not exist for a slice
//! (one class only, no LLRs) has no row. Clips whose declared attack is of the other sense than the detector's
//! aspect (a face swap with the person's own voice, for a voice detector) are no trials of that detector.

use crate::answers::{Answer, AnswerSet, Answers, Key};
use crate::bootstrap::{RESAMPLES, Strata, percentile_interval};
use crate::metrics::{
    ClassLosses, ClipSegments, Costs, Counts, MetricError, Operating, Posteriors, Ranked, aurc,
    average_precision_at_iou, average_recall_at, clopper_pearson, min_cllr,
};
use crate::protocol::{Modality, Protocol, Trial};
use seamline_core::{Label, Probability, ScoreUnit, Sha256Hash};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Detector; `seamline` = the verdict over all that ran.
    pub detector: String,
    /// Aspect; `*` = the verdict, or none stated.
    pub aspect: String,
    /// `audio`, `image`, `video`.
    pub modality: String,
    /// Condition of the ladder, or `clean`.
    pub condition: String,
    /// Source; `*` = all.
    pub source: String,
    /// Generator; `*` = all.
    pub generator: String,
    /// Bona fide trials that entered the figure.
    pub n_bonafide: u64,
    /// Spoofed trials that entered the figure.
    pub n_spoof: u64,
    /// Trials of the slice that the detector abstained on. Ranking and calibration figures are over the others;
    /// `false_alarm_rate`, `detection_rate` and `coverage` count them in as "not called spoof".
    pub n_abstained: u64,
    /// Metric.
    pub metric: String,
    /// Value.
    pub value: f64,
    /// Lower end of the 95 % interval: bootstrap, for rates Clopper-Pearson.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct MeasureOptions {
    /// Bootstrap resamples; 0 = no intervals by bootstrap.
    pub resamples: u32,
    /// Seed.
    pub seed: u64,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self { resamples: RESAMPLES, seed: 1 }
    }
}

/// Coverage of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// Bins of calibration errors (Guo et al. 2017).
pub const BINS: usize = 15;

/// Names of the ranking metrics, in the order of [`ranking`].
pub const RANKING: [&str; 6] = ["auc", "eer", "eer_nearest", "ap", "min_dcf", "min_cllr"];
const LIKELIHOOD: [&str; 4] = ["cllr", "act_dcf", "ece", "brier"];

/// A trial with its answer.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The trial.
    pub trial: &'a Trial,
    /// What was said about it.
    pub answer: &'a Answer,
}

/// The prior at which posteriors are held against labels: even, as calibrations are fitted.
pub(crate) fn even() -> Result<Probability, MetricError> {
    Probability::new(0.5).map_err(|_| MetricError::Parameter("the prior"))
}

/// Whether a spoofed clip is one for detectors of `aspect`: attacks on the other sense are not.
fn concerns(aspect: &str, trial: &Trial) -> bool {
    let heard = matches!(trial.family.as_str(), "TTS" | "VC" | "vocoder" | "splice");
    let seen = ["FS", "FR", "LS", "EFS", "FE"].iter().any(|f| trial.family.starts_with(f));
    trial.label == Label::Bonafide
        || match aspect {
            "voice" => !seen,
            "face" | "imagery" => !heard,
            _ => true,
        }
}

/// The cases of one key by modality, in the order of the protocol.
pub fn cases<'a>(
    protocol: &'a Protocol,
    key: &Key,
    answers: &'a Answers,
) -> BTreeMap<Modality, Vec<Case<'a>>> {
    let mut by_modality: BTreeMap<Modality, Vec<Case<'a>>> = BTreeMap::new();
    for (&trial, answer) in &answers.by_trial {
        if let Some(trial) = protocol.trials.get(trial)
            && concerns(&key.aspect, trial)
        {
            by_modality.entry(trial.modality).or_default().push(Case { trial, answer });
        }
    }
    by_modality
}

/// Every figure of every detector.
pub fn measure(protocol: &Protocol, set: &AnswerSet, options: &MeasureOptions) -> Vec<Row> {
    let mut rows = Vec::new();
    for (key, answers) in set {
        for (modality, cases) in cases(protocol, key, answers) {
            let mut group = Group { key, modality, decides: answers.decides, options, rows: &mut rows };
            group.all(&cases);
        }
        segments(protocol, key, answers, &mut rows);
    }
    rows
}

struct Group<'a> {
    key: &'a Key,
    modality: Modality,
    decides: bool,
    options: &'a MeasureOptions,
    rows: &'a mut Vec<Row>,
}

/// What a slice is called, and the seed of its bootstrap.
struct Slice<'a> {
    source: &'a str,
    generator: &'a str,
}

impl Group<'_> {
    fn all(&mut self, cases: &[Case<'_>]) {
        self.slice(&Slice { source: "*", generator: "*" }, cases);
        // A detector that says nothing about any clip of this kind (a voice detector about pictures) has one row
        // that says so, and no more.
        if cases.iter().all(|c| c.answer.score.is_none()) && !cases.iter().any(|c| c.answer.calls_spoof) {
            return;
        }
        let sources: BTreeSet<&str> = cases.iter().map(|c| c.trial.source.as_str()).collect();
        let mut by_source = Vec::new();
        for source in &sources {
            let of: Vec<Case<'_>> = cases.iter().filter(|c| c.trial.source == *source).copied().collect();
            by_source.push(self.slice(&Slice { source, generator: "*" }, &of));
        }
        let generators: BTreeSet<&str> =
            cases.iter().map(|c| c.trial.generator.as_str()).filter(|g| !g.is_empty()).collect();
        let mut by_generator = Vec::new();
        for generator in &generators {
            let of = |c: &&Case<'_>| c.trial.label == Label::Bonafide || c.trial.generator == *generator;
            let of: Vec<Case<'_>> = cases.iter().filter(of).copied().collect();
            by_generator.push(self.slice(&Slice { source: "*", generator }, &of));
        }
        self.macro_rows("macro_source", &by_source, cases);
        self.macro_rows("macro_generator", &by_generator, cases);
    }

    fn row(
        &mut self,
        slice: &Slice<'_>,
        n: [u64; 3],
        metric: &str,
        value: f64,
        interval: Option<(f64, f64)>,
    ) {
        self.rows.push(Row {
            detector: self.key.detector.clone(),
            aspect: self.key.aspect.clone(),
            modality: self.modality.as_str().into(),
            condition: self.key.condition.clone(),
            source: slice.source.into(),
            generator: slice.generator.into(),
            n_bonafide: n[0],
            n_spoof: n[1],
            n_abstained: n[2],
            metric: metric.into(),
            value,
            lo: interval.map(|i| i.0),
            hi: interval.map(|i| i.1),
        });
    }

    /// All figures of a slice. Gives the ranking figures of every resample back, for macro averages.
    fn slice(&mut self, slice: &Slice<'_>, cases: &[Case<'_>]) -> Ranking {
        let count = |label| cases.iter().filter(|c| c.trial.label == label).count() as u64;
        let (bonafide, spoof) = (count(Label::Bonafide), count(Label::Spoof));
        let scored = cases.iter().filter(|c| c.answer.score.is_some()).count() as u64;
        let abstained = bonafide + spoof - scored;
        let all = [bonafide, spoof, abstained];
        if let Ok(p) = clopper_pearson(scored, bonafide + spoof, CONFIDENCE) {
            self.row(slice, all, "coverage", p.value, Some((p.lo, p.hi)));
        }
        if self.decides {
            let called = |label| {
                cases.iter().filter(|c| c.trial.label == label && c.answer.calls_spoof).count() as u64
            };
            for (metric, label, n) in
                [("false_alarm_rate", Label::Bonafide, bonafide), ("detection_rate", Label::Spoof, spoof)]
            {
                if let Ok(p) = clopper_pearson(called(label), n, CONFIDENCE) {
                    self.row(slice, all, metric, p.value, Some((p.lo, p.hi)));
                }
            }
            let o = Operating {
                false_alarms: called(Label::Bonafide),
                bonafide,
                detected: called(Label::Spoof),
                spoof,
            };
            if let Ok(accuracy) = o.accuracy() {
                self.row(slice, all, "accuracy", accuracy, None);
            }
            if let Ok(accuracy) = o.balanced_accuracy() {
                self.row(slice, all, "balanced_accuracy", accuracy, None);
            }
        }
        let seed = self.seed(slice);
        let scores = Set::new(cases, |a| a.score.map(|s| s.toward_spoof()));
        let ranking = self.ranking(slice, scores.as_ref(), cases.len() as u64, seed);
        self.likelihoods(slice, cases, seed);
        self.selective(slice, cases, seed);
        ranking
    }

    fn seed(&self, slice: &Slice<'_>) -> u64 {
        let text = format!("{}\n{}\n{}", self.options.seed, slice.source, slice.generator);
        let hash = Sha256Hash::of(text.as_bytes());
        hash.as_bytes().iter().take(8).fold(0, |seed, b| seed << 8 | u64::from(*b))
    }

    fn ranking(&mut self, slice: &Slice<'_>, set: Option<&Set>, trials: u64, seed: u64) -> Ranking {
        let Some(set) = set else { return Ranking::default() };
        let metrics = |counts: Counts<'_>| ranking(&set.ranked, counts);
        let (point, drawn) = set.measure(metrics, self.options, seed);
        self.metrics(slice, set, trials, &RANKING, &point, &drawn);
        Ranking { point, drawn }
    }

    fn likelihoods(&mut self, slice: &Slice<'_>, cases: &[Case<'_>], seed: u64) {
        let Some(set) = Set::new(cases, |a| a.llr.map(|l| l.nats())) else { return };
        let losses = ClassLosses::new(&set.ranked);
        let costs = Costs::ASVSPOOF5;
        let at_even = even().ok().map(|prior| Posteriors::new(&set.ranked, prior));
        let metrics = |counts: Counts<'_>| {
            let ranked = &set.ranked;
            let actual = ranked.operating_above(costs.bayes_threshold(), counts);
            [
                losses.cllr(ranked, counts).ok(),
                actual.dcf(&costs).ok(),
                at_even.as_ref().and_then(|p| p.ece(BINS, counts).ok()),
                at_even.as_ref().and_then(|p| p.brier(counts).ok()),
            ]
        };
        let (point, drawn) = set.measure(metrics, self.options, seed);
        self.metrics(slice, &set, cases.len() as u64, &LIKELIHOOD, &point, &drawn);
    }

    /// AURC needs a boundary between the classes that nobody fitted here: 0 of an LLR or log-odds, 0.5 of a
    /// probability. A score that is merely monotone has none.
    fn selective(&mut self, slice: &Slice<'_>, cases: &[Case<'_>], seed: u64) {
        let Some((set, boundary)) = bounded(cases) else { return };
        let metrics = |counts: Counts<'_>| [aurc(&set.ranked, boundary, counts).ok()];
        let (point, drawn) = set.measure(metrics, self.options, seed);
        self.metrics(slice, &set, cases.len() as u64, &["aurc"], &point, &drawn);
    }

    fn metrics<const M: usize>(
        &mut self,
        slice: &Slice<'_>,
        set: &Set,
        trials: u64,
        names: &[&str; M],
        point: &[Option<f64>; M],
        drawn: &[[Option<f64>; M]],
    ) {
        let (bonafide, spoof) = set.ranked.totals(Counts::Once);
        let n = [bonafide, spoof, trials - bonafide - spoof];
        for (i, name) in names.iter().enumerate() {
            let Some(value) = point.get(i).copied().flatten() else { continue };
            let column: Vec<Option<f64>> = drawn.iter().map(|r| r.get(i).copied().flatten()).collect();
            let interval = percentile_interval(&column, CONFIDENCE).map(|i| (i.lo, i.hi));
            self.row(slice, n, name, value, interval);
        }
    }

    /// Unweighted means over slices that have both classes; resamples of the slices are independent.
    fn macro_rows(&mut self, name: &str, slices: &[Ranking], cases: &[Case<'_>]) {
        let have: Vec<&Ranking> = slices.iter().filter(|s| s.point[0].is_some()).collect();
        if have.len() < 2 {
            return;
        }
        let scored = |label| {
            let of = |c: &&Case<'_>| c.trial.label == label && c.answer.score.is_some();
            cases.iter().filter(of).count() as u64
        };
        let (b, s) = (scored(Label::Bonafide), scored(Label::Spoof));
        let n = [b, s, cases.len() as u64 - b - s];
        for (i, metric) in RANKING.iter().enumerate().take(2) {
            let mean = |values: Vec<Option<f64>>| {
                let all: Option<Vec<f64>> = values.into_iter().collect();
                all.map(|v| v.iter().sum::<f64>() / v.len() as f64)
            };
            let at = |r: &[Option<f64>; 6]| r.get(i).copied().flatten();
            let Some(value) = mean(have.iter().map(|r| at(&r.point)).collect()) else { continue };
            let drawn: Vec<Option<f64>> = (0..self.options.resamples as usize)
                .map(|k| mean(have.iter().map(|r| r.drawn.get(k).and_then(at)).collect()))
                .collect();
            let interval = percentile_interval(&drawn, CONFIDENCE).map(|i| (i.lo, i.hi));
            self.row(&Slice { source: "*", generator: "*" }, n, &format!("{name}_{metric}"), value, interval);
        }
    }
}

/// Ranking figures, in the order of [`RANKING`].
pub fn ranking(ranked: &Ranked, counts: Counts<'_>) -> [Option<f64>; 6] {
    let m = ranked.rank_metrics(&Costs::ASVSPOOF5, counts).ok();
    [
        m.map(|m| m.auc),
        m.map(|m| m.eer),
        m.map(|m| m.eer_nearest),
        m.map(|m| m.average_precision),
        m.map(|m| m.min_dcf),
        min_cllr(ranked, counts).ok(),
    ]
}

/// Trials with a number, and boundary between the classes if the number has one.
pub(crate) fn bounded(cases: &[Case<'_>]) -> Option<(Set, f64)> {
    if let Some(set) = Set::new(cases, |a| a.llr.map(|l| l.nats())) {
        return Some((set, 0.0));
    }
    let unit = cases.iter().find_map(|c| c.answer.score).map(|s| s.semantics().unit)?;
    let boundary = match unit {
        ScoreUnit::Logit => 0.0,
        ScoreUnit::Probability => 0.5,
        ScoreUnit::Arbitrary => return None,
    };
    Set::new(cases, |a| a.score.map(|s| s.toward_spoof())).map(|set| (set, boundary))
}

#[derive(Default)]
struct Ranking {
    point: [Option<f64>; 6],
    drawn: Vec<[Option<f64>; 6]>,
}

/// Numbers of a slice, sorted, with their strata (source and class).
pub(crate) struct Set {
    pub(crate) ranked: Ranked,
    strata: Strata,
}

impl Set {
    pub(crate) fn new(cases: &[Case<'_>], number: impl Fn(&Answer) -> Option<f64>) -> Option<Self> {
        let (mut values, mut labels, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for case in cases {
            if let Some(value) = number(case.answer) {
                values.push(value);
                labels.push(case.trial.label);
                keys.push((case.trial.source.as_str(), case.trial.label));
            }
        }
        let ranked = Ranked::new(&values, &labels).ok()?;
        let strata = Strata::new(&keys).and_then(|s| s.ranks(&ranked)).ok()?;
        Some(Self { ranked, strata })
    }

    fn measure<const M: usize>(
        &self,
        metrics: impl Fn(Counts<'_>) -> [Option<f64>; M] + Sync,
        options: &MeasureOptions,
        seed: u64,
    ) -> ([Option<f64>; M], Vec<[Option<f64>; M]>) {
        let point = metrics(Counts::Once);
        if point.iter().all(Option::is_none) {
            return (point, Vec::new());
        }
        (point, self.strata.resample(seed, options.resamples, metrics))
    }
}

/// AP@IoU and AR@N, where the protocol has spans and the detector proposed some.
fn segments(protocol: &Protocol, key: &Key, answers: &Answers, rows: &mut Vec<Row>) {
    if answers.proposals.is_empty() {
        return;
    }
    let mut clips = Vec::new();
    let (mut bonafide, mut spoof) = (0, 0);
    for &trial in answers.by_trial.keys() {
        let Some(t) = protocol.trials.get(trial) else { continue };
        let Some(truth) = &t.segments else { continue };
        let proposals = answers.proposals.get(&trial).cloned().unwrap_or_default();
        clips.push(ClipSegments { truth: truth.clone(), proposals });
        *if t.label == Label::Spoof { &mut spoof } else { &mut bonafide } += 1;
    }
    let ap = [0.5, 0.75, 0.95].map(|iou| (format!("ap@{iou}"), average_precision_at_iou(&clips, iou)));
    let ar = [50, 20, 10, 5].map(|n| (format!("ar@{n}"), average_recall_at(&clips, n)));
    for (metric, value) in ap.into_iter().chain(ar) {
        let Ok(value) = value else { continue };
        rows.push(Row {
            detector: key.detector.clone(),
            aspect: key.aspect.clone(),
            modality: Modality::Video.as_str().into(),
            condition: key.condition.clone(),
            source: "*".into(),
            generator: "*".into(),
            n_bonafide: bonafide,
            n_spoof: spoof,
            n_abstained: 0,
            metric,
            value,
            lo: None,
            hi: None,
        });
    }
}
