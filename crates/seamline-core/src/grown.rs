//! What a run leans on when it shares its work with other machines: a broker that hands out the names of jobs, and a
//! place where every machine finds the bytes of clips.
//!
//! Neither decides anything. What state a job is in, and whose it is, the queue alone says ([`crate::job`]); a clip's
//! bytes are right when they have its hash. So either may lose everything, repeat itself or go away for a while, and
//! nothing is lost and nothing is recorded twice.

use crate::ClipId;
use crate::job::{JobId, Lane, Rules};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Why a broker could not do something. None of it is the end of a run: jobs wait.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// It is not there now.
    #[error("the broker is away: {0}")]
    Away(String),
    /// It is set up otherwise than it should be.
    #[error("the broker: {0}")]
    Refused(String),
}

/// A job as a broker sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Small, and wanted sooner than others.
    Urgent,
    /// Small.
    Light,
    /// As large as [`Rules::heavy_bytes`] or larger.
    Heavy,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Light, Self::Heavy];

    /// Of a job of that size in bytes and that priority.
    pub const fn of(size: u64, priority: i8, rules: &Rules) -> Self {
        if size >= rules.heavy_bytes {
            Self::Heavy
        } else if priority > 0 {
            Self::Urgent
        } else {
            Self::Light
        }
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }
}

/// A job that is to be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its name.
    pub id: JobId,
    /// How it is sorted.
    pub kind: Kind,
}

/// What telling a job came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The broker has it now.
    New,
    /// It had it already, perhaps in somebody's hands.
    Known,
    /// There is no room: it waits where it is.
    Full,
}

/// A broker: hands each name to one of many, and again when that one does not come back.
pub trait Broker: Send + Sync {
    /// Another number than before where the broker began anew, so that what it was told may be lost.
    fn generation(&self) -> Result<u64, BrokerError>;

    /// Tells jobs, in this order; what each came to. One that the broker knows already is not there twice.
    fn tell(&self, jobs: &[Notice]) -> Result<Vec<Told>, BrokerError>;

    /// The next name for this lane, if one comes within `wait`.
    fn take(&self, lane: Lane, wait: Duration) -> Result<Option<Box<dyn Ticket>>, BrokerError>;

    /// Names that were handed out as often as is allowed, and that nobody came back from, with that number. Each is
    /// passed to `bury`; when it has returned without an error, the broker forgets it.
    fn dead(&self, bury: &mut dyn FnMut(JobId, u64) -> Result<(), BrokerError>) -> Result<(), BrokerError>;
}

/// A name that was handed out. Dropped without a word, it is handed out again after a while.
pub trait Ticket: Send + Sync {
    /// The job's name.
    fn job(&self) -> JobId;
    /// Whether it is handed out for the last time.
    fn is_last(&self) -> bool;
    /// Says that whoever has it is at work.
    fn keep(&self);
    /// Says that nothing is left to do about it.
    fn done(self: Box<Self>);
    /// Lets it be handed out again after that time.
    fn again(self: Box<Self>, after: Duration);
}

/// Why a shared clip could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// It is not there.
    #[error("the clip is not in the shared media")]
    Gone,
    /// Its bytes are others than its name says.
    #[error("the shared clip's bytes are not those it is named by")]
    Changed,
    /// The place is not there now, or says no.
    #[error("the shared media: {0}")]
    Away(String),
}

/// A place where every machine finds the bytes of clips, by their SHA-256.
pub trait SharedMedia: Send + Sync {
    /// Puts the file there, unless it is there already. Its bytes must have that hash when they are read here too.
    fn put(&self, clip: &ClipId, file: &Path) -> Result<(), SharedError>;

    /// A file with the clip's bytes, at its beginning; of at most `size` bytes.
    fn get(&self, clip: &ClipId, size: u64) -> Result<File, SharedError>;
}

/// Why somebody could not be told that a job ended.
#[derive(Debug, thiserror::Error)]
pub enum HeraldError {
    /// He does not want to hear it, or may not: saying it again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// He is not there now.
    #[error("{0}")]
    Away(String),
}

/// Tells programs elsewhere that jobs ended.
pub trait Herald: Send + Sync {
    /// Whether that URL may be told; if not, why.
    fn allows(&self, url: &str) -> Result<(), String>;

    /// Says it; `body` is JSON. At least once: an answer may be lost.
    fn tell(&self, url: &str, body: &[u8]) -> Result<(), HeraldError>;
}
