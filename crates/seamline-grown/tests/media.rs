//! Clips in a bucket of a real server that speaks S3, and in a folder.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers outside of #[test] functions

mod common;

use seamline_core::ClipId;
use seamline_core::grown::{SharedError, SharedMedia};
use seamline_grown::{Folder, S3};
use std::io::Read;
use std::path::Path;

/// Larger than one part.
const LARGE: usize = (16 << 20) + 12_345;

fn put_and_get(media: &dyn SharedMedia, dir: &Path) {
    let file = dir.join("clip");
    let large: Vec<u8> = (0..LARGE).map(|n| (n * 31 % 251) as u8).collect();
    for bytes in [&b"small"[..], b"", &large] {
        std::fs::write(&file, bytes).unwrap();
        let clip = ClipId::of(bytes);
        assert!(matches!(media.get(&clip, LARGE as u64), Err(SharedError::Gone)));
        media.put(&clip, &file).unwrap();
        media.put(&clip, &file).unwrap();
        let mut back = Vec::new();
        media.get(&clip, bytes.len() as u64).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{} bytes", bytes.len());
    }
    // The file changed since it was named: nothing of it may stand under the name.
    for bytes in [&b"changed"[..], &large[..LARGE - 1]] {
        std::fs::write(&file, bytes).unwrap();
        let other = ClipId::of(&[bytes, b"?"].concat());
        assert!(matches!(media.put(&other, &file), Err(SharedError::Changed)));
        assert!(matches!(media.get(&other, LARGE as u64), Err(SharedError::Gone)));
    }
}

#[test]
fn a_folder_keeps_whole_clips_under_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("media");
    assert!(matches!(Folder::open(&root), Err(SharedError::Away(_))), "a missing mount is not made");
    std::fs::create_dir(&root).unwrap();
    put_and_get(&Folder::open(&root).unwrap(), dir.path());
}

#[test]
fn a_bucket_keeps_whole_clips_under_their_names_and_is_away_when_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("s3/clips")).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let root = dir.path().join("s3");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        common::serve(listener, &root, "key", "secret").await;
    });
    let open = || S3::open("clips", "desk/in", &dir.path().join("scratch"));
    assert!(matches!(open(), Err(SharedError::Away(_))), "without keys nobody is asked for some");
    let settings = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT", &format!("http://{address}")),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    for (name, value) in settings {
        // SAFETY: each test has a process of its own, and this one has no other thread that reads the environment.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    let s3 = open().unwrap();
    put_and_get(&s3, dir.path());
    let small = ClipId::of(b"small");
    let (shelf, name) = (small.to_string()[..2].to_owned(), small.to_string());
    assert!(dir.path().join("s3/clips/desk/in").join(shelf).join(name).is_file());
    assert!(matches!(s3.get(&small, 4), Err(SharedError::Changed)), "more than was said is not taken in");
    assert!(
        std::fs::read_dir(dir.path().join("scratch")).unwrap().next().is_none(),
        "nothing is left behind"
    );
}
