//! C2PA manifest stores through the `c2pa` crate: integrity, trust and expiry told apart, nothing fetched.

use crate::Found;
use crate::xmp::{AI_TYPES, CAPTURE_TYPES, source_type};
use c2pa::{Context, Error, Reader};
use seamline_core::code::{
    C2PA_AI_PART, C2PA_AI_TRUSTED, C2PA_AI_UNTRUSTED, C2PA_CAPTURE_TRUSTED, C2PA_CAPTURE_UNTRUSTED,
    C2PA_EXPIRED, C2PA_INTEGRITY_FAILED, C2PA_PRESENT, C2PA_REMOTE, C2PA_UNREADABLE,
};
use serde_json::{Value, json};
use std::io::{Read, Seek};

/// Whom to trust: operator data. Without anchors no signer is trusted, and nothing is "proved".
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Certificates of trusted issuers, PEM.
    pub anchors_pem: Option<String>,
}

/// Status codes of the C2PA specification 2.1, section 15.2, that speak of trust or of time, not of integrity.
const TRUST_CODES: [&str; 4] =
    ["signingCredential.untrusted", "timeStamp.untrusted", "signingCredential.invalid", "timeStamp.mismatch"];
const EXPIRY_CODES: [&str; 3] =
    ["signingCredential.expired", "timeStamp.outsideValidity", "claimSignature.outsideValidity"];

pub(crate) fn inspect<R: Read + Seek + Send>(clip: &mut R, trust: &Trust) -> Vec<Found> {
    // `verify_trust` stays on without anchors, so that "untrusted" is said rather than passed over.
    let mut settings =
        json!({ "verify": { "remote_manifest_fetch": false, "ocsp_fetch": false, "verify_trust": true } });
    // An empty list of anchors is refused by the crate: without anchors the key stays away.
    if let Some(anchors) = &trust.anchors_pem {
        settings["trust"] = json!({ "trust_anchors": anchors });
    }
    let context = match Context::new().with_settings(settings.to_string().as_str()) {
        Ok(context) => context,
        Err(e) => return vec![Found::new(&C2PA_UNREADABLE, &[("error", &e.to_string())])],
    };
    match Reader::from_context(context).with_stream("application/octet-stream", clip) {
        Ok(reader) => read(&reader),
        // No store, or a kind of file that cannot hold one.
        Err(Error::JumbfNotFound | Error::UnsupportedType) => Vec::new(),
        Err(Error::RemoteManifestUrl(url) | Error::RemoteManifestFetch(url)) => {
            vec![Found::new(&C2PA_REMOTE, &[("url", &url)])]
        }
        // Damaged containers are the decoder's to report, unless a store was there.
        Err(Error::IoError(_) | Error::InvalidAsset(_)) => Vec::new(),
        Err(e) => vec![Found::new(&C2PA_UNREADABLE, &[("error", &e.to_string())])],
    }
}

