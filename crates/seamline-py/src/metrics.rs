//! `seamline_eval::metrics` on NumPy arrays. Definitions and sources are there; nothing is computed here.
//!
//! `scores` support spoof the more the higher they are; `is_spoof` is a boolean array of the same length, so that
//! nobody has to remember which class is 1.

use numpy::{AllowTypeChange, PyArray1, PyArrayLike1, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use seamline_core::{Label, Probability};
use seamline_eval::bootstrap::{self, Strata};
use seamline_eval::metrics::{self as m, Counts, MetricError, RankMetrics, Ranked};

type Scores<'py> = PyArrayLike1<'py, f64, AllowTypeChange>;

/// A boolean array or sequence. NumPy would make a boolean of anything, of the word "bonafide" too.
struct Spoof(Vec<Label>);

impl FromPyObject<'_, '_> for Spoof {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let flags: Vec<bool> = match given.extract::<PyReadonlyArray1<'_, bool>>() {
            Ok(array) => array.as_array().iter().copied().collect(),
            Err(_) => given
                .extract()
                .map_err(|_| PyTypeError::new_err("is_spoof must be a boolean array, one value a score"))?,
        };
        let label = |spoof| if spoof { Label::Spoof } else { Label::Bonafide };
        Ok(Self(flags.into_iter().map(label).collect()))
    }
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Sorts, then computes, without the interpreter.
fn ranked<T: Send>(
    py: Python<'_>,
    scores: &Scores<'_>,
    is_spoof: &Spoof,
    f: impl FnOnce(&Ranked) -> Result<T, MetricError> + Send,
) -> PyResult<T> {
    let scores: Vec<f64> = scores.as_array().iter().copied().collect();
    let labels = &is_spoof.0;
    py.detach(|| Ranked::new(&scores, labels).and_then(|r| f(&r))).map_err(value_error)
}

fn rank(py: Python<'_>, scores: &Scores<'_>, is_spoof: &Spoof) -> PyResult<RankMetrics> {
    ranked(py, scores, is_spoof, |r| r.rank_metrics(&m::Costs::ASVSPOOF5, Counts::Once))
}

fn named(metrics: &RankMetrics) -> [(&'static str, f64); 5] {
    [
        ("auc", metrics.auc),
        ("eer", metrics.eer),
        ("eer_nearest", metrics.eer_nearest),
        ("average_precision", metrics.average_precision),
        ("min_dcf", metrics.min_dcf),
    ]
}

#[pyfunction]
fn auc(py: Python<'_>, scores: Scores<'_>, is_spoof: Spoof) -> PyResult<f64> {
    Ok(rank(py, &scores, &is_spoof)?.auc)
}

#[pyfunction]
fn eer(py: Python<'_>, scores: Scores<'_>, is_spoof: Spoof) -> PyResult<f64> {
    Ok(rank(py, &scores, &is_spoof)?.eer)
}

#[pyfunction]
fn average_precision(py: Python<'_>, scores: Scores<'_>, is_spoof: Spoof) -> PyResult<f64> {
    Ok(rank(py, &scores, &is_spoof)?.average_precision)
}

#[pyfunction]
fn min_dcf(py: Python<'_>, scores: Scores<'_>, is_spoof: Spoof) -> PyResult<f64> {
    Ok(rank(py, &scores, &is_spoof)?.min_dcf)
}

#[pyfunction]
fn rank_metrics<'py>(py: Python<'py>, scores: Scores<'py>, is_spoof: Spoof) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    for (name, value) in named(&rank(py, &scores, &is_spoof)?) {
        found.set_item(name, value)?;
    }
    Ok(found)
}

#[pyfunction]
fn act_dcf(py: Python<'_>, llrs: Scores<'_>, is_spoof: Spoof) -> PyResult<f64> {
    let costs = m::Costs::ASVSPOOF5;
    ranked(py, &llrs, &is_spoof, |r| r.operating_above(costs.bayes_threshold(), Counts::Once).dcf(&costs))
}

