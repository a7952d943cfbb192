//! Where the `seamline` program is, and with it the models.

use pyo3::prelude::*;
use seamline_infer::Home;
use std::path::PathBuf;

/// The program: `$SEAMLINE_BIN`, or the first `seamline` on `$PATH`; None where there is neither.
#[pyfunction]
pub(crate) fn find_program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("SEAMLINE_BIN") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("seamline")).find(|file| file.is_file())
}

/// Models and libraries: of `home` where it is given, else as the program itself resolves them.
pub(crate) fn home(home: Option<PathBuf>) -> Home {
    match (home, find_program()) {
        (Some(root), _) => Home::at(&root),
        (None, Some(program)) => Home::resolve_for(&std::fs::canonicalize(&program).unwrap_or(program)),
        (None, None) => Home::resolve(),
    }
}
