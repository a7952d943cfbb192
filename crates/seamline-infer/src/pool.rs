//! A verified model with its sessions.
//!
//! `Session::run` needs exclusive access, so a model holds a small pool; a caller waits for a free session.
//! Each session has one intra-op thread: results then depend on the input alone, not on scheduling.

use crate::{Manifest, ModelError, Role, Runtime, read_limited};
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::{TensorRef, ValueType};
use seamline_core::Sha256Hash;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;
use tracing::trace;

const MAX_MODEL_BYTES: u64 = 2 << 30;

/// Target of the trace event of each inference: `model`, `shape`, `micros`.
pub const RUN_TARGET: &str = "seamline_infer::run";

/// One output of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputTensor {
    /// Tensor name.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub data: Vec<f32>,
}

/// A model whose bytes are hashed and whose signature is compared with its manifest before it is run.
pub struct Model {
    manifest: Manifest,
    sessions: Mutex<Vec<Session>>,
    freed: Condvar,
    /// Weights that nobody has needed so far.
    held: Mutex<Option<Held>>,
}

/// An open file of weights: reading it needs no path, so it works inside a jail that opens nothing.
struct Held {
    file: File,
    path: PathBuf,
    runtime: Runtime,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({})", self.manifest.id)
    }
}

impl Model {
    /// Reads the weights once, checks their hash, and builds `sessions` sessions from those very bytes.
    pub fn load(
        runtime: &Runtime,
        manifest: Manifest,
        cache: &Path,
        sessions: usize,
    ) -> Result<Self, ModelError> {
        let path = installed(&manifest, cache)?;
        let bytes = read_limited(&path, MAX_MODEL_BYTES)?;
        let pool = verified_sessions(runtime, &manifest, &path, &bytes, sessions)?;
        Ok(Self { manifest, sessions: Mutex::new(pool), freed: Condvar::new(), held: Mutex::new(None) })
    }

    /// Opens the file of weights, and reads, verifies and loads it only when it is first run: for a large model that most
    /// clips do not need. One session. What is wrong with the weights is then said by that first run, and by each after it.
    pub fn hold(runtime: &Runtime, manifest: Manifest, cache: &Path) -> Result<Self, ModelError> {
        let path = installed(&manifest, cache)?;
        let file =
            File::open(&path).map_err(|e| ModelError::Io { path: path.clone(), message: e.to_string() })?;
        let held = Some(Held { file, path, runtime: runtime.clone() });
        let sessions = Mutex::new(Vec::new());
        Ok(Self { manifest, sessions, freed: Condvar::new(), held: Mutex::new(held) })
    }

