//! Who this machine is, and where it keeps what can be made again.

use seamline_campaign::store::StoreAt;
use seamline_core::Sha256Hash;
use seamline_pipeline::record::index_beside;
use std::path::PathBuf;

/// This machine's name among those that share a store: as `SEAMLINE_MACHINE` says, or the system's own.
pub(crate) fn machine() -> String {
    let said = std::env::var("SEAMLINE_MACHINE").ok();
    let files = ["/etc/machine-id", "/proc/sys/kernel/hostname"];
    let found =
        || files.iter().find_map(|f| std::fs::read_to_string(f).ok().filter(|t| !t.trim().is_empty()));
    said.or_else(found).map(|t| t.trim().to_owned()).unwrap_or_default()
}

/// Where what can be made again is kept: as systemd says, or in the user's cache.
pub(crate) fn cache() -> PathBuf {
    let own = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    own("CACHE_DIRECTORY")
        .or_else(|| own("XDG_CACHE_HOME").map(|c| c.join("seamline")))
        .or_else(|| own("HOME").map(|h| h.join(".cache/seamline")))
        .unwrap_or_else(|| std::env::temp_dir().join("seamline"))
}

/// Where the indexes of a store are: as `SEAMLINE_INDEX` says; beside a file; in the cache for a database, which each
/// machine has indexes of its own of.
pub(crate) fn index(store: &StoreAt) -> PathBuf {
    if let Some(said) = std::env::var_os("SEAMLINE_INDEX") {
        return said.into();
    }
    match store.file() {
        Some(file) => index_beside(file),
        None => cache().join(format!("index-{}", Sha256Hash::of(store.to_string().as_bytes()).short())),
    }
}
