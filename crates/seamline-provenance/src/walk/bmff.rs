//! ISO base media boxes (ISO/IEC 14496-12): QuickTime `keys` + `ilst`, `udta` text, the XMP `uuid` box. Media data
//! is skipped by seeking, so that metadata at the end of a large file costs no reading.

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, read_block, read_head, skip};
use std::io::{Read, Seek};

/// XMP specification part 3, section 1.2.7.
const XMP_UUID: [u8; 16] =
    [0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac];
const MAX_BOXES: usize = 100_000;
const MAX_DEPTH: u32 = 8;

/// Walks top-level boxes.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    for _ in 0..MAX_BOXES {
        let Some(head) = read_head::<8, _>(clip)? else { return Ok(()) };
        let mut size = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let mut taken = 8;
        if size == 1 {
            let Some(large) = read_head::<8, _>(clip)? else { return Ok(()) };
            size = u64::from_be_bytes(large);
            taken = 16;
        }
        if size == 0 {
            return Ok(()); // to the end of the file: media data
        }
        let body = size.checked_sub(taken).ok_or(WalkError::Damaged("box size"))?;
        match &head[4..] {
            b"uuid" if body >= 16 => {
                let Some(id) = read_head::<16, _>(clip)? else { return Ok(()) };
                if id == XMP_UUID {
                    out.push(Field::Xmp(text(&read_block(clip, "XMP box", body - 16, limit)?)));
                } else {
                    skip(clip, body - 16)?;
                }
            }
            b"moov" | b"meta" => {
                // The movie box holds sample tables, which for long films reach tens of megabytes.
                let block = read_block(clip, "movie box", body, limit.saturating_mul(16))?;
                let inner = if &head[4..] == b"meta" { block.get(4..).unwrap_or_default() } else { &block };
                boxes(inner, 0, out);
            }
            _ => skip(clip, body)?,
        }
    }
    Ok(())
}

/// Children of a box in memory: (kind, body).
fn children(mut data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let head = data.get(..8)?;
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = [head[4], head[5], head[6], head[7]];
        let body = data.get(8..size)?;
        data = data.get(size..)?;
        Some((kind, body))
    })
    .take(MAX_BOXES)
}

fn boxes(data: &[u8], depth: u32, out: &mut Vec<Field>) {
    if depth > MAX_DEPTH {
        return;
    }
    for (kind, body) in children(data) {
        if out.len() >= MAX_FIELDS {
            return;
        }
        match &kind {
            b"udta" | b"trak" => boxes(body, depth + 1, out),
            // As a full box (ISO) or a plain one (QuickTime): a full box starts with four zero bytes.
            b"meta" => meta(body.strip_prefix(&[0; 4]).unwrap_or(body), out),
            b"XMP_" => out.push(Field::Xmp(text(body))),
            b"AIGC" => out.push(Field::Text { key: "AIGC".into(), value: text(body) }),
            // QuickTime international text: 16-bit length and language before the text.
            [0xa9, a, b, c] => {
                let value = match body {
                    [h, l, _, _, rest @ ..] => {
                        rest.get(..usize::from(u16::from_be_bytes([*h, *l]))).unwrap_or(rest)
                    }
                    short => short,
                };
                out.push(Field::Text { key: text(&[0xa9, *a, *b, *c]), value: text(value) });
            }
            _ => {}
        }
    }
}

/// `keys` names, `ilst` values by their index; or `ilst` values by their own four-letter names.
fn meta(data: &[u8], out: &mut Vec<Field>) {
    let mut keys: Vec<String> = Vec::new();
    for (kind, body) in children(data) {
        match &kind {
            b"keys" => {
                keys = children(body.get(8..).unwrap_or_default())
                    .map(|(_, name)| text(name))
                    .take(MAX_FIELDS)
                    .collect();
            }
            b"ilst" => {
                for (item, inner) in children(body) {
                    let Some((_, value)) = children(inner).find(|(k, _)| k == b"data") else { continue };
                    let index = u32::from_be_bytes(item) as usize;
                    let key = match index.checked_sub(1).and_then(|i| keys.get(i)) {
                        Some(name) => name.clone(),
                        None => text(&item),
                    };
                    // Type and locale before the value.
                    out.push(Field::Text { key, value: text(value.get(8..).unwrap_or_default()) });
                    if out.len() >= MAX_FIELDS {
                        return;
                    }
                }
            }
            _ => {}
        }
    }
}
