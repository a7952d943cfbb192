//! Writes N frames of a moving drawn face to standard output, 640 x 480 RGB24: `draw_face FRAMES`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

use std::io::Write;

fn main() -> std::io::Result<()> {
    let frames = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(250);
    let mut out = std::io::stdout().lock();
    for i in 0..frames {
        match out.write_all(seamline_testkit::face::frame(640, 480, i).data()) {
            // A reader that has enough closes the pipe.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => break,
            other => other?,
        }
    }
    Ok(())
}
