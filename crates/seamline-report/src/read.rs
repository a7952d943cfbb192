//! Lines of a report back to the record they were made from: so that one that was stored can be shown as any other.

use seamline_core::{
    Aspect, AspectVerdict, AttackFamily, ClipId, ClipRecord, Conclusion, Evidence, Exhibit, Gap, Llr,
    LlrInterval, StreamInfo, Support, Verdict,
};
use serde::Deserialize;
use std::collections::HashMap;

/// Why lines are not those of a clip.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A line is no JSON, or lacks a field.
    #[error("report line: {0}")]
    Json(#[from] serde_json::Error),
    /// A field holds what cannot be.
    #[error("report line: {0}")]
    Field(&'static str),
}

#[derive(Deserialize)]
struct AspectLine {
    conclusion: String,
    #[serde(default)]
    support: Option<Support>,
    llr: Option<f64>,
    #[serde(default)]
    llr_interval: Option<[f64; 2]>,
    score: Option<f64>,
    #[serde(default)]
    families: Vec<AttackFamily>,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default)]
    carried_by: Vec<usize>,
    #[serde(default)]
    against: Vec<usize>,
}

#[derive(Deserialize)]
struct VerdictLine {
    path: String,
    sha256: Option<ClipId>,
    #[serde(default)]
    size: u64,
    conclusion: String,
    #[serde(default)]
    support: Option<Support>,
    llr: Option<f64>,
    #[serde(default)]
    llr_interval: Option<[f64; 2]>,
    #[serde(default)]
    fusion: String,
    aspects: HashMap<String, AspectLine>,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default)]
    streams: Vec<StreamInfo>,
    #[serde(default)]
    policy: String,
    #[serde(default)]
    gaps: Vec<Gap>,
    #[serde(default)]
    exhibits: Vec<Exhibit>,
}

/// The record that [`crate::jsonl::clip`] made these lines of. Exhibits that stand beside the lines may be added.
pub fn clip<'l>(
    verdict: &str,
    evidence: impl IntoIterator<Item = &'l str>,
    exhibits: Option<&str>,
) -> Result<ClipRecord, ReadError> {
    let line: VerdictLine = serde_json::from_str(verdict)?;
    let evidence = evidence.into_iter().map(serde_json::from_str).collect::<Result<Vec<Evidence>, _>>()?;
    let beside: Option<Vec<Exhibit>> = exhibits.map(serde_json::from_str).transpose()?;
    let mut said = line.aspects;
    let aspects = Aspect::ALL
        .iter()
        .filter_map(|a| said.remove(a.as_str()).map(|line| aspect(*a, line)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ClipRecord {
        path: line.path,
        clip: line.sha256,
        size: line.size,
        streams: line.streams,
        policy: line.policy,
        gaps: line.gaps,
        evidence,
        exhibits: beside.unwrap_or(line.exhibits),
        verdict: Verdict {
            clip: line.sha256,
            fusion: line.fusion,
            conclusion: conclusion(&line.conclusion, line.support)?,
            llr: interval(line.llr, line.llr_interval)?,
            aspects,
            reasons: line.reasons,
        },
    })
}

fn aspect(aspect: Aspect, line: AspectLine) -> Result<AspectVerdict, ReadError> {
    Ok(AspectVerdict {
        aspect,
        conclusion: conclusion(&line.conclusion, line.support)?,
        llr: interval(line.llr, line.llr_interval)?,
        score: line.score,
        families: line.families,
        reasons: line.reasons,
        carried_by: line.carried_by,
        against: line.against,
    })
}

fn conclusion(name: &str, support: Option<Support>) -> Result<Conclusion, ReadError> {
    Conclusion::from_parts(name, support)
        .ok_or(ReadError::Field("conclusion and support do not fit together"))
}

fn interval(value: Option<f64>, ends: Option<[f64; 2]>) -> Result<Option<LlrInterval>, ReadError> {
    let llr = |nats| Llr::new(nats).map_err(|_| ReadError::Field("an LLR is no finite number"));
    Ok(match (value, ends) {
        (None, _) => None,
        (Some(value), ends) => {
            let [lo, hi] = ends.unwrap_or([value, value]);
            if !(lo <= value && value <= hi) {
                return Err(ReadError::Field("an LLR lies outside its interval"));
            }
            Some(LlrInterval { value: llr(value)?, lo: llr(lo)?, hi: llr(hi)? })
        }
    })
}
