//! What a run shares with other machines: connecting to it, and waiting for it when it is away.

use crate::cli_ingest::CallbackArgs;
use anyhow::{Context, Result, bail};
use seamline_campaign::store::{StoreAt, StoreError};
use seamline_core::grown::{Broker, Herald, SharedError, SharedMedia};
use seamline_core::job::JobError;
use seamline_grown::{Folder, MediaAt, Nats, NatsAt, S3, Webhooks};
use seamline_pipeline::queue::{OutletError, SubmitError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two tries.
const AGAIN: Duration = Duration::from_secs(1);

/// The broker, where there is one.
pub(crate) fn broker(at: Option<&NatsAt>) -> Result<Option<Arc<dyn Broker>>> {
    let Some(at) = at else { return Ok(None) };
    let nats = Nats::connect(at).with_context(|| format!("--queue {at}"))?;
    Ok(Some(Arc::new(nats)))
}

/// What tells others that jobs ended, where anybody may be told.
pub(crate) fn herald(args: &CallbackArgs) -> Result<Option<Arc<dyn Herald>>> {
    let (hosts, Some(secret)) = (&args.callback_host, &args.callback_secret) else { return Ok(None) };
    if hosts.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Webhooks::new(hosts, secret).context("--callback-host")?)))
}

/// Where other machines find clips, where there are any.
pub(crate) fn media(at: Option<&MediaAt>, store: &StoreAt) -> Result<Option<Arc<dyn SharedMedia>>> {
    Ok(match at {
        None if store.is_shared() => bail!(
            "other machines stand on this store and must find the clips: --media s3://BUCKET/PREFIX or file:///DIR, or \
             --media paths where all of them see the same files under the same paths"
        ),
        None | Some(MediaAt::Paths) => None,
        Some(at @ MediaAt::Folder(dir)) => {
            Some(Arc::new(Folder::open(dir).with_context(|| format!("--media {at}"))?))
        }
        Some(at @ MediaAt::S3 { bucket, prefix }) => {
            let scratch = crate::place::cache().join("fetched");
            Some(Arc::new(S3::open(bucket, prefix, &scratch).with_context(|| format!("--media {at}"))?))
        }
    })
}

/// Whether something that this run shares with others is away, so that it is to be done again.
pub(crate) fn is_away(e: &anyhow::Error) -> bool {
    e.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(StoreError::Away(_)))
            || matches!(cause.downcast_ref(), Some(JobError::Away(_)))
            || matches!(cause.downcast_ref(), Some(SubmitError::Shared { source: SharedError::Away(_), .. }))
            || matches!(
                cause.downcast_ref(),
                Some(OutletError::Store(StoreError::Away(_)) | OutletError::Queue(JobError::Away(_)))
            )
    })
}

/// Does it again while what it needs is away; `None` once `stop` is set.
pub(crate) fn patiently<T>(stop: &AtomicBool, mut f: impl FnMut() -> Result<T>) -> Result<Option<T>> {
    loop {
        match f() {
            Err(e) if is_away(&e) => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                crate::output::complain(&format!("{e:#}; waiting for it"));
                std::thread::sleep(AGAIN);
            }
            other => return other.map(Some),
        }
    }
}
