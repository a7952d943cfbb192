//! Reads evidence JSON Lines (docs/report.md), as `seamline scan` and `seamline bench run` write them.
//!
//! A clip is found by its hash, then by its path; lines of `bench run` name `trial` and `condition` themselves,
//! since a re-encoded clip has another hash. A detector's answer is its roll-up for the clip; where it gave
//! several (a file with two sound streams), the one that supports spoof most, as the fuser takes it.

use crate::answers::{Answer, AnswerError, AnswerSet, Answers, Found, Index, Key, check_complete};
use crate::metrics::Proposal;
use crate::protocol::Protocol;
use crate::text::{self, TextError};
use seamline_core::{
    Aspect, Llr, LlrInterval, Orientation, Score, ScoreSemantics, ScoreUnit, Sha256Hash, Stage, Subject,
};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

/// The detector's name under which verdicts over all detectors are measured.
pub const VERDICT: &str = "seamline";

/// Parts of Seamline that speak in evidence and are no detectors.
const PARTS: [&str; 3] = ["media", "sampler", "provenance"];

/// The condition of clips as they are.
pub const CLEAN: &str = "clean";

#[derive(Deserialize)]
struct Line {
    r#type: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    sha256: Option<Sha256Hash>,
    #[serde(default)]
    trial: Option<String>,
    #[serde(default)]
    condition: Option<String>,
}

#[derive(Deserialize)]
struct EvidenceLine {
    detector: String,
    version: String,
    aspect: Aspect,
    subject: Subject,
    #[serde(default)]
    rollup: bool,
    outcome: String,
    #[serde(default)]
    score: Option<Score>,
    #[serde(default)]
    llr: Option<LlrInterval>,
    #[serde(default)]
    supports_spoof_at: Option<Llr>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    stage: Option<Stage>,
    #[serde(default)]
    model_sha256: Option<Sha256Hash>,
}

/// Of the first line, what says whether verdicts are worth measuring.
#[derive(Deserialize)]
struct BeginLine {
    #[serde(default)]
    models: Vec<BeginModel>,
}

#[derive(Deserialize)]
struct BeginModel {
    role: String,
    calibrated: bool,
}

#[derive(Deserialize)]
struct VerdictLine {
    conclusion: String,
    llr: Option<Llr>,
}

/// What a partial file may be: for a run that is not finished.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strictness {
    /// Trials without an answer are no error.
    pub allow_missing: bool,
    /// Clips that are no trial are no error.
    pub allow_unknown: bool,
}

/// Reads a file of evidence against a protocol.
pub fn read(path: &Path, protocol: &Protocol, strictness: Strictness) -> Result<AnswerSet, AnswerError> {
    let text = text::read(path)?;
    let index = Index::new(protocol);
    let mut set = AnswerSet::new();
    let mut unknown = Vec::new();
    // Where each clip's verdict stood: a second one under the same name is a mistake.
    let mut seen: HashMap<(usize, String, String), usize> = HashMap::new();
    let mut twice = Vec::new();
    let mut lines = 0;
    // Without a calibrated detector a verdict is inconclusive by construction: there is nothing to measure.
    let mut verdicts = true;
    for (row, line) in (1..).zip(text.lines()) {
        if line.is_empty() {
            continue;
        }
        if row > text::MAX_ROWS {
            return Err(TextError::TooManyRows { path: path.to_owned() }.into());
        }
        let wrong = |e: serde_json::Error| TextError::syntax(path, row, e.to_string());
        let head: Line = serde_json::from_str(line).map_err(wrong)?;
        let is_verdict = match head.r#type.as_str() {
            "evidence" => false,
            "verdict" => true,
            "begin" => {
                let begin: BeginLine = serde_json::from_str(line).map_err(wrong)?;
                verdicts = begin.models.iter().any(|m| m.role == "detector" && m.calibrated);
                continue;
            }
            _ => continue,
        };
        lines += 1;
        let found = match &head.trial {
            Some(name) => index.name(name),
            None => index.clip(head.sha256, &head.path),
        };
        let trial = match found {
            Found::Trial(trial) => trial,
            Found::Alias => continue,
            Found::Unknown => {
                if is_verdict {
                    unknown.push(format!("row {row} {}", head.trial.unwrap_or(head.path)));
                }
                continue;
            }
        };
        let condition = head.condition.unwrap_or_else(|| CLEAN.into());
        if is_verdict {
            let key = (trial, condition.clone(), head.path);
            if let Some(earlier) = seen.insert(key, row) {
                let id = protocol.trials.get(trial).map_or("", |t| t.id.as_str());
                twice.push(format!("rows {earlier} and {row} ({id})"));
            }
            verdict(&mut set, trial, condition, serde_json::from_str(line).map_err(wrong)?);
        } else {
            evidence(&mut set, trial, condition, serde_json::from_str(line).map_err(wrong)?);
        }
    }
    if lines == 0 {
        return Err(TextError::Empty { path: path.to_owned() }.into());
    }
    if !twice.is_empty() {
        return Err(AnswerError::Duplicate { path: path.to_owned(), rows: text::some_rows(&twice) });
    }
    if !unknown.is_empty() && !strictness.allow_unknown {
        return Err(AnswerError::Unknown { path: path.to_owned(), rows: text::some_rows(&unknown) });
    }
    complete(&mut set);
    if !verdicts {
        set.retain(|key, _| key.detector != VERDICT);
    }
    if !strictness.allow_missing {
        check_complete(path, protocol, &set)?;
    }
    Ok(set)
}

