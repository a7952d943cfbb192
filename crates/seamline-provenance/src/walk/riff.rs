//! RIFF chunks: WebP EXIF and XMP, AVI and WAV `LIST INFO`, ID3 and XMP in WAV, and a bare `AIGC` chunk.

use super::{Field, MAX_FIELDS, id3, sei, text};
use crate::limited::{WalkError, go_to, position, read_block, read_head, read_some, skip};
use std::io::{Cursor, Read, Seek};

/// Chunks looked at in one file.
const MAX_CHUNKS: usize = 100_000;

/// Walks top-level chunks; of lists INFO is read, and the head of an AVI's media data.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    skip(clip, 12)?;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read_head::<8, _>(clip)? else { return Ok(()) };
        if out.len() >= MAX_FIELDS {
            return Ok(());
        }
        let size = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let start = position(clip)?;
        let mut block = || read_block(clip, "RIFF chunk", size, limit);
        match &head[..4] {
            b"EXIF" => {
                let block = block()?;
                // Some writers leave JPEG's prefix in.
                out.push(Field::Exif(block.strip_prefix(b"Exif\0\0").unwrap_or(&block).to_vec()));
            }
            b"XMP " | b"_PMX" => out.push(Field::Xmp(text(&block()?))),
            b"AIGC" => out.push(Field::Text { key: "AIGC".into(), value: text(&block()?) }),
            b"id3 " | b"ID3 " => {
                id3::walk(&mut Cursor::new(block()?), limit, out)?;
            }
            // Broadcast wave (EBU Tech 3285, section 2.3): description, then originator.
            b"bext" => {
                let block = block()?;
                for (key, range) in [("description", 0..256), ("originator", 256..288)] {
                    let value = text(block.get(range).unwrap_or_default());
                    let value = value.trim_end_matches('\0');
                    if !value.is_empty() {
                        out.push(Field::Text { key: key.into(), value: value.to_owned() });
                    }
                }
            }
            b"LIST" if size >= 4 => match read_head::<4, _>(clip)?.as_ref() {
                Some(b"INFO") => info(&read_block(clip, "RIFF list", size - 4, limit)?, out),
                Some(b"movi") => sei::scan(&read_some(clip, (size - 4).min(sei::WINDOW))?, out),
                _ => {}
            },
            _ => {}
        }
        go_to(clip, start)?;
        skip(clip, size + size % 2)?;
    }
    Ok(())
}

/// The pairs of an INFO list.
pub fn info(mut block: &[u8], out: &mut Vec<Field>) {
    while let [a, b, c, d, s0, s1, s2, s3, rest @ ..] = block {
        let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        let Some(value) = rest.get(..size) else { return };
        let value = value.split(|&b| b == 0).next().unwrap_or_default();
        out.push(Field::Text { key: text(&[*a, *b, *c, *d]), value: text(value) });
        if out.len() >= MAX_FIELDS {
            return;
        }
        block = rest.get(size + size % 2..).unwrap_or_default();
    }
}
