//! The verdict: what may be published, and the way back to its evidence.

use crate::{Aspect, AttackFamily, ClipId, LlrInterval};
use serde::{Deserialize, Serialize};

/// How strongly evidence supports a conclusion: bands of |LLR|, after the verbal scale of ENFSI's guideline
/// for evaluative reporting (2015), table 1. The bounds stand in the fusion data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// Likelihood ratio 2 to 10.
    Limited,
    /// 10 to 100.
    Moderate,
    /// 100 and more, or a signed or marked fact.
    Strong,
}

/// What a clip or an aspect comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conclusion {
    /// The evidence supports manipulation, cloning or generation.
    SupportsSpoof(Support),
    /// The evidence supports a genuine recording.
    SupportsBonaFide(Support),
    /// It was judged, and the evidence does not carry a conclusion.
    Inconclusive,
    /// There was nothing to judge, or judging failed.
    NotAssessable,
}

impl Conclusion {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SupportsSpoof(_) => "supports_spoof",
            Self::SupportsBonaFide(_) => "supports_bonafide",
            Self::Inconclusive => "inconclusive",
            Self::NotAssessable => "not_assessable",
        }
    }

    /// The band, where there is a side.
    pub const fn support(self) -> Option<Support> {
        match self {
            Self::SupportsSpoof(s) | Self::SupportsBonaFide(s) => Some(s),
            Self::Inconclusive | Self::NotAssessable => None,
        }
    }

    /// From the wire's two fields; `None` if they don't fit together.
    pub fn from_parts(name: &str, support: Option<Support>) -> Option<Self> {
        match (name, support) {
            ("supports_spoof", Some(s)) => Some(Self::SupportsSpoof(s)),
            ("supports_bonafide", Some(s)) => Some(Self::SupportsBonaFide(s)),
            ("inconclusive", None) => Some(Self::Inconclusive),
            ("not_assessable", None) => Some(Self::NotAssessable),
            _ => None,
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct AspectVerdict {
    /// Which question.
    pub aspect: Aspect,
    /// The answer.
    pub conclusion: Conclusion,
    /// Fused LLR with its interval; absent = no calibrated evidence.
    pub llr: Option<LlrInterval>,
    /// The leading raw score, turned so that higher supports spoof.
    pub score: Option<f64>,
    /// Attack families that the supporting evidence can see.
    pub families: Vec<AttackFamily>,
    /// Why, in plain sentences: what carried it, what spoke against it, what could not be judged.
    pub reasons: Vec<String>,
    /// Indices into the clip's evidence of what carried the answer.
    pub carried_by: Vec<usize>,
    /// Indices of what spoke against it.
    pub against: Vec<usize>,
}

/// The answer for one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which clip; absent only where the file could not be read at all.
    pub clip: Option<ClipId>,
    /// The fuser and its data's version, e.g. `max-aspect/1`.
    pub fusion: String,
    /// The overall conclusion.
    pub conclusion: Conclusion,
    /// The LLR behind it.
    pub llr: Option<LlrInterval>,
    /// One answer an aspect, in [`Aspect::ALL`] order; an aspect that nothing bore on is `NotAssessable`.
    pub aspects: Vec<AspectVerdict>,
    /// Plain sentences for the whole.
    pub reasons: Vec<String>,
}
