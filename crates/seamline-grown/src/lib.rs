//! What Seamline joins when one machine is outgrown: a NATS JetStream broker ([`nats`]) and clips in S3 or in a folder
//! that every machine mounts ([`media`]); and programs that are told when a job ends ([`webhooks`]).
//!
//! All stand behind the traits of [`seamline_core::grown`] and are called from threads that may wait. May not: decide
//! what state a job is in, or speak to any host but those that the operator named.

pub mod address;
pub mod media;
pub mod nats;
pub mod webhooks;

pub use address::{AddressError, MediaAt, NatsAt};
pub use media::{Folder, S3};
pub use nats::Nats;
pub use webhooks::Webhooks;
