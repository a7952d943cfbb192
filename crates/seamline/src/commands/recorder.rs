//! Opening a store for a command.

use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::store::{SqlStore, StoreAt};
use seamline_pipeline::record::Recorder;

pub(crate) use seamline_pipeline::record::now;

/// Reading makes no store: a mistyped path is an error, not an empty store.
pub(crate) fn must_exist(store: &StoreAt) -> Result<()> {
    if store.file().is_some_and(|f| !f.is_file()) {
        bail!("{store}: no store there; `seamline scan --store` makes one");
    }
    Ok(())
}

/// Opens or makes the store.
pub(crate) fn open_store(at: &StoreAt) -> Result<SqlStore> {
    SqlStore::at(at).with_context(|| at.to_string())
}

/// Opens or makes the store, with its indexes.
pub(crate) fn open(at: &StoreAt) -> Result<Recorder> {
    let (recorder, said) = Recorder::open(at, &crate::place::index(at))?;
    if let Some(said) = said {
        output::complain(&said);
    }
    Ok(recorder)
}
