//! Score files of others. Which end is spoof is stated, in the file or by the caller, and never guessed.
//!
//! A file may say so itself in lines before its header, `# polarity: higher_is_bonafide` and `# unit: llr`, or in
//! JSON as members `polarity` and `unit` beside `scores`.

use crate::answers::{Answer, AnswerError, AnswerSet, Answers, Found, Index, Key, check_complete};
use crate::evidence::{CLEAN, Strictness};
use crate::protocol::Protocol;
use crate::text::{self, Table, TextError};
use seamline_core::{Llr, Orientation, Score, ScoreSemantics, ScoreUnit};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Formats of foreign score files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreFormat {
    /// ASVspoof 5: `filename<TAB>cm-score`, with a header.
    AsvSpoof5,
    /// Comma-separated with a header: `file_name` (or `file`, `filename`, `trial_id`) and `score`; Speech DF
    /// Arena's form.
    Csv,
    /// DeepfakeBench: a score for each frame, as CSV `frame,score` or as a JSON object or list.
    Frames,
}

impl ScoreFormat {
    /// Every format with its name on the command line.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::AsvSpoof5, "asvspoof5"), (Self::Csv, "csv"), (Self::Frames, "frames")];
}

/// What a foreign number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A natural-log likelihood ratio.
    Llr,
    /// Log-odds.
    Logit,
    /// 0 to 1.
    Probability,
    /// Anything monotone.
    Arbitrary,
}

impl Unit {
    /// Every unit with its name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Llr, "llr"),
        (Self::Logit, "logit"),
        (Self::Probability, "probability"),
        (Self::Arbitrary, "arbitrary"),
    ];

    fn score(self) -> ScoreUnit {
        match self {
            Self::Llr | Self::Logit => ScoreUnit::Logit,
            Self::Probability => ScoreUnit::Probability,
            Self::Arbitrary => ScoreUnit::Arbitrary,
        }
    }
}

/// Polarities with their names.
pub const POLARITIES: [(Orientation, &str); 2] =
    [(Orientation::HigherIsSpoof, "higher_is_spoof"), (Orientation::HigherIsBonafide, "higher_is_bonafide")];

/// How frames become a clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// The mean, as is customary.
    #[default]
    Mean,
    /// The median.
    Median,
    /// The most suspicious frame.
    Max,
}

/// What the caller states.
#[derive(Clone, Debug)]
pub struct ForeignOptions {
    /// Whose scores they are.
    pub detector: String,
    /// The aspect it judges; `*` if none is stated.
    pub aspect: String,
    /// How the clips were treated.
    pub condition: String,
    /// Which end is spoof, unless the file says so.
    pub polarity: Option<Orientation>,
    /// What the numbers are, unless the file says so; arbitrary if nobody does.
    pub unit: Option<Unit>,
    /// A score from which the detector calls spoof, in the file's own numbers.
    pub threshold: Option<f64>,
    /// How frames become a clip.
    pub aggregate: Aggregate,
    /// Whether gaps are errors.
    pub strictness: Strictness,
}

impl ForeignOptions {
    /// For `detector`, with nothing else stated.
    pub fn new(detector: &str) -> Self {
        Self {
            detector: detector.into(),
            aspect: "*".into(),
            condition: CLEAN.into(),
            polarity: None,
            unit: None,
            threshold: None,
            aggregate: Aggregate::Mean,
            strictness: Strictness::default(),
        }
    }
}

/// Rows as they stand in a file: number, name, text of the score.
type Rows = Vec<(usize, String, String)>;

/// Reads a score file against a protocol.
pub fn read(
    path: &Path,
    format: ScoreFormat,
    protocol: &Protocol,
    options: &ForeignOptions,
) -> Result<AnswerSet, AnswerError> {
    let text = text::read(path)?;
    let mut said = said_in_comments(path, &text)?;
    let rows = match format {
        ScoreFormat::AsvSpoof5 => table(path, &text, b'\t', &["filename"], &["cm-score"])?,
        ScoreFormat::Csv => {
            table(path, &text, b',', &["file_name", "file", "filename", "trial_id"], &["score", "cm-score"])?
        }
        ScoreFormat::Frames if text.trim_start().starts_with(['{', '[']) => json(path, &text, &mut said)?,
        ScoreFormat::Frames => table(path, &text, b',', &["frame", "file"], &["score"])?,
    };
    let orientation = agree(path, "the polarity", said.polarity, options.polarity, &POLARITIES)?
        .ok_or_else(|| AnswerError::NoPolarity { path: path.to_owned() })?;
    let unit = agree(path, "the unit", said.unit, options.unit, &Unit::ALL)?.unwrap_or(Unit::Arbitrary);
    let semantics = ScoreSemantics { orientation, unit: unit.score() };
    let values = numbers(path, rows, unit)?;
    let clips = match format {
        ScoreFormat::Frames => by_clip(path, protocol, values, semantics, options)?,
        _ => one_each(path, protocol, values, options)?,
    };
    let mut answers = Answers { decides: options.threshold.is_some(), ..Answers::default() };
    let meaning = |e: &dyn std::fmt::Display| AnswerError::Meaning {
        path: path.to_owned(),
        message: format!("a score is {e}"),
    };
    let threshold =
        options.threshold.map(|t| Score::new(t, semantics).map_err(|e| meaning(&e))).transpose()?;
    for (trial, value) in clips {
        let score = Score::new(value, semantics).map_err(|e| meaning(&e))?;
        let llr = match unit {
            Unit::Llr => Some(Llr::new(score.toward_spoof()).map_err(|e| meaning(&e))?),
            _ => None,
        };
        let calls_spoof = threshold.is_some_and(|t| score.toward_spoof() >= t.toward_spoof());
        answers.by_trial.insert(trial, Answer { score: Some(score), llr, calls_spoof, silence: None });
    }
    let key = Key {
        detector: options.detector.clone(),
        aspect: options.aspect.clone(),
        condition: options.condition.clone(),
    };
    let set = AnswerSet::from([(key, answers)]);
    if !options.strictness.allow_missing {
        check_complete(path, protocol, &set)?;
    }
    Ok(set)
}

