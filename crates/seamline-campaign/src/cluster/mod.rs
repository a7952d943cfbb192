//! Clusters: which clips belong together, proposed by the machine from typed links, ruled by what analysts decided.
//!
//! [`propose`] is a pure function of links and decisions. Links are taken in an order that depends on their scores
//! and on the clips' SHA-256 only, so the same clips give the same clusters in whatever order they arrived, and a
//! component of linked clips can be worked out by itself.

use crate::align::Alignment;
use crate::moment::Moment;
use seamline_core::{ClipId, MediaTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What links two clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The same bytes under two names; recorded as one clip, so seen only between stores.
    SameFile,
    /// A stretch of the same pictures.
    SamePictures,
    /// A stretch of the same sound.
    SameAudio,
    /// The same voice, by its embedding.
    SameVoice,
    /// The same region that stays, such as a logo.
    SameLogo,
    /// The same run of a generator, by a trace in the file.
    SameGeneratorRun,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::SameFile,
        Self::SamePictures,
        Self::SameAudio,
        Self::SameVoice,
        Self::SameLogo,
        Self::SameGeneratorRun,
    ];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameFile => "same_file",
            Self::SamePictures => "same_pictures",
            Self::SameAudio => "same_audio",
            Self::SameVoice => "same_voice",
            Self::SameLogo => "same_logo",
            Self::SameGeneratorRun => "same_generator_run",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == name)
    }

    /// The score from which one link joins two clips; `None` where one link is never enough, because many unrelated
    /// clips share a speaker or a logo. Held pictures score at most 0.5 and so never join by themselves.
    pub const fn joins_from(self) -> Option<f64> {
        match self {
            Self::SameFile | Self::SameGeneratorRun => Some(0.0),
            Self::SamePictures => Some(0.51),
            // 1 - 2 x 0.25: a quarter of wrong bits.
            Self::SameAudio => Some(0.50),
            Self::SameVoice | Self::SameLogo => None,
        }
    }
}

/// The score from which a weak link (voice, logo) counts at all.
const WEAK_FROM: f64 = 0.75;
/// Part of the smaller cluster's clips that must be weakly linked to the other cluster for the two to be joined.
const WEAK_SHARE: f64 = 0.5;
/// Kinds of weak links that it takes together: one newsreader, or one channel's logo, would otherwise make a campaign of
/// everything that is read or sent there.
const WEAK_KINDS: usize = 2;

/// A reason to think that two clips belong together. `a < b`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The clip with the smaller SHA-256.
    pub a: ClipId,
    /// The other.
    pub b: ClipId,
    /// What they share.
    pub kind: LinkKind,
    /// 0 to 1.
    pub score: f64,
    /// The shared stretches, `here` in `a`, `there` in `b`; best first; empty for kinds without a place in time.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shared: Vec<Alignment>,
}

impl Link {
    /// A link with its ends in order; stretches are turned round where needed. A clip is not linked to itself.
    pub fn new(x: ClipId, y: ClipId, kind: LinkKind, score: f64, shared: Vec<Alignment>) -> Option<Self> {
        if x == y || !score.is_finite() {
            return None;
        }
        let swapped = y < x;
        let shared = if swapped { shared.iter().map(Alignment::turned_round).collect() } else { shared };
        let (a, b) = if swapped { (y, x) } else { (x, y) };
        Some(Self { a, b, kind, score: score.clamp(0.0, 1.0), shared })
    }

    /// Why, in one sentence: `A and B share 14 s of pictures, mirrored, at 00:03 / 00:41`.
    pub fn explain(&self) -> String {
        let (a, b) = (self.a.short(), self.b.short());
        let what = match self.kind {
            LinkKind::SameFile => return format!("{a} and {b} are the same file"),
            LinkKind::SamePictures => "pictures",
            LinkKind::SameAudio => "sound",
            LinkKind::SameVoice => return format!("{a} and {b} have the same voice ({:.2})", self.score),
            LinkKind::SameLogo => return format!("{a} and {b} show the same logo ({:.2})", self.score),
            LinkKind::SameGeneratorRun => {
                return format!("{a} and {b} come from the same run of a generator");
            }
        };
        let Some(first) = self.shared.first() else {
            return format!("{a} and {b} share {what}");
        };
        let total: i64 = self.shared.iter().map(|s| s.duration().as_micros()).sum();
        let mut text = if first.held && first.duration() == MediaTime::ZERO {
            format!("{a} and {b} share a picture")
        } else {
            format!("{a} and {b} share {} s of {what}", (total + 500_000) / 1_000_000)
        };
        if first.mirrored {
            text.push_str(", mirrored");
        }
        if (first.speed - 1.0).abs() > 0.01 {
            text.push_str(&format!(", at {:.2} times the speed", first.speed));
        }
        if first.held {
            text.push_str(", a held picture");
        }
        let clock = |t: MediaTime| {
            let s = t.as_micros().max(0) / 1_000_000;
            format!("{:02}:{:02}", s / 60, s % 60)
        };
        text.push_str(&format!(", at {} / {}", clock(first.here.start), clock(first.there.start)));
        if self.shared.len() > 1 {
            text.push_str(&format!(" and in {} more places", self.shared.len() - 1));
        }
        text
    }
}

