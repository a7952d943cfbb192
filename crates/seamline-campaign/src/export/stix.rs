//! STIX 2.1 (OASIS, 2021), plain or as OpenCTI has it.

use super::{Dossier, id_of};
use crate::moment::Moment;
use crate::store::StoredClip;
use seamline_core::ClipId;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Namespace for ids of cyber observables (STIX 2.1, 2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);
/// OpenCTI's extension, which its own objects carry.
const OPENCTI: &str = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba";

/// Whose STIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StixFlavour {
    /// The standard's objects only.
    Plain,
    /// With OpenCTI's `channel` and `media-content`.
    OpenCti,
}

/// A bundle of one cluster: a grouping, or a campaign where an analyst confirmed it; for each clip a file, an
/// indicator and a note with the verdict; sightings; attack patterns that the verdicts support.
pub fn stix_bundle(d: &Dossier, flavour: StixFlavour) -> Value {
    let mut b =
        Builder { created: d.created(), modified: d.modified(), objects: Vec::new(), tool: String::new() };
    b.tool = b.add("identity", &["seamline"], json!({"name": "Seamline", "identity_class": "system"}));
    let key = d.detail.summary.founder.to_string();
    let mut members = Vec::new();
    let mut indicators = Vec::new();
    for clip in &d.detail.clips {
        let file = b.file(clip);
        let sha = clip.sha256.to_string();
        let indicator = b.add(
            "indicator",
            &[&sha],
            json!({
                "name": format!("Clip {}", clip.sha256.short()),
                "indicator_types": ["unknown"],
                "pattern": format!("[file:hashes.'SHA-256' = '{sha}']"),
                "pattern_type": "stix",
                "pattern_version": "2.1",
                "valid_from": clip.recorded_at,
            }),
        );
        let observed = b.observed(d, clip, &file);
        let based_on = b.relationship("based-on", &indicator, &observed);
        let note = b.add(
            "note",
            &[&sha],
            json!({"abstract": format!("Verdict on clip {}", clip.sha256.short()), "content": d.statement(clip), "object_refs": [file, indicator]}),
        );
        indicators.push((clip.sha256, indicator.clone()));
        members.extend([file, indicator, observed, based_on, note]);
    }
    for link in &d.detail.links {
        let of = |c: ClipId| indicators.iter().find(|(s, _)| *s == c).map(|(_, i)| i.clone());
        if let (Some(x), Some(y)) = (of(link.a), of(link.b)) {
            let (a, b_, kind) = (link.a.to_string(), link.b.to_string(), link.kind.as_str());
            members.push(b.add(
                "relationship",
                &[&a, kind, &b_],
                json!({"relationship_type": "related-to", "source_ref": x, "target_ref": y, "description": format!("{} ({kind}, score {:.2})", link.explain(), link.score)}),
            ));
        }
    }
    let patterns: Vec<String> = d.techniques().into_iter().map(|t| b.attack_pattern(t.disarm())).collect();
    match d.confirmed_by() {
        Some((author, at)) => {
            let mut campaign = json!({"name": d.title(), "description": describe(d)});
            for (name, moment) in
                [("first_seen", d.detail.summary.first_seen), ("last_seen", d.detail.summary.last_seen)]
            {
                if let Some(m) = moment.filter(|_| d.detail.summary.sightings > 0) {
                    campaign[name] = json!(m);
                }
            }
            let campaign = b.add("campaign", &[&key], campaign);
            for (_, indicator) in &indicators {
                b.relationship("indicates", indicator, &campaign);
            }
            for pattern in &patterns {
                b.relationship("uses", &campaign, pattern);
            }
            b.add(
                "opinion",
                &[&key, author, &at.to_string()],
                json!({"opinion": "strongly-agree", "explanation": "Confirmed as a campaign by an analyst.", "authors": [author], "object_refs": [campaign]}),
            );
        }
        None => {
            members.extend(patterns);
            members.sort();
            members.dedup();
            b.add(
                "grouping",
                &[&key],
                json!({"name": d.title(), "description": describe(d), "context": "suspicious-activity", "object_refs": members}),
            );
        }
    }
    b.sightings(d, &indicators);
    if flavour == StixFlavour::OpenCti {
        b.open_cti(d);
    }
    b.finish()
}

fn describe(d: &Dossier) -> String {
    let s = &d.detail.summary;
    let by = if s.confirmed {
        "Confirmed by an analyst"
    } else {
        "Proposed by a machine from shared media, not confirmed"
    };
    format!("{by}: {} clips, {} sightings.", s.members, s.sightings)
}

struct Builder {
    created: Moment,
    modified: Moment,
    objects: Vec<Value>,
    tool: String,
}

impl Builder {
    /// Adds a domain or relationship object with the common properties; returns its id.
    fn add(&mut self, kind: &str, named: &[&str], own: Value) -> String {
        let mut parts = vec![kind];
        parts.extend(named);
        let id = format!("{kind}--{}", id_of(&parts));
        let mut object = json!({
            "type": kind,
            "spec_version": "2.1",
            "id": id,
            "created": self.created,
            "modified": self.modified,
        });
        if !self.tool.is_empty() {
            object["created_by_ref"] = json!(self.tool);
        }
        self.push(object, own);
        id
    }

