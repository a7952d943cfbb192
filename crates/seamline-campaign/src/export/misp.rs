//! A MISP event (MISP core format, draft 16): one `file` object a clip, sightings as links, no warning without a
//! verdict.

use super::{Dossier, id_of};
use serde_json::{Value, json};

/// MISP's object template for files, and the version of it that this was written for.
const FILE_TEMPLATE: (&str, &str) = ("688c46fb-5edb-40a3-8273-1af7923e2215", "25");

/// The event, as `{"Event": ...}`.
pub fn misp_event(d: &Dossier) -> Value {
    let key = d.detail.summary.founder.to_string();
    let stamp = |ms: i64| ms.div_euclid(1_000).to_string();
    let modified = stamp(d.modified().as_millis());
    let mut attributes = Vec::new();
    let mut attribute = |named: &[&str], kind: &str, category: &str, value: &str, comment: &str| {
        attributes.push(json!({
            "uuid": id_of(named),
            "type": kind,
            "category": category,
            "value": value,
            "comment": comment,
            "to_ids": false,
            "timestamp": modified,
        }));
    };
    for (clip, s) in &d.detail.sightings {
        let at = s.seen_at.to_string();
        let sha = clip.to_string();
        let comment = format!(
            "clip {} seen {at}{}{}",
            clip.short(),
            if s.channel.is_empty() { "" } else { " on " },
            s.channel
        );
        if s.url.is_empty() {
            attribute(
                &["misp sighting", &sha, &s.channel, &at],
                "text",
                "Other",
                &comment,
                "a sighting without an address",
            );
        } else {
            attribute(
                &["misp sighting", &sha, &s.url, &s.channel, &at],
                "link",
                "External analysis",
                &s.url,
                &comment,
            );
        }
    }
    for link in &d.detail.links {
        let (a, b) = (link.a.to_string(), link.b.to_string());
        let said = format!("{} (score {:.2})", link.explain(), link.score);
        attribute(&["misp link", &a, link.kind.as_str(), &b], "text", "Other", &said, link.kind.as_str());
    }
    let objects: Vec<Value> = d
        .detail
        .clips
        .iter()
        .map(|clip| {
            let sha = clip.sha256.to_string();
            let part = |relation: &str, category: &str, value: &str| {
                json!({
                    "uuid": id_of(&["misp file", &sha, relation]),
                    "object_relation": relation,
                    "type": relation,
                    "category": category,
                    "value": value,
                    "to_ids": false,
                    "disable_correlation": relation != "sha256",
                    "timestamp": modified,
                })
            };
            json!({
                "uuid": id_of(&["misp file", &sha]),
                "name": "file",
                "meta-category": "file",
                "template_uuid": FILE_TEMPLATE.0,
                "template_version": FILE_TEMPLATE.1,
                "description": "A clip",
                "comment": d.statement(clip),
                "timestamp": modified,
                "Attribute": [
                    part("sha256", "Payload delivery", &sha),
                    part("size-in-bytes", "Other", &clip.size.to_string()),
                ],
            })
        })
        .collect();
    let confirmed = d.detail.summary.confirmed;
    let mut tags = vec![json!({"name": "tlp:amber"})];
    for t in d.techniques() {
        let (number, name, _) = t.disarm();
        tags.push(
            json!({"name": format!("misp-galaxy:disarm-techniques=\"{name}\""), "relationship_type": number}),
        );
    }
    tags.push(json!({"name": if confirmed { "seamline:confirmed" } else { "seamline:proposed" }}));
    json!({"Event": {
        "uuid": id_of(&["misp event", &key]),
        "info": format!("{}: {}", if confirmed { "Campaign" } else { "Cluster of clips, proposed by a machine" }, d.title()),
        "date": &d.created().to_string()[..10],
        "timestamp": modified,
        "threat_level_id": "4",
        "analysis": if confirmed { "2" } else { "0" },
        "distribution": "0",
        "published": false,
        "Attribute": attributes,
        "Object": objects,
        "Tag": tags,
    }})
}
