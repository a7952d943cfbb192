//! Opening a store for a command.

use crate::output;
use anyhow::{Result, bail};
use seamline_pipeline::record::Recorder;
use std::path::Path;

pub(crate) use seamline_pipeline::record::now;

/// Reading makes no store: a mistyped path is an error, not an empty store.
pub(crate) fn must_exist(store: &Path) -> Result<()> {
    if !store.is_file() {
        bail!("{}: no store there; `seamline scan --store` makes one", store.display());
    }
    Ok(())
}

/// Opens or makes the store at `path`, with its indexes.
pub(crate) fn open(path: &Path) -> Result<Recorder> {
    let (recorder, said) = Recorder::open(path)?;
    if let Some(said) = said {
        output::complain(&said);
    }
    Ok(recorder)
}
