//! Bounded, streaming decode of video, sound and stills into [`seamline_core::MediaUnit`]s on one timeline.
//!
//! The only crate that names `ffmpeg-next`, `symphonia` and `image`. A clip is a file descriptor that
//! somebody else opened: nothing here opens a path or a socket, and FFmpeg gets neither.
//! May not: judge, keep a whole clip in memory (stills excepted, within limits), or skip damage in silence.

mod animation;
mod container;
mod encode;
mod ffi;
mod mono;
mod picture;
mod sniff;
mod sound;
mod still;

use seamline_core::{Limits, MediaError, MediaReader, MediaTime};
use std::fs::File;
use std::io::{Seek, SeekFrom};

pub use container::versions;
pub use encode::{Still, encode_jpeg, encode_png};
pub use sniff::{Kind, sniff};

/// How densely pictures are wanted; the decoder may skip what no sampler will use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// `None` decodes every picture. `Some`: pictures may be left out where that is faster, so long as those
    /// that remain are about this close together; [`seamline_core::MediaReader::policy`] says what was done.
    pub longest_gap: Option<MediaTime>,
}

/// Opens a clip. The file is read from its start; its name plays no part.
pub fn open(
    mut file: File,
    limits: &Limits,
    options: DecodeOptions,
) -> Result<Box<dyn MediaReader>, MediaError> {
    let io = |e: std::io::Error| MediaError::Io(e.to_string());
    let len = file.metadata().map_err(io)?.len();
    if len == 0 {
        return Err(MediaError::Unrecognised("the file is empty".into()));
    }
    let head = sniff::read_head(&mut file).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    match sniff(&head) {
        Kind::Still(format) => still::open(file, len, format, limits),
        Kind::AnimatedWebp => animation::open(file, len, limits),
        Kind::Audio => {
            let again = file.try_clone().map_err(io)?;
            // symphonia first for audio files; what it does not know may still be known to FFmpeg.
            match sound::open(file, limits) {
                Ok(reader) => Ok(reader),
                Err(_) => {
                    (&again).seek(SeekFrom::Start(0)).map_err(io)?;
                    container::open(again, limits, options)
                }
            }
        }
        Kind::Container => container::open(file, limits, options),
    }
}

/// Does FFmpeg's one-time set-up now: a worker calls it before it gives up the right to open files.
pub fn warm_up() {
    container::warm_up();
}
