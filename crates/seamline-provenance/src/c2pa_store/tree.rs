//! Ingredients as a tree, in text: who contributed what.

use serde_json::Value;

/// Levels and lines that are shown.
const MAX_DEPTH: usize = 8;
const MAX_LINES: usize = 48;

/// One line an ingredient: depth in dots, relationship, title, generator of its own manifest.
pub(super) fn lines(store: &Value, active: &str) -> Vec<String> {
    let mut out = Vec::new();
    walk(store, active, 1, &mut out);
    out
}

fn walk(store: &Value, label: &str, depth: usize, out: &mut Vec<String>) {
    let Some(ingredients) = store["manifests"][label]["ingredients"].as_array() else { return };
    for ingredient in ingredients {
        // A store may name a manifest as its own ancestor: depth and lines bound the walk.
        if depth > MAX_DEPTH || out.len() >= MAX_LINES {
            return;
        }
        let text = |key: &str| ingredient[key].as_str().unwrap_or("?");
        let own = ingredient["active_manifest"].as_str();
        let by = own.map_or("no manifest".to_owned(), |own| {
            let manifest = &store["manifests"][own];
            let generator = manifest["claim_generator_info"][0]["name"]
                .as_str()
                .or_else(|| manifest["claim_generator"].as_str())
                .unwrap_or("unnamed generator");
            let signer = manifest["signature_info"]["issuer"].as_str().unwrap_or("unknown signer");
            format!("{generator}, signed by {signer}")
        });
        out.push(format!("{} {} {}: {by}", ".".repeat(depth), text("relationship"), text("title")));
        if let Some(own) = own {
            walk(store, own, depth + 1, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tree_is_drawn_and_a_loop_ends() {
        let store = json!({ "manifests": {
            "a": { "ingredients": [
                { "relationship": "parentOf", "title": "b.jpg", "active_manifest": "b" },
                { "relationship": "componentOf", "title": "c.png" } ] },
            "b": { "claim_generator_info": [{ "name": "Gen" }], "signature_info": { "issuer": "Sig" },
                   "ingredients": [{ "relationship": "parentOf", "title": "a.jpg", "active_manifest": "a" }] } } });
        let lines = lines(&store, "a");
        assert_eq!(lines[0], ". parentOf b.jpg: Gen, signed by Sig");
        assert!(lines.contains(&". componentOf c.png: no manifest".to_owned()));
        assert!(lines.len() <= MAX_LINES);
    }
}
