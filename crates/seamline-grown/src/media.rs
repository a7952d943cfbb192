//! Clips where every machine finds them, named by their SHA-256: two digits, then all of it, as in the media folder.

use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart};
use seamline_core::ClipId;
use seamline_core::grown::{SharedError, SharedMedia};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Bytes of a part; S3 takes no less than 5 MiB but for the last, and at most 10,000 parts: 156 GiB.
const PART: usize = 16 << 20;
/// Parts that are on their way at once.
const AT_ONCE: usize = 2;
/// How long an S3 that does not answer is waited for before the job goes back.
const PATIENCE: Duration = Duration::from_secs(30);

fn away(e: impl std::fmt::Display) -> SharedError {
    SharedError::Away(e.to_string())
}

/// Two digits of a clip's hash, then all of it.
fn name(clip: &ClipId) -> (String, String) {
    let all = clip.to_string();
    (all[..2].to_owned(), all)
}

/// A folder that every machine mounts.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder must be there: one that is made where a mount is missing would fill the wrong disk.
    pub fn open(root: &Path) -> Result<Self, SharedError> {
        if !root.is_dir() {
            return Err(SharedError::Away(format!("{} is no folder", root.display())));
        }
        Ok(Self { root: root.to_owned() })
    }

    fn place(&self, clip: &ClipId) -> PathBuf {
        let (shelf, name) = name(clip);
        self.root.join(shelf).join(name)
    }
}

impl SharedMedia for Folder {
    fn put(&self, clip: &ClipId, file: &Path) -> Result<(), SharedError> {
        let place = self.place(clip);
        if place.is_file() {
            return Ok(());
        }
        let shelf = place.parent().unwrap_or(&self.root);
        fs::create_dir_all(shelf).map_err(away)?;
        let mut from = File::open(file).map_err(away)?;
        // Whole and on the disk before it has its name.
        let mut part = tempfile::NamedTempFile::new_in(shelf).map_err(away)?;
        let mut hash = Sha256::new();
        let mut block = vec![0; 1 << 20];
        loop {
            match from.read(&mut block).map_err(away)? {
                0 => break,
                n => {
                    hash.update(&block[..n]);
                    part.write_all(&block[..n]).map_err(away)?;
                }
            }
        }
        if hash.finalize()[..] != clip.as_bytes()[..] {
            return Err(SharedError::Changed);
        }
        part.as_file().sync_all().map_err(away)?;
        part.persist(&place).map_err(away)?;
        File::open(shelf).and_then(|d| d.sync_all()).map_err(away)
    }

    fn get(&self, clip: &ClipId, _size: u64) -> Result<File, SharedError> {
        File::open(self.place(clip)).map_err(|e| match e.kind() {
            // A missing mount is no missing clip.
            io::ErrorKind::NotFound if self.root.is_dir() => SharedError::Gone,
            _ => away(e),
        })
    }
}

/// A bucket. Fetched clips lie in files without a name, which end with the judging.
pub struct S3 {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    runtime: Runtime,
    scratch: PathBuf,
}

impl S3 {
    /// For a bucket, as `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT` and
    /// `AWS_ALLOW_HTTP` say where and how. Fetched clips are written to `scratch`.
    pub fn open(bucket: &str, prefix: &str, scratch: &Path) -> Result<Self, SharedError> {
        // Without keys the builder would ask the network for some.
        if ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].iter().any(|k| std::env::var_os(k).is_none()) {
            return Err(SharedError::Away("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".into()));
        }
        // One provider for the whole process; that another was chosen before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|v| v.eq_ignore_ascii_case("true"));
        let options = ClientOptions::new()
            .with_allow_http(plain)
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout_disabled()
            .with_read_timeout(PATIENCE);
        let retry = RetryConfig { retry_timeout: PATIENCE, ..RetryConfig::default() };
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_client_options(options)
            .with_retry(retry)
            .build()
            .map_err(away)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(away)?;
        fs::create_dir_all(scratch).map_err(away)?;
        Ok(Self { store: Arc::new(store), prefix: prefix.to_owned(), runtime, scratch: scratch.to_owned() })
    }

    fn key(&self, clip: &ClipId) -> Key {
        let (shelf, name) = name(clip);
        Key::from_iter(
            self.prefix.split('/').filter(|p| !p.is_empty()).chain([shelf.as_str(), name.as_str()]),
        )
    }

    async fn upload(&self, clip: &ClipId, key: &Key, mut from: File, size: u64) -> Result<(), SharedError> {
        let mut hash = Sha256::new();
        let mut next = |from: &mut File| -> Result<Vec<u8>, SharedError> {
            let mut part = Vec::new();
            from.take(PART as u64).read_to_end(&mut part).map_err(away)?;
            hash.update(&part);
            Ok(part)
        };
        if size <= PART as u64 {
            let whole = next(&mut from)?;
            // More than it had a moment ago is another clip.
            if from.read(&mut [0]).map_err(away)? > 0 || hash.finalize()[..] != clip.as_bytes()[..] {
                return Err(SharedError::Changed);
            }
            return self.store.put(key, whole.into()).await.map(|_| ()).map_err(away);
        }
        let upload = self.store.put_multipart(key).await.map_err(away)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let sent = async {
            loop {
                let part = next(&mut from)?;
                if part.is_empty() {
                    return Ok(());
                }
                parts.wait_for_capacity(AT_ONCE).await.map_err(away)?;
                parts.put(part.into());
            }
        };
        let sent: Result<(), SharedError> = sent.await;
        let right = hash.finalize()[..] == clip.as_bytes()[..];
        match sent {
            Ok(()) if right => parts.finish().await.map(|_| ()).map_err(away),
            other => {
                let _ = parts.abort().await; // the bucket's rules clear up what is left
                other.and(Err(SharedError::Changed))
            }
        }
    }

    async fn fetch(&self, clip: &ClipId, size: u64) -> Result<File, SharedError> {
        let got = self.store.get(&self.key(clip)).await.map_err(|e| match e {
            object_store::Error::NotFound { .. } => SharedError::Gone,
            other => away(other),
        })?;
        let mut file = tempfile::tempfile_in(&self.scratch).map_err(away)?;
        let (mut bytes, mut left) = (got.into_stream(), size);
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(away)?;
            left = left.checked_sub(piece.len() as u64).ok_or(SharedError::Changed)?;
            file.write_all(&piece).map_err(away)?;
        }
        file.rewind().map_err(away)?;
        Ok(file)
    }
}

impl SharedMedia for S3 {
    fn put(&self, clip: &ClipId, file: &Path) -> Result<(), SharedError> {
        let from = File::open(file).map_err(away)?;
        let size = from.metadata().map_err(away)?.len();
        let key = self.key(clip);
        self.runtime.block_on(async {
            match self.store.head(&key).await {
                Ok(there) if there.size == size => Ok(()),
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {
                    self.upload(clip, &key, from, size).await
                }
                Err(e) => Err(away(e)),
            }
        })
    }

    fn get(&self, clip: &ClipId, size: u64) -> Result<File, SharedError> {
        self.runtime.block_on(self.fetch(clip, size))
    }
}
