//! The official local asset rubric (C2PA conformance programme, "C2PA Asset Signals Rubric (Local)", version 1.0 of
//! 2026-08-06), evaluated: which of its signals hold for one manifest. The rubric reads `c2pa.actions.v2` alone.

use super::manifest::{Action, actions, all_actions_included, has_unknown_ingredient};
use serde_json::Value;

const IPTC: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/";

/// Inception signals: name, and the digital source types that mean it.
const INCEPTION: [(&str, &[&str]); 8] = [
    ("blankCanvas", &["http://c2pa.org/digitalsourcetype/empty"]),
    ("capturedMedia", &["digitalCapture", "computationalCapture"]),
    ("capturedMediaStitched", &["compositeCapture"]),
    ("compositionMayContainGenAI", &["composite"]),
    ("fullyGenAIMedia", &["trainedAlgorithmicMedia"]),
    ("nonGenAIDigitalCreation", &["digitalCreation"]),
    ("partlyGenAICreation", &["compositeWithTrainedAlgorithmicMedia"]),
    ("screenCaptureMayContainGenAI", &["screenCapture"]),
];

/// Actions that change nothing that can be seen or heard.
pub(super) const NON_EDITORIAL: [&str; 11] = [
    "c2pa.converted",
    "c2pa.published",
    "c2pa.repackaged",
    "c2pa.transcoded",
    "c2pa.resized.proportional",
    "c2pa.enhanced",
    "c2pa.edited.metadata",
    "c2pa.watermarked",
    "c2pa.watermarked.bound",
    "c2pa.watermarked.unbound",
    "c2pa.redacted",
];
const GENERATIVE: [&str; 4] = [
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "compositeSynthetic",
    "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData",
];
const POSSIBLY: [&str; 2] = ["digitalArt", "composite"];

/// Whether `action` has one of `types`, which are IPTC terms unless they are written out.
fn has(action: &Action, types: &[&str]) -> bool {
    types.iter().any(|t| {
        if t.starts_with("http") {
            action.source_uri == *t
        } else {
            action.source_uri.strip_prefix(IPTC) == Some(t)
        }
    })
}

/// Signals that hold, sorted; `gathered` says whether the claim lists its actions among gathered assertions.
pub(super) fn signals(manifest: &Value, gathered: bool) -> Vec<&'static str> {
    let all: Vec<Action> = actions(manifest).into_iter().filter(|a| a.v2).collect();
    let mut out: Vec<&'static str> = INCEPTION
        .iter()
        .filter(|(_, types)| all.iter().any(|a| a.is_inception() && has(a, types)))
        .map(|(name, _)| *name)
        .collect();
    if has_unknown_ingredient(manifest) {
        out.push("mediaUnknownProvenance");
    }
    let editorial =
        |a: &&Action| !a.name.is_empty() && !a.is_inception() && !NON_EDITORIAL.contains(&a.name.as_str());
    let ambiguous = all.is_empty()
        || !all_actions_included(manifest)
        || all.iter().any(|a| !a.name.is_empty() && !a.name.starts_with("c2pa."))
        || all.iter().any(|a| a.name == "c2pa.unknown")
        || gathered;
    for (name, holds) in [
        ("ambiguousActions", ambiguous),
        ("nonEditorial", all.iter().any(|a| NON_EDITORIAL.contains(&a.name.as_str()))),
        ("perceptibleGenAI", all.iter().filter(editorial).any(|a| has(a, &GENERATIVE))),
        (
            "perceptibleNonGenAI",
            all.iter().filter(editorial).any(|a| !a.source_uri.is_empty() && !has(a, &GENERATIVE)),
        ),
        ("perceptiblePossiblyGenAI", all.iter().filter(editorial).any(|a| has(a, &POSSIBLY))),
    ] {
        if holds {
            out.push(name);
        }
    }
    out.sort_unstable();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(actions: Value, complete: bool) -> Value {
        let data = json!({ "actions": actions, "allActionsIncluded": complete });
        json!({ "assertions": [{ "label": "c2pa.actions.v2", "data": data }] })
    }

    #[test]
    fn signals_follow_the_rubrics_expressions() {
        let created =
            |term: &str| json!([{ "action": "c2pa.created", "digitalSourceType": format!("{IPTC}{term}") }]);
        assert_eq!(signals(&manifest(created("trainedAlgorithmicMedia"), true), false), ["fullyGenAIMedia"]);
        assert_eq!(signals(&manifest(created("digitalCapture"), true), false), ["capturedMedia"]);
        assert_eq!(
            signals(&manifest(created("digitalCapture"), false), false),
            ["ambiguousActions", "capturedMedia"]
        );
        assert_eq!(
            signals(&manifest(created("digitalCapture"), true), true),
            ["ambiguousActions", "capturedMedia"]
        );
        let edited = json!([
            { "action": "c2pa.edited", "digitalSourceType": format!("{IPTC}compositeWithTrainedAlgorithmicMedia") },
            { "action": "c2pa.transcoded" },
            { "action": "c2pa.filtered", "digitalSourceType": format!("{IPTC}composite") },
        ]);
        assert_eq!(
            signals(&manifest(edited, true), false),
            ["nonEditorial", "perceptibleGenAI", "perceptibleNonGenAI", "perceptiblePossiblyGenAI"]
        );
        // The older label is not read by the rubric.
        let old = json!({ "assertions": [{ "label": "c2pa.actions", "data": { "actions": created("digitalCapture") } }] });
        assert_eq!(signals(&old, false), ["ambiguousActions"]);
    }
}
