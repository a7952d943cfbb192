//! Standard output and standard error. A reader that goes away (a closed pipe) is no error.

use std::io::{self, ErrorKind, Write};

/// Writes bytes to standard output.
pub(crate) fn bytes(data: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes text and a line end to standard output.
pub(crate) fn say(text: &str) -> io::Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// One line on standard error; if even that fails there is nobody to tell.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "seamline: {message}");
}
