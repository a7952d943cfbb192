//! JPEG marker segments (ISO/IEC 10918-1, annex B): APP1 EXIF and XMP, COM.

use super::{Field, MAX_FIELDS, text};
use crate::limited::{WalkError, read_block, read_head, skip};
use std::io::{Read, Seek};

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Walks segments from after SOI to the first scan.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    while out.len() < MAX_FIELDS {
        let Some([mark, code]) = read_head::<2, _>(clip)? else { return Ok(()) };
        if mark != 0xff {
            return Err(WalkError::Damaged("JPEG marker"));
        }
        match code {
            // Fill bytes, and markers without a length.
            0xff => skip_back(clip)?,
            0x01 | 0xd0..=0xd7 => {}
            0xd9 | 0xda => return Ok(()),
            _ => {
                let Some(size) = read_head::<2, _>(clip)? else { return Ok(()) };
                let size = u64::from(u16::from_be_bytes(size));
                let body = size.checked_sub(2).ok_or(WalkError::Damaged("JPEG segment"))?;
                if !matches!(code, 0xe1 | 0xfe) {
                    skip(clip, body)?;
                    continue;
                }
                let block = read_block(clip, "JPEG segment", body, limit)?;
                if code == 0xfe {
                    out.push(Field::Text { key: "comment".into(), value: text(&block) });
                } else if let Some(xmp) = block.strip_prefix(XMP) {
                    out.push(Field::Xmp(text(xmp)));
                } else if let Some(exif) = block.strip_prefix(b"Exif\0\0") {
                    out.push(Field::Exif(exif.to_vec()));
                }
            }
        }
    }
    Ok(())
}

fn skip_back<R: Seek>(clip: &mut R) -> Result<(), WalkError> {
    clip.seek(std::io::SeekFrom::Current(-1)).map(|_| ()).map_err(|e| WalkError::Io(e.to_string()))
}
