//! C2PA manifest stores through the `c2pa` crate: integrity, trust and expiry told apart, nothing fetched.

use crate::Found;
use crate::xmp::{AI_TYPES, CAPTURE_TYPES};
use c2pa::{Context, Error, Reader};
use manifest::{Action, actions};
use seamline_core::code::{
    C2PA_AI_PART, C2PA_AI_TRUSTED, C2PA_AI_UNTRUSTED, C2PA_CAPTURE_TRUSTED, C2PA_CAPTURE_UNTRUSTED,
    C2PA_DISALLOWED, C2PA_EXPIRED, C2PA_INGREDIENTS, C2PA_INTEGRITY_FAILED, C2PA_PRESENT, C2PA_REMOTE,
    C2PA_REVOKED, C2PA_SIGNALS, C2PA_SOFT_BINDING, C2PA_UNREADABLE, C2PA_WATERMARKED,
};
use serde_json::{Value, json};
use std::io::{Read, Seek};

mod manifest;
pub mod products;
mod rubric;
mod tree;

/// Whom to trust: operator data. Without anchors no signer is trusted, and nothing is "proved".
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Certificates of trusted issuers, PEM.
    pub anchors_pem: Option<String>,
    /// Products of the conformance programme.
    pub products: Vec<products::Product>,
}

/// Status codes of the C2PA specification 2.1, section 15.2, that speak of trust or of time, not of integrity.
const TRUST_CODES: [&str; 4] =
    ["signingCredential.untrusted", "timeStamp.untrusted", "signingCredential.invalid", "timeStamp.mismatch"];
const REVOKED_CODES: [&str; 2] = ["signingCredential.revoked", "signingCredential.ocsp.revoked"];
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
    match Reader::from_context(context).with_stream(media_type(clip), clip) {
        Ok(reader) => read(&reader, trust),
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

/// The type by first bytes, for those that the crate does not recognise itself.
fn media_type<R: Read + Seek>(clip: &mut R) -> &'static str {
    let head = crate::limited::read_some(clip, 6).unwrap_or_default();
    // A failed rewind shows as an unreadable store right after.
    let _ = crate::limited::go_to(clip, 0);
    if head.starts_with(b"GIF8") { "image/gif" } else { "application/octet-stream" }
}

