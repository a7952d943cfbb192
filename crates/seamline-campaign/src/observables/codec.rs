//! Observables as bytes for the store: the frame hashes and the sound packed, the rest as JSON. The thumbnail travels
//! apart from them: whoever compares clips need not load it.

use super::{FrameHash, Observables, View};
use crate::pdq::PdqHash;
use crate::sound::SoundPrint;

/// Bytes of one frame hash: time, quality, view, hash, mirrored hash.
const FRAME: usize = 8 + 1 + 1 + 32 + 32;

/// Why stored bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored observables are damaged: {0}")]
pub struct CodecError(String);

/// The three columns of a stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Frame hashes.
    pub frames: Vec<u8>,
    /// Sound fingerprint; empty where there is none.
    pub sound: Vec<u8>,
    /// Everything else, as JSON.
    pub rest: String,
}

/// Packs a record.
pub fn pack(o: &Observables) -> Result<Packed, CodecError> {
    let mut frames = Vec::with_capacity(o.frames.len() * FRAME);
    for f in &o.frames {
        frames.extend_from_slice(&f.time_us.to_le_bytes());
        frames.push(f.quality);
        frames.push(View::ALL.iter().position(|v| *v == f.view).unwrap_or(0) as u8);
        frames.extend_from_slice(&f.hash.to_bytes());
        frames.extend_from_slice(&f.mirrored.to_bytes());
    }
    let mut sound = Vec::new();
    if let Some(s) = &o.sound {
        sound.extend_from_slice(&s.start_us.to_le_bytes());
        s.items.iter().for_each(|item| sound.extend_from_slice(&item.to_le_bytes()));
    }
    let bare = Observables {
        frames: Vec::new(),
        sound: None,
        voices: o.voices.clone(),
        patches: o.patches.clone(),
        traces: o.traces.clone(),
        thumbnail: Vec::new(),
        ..*o
    };
    let rest = serde_json::to_string(&bare).map_err(|e| CodecError(e.to_string()))?;
    Ok(Packed { frames, sound, rest })
}

/// The reverse of [`pack`].
pub fn unpack(frames: &[u8], sound: &[u8], rest: &str) -> Result<Observables, CodecError> {
    let mut o: Observables = serde_json::from_str(rest).map_err(|e| CodecError(e.to_string()))?;
    o.frames = unpack_frames(frames)?;
    o.sound = unpack_sound(sound)?;
    Ok(o)
}

/// The frame hashes alone.
pub fn unpack_frames(bytes: &[u8]) -> Result<Vec<FrameHash>, CodecError> {
    let (records, rest) = bytes.as_chunks::<FRAME>();
    if !rest.is_empty() {
        return Err(CodecError("frame hashes are cut off".into()));
    }
    let one = |r: &[u8; FRAME]| {
        let (time, r) = r.split_first_chunk::<8>()?;
        let ([quality, view], r) = r.split_first_chunk::<2>()?;
        let (hash, r) = r.split_first_chunk::<32>()?;
        let mirrored = r.first_chunk::<32>()?;
        Some(FrameHash {
            time_us: i64::from_le_bytes(*time),
            quality: *quality,
            view: *View::ALL.get(usize::from(*view))?,
            hash: PdqHash::from_bytes(*hash),
            mirrored: PdqHash::from_bytes(*mirrored),
        })
    };
    records.iter().map(|r| one(r).ok_or_else(|| CodecError("unknown view".into()))).collect()
}

/// The sound fingerprint alone.
pub fn unpack_sound(bytes: &[u8]) -> Result<Option<SoundPrint>, CodecError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let cut = || CodecError("sound fingerprint is cut off".into());
    let (start, items) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let (items, rest) = items.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(cut());
    }
    let items = items.iter().map(|i| u32::from_le_bytes(*i)).collect();
    Ok(Some(SoundPrint { items, start_us: i64::from_le_bytes(*start) }))
}
