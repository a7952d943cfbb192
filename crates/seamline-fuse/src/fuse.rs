//! The fuser: one answer an aspect, one for the clip. See `docs/adr/0003-fusion.md` for the rules and why.

use crate::FusionData;
use crate::reasons::sentence;
use seamline_core::code::Direction;
use seamline_core::{
    Aspect, AspectVerdict, AttackFamily, ClipId, Conclusion, Evidence, Fuser, Llr, LlrInterval, Outcome,
    Strength, Support, Verdict,
};
use std::collections::BTreeMap;

/// A clip is as suspect as its most suspect aspect.
#[derive(Clone, Debug)]
pub struct MaxAspectFuser {
    data: FusionData,
}

impl MaxAspectFuser {
    /// With given fusion data.
    pub fn new(data: FusionData) -> Self {
        Self { data }
    }
}

/// The leading calibrated roll-up of one detector in one aspect.
struct Member {
    index: usize,
    llr: LlrInterval,
    weight: f64,
    spoof_at: Option<Llr>,
    bonafide_at: Option<Llr>,
}

impl Fuser for MaxAspectFuser {
    fn id(&self) -> String {
        self.data.name()
    }

    fn fuse(&self, clip: Option<ClipId>, evidence: &[Evidence]) -> Verdict {
        let mut aspects: Vec<AspectVerdict> = Aspect::ALL.iter().map(|&a| self.aspect(a, evidence)).collect();
        decide_synthesis(&mut aspects, evidence);
        let spoof = aspects.iter().filter_map(|a| match a.conclusion {
            Conclusion::SupportsSpoof(s) => Some(s),
            _ => None,
        });
        let bonafide = aspects.iter().filter_map(|a| match a.conclusion {
            Conclusion::SupportsBonaFide(s) => Some(s),
            _ => None,
        });
        let llr =
            aspects.iter().filter_map(|a| a.llr).max_by(|a, b| a.value.nats().total_cmp(&b.value.nats()));
        let (strongest_spoof, strongest_bonafide) = (spoof.max(), bonafide.max());
        let judged = aspects.iter().any(|a| a.conclusion == Conclusion::Inconclusive);
        let mut reasons: Vec<String> = Vec::new();
        let conclusion = match (strongest_spoof, strongest_bonafide) {
            // A proven capture and a suspicion contradict each other: a person has to look.
            (Some(s), Some(Support::Strong)) if s < Support::Strong => {
                reasons.push("a signed capture and a suspicion contradict each other".into());
                Conclusion::Inconclusive
            }
            (Some(s), _) => Conclusion::SupportsSpoof(s),
            (None, Some(s)) => Conclusion::SupportsBonaFide(s),
            (None, None) if judged => Conclusion::Inconclusive,
            (None, None) => Conclusion::NotAssessable,
        };
        // What a mark proves or a file declares comes first, then what detectors estimate.
        let (found, estimated): (Vec<_>, Vec<_>) =
            aspects.iter().partition(|a| matches!(a.aspect, Aspect::Marks | Aspect::Provenance));
        let (proven, declared): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|a| matches!(a.conclusion, Conclusion::SupportsSpoof(Support::Strong)));
        for a in proven.into_iter().chain(declared).chain(estimated) {
            let leads = match conclusion {
                Conclusion::SupportsSpoof(_) => matches!(a.conclusion, Conclusion::SupportsSpoof(_)),
                Conclusion::SupportsBonaFide(_) => matches!(a.conclusion, Conclusion::SupportsBonaFide(_)),
                _ => !a.reasons.is_empty(),
            };
            if leads {
                reasons.extend(a.reasons.iter().map(|r| format!("{}: {r}", a.aspect.as_str())));
            }
        }
        if reasons.is_empty() {
            reasons.push("no face, no speech and no finding to judge by".into());
        }
        Verdict { clip, fusion: self.id(), conclusion, llr, aspects, reasons }
    }
}

