//! Every parser of this crate over plain bytes, for fuzzing and for tests: each returns whatever it makes of them.

use crate::limited::WalkError;
use crate::walk::{self, Field};
use std::io::Cursor;

/// The limit that fuzzing uses for one block.
const LIMIT: u64 = 1 << 20;

type Parser = fn(&[u8]) -> usize;

/// Name and parser, sorted by name. The number that a parser returns is how many fields or findings it made.
pub const ALL: &[(&str, Parser)] = &[
    ("aigc", |data| usize::from(crate::tc260::read(&walk::text(data)).is_some())),
    ("amf", |data| count(|out| walk::flv::script(data, out))),
    ("bmff", |data| walked(data, walk::bmff::walk)),
    ("c2pa", |data| crate::c2pa_store::inspect(&mut Cursor::new(data), &crate::Trust::default()).len()),
    ("ebml", |data| walked(data, walk::ebml::walk)),
    ("exif", |data| crate::exif::texts(data).len()),
    ("flac", |data| walked(data, walk::vorbis::flac)),
    ("flv", |data| walked(data, walk::flv::walk)),
    ("gif", |data| walked(data, walk::gif::walk)),
    ("id3", |data| walked(data, |clip, limit, out| walk::id3::walk(clip, limit, out).map(|_| ()))),
    ("jpeg", |data| walked(data, walk::jpeg::walk)),
    ("ogg", |data| walked(data, walk::vorbis::ogg)),
    ("png", |data| walked(data, walk::png::walk)),
    ("riff", |data| walked(data, walk::riff::walk)),
    ("sei", |data| count(|out| walk::sei::scan(data, out))),
    ("vorbis", |data| count(|out| walk::vorbis::comments(data, out))),
    ("xmp", |data| crate::xmp::read(&walk::text(data)).len()),
];

fn count(parse: impl FnOnce(&mut Vec<Field>)) -> usize {
    let mut out = Vec::new();
    parse(&mut out);
    out.len()
}

type Walk<'a> = fn(&mut Cursor<&'a [u8]>, u64, &mut Vec<Field>) -> Result<(), WalkError>;

fn walked<'a>(data: &'a [u8], walk: Walk<'a>) -> usize {
    // An error is a result like any other: what was read before it counts.
    count(|out| drop(walk(&mut Cursor::new(data), LIMIT, out)))
}
