//! What can go wrong with a model, each with a way to mend it in its message.

use seamline_core::Sha256Hash;
use std::path::PathBuf;

/// Why a model or the runtime cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("{}: {message}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// A file is larger than any model may be.
    #[error("{}: larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The bytes are not those the manifest pins.
    #[error("{}: sha256 is {got}, the manifest pins {expected}: not loaded", path.display())]
    HashMismatch {
        /// Which file.
        path: PathBuf,
        /// From the manifest.
        expected: Sha256Hash,
        /// Of the file.
        got: Sha256Hash,
    },
    /// A manifest does not say what it must.
    #[error("{}: {message}", path.display())]
    Manifest {
        /// Which manifest.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The model's real signature is not the manifest's.
    #[error("model {id}: {message}")]
    Contract {
        /// Which model.
        id: String,
        /// Both sides written out.
        message: String,
    },
    /// The weights are not there.
    #[error("model {id} is not installed ({}): {hint}", path.display())]
    NotInstalled {
        /// Which model.
        id: String,
        /// Where it was looked for.
        path: PathBuf,
        /// How to get it.
        hint: &'static str,
    },
    /// No ONNX Runtime library was found.
    #[error(
        "ONNX Runtime {version} not found; looked in: {looked_in}. Run scripts/setup.sh, or set SEAMLINE_ORT_LIB"
    )]
    NoRuntime {
        /// The pinned version.
        version: &'static str,
        /// Every place, comma-separated.
        looked_in: String,
    },
    /// ONNX Runtime refused.
    #[error("onnx runtime: {0}")]
    Runtime(String),
}
