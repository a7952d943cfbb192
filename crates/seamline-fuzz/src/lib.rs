//! One harness per parser that meets untrusted bytes, each a function over `&[u8]`, with seeds made by recipe.
//!
//! The same functions serve two drivers: `fuzz/` (cargo-fuzz, coverage-guided, as long as wanted) and the smoke
//! test of this crate (seeded mutations of the seeds, on the stable toolchain, inside `make test`).
//! May not: be linked into a shipped binary, or accept an outcome: a harness that returns has passed.

mod media;
mod metadata;
mod seeds;

pub use seeds::seeds;

/// A parser under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also the name of its cargo-fuzz target.
    pub name: &'static str,
    /// Feeds it; panics, hangs and boundless memory are the failures.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident = $run:path),* $(,)?) => {
        /// Every target, by name.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $run }),*];
    };
}

targets! {
    container = media::container,
    audio_file = media::any,
    still = media::any,
    animated_webp = media::any,
    png = metadata::png,
    jpeg = metadata::jpeg,
    riff = metadata::riff,
    bmff = metadata::bmff,
    xmp = metadata::xmp,
    exif = metadata::exif,
    tc260 = metadata::tc260,
    generator_text = metadata::generator_text,
    c2pa = metadata::c2pa,
    amf = metadata::amf,
    ebml = metadata::ebml,
    flac = metadata::flac,
    flv = metadata::flv,
    gif = metadata::gif,
    id3 = metadata::id3,
    ogg = metadata::ogg,
    sei = metadata::sei,
    vorbis = metadata::vorbis,
    stealth = metadata::stealth,
    manifest = manifest,
    calibration = calibration,
    fusion = fusion,
    wire = wire,
    observables = observables,
}

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|t| t.name == name).copied()
}

fn manifest(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = seamline_infer::Manifest::parse(text);
    }
}

/// The hash that calibration seeds name.
pub(crate) const MODEL: [u8; 32] = [7; 32];

fn calibration(data: &[u8]) {
    let _ = seamline_infer::CalibrationData::parse(data, seamline_core::Sha256Hash::from_bytes(MODEL));
}

fn fusion(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = seamline_fuse::FusionData::parse(text);
    }
}

/// A stored record: two lengths, then its three columns. What can be read must be written and read again the same.
fn observables(data: &[u8]) {
    use seamline_campaign::observables::codec::{pack, unpack};
    let Some((head, data)) = data.split_at_checked(2) else { return };
    let (frames, sound) = (usize::from(head[0]) * 8, usize::from(head[1]) * 4);
    let Some((frames, data)) = data.split_at_checked(frames) else { return };
    let Some((sound, rest)) = data.split_at_checked(sound) else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    if let Ok(read) = unpack(frames, sound, rest)
        && let Ok(packed) = pack(&read)
    {
        let again = unpack(&packed.frames, &packed.sound, &packed.rest);
        assert!(again.is_ok_and(|a| a.frames == read.frames && a.sound == read.sound));
    }
}

fn wire(data: &[u8]) {
    let _ = seamline_pipeline::fuzz_replies(data);
}
