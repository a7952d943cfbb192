//! EBML (RFC 8794) as Matroska and WebM use it (RFC 9559): `SimpleTag`, muxer and writer. Clusters are skipped.
//!
//! Elements are read one after another without a stack: entering a master element means not skipping its body.
//! That also covers live streams, whose segments and clusters have no stated size.

use super::{Field, MAX_FIELDS, sei, text};
use crate::limited::{WalkError, position, read_block, read_head, read_some, skip};
use std::io::{Read, Seek};

/// Elements looked at in one file: an hour of unsized clusters has about as many.
const MAX_ELEMENTS: usize = 500_000;

// Element IDs (RFC 9559, section 5.1).
const SEGMENT: u64 = 0x1853_8067;
const INFO: u64 = 0x1549_a966;
const MUXING_APP: u64 = 0x4d80;
const WRITING_APP: u64 = 0x5741;
const CLUSTER: u64 = 0x1f43_b675;
const TAGS: u64 = 0x1254_c367;
const TAG: u64 = 0x7373;
const SIMPLE_TAG: u64 = 0x67c8;
const TAG_NAME: u64 = 0x45a3;
const TAG_STRING: u64 = 0x4487;

/// Walks elements from the start of the file.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let mut name: Option<String> = None;
    let mut value: Option<String> = None;
    let mut seen_cluster = false;
    for _ in 0..MAX_ELEMENTS {
        if out.len() >= MAX_FIELDS {
            return Ok(());
        }
        let Some((id, _)) = number(clip, 4, true)? else { return Ok(()) };
        let Some((size, unknown)) = number(clip, 8, false)? else { return Ok(()) };
        match id {
            SEGMENT | INFO | TAGS | TAG => {}
            SIMPLE_TAG => (name, value) = (None, None),
            TAG_NAME => name = Some(text(&read_block(clip, "Matroska tag name", size, limit)?)),
            TAG_STRING => value = Some(text(&read_block(clip, "Matroska tag", size, limit)?)),
            MUXING_APP | WRITING_APP => {
                let app = text(&read_block(clip, "Matroska application", size, limit)?);
                out.push(Field::Text { key: "encoder".into(), value: app });
            }
            CLUSTER => {
                if !seen_cluster {
                    seen_cluster = true;
                    let body = position(clip)?;
                    let most = if unknown { sei::WINDOW } else { size.min(sei::WINDOW) };
                    sei::scan(&read_some(clip, most)?, out);
                    crate::limited::go_to(clip, body)?;
                }
                if !unknown {
                    skip(clip, size)?;
                }
            }
            _ if unknown => return Err(WalkError::Damaged("Matroska element size")),
            _ => skip(clip, size)?,
        }
        // Name and text come in either order.
        if let (Some(_), Some(_)) = (&name, &value)
            && let (Some(key), Some(value)) = (name.take(), value.take())
        {
            out.push(Field::Text { key, value });
        }
    }
    Ok(())
}

/// A variable-size number (RFC 8794, section 4): its value, with the length marker kept in IDs, and whether all
/// its bits are set, which means "unknown" in a size.
fn number<R: Read>(clip: &mut R, longest: u32, keep: bool) -> Result<Option<(u64, bool)>, WalkError> {
    let Some([first]) = read_head::<1, _>(clip)? else { return Ok(None) };
    let length = first.leading_zeros() + 1;
    if length > longest {
        return Err(WalkError::Damaged("Matroska element"));
    }
    let mut value = u64::from(if keep { first } else { first & (0xff_u16 >> length) as u8 });
    for _ in 1..length {
        let Some([next]) = read_head::<1, _>(clip)? else { return Ok(None) };
        value = value << 8 | u64::from(next);
    }
    Ok(Some((value, !keep && value == (1 << (7 * length)) - 1)))
}
