//! One detector on tensors that the caller prepared: no clip, no sampling, no fusion.

use crate::{ModelError, program};
use numpy::{
    AllowTypeChange, PyArray1, PyArrayLikeDyn, PyUntypedArray, PyUntypedArrayMethods, ToPyArray,
    TypeMustMatch,
};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use seamline_core::{Orientation, RgbFrame, ScoreSemantics, ScoreUnit};
use seamline_detect::face_crop::{self, FaceCropDetector};
use seamline_detect::voice_window::{self, OperatingPoints, VoiceWindowDetector};
use seamline_infer::{Home, Manifest, Model, Preprocess, Role, Runtime};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Most crops or windows in one call.
const MAX_ROWS: usize = 100_000;

/// ONNX Runtime, which a process loads once; the version is pinned, so every home has the same.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

fn runtime(home: &Home) -> PyResult<Runtime> {
    let mut loaded = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*loaded {
        return Ok(runtime.clone());
    }
    let runtime = Runtime::load(home).map_err(model_error)?;
    Ok(loaded.insert(runtime).clone())
}

enum Kind {
    Voice { detector: VoiceWindowDetector, samples: Option<usize> },
    Face { detector: FaceCropDetector, width: u32, height: u32 },
}

/// A detector by its id, its weights verified against its manifest.
///
/// `score` gives the model's raw scores, as the model prints them: `higher_is_spoof` and `unit` say how to read
/// them. They are not calibrated; a calibrated LLR with its interval comes from `scan`.
#[pyclass(frozen, module = "seamline")]
pub(crate) struct Detector {
    kind: Kind,
    manifest: Manifest,
    semantics: ScoreSemantics,
}

fn model_error(error: impl std::fmt::Display) -> PyErr {
    ModelError::new_err(error.to_string())
}

fn load(id: &str, home: Option<PathBuf>) -> PyResult<Detector> {
    let home = program::home(home);
    let all = Manifest::read_all(&home.models).into_iter().chain(Manifest::read_all(&home.user_models));
    let detectors: Vec<Manifest> = all.filter_map(Result::ok).filter(|m| m.role == Role::Detector).collect();
    let Some(manifest) = detectors.iter().find(|m| m.id.as_str() == id).cloned() else {
        let known: Vec<&str> = detectors.iter().map(|m| m.id.as_str()).collect();
        let place = home.models.display();
        return Err(PyKeyError::new_err(format!(
            "no detector {id:?} in {place}; there are: {}",
            known.join(", ")
        )));
    };
    let model = Model::load(&runtime(&home)?, manifest.clone(), &home.cache, 1).map_err(model_error)?;
    let points = OperatingPoints::default();
    let kind = match &manifest.preprocess {
        Preprocess::Waveform(wave) if voice_window::accepts(&manifest) => Kind::Voice {
            detector: VoiceWindowDetector::new(model, None, points).map_err(model_error)?,
            samples: wave.samples,
        },
        Preprocess::Image(image) if face_crop::accepts(&manifest) => Kind::Face {
            detector: FaceCropDetector::new(model, None, points).map_err(model_error)?,
            width: image.width,
            height: image.height,
        },
        _ => {
            return Err(model_error(format!(
                "model {id}: no detector takes this aspect with this preprocessing"
            )));
        }
    };
    let semantics =
        manifest.score.map(|s| s.semantics).ok_or_else(|| model_error(format!("model {id}: no [score]")))?;
    Ok(Detector { kind, manifest, semantics })
}

#[pymethods]
impl Detector {
    #[new]
    #[pyo3(signature = (id, *, home = None))]
    fn new(py: Python<'_>, id: &str, home: Option<PathBuf>) -> PyResult<Self> {
        py.detach(|| load(id, home))
    }

    /// The id in the manifest.
    #[getter]
    fn id(&self) -> &str {
        self.manifest.id.as_str()
    }

    /// The manifest's version.
    #[getter]
    fn version(&self) -> &str {
        &self.manifest.version
    }

    /// SHA-256 of the weights, hexadecimal.
    #[getter]
    fn sha256(&self) -> String {
        self.manifest.sha256().to_string()
    }