#[derive(Default)]
struct Said {
    polarity: Option<Orientation>,
    unit: Option<Unit>,
}

impl Said {
    fn take(&mut self, path: &Path, row: usize, name: &str, value: &str) -> Result<(), TextError> {
        let wrong = |known: Vec<&str>| {
            TextError::syntax(path, row, format!("{name} {value:?} is none of: {}", known.join(", ")))
        };
        match name {
            "polarity" => {
                let found = POLARITIES.iter().find(|p| p.1 == value);
                self.polarity = Some(found.ok_or_else(|| wrong(POLARITIES.iter().map(|p| p.1).collect()))?.0);
            }
            "unit" => {
                let found = Unit::ALL.iter().find(|u| u.1 == value);
                self.unit = Some(found.ok_or_else(|| wrong(Unit::ALL.iter().map(|u| u.1).collect()))?.0);
            }
            _ => {}
        }
        Ok(())
    }
}

fn said_in_comments(path: &Path, text: &str) -> Result<Said, TextError> {
    let mut said = Said::default();
    for (row, line) in (1..).zip(text.lines()) {
        let Some(comment) = line.strip_prefix('#') else { break };
        if let Some((name, value)) = comment.split_once(':') {
            said.take(path, row, name.trim(), value.trim())?;
        }
    }
    Ok(said)
}

fn agree<T: Copy + PartialEq>(
    path: &Path,
    what: &'static str,
    in_file: Option<T>,
    asked: Option<T>,
    names: &[(T, &str)],
) -> Result<Option<T>, AnswerError> {
    let name = |v: T| names.iter().find(|n| n.0 == v).map_or("", |n| n.1).to_owned();
    match (in_file, asked) {
        (Some(a), Some(b)) if a != b => {
            Err(AnswerError::Conflict { path: path.to_owned(), what, in_file: name(a), asked: name(b) })
        }
        (a, b) => Ok(a.or(b)),
    }
}

fn table(path: &Path, text: &str, delimiter: u8, name: &[&str], score: &[&str]) -> Result<Rows, TextError> {
    let table = Table::parse(path, text, delimiter)?;
    let (name, score) = (table.column(name)?, table.column(score)?);
    let get = |r: &csv::StringRecord, c| r.get(c).unwrap_or_default().to_owned();
    Ok(table.rows().map(|(row, r)| (row, get(r, name), get(r, score))).collect())
}

/// `{frame: score}`, `[{"frame": .., "score": ..}]`, or either below `scores` beside `polarity` and `unit`.
fn json(path: &Path, text: &str, said: &mut Said) -> Result<Rows, TextError> {
    let mut value: Value = serde_json::from_str(text).map_err(|e| TextError::json(path, &e))?;
    if let Value::Object(members) = &mut value
        && members.get("scores").is_some_and(|s| !s.is_number())
    {
        for name in ["polarity", "unit"] {
            if let Some(stated) = members.get(name) {
                said.take(path, 0, name, stated.as_str().unwrap_or_default())?;
            }
        }
        value = members.remove("scores").unwrap_or(Value::Null);
    }
    let mut rows = Rows::new();
    match value {
        Value::Object(members) => {
            for (row, (name, score)) in (1..).zip(members) {
                rows.push((row, name, score.to_string()));
            }
        }
        Value::Array(items) => {
            for (row, item) in (1..).zip(items) {
                let name = item.get("frame").and_then(Value::as_str);
                let (Some(name), Some(score)) = (name, item.get("score")) else {
                    return Err(TextError::syntax(path, row, "an item without frame and score"));
                };
                rows.push((row, name.to_owned(), score.to_string()));
            }
        }
        _ => return Err(TextError::syntax(path, 1, "neither an object nor a list of scores")),
    }
    if rows.len() > text::MAX_ROWS {
        return Err(TextError::TooManyRows { path: path.to_owned() });
    }
    if rows.is_empty() { Err(TextError::Empty { path: path.to_owned() }) } else { Ok(rows) }
}