impl MaxAspectFuser {
    fn aspect(&self, aspect: Aspect, evidence: &[Evidence]) -> AspectVerdict {
        let mine: Vec<(usize, &Evidence)> =
            evidence.iter().enumerate().filter(|(_, e)| e.aspect == aspect).collect();
        let findings = self.findings(&mine);
        let members = deciding(self.members(&mine));
        let (pooled, spoof_at, bonafide_at) = pool(&members);
        let mut conclusion = match pooled {
            Some(llr) if spoof_at.is_some_and(|t| llr.value >= t) && llr.lo.nats() > 0.0 => {
                Conclusion::SupportsSpoof(self.data.band(llr.value.nats()))
            }
            Some(llr) if bonafide_at.is_some_and(|t| llr.value <= t) && llr.hi.nats() < 0.0 => {
                Conclusion::SupportsBonaFide(self.data.band(llr.value.nats()))
            }
            Some(_) => Conclusion::Inconclusive,
            None if mine.iter().any(|(_, e)| matches!(e.outcome, Outcome::Scored { .. })) => {
                Conclusion::Inconclusive
            }
            None => Conclusion::NotAssessable,
        };
        if let Some(found) = findings {
            conclusion = match (found, conclusion) {
                (Conclusion::SupportsSpoof(a), Conclusion::SupportsSpoof(b)) => {
                    Conclusion::SupportsSpoof(a.max(b))
                }
                // A hint, or a capture that anybody could declare, takes no suspicion back.
                (Conclusion::Inconclusive, Conclusion::SupportsSpoof(b)) => Conclusion::SupportsSpoof(b),
                (found, _) => found,
            };
        }
        let mut carried_by = Vec::new();
        let mut against = Vec::new();
        for &(i, e) in &mine {
            match side(e, &members, i) {
                Some(true) => carried_by.push(i),
                Some(false) => against.push(i),
                None => {}
            }
        }
        if matches!(conclusion, Conclusion::SupportsBonaFide(_)) {
            std::mem::swap(&mut carried_by, &mut against);
        }
        let families = families(evidence, &carried_by, conclusion);
        let score = leading_score(&mine, &members);
        AspectVerdict {
            aspect,
            conclusion,
            llr: pooled,
            score,
            families,
            reasons: reasons(&mine, conclusion, pooled),
            carried_by,
            against,
        }
    }

    /// What findings alone say of an aspect. Declared capture is plain text that any faker can write: it never
    /// supports bona fide; only a trusted signature does.
    fn findings(&self, mine: &[(usize, &Evidence)]) -> Option<Conclusion> {
        let codes = || {
            mine.iter().filter_map(|(_, e)| match &e.outcome {
                Outcome::Finding { code, .. } => Some(*code),
                _ => None,
            })
        };
        let strongest = codes().filter(|c| c.direction == Direction::Spoof).map(|c| c.strength).max();
        match strongest {
            Some(Strength::Proves) => return Some(Conclusion::SupportsSpoof(Support::Strong)),
            Some(Strength::Declares) => return Some(Conclusion::SupportsSpoof(Support::Moderate)),
            _ => {}
        }
        if codes().any(|c| c.direction == Direction::Bonafide && c.strength == Strength::Proves) {
            return Some(Conclusion::SupportsBonaFide(Support::Strong));
        }
        // A hint, or a declared capture, is worth showing and decides nothing.
        codes()
            .any(|c| c.direction != Direction::Neutral || c.strength == Strength::Hint)
            .then_some(Conclusion::Inconclusive)
    }

    fn members(&self, mine: &[(usize, &Evidence)]) -> Vec<Member> {
        let mut leading: BTreeMap<&str, Member> = BTreeMap::new();
        for &(index, e) in mine.iter().filter(|(_, e)| e.rollup) {
            let Outcome::Scored { llr: Some(llr), supports_spoof_at, supports_bonafide_at, .. } = &e.outcome
            else {
                continue;
            };
            let member = Member {
                index,
                llr: *llr,
                weight: self.data.weight(e.detector.as_str()),
                spoof_at: *supports_spoof_at,
                bonafide_at: *supports_bonafide_at,
            };
            // Of several streams the most suspect one leads.
            let replace = leading.get(e.detector.as_str()).is_none_or(|m| llr.value > m.llr.value);
            if replace {
                leading.insert(e.detector.as_str(), member);
            }
        }
        leading.into_values().collect()
    }
}

/// Detectors that may decide, where there are any: one without an operating point is a hint, and neither decides nor keeps
/// another from deciding.
fn deciding(members: Vec<Member>) -> Vec<Member> {
    let may = |m: &Member| m.spoof_at.is_some() || m.bonafide_at.is_some();
    let any = members.iter().any(may);
    members.into_iter().filter(|m| !any || may(m)).collect()
}

/// Which question a decisive finding about synthesis answers.
fn question(family: AttackFamily) -> Option<Aspect> {
    match family {
        AttackFamily::EFS => Some(Aspect::Imagery),
        AttackFamily::TTS => Some(Aspect::Voice),
        _ => None,
    }
}

/// A finding that proves or declares entire synthesis also decides whether pictures, or speech, are synthetic: the
/// stronger of it and what detectors say stands. Findings without a family decide only their own aspect.
fn decide_synthesis(aspects: &mut [AspectVerdict], evidence: &[Evidence]) {
    for (index, e) in evidence.iter().enumerate() {
        let Outcome::Finding { code, .. } = &e.outcome else { continue };
        let support = match code.strength {
            Strength::Proves => Support::Strong,
            Strength::Declares => Support::Moderate,
            _ => continue,
        };
        if code.direction != Direction::Spoof {
            continue;
        }
        for aspect in e.families.iter().filter_map(|f| question(*f)) {
            let Some(answer) = aspects.iter_mut().find(|a| a.aspect == aspect) else { continue };
            answer.conclusion = match answer.conclusion {
                Conclusion::SupportsSpoof(s) => Conclusion::SupportsSpoof(s.max(support)),
                _ => Conclusion::SupportsSpoof(support),
            };
            answer.reasons.insert(0, format!("decided by {}: {}", e.aspect.as_str(), code.summary));
            answer.reasons.dedup();
            answer.carried_by.push(index);
            answer.families.extend(e.families.iter().copied());
            answer.families.sort();
            answer.families.dedup();
        }
    }
}

