//! Reports: JSON Lines for programs, a terminal summary and self-contained HTML for people. The same content.
//!
//! May not: judge, fuse, open a file or a socket, or print: it makes text from finished records.

pub mod html;
pub mod jsonl;
pub mod read;
pub mod terminal;
mod words;
