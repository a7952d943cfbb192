//! From paths to records: jailed workers, the topology inside a worker, supervision, order and back-pressure.
//!
//! The one crate with threads. The parent opens and hashes clips, hands descriptors to workers, limits their
//! time and memory, and fuses what they report; a worker ([`worker`]) loads its models, shuts itself in
//! ([`jail`]), and then decodes and detects. A crash, a hang or a refused system call costs one clip.
//! May not: print, parse a command line, or decode a byte of a clip in the parent.

pub mod analyse;
mod consistency;
pub mod engine;
pub mod jail;
mod judge;
mod observe;
pub mod options;
pub mod queue;
pub mod record;
pub mod scan;
pub mod supervise;
mod timeline;
pub mod trust;
pub mod walk;
mod wire;
pub mod worker;

pub use engine::{Engine, EngineError};
pub use options::{Profile, ScanOptions};
pub use scan::{Event, Scan, ScanError};
pub use wire::Probe;
#[doc(hidden)]
pub use wire::fuzz_replies;
