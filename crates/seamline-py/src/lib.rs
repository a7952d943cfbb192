//! Python bindings for researchers: metrics on NumPy arrays, a detector's raw scores, a scan as a dictionary.
//!
//! The package `seamline` (in `python/seamline`) is what a user imports; this is its native half. Every function
//! releases the interpreter while it computes.
//! May not: define a metric, a preprocessing step or a threshold of its own (those are in `seamline-eval`,
//! `seamline-detect` and the manifests), or decode media: a scan runs the `seamline` program, whose decoder is jailed.

mod detector;
mod metrics;
mod program;

use pyo3::prelude::*;

pyo3::create_exception!(
    seamline,
    ModelError,
    pyo3::exceptions::PyException,
    "A model or the ONNX Runtime cannot be used; the message says why and how to mend it."
);

/// The native half of `seamline`.
#[pymodule]
fn seamline_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("ModelError", module.py().get_type::<ModelError>())?;
    module.add_class::<detector::Detector>()?;
    module.add_function(wrap_pyfunction!(program::find_program, module)?)?;
    metrics::register(module)
}
