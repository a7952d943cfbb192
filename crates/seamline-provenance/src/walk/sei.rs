//! Unregistered user data in H.264 and HEVC streams (ITU-T H.264, annex D.2.7): a UUID of 16 bytes names the writer.
//!
//! The first window of a stream is searched for known UUIDs. Sixteen bytes do not occur by chance, so no bitstream
//! has to be parsed; the text behind them is bounded.

use super::{Field, text};

/// Bytes of media data that are searched: parameter sets and their messages stand before the first picture.
pub const WINDOW: u64 = 64 << 10;
/// Longest text taken.
const MAX_TEXT: usize = 2_048;

/// x264 (x264's `encoder/set.c`).
const X264: [u8; 16] =
    [0xdc, 0x45, 0xe9, 0xbd, 0xe6, 0xd9, 0x48, 0xb7, 0x96, 0x2c, 0xd8, 0x20, 0xd9, 0x23, 0xee, 0xef];
/// x265 (x265's `source/encoder/sei.h`).
const X265: [u8; 16] =
    [0x2c, 0xa2, 0xde, 0x09, 0xb5, 0x17, 0x47, 0xdb, 0xbb, 0x55, 0xa4, 0xfe, 0x7f, 0xc2, 0xfc, 0x4e];
/// Reported for Kling's exports; no real file was at hand to confirm it.
const KLING: [u8; 16] =
    [0x91, 0xca, 0x60, 0x61, 0x4a, 0xee, 0x38, 0x54, 0x86, 0x14, 0x2d, 0x5f, 0x73, 0xf4, 0xae, 0x2e];

/// Searches a window of media data.
pub fn scan(window: &[u8], out: &mut Vec<Field>) {
    for (key, uuid) in [("sei.x264", X264), ("sei.x265", X265), ("sei.kling", KLING)] {
        let Some(at) = window.windows(16).position(|w| w == uuid) else { continue };
        let body = &window[at + 16..];
        let end = body.iter().take(MAX_TEXT).position(|&b| b == 0 || b == 0x80).unwrap_or(0);
        out.push(Field::Text { key: key.into(), value: text(&body[..end]) });
    }
}
