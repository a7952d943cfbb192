//! A sealed part of the index: one file, written once, mapped into memory, never changed.
//!
//! Layout, little-endian, every section at a multiple of 64 bytes: a header of 64 bytes (magic, chunks, count, CRC-32
//! of the body, CRC-32 of the header); the codes; the keys; then for each chunk the bucket starts (65,537 `u32`), the
//! next chunk of every entry in bucket order (`u16`), and its number (`u32`). Scanning a bucket reads two bytes an
//! entry, one after another.

use super::code::{Code, allowance, distance};
use super::{Hit, IndexError};
use bytemuck::{cast_slice, try_cast_slice};
use memmap2::Mmap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"SEAMIDX1";
const HEADER: usize = 64;
const ALIGN: usize = 64;
/// One bucket a value of a 16-bit chunk.
const BUCKETS: usize = 1 << 16;
/// Entries of a bucket that are filtered together, so that the compiler can use vectors.
const LANES: usize = 32;

/// Where the sections of a file of `count` entries lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    codes: usize,
    keys: usize,
    tables: usize,
    table_len: usize,
    next: usize,
    ids: usize,
    end: usize,
}

const fn pad(n: usize) -> usize {
    n.div_ceil(ALIGN) * ALIGN
}

impl Layout {
    fn of<const M: usize>(count: usize) -> Option<Self> {
        let codes = HEADER;
        let keys = codes + pad(count.checked_mul(2 * M)?);
        let tables = keys.checked_add(pad(count.checked_mul(8)?))?;
        let next = pad((BUCKETS + 1) * 4);
        let ids = next + pad(count.checked_mul(2)?);
        let table_len = ids.checked_add(pad(count.checked_mul(4)?))?;
        let end = tables.checked_add(table_len.checked_mul(M)?)?;
        Some(Self { codes, keys, tables, table_len, next, ids, end })
    }
}

/// A sealed, mapped part.
pub(super) struct Segment<const M: usize> {
    map: Mmap,
    layout: Layout,
    count: usize,
    body_crc: u32,
}

/// One chunk's table.
struct Table<'a> {
    starts: &'a [u32],
    next: &'a [u16],
    ids: &'a [u32],
}

impl<const M: usize> Segment<M> {
    /// Writes a segment to `path`, which must not exist, and makes it durable. The caller renames it into place.
    pub(super) fn write(path: &Path, codes: &[Code<M>], keys: &[u64]) -> Result<(), IndexError> {
        let count = codes.len();
        let layout = match (Layout::of::<M>(count), u32::try_from(count)) {
            (Some(layout), Ok(_)) if keys.len() == count => layout,
            _ => return Err(IndexError::TooLarge { entries: count as u64 }),
        };
        let io = |e| IndexError::io(path, e);
        let file = File::options().write(true).read(true).create_new(true).open(path).map_err(io)?;
        let mut out = Summing { out: BufWriter::with_capacity(1 << 20, file), crc: crc32fast::Hasher::new() };
        out.out.write_all(&[0; HEADER]).map_err(io)?;
        out.section(cast_slice(codes.as_flattened())).map_err(io)?;
        out.section(cast_slice(keys)).map_err(io)?;
        let mut next = vec![0u16; count];
        let mut ids = vec![0u32; count];
        for chunk in 0..M {
            let starts = sort_by_chunk(codes, chunk, &mut next, &mut ids);
            out.section(cast_slice(&starts)).map_err(io)?;
            out.section(cast_slice(&next)).map_err(io)?;
            out.section(cast_slice(&ids)).map_err(io)?;
        }
        let mut header = [0u8; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&(M as u32).to_le_bytes());
        header[16..24].copy_from_slice(&(count as u64).to_le_bytes());
        header[24..28].copy_from_slice(&out.crc.finalize().to_le_bytes());
        let head_crc = crc32fast::hash(&header[..28]);
        header[28..32].copy_from_slice(&head_crc.to_le_bytes());
        let mut file = out.out.into_inner().map_err(|e| io(e.into_error()))?;
        debug_assert_eq!(file.stream_position().ok(), Some(layout.end as u64));
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        file.write_all(&header).map_err(io)?;
        file.sync_all().map_err(io)
    }

