//! Campaigns: one lie, posted in many cuts. This crate recognises a clip in another and gives analysts the thread.
//!
//! [`observables`] are what is kept of a clip: [`pdq`] hashes of its pictures, a [`sound`] fingerprint, voices,
//! regions that stay, traces of tools. [`index`] finds equal or similar ones among tens of millions, [`align`] says
//! which stretch of one clip is which stretch of another, [`matching`] does both for a clip and everything seen.
//! [`cluster`] proposes what belongs together and obeys analysts, [`store`] keeps it all, [`export`] hands it on.
//!
//! May not: decode media, run a model, read a clock (times are given), print, or judge whether a clip is genuine.

pub mod align;
pub mod cluster;
pub mod export;
pub mod index;
pub mod matching;
pub mod observables;
mod patches;
pub mod pdq;
pub mod sound;
pub mod store;

// Calendar time is part of the shared vocabulary; it is met here first.
pub use seamline_core::moment;
