//! PNG chunks (ISO/IEC 15948): tEXt, zTXt, iTXt, eXIf.

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, inflate, read_block, read_head, skip};
use std::io::{Read, Seek};

/// Walks chunks from after the signature to IEND.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    while out.len() < MAX_FIELDS {
        let Some(head) = read_head::<8, _>(clip)? else { return Ok(()) };
        let size = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        match &head[4..] {
            b"IEND" => return Ok(()),
            kind @ (b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf") => {
                let kind: [u8; 4] = [kind[0], kind[1], kind[2], kind[3]];
                let block = read_block(clip, "PNG chunk", size, limit)?;
                skip(clip, 4)?;
                if let Some(field) = read(kind, &block, limit)? {
                    out.push(field);
                }
            }
            _ => skip(clip, size + 4)?,
        }
    }
    Ok(())
}

fn read(kind: [u8; 4], block: &[u8], limit: u64) -> Result<Option<Field>, WalkError> {
    if &kind == b"eXIf" {
        return Ok(Some(Field::Exif(block.to_vec())));
    }
    let Some((key, rest)) = split(block) else { return Ok(None) };
    let value = match &kind {
        b"tEXt" => text(rest),
        // One byte of compression method, which must be 0.
        b"zTXt" => text(&inflate(rest.get(1..).unwrap_or_default(), limit)?),
        _ => {
            let [packed, _method, more @ ..] = rest else { return Ok(None) };
            let Some((_language, more)) = split(more) else { return Ok(None) };
            let Some((_translated, value)) = split(more) else { return Ok(None) };
            if *packed == 1 { text(&inflate(value, limit)?) } else { text(value) }
        }
    };
    let key = text(key);
    Ok(Some(if key == "XML:com.adobe.xmp" { Field::Xmp(value) } else { Field::Text { key, value } }))
}

/// Up to a zero byte, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&b| b == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}
