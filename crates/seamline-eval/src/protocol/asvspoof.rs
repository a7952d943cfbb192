//! ASVspoof protocols. Their speakers appear in several partitions by design of the challenge, but each file here
//! is one partition, so a speaker is an identity within one split.

use super::{Draft, Modality, Row, plain_label};
use crate::text::{self, TextError};

const KNOWN: &str = "bonafide, spoof";

fn add(draft: &mut Draft, row: Row<'_>) -> Result<(), TextError> {
    draft.add(Row { modality: Some(Modality::Audio), ..row }, KNOWN, plain_label)
}

/// `SPEAKER FILE - ATTACK KEY`.
pub(super) fn y2019(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let path = draft.path();
    for (row, words) in text::words(&path, text)? {
        let [speaker, id, _, attack, label] = words[..] else {
            return Err(TextError::syntax(&path, row, format!("{} columns, not 5", words.len())));
        };
        let file = format!("{id}.flac");
        add(
            draft,
            Row { row, id, path: &file, label, generator: attack, identity: speaker, ..Row::default() },
        )?;
    }
    Ok(())
}

/// `SPEAKER FILE CODEC SOURCE ATTACK KEY TRIM SUBSET ...`: LA has 8 columns, DF 13.
pub(super) fn y2021(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let path = draft.path();
    for (row, words) in text::words(&path, text)? {
        let [speaker, id, _, _, attack, label, _, split, ..] = words[..] else {
            return Err(TextError::syntax(&path, row, format!("{} columns, not 8 or more", words.len())));
        };
        let file = format!("{id}.flac");
        // A speaker is heard in progress, eval and hidden subsets alike: those are views of one set, not splits.
        let _ = speaker;
        add(draft, Row { row, id, path: &file, label, generator: attack, split, ..Row::default() })?;
    }
    Ok(())
}

/// `filename<TAB>cm-label` with a header, or `SPEAKER FILE GENDER CODEC Q SEED ATTACK_TAG ATTACK KEY TMP`.
pub(super) fn y5(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let path = draft.path();
    let rows = text::words(&path, text)?;
    let keys = rows.first().is_some_and(|(_, first)| first[..] == ["filename", "cm-label"]);
    for (row, words) in rows.into_iter().skip(usize::from(keys)) {
        let (id, label, attack, speaker) = match words[..] {
            [id, label] if keys => (id, label, "", ""),
            [speaker, id, _, _, _, _, _, attack, label, _] if !keys => (id, label, attack, speaker),
            _ => {
                let wanted = if keys { 2 } else { 10 };
                let message = format!("{} columns, not {wanted}", words.len());
                return Err(TextError::syntax(&path, row, message));
            }
        };
        let file = format!("{id}.flac");
        add(
            draft,
            Row { row, id, path: &file, label, generator: attack, identity: speaker, ..Row::default() },
        )?;
    }
    Ok(())
}
