//! From metadata fields to findings.

use crate::walk::Field;
use crate::{Found, exif, forensics, generators, platforms, tc260, xmp};
use seamline_core::code::{CONTAINER_ENCODER, XMP_CREDIT_AI};

/// Fields that name the software that wrote a file: context, never a sign of AI.
const ENCODER_KEYS: [&str; 11] = [
    "encoder",
    "Encoder",
    "ENCODER",
    "Software",
    "ISFT",
    "\u{a9}too",
    "\u{a9}swr",
    "com.apple.quicktime.software",
    "originator",
    "iptc.program",
    "software",
];

pub(crate) fn read(fields: &[Field]) -> Vec<Found> {
    let mut out = Vec::new();
    let mut flat: Vec<(String, String)> = Vec::new();
    for field in fields {
        match field {
            Field::Xmp(packet) => out.extend(xmp::read(packet)),
            Field::Exif(block) => {
                for (name, value) in exif::texts(block) {
                    if name == "XMLPacket" {
                        out.extend(xmp::read(&value));
                    } else {
                        flat.push((name.to_owned(), value));
                    }
                }
            }
            Field::Text { key, value } => flat.push((key.clone(), value.clone())),
            Field::Fact { .. } => {}
        }
    }
    for (key, value) in &flat {
        out.extend(text(key, value));
        out.extend(platforms::read(key, value));
    }
    out.extend(generators::pairs(&flat));
    out.extend(forensics::read(fields, &flat));
    out
}

/// What one text field says.
pub(crate) fn text(key: &str, value: &str) -> Option<Found> {
    let value = value.trim_end_matches('\0');
    if key.eq_ignore_ascii_case("AIGC") || value.trim_start().starts_with("{\"AIGC\"") {
        return tc260::read(value);
    }
    if key == "iptc.credit" && xmp::credits_ai(value) {
        return Some(Found::new(&XMP_CREDIT_AI, &[("credit", value)]));
    }
    generators::read(key, value).or_else(|| {
        let names_writer = ENCODER_KEYS.contains(&key) && !value.trim().is_empty();
        names_writer.then(|| Found::new(&CONTAINER_ENCODER, &[("field", key), ("software", value)]))
    })
}
