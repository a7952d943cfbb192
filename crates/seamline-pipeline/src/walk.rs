//! From arguments to files: directories are walked as ripgrep walks them (hidden and ignored files left out),
//! files are taken as given.

use ignore::WalkBuilder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Extensions that are taken from a directory without looking inside.
const EXTENSIONS: &[&str] = &[
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "flv", "ts", "mts", "m2ts", "mpg", "mpeg", "3gp", "3g2",
    "wmv", "asf", "ogv", "gif", "webp", "png", "jpg", "jpeg", "jpe", "bmp", "tif", "tiff", "apng", "wav",
    "flac", "mp3", "ogg", "oga", "opus", "m4a", "aac", "aif", "aiff", "amr", "wma", "caf", "mxf", "vob",
    "avif", "heic", "heif",
];

/// Files below `path`, sorted by path: `path` itself if it is no directory, whatever it is.
/// What cannot be listed is an entry of its own, so that nothing vanishes in silence.
pub fn files(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let single = (!path.is_dir()).then(|| path.to_owned());
    let walk = path.is_dir().then(|| {
        WalkBuilder::new(path).follow_links(false).sort_by_file_path(Ord::cmp).build().filter_map(|entry| {
            match entry {
                Ok(entry) => {
                    let is_file = entry.file_type().is_some_and(|t| !t.is_dir());
                    (is_file && looks_like_media(entry.path())).then(|| entry.into_path())
                }
                Err(e) => path_of(&e),
            }
        })
    });
    single.into_iter().chain(walk.into_iter().flatten())
}

fn path_of(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        ignore::Error::Loop { child, .. } => Some(child.clone()),
        _ => None,
    }
}

/// Whether a file is taken from a directory: by extension, or by the first bytes of a regular file without a known one.
pub fn looks_like_media(path: &Path) -> bool {
    let known = path
        .extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| EXTENSIONS.contains(&e.to_ascii_lowercase().as_str()));
    known || (path.extension().is_none() && path.is_file() && has_signature(path))
}

fn has_signature(path: &Path) -> bool {
    let mut head = [0; 16];
    let Ok(n) = File::open(path).and_then(|mut f| f.read(&mut head)) else { return false };
    let head = &head[..n];
    let starts: [&[u8]; 11] = [
        b"\xff\xd8\xff",
        b"\x89PNG",
        b"GIF8",
        b"RIFF",
        b"OggS",
        b"fLaC",
        b"ID3",
        b"\x1a\x45\xdf\xa3",
        b"FLV\x01",
        b"II*\0",
        b"MM\0*",
    ];
    starts.iter().any(|s| head.starts_with(s)) || head.get(4..8) == Some(b"ftyp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_gives_its_media_in_order_and_a_file_gives_itself() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, data: &[u8]| {
            let p = dir.path().join(name);
            std::fs::create_dir_all(p.parent().unwrap()).unwrap();
            std::fs::write(p, data).unwrap();
        };
        put("b/two.MP4", b"x");
        put("a.wav", b"x");
        put("notes.txt", b"x");
        put(".hidden.mp4", b"x");
        put("plain", b"no");
        put("unnamed", b"\x89PNG\r\n");
        std::os::unix::fs::symlink(dir.path().join("loop.mp4"), dir.path().join("loop.mp4")).unwrap();
        let names: Vec<String> = files(dir.path())
            .map(|p| p.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.wav", "b/two.MP4", "loop.mp4", "unnamed"]);
        let txt = dir.path().join("notes.txt");
        assert_eq!(files(&txt).collect::<Vec<_>>(), std::slice::from_ref(&txt));
        let missing = dir.path().join("missing");
        assert_eq!(files(&missing).collect::<Vec<_>>(), std::slice::from_ref(&missing));
    }
}
