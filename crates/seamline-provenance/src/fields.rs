//! From metadata fields to findings.

use crate::walk::Field;
use crate::{Found, exif, generators, tc260, xmp};
use seamline_core::code::CONTAINER_ENCODER;

/// Fields that name the software that wrote a file: context, never a sign of AI.
const ENCODER_KEYS: [&str; 7] =
    ["encoder", "Software", "ISFT", "\u{a9}too", "\u{a9}swr", "com.apple.quicktime.software", "Encoder"];

pub(crate) fn read(fields: &[Field]) -> Vec<Found> {
    let mut out = Vec::new();
    for field in fields {
        match field {
            Field::Xmp(packet) => out.extend(xmp::read(packet)),
            Field::Exif(block) => {
                for (name, value) in exif::texts(block) {
                    out.extend(text(name, &value));
                }
            }
            Field::Text { key, value } => out.extend(text(key, value)),
        }
    }
    out
}

fn text(key: &str, value: &str) -> Option<Found> {
    if key == "AIGC" || value.trim_start().starts_with("{\"AIGC\"") {
        return tc260::read(value);
    }
    generators::read(key, value).or_else(|| {
        let names_writer = ENCODER_KEYS.contains(&key) && !value.trim().is_empty();
        names_writer.then(|| Found::new(&CONTAINER_ENCODER, &[("field", key), ("software", value)]))
    })
}
