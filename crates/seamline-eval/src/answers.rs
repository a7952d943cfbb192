//! What detectors said about the trials of a protocol, whoever they are: our evidence and the score files of
//! others come to the same shape.

use crate::ladder::Condition;
use crate::metrics::Proposal;
use crate::protocol::Protocol;
use crate::text::{self, TextError};
use seamline_core::{Llr, Score, Sha256Hash};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

/// One detector's answer about one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The clip's score; absent = it abstained or failed. Never a number in disguise.
    pub score: Option<Score>,
    /// Calibrated, where the detector is and the score is in its range.
    pub llr: Option<Llr>,
    /// Whether it says "spoof" at its operating point; an abstention does not.
    pub calls_spoof: bool,
    /// Why there is no score.
    pub silence: Option<String>,
}

/// Which answers belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Detector; `seamline` is the verdict over all of them.
    pub detector: String,
    /// The aspect it judges; `*` for the verdict and where none is stated.
    pub aspect: String,
    /// How the clips were treated before; `clean` = not at all.
    pub condition: String,
}

/// One detector under one condition.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Its version, and the hash of its weights where there are any.
    pub version: String,
    /// Whether it has an operating point, so that "spoof" means something.
    pub decides: bool,
    /// By trial; absent = nothing was said about it at all.
    pub by_trial: BTreeMap<usize, Answer>,
    /// Proposed spans by trial, in seconds.
    pub proposals: BTreeMap<usize, Vec<Proposal>>,
}

/// Everything that was read.
pub type AnswerSet = BTreeMap<Key, Answers>;

/// Why answers cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The file or its form.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Nobody said which end is spoof.
    #[error("{}: which end of its scores is spoof is stated neither by a line `# polarity: higher_is_spoof` (or higher_is_bonafide) in it nor by --polarity; it is never guessed", path.display())]
    NoPolarity {
        /// Which file.
        path: PathBuf,
    },
    /// Two statements about the polarity or unit that differ.
    #[error("{}: {what} is {in_file} in the file and {asked} on the command line", path.display())]
    Conflict {
        /// Which file.
        path: PathBuf,
        /// Polarity or unit.
        what: &'static str,
        /// The file's.
        in_file: String,
        /// The command line's.
        asked: String,
    },
    /// Scores that are no number.
    #[error("{}: not a finite number: {rows}", path.display())]
    NotANumber {
        /// Which file.
        path: PathBuf,
        /// Rows with what stands there.
        rows: String,
    },
    /// A trial that was scored twice.
    #[error("{}: scored twice: {rows}", path.display())]
    Duplicate {
        /// Which file.
        path: PathBuf,
        /// Both rows.
        rows: String,
    },
    /// Trials of the protocol without an answer.
    #[error("{}: no answer for {count} of {of} trials ({whom}): {rows}", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
        /// Detector and condition.
        whom: String,
        /// Rows of the protocol.
        rows: String,
    },
    /// Clips that are no trial of the protocol.
    #[error("{}: not in the protocol: {rows}", path.display())]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// Rows with names.
        rows: String,
    },
    /// A number that has no meaning as stated.
    #[error("{}: {message}", path.display())]
    Meaning {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Finds trials by what a file calls them.
pub(crate) struct Index<'p> {
    by_id: HashMap<&'p str, usize>,
    by_path: HashMap<&'p str, usize>,
    by_hash: HashMap<Sha256Hash, usize>,
    /// Names of trials that are the same file as another: known, and not counted again.
    aliases: HashSet<&'p str>,
}

/// What a name comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    Trial(usize),
    Alias,
    Unknown,
}

impl<'p> Index<'p> {
    pub(crate) fn new(protocol: &'p Protocol) -> Self {
        let trials = || protocol.trials.iter().enumerate();
        let mut by_path = HashMap::new();
        // A path that two trials share names neither of them.
        let mut shared = Vec::new();
        for (i, t) in trials() {
            if by_path.insert(t.path.as_str(), i).is_some() {
                shared.push(t.path.as_str());
            }
        }
        for path in shared {
            by_path.remove(path);
        }
        Self {
            by_id: trials().map(|(i, t)| (t.id.as_str(), i)).collect(),
            by_path,
            by_hash: trials().filter_map(|(i, t)| Some((t.sha256?, i))).collect(),
            aliases: protocol.same_file.iter().map(|(left_out, _)| left_out.as_str()).collect(),
        }
    }

    pub(crate) fn name(&self, name: &str) -> Found {
        if let Some(&i) = self.by_id.get(name).or_else(|| self.by_path.get(name)) {
            return Found::Trial(i);
        }
        if self.aliases.contains(name) { Found::Alias } else { Found::Unknown }
    }

    pub(crate) fn clip(&self, hash: Option<Sha256Hash>, path: &str) -> Found {
        match hash.and_then(|h| self.by_hash.get(&h)) {
            Some(&i) => Found::Trial(i),
            None => self.name(path),
        }
    }
}

/// Every key must answer every trial: what is silently left out of a figure makes it another figure.
pub(crate) fn check_complete(
    path: &std::path::Path,
    protocol: &Protocol,
    set: &AnswerSet,
) -> Result<(), AnswerError> {
    for (key, answers) in set {
        // A rung of the ladder is made for some kinds of clips only.
        let rung = Condition::find(&key.condition).ok();
        let missing: Vec<String> = protocol
            .trials
            .iter()
            .enumerate()
            .filter(|(i, t)| rung.is_none_or(|c| c.takes(t.modality)) && !answers.by_trial.contains_key(i))
            .map(|(_, t)| format!("row {} {}", t.row, t.id))
            .collect();
        if !missing.is_empty() {
            return Err(AnswerError::Missing {
                path: path.to_owned(),
                count: missing.len(),
                of: protocol.trials.len(),
                whom: format!("{}, {}", key.detector, key.condition),
                rows: text::some_rows(&missing),
            });
        }
    }
    Ok(())
}
