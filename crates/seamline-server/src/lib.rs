//! HTTP interface and web pages over one store: hand clips in, follow jobs, read reports, decide on campaigns.
//!
//! A server keeps no state of its own beside counts and measures: everything else is in the store and the media folder,
//! so it may be killed at any time, and several may stand on one store. Whatever waits for a disk does so on threads of
//! its own. May not: decode a clip, run a model, or speak to anybody who did not speak first.

mod access;
mod api;
mod db;
mod limits;
mod metrics;
mod pages;
mod problem;
mod routes;
mod state;
mod tls;

pub use access::{Caller, Need, ROUTES};
pub use api::service::description;
pub use db::Db;
pub use problem::Problem;
pub use routes::{ServeError, Server};
pub use state::{Listen, Quota, Settings};
pub use tls::Certificate;