#[pyfunction]
fn cllr(py: Python<'_>, llrs: Scores<'_>, is_spoof: Spoof) -> PyResult<f64> {
    ranked(py, &llrs, &is_spoof, |r| m::cllr(r, Counts::Once))
}

#[pyfunction]
fn min_cllr(py: Python<'_>, scores: Scores<'_>, is_spoof: Spoof) -> PyResult<f64> {
    ranked(py, &scores, &is_spoof, |r| m::min_cllr(r, Counts::Once))
}

#[pyfunction]
fn brier(py: Python<'_>, llrs: Scores<'_>, is_spoof: Spoof, prior: f64) -> PyResult<f64> {
    let prior = Probability::new(prior).map_err(value_error)?;
    ranked(py, &llrs, &is_spoof, |r| m::brier(r, prior, Counts::Once))
}

#[pyfunction]
#[pyo3(signature = (llrs, is_spoof, prior, bins = 15))]
fn ece(py: Python<'_>, llrs: Scores<'_>, is_spoof: Spoof, prior: f64, bins: usize) -> PyResult<f64> {
    let prior = Probability::new(prior).map_err(value_error)?;
    ranked(py, &llrs, &is_spoof, |r| m::ece(r, prior, bins, Counts::Once))
}

#[pyfunction]
fn aurc(py: Python<'_>, scores: Scores<'_>, is_spoof: Spoof, threshold: f64) -> PyResult<f64> {
    ranked(py, &scores, &is_spoof, |r| m::aurc(r, threshold, Counts::Once))
}

type Column<'py> = Bound<'py, PyArray1<f64>>;

#[pyfunction]
fn roc<'py>(
    py: Python<'py>,
    scores: Scores<'py>,
    is_spoof: Spoof,
) -> PyResult<(Column<'py>, Column<'py>, Column<'py>)> {
    let points = ranked(py, &scores, &is_spoof, Ranked::curve)?;
    let column = |f: fn(&m::CurvePoint) -> f64| points.iter().map(f).collect::<Vec<_>>().to_pyarray(py);
    Ok((column(|p| p.threshold), column(|p| p.false_alarm_rate), column(|p| p.detection_rate)))
}

#[pyfunction]
#[pyo3(signature = (scores, is_spoof, threshold, abstained = 0))]
fn risk_coverage<'py>(
    py: Python<'py>,
    scores: Scores<'py>,
    is_spoof: Spoof,
    threshold: f64,
    abstained: u64,
) -> PyResult<(Column<'py>, Column<'py>)> {
    let points = ranked(py, &scores, &is_spoof, |r| m::risk_coverage(r, threshold, abstained, Counts::Once))?;
    let column = |f: fn(&m::RiskPoint) -> f64| points.iter().map(f).collect::<Vec<_>>().to_pyarray(py);
    Ok((column(|p| p.coverage), column(|p| p.risk)))
}

#[pyfunction]
fn operating<'py>(
    py: Python<'py>,
    scores: Scores<'py>,
    is_spoof: Spoof,
    threshold: f64,
) -> PyResult<Bound<'py, PyDict>> {
    let o = ranked(py, &scores, &is_spoof, |r| Ok(r.operating(threshold, Counts::Once)))?;
    let counts = PyDict::new(py);
    for (name, value) in [
        ("false_alarms", o.false_alarms),
        ("bonafide", o.bonafide),
        ("detected", o.detected),
        ("spoof", o.spoof),
    ] {
        counts.set_item(name, value)?;
    }
    Ok(counts)
}

#[pyfunction]
#[pyo3(signature = (successes, trials, confidence = 0.95))]
fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> PyResult<(f64, f64, f64)> {
    let p = m::clopper_pearson(successes, trials, confidence).map_err(value_error)?;
    Ok((p.value, p.lo, p.hi))
}

type Clip = (Vec<[f64; 2]>, Vec<[f64; 3]>);

