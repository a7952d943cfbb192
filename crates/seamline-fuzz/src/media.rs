//! Decoders, from probing to the last sample, in memory.

use rustix::fs::{MemfdFlags, memfd_create};
use seamline_core::{Limits, MediaTime, MediaUnit};
use seamline_media::{DecodeOptions, open};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// Small enough that a bomb which is rightly accepted still ends soon.
fn limits() -> Limits {
    Limits {
        max_pixels: 1 << 20,
        max_side: 4_096,
        max_duration_secs: 30,
        max_still_bytes: 1 << 20,
        ..Limits::default()
    }
}

/// Units read of one clip before it is let go: a header may promise millions of tiny ones.
const MAX_UNITS: usize = 2_000;

pub(crate) fn any(data: &[u8]) {
    decode(data, None);
}

/// With pictures left out, which is the path of the fast profile.
pub(crate) fn container(data: &[u8]) {
    decode(data, Some(MediaTime::from_millis(500)));
}

fn decode(data: &[u8], longest_gap: Option<MediaTime>) {
    let Ok(fd) = memfd_create(c"clip", MemfdFlags::CLOEXEC) else { return };
    let mut file = File::from(fd);
    if file.write_all(data).is_err() || file.seek(SeekFrom::Start(0)).is_err() {
        return;
    }
    let Ok(mut reader) = open(file, &limits(), DecodeOptions { longest_gap }) else { return };
    for _ in 0..MAX_UNITS {
        match reader.next_unit() {
            Ok(Some(MediaUnit::Frame(frame))) => {
                let _ = frame.pixels.rgb(frame.width.clamp(1, 64), frame.height.clamp(1, 64));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}
