//! RIFF chunks: WebP EXIF and XMP, AVI and WAV `LIST INFO`, and a bare `AIGC` chunk.

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, read_block, read_head, skip};
use std::io::{Read, Seek};

/// Chunks looked at in one file.
const MAX_CHUNKS: usize = 100_000;

/// Walks top-level chunks; of lists only INFO is entered.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    skip(clip, 12)?;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read_head::<8, _>(clip)? else { return Ok(()) };
        let size = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let padded = size + size % 2;
        if out.len() >= MAX_FIELDS {
            return Ok(());
        }
        match &head[..4] {
            b"EXIF" => {
                let block = read_block(clip, "RIFF chunk", size, limit)?;
                skip(clip, padded - size)?;
                // Some writers leave JPEG's prefix in.
                out.push(Field::Exif(block.strip_prefix(b"Exif\0\0").unwrap_or(&block).to_vec()));
            }
            b"XMP " => {
                let block = read_block(clip, "RIFF chunk", size, limit)?;
                skip(clip, padded - size)?;
                out.push(Field::Xmp(text(&block)));
            }
            b"AIGC" => {
                let block = read_block(clip, "RIFF chunk", size, limit)?;
                skip(clip, padded - size)?;
                out.push(Field::Text { key: "AIGC".into(), value: text(&block) });
            }
            b"LIST" if size >= 4 => {
                let Some(kind) = read_head::<4, _>(clip)? else { return Ok(()) };
                if &kind == b"INFO" {
                    let block = read_block(clip, "RIFF list", size - 4, limit)?;
                    skip(clip, padded - size)?;
                    info(&block, out);
                } else {
                    skip(clip, padded - 4)?;
                }
            }
            _ => skip(clip, padded)?,
        }
    }
    Ok(())
}

fn info(mut block: &[u8], out: &mut Vec<Field>) {
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
