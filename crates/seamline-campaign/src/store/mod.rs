//! The store: clips, sightings, evidence, verdicts, observables, links, clusters, decisions, things to review.
//!
//! [`Store`] is what the rest of Seamline speaks to; [`SqlStore`] is the one that comes with it: an SQLite file, or a
//! PostgreSQL database that several machines share. Every method that writes is one transaction: when it has returned, what it wrote survives a crash, and when it has not, nothing of it
//! is there. Recording the same clip again with the same pipeline changes nothing, so whoever is not sure whether a
//! recording was acknowledged may simply repeat it.

mod access;
mod at;
mod callbacks;
mod check;
mod clusters;
mod completion;
mod jobs;
mod migrate;
mod offers;
mod places;
mod search;
mod sql;
mod sqlite;
mod walk;

pub use access::{AuditEntry, Role, Token};
pub use at::{PostgresUrl, StoreAt};
pub use callbacks::Callback;
pub use completion::{Beside, ManifestMark};
pub use offers::{Claim, Offer};
pub use places::{FileIdentity, OutletMark, WatchedFile};
pub use seamline_core::job::Sighting;
pub use search::{ClipQuery, StoredReport};
pub use sqlite::SqlStore;

use crate::cluster::{Decision, Link, Ruling};
use crate::moment::Moment;
use crate::observables::{Observables, Trace, VoiceEmbedding, codec::CodecError};
use seamline_core::{ClipId, MediaTime, Sha256Hash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. Nothing of the operation was kept, and the store is intact.
    #[error("the disk is full; nothing of this was recorded")]
    Full,
    /// Another process wrote for longer than the time that is waited.
    #[error("another process has the store locked")]
    Busy,
    /// The database server was not reached for as long as it is waited for. What was being written may or may not
    /// stay; writing it again is safe.
    #[error("the store's server is away: {0}")]
    Away(String),
    /// Something that this kind of store does otherwise.
    #[error("{0}")]
    NotHere(&'static str),
    /// The database said no.
    #[error("store: {0}")]
    Database(String),
    /// A stored record cannot be read.
    #[error(transparent)]
    Damaged(#[from] CodecError),
    /// The store was made by a later version.
    #[error("the store has schema version {found}, this version of Seamline knows {known}")]
    TooNew {
        /// Its version.
        found: i64,
        /// The latest this version knows.
        known: i64,
    },
    /// A clip that is not in the store.
    #[error("no clip {0} in the store")]
    NoClip(ClipId),
    /// A cluster that is not in the store.
    #[error("no campaign or cluster {0} in the store")]
    NoCluster(i64),
}

/// One scan of one clip, to be recorded.
#[derive(Clone, Debug)]
pub struct Recording<'a> {
    /// The file.
    pub clip: ClipId,
    /// As submitted.
    pub path: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// When it was scanned.
    pub at: Moment,
    /// The run's digest: the same clip scanned the same way again is not recorded twice.
    pub pipeline_digest: Sha256Hash,
    /// The verdict's conclusion, by its name on the wire.
    pub conclusion: &'a str,
    /// The verdict's LLR in nats, where it has one.
    pub llr: Option<f64>,
    /// The report's verdict line.
    pub verdict_line: &'a str,
    /// The report's evidence lines.
    pub evidence_lines: &'a [String],
    /// What the clip can be recognised by.
    pub observables: Option<&'a Observables>,
    /// Where it was seen.
    pub sightings: &'a [Sighting],
}

/// What recording came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Whether the clip was new to the store.
    pub new_clip: bool,
    /// Whether its observables were new; then [`Recorded::observables_row`] is to be indexed.
    pub new_observables: bool,
    /// Row of its observables, where it has any.
    pub observables_row: Option<u64>,
    /// Number of near-duplicates put up for review, because the conclusion changed.
    pub reviews: usize,
}

/// A clip as the store knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredClip {
    /// The file.
    pub sha256: ClipId,
    /// As submitted first.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was recorded first.
    pub recorded_at: Moment,
    /// Conclusion of its latest verdict.
    pub conclusion: String,
    /// LLR of its latest verdict.
    pub llr: Option<f64>,
    /// Its cluster.
    pub cluster: i64,
}

/// What of a clip can be shown without its media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// Its length.
    pub duration: MediaTime,
    /// A small JPEG; empty where there is none.
    pub thumbnail: Vec<u8>,
}

/// A verdict as recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredVerdict {
    /// When.
    pub recorded_at: Moment,
    /// Made by which pipeline.
    pub pipeline_digest: Sha256Hash,
    /// Its conclusion.
    pub conclusion: String,
    /// Its LLR.
    pub llr: Option<f64>,
    /// The report's line.
    pub line: String,
    /// The report's evidence lines.
    pub evidence: Vec<String>,
}

/// A cluster in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSummary {
    /// Its number in this store.
    pub id: i64,
    /// The clip it began with; its name for ever.
    pub founder: ClipId,
    /// The name an analyst gave it.
    pub name: Option<String>,
    /// Whether an analyst confirmed it as a campaign.
    pub confirmed: bool,
    /// Number of clips.
    pub members: u64,
    /// Number of sightings.
    pub sightings: u64,
    /// First and last sighting, where there is any.
    pub first_seen: Option<Moment>,
    /// The last sighting, or where there is none the latest recording.
    pub last_seen: Option<Moment>,
}