    /// "voice" or "face".
    #[getter]
    fn aspect(&self) -> &'static str {
        match self.kind {
            Kind::Voice { .. } => "voice",
            Kind::Face { .. } => "face",
        }
    }

    /// Whether larger raw scores support spoof; otherwise they support bona fide.
    #[getter]
    fn higher_is_spoof(&self) -> bool {
        self.semantics.orientation == Orientation::HigherIsSpoof
    }

    /// "logit", "probability" (not calibrated) or "arbitrary".
    #[getter]
    fn unit(&self) -> &'static str {
        match self.semantics.unit {
            ScoreUnit::Logit => "logit",
            ScoreUnit::Probability => "probability",
            ScoreUnit::Arbitrary => "arbitrary",
        }
    }

    /// What one row of `score` is: (samples,) of mono sound at 16 kHz, -1 where any length will do, or
    /// (height, width, 3) of RGB.
    #[getter]
    fn input_shape(&self) -> Vec<i64> {
        match &self.kind {
            Kind::Voice { samples, .. } => vec![samples.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1)],
            Kind::Face { width, height, .. } => vec![i64::from(*height), i64::from(*width), 3],
        }
    }

    /// Raw scores of windows or crops, one a row.
    fn score<'py>(&self, py: Python<'py>, rows: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let scores = match &self.kind {
            Kind::Voice { detector, samples } => {
                if rows.cast::<PyUntypedArray>().is_ok_and(|a| !is_float(&a.dtype())) {
                    return Err(PyTypeError::new_err(
                        "sound must be floating point in [-1, 1], mono, 16 kHz",
                    ));
                }
                let array: PyArrayLikeDyn<'py, f32, AllowTypeChange> = rows.extract()?;
                let array = array.as_array();
                let (count, length) = match *array.shape() {
                    [n] => (1, n),
                    [rows, n] => (rows, n),
                    _ => return Err(PyValueError::new_err("sound must be [samples] or [windows, samples]")),
                };
                if length == 0 || samples.is_some_and(|most| length > most) {
                    let most = samples.map_or("any number of".into(), |n| format!("at most {n}"));
                    return Err(PyValueError::new_err(format!(
                        "a window has 1 or more and {most} samples, not {length}"
                    )));
                }
                check_rows(count)?;
                let data: Vec<f32> = array.iter().copied().collect();
                if data.iter().any(|s| !s.is_finite()) {
                    return Err(PyValueError::new_err("sound holds NaN or infinite samples"));
                }
                py.detach(|| {
                    let scored = data.chunks(length).map(|row| detector.scores(&[detector.tensor(row)]));
                    scored.collect::<Result<Vec<_>, _>>()
                })
            }
            Kind::Face { detector, width, height } => {
                let array: PyArrayLikeDyn<'py, u8, TypeMustMatch> = rows
                    .extract()
                    .map_err(|_| PyTypeError::new_err("crops must be a uint8 array, RGB, channels last"))?;
                let array = array.as_array();
                let want = [*height as usize, *width as usize, 3];
                let count = match *array.shape() {
                    [h, w, c] if [h, w, c] == want => 1,
                    [rows, h, w, c] if [h, w, c] == want => rows,
                    _ => {
                        return Err(PyValueError::new_err(format!(
                            "crops must be [{height}, {width}, 3] or [n, {height}, {width}, 3], not {:?}",
                            array.shape()
                        )));
                    }
                };
                check_rows(count)?;
                let data: Vec<u8> = array.iter().copied().collect();
                py.detach(|| {
                    let crops = data.chunks(want.iter().product());
                    crops
                        .filter_map(|crop| RgbFrame::new(*width, *height, crop.to_vec()))
                        .map(|crop| detector.scores(&[crop]))
                        .collect::<Result<Vec<_>, _>>()
                })
            }
        };
        Ok(scores.map_err(model_error)?.concat().to_pyarray(py))
    }

    fn __repr__(&self) -> String {
        let (id, version) = (self.id(), self.version());
        format!("Detector({id:?}, version={version:?}, aspect={:?})", self.aspect())
    }
}

fn is_float(dtype: &Bound<'_, numpy::PyArrayDescr>) -> bool {
    use numpy::PyArrayDescrMethods;
    dtype.kind() == b'f'
}

fn check_rows(count: usize) -> PyResult<()> {
    if count > MAX_ROWS {
        return Err(PyValueError::new_err(format!("{count} rows in one call; at most {MAX_ROWS}")));
    }
    Ok(())
}