/// A clip that broke before a detector saw it has a verdict and no word of the detector: that is an abstention of
/// the detector, with its cause.
fn complete(set: &mut AnswerSet) {
    let verdicts: Vec<(String, Vec<usize>)> = set
        .iter()
        .filter(|(k, _)| k.detector == VERDICT && k.aspect == "*")
        .map(|(k, a)| (k.condition.clone(), a.by_trial.keys().copied().collect()))
        .collect();
    for (condition, trials) in verdicts {
        for (_, answers) in set.iter_mut().filter(|(k, _)| k.condition == condition && k.detector != VERDICT)
        {
            for &trial in &trials {
                answers.by_trial.entry(trial).or_insert_with(|| silent("not judged"));
            }
        }
    }
}

fn silent(why: impl Into<String>) -> Answer {
    Answer { score: None, llr: None, calls_spoof: false, silence: Some(why.into()) }
}

fn answers<'s>(set: &'s mut AnswerSet, detector: String, aspect: &str, condition: String) -> &'s mut Answers {
    set.entry(Key { detector, aspect: aspect.into(), condition }).or_default()
}

fn verdict(set: &mut AnswerSet, trial: usize, condition: String, line: VerdictLine) {
    let to = answers(set, VERDICT.into(), "*", condition);
    to.decides = true;
    let semantics = ScoreSemantics { orientation: Orientation::HigherIsSpoof, unit: ScoreUnit::Logit };
    // An Llr is finite, so that the score always exists.
    let score = line.llr.and_then(|l| Score::new(l.nats(), semantics).ok());
    let silence = score.is_none().then_some(line.conclusion.clone());
    let calls_spoof = line.conclusion == "supports_spoof";
    to.by_trial.insert(trial, Answer { score, llr: line.llr, calls_spoof, silence });
}

fn evidence(set: &mut AnswerSet, trial: usize, condition: String, line: EvidenceLine) {
    // Findings and the parts of Seamline that only find things are no detectors.
    if line.outcome == "finding" || line.detector == VERDICT || PARTS.contains(&line.detector.as_str()) {
        return;
    }
    if !line.rollup {
        if let (Subject::Segment { span, .. }, Some(score)) = (&line.subject, line.score) {
            let to = answers(set, line.detector, line.aspect.as_str(), condition);
            to.proposals.entry(trial).or_default().push(Proposal {
                start: span.start.as_micros() as f64 / 1e6,
                end: span.end.as_micros() as f64 / 1e6,
                score: score.toward_spoof(),
            });
        }
        return;
    }
    let to = answers(set, line.detector, line.aspect.as_str(), condition);
    to.version = match line.model_sha256 {
        Some(hash) => format!("{} ({})", line.version, hash.short()),
        None => line.version,
    };
    let answer = match line.score {
        Some(score) => {
            let llr = line.llr.map(|l| l.value);
            to.decides |= line.supports_spoof_at.is_some();
            let calls_spoof = llr.zip(line.supports_spoof_at).is_some_and(|(l, at)| l.nats() >= at.nats());
            Answer { score: Some(score), llr, calls_spoof, silence: None }
        }
        None => silent(line.reason.unwrap_or_else(|| match line.stage {
            Some(stage) => format!("failed: {}", stage.as_str()),
            None => line.outcome,
        })),
    };
    let strength = |a: &Answer| a.score.map_or(f64::NEG_INFINITY, |s| s.toward_spoof());
    match to.by_trial.get(&trial) {
        Some(there) if strength(there) >= strength(&answer) => {}
        _ => {
            to.by_trial.insert(trial, answer);
        }
    }
}