fn clips(clips: Vec<Clip>) -> Vec<m::ClipSegments> {
    let proposal = |[start, end, score]: [f64; 3]| m::Proposal { start, end, score };
    clips
        .into_iter()
        .map(|(truth, found)| m::ClipSegments {
            truth: truth.into_iter().map(|[start, end]| (start, end)).collect(),
            proposals: found.into_iter().map(proposal).collect(),
        })
        .collect()
}

#[pyfunction]
fn average_precision_at_iou(py: Python<'_>, segments: Vec<Clip>, iou: f64) -> PyResult<f64> {
    py.detach(|| m::average_precision_at_iou(&clips(segments), iou)).map_err(value_error)
}

#[pyfunction]
fn average_recall_at(py: Python<'_>, segments: Vec<Clip>, proposals: usize) -> PyResult<f64> {
    py.detach(|| m::average_recall_at(&clips(segments), proposals)).map_err(value_error)
}

#[pyfunction]
#[pyo3(signature = (scores, is_spoof, strata = None, *, resamples = bootstrap::RESAMPLES, seed = 0, confidence = 0.95))]
fn bootstrap_intervals<'py>(
    py: Python<'py>,
    scores: Scores<'py>,
    is_spoof: Spoof,
    strata: Option<Vec<String>>,
    resamples: u32,
    seed: u64,
    confidence: f64,
) -> PyResult<Bound<'py, PyDict>> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(PyValueError::new_err("confidence is between 0 and 1"));
    }
    let classes = &is_spoof.0;
    let sources = strata.unwrap_or_else(|| vec![String::new(); classes.len()]);
    if sources.len() != classes.len() {
        return Err(value_error(format!("{} strata but {} labels", sources.len(), classes.len())));
    }
    let keys: Vec<(Label, String)> = classes.iter().copied().zip(sources).collect();
    let (point, rows) = ranked(py, &scores, &is_spoof, |r| {
        let metrics =
            |counts: Counts<'_>| r.rank_metrics(&m::Costs::ASVSPOOF5, counts).map(|found| named(&found));
        let point = metrics(Counts::Once)?;
        let strata = Strata::new(&keys)?.ranks(r)?;
        let rows = strata.resample(seed, resamples, |counts| match metrics(counts) {
            Ok(found) => found.map(|(_, value)| Some(value)),
            Err(_) => [None; 5],
        });
        Ok((point, rows))
    })?;
    let found = PyDict::new(py);
    for (at, (name, value)) in point.into_iter().enumerate() {
        let column: Vec<Option<f64>> = rows.iter().map(|row| row.get(at).copied().flatten()).collect();
        let interval = bootstrap::percentile_interval(&column, confidence).map(|i| (i.lo, i.hi));
        found.set_item(name, (value, interval.map(|i| i.0), interval.map(|i| i.1)))?;
    }
    Ok(found)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(auc, module)?)?;
    module.add_function(wrap_pyfunction!(eer, module)?)?;
    module.add_function(wrap_pyfunction!(average_precision, module)?)?;
    module.add_function(wrap_pyfunction!(min_dcf, module)?)?;
    module.add_function(wrap_pyfunction!(rank_metrics, module)?)?;
    module.add_function(wrap_pyfunction!(act_dcf, module)?)?;
    module.add_function(wrap_pyfunction!(cllr, module)?)?;
    module.add_function(wrap_pyfunction!(min_cllr, module)?)?;
    module.add_function(wrap_pyfunction!(brier, module)?)?;
    module.add_function(wrap_pyfunction!(ece, module)?)?;
    module.add_function(wrap_pyfunction!(aurc, module)?)?;
    module.add_function(wrap_pyfunction!(roc, module)?)?;
    module.add_function(wrap_pyfunction!(risk_coverage, module)?)?;
    module.add_function(wrap_pyfunction!(operating, module)?)?;
    module.add_function(wrap_pyfunction!(clopper_pearson, module)?)?;
    module.add_function(wrap_pyfunction!(average_precision_at_iou, module)?)?;
    module.add_function(wrap_pyfunction!(average_recall_at, module)?)?;
    module.add_function(wrap_pyfunction!(bootstrap_intervals, module)?)
}
