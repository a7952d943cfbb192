//! Which handler answers what, and the server around them.

use crate::access::{finish, gate};
use crate::api::{campaigns, clips, jobs, reports, service, tus, upload};
use crate::db::Db;
use crate::limits::Limiter;
use crate::metrics::Metrics;
use crate::pages;
use crate::problem::Problem;
use crate::state::{App, Listen, Settings, Shared};
use crate::tls::TlsListener;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};
use axum::{Router, extract::Request, middleware::Next, response::Response};
use seamline_campaign::store::StoreError;
use seamline_core::Sha256Hash;
use seamline_pipeline::queue::{MediaError, MediaFolder, Submitter, Uploads};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};

/// Bytes of a request that is no upload.
const BODY: usize = 1 << 20;
/// How long answers may take to end once the server is to end.
const GRACE: Duration = Duration::from_secs(5);

/// Why a server could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address or socket.
    #[error("{listen}: {source}")]
    Listen {
        /// Where it was to listen.
        listen: String,
        /// Why it cannot.
        source: io::Error,
    },
    /// Anybody who reaches it could use it.
    #[error(
        "{0}: others than this machine can reach that address, and there is no valid token; make one with `seamline tokens create`"
    )]
    NoTokens(String),
    /// The certificate or its key.
    #[error("{}: {message}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The media folder.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The threads.
    #[error("server: {0}")]
    Io(#[from] io::Error),
}

/// A server that is bound and not yet answering.
pub struct Server {
    app: App,
    listener: Bound,
}

enum Bound {
    Tcp(std::net::TcpListener),
    Tls(std::net::TcpListener, Arc<rustls::ServerConfig>),
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

impl Server {
    /// Binds. Where others than this machine can reach it, tokens are demanded, and there must be one.
    pub fn bind(
        mut settings: Settings,
        db: Db,
        media: Arc<MediaFolder>,
        submitter: Submitter,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, ServeError> {
        let name = match &settings.listen {
            Listen::Tcp(address) => address.to_string(),
            Listen::Unix(path) => path.display().to_string(),
        };
        settings.tokens |= !settings.listen.is_local();
        if settings.tokens {
            let at = seamline_pipeline::record::now();
            if !db.own()?.tokens()?.iter().any(|t| t.is_valid(at)) {
                return Err(ServeError::NoTokens(name));
            }
        }
        let failed = |source| ServeError::Listen { listen: name.clone(), source };
        let tcp = |address| std::net::TcpListener::bind(address).map_err(failed);
        let listener = match &settings.listen {
            Listen::Tcp(address) => match &settings.certificate {
                Some(certificate) => Bound::Tls(tcp(address)?, certificate.config()?),
                None => Bound::Tcp(tcp(address)?),
            },
            Listen::Unix(path) => Bound::Unix(unix(path).map_err(failed)?, path.clone()),
        };
        let uploads = Uploads::open(&media)?;
        let app = Arc::new(Shared {
            uploads,
            limiter: Limiter::new(settings.quota),
            settings,
            db,
            media,
            submitter,
            metrics: Metrics::default(),
            form_key: form_key(),
            stop,
        });
        Ok(Self { app, listener })
    }

    /// The address it is bound to, where it has one.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        match &self.listener {
            Bound::Tcp(l) | Bound::Tls(l, _) => l.local_addr().ok(),
            Bound::Unix(..) => None,
        }
    }

    /// Answers until the flag it was bound with is set.
    pub fn run(self) -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (app, stop) = (self.app.clone(), self.app.stop.clone());
        let ended = runtime.block_on(async move {
            let stopped = {
                let stop = stop.clone();
                async move {
                    while !stop.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            };
            let routes = router(app);
            let served = async move {
                match self.listener {
                    Bound::Tcp(l) => {
                        l.set_nonblocking(true)?;
                        axum::serve(TcpListener::from_std(l)?, routes).with_graceful_shutdown(stopped).await
                    }
                    Bound::Tls(l, config) => {
                        l.set_nonblocking(true)?;
                        axum::serve(TlsListener::new(l, config)?, routes)
                            .with_graceful_shutdown(stopped)
                            .await
                    }
                    Bound::Unix(l, path) => {
                        l.set_nonblocking(true)?;
                        let ended = axum::serve(UnixListener::from_std(l)?, routes)
                            .with_graceful_shutdown(stopped)
                            .await;
                        let _ = std::fs::remove_file(path); // the next start removes it too
                        ended
                    }
                }
            };
            // A client that never ends its request does not keep the server.
            let patience = async move {
                while !stop.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                tokio::time::sleep(GRACE).await;
            };
            tokio::select! {
                ended = served => ended,
                () = patience => Ok(()),
            }
        });
        runtime.shutdown_timeout(GRACE);
        Ok(ended?)
    }
}