/// Log-linear pool with weights that sum to one: never more certain than its most certain member, so that
/// detectors that share their errors are not counted twice. An aspect may conclude only if every member may.
fn pool(members: &[Member]) -> (Option<LlrInterval>, Option<Llr>, Option<Llr>) {
    let total: f64 = members.iter().map(|m| m.weight).sum();
    if members.is_empty() || total <= 0.0 {
        return (None, None, None);
    }
    let mean = |f: &dyn Fn(&Member) -> f64| members.iter().map(|m| m.weight * f(m)).sum::<f64>() / total;
    let llr = |v: f64| Llr::new(v).ok();
    let interval = match (
        llr(mean(&|m| m.llr.value.nats())),
        llr(mean(&|m| m.llr.lo.nats())),
        llr(mean(&|m| m.llr.hi.nats())),
    ) {
        (Some(value), Some(lo), Some(hi)) => Some(LlrInterval { value, lo, hi }),
        _ => None,
    };
    let threshold = |f: &dyn Fn(&Member) -> Option<Llr>| {
        let all: Option<Vec<f64>> = members.iter().map(|m| f(m).map(Llr::nats)).collect();
        all.and_then(|t| llr(t.iter().zip(members).map(|(t, m)| t * m.weight).sum::<f64>() / total))
    };
    (interval, threshold(&|m| m.spoof_at), threshold(&|m| m.bonafide_at))
}

/// `Some(true)`: speaks for spoof; `Some(false)`: against; `None`: neither.
fn side(e: &Evidence, members: &[Member], index: usize) -> Option<bool> {
    match &e.outcome {
        Outcome::Finding { code, .. } => match code.direction {
            Direction::Spoof => Some(true),
            Direction::Bonafide => Some(false),
            Direction::Neutral => None,
        },
        Outcome::Scored { .. } => members.iter().find(|m| m.index == index).map(|m| m.llr.value.nats() > 0.0),
        _ => None,
    }
}

fn families(evidence: &[Evidence], carried_by: &[usize], conclusion: Conclusion) -> Vec<AttackFamily> {
    if !matches!(conclusion, Conclusion::SupportsSpoof(_)) {
        return Vec::new();
    }
    let mut all: Vec<AttackFamily> =
        carried_by.iter().flat_map(|&i| evidence[i].families.iter().copied()).collect();
    all.sort();
    all.dedup();
    all
}

/// The raw score behind the answer: that of the strongest member, else of the first scored roll-up.
fn leading_score(mine: &[(usize, &Evidence)], members: &[Member]) -> Option<f64> {
    let leader =
        members.iter().max_by(|a, b| a.llr.value.nats().total_cmp(&b.llr.value.nats())).map(|m| m.index);
    mine.iter().filter(|(i, e)| leader.map_or(e.rollup, |l| *i == l)).find_map(|(_, e)| match &e.outcome {
        Outcome::Scored { score, .. } => Some(score.toward_spoof()),
        _ => None,
    })
}

/// Most sentences an aspect gives; the evidence itself is never cut.
const MAX_REASONS: usize = 12;

fn reasons(mine: &[(usize, &Evidence)], conclusion: Conclusion, pooled: Option<LlrInterval>) -> Vec<String> {
    let mut out = Vec::new();
    if conclusion == Conclusion::Inconclusive
        && mine.iter().any(|(_, e)| matches!(e.outcome, Outcome::Scored { .. }))
    {
        out.push(if pooled.is_some_and(|l| l.value.nats() > 0.0) {
            "above zero but below the operating point, where genuine clips are found too: no support for manipulation".into()
        } else {
            "no support for manipulation found at the operating point; that is not proof of a genuine clip"
                .into()
        });
    }
    let rank = |e: &Evidence| match &e.outcome {
        Outcome::Finding { code, .. } if code.direction != Direction::Neutral => 0,
        Outcome::Scored { .. } => 1,
        Outcome::Abstained(_) => 2,
        Outcome::Failed { .. } => 3,
        Outcome::Finding { .. } => 4,
    };
    let mut shown: Vec<&&Evidence> = mine
        .iter()
        .map(|(_, e)| e)
        .filter(|e| e.rollup || matches!(e.outcome, Outcome::Finding { .. } | Outcome::Failed { .. }))
        .collect();
    shown.sort_by_key(|e| rank(e));
    let more = shown.len().saturating_sub(MAX_REASONS);
    out.extend(shown.into_iter().take(MAX_REASONS).map(|e| sentence(e)));
    if more > 0 {
        out.push(format!("{more} more in the evidence"));
    }
    out
}

#[cfg(test)]
#[path = "fuse_tests.rs"]
mod tests;