    fn push(&mut self, mut object: Value, own: Value) {
        if let (Some(map), Value::Object(own)) = (object.as_object_mut(), own) {
            map.extend(own);
        }
        if !self.objects.iter().any(|o| o["id"] == object["id"]) {
            self.objects.push(object);
        }
    }

    /// A cyber observable: its id follows from what identifies it, as the standard has it.
    fn observable(&mut self, kind: &str, identifying: Value, more: Value) -> String {
        let id = format!("{kind}--{}", Uuid::new_v5(&OBSERVABLES, identifying.to_string().as_bytes()));
        let mut object = json!({"type": kind, "spec_version": "2.1", "id": id});
        if let (Some(map), Value::Object(own)) = (object.as_object_mut(), identifying) {
            map.extend(own);
        }
        self.push(object, more);
        id
    }

    fn file(&mut self, clip: &StoredClip) -> String {
        let sha = clip.sha256.to_string();
        self.observable("file", json!({"hashes": {"SHA-256": sha}}), json!({"size": clip.size}))
    }

    fn relationship(&mut self, kind: &str, from: &str, to: &str) -> String {
        let own = json!({"relationship_type": kind, "source_ref": from, "target_ref": to});
        self.add("relationship", &[from, kind, to], own)
    }

    fn attack_pattern(&mut self, (number, name, id): (&str, &str, &str)) -> String {
        let object = json!({
            "type": "attack-pattern",
            "spec_version": "2.1",
            "id": id,
            "created": self.created,
            "modified": self.modified,
            "name": name,
            "external_references": [{"source_name": "DISARM", "external_id": number}],
        });
        self.push(object, Value::Null);
        id.to_owned()
    }

    /// What was seen of a clip: once, or as often as there are sightings.
    fn observed(&mut self, d: &Dossier, clip: &StoredClip, file: &str) -> String {
        let seen: Vec<Moment> =
            d.detail.sightings.iter().filter(|(c, _)| *c == clip.sha256).map(|(_, s)| s.seen_at).collect();
        let first = seen.iter().min().copied().unwrap_or(clip.recorded_at);
        let last = seen.iter().max().copied().unwrap_or(clip.recorded_at);
        let own = json!({
            "first_observed": first,
            "last_observed": last,
            "number_observed": seen.len().max(1),
            "object_refs": [file],
        });
        self.add("observed-data", &[&clip.sha256.to_string()], own)
    }

    fn sightings(&mut self, d: &Dossier, indicators: &[(ClipId, String)]) {
        for (clip, s) in &d.detail.sightings {
            let Some((_, indicator)) = indicators.iter().find(|(c, _)| c == clip) else { continue };
            let mut own = json!({"sighting_of_ref": indicator, "first_seen": s.seen_at, "last_seen": s.seen_at, "count": 1});
            if !s.channel.is_empty() {
                let named = json!({"name": s.channel, "identity_class": "unspecified", "description": "A channel or account that posted a clip"});
                own["where_sighted_refs"] = json!([self.add("identity", &["channel", &s.channel], named)]);
            }
            if !s.url.is_empty() {
                own["external_references"] = json!([{"source_name": "sighting", "url": s.url}]);
            }
            let (sha, at) = (clip.to_string(), s.seen_at.to_string());
            self.add("sighting", &[&sha, &s.url, &s.channel, &at], own);
        }
    }

    fn open_cti(&mut self, d: &Dossier) {
        let channels: BTreeSet<&str> =
            d.detail.sightings.iter().map(|(_, s)| s.channel.as_str()).filter(|c| !c.is_empty()).collect();
        for name in channels {
            let own = json!({"name": name, "extensions": {OPENCTI: {"extension_type": "new-sdo"}}});
            self.add("channel", &[name], own);
        }
        let mut seen = BTreeSet::new();
        for (clip, s) in &d.detail.sightings {
            if !s.url.is_empty() && seen.insert(&s.url) {
                let more = json!({
                    "title": format!("Clip {}", clip.short()),
                    "content": format!("SHA-256 {clip}"),
                    "publication_date": s.seen_at,
                    "extensions": {OPENCTI: {"extension_type": "new-sco"}},
                });
                self.observable("media-content", json!({"url": s.url}), more);
            }
        }
    }

    fn finish(mut self) -> Value {
        self.objects.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
        // The bundle's id follows from what is in it.
        let content = Value::Array(self.objects.clone()).to_string();
        let mut bundle = Map::new();
        bundle.insert("type".into(), json!("bundle"));
        bundle.insert("id".into(), json!(format!("bundle--{}", id_of(&["bundle", &content]))));
        bundle.insert("objects".into(), Value::Array(self.objects));
        Value::Object(bundle)
    }
}