/// Binds a Unix socket; one that a dead server left is removed.
fn unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::net::{UnixListener, UnixStream};
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

/// A key that nobody can guess and nobody keeps.
fn form_key() -> Sha256Hash {
    use io::Read;
    let mut bytes = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes));
    if read.is_err() {
        // Forms alone hang on it, beside the check of where a request comes from: the standard library's seed will do.
        let seed = RandomState::new();
        bytes = std::array::from_fn(|n| (seed.hash_one(n / 8) >> (n % 8 * 8)) as u8);
    }
    Sha256Hash::of(&bytes)
}

async fn nothing() -> Problem {
    Problem::not_found("there is nothing of that name")
}

async fn not_so() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "")
}

/// Requests whose queries or paths cannot be read are problems too.
async fn problems(request: Request, next: Next) -> Response {
    use axum::response::IntoResponse;
    let response = next.run(request).await;
    let plain = response
        .headers()
        .get(axum::http::header::CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"text/plain"));
    let status = response.status();
    if status.is_client_error() && plain {
        return Problem::new(status, "the request cannot be understood").into_response();
    }
    response
}

pub(crate) fn router(app: App) -> Router {
    let upload_limit =
        usize::try_from(app.settings.quota.upload_bytes).unwrap_or(usize::MAX).saturating_add(BODY);
    Router::new()
        .route("/v1/clips", post(upload::post).layer(DefaultBodyLimit::max(upload_limit)).get(clips::list))
        .route("/v1/uploads", post(tus::create).options(tus::options).layer(map_response(tus::mark)))
        .route(
            "/v1/uploads/{id}",
            get(tus::get)
                .delete(tus::delete)
                .patch(tus::patch)
                .layer(DefaultBodyLimit::max(upload_limit))
                .layer(map_response(tus::mark)),
        )
        .route("/v1/clips/{sha256}", get(clips::get))
        .route("/v1/clips/{sha256}/matches", get(clips::matches))
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{id}", get(jobs::get))
        .route("/v1/jobs/{id}/events", get(jobs::events))
        .route("/v1/jobs/{id}/replay", post(jobs::replay))
        .route("/v1/reports/{sha256}", get(reports::get))
        .route("/v1/campaigns", get(campaigns::list))
        .route("/v1/campaigns/merge", post(campaigns::merge))
        .route("/v1/campaigns/{id}", get(campaigns::get))
        .route("/v1/campaigns/{id}/confirm", post(campaigns::confirm))
        .route("/v1/campaigns/{id}/name", post(campaigns::name))
        .route("/v1/campaigns/{id}/split", post(campaigns::split))
        .route("/v1/audit", get(service::audit))
        .route("/healthz", get(service::healthz))
        .route("/readyz", get(service::readyz))
        .route("/metrics", get(service::metrics))
        .route("/openapi.json", get(service::openapi))
        .merge(pages::router(upload_limit))
        .method_not_allowed_fallback(not_so)
        .route_layer(from_fn_with_state(app.clone(), gate))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(problems))
        .layer(from_fn_with_state(app.clone(), finish))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_described_path_is_in_the_table_of_what_it_needs() {
        let doc = serde_json::to_value(service::description()).unwrap();
        assert!(doc["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut described = 0;
        let mut ids = std::collections::BTreeSet::new();
        for (path, methods) in doc["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(
                        !response["description"].as_str().unwrap().is_empty(),
                        "{method} {path} {status}"
                    );
                    let is_problem = !response["content"]["application/problem+json"].is_null();
                    assert_eq!(is_problem, status.starts_with(['4', '5']), "{method} {path} {status}");
                }
                let method = method.to_ascii_uppercase();
                assert!(
                    crate::access::ROUTES.iter().any(|(m, p, _)| *m == method && p == path),
                    "{method} {path}"
                );
                described += 1;
            }
        }
        let programs = |p: &str| {
            p.starts_with("/v1/")
                || !p[1..].contains('/') && matches!(p, "/healthz" | "/readyz" | "/metrics" | "/openapi.json")
        };
        assert_eq!(described, crate::access::ROUTES.iter().filter(|(_, p, _)| programs(p)).count());
    }
}
