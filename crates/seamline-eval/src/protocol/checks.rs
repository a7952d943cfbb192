//! What makes a protocol unfit for measuring: duplicates, contradictions, overlap between splits, missing files.

use super::{Draft, Protocol, ProtocolError, Share, Trial};
use crate::text::{self, TextError};
use seamline_core::{Label, Sha256Hash};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

impl Draft {
    /// Checks everything, then keeps `split`, each file once, and of that `share`.
    pub(super) fn finish(
        mut self,
        split: Option<&str>,
        share: Option<Share>,
    ) -> Result<Protocol, ProtocolError> {
        let path = self.path.clone();
        if !self.bad_labels.is_empty() {
            let rows = text::some_rows(&self.bad_labels);
            return Err(ProtocolError::Label { path, known: self.known, rows });
        }
        if self.protocol.trials.is_empty() && self.protocol.unlabelled == 0 {
            return Err(TextError::Empty { path }.into());
        }
        let trials = &self.protocol.trials;
        let rows = pairs(trials, |t| Some(&t.id), |_, _| true);
        if !rows.is_empty() {
            return Err(ProtocolError::Duplicate { path, rows: text::some_rows(&rows) });
        }
        let rows = pairs(trials, |t| t.sha256.as_ref(), |a, b| a.label != b.label);
        if !rows.is_empty() {
            return Err(ProtocolError::Contradiction { path, rows: text::some_rows(&rows) });
        }
        let rows = pairs(trials, |t| t.sha256.as_ref(), |a, b| a.split != b.split);
        if !rows.is_empty() {
            return Err(ProtocolError::HashOverlap { path, rows: text::some_rows(&rows) });
        }
        let named = |t: &Trial| (!t.identity.is_empty()).then(|| t.identity.clone());
        let rows = pairs(trials, named, |a, b| a.split != b.split);
        if !rows.is_empty() {
            return Err(ProtocolError::IdentityOverlap { path, rows: text::some_rows(&rows) });
        }
        let known: BTreeSet<String> = self.protocol.trials.iter().map(|t| t.split.clone()).collect();
        if let Some(split) = split {
            self.keep(|t| t.split == split);
        }
        if self.protocol.trials.is_empty() {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            let split = split.unwrap_or_default().to_owned();
            return Err(ProtocolError::NoTrials { path, split, known });
        }
        self.merge_same_files();
        if let Some(share) = share {
            let chosen = share.of(&self.protocol.trials);
            self.keep(|t| chosen.contains(&t.row));
        }
        Ok(self.protocol)
    }

    fn keep(&mut self, wanted: impl Fn(&Trial) -> bool) {
        let mut new_index = HashMap::new();
        let mut kept = Vec::new();
        for (old, trial) in (0_u32..).zip(std::mem::take(&mut self.protocol.trials)) {
            if wanted(&trial) {
                new_index.insert(old, kept.len() as u32);
                kept.push(trial);
            }
        }
        self.protocol.trials = kept;
        self.protocol.frames.retain(|_, clip| match new_index.get(clip) {
            Some(new) => {
                *clip = *new;
                true
            }
            None => false,
        });
    }

    /// The same bytes are the same clip: listed twice, they would count twice and narrow every interval.
    fn merge_same_files(&mut self) {
        let mut first: HashMap<_, String> = HashMap::new();
        let mut left_out = Vec::new();
        self.protocol.trials.retain(|trial| {
            let Some(hash) = trial.sha256 else { return true };
            match first.entry(hash) {
                Entry::Occupied(kept) => {
                    left_out.push((trial.id.clone(), kept.get().clone()));
                    false
                }
                Entry::Vacant(slot) => {
                    slot.insert(trial.id.clone());
                    true
                }
            }
        });
        self.protocol.same_file = left_out;
    }
}

impl Share {
    /// Rows of the trials that are taken.
    fn of(self, trials: &[Trial]) -> BTreeSet<usize> {
        let mut strata: BTreeMap<_, Vec<(Sha256Hash, usize)>> = BTreeMap::new();
        for trial in trials {
            let stratum = (trial.source.as_str(), trial.label == Label::Spoof, trial.modality);
            // A hash orders them: the same trials whatever the order of rows, and a larger share holds a smaller one.
            let order = Sha256Hash::of(trial.id.as_bytes());
            strata.entry(stratum).or_default().push((order, trial.row));
        }
        let mut rows = BTreeSet::new();
        for mut stratum in strata.into_values() {
            stratum.sort_unstable();
            let taken = (stratum.len() as f64 * self.fraction()).ceil() as usize;
            rows.extend(stratum.iter().take(taken).map(|s| s.1));
        }
        rows
    }
}

/// Rows that share a key with an earlier one and stand against it.
fn pairs<'t, K: std::hash::Hash + Eq>(
    trials: &'t [Trial],
    key: impl Fn(&'t Trial) -> Option<K>,
    against: impl Fn(&Trial, &Trial) -> bool,
) -> Vec<String> {
    let mut first: HashMap<K, &Trial> = HashMap::new();
    let mut found = Vec::new();
    for trial in trials {
        let Some(k) = key(trial) else { continue };
        match first.entry(k) {
            Entry::Vacant(slot) => {
                slot.insert(trial);
            }
            Entry::Occupied(earlier) => {
                let earlier = earlier.get();
                if against(earlier, trial) {
                    found.push(format!(
                        "rows {} ({}) and {} ({})",
                        earlier.row, earlier.id, trial.row, trial.id
                    ));
                }
            }
        }
    }
    found
}

impl Protocol {
    /// An error that names every trial whose file is not below `root`.
    pub fn check_media(&self, root: &Path) -> Result<(), ProtocolError> {
        let missing: Vec<String> = self
            .trials
            .iter()
            .filter(|t| !root.join(&t.path).is_file())
            .map(|t| format!("row {} {}", t.row, t.path))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ProtocolError::Missing { root: root.to_owned(), rows: text::some_rows(&missing) })
    }

    /// Trials by name.
    pub fn by_id(&self) -> HashMap<&str, usize> {
        self.trials.iter().enumerate().map(|(i, t)| (t.id.as_str(), i)).collect()
    }
}
