//! Protocols: which clips are trials, and what is true of each.
//!
//! Every reader turns its labels into `bonafide` and `spoof` by that format's own vocabulary; a word outside it is
//! an error that names the rows. A trial is a clip: its id is unique within a protocol, and a path that several
//! manipulations share (as FaceForensics++ ids do) never merges two of them.

mod asvspoof;
mod checks;
mod deepfakebench;
mod tables;
mod videos;

use crate::text::{self, TextError};
use seamline_core::{Label, Sha256Hash};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Formats of protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Ours: tab-separated with a header `trial_id, path, sha256, modality, label, attack_family, generator,
    /// source, use`; other columns are passed over.
    Seamline,
    /// Comma-separated with a header: `file` (or `path`, `file_name`, `filename`) and `label`
    /// (`bonafide`/`spoof`); the columns of ours where they are there.
    Csv,
    /// FaceForensics++: the official folders below the media root, and a split file of id pairs.
    FaceForensics,
    /// DeepfakeBench's dataset JSON: data set, class, split, (compression,) video, frames.
    DeepfakeBench,
    /// Celeb-DF's `List_of_testing_videos.txt`: `1 path` = real, `0 path` = fake.
    CelebDf,
    /// DFDC: `metadata.json` (`REAL`/`FAKE`) or `labels.csv` (`filename,label`, 1 = fake).
    Dfdc,
    /// ASVspoof 2019 LA and PA: five columns, the key last.
    AsvSpoof2019,
    /// ASVspoof 2021 keys (`trial_metadata.txt`): LA and DF.
    AsvSpoof2021,
    /// ASVspoof 5: `filename<TAB>cm-label`, or the track 1 protocol of ten columns.
    AsvSpoof5,
    /// In-the-Wild's `meta.csv`: `file,speaker,label` (`bona-fide`/`spoof`).
    InTheWild,
    /// Speech DF Arena's `protocol.csv`: `file_name,label`.
    Arena,
    /// AV-Deepfake1M's metadata: a JSON list with `file`, `modify_type`, `fake_segments`.
    AvDeepfake1m,
}

impl Format {
    /// Every format with its name on the command line.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Seamline, "seamline"),
        (Self::Csv, "csv"),
        (Self::FaceForensics, "faceforensics"),
        (Self::DeepfakeBench, "deepfakebench"),
        (Self::CelebDf, "celeb-df"),
        (Self::Dfdc, "dfdc"),
        (Self::AsvSpoof2019, "asvspoof2019"),
        (Self::AsvSpoof2021, "asvspoof2021"),
        (Self::AsvSpoof5, "asvspoof5"),
        (Self::InTheWild, "in-the-wild"),
        (Self::Arena, "arena"),
        (Self::AvDeepfake1m, "av-deepfake1m"),
    ];
}

/// What kind of clip it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Sound.
    Audio,
    /// A still picture.
    Image,
    /// Moving pictures, with or without sound.
    Video,
}

impl Modality {
    /// The name in protocols and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Image => "image",
            Self::Video => "video",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Audio, Self::Image, Self::Video].into_iter().find(|m| m.as_str() == text)
    }

    /// By the file's extension; video where it says nothing.
    fn of_path(path: &str) -> Self {
        let extension = path.rsplit_once('.').map_or("", |p| p.1).to_ascii_lowercase();
        match extension.as_str() {
            "wav" | "flac" | "mp3" | "ogg" | "oga" | "opus" | "m4a" | "aac" | "aif" | "aiff" => Self::Audio,
            "png" | "jpg" | "jpeg" | "bmp" | "tif" | "tiff" => Self::Image,
            _ => Self::Video,
        }
    }
}

/// One clip of a protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its name, unique within the protocol.
    pub id: String,
    /// Its file, relative to the media root.
    pub path: String,
    /// The hash of the file, where the protocol states it.
    pub sha256: Option<Sha256Hash>,
    /// What it is.
    pub label: Label,
    /// What kind.
    pub modality: Modality,
    /// Attack family as the protocol spells it; empty = none stated.
    pub family: String,
    /// Generator or attack; empty for bona fide clips and where none is stated.
    pub generator: String,
    /// Where it comes from; the protocol's name where none is stated.
    pub source: String,
    /// Split; empty where the protocol has none.
    pub split: String,
    /// Who is seen or heard; empty where not stated.
    pub identity: String,
    /// Manipulated spans in seconds, where the protocol states them.
    pub segments: Option<Vec<(f64, f64)>>,
    /// Row in the file, from 1 (for JSON, the item's number).
    pub row: usize,
}

