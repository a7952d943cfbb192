//! What one manifest of a store says, read from the reader's JSON.

use crate::xmp::source_type;
use serde_json::Value;

/// Actions of one manifest that are read.
const MAX_ACTIONS: usize = 256;

/// One action (C2PA specification 2.1, section 18.14).
pub(super) struct Action {
    /// `c2pa.created`, `c2pa.edited`, ...
    pub(super) name: String,
    /// The digital source type's last part.
    pub(super) source: String,
    /// The same as it stands.
    pub(super) source_uri: String,
    /// Who did it.
    pub(super) software: String,
    /// In words.
    pub(super) description: String,
    /// Whether it stands in `c2pa.actions.v2`, the only label that the official rubric reads.
    pub(super) v2: bool,
}

impl Action {
    /// Whether it says how the asset began.
    pub(super) fn is_inception(&self) -> bool {
        matches!(self.name.as_str(), "c2pa.created" | "c2pa.opened")
    }
}

fn assertions(manifest: &Value) -> &[Value] {
    manifest["assertions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(v: &Value) -> String {
    v.as_str().unwrap_or_default().to_owned()
}

/// Actions of one manifest, of either version.
pub(super) fn actions(manifest: &Value) -> Vec<Action> {
    assertions(manifest)
        .iter()
        .filter(|a| a["label"].as_str().is_some_and(|l| l.starts_with("c2pa.actions")))
        .flat_map(|a| {
            let v2 = a["label"].as_str().is_some_and(|l| l.starts_with("c2pa.actions.v2"));
            let list = a["data"]["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter().map(move |a| (a, v2))
        })
        .take(MAX_ACTIONS)
        .map(|(a, v2)| {
            let source_uri = [&a["digitalSourceType"], &a["parameters"]["com.adobe.digitalSourceType"]]
                .iter()
                .find_map(|v| v.as_str())
                .unwrap_or_default()
                .to_owned();
            let agent = &a["softwareAgent"];
            let software = agent.as_str().or_else(|| agent["name"].as_str()).unwrap_or_default().to_owned();
            let description = a["description"]
                .as_str()
                .or_else(|| a["parameters"]["description"].as_str())
                .unwrap_or_default()
                .to_owned();
            let source = source_type(&source_uri).to_owned();
            Action { name: text(&a["action"]), source, source_uri, software, description, v2 }
        })
        .collect()
}

/// Whether the manifest promises that its list of actions is complete.
pub(super) fn all_actions_included(manifest: &Value) -> bool {
    assertions(manifest)
        .iter()
        .filter(|a| a["label"].as_str().is_some_and(|l| l.starts_with("c2pa.actions.v2")))
        .any(|a| a["data"]["allActionsIncluded"] == Value::Bool(true))
}

/// Soft bindings (section 18.10): algorithm and value of each.
pub(super) fn soft_bindings(manifest: &Value) -> Vec<(String, String)> {
    assertions(manifest)
        .iter()
        .filter(|a| a["label"].as_str().is_some_and(|l| l.starts_with("c2pa.soft-binding")))
        .map(|a| {
            let block = &a["data"]["blocks"][0]["value"];
            let value = block.as_str().map_or_else(|| block.to_string(), str::to_owned);
            (text(&a["data"]["alg"]), value)
        })
        .take(16)
        .collect()
}

/// Labels of the manifests that an ingredient of `manifest` in a given relationship names.
pub(super) fn ingredients<'a>(manifest: &'a Value, relationship: &str) -> Vec<&'a str> {
    manifest["ingredients"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|i| i["relationship"] == relationship)
        .filter_map(|i| i["active_manifest"].as_str())
        .take(64)
        .collect()
}

/// Whether an ingredient without a manifest of its own is part of it.
pub(super) fn has_unknown_ingredient(manifest: &Value) -> bool {
    manifest["ingredients"].as_array().is_some_and(|all| {
        all.iter().any(|i| {
            i["label"].as_str().is_some_and(|l| l.starts_with("c2pa.ingredient.v3"))
                && i["active_manifest"].is_null()
        })
    })
}
