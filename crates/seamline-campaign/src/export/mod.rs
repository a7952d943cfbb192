//! What a cluster or campaign looks like to other tools. Pure functions of a [`Dossier`]: the same dossier gives the
//! same bytes, and ids are derived from what they name, so that sending something twice makes nothing double.
//!
//! A machine's proposal is never dressed up as a finding of fact: it leaves as a STIX grouping, and only what an
//! analyst confirmed as a campaign; an authenticity category (MediaReview) is an analyst's too.

mod columns;
mod media_review;
mod misp;
mod stix;
mod text;
mod whole;

pub use columns::parquet;
pub use media_review::{AuthenticityCategory, media_review};
pub use misp::misp_event;
pub use stix::{StixFlavour, stix_bundle};
pub use text::{csv, hash_list};
pub use whole::{DumpError, dump};

use crate::cluster::Ruling;
use crate::moment::Moment;
use crate::store::{Appearance, ClusterDetail, Store, StoreError, StoredClip, StoredVerdict};
use seamline_core::ClipId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Everything that exports are made from.
#[derive(Clone, Debug)]
pub struct Dossier {
    /// The cluster.
    pub detail: ClusterDetail,
    /// The latest verdict of each of its clips.
    pub verdicts: BTreeMap<ClipId, StoredVerdict>,
    /// Every verdict on each of its clips, earliest first.
    pub history: BTreeMap<ClipId, Vec<Judged>>,
    /// What of its clips can be shown; empty unless asked for.
    pub appearances: BTreeMap<ClipId, Appearance>,
}

/// One entry in a clip's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// When.
    pub at: Moment,
    /// The conclusion's name on the wire.
    pub conclusion: String,
    /// LLR in nats, where there was one.
    pub llr: Option<f64>,
}

/// A technique of the DISARM framework (red framework, v1.4), with the STIX id that DISARM publishes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Technique {
    /// T0086.002.
    GeneratedImages,
    /// T0087.001.
    GeneratedVideos,
    /// T0088.001.
    GeneratedAudio,
}

impl Technique {
    /// DISARM's number, name and STIX id.
    pub const fn disarm(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::GeneratedImages => (
                "T0086.002",
                "Develop AI-Generated Images (Deepfakes)",
                "attack-pattern--7b6c328e-b050-4d76-8e11-ff3b3fe7dea3",
            ),
            Self::GeneratedVideos => (
                "T0087.001",
                "Develop AI-Generated Videos (Deepfakes)",
                "attack-pattern--c4e7d976-071a-4973-833e-3badef32b8c5",
            ),
            Self::GeneratedAudio => (
                "T0088.001",
                "Develop AI-Generated Audio (Deepfakes)",
                "attack-pattern--e60f54a3-9972-43b8-8359-ee21d781acae",
            ),
        }
    }
}

impl Dossier {
    /// Reads a cluster with its verdicts.
    pub fn load(store: &dyn Store, cluster: i64) -> Result<Self, StoreError> {
        let detail = store.cluster(cluster)?;
        let (mut verdicts, mut history) = (BTreeMap::new(), BTreeMap::new());
        for clip in &detail.clips {
            let all = store.verdicts(&clip.sha256)?;
            let judged = |v: &StoredVerdict| Judged {
                at: v.recorded_at,
                conclusion: v.conclusion.clone(),
                llr: v.llr,
            };
            history.insert(clip.sha256, all.iter().rev().map(judged).collect());
            if let Some(latest) = all.into_iter().next() {
                verdicts.insert(clip.sha256, latest);
            }
        }
        Ok(Self { detail, verdicts, history, appearances: BTreeMap::new() })
    }

    /// With what of its clips can be shown, which only a page needs.
    pub fn with_appearances(mut self, store: &dyn Store) -> Result<Self, StoreError> {
        for clip in &self.detail.clips {
            if let Some(seen) = store.appearance(&clip.sha256)? {
                self.appearances.insert(clip.sha256, seen);
            }
        }
        Ok(self)
    }

    /// Its name, or one made from the clip it began with.
    pub fn title(&self) -> String {
        let s = &self.detail.summary;
        s.name.clone().unwrap_or_else(|| format!("Cluster {}", s.founder.short()))
    }

    /// When the first of it was recorded.
    fn created(&self) -> Moment {
        self.detail.clips.iter().map(|c| c.recorded_at).min().unwrap_or(Moment::EPOCH)
    }

    /// When the last of it was recorded or decided.
    fn modified(&self) -> Moment {
        let verdicts = self.verdicts.values().map(|v| v.recorded_at);
        let decided = self.detail.decisions.iter().map(|d| d.at);
        verdicts.chain(decided).chain([self.created()]).max().unwrap_or(Moment::EPOCH)
    }

    /// Who confirmed it, last, and when.
    fn confirmed_by(&self) -> Option<(&str, Moment)> {
        let last = self.detail.decisions.iter().rev().find(|d| matches!(d.ruling, Ruling::Confirm { .. }));
        last.filter(|_| self.detail.summary.confirmed).map(|d| (d.author.as_str(), d.at))
    }

    /// Techniques that verdicts of its clips support.
    fn techniques(&self) -> BTreeSet<Technique> {
        let mut all = BTreeSet::new();
        for verdict in self.verdicts.values() {
            let line: Value = serde_json::from_str(&verdict.line).unwrap_or_default();
            let spoof = |aspect: &str| line["aspects"][aspect]["conclusion"] == "supports_spoof";
            if spoof("voice") {
                all.insert(Technique::GeneratedAudio);
            }
            if ["face", "imagery", "sync"].into_iter().any(spoof) {
                let streams = line["streams"].as_array().map_or(&[][..], Vec::as_slice);
                let moving = streams.is_empty() || streams.iter().any(|s| s["kind"] == "video");
                all.insert(if moving { Technique::GeneratedVideos } else { Technique::GeneratedImages });
            }
        }
        all
    }

    /// The clip's verdict in words, with its LLR and the hashes of the models behind it.
    fn statement(&self, clip: &StoredClip) -> String {
        let Some(v) = self.verdicts.get(&clip.sha256) else {
            return format!("Not judged. SHA-256 {}.", clip.sha256);
        };
        let llr = v.llr.map_or("no calibrated evidence".to_owned(), |l| {
            format!("LLR {l:+.2} (natural log; positive supports spoof)")
        });
        let mut text = format!(
            "Seamline's verdict: {}; {llr}. Not proof. Pipeline {}.",
            v.conclusion.replace('_', " "),
            v.pipeline_digest
        );
        let models: BTreeSet<String> = v
            .evidence
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|e| Some(format!("{} {}", e["detector"].as_str()?, e["model_sha256"].as_str()?)))
            .collect();
        if !models.is_empty() {
            text.push_str(" Models: ");
            text.push_str(&models.into_iter().collect::<Vec<_>>().join(", "));
            text.push('.');
        }
        text
    }
}

/// Names everything that Seamline makes ids for: UUIDv5 of the project's address.
fn namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://github.com/seamline/seamline")
}

/// A UUIDv5 of what it names.
fn id_of(parts: &[&str]) -> String {
    Uuid::new_v5(&namespace(), parts.join("\n").as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