/// A protocol that passed every check.
#[derive(Clone, Debug, Default)]
pub struct Protocol {
    /// Name for tables: the file's stem.
    pub name: String,
    /// Trials in the order of the file.
    pub trials: Vec<Trial>,
    /// Rows without a label (`unknown`), which are no trials.
    pub unlabelled: usize,
    /// Trials that are the same file as an earlier one of the same class and split, left out: (left out, kept).
    /// A file is one trial, however often it is listed.
    pub same_file: Vec<(String, String)>,
    /// Clip of each frame file, where the protocol lists frames.
    pub frames: HashMap<String, u32>,
}

/// Why a protocol is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The file or its form.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Words that are no label of this format.
    #[error("{}: not a label here ({known}): {rows}", path.display())]
    Label {
        /// Which file.
        path: PathBuf,
        /// The vocabulary.
        known: &'static str,
        /// Rows with the words.
        rows: String,
    },
    /// The same trial twice.
    #[error("{}: the same trial twice: {rows}", path.display())]
    Duplicate {
        /// Which file.
        path: PathBuf,
        /// Both rows.
        rows: String,
    },
    /// The same file under two labels.
    #[error("{}: the same file with both labels: {rows}", path.display())]
    Contradiction {
        /// Which file.
        path: PathBuf,
        /// Both rows.
        rows: String,
    },
    /// The same file in two splits.
    #[error("{}: the same file in two splits: {rows}", path.display())]
    HashOverlap {
        /// Which file.
        path: PathBuf,
        /// Both rows.
        rows: String,
    },
    /// The same person in two splits.
    #[error("{}: the same identity in two splits: {rows}", path.display())]
    IdentityOverlap {
        /// Which file.
        path: PathBuf,
        /// Both rows.
        rows: String,
    },
    /// Files that are not below the media root.
    #[error("not found below {}: {rows}", root.display())]
    Missing {
        /// The media root.
        root: PathBuf,
        /// Rows with paths.
        rows: String,
    },
    /// A file that is not the one the protocol hashed.
    #[error("not the file that the protocol names: {rows}")]
    WrongFile {
        /// Rows with hashes.
        rows: String,
    },
    /// Nothing left to measure.
    #[error("{}: no trial{}", path.display(), if split.is_empty() { String::new() } else { format!(" in split {split:?}; there are: {known}") })]
    NoTrials {
        /// Which file.
        path: PathBuf,
        /// The split that was asked for.
        split: String,
        /// Splits that are there.
        known: String,
    },
}

/// What a reader needs beside the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions<'a> {
    /// The media root; formats that list folders need it.
    pub media: Option<&'a Path>,
    /// Take only this split.
    pub split: Option<&'a str>,
    /// Take only this compression (FaceForensics++, DeepfakeBench), e.g. `c23`.
    pub compression: Option<&'a str>,
    /// Take only this share.
    pub share: Option<Share>,
}

/// A share of a protocol that keeps its make-up: the same fraction of each source, class and kind of clip, rounded up.
/// Which trials is decided by the SHA-256 of their names, so that a larger share holds a smaller one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// A fraction over 0, at most 1; others are none.
    pub fn new(fraction: f64) -> Option<Self> {
        (fraction > 0.0 && fraction <= 1.0).then_some(Self(fraction))
    }

    /// The fraction.
    pub const fn fraction(self) -> f64 {
        self.0
    }
}

