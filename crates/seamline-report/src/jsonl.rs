//! The wire format, line by line. `docs/report.md` describes every field, `docs/report.schema.json` checks it.
//!
//! Lines of one clip stand together: its evidence in order, then exactly one verdict. No line holds a time of
//! day, a duration or a host name: the same clip, models, version and options give the same bytes.

use seamline_core::{
    AspectVerdict, ClipRecord, Conclusion, Evidence, Exhibit, Gap, RunInfo, RunTotals, StreamInfo, Support,
};
use serde::Serialize;
use std::io::Write;

#[derive(Serialize)]
struct Begin<'a> {
    r#type: &'static str,
    schema: u32,
    #[serde(flatten)]
    info: &'a RunInfo,
}

#[derive(Serialize)]
struct EvidenceLine<'a> {
    r#type: &'static str,
    path: &'a str,
    sha256: Option<String>,
    index: usize,
    #[serde(flatten)]
    evidence: &'a Evidence,
}

#[derive(Serialize)]
struct AspectLine<'a> {
    conclusion: &'static str,
    support: Option<Support>,
    llr: Option<f64>,
    llr_interval: Option<[f64; 2]>,
    score: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    families: &'a [seamline_core::AttackFamily],
    reasons: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    carried_by: &'a [usize],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    against: &'a [usize],
}

#[derive(Serialize)]
struct VerdictLine<'a> {
    r#type: &'static str,
    path: &'a str,
    sha256: Option<String>,
    size: u64,
    conclusion: &'static str,
    support: Option<Support>,
    llr: Option<f64>,
    llr_interval: Option<[f64; 2]>,
    fusion: &'a str,
    aspects: serde_json::Map<String, serde_json::Value>,
    reasons: &'a [String],
    streams: &'a [StreamInfo],
    policy: &'a str,
    gaps: &'a [Gap],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    exhibits: &'a [Exhibit],
}

#[derive(Serialize)]
struct End<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    totals: &'a RunTotals,
}

fn line<T: Serialize>(value: &T) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|mut s| {
        s.push('\n');
        s
    })
}

/// The first line: what the run is made with.
pub fn begin(info: &RunInfo) -> serde_json::Result<String> {
    line(&Begin { r#type: "begin", schema: 1, info })
}

/// All lines of one clip: evidence, then the verdict. Exhibits are pictures for people and stand in the
/// verdict line only if `exhibits` is set.
pub fn clip(record: &ClipRecord, exhibits: bool) -> serde_json::Result<String> {
    let sha256 = record.clip.map(|c| c.to_string());
    let mut out = String::new();
    for (index, evidence) in record.evidence.iter().enumerate() {
        let sha256 = sha256.clone();
        out += &line(&EvidenceLine { r#type: "evidence", path: &record.path, sha256, index, evidence })?;
    }
    let v = &record.verdict;
    let mut aspects = serde_json::Map::new();
    for a in &v.aspects {
        aspects.insert(a.aspect.as_str().into(), serde_json::to_value(aspect(a))?);
    }
    out += &line(&VerdictLine {
        r#type: "verdict",
        path: &record.path,
        sha256,
        size: record.size,
        conclusion: v.conclusion.as_str(),
        support: v.conclusion.support(),
        llr: v.llr.map(|l| l.value.nats()),
        llr_interval: v.llr.map(|l| [l.lo.nats(), l.hi.nats()]),
        fusion: &v.fusion,
        aspects,
        reasons: &v.reasons,
        streams: &record.streams,
        policy: &record.policy,
        gaps: &record.gaps,
        exhibits: if exhibits { &record.exhibits } else { &[] },
    })?;
    Ok(out)
}

fn aspect(a: &AspectVerdict) -> AspectLine<'_> {
    AspectLine {
        conclusion: Conclusion::as_str(a.conclusion),
        support: a.conclusion.support(),
        llr: a.llr.map(|l| l.value.nats()),
        llr_interval: a.llr.map(|l| [l.lo.nats(), l.hi.nats()]),
        score: a.score,
        families: &a.families,
        reasons: &a.reasons,
        carried_by: &a.carried_by,
        against: &a.against,
    }
}

/// The last line: totals. A file without it was cut off.
pub fn end(totals: &RunTotals) -> serde_json::Result<String> {
    line(&End { r#type: "end", totals })
}

/// Writes whole clips: a clip's lines go out in one piece, so that a reader never meets half a clip.
pub struct JsonlWriter<W> {
    out: W,
}

impl<W: Write> JsonlWriter<W> {
    /// Writes the first line.
    pub fn new(mut out: W, info: &RunInfo) -> std::io::Result<Self> {
        out.write_all(begin(info)?.as_bytes())?;
        out.flush()?;
        Ok(Self { out })
    }

    /// Writes one clip.
    pub fn clip(&mut self, record: &ClipRecord) -> std::io::Result<()> {
        self.out.write_all(clip(record, false)?.as_bytes())?;
        self.out.flush()
    }

    /// Writes the last line.
    pub fn end(mut self, totals: &RunTotals) -> std::io::Result<W> {
        self.out.write_all(end(totals)?.as_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Gives the sink back.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }
}