fn read(reader: &Reader, trust: &Trust) -> Vec<Found> {
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
        .filter(|c| {
            ![&TRUST_CODES[..], &EXPIRY_CODES, &REVOKED_CODES].iter().any(|l| l.contains(&c.as_str()))
        })
        .collect();
    let expired = failures.iter().any(|c| EXPIRY_CODES.contains(&c.as_str()));
    let revoked = failures.iter().any(|c| REVOKED_CODES.contains(&c.as_str()));
    // A key that its issuer took back proves nothing, whoever listed it.
    let trusted = broken.is_empty() && !revoked && successes.iter().any(|c| c == "signingCredential.trusted");
    let issuer = active.signature_info().and_then(|s| s.issuer.clone()).unwrap_or_default();
    let common = active.signature_info().and_then(|s| s.common_name.clone()).unwrap_or_default();
    let generator = active.claim_generator().unwrap_or_default().to_owned();
    let manifest: Value = serde_json::from_str(&reader.json()).unwrap_or_default();
    let label = reader.active_label().unwrap_or_default();
    let said = actions(&manifest["manifests"][label]);

    let names: Vec<&str> = said.iter().map(|a| a.name.as_str()).collect();
    let standing = if trusted {
        "trusted"
    } else if trust.anchors_pem.is_none() {
        "no trust list given"
    } else {
        "not on the trust list"
    };
    let product = products::named(&trust.products, &common, &issuer);
    let integrity = if broken.is_empty() { "holds" } else { "failed" };
    out.push(Found::new(
        &C2PA_PRESENT,
        &[
            ("issuer", &issuer),
            ("common_name", &common),
            ("claim_generator", &generator),
            ("actions", &names.join(", ")),
            ("trust", standing),
            ("product", &product.as_ref().map(products::Product::describe).unwrap_or_default()),
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
    if revoked {
        out.push(Found::new(&C2PA_REVOKED, &[("issuer", &issuer), ("common_name", &common)]));
    }
    let this = &manifest["manifests"][label];
    let signals = rubric::signals(this, gathers_actions(reader, label));
    if !signals.is_empty() {
        out.push(Found::new(&C2PA_SIGNALS, &[("signals", &signals.join(", "))]));
    }
    let barred: Vec<&str> =
        product.iter().flat_map(|p| p.barred()).map(String::as_str).filter(|b| signals.contains(b)).collect();
    let disallowed = !barred.is_empty();
    if let Some(product) = product.as_ref().filter(|_| disallowed) {
        let detail = [("signals", barred.join(", ")), ("product", product.describe())];
        out.push(Found::new(&C2PA_DISALLOWED, &detail.each_ref().map(|(k, v)| (*k, v.as_str()))));
    }
    for (algorithm, value) in manifest::soft_bindings(this) {
        out.push(Found::new(&C2PA_SOFT_BINDING, &[("algorithm", &algorithm), ("value", &value)]));
    }
    let tree = tree::lines(&manifest, label);
    if !tree.is_empty() {
        let lines: Vec<(&str, &str)> = tree.iter().map(|l| ("ingredient", l.as_str())).collect();
        // In the order of the tree, not of the alphabet.
        let mut found = Found::new(&C2PA_INGREDIENTS, &[]);
        found.detail = lines.into_iter().map(|(k, v)| (k.to_owned(), crate::tidy(v))).collect();
        out.push(found);
    }
    for action in &said {
        // A signer that may not assert a capture has asserted nothing.
        out.extend(statement(action, &issuer, trusted, disallowed));
    }
    out.extend(opened(&manifest, label, &said, &issuer, trusted));
    out.extend(ingredients(&manifest, label));
    out.dedup();
    out
}

/// Whether the claim lists its actions among gathered assertions, which its signer does not vouch for.
fn gathers_actions(reader: &Reader, label: &str) -> bool {
    let store: Value = serde_json::from_str(&reader.detailed_json()).unwrap_or_default();
    store["manifests"][label]["claim"]["gathered_assertions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|a| a["url"].as_str().is_some_and(|u| u.contains("c2pa.actions"))))
}

/// What one action of the active manifest declares.
fn statement(action: &Action, issuer: &str, trusted: bool, disallowed: bool) -> Vec<Found> {
    let mut out = Vec::new();
    let detail = [
        ("action", action.name.as_str()),
        ("digital_source_type", action.source.as_str()),
        ("software", action.software.as_str()),
        ("description", action.description.as_str()),
        ("issuer", issuer),
    ];
    if action.description.contains("SynthID") {
        out.push(Found::new(&C2PA_WATERMARKED, &detail));
    }
    let ai = AI_TYPES.contains(&action.source.as_str());
    // Bing's manifests have no source type, only this sentence.
    let bing = action.is_inception() && action.description.eq_ignore_ascii_case("AI Generated Image");
    if ai || bing {
        let whole = action.source != "compositeWithTrainedAlgorithmicMedia" && action.name == "c2pa.created";
        out.push(Found::new(
            match (whole, trusted) {
                (true, true) => &C2PA_AI_TRUSTED,
                (true, false) => &C2PA_AI_UNTRUSTED,
                (false, _) => &C2PA_AI_PART,
            },
            &detail,
        ));
    } else if action.is_inception() && CAPTURE_TYPES.contains(&action.source.as_str()) && !disallowed {
        let code = if trusted { &C2PA_CAPTURE_TRUSTED } else { &C2PA_CAPTURE_UNTRUSTED };
        out.push(Found::new(code, &detail));
    }
    out
}

/// An asset that was only opened, converted or published is what its parent was: if that was generated as a whole,
/// so is this.
fn opened(manifest: &Value, active: &str, said: &[Action], issuer: &str, trusted: bool) -> Option<Found> {
    let untouched =
        said.iter().all(|a| a.name == "c2pa.opened" || rubric::NON_EDITORIAL.contains(&a.name.as_str()));
    let parents = manifest::ingredients(&manifest["manifests"][active], "parentOf");
    let ([parent], true) = (parents.as_slice(), untouched) else { return None };
    actions(&manifest["manifests"][*parent])
        .into_iter()
        .find(|a| a.name == "c2pa.created" && a.source == "trainedAlgorithmicMedia")
        .map(|a| {
            Found::new(
                if trusted { &C2PA_AI_TRUSTED } else { &C2PA_AI_UNTRUSTED },
                &[
                    ("action", a.name.as_str()),
                    ("digital_source_type", a.source.as_str()),
                    ("software", a.software.as_str()),
                    ("issuer", issuer),
                    ("said_by", "the manifest of the only parent, which was opened and not edited"),
                ],
            )
        })
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
