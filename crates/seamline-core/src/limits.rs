//! Limits on what hostile or broken input may cost. Each has its own error where it is enforced.

use serde::{Deserialize, Serialize};

/// What one clip may cost. The defaults fit a 2-core machine; each is documented with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest picture in pixels (width x height). 8K UHD is 33 million; a 20,000 x 20,000 bomb is 400 million.
    pub max_pixels: u64,
    /// Longest side in pixels.
    pub max_side: u32,
    /// Most streams looked at; the rest are named as not judged.
    pub max_streams: u32,
    /// Most audio streams judged.
    pub max_audio_streams: u32,
    /// Longest presentation time decoded, in seconds; the rest is a gap.
    pub max_duration_secs: u64,
    /// Largest metadata block (text chunk, XMP packet, box) that is read, in bytes, after inflation.
    pub max_metadata_bytes: u64,
    /// Largest still file read into memory, in bytes.
    pub max_still_bytes: u64,
    /// Most face tracks kept in one clip.
    pub max_tracks: u32,
    /// Most gaps recorded one by one; further ones are counted.
    pub max_gaps: u32,
    /// Wall-clock seconds a worker may spend on one clip, plus `wall_per_media_sec` for each second of media.
    pub wall_secs: u64,
    /// Further wall-clock seconds for each second of media.
    pub wall_per_media_sec: f64,
    /// CPU seconds a worker may spend on one clip, all threads together.
    pub cpu_secs: u64,
    /// Address space of a worker, in bytes (RLIMIT_AS).
    pub worker_address_space: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_side: 16_384,
            max_streams: 64,
            max_audio_streams: 4,
            max_duration_secs: 24 * 3_600,
            max_metadata_bytes: 16 << 20,
            max_still_bytes: 256 << 20,
            max_tracks: 256,
            max_gaps: 256,
            wall_secs: 120,
            wall_per_media_sec: 2.0,
            cpu_secs: 7_200,
            worker_address_space: 6 << 30,
        }
    }
}
