//! Protocols of face and audio-visual sets.

use super::{Draft, Modality, ProtocolError, ReadOptions, Row};
use crate::text::{self, Table, TextError};
use seamline_core::Label;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// `1 path` is real, `0 path` is fake (Celeb-DF v1 and v2, `List_of_testing_videos.txt`).
pub(super) fn celeb_df(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let path = draft.path();
    for (row, words) in text::words(&path, text)? {
        let [label, id] = words[..] else {
            return Err(TextError::syntax(&path, row, format!("{} columns, not 2", words.len())));
        };
        let folder = id.split_once('/').map_or("", |p| p.0);
        let row =
            Row { row, id, label, generator: folder, modality: Some(Modality::Video), ..Row::default() };
        draft.add(row, "1 = real, 0 = fake", |word| match word {
            "1" => Some(Label::Bonafide),
            "0" => Some(Label::Spoof),
            _ => None,
        })?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct DfdcEntry {
    label: String,
    #[serde(default)]
    split: String,
}

/// `metadata.json` of a training part, or `labels.csv` of the test set.
pub(super) fn dfdc(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let path = draft.path();
    if text.trim_start().starts_with('{') {
        let entries: BTreeMap<String, DfdcEntry> =
            serde_json::from_str(text).map_err(|e| TextError::json(&path, &e))?;
        for (number, (file, entry)) in (1..).zip(&entries) {
            let row = Row {
                row: number,
                id: file,
                label: &entry.label,
                split: &entry.split,
                modality: Some(Modality::Video),
                ..Row::default()
            };
            draft.add(row, "REAL, FAKE", |word| match word {
                "REAL" => Some(Label::Bonafide),
                "FAKE" => Some(Label::Spoof),
                _ => None,
            })?;
        }
        return Ok(());
    }
    let table = Table::parse(&path, text, b',')?;
    let (file, label) = (table.column(&["filename"])?, table.column(&["label"])?);
    for (row, record) in table.rows() {
        let get = |c| record.get(c).unwrap_or_default();
        let row =
            Row { row, id: get(file), label: get(label), modality: Some(Modality::Video), ..Row::default() };
        draft.add(row, "0 = real, 1 = fake", |word| match word {
            "0" => Some(Label::Bonafide),
            "1" => Some(Label::Spoof),
            _ => None,
        })?;
    }
    Ok(())
}

/// The official folders below the media root; `text` is a split: a JSON list of pairs of ids.
pub(super) fn face_forensics(
    draft: &mut Draft,
    text: &str,
    options: &ReadOptions<'_>,
) -> Result<(), ProtocolError> {
    let path = draft.path();
    let pairs: Vec<(String, String)> = serde_json::from_str(text).map_err(|e| TextError::json(&path, &e))?;
    let root = options.media.ok_or_else(|| {
        TextError::syntax(&path, 0, "FaceForensics++ lists folders: the media root must be stated")
    })?;
    let compression = options.compression.unwrap_or("c23");
    let split = draft.protocol.name.clone();
    let mut fakes = BTreeSet::new();
    let mut originals = BTreeSet::new();
    for (a, b) in &pairs {
        for id in [a, b] {
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
                return Err(TextError::syntax(&path, 0, format!("{id:?} is no id of a video")).into());
            }
        }
        fakes.extend([format!("{a}_{b}"), format!("{b}_{a}")]);
        originals.extend([a.clone(), b.clone()]);
    }
    let mut number = 0;
    let mut add = |draft: &mut Draft, folder: &str, stem: &str, label: &str, method: &str| {
        number += 1;
        let file = format!("{folder}/{stem}.mp4");
        let row = Row {
            row: number,
            id: &file,
            label,
            generator: method,
            source: "FaceForensics++",
            split: &split,
            modality: Some(Modality::Video),
            ..Row::default()
        };
        draft.add(row, "bonafide, spoof", super::plain_label)
    };
    for stem in &originals {
        let folder = format!("original_sequences/youtube/{compression}/videos");
        add(draft, &folder, stem, "bonafide", "")?;
    }
    for method in folders(&root.join("manipulated_sequences"))? {
        // Actors' videos (DeepFakeDetection) have other names and no official split.
        if method == "DeepFakeDetection" {
            continue;
        }
        let folder = format!("manipulated_sequences/{method}/{compression}/videos");
        for stem in &fakes {
            add(draft, &folder, stem, "spoof", &method)?;
        }
    }
    Ok(())
}

fn folders(dir: &Path) -> Result<Vec<String>, TextError> {
    let io = |source| TextError::Io { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[derive(Deserialize)]
struct AvEntry {
    file: String,
    modify_type: String,
    #[serde(default)]
    split: String,
    #[serde(default)]
    fake_segments: Vec<(f64, f64)>,
}

/// AV-Deepfake1M and its successor: what was modified, and the spans in seconds.
pub(super) fn av_deepfake1m(draft: &mut Draft, text: &str) -> Result<(), TextError> {
    let path = draft.path();
    let entries: Vec<AvEntry> = serde_json::from_str(text).map_err(|e| TextError::json(&path, &e))?;
    for (number, entry) in (1..).zip(entries) {
        if entry.modify_type == "real" && !entry.fake_segments.is_empty() {
            return Err(TextError::syntax(&path, number, "a real clip with fake segments"));
        }
        let row = Row {
            row: number,
            id: &entry.file,
            label: &entry.modify_type,
            generator: &entry.modify_type,
            split: &entry.split,
            modality: Some(Modality::Video),
            segments: Some(entry.fake_segments),
            ..Row::default()
        };
        let known = "real, visual_modified, audio_modified, both_modified";
        draft.add(row, known, |word| match word {
            "real" => Some(Label::Bonafide),
            "visual_modified" | "audio_modified" | "both_modified" => Some(Label::Spoof),
            _ => None,
        })?;
    }
    Ok(())
}
