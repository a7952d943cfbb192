//! The ONNX Runtime boundary: model manifests, hash checks, tensor contracts and the session pool.
//!
//! The only crate that names `ort`. Nothing is loaded whose SHA-256 does not match its manifest, and a
//! model whose real signature differs from its manifest is refused with both written out.
//! May not: know what a score means (that stands in the manifest), touch media, or open a socket.

mod calibration;
mod error;
mod golden;
mod home;
mod manifest;
mod mark;
mod pool;
mod runtime;
mod tensor;

pub use calibration::CalibrationData;
pub use error::ModelError;
pub use golden::{GoldenSpec, golden_input};
pub use home::Home;
pub use manifest::{
    Aggregate, Colour, Delivery, Fit, ImagePreprocess, InputSpec, Layout, Manifest, Normalise, OutputSpec,
    Pad, Preprocess, ResizeFilter, Role, ScoreSpec, Select, WaveformPreprocess,
};
pub use mark::{MarkSpec, PayloadSpec, TRUSTMARK_BITS, Throughout};
pub use pool::{Model, OutputTensor, RUN_TARGET};
pub use runtime::{RUNTIME_SHA256, RUNTIME_VERSION, Runtime};
pub use tensor::{image_shape, kernel, push_image};

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read_limited(path: &std::path::Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    use std::io::Read;
    let io = |e: std::io::Error| ModelError::Io { path: path.to_owned(), message: e.to_string() };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(ModelError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}
