//! Container walkers: from bytes to named metadata fields, within limits.

pub mod bmff;
pub mod jpeg;
pub mod png;
pub mod riff;

use crate::limited::{WalkError, read_head, skip};
use seamline_core::Limits;
use std::io::{Read, Seek, SeekFrom};

/// Where a field was found, as far as it changes its reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Text under a keyword: PNG text, RIFF INFO, QuickTime keys.
    Text {
        /// Keyword as written.
        key: String,
        /// Its text.
        value: String,
    },
    /// An XMP packet.
    Xmp(String),
    /// A TIFF-structured EXIF block, from its byte-order mark.
    Exif(Vec<u8>),
}

/// More fields than any real file has.
pub(crate) const MAX_FIELDS: usize = 1_000;

/// Fields of a file and, if the walk ended early, why: what was read before counts.
pub fn fields<R: Read + Seek>(
    clip: &mut R,
    limits: &Limits,
) -> Result<(Vec<Field>, Option<WalkError>), WalkError> {
    let head: [u8; 12] = match read_head(clip)? {
        Some(head) => head,
        None => return Ok((Vec::new(), None)),
    };
    clip.seek(SeekFrom::Start(0)).map_err(|e| WalkError::Io(e.to_string()))?;
    let mut out = Vec::new();
    let limit = limits.max_metadata_bytes;
    let result = if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        skip(clip, 8).and_then(|()| png::walk(clip, limit, &mut out))
    } else if head.starts_with(&[0xff, 0xd8]) {
        skip(clip, 2).and_then(|()| jpeg::walk(clip, limit, &mut out))
    } else if head.starts_with(b"RIFF") {
        riff::walk(clip, limit, &mut out)
    } else if &head[4..8] == b"ftyp" || matches!(&head[4..8], b"moov" | b"mdat" | b"wide" | b"free") {
        bmff::walk(clip, limit, &mut out)
    } else {
        Ok(())
    };
    Ok((out, result.err()))
}

/// UTF-8 where it is, else Latin-1: metadata is shown, not executed.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(s) => s.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}
