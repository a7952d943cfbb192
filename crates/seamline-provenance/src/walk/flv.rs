//! FLV script data (Adobe Flash Video File Format Specification 10.1, annex E): `onMetaData` in AMF0.

use super::{Field, MAX_FIELDS, sei, text};
use crate::limited::{WalkError, go_to, position, read_block, read_head, read_some, skip};
use std::io::{Read, Seek};

/// Tags looked at: script data stands at the beginning.
const MAX_TAGS: usize = 1_000;
const MAX_DEPTH: u32 = 8;

/// Walks tags from the file's start.
pub fn walk<R: Read + Seek>(clip: &mut R, limit: u64, out: &mut Vec<Field>) -> Result<(), WalkError> {
    let Some(head) = read_head::<9, _>(clip)? else { return Ok(()) };
    let offset = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    go_to(clip, u64::from(offset.max(9)))?;
    let mut looked = false;
    for _ in 0..MAX_TAGS {
        // The previous tag's size stands before each tag.
        let Some(head) = read_head::<15, _>(clip)? else { return Ok(()) };
        let size = u64::from(u32::from_be_bytes([0, head[5], head[6], head[7]]));
        match head[4] & 0x1f {
            18 => script(&read_block(clip, "FLV script data", size, limit)?, out),
            9 if !looked => {
                looked = true;
                let body = position(clip)?;
                sei::scan(&read_some(clip, sei::WINDOW)?, out);
                go_to(clip, body)?;
                skip(clip, size)?;
            }
            _ => skip(clip, size)?,
        }
        if out.len() >= MAX_FIELDS {
            return Ok(());
        }
    }
    Ok(())
}

/// A name and its value, AMF0.
pub fn script(block: &[u8], out: &mut Vec<Field>) {
    let mut data = Amf { rest: block };
    let Some(_name) = data.value("", 0, out) else { return };
    data.value("", 0, out);
}

struct Amf<'a> {
    rest: &'a [u8],
}

impl<'a> Amf<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (a, b) = self.rest.split_at_checked(n)?;
        self.rest = b;
        Some(a)
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let n = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([n[0], n[1]])))
    }

    fn long(&mut self) -> Option<usize> {
        self.take(4).map(|n| u32::from_be_bytes([n[0], n[1], n[2], n[3]]) as usize)
    }

    /// Reads one value; texts under a name become fields. `None` where the data breaks off.
    fn value(&mut self, name: &str, depth: u32, out: &mut Vec<Field>) -> Option<()> {
        if depth > MAX_DEPTH || out.len() >= MAX_FIELDS {
            return None;
        }
        // AMF0 specification, section 2.1: type markers.
        match self.take(1)?[0] {
            0 => drop(self.take(8)?),
            1 => drop(self.take(1)?),
            2 => {
                let value = self.short()?;
                push(name, value, out);
            }
            12 => {
                let n = self.long()?;
                let value = self.take(n)?;
                push(name, value, out);
            }
            3 => self.properties(depth, out)?,
            8 => {
                self.long()?;
                self.properties(depth, out)?;
            }
            10 => {
                for _ in 0..self.long()? {
                    self.value("", depth + 1, out)?;
                }
            }
            11 => drop(self.take(10)?),
            5 | 6 => {}
            _ => return None,
        }
        Some(())
    }

    fn properties(&mut self, depth: u32, out: &mut Vec<Field>) -> Option<()> {
        loop {
            let name = text(self.short()?);
            if name.is_empty() && self.rest.first() == Some(&9) {
                self.take(1)?;
                return Some(());
            }
            self.value(&name, depth + 1, out)?;
        }
    }
}

fn push(name: &str, value: &[u8], out: &mut Vec<Field>) {
    if !name.is_empty() {
        out.push(Field::Text { key: name.to_owned(), value: text(value) });
    }
}