fn numbers(path: &Path, rows: Rows, unit: Unit) -> Result<Vec<(usize, String, f64)>, AnswerError> {
    let mut bad = Vec::new();
    let mut values = Vec::with_capacity(rows.len());
    for (row, name, text) in rows {
        let fits = |v: &f64| v.is_finite() && (unit != Unit::Probability || (0.0..=1.0).contains(v));
        match text.parse::<f64>().ok().filter(fits) {
            Some(value) => values.push((row, name, value)),
            None => bad.push(format!("row {row} {text:?}")),
        }
    }
    if bad.is_empty() {
        return Ok(values);
    }
    Err(AnswerError::NotANumber { path: path.to_owned(), rows: text::some_rows(&bad) })
}

fn one_each(
    path: &Path,
    protocol: &Protocol,
    values: Vec<(usize, String, f64)>,
    options: &ForeignOptions,
) -> Result<BTreeMap<usize, f64>, AnswerError> {
    let index = Index::new(protocol);
    let mut clips: BTreeMap<usize, (usize, f64)> = BTreeMap::new();
    let (mut twice, mut unknown) = (Vec::new(), Vec::new());
    for (row, name, value) in values {
        match index.name(&name) {
            Found::Trial(trial) => {
                if let Some((earlier, _)) = clips.insert(trial, (row, value)) {
                    twice.push(format!("rows {earlier} and {row} ({name})"));
                }
            }
            Found::Alias => {}
            Found::Unknown => unknown.push(format!("row {row} {name}")),
        }
    }
    refuse(path, &twice, &unknown, options)?;
    Ok(clips.into_iter().map(|(trial, (_, value))| (trial, value)).collect())
}

/// Frames by clip: by the protocol's own list of frames where it has one, otherwise a frame belongs to the clip
/// whose path is its folder's whole path. Never by the folder's bare name, which clips may share.
fn by_clip(
    path: &Path,
    protocol: &Protocol,
    values: Vec<(usize, String, f64)>,
    semantics: ScoreSemantics,
    options: &ForeignOptions,
) -> Result<BTreeMap<usize, f64>, AnswerError> {
    let index = Index::new(protocol);
    let mut seen = std::collections::HashMap::new();
    let mut frames: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let (mut twice, mut unknown) = (Vec::new(), Vec::new());
    for (row, name, value) in values {
        let name = name.replace('\\', "/");
        if let Some(earlier) = seen.insert(name.clone(), row) {
            twice.push(format!("rows {earlier} and {row} ({name})"));
            continue;
        }
        let found = match protocol.frames.get(&name) {
            Some(&clip) => Found::Trial(clip as usize),
            None if protocol.frames.is_empty() => {
                name.rsplit_once('/').map_or(Found::Unknown, |(folder, _)| index.name(folder))
            }
            None => Found::Unknown,
        };
        match found {
            Found::Trial(trial) => frames.entry(trial).or_default().push(value),
            Found::Alias => {}
            Found::Unknown => unknown.push(format!("row {row} {name}")),
        }
    }
    refuse(path, &twice, &unknown, options)?;
    Ok(frames
        .into_iter()
        .map(|(trial, values)| (trial, together(values, semantics, options.aggregate)))
        .collect())
}

fn refuse(
    path: &Path,
    twice: &[String],
    unknown: &[String],
    options: &ForeignOptions,
) -> Result<(), AnswerError> {
    if !twice.is_empty() {
        return Err(AnswerError::Duplicate { path: path.to_owned(), rows: text::some_rows(twice) });
    }
    if !unknown.is_empty() && !options.strictness.allow_unknown {
        return Err(AnswerError::Unknown { path: path.to_owned(), rows: text::some_rows(unknown) });
    }
    Ok(())
}

/// `values` is never empty here.
fn together(mut values: Vec<f64>, semantics: ScoreSemantics, how: Aggregate) -> f64 {
    match how {
        Aggregate::Mean => values.iter().sum::<f64>() / values.len() as f64,
        Aggregate::Median => {
            values.sort_unstable_by(f64::total_cmp);
            let at = |i: usize| values.get(i).copied().unwrap_or_default();
            f64::midpoint(at((values.len() - 1) / 2), at(values.len() / 2))
        }
        Aggregate::Max => match semantics.orientation {
            Orientation::HigherIsSpoof => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
            Orientation::HigherIsBonafide => values.into_iter().fold(f64::INFINITY, f64::min),
        },
    }
}
