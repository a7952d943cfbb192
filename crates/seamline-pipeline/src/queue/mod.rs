//! Jobs put to work: [`runner`] takes them from a queue and has them judged, [`media`] keeps the bytes of clips that
//! came without a file, [`submit`] makes jobs of files, [`outlet`] writes what ended to a report file.
//!
//! The queue is whatever implements [`seamline_core::job::JobQueue`]; the one that comes with Seamline is the store's.

pub mod media;
pub mod outlet;
pub mod runner;
pub mod submit;

pub use media::{MediaError, MediaFolder, Part, Retain};
pub use outlet::{Outlet, OutletError};
pub use runner::{Note, Runner, RunnerError};
pub use submit::{Said, SubmitError, Submitter};
