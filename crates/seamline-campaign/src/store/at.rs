//! Where a store is.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a store is, as a command line says it: a file, or `postgres://...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAt {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

/// A database's address with what is needed to enter it, and who this machine is among those that share it.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    url: String,
    machine: String,
}

impl StoreAt {
    /// Reads what a command line says. `machine` names this machine among those that share a database: what watched
    /// folders and report files remember is kept apart by it.
    pub fn new(text: &OsStr, machine: &str) -> Self {
        match text.to_str() {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Self::Postgres(PostgresUrl { url: url.to_owned(), machine: machine.to_owned() })
            }
            _ => Self::File(text.into()),
        }
    }

    /// Whether other machines may stand on it too.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl From<&Path> for StoreAt {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl PostgresUrl {
    /// The whole URL, which may hold a password.
    pub(super) fn secret(&self) -> &str {
        &self.url
    }

    pub(super) fn machine(&self) -> &str {
        &self.machine
    }

    /// The URL without what is needed to enter: user, password and options.
    fn shown(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("postgres", ""));
        let bare = rest.split('?').next().unwrap_or_default();
        format!("{scheme}://{}", bare.rsplit('@').next().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Display for StoreAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => f.write_str(&url.shown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let at = StoreAt::new(OsStr::new("postgres://desk:s3cr@t@db.example:5432/seen?password=t00"), "m");
        assert_eq!(at.to_string(), "postgres://db.example:5432/seen");
        assert!(!format!("{at:?}").contains("s3cr") && !format!("{at:?}").contains("t00"));
        assert!(at.is_shared());
        assert_eq!(StoreAt::new(OsStr::new("seen.db"), "m"), StoreAt::File("seen.db".into()));
    }
}
