//! JPEG marker segments (ISO/IEC 10918-1, annex B): APP1 EXIF and XMP, APP13 IPTC, COM, quantisation tables; and
//! Samsung's trailer behind the picture.

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, go_to, length, read_block, read_head, read_some, skip};
use std::io::{Read, Seek, SeekFrom};

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// XMP specification part 3, section 1.1.3.1: packets over 64 KB, in pieces.
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// Bytes at the end that are searched where Samsung's trailer mark stands.
const TRAILER: u64 = 1 << 20;

/// Walks segments from after SOI to the first scan, then looks at the file's end.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let mut extended: Vec<(u32, Vec<u8>)> = Vec::new();
    let result = segments(clip, limit, &mut extended, out);
    if !extended.is_empty() {
        extended.sort_by_key(|(offset, _)| *offset);
        let whole: Vec<u8> = extended.into_iter().flat_map(|(_, part)| part).collect();
        out.push(Field::Xmp(text(&whole)));
    }
    result?;
    samsung(clip, out)
}

fn segments<R: Read + Seek>(
    clip: &mut R,
    limit: u64,
    extended: &mut Vec<(u32, Vec<u8>)>,
    out: &mut Vec<Field>,
) -> Result<(), WalkError> {
    let mut pieces = 0;
    while out.len() < MAX_FIELDS {
        let Some([mark, code]) = read_head::<2, _>(clip)? else { return Ok(()) };
        if mark != 0xff {
            return Err(WalkError::Damaged("JPEG marker"));
        }
        match code {
            // Fill bytes, and markers without a length.
            0xff => {
                clip.seek(SeekFrom::Current(-1)).map_err(|e| WalkError::Io(e.to_string()))?;
            }
            0x01 | 0xd0..=0xd7 => {}
            0xd9 | 0xda => return Ok(()),
            _ => {
                let Some(size) = read_head::<2, _>(clip)? else { return Ok(()) };
                let size = u64::from(u16::from_be_bytes(size));
                let body = size.checked_sub(2).ok_or(WalkError::Damaged("JPEG segment"))?;
                if matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc) {
                    // Frame header (section B.2.2): precision, lines, samples a line.
                    let block = read_block(clip, "JPEG segment", body, limit)?;
                    if let [_, a, b, c, d, ..] = block.as_slice() {
                        let (w, h) = (u16::from_be_bytes([*c, *d]), u16::from_be_bytes([*a, *b]));
                        out.push(Field::Fact { name: "picture size".into(), value: format!("{w} {h}") });
                    }
                    continue;
                }
                if !matches!(code, 0xe1 | 0xed | 0xfe | 0xdb) {
                    skip(clip, body)?;
                    continue;
                }
                let block = read_block(clip, "JPEG segment", body, limit)?;
                match code {
                    0xfe => out.push(Field::Text { key: "comment".into(), value: text(&block) }),
                    0xdb => tables(&block, out),
                    0xed => photoshop(&block, out),
                    _ => {
                        if let Some(xmp) = block.strip_prefix(XMP) {
                            out.push(Field::Xmp(text(xmp)));
                        } else if let Some(exif) = block.strip_prefix(b"Exif\0\0") {
                            out.push(Field::Exif(exif.to_vec()));
                        } else if let Some(part) = block.strip_prefix(EXTENDED_XMP)
                            && let Some((head, part)) = part.split_first_chunk::<40>()
                        {
                            // A digest of 32 characters, the whole length, this piece's offset.
                            pieces += part.len() as u64;
                            if pieces > limit {
                                let what = "extended XMP packet";
                                return Err(WalkError::Limit { what, got: pieces, limit });
                            }
                            let offset = u32::from_be_bytes([head[36], head[37], head[38], head[39]]);
                            extended.push((offset, part.to_vec()));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Quantisation tables (section B.2.4.1) as facts, in zigzag order.
fn tables(mut block: &[u8], out: &mut Vec<Field>) {
    while let [head, rest @ ..] = block {
        let wide = head >> 4 != 0;
        let size = if wide { 128 } else { 64 };
        let Some((values, more)) = rest.split_at_checked(size) else { return };
        block = more;
        let values: Vec<String> = if wide {
            values.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]]).to_string()).collect()
        } else {
            values.iter().map(u8::to_string).collect()
        };
        out.push(Field::Fact { name: format!("quantisation {}", head & 15), value: values.join(" ") });
    }
}

/// Photoshop image resources (Adobe Photoshop file formats specification, "Image Resource Blocks"): IPTC-IIM.
fn photoshop(block: &[u8], out: &mut Vec<Field>) {
    let Some(mut rest) = block.strip_prefix(PHOTOSHOP) else { return };
    while let Some((head, more)) = rest.split_first_chunk::<7>() {
        if &head[..4] != b"8BIM" {
            return;
        }
        let id = u16::from_be_bytes([head[4], head[5]]);
        // A counted name, padded with its count to an even length.
        let name = usize::from(head[6]);
        let Some(more) = more.get(name + (name + 1) % 2..) else { return };
        let Some((size, more)) = more.split_first_chunk::<4>() else { return };
        let size = u32::from_be_bytes(*size) as usize;
        let Some((data, more)) = more.split_at_checked(size) else { return };
        rest = more.get(size % 2..).unwrap_or_default();
        if id == 0x0404 {
            iptc(data, out);
        }
    }
}

/// IPTC-IIM datasets (IIM version 4.2, chapter 3): record 2, the few that declare something.
fn iptc(mut data: &[u8], out: &mut Vec<Field>) {
    while let [0x1c, record, set, a, b, rest @ ..] = data {
        let size = usize::from(u16::from_be_bytes([*a, *b]));
        let Some((value, more)) = rest.split_at_checked(size) else { return };
        data = more;
        let key = match (record, set) {
            (2, 40) => "iptc.instructions",
            (2, 65) => "iptc.program",
            (2, 80) => "iptc.byline",
            (2, 110) => "iptc.credit",
            (2, 120) => "iptc.caption",
            _ => continue,
        };
        out.push(Field::Text { key: key.into(), value: text(value) });
        if out.len() >= MAX_FIELDS {
            return;
        }
    }
}

/// Samsung's gallery appends blocks behind the picture and ends the file with `SEFT`.
fn samsung<R: Read + Seek>(clip: &mut R, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let end = length(clip)?;
    go_to(clip, end.saturating_sub(4))?;
    if read_head::<4, _>(clip)? != Some(*b"SEFT") {
        return Ok(());
    }
    go_to(clip, end.saturating_sub(TRAILER))?;
    let tail = read_some(clip, TRAILER)?;
    let mark = b"\"genAIType\":";
    let named = tail.windows(23).any(|w| w == b"PhotoEditor_Re_Edit_Dat");
    if let (true, Some(at)) = (named, tail.windows(mark.len()).position(|w| w == mark)) {
        let digits: Vec<u8> =
            tail[at + mark.len()..].iter().copied().skip_while(|b| *b == b' ').take(8).collect();
        let value: String = text(&digits).chars().take_while(char::is_ascii_digit).collect();
        out.push(Field::Text { key: "samsung.genAIType".into(), value });
    }
    Ok(())
}
