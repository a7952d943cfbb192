//! Media files made by the `ffmpeg` program, kept under the build folder by a hash of their recipe.

use crate::{FixtureError, face};
use seamline_core::Sha256Hash;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Readings from LibriVox (public domain) that Debian's `pocketsphinx-testdata` brings: 16 kHz mono.
pub const READINGS: &str = "/usr/share/pocketsphinx/test/data/librivox";

/// A reading of several seconds of bona fide speech.
pub fn reading() -> PathBuf {
    Path::new(READINGS).join("sense_and_sensibility_01_austen_64kb-0870.wav")
}

/// Its samples.
pub fn reading_samples() -> std::io::Result<Vec<f32>> {
    let wav = std::fs::read(reading())?;
    let words = wav.get(44..).unwrap_or_default().chunks_exact(2);
    Ok(words.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect())
}

/// Where fixtures are kept: `target/fixtures`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).join("target/fixtures")
}

/// Makes `name` with `make` unless it is there; `recipe` is everything that shapes it. Concurrent tests may make
/// the same file: each writes its own and renames.
pub fn cached(
    name: &str,
    recipe: &str,
    make: impl FnOnce(&Path) -> Result<(), FixtureError>,
) -> Result<PathBuf, FixtureError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let dir = folder().join(Sha256Hash::of(format!("{name}\n{recipe}").as_bytes()).short());
    let path = dir.join(name);
    if path.exists() {
        return Ok(path);
    }
    let unique = format!("making-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let own = folder().join(unique);
    std::fs::create_dir_all(&own)?;
    std::fs::create_dir_all(&dir)?;
    let part = own.join(name);
    make(&part)?;
    std::fs::rename(&part, &path)?;
    std::fs::remove_dir_all(&own)?;
    Ok(path)
}

/// Runs `ffmpeg` with `args`, then the output path.
pub fn ffmpeg(args: &[&str], out: &Path) -> Result<(), FixtureError> {
    let result = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1"])
        .args(args)
        .args(["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"])
        .arg(out)
        .output();
    check("ffmpeg", result)
}

fn check(program: &str, result: std::io::Result<std::process::Output>) -> Result<(), FixtureError> {
    let fail = |message: String| FixtureError::Program { program: program.into(), message };
    let output = result.map_err(|e| fail(e.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// Four seconds of a moving face at 320 x 240, 25 frames a second, over a reading: the source of most fixtures.
pub fn talking_face() -> Result<PathBuf, FixtureError> {
    moving_face(
        "talking.mkv",
        320,
        240,
        100,
        &["-c:v", "libx264", "-crf", "16", "-preset", "veryfast", "-c:a", "flac", "-t", "4"],
    )
}

/// A moving face of any size and length, encoded by `args`.
pub fn moving_face(
    name: &str,
    width: u32,
    height: u32,
    frames: u32,
    args: &[&str],
) -> Result<PathBuf, FixtureError> {
    cached(name, &format!("face v1 {width} {height} {frames} {args:?}"), |out| {
        let size = format!("{width}x{height}");
        let reading = reading();
        let mut child = Command::new("ffmpeg")
            .args([
                "-hide_banner",
                "-loglevel",
                "error",
                "-y",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-s",
                &size,
                "-r",
                "25",
            ])
            .args(["-i", "-", "-stream_loop", "-1", "-i"])
            .arg(&reading)
            .args(["-map", "0:v", "-map", "1:a", "-pix_fmt", "yuv420p", "-shortest"])
            .args(args)
            .arg(out)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            for i in 0..frames {
                // ffmpeg closes the pipe early when -t or -shortest has been reached.
                if pipe.write_all(face::frame(width, height, i).data()).is_err() {
                    break;
                }
            }
        }
        check("ffmpeg", child.wait_with_output())
    })
}

/// The talking face in another container and with other codecs.
pub fn transcoded(name: &str, args: &[&str]) -> Result<PathBuf, FixtureError> {
    let source = talking_face()?;
    let input = source.to_string_lossy().into_owned();
    cached(name, &format!("talking v1 {args:?}"), |out| {
        let mut all = vec!["-i", input.as_str()];
        all.extend(args);
        ffmpeg(&all, out)
    })
}

/// A file from ffmpeg's own generators.
pub fn generated(name: &str, args: &[&str]) -> Result<PathBuf, FixtureError> {
    cached(name, &format!("{args:?}"), |out| ffmpeg(args, out))
}

/// A file of given bytes.
pub fn bytes(name: &str, data: &[u8]) -> Result<PathBuf, FixtureError> {
    cached(name, &Sha256Hash::of(data).to_string(), |out| Ok(std::fs::write(out, data)?))
}
