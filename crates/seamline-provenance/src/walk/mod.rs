//! Container walkers: from bytes to named metadata fields, within limits.

pub mod bmff;
pub mod ebml;
pub mod flv;
pub mod gif;
pub mod id3;
pub mod jpeg;
pub mod png;
pub mod riff;
pub mod sei;
pub mod vorbis;

use crate::limited::{WalkError, go_to, read_head, read_some, skip};
use seamline_core::Limits;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// Where a field was found, as far as it changes its reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Text under a keyword: PNG text, RIFF INFO, QuickTime keys, Matroska and Vorbis tags.
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
    /// A structural fact that forensic comparison reads: a table, a duration, an edit list.
    Fact {
        /// What.
        name: String,
        /// Its value, numbers in decimal.
        value: String,
    },
}

/// More fields than any real file has.
pub(crate) const MAX_FIELDS: usize = 1_000;

/// A walker over a stream that stands at the file's beginning.
type Walk<R> = fn(&mut R, u64, &mut Vec<Field>) -> Result<(), WalkError>;

/// Fields of a file and, if the walk ended early, why: what was read before counts.
pub fn fields<R: Read + Seek>(
    clip: &mut R,
    limits: &Limits,
) -> Result<(Vec<Field>, Option<WalkError>), WalkError> {
    let mut clip = BufReader::new(clip);
    let clip = &mut clip;
    let head = read_some(clip, 16)?;
    clip.seek(SeekFrom::Start(0)).map_err(|e| WalkError::Io(e.to_string()))?;
    let mut out = Vec::new();
    let result = match choose(&head) {
        Some(walk) => walk(clip, limits.max_metadata_bytes, &mut out),
        None => Ok(()),
    };
    Ok((out, result.err()))
}

/// Whether a file is of a kind that shows pictures, by its first bytes; sound alone in a video container is rare
/// enough to be taken for one.
pub(crate) fn shows_pictures<R: Read>(clip: &mut R) -> bool {
    let head = read_some(clip, 16).unwrap_or_default();
    let sound = [&b"ID3"[..], b"fLaC", b"OggS"].iter().any(|m| head.starts_with(m))
        || (head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE"))
        || head.get(8..12) == Some(b"M4A ")
        || matches!(head.as_slice(), [0xff, b, ..] if b & 0xe6 == 0xe2);
    !sound
}

/// The walker for a file that begins with `head`.
fn choose<R: Read + Seek>(head: &[u8]) -> Option<Walk<R>> {
    let kind = head.get(4..8).unwrap_or_default();
    Some(if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        |clip, limit, out| {
            skip(clip, 8)?;
            png::walk(clip, limit, out)
        }
    } else if head.starts_with(&[0xff, 0xd8]) {
        |clip, limit, out| {
            skip(clip, 2)?;
            jpeg::walk(clip, limit, out)
        }
    } else if head.starts_with(b"RIFF") || head.starts_with(b"RF64") {
        riff::walk
    } else if matches!(kind, b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"styp") {
        bmff::walk
    } else if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        ebml::walk
    } else if head.starts_with(b"FLV") {
        flv::walk
    } else if head.starts_with(b"OggS") {
        vorbis::ogg
    } else if head.starts_with(b"fLaC") {
        vorbis::flac
    } else if head.starts_with(b"ID3") || matches!(head, [0xff, b, ..] if b & 0xe6 == 0xe2) {
        sound
    } else if head.starts_with(b"GIF8") {
        gif::walk
    } else if head.starts_with(b"II*\0") || head.starts_with(b"MM\0*") {
        // A TIFF file is one EXIF structure; a larger one is read as far as the limit goes.
        |clip, limit, out| {
            out.push(Field::Exif(read_some(clip, limit)?));
            Ok(())
        }
    } else if head.first() == Some(&0x47) || head.starts_with(&[0, 0, 0, 1]) {
        // MPEG transport stream or a bare H.264/HEVC stream.
        |clip, _, out| {
            sei::scan(&read_some(clip, sei::WINDOW)?, out);
            Ok(())
        }
    } else {
        return None;
    })
}

/// MPEG sound with its ID3 tag, or FLAC behind one.
fn sound<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let behind = id3::walk(clip, limit, out)?;
    if read_head::<4, _>(clip)? == Some(*b"fLaC") {
        go_to(clip, behind)?;
        return vorbis::flac(clip, limit, out);
    }
    go_to(clip, behind)?;
    id3::first_frame(clip, out)
}

/// UTF-8 where it is, else Latin-1: metadata is shown, not executed.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(s) => s.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}
