//! The AIGC label of GB 45438-2025 (annex E): a small JSON object, plain or wrapped in `{"AIGC": ...}`.

use crate::Found;
use seamline_core::code::{TC260_AIGC, TC260_AIGC_SUSPECTED};
use serde_json::Value;

/// Reads a label; anything that is not one gives nothing.
pub(crate) fn read(text: &str) -> Option<Found> {
    let text = text.trim().trim_end_matches('\0');
    if text.len() > 64 << 10 {
        return None;
    }
    let mut value: Value = serde_json::from_str(text).ok()?;
    if let Some(inner) = value.get_mut("AIGC") {
        value = inner.take();
        if let Value::String(json) = &value {
            value = serde_json::from_str(json).ok()?;
        }
    }
    let label = value.get("Label")?;
    let label = label.as_str().map(str::to_owned).or_else(|| label.as_u64().map(|n| n.to_string()))?;
    // 1 generated, 2 possibly, 3 suspected.
    let code = match label.as_str() {
        "1" => &TC260_AIGC,
        "2" | "3" => &TC260_AIGC_SUSPECTED,
        _ => return None,
    };
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (producer, id, propagator) =
        (field("ContentProducer"), field("ProduceID"), field("ContentPropagator"));
    Some(Found::new(
        code,
        &[
            ("label", &label),
            ("content_producer", &producer),
            ("produce_id", &id),
            ("content_propagator", &propagator),
        ],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_wrapped_and_nested_labels() {
        for (text, code) in [
            (r#"{"Label":"1","ContentProducer":"001191..."}"#, Some("tc260.aigc_label")),
            (r#"{"AIGC":{"Label":"2"}}"#, Some("tc260.aigc_suspected")),
            (r#"{"AIGC":"{\"Label\":\"1\"}"}"#, Some("tc260.aigc_label")),
            (r#"{"Label":1}"#, Some("tc260.aigc_label")),
            (r#"{"Label":"9"}"#, None),
            (r#"{"label":"1"}"#, None),
            ("not json", None),
        ] {
            assert_eq!(read(text).map(|f| f.code.name), code, "{text}");
        }
    }
}
