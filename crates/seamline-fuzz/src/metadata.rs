//! Walkers and the readers of what they find.
//!
//! A walker gets the bytes behind its signature; readers of one block get it inside the smallest container that
//! carries it.

use seamline_core::Limits;
use seamline_provenance::{Trust, inspect};
use std::io::Cursor;

fn walk(data: Vec<u8>) {
    let limits = Limits { max_metadata_bytes: 1 << 20, ..Limits::default() };
    let _ = inspect(&mut Cursor::new(data), &limits, &Trust::default());
}

fn after(signature: &[u8], data: &[u8]) {
    walk([signature, data].concat());
}

pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
pub(crate) const JPEG: &[u8] = &[0xff, 0xd8];
pub(crate) const RIFF: &[u8] = b"RIFF";
pub(crate) const BMFF: &[u8] = b"\0\0\0\x10ftypmp42\0\0\0\0";

pub(crate) fn png(data: &[u8]) {
    after(PNG, data);
}

pub(crate) fn jpeg(data: &[u8]) {
    after(JPEG, data);
}

pub(crate) fn riff(data: &[u8]) {
    after(RIFF, data);
}

pub(crate) fn bmff(data: &[u8]) {
    after(BMFF, data);
}

/// A PNG of one chunk; walkers do not look at checksums.
fn in_png(kind: &[u8; 4], data: &[u8]) {
    let Ok(len) = u32::try_from(data.len()) else { return };
    walk([PNG, &len.to_be_bytes(), kind, data, &[0; 4]].concat());
}

fn in_text(key: &str, data: &[u8]) {
    in_png(b"tEXt", &[key.as_bytes(), &[0], data].concat());
}

pub(crate) fn xmp(data: &[u8]) {
    in_png(b"iTXt", &[&b"XML:com.adobe.xmp\0\0\0\0\0"[..], data].concat());
}

pub(crate) fn exif(data: &[u8]) {
    in_png(b"eXIf", data);
}

pub(crate) fn tc260(data: &[u8]) {
    in_text("AIGC", data);
}

pub(crate) fn generator_text(data: &[u8]) {
    in_text("parameters", data);
    in_text("prompt", data);
    in_text("workflow", data);
    in_text("Comment", data);
}

pub(crate) fn c2pa(data: &[u8]) {
    in_png(b"caBX", data);
}

/// A parser of `seamline-provenance` by its name there, over bare bytes.
fn bare(name: &str, data: &[u8]) {
    if let Some((_, parse)) = seamline_provenance::parsers::ALL.iter().find(|(n, _)| *n == name) {
        parse(data);
    }
}

pub(crate) fn amf(data: &[u8]) {
    bare("amf", data);
}

pub(crate) fn ebml(data: &[u8]) {
    bare("ebml", data);
}

pub(crate) fn flac(data: &[u8]) {
    bare("flac", data);
}

pub(crate) fn flv(data: &[u8]) {
    bare("flv", data);
}

pub(crate) fn gif(data: &[u8]) {
    bare("gif", data);
}

pub(crate) fn id3(data: &[u8]) {
    bare("id3", data);
}

pub(crate) fn ogg(data: &[u8]) {
    bare("ogg", data);
}

pub(crate) fn sei(data: &[u8]) {
    bare("sei", data);
}

pub(crate) fn vorbis(data: &[u8]) {
    bare("vorbis", data);
}

/// The first byte says how wide the picture is.
pub(crate) fn stealth(data: &[u8]) {
    let Some((&width, plane)) = data.split_first() else { return };
    let width = usize::from(width).max(1);
    for channels in [1, 3] {
        let height = plane.len() / (channels * width);
        let _ = seamline_marks::stealth::read(&plane[..channels * width * height], width, height, channels);
    }
}
