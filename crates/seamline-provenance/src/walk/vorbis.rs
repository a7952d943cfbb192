//! Vorbis comments (Xiph.org, "Ogg Vorbis I format specification: comment field and header specification") in
//! FLAC metadata blocks (RFC 9639, section 8) and in the header packets of Ogg streams (RFC 3533).

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, read_block, read_head, skip};
use std::collections::BTreeMap;
use std::io::{Read, Seek};

/// Pages looked at: headers stand at the beginning, one comment packet may span many.
const MAX_PAGES: usize = 4_096;
const MAX_STREAMS: usize = 64;
/// Header packets of one stream, comments among them.
const MAX_PACKETS: usize = 3;

/// Walks FLAC metadata blocks from the stream marker on.
pub fn flac<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let Some(mark) = read_head::<4, _>(clip)? else { return Ok(()) };
    if &mark != b"fLaC" {
        return Err(WalkError::Damaged("FLAC stream marker"));
    }
    while out.len() < MAX_FIELDS {
        let Some(head) = read_head::<4, _>(clip)? else { return Ok(()) };
        let size = u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
        if head[0] & 0x7f == 4 {
            comments(&read_block(clip, "Vorbis comments", size, limit)?, out);
        } else {
            skip(clip, size)?;
        }
        if head[0] & 0x80 != 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Walks the header packets of every stream of an Ogg file.
pub fn ogg<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    // Per stream: the packet that is being put together, and how many were whole.
    let mut streams: BTreeMap<u32, (Vec<u8>, usize)> = BTreeMap::new();
    let mut taken = 0u64;
    for _ in 0..MAX_PAGES {
        let Some(head) = read_head::<27, _>(clip)? else { return Ok(()) };
        if &head[..4] != b"OggS" {
            return Err(WalkError::Damaged("Ogg page"));
        }
        let serial = u32::from_le_bytes([head[14], head[15], head[16], head[17]]);
        let lacing = read_block(clip, "Ogg segment table", u64::from(head[26]), 255)?;
        let size: u64 = lacing.iter().map(|&n| u64::from(n)).sum();
        // A page that begins a stream stands before all others (RFC 3533, section 4).
        let begins = head[5] & 2 != 0;
        if begins && streams.len() < MAX_STREAMS {
            streams.entry(serial).or_default();
        }
        if !begins && streams.values().all(|(_, n)| *n >= MAX_PACKETS) {
            return Ok(());
        }
        let wanted = streams.get_mut(&serial).filter(|(_, n)| *n < MAX_PACKETS);
        let Some((packet, whole)) = wanted else {
            skip(clip, size)?;
            continue;
        };
        let body = read_block(clip, "Ogg page", size, 255 * 255)?;
        taken += size;
        if taken > limit {
            return Err(WalkError::Limit { what: "Ogg header packets", got: taken, limit });
        }
        let mut rest = body.as_slice();
        for &n in &lacing {
            let (part, more) = rest.split_at(usize::from(n).min(rest.len()));
            rest = more;
            packet.extend(part);
            // A segment shorter than 255 ends its packet.
            if n < 255 {
                header_packet(packet, *whole, out);
                packet.clear();
                *whole += 1;
                if *whole >= MAX_PACKETS {
                    break;
                }
            }
        }
    }
    Ok(())
}

fn header_packet(packet: &[u8], index: usize, out: &mut Vec<Field>) {
    for mark in [&b"\x03vorbis"[..], b"OpusTags", b"\x81theora"] {
        if let Some(body) = packet.strip_prefix(mark) {
            return comments(body, out);
        }
    }
    // FLAC in Ogg: the block's own head of four bytes (RFC 9639, section 10.1). The first packet is another.
    if index > 0
        && let [kind, _, _, _, body @ ..] = packet
        && kind & 0x7f == 4
    {
        comments(body, out);
    }
}

/// Vendor, then `NAME=value` fields, each behind its length.
pub fn comments(block: &[u8], out: &mut Vec<Field>) {
    let Some((vendor, rest)) = counted(block) else { return };
    out.push(Field::Text { key: "encoder".into(), value: text(vendor) });
    let Some((count, mut rest)) = rest.split_first_chunk::<4>() else { return };
    for _ in 0..u32::from_le_bytes(*count) {
        // A count may promise more than there is.
        let Some((field, more)) = counted(rest) else { return };
        rest = more;
        if out.len() >= MAX_FIELDS {
            return;
        }
        if let Some((key, value)) = text(field).split_once('=') {
            out.push(Field::Text { key: key.to_owned(), value: value.to_owned() });
        }
    }
}

/// Bytes behind their length of 32 bits, and what follows.
fn counted(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = data.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*size) as usize)
}
