//! Jobs put to work: [`runner`] takes them from a queue and has them judged, [`media`] keeps the bytes of clips that
//! came without a file, [`resume`] those of clips that come in pieces, [`submit`] makes jobs of files, [`outlet`] writes what ended to a report file, [`relay`] tells a
//! broker what waits, where there is one, [`callbacks`] those who asked for it that a job ended.
//!
//! The queue is the store's ([`seamline_core::job::JobQueue`]). A broker only hands out names of jobs.

pub mod callbacks;
pub mod media;
pub mod outlet;
pub mod relay;
pub mod resume;
pub mod runner;
pub mod submit;

pub use callbacks::Callbacks;
pub use media::{MediaError, MediaFolder, Part, Retain};
pub use outlet::{Outlet, OutletError};
pub use relay::{Relay, RelayError, Round};
pub use resume::{Announced, ResumeError, Resumed, Uploads};
pub use runner::{Note, Runner, RunnerError};
pub use submit::{Said, SubmitError, Submitter};