    /// Loads what was only held so far.
    fn ready(&self) -> Result<(), ModelError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(h) = held.as_mut() else { return Ok(()) };
        let io = |e: std::io::Error| ModelError::Io { path: h.path.clone(), message: e.to_string() };
        let mut bytes = Vec::new();
        h.file.rewind().map_err(io)?;
        (&h.file).take(MAX_MODEL_BYTES).read_to_end(&mut bytes).map_err(io)?;
        let mut ready = verified_sessions(&h.runtime, &self.manifest, &h.path, &bytes, 1)?;
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).append(&mut ready);
        *held = None;
        Ok(())
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Runs the model on one input tensor. `data` is row-major and must fill `shape`.
    pub fn run(&self, shape: &[usize], data: &[f32]) -> Result<Vec<OutputTensor>, ModelError> {
        self.ready()?;
        let mut session = self.checkout();
        let begun = Instant::now();
        let result = run_session(&mut session, &self.manifest.input.name, shape, data);
        trace!(target: RUN_TARGET, model = %self.manifest.id, ?shape, micros = begun.elapsed().as_micros() as u64);
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        self.freed.notify_one();
        result
    }

    fn checkout(&self) -> Session {
        let mut free = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(session) = free.pop() {
                return session;
            }
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn installed(manifest: &Manifest, cache: &Path) -> Result<PathBuf, ModelError> {
    let path = manifest.weights(cache);
    if path.is_file() {
        return Ok(path);
    }
    let hint = "run scripts/setup.sh, or `seamline models add`";
    Err(ModelError::NotInstalled { id: manifest.id.to_string(), path, hint })
}

fn verified_sessions(
    runtime: &Runtime,
    manifest: &Manifest,
    path: &Path,
    bytes: &[u8],
    sessions: usize,
) -> Result<Vec<Session>, ModelError> {
    let got = Sha256Hash::of(bytes);
    if got != manifest.sha256() {
        let expected = manifest.sha256();
        return Err(ModelError::HashMismatch { path: path.to_owned(), expected, got });
    }
    let mut pool = Vec::new();
    for _ in 0..sessions.max(1) {
        pool.push(open_session(runtime, bytes)?);
    }
    if let Some(session) = pool.first() {
        check_contract(manifest, session)?;
    }
    Ok(pool)
}

fn open_session(runtime: &Runtime, bytes: &[u8]) -> Result<Session, ModelError> {
    fn fail<T>(e: ort::Error<T>) -> ModelError {
        ModelError::Runtime(one_line(&e.to_string()))
    }
    Session::builder(&runtime.environment)
        .map_err(fail)?
        .with_intra_threads(1)
        .map_err(fail)?
        .with_inter_threads(1)
        .map_err(fail)?
        .with_intra_op_spinning(false)
        .map_err(fail)?
        .with_deterministic_compute(true)
        .map_err(fail)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(fail)?
        .commit_from_memory(bytes)
        .map_err(fail)
}

fn run_session(
    session: &mut Session,
    name: &str,
    shape: &[usize],
    data: &[f32],
) -> Result<Vec<OutputTensor>, ModelError> {
    fn fail<T>(e: ort::Error<T>) -> ModelError {
        ModelError::Runtime(one_line(&e.to_string()))
    }
    let input = TensorRef::from_array_view((shape.to_vec(), data)).map_err(fail)?;
    let outputs = session.run(ort::inputs![name => input]).map_err(fail)?;
    let mut tensors = Vec::new();
    for (name, value) in outputs.iter() {
        let (shape, data) = value.try_extract_tensor::<f32>().map_err(fail)?;
        tensors.push(OutputTensor {
            name: name.to_owned(),
            shape: shape.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect(),
            data: data.to_vec(),
        });
    }
    Ok(tensors)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check_contract(manifest: &Manifest, session: &Session) -> Result<(), ModelError> {
    let fail = |message: String| ModelError::Contract { id: manifest.id.to_string(), message };
    let [input] = session.inputs() else {
        return Err(fail(format!("has {} inputs, exactly one is supported", session.inputs().len())));
    };
    if input.name() != manifest.input.name {
        return Err(fail(format!(
            "its input is named {:?}, the manifest says {:?}",
            input.name(),
            manifest.input.name
        )));
    }
    check_shape(input.dtype(), &manifest.input.shape)
        .map_err(|m| fail(format!("input {:?}: {m}", input.name())))?;
    if manifest.role != Role::FaceDetector
        && let Some(want) = &manifest.output
    {
        let found = session.outputs().iter().find(|o| o.name() == want.name);
        let Some(output) = found else {
            let names: Vec<_> = session.outputs().iter().map(|o| o.name()).collect();
            return Err(fail(format!("has no output {:?}; it has {names:?}", want.name)));
        };
        check_shape(output.dtype(), &want.shape).map_err(|m| fail(format!("output {:?}: {m}", want.name)))?;
    }
    Ok(())
}

/// The manifest may leave a dimension free that the file fixes only if it is the batch; it may not fix one
/// to another size.
fn check_shape(dtype: &ValueType, want: &[i64]) -> Result<(), String> {
    let ValueType::Tensor { ty, shape, .. } = dtype else { return Err("is not a tensor".into()) };
    if *ty != ort::value::TensorElementType::Float32 {
        return Err(format!("holds {ty:?}, only Float32 is supported"));
    }
    let real: Vec<i64> = shape.iter().copied().collect();
    let agrees = real.len() == want.len() && real.iter().zip(want).all(|(&r, &w)| r == -1 || w == r);
    if agrees { Ok(()) } else { Err(format!("the file has shape {real:?}, the manifest says {want:?}")) }
}
