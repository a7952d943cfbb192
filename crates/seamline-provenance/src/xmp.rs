//! XMP packets: IPTC digital source type, IPTC 2025.1 AI fields, credit lines, TC260 labels.

use crate::{Found, tc260};
use quick_xml::Reader;
use quick_xml::events::Event;
use seamline_core::code::{CONTAINER_ENCODER, XMP_AI_FIELDS, XMP_CREDIT_AI, XMP_DST_AI, XMP_DST_CAPTURE};

/// Elements and attributes looked at in one packet.
const MAX_EVENTS: usize = 50_000;

/// IPTC digital source types (cv.iptc.org/newscodes/digitalsourcetype) that mean generative AI.
pub(crate) const AI_TYPES: [&str; 3] =
    ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"];
/// And those that mean a device's capture.
pub(crate) const CAPTURE_TYPES: [&str; 5] =
    ["digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm", "print"];

/// IPTC Photo Metadata 2025.1.
const AI_FIELDS: [&str; 4] =
    ["AISystemUsed", "AISystemVersionUsed", "AIPromptInformation", "AIPromptWriterName"];

pub(crate) fn read(packet: &str) -> Vec<Found> {
    let mut out = Vec::new();
    for (name, value) in properties(packet) {
        property(&name, &value, &mut out);
    }
    out
}

/// Whether a credit line is the one that Google's generators write.
pub(crate) fn credits_ai(credit: &str) -> bool {
    credit.to_lowercase().contains("made with google ai")
}

/// The last part of a digital source type, which is written as a URI.
pub(crate) fn source_type(value: &str) -> &str {
    value.trim().rsplit('/').next().unwrap_or_default()
}

fn property(name: &str, value: &str, out: &mut Vec<Found>) {
    match name {
        "DigitalSourceType" | "DigitalSourcefileType" => {
            let kind = source_type(value);
            if AI_TYPES.contains(&kind) {
                out.push(Found::new(&XMP_DST_AI, &[("digital_source_type", kind)]));
            } else if CAPTURE_TYPES.contains(&kind) {
                out.push(Found::new(&XMP_DST_CAPTURE, &[("digital_source_type", kind)]));
            }
        }
        "Credit" if credits_ai(value) => {
            out.push(Found::new(&XMP_CREDIT_AI, &[("credit", value)]));
        }
        "AIGC" => out.extend(tc260::read(value)),
        "CreatorTool" => out.push(Found::new(&CONTAINER_ENCODER, &[("field", name), ("software", value)])),
        _ if AI_FIELDS.contains(&name) => out.push(Found::new(&XMP_AI_FIELDS, &[(name, value)])),
        _ => {}
    }
}

/// Local names and values of all attributes and of all elements that hold text. A packet that breaks off gives
/// what came before.
fn properties(packet: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(packet.trim_end_matches('\0'));
    reader.config_mut().check_end_names = false;
    let mut path: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for _ in 0..MAX_EVENTS {
        let event = match reader.read_event() {
            Ok(Event::Eof) | Err(_) => break,
            Ok(event) => event,
        };
        match event {
            Event::Start(ref e) | Event::Empty(ref e) => {
                for attribute in e.attributes().with_checks(false).flatten() {
                    let name = local(attribute.key.as_ref());
                    if let Ok(value) = attribute.unescape_value() {
                        out.push((name, value.into_owned()));
                    }
                }
                if matches!(event, Event::Start(_)) && path.len() < 64 {
                    path.push(local(e.name().as_ref()));
                }
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Text(t) => {
                if let (Ok(text), Some(name)) = (t.decode(), named(&path)) {
                    // Entities arrive as events of their own: text of one element is put together again.
                    append(&mut out, name, &text);
                }
            }
            Event::GeneralRef(r) => {
                if let Some(name) = named(&path) {
                    let entity = crate::walk::text(&r);
                    let plain = match entity.as_str() {
                        "quot" => "\"",
                        "amp" => "&",
                        "lt" => "<",
                        "gt" => ">",
                        "apos" => "'",
                        "#34" => "\"",
                        _ => " ",
                    };
                    append(&mut out, name, plain);
                }
            }
            Event::CData(t) => {
                if let Some(name) = named(&path) {
                    append(&mut out, name, &crate::walk::text(&t));
                }
            }
            _ => {}
        }
        if out.len() > crate::walk::MAX_FIELDS {
            break;
        }
    }
    out.retain(|(_, v)| !v.trim().is_empty());
    out
}

fn append(out: &mut Vec<(String, String)>, name: &str, text: &str) {
    match out.last_mut() {
        Some((last, value)) if last == name => value.push_str(text),
        _ => out.push((name.to_owned(), text.to_owned())),
    }
}

/// The property an element's text belongs to: lists (`rdf:Alt`, `rdf:li`) stand inside it.
fn named(path: &[String]) -> Option<&str> {
    path.iter().rev().map(String::as_str).find(|n| !matches!(*n, "li" | "Alt" | "Bag" | "Seq" | "value"))
}

fn local(name: &[u8]) -> String {
    let name = crate::walk::text(name);
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(xmp: &str) -> Vec<&'static str> {
        read(xmp).iter().map(|f| f.code.name).collect()
    }

    #[test]
    fn source_types_as_attribute_and_as_element() {
        let uri = "http://cv.iptc.org/newscodes/digitalsourcetype/";
        let attribute = format!(
            "<x:xmpmeta><rdf:Description Iptc4xmpExt:DigitalSourceType=\"{uri}trainedAlgorithmicMedia\"/></x:xmpmeta>"
        );
        assert_eq!(codes(&attribute), ["xmp.digital_source_ai"]);
        let element = format!(
            "<a><Iptc4xmpExt:DigitalSourceType>{uri}digitalCapture</Iptc4xmpExt:DigitalSourceType></a>"
        );
        assert_eq!(codes(&element), ["xmp.digital_source_capture"]);
        // Rendered or drawn by an algorithm that was not trained is no declaration of AI.
        assert!(codes(&element.replace("digitalCapture", "algorithmicMedia")).is_empty());
    }

    #[test]
    fn labels_with_escaped_json_and_lists_are_read() {
        let label = "<a xmlns:TC260=\"u\"><TC260:AIGC>{&quot;Label&quot;:&quot;1&quot;,&quot;ContentProducer&quot;:&quot;x&quot;}</TC260:AIGC></a>";
        assert_eq!(codes(label), ["tc260.aigc_label"]);
        let credit = "<a><photoshop:Credit><rdf:Alt><rdf:li>Made with Google AI</rdf:li></rdf:Alt></photoshop:Credit></a>";
        assert_eq!(codes(credit), ["xmp.credit_ai"]);
    }

    #[test]
    fn a_packet_that_breaks_off_gives_what_came_before() {
        let xmp = "<a DigitalSourceType=\"x/trainedAlgorithmicMedia\"><b><";
        assert_eq!(codes(xmp), ["xmp.digital_source_ai"]);
        assert!(codes("<<<>>>&&&").is_empty());
    }
}
