//! The few EXIF fields that declare something (Exif 2.32, TIFF 6.0 structure), read with limits.

/// Text fields of IFD0 and the Exif IFD: (name, value). What is damaged is passed over.
pub(crate) fn texts(block: &[u8]) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let Some((order, first)) = head(block) else { return out };
    if let Some(at) = ifd(block, order, first, &mut out) {
        ifd(block, order, at, &mut out);
    }
    out
}

/// Size of the embedded thumbnail: IFD1 names a JPEG (Exif 2.32, section 4.6.2), whose frame header has it.
pub(crate) fn thumbnail(block: &[u8]) -> Option<(u16, u16)> {
    let (order, first) = head(block)?;
    let count = usize::from(order.u16(block, first as usize)?);
    let second = order.u32(block, (first as usize).checked_add(2 + 12 * count)?)? as usize;
    let entries = usize::from(order.u16(block, second)?).min(MAX_ENTRIES);
    let value = |tag: u16| {
        (0..entries)
            .map(|i| second.saturating_add(2 + 12 * i))
            .find(|&at| order.u16(block, at) == Some(tag))
            .and_then(|at| order.u32(block, at.checked_add(8)?))
    };
    let (start, size) = (value(0x0201)? as usize, value(0x0202)? as usize);
    let mut fields = Vec::new();
    let jpeg = block.get(start..start.checked_add(size)?)?.strip_prefix(&[0xff, 0xd8])?;
    // A broken thumbnail may still have said its size.
    let _ = crate::walk::jpeg::walk(&mut std::io::Cursor::new(jpeg), 64 << 10, &mut fields);
    fields.iter().find_map(|f| match f {
        crate::walk::Field::Fact { name, value } if name == "picture size" => {
            let (w, h) = value.split_once(' ')?;
            Some((w.parse().ok()?, h.parse().ok()?))
        }
        _ => None,
    })
}

/// Directory entries looked at.
const MAX_ENTRIES: usize = 512;

/// Byte order and offset of IFD0 (TIFF 6.0, section 2).
fn head(block: &[u8]) -> Option<(Order, u32)> {
    let order = match block.get(..4)? {
        b"II*\0" => Order::Little,
        b"MM\0*" => Order::Big,
        _ => return None,
    };
    Some((order, order.u32(block, 4)?))
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, data: &[u8], at: usize) -> Option<u16> {
        let b: [u8; 2] = data.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(b),
            Self::Big => u16::from_be_bytes(b),
        })
    }

    fn u32(self, data: &[u8], at: usize) -> Option<u32> {
        let b: [u8; 4] = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(b),
            Self::Big => u32::from_be_bytes(b),
        })
    }
}

/// Reads one directory; gives the Exif directory's offset if it names one.
fn ifd(block: &[u8], order: Order, at: u32, out: &mut Vec<(&'static str, String)>) -> Option<u32> {
    let at = at as usize;
    let count = order.u16(block, at)?;
    let mut exif = None;
    for i in 0..usize::from(count).min(MAX_ENTRIES) {
        let entry = at.checked_add(2 + 12 * i)?;
        let (Some(tag), Some(kind), Some(n)) =
            (order.u16(block, entry), order.u16(block, entry + 2), order.u32(block, entry + 4))
        else {
            break;
        };
        let name = match tag {
            0x010e => "ImageDescription",
            0x010f => "Make",
            0x0110 => "Model",
            0x0131 => "Software",
            0x0132 => "DateTime",
            0x013b => "Artist",
            0x02bc => "XMLPacket",
            0x9003 => "DateTimeOriginal",
            0x9286 => "UserComment",
            0x8769 => {
                exif = order.u32(block, entry + 8);
                continue;
            }
            _ => continue,
        };
        // ASCII, BYTE and UNDEFINED are one byte a value.
        if !matches!(kind, 1 | 2 | 7) {
            continue;
        }
        let n = n as usize;
        let start = if n <= 4 { Some(entry + 8) } else { order.u32(block, entry + 8).map(|v| v as usize) };
        let range = start.and_then(|start| Some(start..start.checked_add(n)?));
        let Some(bytes) = range.and_then(|r| block.get(r)) else { continue };
        let value = if tag == 0x9286 { comment(bytes, order) } else { crate::walk::text(bytes) };
        out.push((name, value.trim_end_matches('\0').to_owned()));
    }
    exif
}

/// UserComment starts with eight bytes that name its character code (Exif 2.32, table 9).
fn comment(bytes: &[u8], order: Order) -> String {
    match bytes.get(..8) {
        Some(b"UNICODE\0") => {
            let rest = &bytes[8..];
            let wide = |order: Order| -> Vec<u16> {
                (0..rest.len() / 2).filter_map(|i| order.u16(rest, 2 * i)).collect()
            };
            let (given, other) = match order {
                Order::Little => (Order::Little, Order::Big),
                Order::Big => (Order::Big, Order::Little),
            };
            // Writers disagree on the byte order: mostly-ASCII text shows which one it is.
            let plain = |units: &[u16]| units.iter().filter(|&&u| (0x20..0x7f).contains(&u)).count();
            let (a, b) = (wide(given), wide(other));
            String::from_utf16_lossy(if plain(&a) >= plain(&b) { &a } else { &b })
        }
        Some(b"ASCII\0\0\0") => crate::walk::text(&bytes[8..]),
        _ => crate::walk::text(bytes),
    }
}