/// What an analyst decided. It speaks of clips, not of clusters, so that it holds whatever the machine proposes later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Ruling {
    /// These clips belong together.
    Merge {
        /// The clips.
        clips: BTreeSet<ClipId>,
    },
    /// None of `apart` belongs with any of `from`.
    Split {
        /// The clips taken out.
        apart: BTreeSet<ClipId>,
        /// The clips they were taken from.
        from: BTreeSet<ClipId>,
    },
    /// These clips are a campaign: they belong together, and the cluster that holds them is confirmed.
    Confirm {
        /// The clips.
        clips: BTreeSet<ClipId>,
    },
    /// The cluster that holds this clip has this name.
    Name {
        /// A clip of the cluster.
        clip: ClipId,
        /// Its name.
        name: String,
    },
}

impl Ruling {
    /// What was done, to stand after its author's name.
    pub const fn in_words(&self) -> &'static str {
        match self {
            Self::Merge { .. } => "said that clips belong together",
            Self::Split { .. } => "took clips out",
            Self::Confirm { .. } => "confirmed it as a campaign",
            Self::Name { .. } => "named it",
        }
    }
}

/// A ruling with its author and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub author: String,
    /// When.
    pub at: Moment,
    /// What.
    #[serde(flatten)]
    pub ruling: Ruling,
}

/// Clusters over `clips`, each sorted, sorted by their first clip; a clip without company is a cluster of one.
/// `decisions` in the order in which they were made: of two that contradict each other the later holds.
pub fn propose(clips: &BTreeSet<ClipId>, links: &[Link], decisions: &[Decision]) -> Vec<Vec<ClipId>> {
    let nodes: Vec<ClipId> = clips.iter().copied().collect();
    let number: HashMap<ClipId, usize> = nodes.iter().enumerate().map(|(i, c)| (*c, i)).collect();
    let known = |set: &BTreeSet<ClipId>| -> Vec<usize> {
        set.iter().filter_map(|c| number.get(c).copied()).collect()
    };
    let mut groups = Groups::new(nodes.len());
    // Who was ruled together and who apart, pair by pair where rulings meet; later ones overwrite.
    let mut ruled: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    let mut set = |x: usize, y: usize, together: bool| {
        if x != y {
            ruled.insert((x.min(y), x.max(y)), together);
        }
    };
    for d in decisions {
        match &d.ruling {
            Ruling::Merge { clips } | Ruling::Confirm { clips } => {
                let members = known(clips);
                for (i, &x) in members.iter().enumerate() {
                    members[i + 1..].iter().for_each(|&y| set(x, y, true));
                }
            }
            Ruling::Split { apart, from } => {
                let from = known(from);
                for x in known(apart) {
                    from.iter().for_each(|&y| set(x, y, false));
                }
            }
            Ruling::Name { .. } => {}
        }
    }
    for (&(x, y), &together) in &ruled {
        if !together {
            groups.forbid(x, y);
        }
    }
    for (&(x, y), &together) in &ruled {
        if together {
            groups.join(x, y);
        }
    }
    // Two confirmed campaigns are two until an analyst says otherwise.
    for d in decisions {
        if let Ruling::Confirm { clips } = &d.ruling {
            for x in known(clips) {
                let root = groups.find(x);
                groups.confirmed[root] = true;
            }
        }
    }
    let mut strong: Vec<(&Link, usize, usize)> = Vec::new();
    let mut weak: Vec<(LinkKind, usize, usize)> = Vec::new();
    for l in links {
        let (Some(&x), Some(&y)) = (number.get(&l.a), number.get(&l.b)) else { continue };
        match l.kind.joins_from() {
            Some(least) if l.score >= least => strong.push((l, x, y)),
            None if l.score >= WEAK_FROM => weak.push((l.kind, x, y)),
            _ => {}
        }
    }
    strong.sort_by(|(l, x, y), (m, u, v)| {
        m.score.total_cmp(&l.score).then_with(|| (x, y, l.kind).cmp(&(u, v, m.kind)))
    });
    for (_, x, y) in strong {
        groups.join(x, y);
    }
    join_weak(&mut groups, &weak);
    let mut clusters: BTreeMap<usize, Vec<ClipId>> = BTreeMap::new();
    for (i, clip) in nodes.iter().enumerate() {
        clusters.entry(groups.find(i)).or_default().push(*clip);
    }
    let mut clusters: Vec<Vec<ClipId>> = clusters.into_values().collect();
    clusters.sort();
    clusters
}