impl Protocol {
    /// Reads and checks. Overlap between splits is looked for before one of them is chosen.
    pub fn read(path: &Path, format: Format, options: &ReadOptions<'_>) -> Result<Self, ProtocolError> {
        let text = text::read(path)?;
        let mut draft = Draft::new(path);
        match format {
            Format::Seamline => tables::seamline(&mut draft, &text)?,
            Format::Csv => tables::csv(&mut draft, &text)?,
            Format::InTheWild => tables::in_the_wild(&mut draft, &text)?,
            Format::Arena => tables::arena(&mut draft, &text)?,
            Format::FaceForensics => videos::face_forensics(&mut draft, &text, options)?,
            Format::CelebDf => videos::celeb_df(&mut draft, &text)?,
            Format::Dfdc => videos::dfdc(&mut draft, &text)?,
            Format::AvDeepfake1m => videos::av_deepfake1m(&mut draft, &text)?,
            Format::DeepfakeBench => deepfakebench::read(&mut draft, &text, options)?,
            Format::AsvSpoof2019 => asvspoof::y2019(&mut draft, &text)?,
            Format::AsvSpoof2021 => asvspoof::y2021(&mut draft, &text)?,
            Format::AsvSpoof5 => asvspoof::y5(&mut draft, &text)?,
        }
        draft.finish(options.split, options.share)
    }
}

/// Trials in the making: readers add rows, bad labels are gathered so that an error names them all.
pub(crate) struct Draft {
    path: PathBuf,
    protocol: Protocol,
    known: &'static str,
    bad_labels: Vec<String>,
}

/// What readers state of a row; the rest is filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row<'a> {
    pub(crate) row: usize,
    pub(crate) id: &'a str,
    pub(crate) path: &'a str,
    pub(crate) label: &'a str,
    pub(crate) generator: &'a str,
    pub(crate) family: &'a str,
    pub(crate) source: &'a str,
    pub(crate) split: &'a str,
    pub(crate) identity: &'a str,
    pub(crate) sha256: Option<Sha256Hash>,
    pub(crate) modality: Option<Modality>,
    pub(crate) segments: Option<Vec<(f64, f64)>>,
}

impl Draft {
    fn new(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self {
            path: path.to_owned(),
            protocol: Protocol { name, ..Protocol::default() },
            known: "",
            bad_labels: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Adds a row whose label is read by `vocabulary`: `known` names it in errors.
    pub(crate) fn add(
        &mut self,
        row: Row<'_>,
        known: &'static str,
        vocabulary: impl Fn(&str) -> Option<Label>,
    ) -> Result<(), TextError> {
        self.known = known;
        let Some(label) = vocabulary(row.label) else {
            self.bad_labels.push(format!("row {} {:?}", row.row, row.label));
            return Ok(());
        };
        if row.id.is_empty() {
            return Err(TextError::syntax(&self.path, row.row, "a trial without a name"));
        }
        if let Some((start, end)) = row.segments.iter().flatten().find(|s| !sound_segment(s)) {
            let message = format!("{start} to {end} is no span");
            return Err(TextError::syntax(&self.path, row.row, message));
        }
        if self.protocol.trials.len() == text::MAX_ROWS {
            return Err(TextError::TooManyRows { path: self.path.clone() });
        }
        let stated = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
        let path = if row.path.is_empty() { row.id } else { row.path };
        let source = if row.source.is_empty() { self.protocol.name.as_str() } else { row.source };
        self.protocol.trials.push(Trial {
            id: row.id.to_owned(),
            path: path.to_owned(),
            sha256: row.sha256,
            label,
            modality: row.modality.unwrap_or_else(|| Modality::of_path(path)),
            family: stated(row.family),
            generator: if label == Label::Bonafide { String::new() } else { stated(row.generator) },
            source: source.to_owned(),
            split: stated(row.split),
            identity: stated(row.identity),
            segments: row.segments,
            row: row.row,
        });
        Ok(())
    }
}

fn sound_segment(s: &(f64, f64)) -> bool {
    s.0.is_finite() && s.1.is_finite() && s.0 <= s.1
}

/// The project's own words.
pub(crate) fn plain_label(word: &str) -> Option<Label> {
    match word {
        "bonafide" => Some(Label::Bonafide),
        "spoof" => Some(Label::Spoof),
        _ => None,
    }
}

impl ProtocolError {
    /// Files whose hashes are not the protocol's.
    pub fn wrong_files(rows: &[String]) -> Self {
        Self::WrongFile { rows: text::some_rows(rows) }
    }
}
