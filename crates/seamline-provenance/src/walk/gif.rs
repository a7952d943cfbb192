//! GIF extensions (GIF89a specification, sections 24 and 26): comments and the XMP application block.

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, read_block, read_head, skip};
use std::io::{Read, Seek};

/// Blocks looked at: an animation has a few for each picture.
const MAX_BLOCKS: usize = 200_000;

/// Walks blocks from the header on.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let Some(head) = read_head::<13, _>(clip)? else { return Ok(()) };
    table(clip, head[10])?;
    let mut blocks = 0;
    while out.len() < MAX_FIELDS {
        let Some([kind]) = read_head::<1, _>(clip)? else { return Ok(()) };
        match kind {
            0x21 => {
                let Some([label]) = read_head::<1, _>(clip)? else { return Ok(()) };
                let wanted = matches!(label, 0xfe | 0xff);
                let data = sub_blocks(clip, wanted.then_some(limit), &mut blocks)?;
                if label == 0xfe {
                    out.push(Field::Text { key: "comment".into(), value: text(&data) });
                } else if let Some(packet) = data.strip_prefix(b"XMP DataXMP") {
                    out.push(Field::Xmp(text(packet)));
                }
            }
            0x2c => {
                let Some(picture) = read_head::<9, _>(clip)? else { return Ok(()) };
                table(clip, picture[8])?;
                skip(clip, 1)?;
                sub_blocks(clip, None, &mut blocks)?;
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Skips a colour table whose presence and size stand in `flags`.
fn table<R: Seek>(clip: &mut R, flags: u8) -> Result<(), WalkError> {
    if flags & 0x80 != 0 { skip(clip, 3 << ((flags & 7) + 1)) } else { Ok(()) }
}

/// Data sub-blocks up to the empty one; kept only where a limit is given. The XMP block is written without
/// sub-blocks: its bytes look like lengths and end in a run that leads out, so lengths are kept as text there.
fn sub_blocks<R: Read + Seek>(
    clip: &mut R,
    keep: Option<u64>,
    blocks: &mut usize,
) -> Result<Vec<u8>, WalkError> {
    let mut data = Vec::new();
    loop {
        *blocks += 1;
        if *blocks > MAX_BLOCKS {
            return Err(WalkError::Damaged("GIF: too many blocks"));
        }
        let Some([size]) = read_head::<1, _>(clip)? else { return Ok(data) };
        if size == 0 {
            return Ok(data);
        }
        let Some(limit) = keep else {
            skip(clip, u64::from(size))?;
            continue;
        };
        if data.starts_with(b"XMP DataXMP") {
            data.push(size);
        }
        data.extend(read_block(clip, "GIF block", u64::from(size), limit)?);
        if data.len() as u64 > limit {
            return Err(WalkError::Limit { what: "GIF extension", got: data.len() as u64, limit });
        }
    }
}
