//! Bounded reading: every size that a file states is checked before memory is taken.

use std::io::{Read, Seek, SeekFrom};

/// Why a walk ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// Reading failed.
    #[error("reading: {0}")]
    Io(String),
    /// A block states more than is allowed.
    #[error("{what} of {got} bytes, over the limit of {limit}")]
    Limit {
        /// Which block.
        what: &'static str,
        /// Stated size.
        got: u64,
        /// Allowed size.
        limit: u64,
    },
    /// The structure contradicts itself.
    #[error("damaged {0}")]
    Damaged(&'static str),
}

/// Reads exactly `size` bytes, at most `limit`.
pub(crate) fn read_block<R: Read>(
    from: &mut R,
    what: &'static str,
    size: u64,
    limit: u64,
) -> Result<Vec<u8>, WalkError> {
    if size > limit {
        return Err(WalkError::Limit { what, got: size, limit });
    }
    let mut block = Vec::new();
    let n = from.take(size).read_to_end(&mut block).map_err(|e| WalkError::Io(e.to_string()))?;
    if n as u64 == size { Ok(block) } else { Err(WalkError::Damaged(what)) }
}

/// Reads a head of `N` bytes; `None` at the end of the file.
pub(crate) fn read_head<const N: usize, R: Read>(from: &mut R) -> Result<Option<[u8; N]>, WalkError> {
    let mut head = [0; N];
    let mut have = 0;
    while have < N {
        match from.read(&mut head[have..]) {
            Ok(0) => return Ok(None),
            Ok(n) => have += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(WalkError::Io(e.to_string())),
        }
    }
    Ok(Some(head))
}

/// Moves forward by `n` bytes; moving beyond the end is found at the next read.
pub(crate) fn skip<R: Seek>(from: &mut R, n: u64) -> Result<(), WalkError> {
    let n = i64::try_from(n).map_err(|_| WalkError::Damaged("block size"))?;
    from.seek(SeekFrom::Current(n)).map(|_| ()).map_err(|e| WalkError::Io(e.to_string()))
}

/// Inflates zlib data to at most `limit` bytes.
pub(crate) fn inflate(data: &[u8], limit: u64) -> Result<Vec<u8>, WalkError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(data, most).map_err(|e| match e.status {
        miniz_oxide::inflate::TINFLStatus::HasMoreOutput => {
            WalkError::Limit { what: "inflated text", got: limit + 1, limit }
        }
        _ => WalkError::Damaged("compressed text"),
    })
}

/// Where reading stands.
pub(crate) fn position<R: Seek>(from: &mut R) -> Result<u64, WalkError> {
    from.stream_position().map_err(|e| WalkError::Io(e.to_string()))
}

/// Moves to `at`, counted from the start.
pub(crate) fn go_to<R: Seek>(from: &mut R, at: u64) -> Result<(), WalkError> {
    from.seek(SeekFrom::Start(at)).map(|_| ()).map_err(|e| WalkError::Io(e.to_string()))
}

/// Length of the whole input; reading goes on where it stood.
pub(crate) fn length<R: Seek>(from: &mut R) -> Result<u64, WalkError> {
    let here = position(from)?;
    let end = from.seek(SeekFrom::End(0)).map_err(|e| WalkError::Io(e.to_string()))?;
    go_to(from, here)?;
    Ok(end)
}

/// Reads what there is, at most `most` bytes.
pub(crate) fn read_some<R: Read>(from: &mut R, most: u64) -> Result<Vec<u8>, WalkError> {
    let mut block = Vec::new();
    from.take(most).read_to_end(&mut block).map_err(|e| WalkError::Io(e.to_string()))?;
    Ok(block)
}
