//! What all requests share.

use crate::db::Db;
use crate::limits::Limiter;
use crate::metrics::Metrics;
use crate::tls::Certificate;
use seamline_core::Sha256Hash;
use seamline_pipeline::queue::{MediaFolder, Submitter, Uploads};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and port.
    Tcp(std::net::SocketAddr),
    /// A Unix socket; who may use it is a matter of its folder's permissions.
    Unix(PathBuf),
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("unix: needs a path".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| "expected ADDRESS:PORT or unix:PATH".into()),
        }
    }
}

impl Listen {
    /// Whether nothing but this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// What one token may ask for, and what one request may bring.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Largest clip, in bytes.
    pub upload_bytes: u64,
    /// Uploads at once.
    pub uploads: u32,
    /// Requests a second, over some time.
    pub per_second: f64,
    /// Requests at once, after a quiet time.
    pub burst: f64,
}

impl Default for Quota {
    fn default() -> Self {
        // 4 GiB are an hour of good HD. A page makes about five requests.
        Self { upload_bytes: 4 << 30, uploads: 32, per_second: 50.0, burst: 200.0 }
    }
}

/// A server's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: Listen,
    /// Whether a token is demanded; always so where others than this machine can reach it.
    pub tokens: bool,
    /// Names under which it may be asked for, beside `localhost` and the address it listens on. A page elsewhere that
    /// has its own name point here is refused by this.
    pub hosts: Vec<String>,
    /// Speak TLS, on an address; a Unix socket needs none.
    pub certificate: Option<Certificate>,
    /// What one token may ask for.
    pub quota: Quota,
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) db: Db,
    pub(crate) media: Arc<MediaFolder>,
    pub(crate) uploads: Uploads,
    pub(crate) submitter: Submitter,
    pub(crate) limiter: Limiter,
    pub(crate) metrics: Metrics,
    /// For tokens of forms; new with each start.
    pub(crate) form_key: Sha256Hash,
    /// Set when the server is to end: streams end with it.
    pub(crate) stop: Arc<AtomicBool>,
}

pub(crate) type App = Arc<Shared>;
