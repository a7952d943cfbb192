//! Protocols that are tables with a header.

use super::{Draft, Modality, Row, plain_label};
use crate::text::{Table, TextError};
use seamline_core::{Label, Sha256Hash};

/// Columns of ours; in a plain CSV all but the file and the label may be missing.
struct Columns {
    id: Option<usize>,
    path: Option<usize>,
    sha256: Option<usize>,
    modality: Option<usize>,
    label: usize,
    family: Option<usize>,
    generator: Option<usize>,
    source: Option<usize>,
    split: Option<usize>,
    identity: Option<usize>,
}

/// `trial_id, path, sha256, modality, label, attack_family, generator, source, use`, tab-separated.
pub(super) fn seamline(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let table = Table::parse(&draft.path(), text, b'\t')?;
    // Protocols under datasets/ hold no paths: the id then stands for the file.
    let columns = Columns { id: Some(table.column(&["trial_id"])?), ..columns(&table)? };
    rows(draft, &table, &columns)
}

pub(super) fn csv(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let table = Table::parse(&draft.path(), text, b',')?;
    let columns = columns(&table)?;
    if columns.id.is_none() && columns.path.is_none() {
        table.column(&["file"])?;
    }
    rows(draft, &table, &columns)
}

fn columns(table: &Table) -> Result<Columns, TextError> {
    Ok(Columns {
        id: table.optional(&["trial_id", "id"]),
        path: table.optional(&["path", "file", "file_name", "filename"]),
        sha256: table.optional(&["sha256"]),
        modality: table.optional(&["modality"]),
        label: table.column(&["label"])?,
        family: table.optional(&["attack_family", "family"]),
        generator: table.optional(&["generator", "attack"]),
        source: table.optional(&["source", "dataset"]),
        split: table.optional(&["use", "split", "part"]),
        identity: table.optional(&["identity", "speaker"]),
    })
}

fn rows(draft: &mut Draft, table: &Table, columns: &Columns) -> Result<(), TextError> {
    let path = draft.path();
    for (row, record) in table.rows() {
        let get = |column: Option<usize>| column.and_then(|c| record.get(c)).unwrap_or_default();
        let label = get(Some(columns.label));
        if label == "unknown" {
            draft.protocol.unlabelled += 1;
            continue;
        }
        let sha256 = match get(columns.sha256) {
            "" | "-" => None,
            text => Some(Sha256Hash::parse(text).ok_or_else(|| {
                TextError::syntax(&path, row, format!("{text:?} is not a SHA-256 of 64 hexadecimal digits"))
            })?),
        };
        let modality = match get(columns.modality) {
            "" | "-" => None,
            text => Some(Modality::parse(text).ok_or_else(|| {
                TextError::syntax(&path, row, format!("{text:?} is not audio, image or video"))
            })?),
        };
        let file = get(columns.path);
        let row = Row {
            row,
            id: if columns.id.is_some() { get(columns.id) } else { file },
            path: file,
            label,
            generator: get(columns.generator),
            family: get(columns.family),
            source: get(columns.source),
            split: get(columns.split),
            identity: get(columns.identity),
            sha256,
            modality,
            segments: None,
        };
        draft.add(row, "bonafide, spoof, unknown", plain_label)?;
    }
    Ok(())
}

/// `file,speaker,label`; the speaker is the identity.
pub(super) fn in_the_wild(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let table = Table::parse(&draft.path(), text, b',')?;
    let (file, speaker, label) =
        (table.column(&["file"])?, table.column(&["speaker"])?, table.column(&["label"])?);
    for (row, record) in table.rows() {
        let get = |c| record.get(c).unwrap_or_default();
        let row = Row {
            row,
            id: get(file),
            label: get(label),
            identity: get(speaker),
            modality: Some(Modality::Audio),
            ..Row::default()
        };
        draft.add(row, "bona-fide, spoof", |word| match word {
            "bona-fide" => Some(Label::Bonafide),
            "spoof" => Some(Label::Spoof),
            _ => None,
        })?;
    }
    Ok(())
}

/// `file_name,label` with `bonafide` and `spoof`.
pub(super) fn arena(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let table = Table::parse(&draft.path(), text, b',')?;
    let (file, label) = (table.column(&["file_name"])?, table.column(&["label"])?);
    for (row, record) in table.rows() {
        let get = |c| record.get(c).unwrap_or_default();
        let row =
            Row { row, id: get(file), label: get(label), modality: Some(Modality::Audio), ..Row::default() };
        draft.add(row, "bonafide, spoof", plain_label)?;
    }
    Ok(())
}
