//! Fixtures by recipe, for tests and demos only: nothing that a test reads is committed.
//!
//! Pictures are drawn ([`face`]), media are made by the `ffmpeg` program from drawings and from speech that a
//! Debian package brings ([`clips`]), damage is seeded ([`damage`]), waves are formulas ([`wave`]), servers are real ones
//! on loopback ports ([`servers`]).
//! May not: be a dependency of anything that ships.

pub mod clips;
pub mod damage;
pub mod face;
pub mod servers;
pub mod synthetic;
pub mod watermark;
pub mod wave;

/// Why a fixture could not be made; tests print it and fail, since set-up installs everything they need.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// A program is missing or failed.
    #[error("{program}: {message}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        message: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
