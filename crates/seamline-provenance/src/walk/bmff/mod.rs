//! ISO base media boxes (ISO/IEC 14496-12): QuickTime `keys` + `ilst`, `udta` text, handlers, edit lists, the XMP
//! `uuid` box, HEIF metadata items. Everything else, sample tables included, is skipped by seeking, so that
//! metadata at the end of a large file costs neither reading nor memory.

mod items;
mod times;

use super::{Field, MAX_FIELDS, sei, text};
use crate::limited::{WalkError, go_to, length, position, read_block, read_head, read_some};
use std::io::{Read, Seek};

/// XMP specification part 3, section 1.2.7.
const XMP_UUID: [u8; 16] =
    [0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac];
const MAX_BOXES: usize = 100_000;
const MAX_DEPTH: u32 = 8;

/// Walks top-level boxes.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let end = length(clip)?;
    let mut walker = Walker { clip, limit, boxes: 0, looked: false, track: 0 };
    walker.level(end, 0, out)
}

struct Walker<'a, R> {
    clip: &'a mut R,
    limit: u64,
    boxes: usize,
    /// Whether media data was searched for messages already.
    looked: bool,
    track: u32,
}

impl<R: Read + Seek> Walker<'_, R> {
    fn level(&mut self, end: u64, depth: u32, out: &mut Vec<Field>) -> Result<(), WalkError> {
        loop {
            let start = position(self.clip)?;
            self.boxes += 1;
            if start >= end || depth > MAX_DEPTH || self.boxes > MAX_BOXES || out.len() >= MAX_FIELDS {
                return Ok(());
            }
            let Some(head) = read_head::<8, _>(self.clip)? else { return Ok(()) };
            let mut size = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
            let mut taken = 8;
            if size == 1 {
                let Some(large) = read_head::<8, _>(self.clip)? else { return Ok(()) };
                size = u64::from_be_bytes(large);
                taken = 16;
            } else if size == 0 {
                size = end - start; // to the end of the file
            }
            let body = size.checked_sub(taken).ok_or(WalkError::Damaged("box size"))?;
            let next = start.checked_add(size).ok_or(WalkError::Damaged("box size"))?;
            // A QuickTime user-data list may end in four zero bytes, which the last box swallows.
            let inside = next.min(end);
            self.one([head[4], head[5], head[6], head[7]], body, inside, depth, out)?;
            go_to(self.clip, next)?;
        }
    }

    fn one(
        &mut self,
        kind: [u8; 4],
        body: u64,
        end: u64,
        depth: u32,
        out: &mut Vec<Field>,
    ) -> Result<(), WalkError> {
        let limit = self.limit;
        match &kind {
            b"trak" => {
                self.track += 1;
                self.level(end, depth + 1, out)?;
            }
            b"moov" | b"mdia" | b"udta" | b"edts" | b"minf" | b"moof" | b"traf" => {
                self.level(end, depth + 1, out)?;
            }
            b"uuid" if body >= 16 && read_head::<16, _>(self.clip)? == Some(XMP_UUID) => {
                out.push(Field::Xmp(text(&read_block(self.clip, "XMP box", body - 16, limit)?)));
            }
            b"mdat" if !self.looked => {
                self.looked = true;
                sei::scan(&read_some(self.clip, body.min(sei::WINDOW))?, out);
            }
            b"ftyp" if body >= 4 => {
                if let Some(brand) = read_head::<4, _>(self.clip)? {
                    out.push(Field::Text { key: "major_brand".into(), value: text(&brand) });
                }
            }
            b"meta" => {
                let block = read_block(self.clip, "metadata box", body, limit)?;
                // As a full box (ISO) or a plain one (QuickTime): a full box starts with four zero bytes.
                let inner = block.strip_prefix(&[0; 4]).unwrap_or(&block);
                keyed(inner, out);
                if depth == 0 {
                    items::read(self.clip, inner, limit, out)?;
                }
            }
            b"hdlr" => {
                let block = read_block(self.clip, "handler box", body, limit)?;
                if self.track > 0
                    && let Some(kind @ (b"vide" | b"soun")) = block.get(8..12).and_then(|k| k.first_chunk())
                {
                    let name = format!("track {} kind", self.track);
                    out.push(Field::Fact { name, value: text(kind) });
                }
                // Version, flags, pre-defined, type, 12 reserved bytes; then the name.
                let name = block.get(24..).unwrap_or_default();
                // QuickTime's names start with their length.
                let name = match name {
                    [n, rest @ ..] if usize::from(*n) == rest.len() => rest,
                    name => name,
                };
                let value = text(name).trim_end_matches('\0').to_owned();
                out.push(Field::Text { key: "handler".into(), value });
            }
            b"mvhd" | b"tkhd" | b"mdhd" | b"elst" => {
                let block = read_block(self.clip, "header box", body, limit)?;
                times::read(kind, self.track, &block, out);
            }
            b"XMP_" => out.push(Field::Xmp(text(&read_block(self.clip, "XMP box", body, limit)?))),
            b"AIGC" => {
                let value = text(&read_block(self.clip, "user data", body, limit)?);
                out.push(Field::Text { key: "AIGC".into(), value });
            }
            // QuickTime international text: 16-bit length and language before the text.
            [0xa9, a, b, c] => {
                let block = read_block(self.clip, "user data", body, limit)?;
                let value = match block.as_slice() {
                    [h, l, _, _, rest @ ..] => {
                        rest.get(..usize::from(u16::from_be_bytes([*h, *l]))).unwrap_or(rest)
                    }
                    short => short,
                };
                out.push(Field::Text { key: text(&[0xa9, *a, *b, *c]), value: text(value) });
            }
            _ => {}
        }
        Ok(())
    }
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

/// `keys` names, `ilst` values by their index; or `ilst` values by their own four-letter names.
fn keyed(data: &[u8], out: &mut Vec<Field>) {
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
                    if let Some((key, value)) = list_item(item, inner, &keys) {
                        out.push(Field::Text { key, value });
                    }
                    if out.len() >= MAX_FIELDS {
                        return;
                    }
                }
            }
            _ => {}
        }
    }
}

fn list_item(item: [u8; 4], inner: &[u8], keys: &[String]) -> Option<(String, String)> {
    let (_, value) = children(inner).find(|(k, _)| k == b"data")?;
    // Type and locale before the value.
    let value = text(value.get(8..)?);
    let index = u32::from_be_bytes(item) as usize;
    let key = match index.checked_sub(1).and_then(|i| keys.get(i)) {
        Some(name) => name.clone(),
        // iTunes' free form: the name stands in a box of its own, behind version and flags.
        None if &item == b"----" => {
            let (_, name) = children(inner).find(|(k, _)| k == b"name")?;
            text(name.get(4..)?)
        }
        None => text(&item),
    };
    Some((key, value))
}