fn read(reader: &Reader) -> Vec<Found> {
    let mut out = Vec::new();
    let Some(active) = reader.active_manifest() else { return out };
    let codes = |kind: fn(
        &c2pa::validation_results::StatusCodes,
    ) -> &Vec<c2pa::validation_status::ValidationStatus>| {
        reader
            .validation_results()
            .and_then(|r| r.active_manifest())
            .map(|s| kind(s).iter().map(|v| v.code().to_owned()).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let (failures, successes) = (codes(|s| s.failure()), codes(|s| s.success()));
    let broken: Vec<&String> = failures
        .iter()
        .filter(|c| !TRUST_CODES.contains(&c.as_str()) && !EXPIRY_CODES.contains(&c.as_str()))
        .collect();
    let expired = failures.iter().any(|c| EXPIRY_CODES.contains(&c.as_str()));
    let trusted = broken.is_empty() && successes.iter().any(|c| c == "signingCredential.trusted");
    let issuer = active.signature_info().and_then(|s| s.issuer.clone()).unwrap_or_default();
    let common = active.signature_info().and_then(|s| s.common_name.clone()).unwrap_or_default();
    let generator = active.claim_generator().unwrap_or_default().to_owned();
    let manifest: Value = serde_json::from_str(&reader.json()).unwrap_or_default();
    let label = reader.active_label().unwrap_or_default();
    let said = actions(&manifest["manifests"][label]);

    let names: Vec<&str> = said.iter().map(|a| a.name.as_str()).collect();
    let trust = if trusted { "trusted" } else { "not on the trust list" };
    let integrity = if broken.is_empty() { "holds" } else { "failed" };
    out.push(Found::new(
        &C2PA_PRESENT,
        &[
            ("issuer", &issuer),
            ("common_name", &common),
            ("claim_generator", &generator),
            ("actions", &names.join(", ")),
            ("trust", trust),
            ("integrity", integrity),
        ],
    ));
    if expired {
        out.push(Found::new(&C2PA_EXPIRED, &[("issuer", &issuer)]));
    }
    if !broken.is_empty() {
        let list = broken.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
        out.push(Found::new(&C2PA_INTEGRITY_FAILED, &[("codes", &list), ("issuer", &issuer)]));
        // A broken seal carries no statement.
        return out;
    }
    for action in &said {
        let detail = [
            ("action", action.name.as_str()),
            ("digital_source_type", action.source.as_str()),
            ("software", action.software.as_str()),
            ("issuer", issuer.as_str()),
        ];
        let made = action.name == "c2pa.created" || action.name == "c2pa.opened";
        if AI_TYPES.contains(&action.source.as_str())
            || (made && action.description.eq_ignore_ascii_case("AI Generated Image"))
        {
            let whole =
                action.source != "compositeWithTrainedAlgorithmicMedia" && action.name == "c2pa.created";
            let code = match (whole, trusted) {
                (true, true) => &C2PA_AI_TRUSTED,
                (true, false) => &C2PA_AI_UNTRUSTED,
                (false, _) => &C2PA_AI_PART,
            };
            out.push(Found::new(code, &detail));
        } else if made && CAPTURE_TYPES.contains(&action.source.as_str()) {
            out.push(Found::new(
                if trusted { &C2PA_CAPTURE_TRUSTED } else { &C2PA_CAPTURE_UNTRUSTED },
                &detail,
            ));
        }
    }
    out.extend(ingredients(&manifest, label));
    out.dedup();
    out
}

struct Action {
    name: String,
    source: String,
    software: String,
    description: String,
}

/// Actions of one manifest, also those that stand in `c2pa.actions.v2`.
fn actions(manifest: &Value) -> Vec<Action> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let assertions = manifest["assertions"].as_array().map(Vec::as_slice).unwrap_or_default();
    assertions
        .iter()
        .filter(|a| a["label"].as_str().is_some_and(|l| l.starts_with("c2pa.actions")))
        .flat_map(|a| a["data"]["actions"].as_array().map(Vec::as_slice).unwrap_or_default())
        .take(256)
        .map(|a| {
            let source = [&a["digitalSourceType"], &a["parameters"]["com.adobe.digitalSourceType"]]
                .iter()
                .find_map(|v| v.as_str())
                .map(source_type)
                .unwrap_or_default()
                .to_owned();
            let agent = &a["softwareAgent"];
            let software = agent.as_str().or_else(|| agent["name"].as_str()).unwrap_or_default().to_owned();
            let description = a["description"]
                .as_str()
                .or_else(|| a["parameters"]["description"].as_str())
                .unwrap_or_default();
            Action { name: text(&a["action"]), source, software, description: description.to_owned() }
        })
        .collect()
}

/// An ingredient that was generated makes its part of the asset AI.
fn ingredients(manifest: &Value, active: &str) -> Vec<Found> {
    let Some(all) = manifest["manifests"].as_object() else { return Vec::new() };
    all.iter()
        .filter(|(label, _)| label.as_str() != active)
        .flat_map(|(label, m)| {
            let title = m["title"].as_str().unwrap_or(label).to_owned();
            actions(m).into_iter().filter(|a| AI_TYPES.contains(&a.source.as_str())).map(move |a| {
                Found::new(
                    &C2PA_AI_PART,
                    &[
                        ("ingredient", &title),
                        ("action", &a.name),
                        ("digital_source_type", &a.source),
                        ("software", &a.software),
                    ],
                )
            })
        })
        .take(32)
        .collect()
}