    /// Maps a segment and checks its header, its size and its bucket starts; [`Segment::verify`] reads all of it.
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let io = |e| IndexError::io(path, e);
        let bad = |what: &str| IndexError::Corrupt { path: path.to_owned(), what: what.to_owned() };
        let file = File::open(path).map_err(io)?;
        let map = map(&file).map_err(io)?;
        let header: &[u8; HEADER] = map.first_chunk().ok_or_else(|| bad("shorter than its header"))?;
        if &header[..8] != MAGIC {
            return Err(bad("not an index file"));
        }
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if word(28) != crc32fast::hash(&header[..28]) {
            return Err(bad("damaged header"));
        }
        if word(8) as usize != M {
            return Err(bad("made for another kind of hash"));
        }
        let count = (u64::from(word(16)) | u64::from(word(20)) << 32) as usize;
        let body_crc = word(24);
        let layout = Layout::of::<M>(count).ok_or_else(|| bad("impossible size"))?;
        if map.len() != layout.end {
            return Err(bad("truncated or too long"));
        }
        let segment = Self { map, layout, count, body_crc };
        for chunk in 0..M {
            let starts = segment.table(chunk).starts;
            let rises = starts.windows(2).all(|w| w[0] <= w[1]);
            if !rises || starts.first() != Some(&0) || starts.last() != Some(&(count as u32)) {
                return Err(bad("damaged bucket starts"));
            }
        }
        Ok(segment)
    }

    /// Reads everything and compares its checksum.
    pub(super) fn verify(&self) -> bool {
        crc32fast::hash(&self.map[HEADER..]) == self.body_crc
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn codes(&self) -> &[Code<M>] {
        let flat: &[u16] = view(&self.map[self.layout.codes..], self.count * M);
        flat.as_chunks::<M>().0
    }

    pub(super) fn keys(&self) -> &[u64] {
        view(&self.map[self.layout.keys..], self.count)
    }

    fn table(&self, chunk: usize) -> Table<'_> {
        let base = &self.map[self.layout.tables + chunk * self.layout.table_len..];
        Table {
            starts: view(base, BUCKETS + 1),
            next: view(&base[self.layout.next..], self.count),
            ids: view(&base[self.layout.ids..], self.count),
        }
    }

    /// Adds every entry within `radius` of `code` to `hits`, each once, in no particular order.
    pub(super) fn search(&self, code: &Code<M>, radius: u32, scratch: &mut Vec<u32>, hits: &mut Vec<Hit>) {
        let allowed = allowance::<M>(radius);
        scratch.clear();
        for chunk in 0..M {
            let table = self.table(chunk);
            let (here, next) = (code[chunk], code[(chunk + 1) % M]);
            // Together with the next chunk at most 2 (allowed + 1) - 1 bits may differ.
            if allowed == 0 {
                table.scan::<1>(here, next, scratch);
            } else {
                table.scan::<3>(here, next, scratch);
                for bit in 0..16 {
                    table.scan::<2>(here ^ (1 << bit), next, scratch);
                }
            }
        }
        // An entry may be found by way of several chunks.
        scratch.sort_unstable();
        scratch.dedup();
        let (codes, keys) = (self.codes(), self.keys());
        for &id in scratch.iter() {
            // A damaged file may name an entry that does not exist: it matches nothing.
            let (Some(found), Some(&key)) = (codes.get(id as usize), keys.get(id as usize)) else { continue };
            let distance = distance(found, code);
            if distance <= radius {
                hits.push(Hit { key, distance });
            }
        }
    }
}

impl Table<'_> {
    /// Adds the entries of bucket `value` whose next chunk is within `LIMIT` bits of `next`.
    #[inline]
    fn scan<const LIMIT: u32>(&self, value: u16, next: u16, found: &mut Vec<u32>) {
        let (from, to) = (self.starts[value as usize] as usize, self.starts[value as usize + 1] as usize);
        let (nexts, ids) = (&self.next[from..to], &self.ids[from..to]);
        // Clearing the lowest set bit a few times needs three instructions a step for eight entries at once, on any
        // x86-64; counting all bits would need a dozen, or an instruction that older processors lack.
        let fits = |v: u16| {
            let mut differs = v ^ next;
            for _ in 0..LIMIT {
                differs &= differs.wrapping_sub(1);
            }
            differs == 0
        };
        let mut blocks = nexts.chunks_exact(LANES);
        let mut wide_ids = ids.chunks_exact(LANES);
        for (block, ids) in blocks.by_ref().zip(wide_ids.by_ref()) {
            // One vector pass that says whether any entry fits; that is rare enough for the second look to be free.
            let mut any = 0u16;
            for &v in block {
                any |= u16::from(fits(v));
            }
            if any != 0 {
                found.extend(block.iter().zip(ids).filter(|(v, _)| fits(**v)).map(|(_, &id)| id));
            }
        }
        let rest = blocks.remainder().iter().zip(wide_ids.remainder());
        found.extend(rest.filter(|(v, _)| fits(**v)).map(|(_, &id)| id));
    }
}

/// Counting sort by one chunk; fills the next chunks and the numbers in bucket order, returns the bucket starts.
fn sort_by_chunk<const M: usize>(
    codes: &[Code<M>],
    chunk: usize,
    next: &mut [u16],
    ids: &mut [u32],
) -> Vec<u32> {
    let mut starts = vec![0u32; BUCKETS + 1];
    for code in codes {
        starts[code[chunk] as usize + 1] += 1;
    }
    for i in 0..BUCKETS {
        starts[i + 1] += starts[i];
    }
    let mut place = starts.clone();
    for (id, code) in codes.iter().enumerate() {
        let at = &mut place[code[chunk] as usize];
        next[*at as usize] = code[(chunk + 1) % M];
        ids[*at as usize] = id as u32;
        *at += 1;
    }
    starts
}

/// Writes sections padded to [`ALIGN`] and sums them.
struct Summing {
    out: BufWriter<File>,
    crc: crc32fast::Hasher,
}

impl Summing {
    fn section(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let zeros = [0u8; ALIGN];
        let padding = &zeros[..pad(bytes.len()) - bytes.len()];
        for part in [bytes, padding] {
            self.crc.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }
}

/// `count` values at the start of `bytes`; empty where they are not there, which [`Segment::open`] has ruled out.
fn view<T: bytemuck::AnyBitPattern>(bytes: &[u8], count: usize) -> &[T] {
    bytes.get(..count * size_of::<T>()).and_then(|b| try_cast_slice(b).ok()).unwrap_or(&[])
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: a mapping is sound as long as nobody changes or shortens the file under it. Segment files are written
    // under another name, made durable, renamed into place and never opened for writing again; replacing one
    // unlinks the name and leaves the mapped file as it is.
    unsafe { Mmap::map(file) }
}