/// Clips of one cluster and what links each to the other cluster.
type Signs = BTreeSet<(usize, LinkKind)>;

/// Joins clusters of which enough clips are weakly linked, the best supported first.
fn join_weak(groups: &mut Groups, weak: &[(LinkKind, usize, usize)]) {
    let mut refused: BTreeSet<(usize, usize)> = BTreeSet::new();
    loop {
        // For each pair of clusters, which of their clips are linked to the other, and by what.
        let mut touching: BTreeMap<(usize, usize), (Signs, Signs)> = BTreeMap::new();
        for &(kind, x, y) in weak {
            let (gx, gy) = (groups.find(x), groups.find(y));
            if gx == gy {
                continue;
            }
            let (pair, x, y) = if gx < gy { ((gx, gy), x, y) } else { ((gy, gx), y, x) };
            let sides = touching.entry(pair).or_default();
            sides.0.insert((x, kind));
            sides.1.insert((y, kind));
        }
        let support = |pair: &(usize, usize), sides: &(Signs, Signs), g: &Groups| {
            let (n, m) = (g.size[pair.0], g.size[pair.1]);
            let (signs, of) = if n <= m { (&sides.0, n) } else { (&sides.1, m) };
            let clips: BTreeSet<usize> = signs.iter().map(|s| s.0).collect();
            let kinds: BTreeSet<LinkKind> = signs.iter().map(|s| s.1).collect();
            if kinds.len() < WEAK_KINDS { 0.0 } else { clips.len() as f64 / of as f64 }
        };
        let best = touching
            .iter()
            .filter(|(pair, _)| !refused.contains(pair))
            .map(|(pair, sides)| (support(pair, sides, groups), *pair))
            .filter(|(s, _)| *s >= WEAK_SHARE)
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((_, (x, y))) = best else { break };
        if !groups.join(x, y) {
            refused.insert((x, y));
        }
    }
}

/// Union-find that knows which clips must stay apart. A group's root is its smallest member.
struct Groups {
    parent: Vec<usize>,
    size: Vec<usize>,
    /// For a root: clips that nobody in the group may be with.
    apart: Vec<Vec<usize>>,
    /// For a root: whether an analyst confirmed the group. Two such are never joined.
    confirmed: Vec<bool>,
}

impl Groups {
    fn new(n: usize) -> Self {
        Self {
            parent: (0..n).collect(),
            size: vec![1; n],
            apart: vec![Vec::new(); n],
            confirmed: vec![false; n],
        }
    }

    fn find(&mut self, mut x: usize) -> usize {
        while self.parent[x] != x {
            self.parent[x] = self.parent[self.parent[x]];
            x = self.parent[x];
        }
        x
    }

    fn forbid(&mut self, x: usize, y: usize) {
        let (gx, gy) = (self.find(x), self.find(y));
        self.apart[gx].push(y);
        self.apart[gy].push(x);
    }

    /// Whether the two are together afterwards.
    fn join(&mut self, x: usize, y: usize) -> bool {
        let (gx, gy) = (self.find(x), self.find(y));
        if gx == gy {
            return true;
        }
        if self.confirmed[gx] && self.confirmed[gy] {
            return false;
        }
        let (few, other) = if self.apart[gx].len() <= self.apart[gy].len() { (gx, gy) } else { (gy, gx) };
        let forbidden = std::mem::take(&mut self.apart[few]);
        let clash = forbidden.iter().any(|&z| self.find(z) == other);
        self.apart[few] = forbidden;
        if clash {
            return false;
        }
        let (root, child) = (gx.min(gy), gx.max(gy));
        self.parent[child] = root;
        self.size[root] += self.size[child];
        self.confirmed[root] |= self.confirmed[child];
        let moved = std::mem::take(&mut self.apart[child]);
        self.apart[root].extend(moved);
        true
    }
}

#[cfg(test)]
mod tests;
