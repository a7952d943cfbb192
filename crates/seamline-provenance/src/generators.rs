//! Parameters that image generators write beside their pictures.

use crate::Found;
use seamline_core::code::{GEN_A1111, GEN_COMFYUI, GEN_OTHER};
use serde_json::Value;

/// A text field: PNG text, EXIF text, a comment.
pub(crate) fn read(key: &str, value: &str) -> Option<Found> {
    let value = value.trim();
    if is_a1111(value) {
        return Some(Found::new(&GEN_A1111, &[("field", key), ("parameters", value)]));
    }
    // ComfyUI writes its graphs under these names, in EXIF with the name inside the value.
    let graph = match key {
        "prompt" | "workflow" => Some(value),
        "Make" | "Model" | "ImageDescription" | "UserComment" => value
            .strip_prefix("workflow:")
            .or_else(|| value.strip_prefix("Workflow:"))
            .or_else(|| value.strip_prefix("prompt:"))
            .or_else(|| value.strip_prefix("Prompt:")),
        _ => None,
    };
    if let Some(graph) = graph
        && is_comfyui(graph)
    {
        return Some(Found::new(&GEN_COMFYUI, &[("field", key), ("graph", graph)]));
    }
    let other = match key {
        "Dream" | "sd-metadata" | "invokeai_metadata" | "invokeai_graph" => "InvokeAI",
        "fooocus_scheme" => "Fooocus",
        "Software" if value == "NovelAI" => "NovelAI",
        "Title" if value == "AI generated image" => "NovelAI",
        _ => return None,
    };
    Some(Found::new(&GEN_OTHER, &[("field", key), ("generator", other), ("value", value)]))
}

/// "Steps: 20, Sampler: Euler a, ...": these three names in this order, each a field of its own line.
fn is_a1111(text: &str) -> bool {
    let Some(at) = text.find("Steps: ") else { return false };
    let rest = &text[at..];
    rest.as_bytes().get(7).is_some_and(u8::is_ascii_digit)
        && rest.contains("Sampler: ")
        && rest.contains("Seed: ")
}

/// A graph: an object of nodes with `class_type`, or one with `nodes` and `links`.
fn is_comfyui(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        // NaN is written bare by some versions; the two names are enough then.
        return text.starts_with('{')
            && (text.contains("\"class_type\"") || text.contains("\"last_node_id\""));
    };
    let Some(object) = value.as_object() else { return false };
    (object.contains_key("nodes") && object.contains_key("links"))
        || object.values().any(|node| node.get("class_type").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(key: &str, value: &str) -> Option<&'static str> {
        read(key, value).map(|f| f.code.name)
    }

    #[test]
    fn parameters_and_graphs_are_told_from_prose() {
        let a1111 = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1";
        assert_eq!(code("parameters", a1111), Some("generator.a1111"));
        assert_eq!(code("UserComment", a1111), Some("generator.a1111"));
        assert_eq!(code("comment", "Steps: walk to the door. Seed: none"), None);
        assert_eq!(code("prompt", r#"{"3":{"class_type":"KSampler"}}"#), Some("generator.comfyui"));
        assert_eq!(code("prompt", "a sunny day"), None);
        assert_eq!(code("Make", r#"workflow:{"nodes":[],"links":[]}"#), Some("generator.comfyui"));
        assert_eq!(code("Make", "Canon"), None);
        assert_eq!(code("Software", "NovelAI"), Some("generator.other"));
        assert_eq!(code("Software", "GIMP"), None);
    }
}
