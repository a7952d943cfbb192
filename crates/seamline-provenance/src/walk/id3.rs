//! ID3v2.2 to 2.4 (id3.org): text frames, `TXXX`, comments, an XMP `PRIV`; and the encoder's name in the first
//! MPEG frame.

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, inflate, position, read_block, read_head, read_some};
use std::io::{Read, Seek};

/// Bytes after the tag in which the Xing/LAME header lies: one frame at 320 kbit/s, 32 kHz is 1,440 bytes.
const FIRST_FRAME: u64 = 1_441;

/// Reads a tag at the current position; reading then stands behind it, which is returned.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<u64, WalkError> {
    let start = position(clip)?;
    let Some(head) = read_head::<10, _>(clip)? else { return Ok(start) };
    if &head[..3] != b"ID3" {
        crate::limited::go_to(clip, start)?;
        return Ok(start);
    }
    let size = syncsafe([head[6], head[7], head[8], head[9]]);
    let mut block = read_block(clip, "ID3 tag", u64::from(size), limit)?;
    tag(head[3], head[5], &mut block, limit, out);
    position(clip)
}

/// The encoder that the first MPEG frame names (LAME's and Lavc's `Xing`/`Info` header).
pub fn first_frame<R: Read + Seek>(clip: &mut R, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let frame = read_some(clip, FIRST_FRAME)?;
    let name = [&b"LAME"[..], b"Lavc", b"Lavf", b"GOGO"]
        .iter()
        .filter_map(|name| frame.windows(4).position(|w| w == *name))
        .min();
    if let Some(at) = name {
        let value = frame[at..].iter().take(9).take_while(|b| (0x20..0x7f).contains(*b)).copied();
        out.push(Field::Text { key: "encoder".into(), value: text(&value.collect::<Vec<_>>()) });
    }
    Ok(())
}

/// Four bytes of seven bits (ID3v2.4 structure, section 6.2).
fn syncsafe(b: [u8; 4]) -> u32 {
    b.iter().fold(0, |n, &x| n << 7 | u32::from(x & 0x7f))
}

/// Drops the zero after each 0xff (ID3v2.4 structure, section 6.1).
fn resynchronise(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len());
    let mut after = false;
    for &b in block {
        if !(after && b == 0) {
            out.push(b);
        }
        after = b == 0xff;
    }
    out
}

fn tag(version: u8, flags: u8, block: &mut Vec<u8>, limit: u64, out: &mut Vec<Field>) {
    if flags & 0x80 != 0 && version < 4 {
        *block = resynchronise(block);
    }
    let mut data: &[u8] = block;
    if flags & 0x40 != 0 && version >= 3 {
        let Some(head) = data.get(..4) else { return };
        let size = [head[0], head[1], head[2], head[3]];
        // 2.4 counts its own four bytes, 2.3 does not.
        let skip = if version == 4 { syncsafe(size) as usize } else { u32::from_be_bytes(size) as usize + 4 };
        data = data.get(skip..).unwrap_or_default();
    }
    while out.len() < MAX_FIELDS {
        let Some((id, size, marks, rest)) = frame_head(version, data) else { return };
        let Some(body) = rest.get(..size) else { return };
        data = &rest[size..];
        if let Some(body) = plain(version, flags, marks, body, limit) {
            frame(&id, &body, out);
        }
    }
}

/// (name, size, flags, what follows); `None` at padding or at the end.
fn frame_head(version: u8, data: &[u8]) -> Option<(String, usize, u16, &[u8])> {
    if version == 2 {
        let (head, rest) = data.split_first_chunk::<6>()?;
        let size = u32::from_be_bytes([0, head[3], head[4], head[5]]) as usize;
        return (head[0] != 0).then(|| (text(&head[..3]), size, 0, rest));
    }
    let (head, rest) = data.split_first_chunk::<10>()?;
    let size = [head[4], head[5], head[6], head[7]];
    let size = if version >= 4 { syncsafe(size) } else { u32::from_be_bytes(size) } as usize;
    (head[0] != 0).then(|| (text(&head[..4]), size, u16::from_be_bytes([head[8], head[9]]), rest))
}

/// A frame's body without compression and unsynchronisation; `None` for encrypted or damaged ones.
fn plain(version: u8, tag_flags: u8, marks: u16, body: &[u8], limit: u64) -> Option<Vec<u8>> {
    // ID3v2.3, section 3.3.1; ID3v2.4 structure, section 4.1.2.
    let (packed, locked, grouped, unsync, sized) = match version {
        4 => (marks & 8 != 0, marks & 4 != 0, marks & 0x40 != 0, marks & 2 != 0, marks & 1 != 0),
        3 => (marks & 0x80 != 0, marks & 0x40 != 0, marks & 0x20 != 0, false, marks & 0x80 != 0),
        _ => (false, false, false, false, false),
    };
    if locked {
        return None;
    }
    let body = body.get(usize::from(grouped) + if sized { 4 } else { 0 }..)?;
    let body =
        if unsync || (version == 4 && tag_flags & 0x80 != 0) { resynchronise(body) } else { body.to_vec() };
    if packed { inflate(&body, limit).ok() } else { Some(body) }
}

fn frame(id: &str, body: &[u8], out: &mut Vec<Field>) {
    let mut push = |key: &str, value: String| {
        out.push(Field::Text { key: key.to_owned(), value: value.trim_end_matches('\0').to_owned() });
    };
    match (id, body) {
        ("TXXX" | "TXX", [code, rest @ ..]) => {
            let (name, value) = split(*code, rest);
            push(&decode(*code, name), decode(*code, value));
        }
        ("COMM" | "COM", [code, _, _, _, rest @ ..]) => {
            let (_, value) = split(*code, rest);
            push("comment", decode(*code, value));
        }
        ("TSSE" | "TSS" | "TENC" | "TEN", [code, rest @ ..]) => push("encoder", decode(*code, rest)),
        ("PRIV", body) => {
            if let Some(xmp) = body.strip_prefix(b"XMP\0") {
                out.push(Field::Xmp(text(xmp)));
            }
        }
        (id, [code, rest @ ..]) if id.starts_with('T') => push(id, decode(*code, rest)),
        _ => {}
    }
}

/// Parts a description from what follows; in UTF-16 the end is two zero bytes at an even place.
fn split(code: u8, body: &[u8]) -> (&[u8], &[u8]) {
    if code == 1 || code == 2 {
        let end = body.chunks_exact(2).position(|c| c == [0, 0]).map_or(body.len(), |i| 2 * i);
        return (&body[..end], body.get(end + 2..).unwrap_or_default());
    }
    let end = body.iter().position(|&b| b == 0).unwrap_or(body.len());
    (&body[..end], body.get(end + 1..).unwrap_or_default())
}

/// Text by its encoding byte (ID3v2.4 structure, section 4).
fn decode(code: u8, bytes: &[u8]) -> String {
    match (code, bytes) {
        (1, [0xff, 0xfe, rest @ ..]) => utf16(rest, u16::from_le_bytes),
        (1, [0xfe, 0xff, rest @ ..]) | (2, rest) => utf16(rest, u16::from_be_bytes),
        (1, rest) => utf16(rest, u16::from_le_bytes),
        _ => text(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|c| unit([c[0], c[1]])).collect();
    String::from_utf16_lossy(&units)
}
