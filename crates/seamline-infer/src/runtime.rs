//! The pinned ONNX Runtime library: found, hashed, loaded by path.

use crate::{Home, ModelError, read_limited};
use seamline_core::Sha256Hash;
use std::path::{Path, PathBuf};

/// The one version that is known to open no socket (1.29 and later carry a telemetry client).
pub const RUNTIME_VERSION: &str = "1.28.0";
/// SHA-256 of `onnxruntime/capi/libonnxruntime.so.1.28.0` in the pinned x86-64 wheel.
pub const RUNTIME_SHA256: &str = "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083";
const MAX_LIBRARY_BYTES: u64 = 256 << 20;

/// A loaded ONNX Runtime.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(crate) environment: ort::environment::Environment,
    path: PathBuf,
}

impl Runtime {
    /// Where the library is looked for: `$SEAMLINE_ORT_LIB`, then the cache's `lib/`.
    pub fn candidates(home: &Home) -> Vec<PathBuf> {
        let mut places: Vec<PathBuf> =
            std::env::var_os("SEAMLINE_ORT_LIB").map(PathBuf::from).into_iter().collect();
        places.push(home.cache.join("lib").join(format!("libonnxruntime.so.{RUNTIME_VERSION}")));
        places
    }

    /// Finds the library and checks its hash without loading it.
    pub fn find(home: &Home) -> Result<PathBuf, ModelError> {
        let places = Self::candidates(home);
        let Some(path) = places.iter().find(|p| p.is_file()) else {
            let looked_in = places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(ModelError::NoRuntime { version: RUNTIME_VERSION, looked_in });
        };
        let got = Sha256Hash::of(&read_limited(path, MAX_LIBRARY_BYTES)?);
        match Sha256Hash::parse(RUNTIME_SHA256) {
            Some(expected) if expected == got => Ok(path.clone()),
            Some(expected) => Err(ModelError::HashMismatch { path: path.clone(), expected, got }),
            None => Err(ModelError::Runtime("the pinned hash is malformed".into())),
        }
    }

    /// Verifies and loads the library, with telemetry off and quiet logs. Once a process.
    pub fn load(home: &Home) -> Result<Self, ModelError> {
        let path = Self::find(home)?;
        let fail = |e: String| ModelError::Runtime(e);
        let environment = ort::init_from(&path)
            .map_err(|e| fail(e.to_string()))?
            .with_name("seamline")
            .with_telemetry(false)
            .build()
            .map_err(|e| fail(e.to_string()))?;
        Ok(Self { environment, path })
    }

    /// The library that was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
