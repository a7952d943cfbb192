//! Where models and libraries are: one resolution order for the source tree, an installed copy and tests.

use std::path::{Path, PathBuf};

/// The folders that hold models, libraries and what the operator added.
#[derive(Clone, Debug)]
pub struct Home {
    /// `models/` with the manifests that Seamline ships.
    pub models: PathBuf,
    /// The cache of materialised files: `models/` and `lib/` inside.
    pub cache: PathBuf,
    /// Models that an operator added with `seamline models add`.
    pub user_models: PathBuf,
}

impl Home {
    /// Resolves, in this order: `$SEAMLINE_HOME`; the nearest ancestor of the executable that has
    /// `models/README.md` (the source tree); `../lib/seamline` beside the executable (an installed copy).
    ///
    /// `$SEAMLINE_CACHE` and `$SEAMLINE_USER_MODELS` override the two other folders.
    pub fn resolve() -> Self {
        Self::resolve_for(&std::env::current_exe().unwrap_or_default())
    }

    /// As [`Self::resolve`], for an executable that is not the running one.
    pub fn resolve_for(executable: &Path) -> Self {
        let root = std::env::var_os("SEAMLINE_HOME")
            .map(PathBuf::from)
            .unwrap_or_else(|| Self::beside_executable(executable));
        let mut home = Self::at(&root);
        if let Some(cache) = std::env::var_os("SEAMLINE_CACHE") {
            home.cache = cache.into();
        }
        if let Some(user) = std::env::var_os("SEAMLINE_USER_MODELS") {
            home.user_models = user.into();
        }
        home
    }

    /// The layout under one root.
    pub fn at(root: &Path) -> Self {
        let data = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".local/share")))
            .unwrap_or_else(|| root.join("data"));
        Self {
            models: root.join("models"),
            cache: root.join(".cache"),
            user_models: data.join("seamline").join("models"),
        }
    }

    fn beside_executable(exe: &Path) -> PathBuf {
        let tree = exe.ancestors().skip(1).find(|dir| dir.join("models/README.md").is_file());
        match tree {
            Some(root) => root.to_owned(),
            None => exe.parent().and_then(Path::parent).unwrap_or(Path::new("/usr")).join("lib/seamline"),
        }
    }
}