/// Everything about one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterDetail {
    /// In one line.
    pub summary: ClusterSummary,
    /// Its clips, by SHA-256.
    pub clips: Vec<StoredClip>,
    /// Links among them, best first.
    pub links: Vec<Link>,
    /// Sightings of its clips, by time.
    pub sightings: Vec<(ClipId, Sighting)>,
    /// Decisions that speak of its clips, in their order.
    pub decisions: Vec<Decision>,
}

/// Something an analyst should look at again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its number.
    pub id: i64,
    /// What to look at.
    pub clip: ClipId,
    /// The near-duplicate whose verdict changed.
    pub cause: ClipId,
    /// That verdict's conclusion before.
    pub before: String,
    /// And after.
    pub after: String,
    /// When it changed.
    pub at: Moment,
}

/// What [`Store::check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Number of clips.
    pub clips: u64,
    /// Number of verdicts.
    pub verdicts: u64,
    /// What is wrong; empty = nothing.
    pub problems: Vec<String>,
}

/// A place where campaigns are kept.
pub trait Store {
    /// Records one scan, all of it or nothing.
    fn record(&mut self, recording: &Recording<'_>) -> Result<Recorded, StoreError>;

    /// Adds sightings of a clip that is in the store; one that is known already is not added twice.
    fn add_sightings(&mut self, clip: &ClipId, sightings: &[Sighting]) -> Result<(), StoreError>;

    /// Adds links, or replaces those of the same kind between the same clips, and works the clusters of all clips
    /// concerned out anew.
    fn add_links(&mut self, links: &[Link]) -> Result<(), StoreError>;

    /// Records what an analyst decided and works the clusters concerned out anew.
    fn decide(&mut self, decision: &Decision) -> Result<(), StoreError>;

    /// Says that somebody has looked.
    fn resolve_review(&mut self, id: i64, author: &str, at: Moment) -> Result<bool, StoreError>;

    /// A clip.
    fn clip(&self, clip: &ClipId) -> Result<Option<StoredClip>, StoreError>;

    /// The clip whose SHA-256 comes next after `clip`, or the first: a walk that holds one clip at a time.
    fn clip_after(&self, clip: Option<&ClipId>) -> Result<Option<StoredClip>, StoreError>;

    /// Where and when it was seen, by time.
    fn sightings(&self, clip: &ClipId) -> Result<Vec<Sighting>, StoreError>;

    /// Links of which it is the first end: over all clips, each link once.
    fn links_from(&self, clip: &ClipId) -> Result<Vec<Link>, StoreError>;

    /// Its verdicts, latest first.
    fn verdicts(&self, clip: &ClipId) -> Result<Vec<StoredVerdict>, StoreError>;

    /// Its observables.
    fn observables_of(&self, clip: &ClipId) -> Result<Option<Observables>, StoreError>;

    /// What of it can be shown beside others; `None` where it was not observed.
    fn appearance(&self, clip: &ClipId) -> Result<Option<Appearance>, StoreError>;

    /// The observables in a row; `None` where the clip has been observed again since, or never was.
    fn observables_in(&self, row: u64) -> Result<Option<Observables>, StoreError>;

    /// Calls `each` with every row of observables after `row`, in order.
    fn observables_after(
        &self,
        row: u64,
        each: &mut dyn FnMut(u64, &Observables) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Clips that carry a trace.
    fn clips_with_trace(&self, trace: &Trace) -> Result<Vec<ClipId>, StoreError>;

    /// Calls `each` with every voice that `model` made: all of them, for an exact search.
    fn voices(
        &self,
        model: &Sha256Hash,
        each: &mut dyn FnMut(ClipId, &VoiceEmbedding),
    ) -> Result<(), StoreError>;

    /// Clusters of more than one clip, the latest seen first.
    fn clusters(&self, limit: u32) -> Result<Vec<ClusterSummary>, StoreError>;

    /// Everything about one cluster.
    fn cluster(&self, id: i64) -> Result<ClusterDetail, StoreError>;

    /// The clips of one cluster, which rulings speak of.
    fn members(&self, id: i64) -> Result<BTreeSet<ClipId>, StoreError> {
        Ok(self.cluster(id)?.clips.iter().map(|c| c.sha256).collect())
    }

    /// What is to be reviewed, oldest first.
    fn reviews(&self) -> Result<Vec<Review>, StoreError>;

    /// Every decision, in order.
    fn decisions(&self) -> Result<Vec<Decision>, StoreError>;

    /// Reads everything and looks for contradictions.
    fn check(&self) -> Result<CheckReport, StoreError>;

    /// Copies the store, as of one moment, into a new file, while others go on using it.
    fn backup(&self, to: &Path) -> Result<(), StoreError>;
}

/// The clips that a ruling speaks of.
fn clips_of(ruling: &Ruling) -> Vec<ClipId> {
    match ruling {
        Ruling::Merge { clips } | Ruling::Confirm { clips } => clips.iter().copied().collect(),
        Ruling::Split { apart, from } => apart.iter().chain(from).copied().collect(),
        Ruling::Name { clip, .. } => vec![*clip],
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod jobs_tests;
