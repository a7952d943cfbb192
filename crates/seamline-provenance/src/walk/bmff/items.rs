//! Metadata items of HEIF and AVIF (ISO/IEC 23008-12, ISO/IEC 14496-12 section 8.11): EXIF and XMP by `iinf`, `iloc`.

use super::children;
use crate::limited::{WalkError, go_to, position, read_block};
use crate::walk::{Field, text};
use std::io::{Read, Seek};

/// Items looked at in one file.
const MAX_ITEMS: usize = 4_096;

enum What {
    Exif,
    Xmp,
}

/// Reads EXIF and XMP items that `meta` (its body, without version and flags) names.
pub(super) fn read<R: Read + Seek>(
    clip: &mut R,
    meta: &[u8],
    limit: u64,
    out: &mut Vec<Field>,
) -> Result<(), WalkError> {
    let (mut wanted, mut places, mut idat) = (Vec::new(), Vec::new(), &[][..]);
    for (kind, body) in children(meta) {
        match &kind {
            b"iinf" => wanted = names(body),
            b"iloc" => places = locations(body).unwrap_or_default(),
            b"idat" => idat = body,
            _ => {}
        }
    }
    let here = position(clip)?;
    for (id, what) in wanted {
        let Some(place) = places.iter().find(|p| p.id == id) else { continue };
        let mut data = Vec::new();
        for &(offset, length) in &place.extents {
            if data.len() as u64 + length > limit {
                return Err(WalkError::Limit { what: "metadata item", got: length, limit });
            }
            if place.method == 1 {
                let (from, to) = (offset as usize, offset.saturating_add(length) as usize);
                data.extend(idat.get(from..to).unwrap_or_default());
            } else {
                go_to(clip, offset)?;
                data.extend(read_block(clip, "metadata item", length, limit)?);
            }
        }
        match what {
            Exif => {
                // The block's start stands in its first four bytes (ISO/IEC 23008-12, annex A.2.1).
                let Some((skip, rest)) = data.split_first_chunk::<4>() else { continue };
                let block = rest.get(u32::from_be_bytes(*skip) as usize..).unwrap_or_default();
                out.push(Field::Exif(block.strip_prefix(b"Exif\0\0").unwrap_or(block).to_vec()));
            }
            Xmp => out.push(Field::Xmp(text(&data))),
        }
    }
    go_to(clip, here)
}

use What::{Exif, Xmp};

/// Items of interest: (id, what).
fn names(iinf: &[u8]) -> Vec<(u32, What)> {
    let skip = if iinf.first() == Some(&0) { 6 } else { 8 };
    children(iinf.get(skip..).unwrap_or_default())
        .take(MAX_ITEMS)
        .filter(|(kind, _)| kind == b"infe")
        .filter_map(|(_, body)| {
            let mut data = Numbers(body);
            let version = data.number(1)?;
            data.number(3)?;
            let id = data.number(if version == 2 { 2 } else { 4 })? as u32;
            data.number(2)?;
            let (kind, rest) = data.0.split_first_chunk::<4>()?;
            match kind {
                b"Exif" => Some((id, Exif)),
                b"mime" => {
                    let mut parts = rest.split(|&b| b == 0);
                    (parts.nth(1) == Some(b"application/rdf+xml")).then_some((id, Xmp))
                }
                _ => None,
            }
        })
        .collect()
}

struct Place {
    id: u32,
    /// 0: offsets into the file; 1: into `idat`.
    method: u64,
    extents: Vec<(u64, u64)>,
}

fn locations(iloc: &[u8]) -> Option<Vec<Place>> {
    let mut data = Numbers(iloc);
    let version = data.number(1)?;
    data.number(3)?;
    let (a, b) = (data.number(1)?, data.number(1)?);
    let (offset_size, length_size, base_size) = (a >> 4, a & 15, b >> 4);
    let index_size = if version == 0 { 0 } else { b & 15 };
    let count = data.number(if version < 2 { 2 } else { 4 })?;
    let mut out = Vec::new();
    for _ in 0..count.min(MAX_ITEMS as u64) {
        let id = data.number(if version < 2 { 2 } else { 4 })? as u32;
        let method = if version == 0 { 0 } else { data.number(2)? & 15 };
        data.number(2)?;
        let base = data.number(base_size)?;
        let mut extents = Vec::new();
        for _ in 0..data.number(2)?.min(64) {
            data.number(index_size)?;
            let (offset, length) = (data.number(offset_size)?, data.number(length_size)?);
            extents.push((base.saturating_add(offset), length));
        }
        out.push(Place { id, method, extents });
    }
    Some(out)
}

/// Big-endian numbers of given widths; a width of 0 is the number 0, as `iloc` has it.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn number(&mut self, width: u64) -> Option<u64> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(width).ok().filter(|w| *w <= 8)?)?;
        self.0 = rest;
        Some(head.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
    }
}
