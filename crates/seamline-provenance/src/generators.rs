//! Parameters that image generators write beside their pictures.

use crate::Found;
use seamline_core::code::{GEN_A1111, GEN_CLAIMED, GEN_COMFYUI, GEN_GROK, GEN_OTHER, GEN_SAMSUNG};
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
    let named = |code, generator| {
        Some(Found::new(code, &[("field", key), ("generator", generator), ("value", value)]))
    };
    match key {
        "Dream" | "sd-metadata" | "invokeai_metadata" | "invokeai_graph" => named(&GEN_OTHER, "InvokeAI"),
        "fooocus_scheme" => named(&GEN_OTHER, "Fooocus"),
        "Software" if value == "NovelAI" => named(&GEN_OTHER, "NovelAI"),
        "Title" if value == "AI generated image" => named(&GEN_OTHER, "NovelAI"),
        "parameters" if value.starts_with('{') && value.contains("\"sui_image_params\"") => {
            named(&GEN_OTHER, "SwarmUI")
        }
        "Description" | "description" if is_midjourney(value) => named(&GEN_OTHER, "Midjourney"),
        // Other values of this field were not seen; 0 would mean that nothing was generated.
        "samsung.genAIType" if value.parse::<u32>().is_ok_and(|n| n > 0) => named(&GEN_SAMSUNG, "Samsung"),
        "sei.kling" => named(&GEN_CLAIMED, "Kling"),
        "Make" if value.to_ascii_lowercase().starts_with("ideogram") => named(&GEN_CLAIMED, "Ideogram"),
        "Source" if value.to_ascii_lowercase().starts_with("luma") => named(&GEN_CLAIMED, "Luma"),
        "hf-job-id" => named(&GEN_CLAIMED, "Higgsfield"),
        _ => None,
    }
}

/// Generators that are known by two fields together.
pub(crate) fn pairs(fields: &[(String, String)]) -> Option<Found> {
    let of = |name: &str| fields.iter().find(|(k, _)| k == name).map(|(_, v)| v.trim());
    let (artist, description) = (of("Artist")?, of("ImageDescription")?);
    let signature = description.strip_prefix("Signature: ")?;
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let signed = signature.len() >= 64 && signature.bytes().take(64).all(is_base64);
    (signed && is_uuid(artist))
        .then(|| Found::new(&GEN_GROK, &[("artist", artist), ("signature", signature)]))
}

/// 8-4-4-4-12 hexadecimal digits (RFC 9562, section 4).
fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Midjourney ends a description with the prompt's switches and the job's number.
fn is_midjourney(text: &str) -> bool {
    text.split_once("Job ID: ").is_some_and(|(_, id)| is_uuid(id.trim().get(..36).unwrap_or_default()))
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
        let job = "a harbour --v 6 Job ID: 2b6e053b-9a65-4ca9-9e13-b6f4465164d4";
        assert_eq!(code("Description", job), Some("generator.other"));
        assert_eq!(code("Description", "Job ID: 12 --v 6"), None);
        assert_eq!(code("samsung.genAIType", "8"), Some("generator.samsung"));
        assert_eq!(code("samsung.genAIType", "0"), None);
        assert_eq!(code("sei.kling", ""), Some("generator.claimed"));
    }

    #[test]
    fn grok_needs_both_of_its_fields() {
        let field = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let artist = field("Artist", "2b6e053b-9a65-4ca9-9e13-b6f4465164d4");
        let signature = field("ImageDescription", &format!("Signature: {}", "aB3+".repeat(20)));
        assert!(pairs(&[artist.clone(), signature.clone()]).is_some());
        assert!(
            pairs(std::slice::from_ref(&artist)).is_none()
                && pairs(std::slice::from_ref(&signature)).is_none()
        );
        assert!(pairs(&[field("Artist", "Ansel"), signature]).is_none());
        assert!(pairs(&[artist, field("ImageDescription", "Signature: short")]).is_none());
    }
}
