//! Bounded reading of the text files of others, and naming their rows.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest protocol or score file that is read: the AV-Deepfake1M list (about 1.1 million clips with their
/// segments) is under a gigabyte.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// The most rows of one file.
pub const MAX_ROWS: usize = 1 << 24;

/// Why a file could not be read as rows.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The file itself.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// More bytes than are read.
    #[error("{}: larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// More rows than are read.
    #[error("{}: more than {MAX_ROWS} rows", path.display())]
    TooManyRows {
        /// Which file.
        path: PathBuf,
    },
    /// Bytes that are not UTF-8.
    #[error("{}: row {row} is not UTF-8 text", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// Its row, from 1.
        row: usize,
    },
    /// A row that does not have the form it should.
    #[error("{}: row {row}: {message}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Its row, from 1 (for JSON, its line).
        row: usize,
        /// What is wrong.
        message: String,
    },
    /// Nothing in it.
    #[error("{}: holds no rows", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

impl TextError {
    pub(crate) fn syntax(path: &Path, row: usize, message: impl Into<String>) -> Self {
        Self::Syntax { path: path.to_owned(), row, message: message.into() }
    }

    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        Self::syntax(path, error.line(), error.to_string())
    }
}

/// Reads a whole text file within the limit; a byte order mark is left out.
pub fn read(path: &Path) -> Result<String, TextError> {
    let io = |source| TextError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?.take(MAX_FILE_BYTES + 1);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(TextError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let row = 1 + e.as_bytes().iter().take(valid).filter(|b| **b == b'\n').count();
        TextError::NotText { path: path.to_owned(), row }
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// A table with a header: columns are asked for by name.
pub(crate) struct Table {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<(usize, csv::StringRecord)>,
}

impl Table {
    /// Parses `text`; lines that begin with `#` are comments.
    pub(crate) fn parse(path: &Path, text: &str, delimiter: u8) -> Result<Self, TextError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            // Tab-separated protocols quote nothing: a quotation mark there is part of a name.
            .quoting(delimiter != b'\t')
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let wrong = |e: csv::Error| {
            let row = e.position().map_or(0, |p| usize::try_from(p.line()).unwrap_or(usize::MAX));
            TextError::syntax(path, row, e.to_string())
        };
        let header = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(wrong)?;
            if rows.len() == MAX_ROWS {
                return Err(TextError::TooManyRows { path: path.to_owned() });
            }
            let row = record.position().map_or(0, |p| usize::try_from(p.line()).unwrap_or(usize::MAX));
            rows.push((row, record));
        }
        if rows.is_empty() {
            return Err(TextError::Empty { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), header, rows })
    }

    /// The column with one of these names; the first name is what an error asks for.
    pub(crate) fn column(&self, names: &[&str]) -> Result<usize, TextError> {
        self.optional(names).ok_or_else(|| {
            let wanted = names.first().copied().unwrap_or_default();
            TextError::syntax(
                &self.path,
                1,
                format!("no column {wanted:?}; there are: {}", self.header.join(", ")),
            )
        })
    }

    pub(crate) fn optional(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|n| self.header.iter().position(|h| h.eq_ignore_ascii_case(n)))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, &csv::StringRecord)> {
        self.rows.iter().map(|(row, record)| (*row, record))
    }
}

/// Rows of a file without a header, split at white space; blank lines are passed over.
pub(crate) fn words<'t>(path: &Path, text: &'t str) -> Result<Vec<(usize, Vec<&'t str>)>, TextError> {
    let mut rows = Vec::new();
    for (line, row) in text.lines().zip(1..) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        if rows.len() == MAX_ROWS {
            return Err(TextError::TooManyRows { path: path.to_owned() });
        }
        rows.push((row, words));
    }
    if rows.is_empty() { Err(TextError::Empty { path: path.to_owned() }) } else { Ok(rows) }
}

/// The first rows of a list for an error message, and how many there are beside them.
pub(crate) fn some_rows(rows: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = rows.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if rows.len() > SHOWN {
        text += &format!("; and {} more", rows.len() - SHOWN);
    }
    text
}
