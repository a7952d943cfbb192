//! `seamline serve`.

use super::grown;
use super::recorder::open_store;
use super::work::{stop_on_signals, tell};
use crate::cli_ingest::{ServeArgs, UploadsAt};
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::store::SqlStore;
use seamline_grown::MediaAt;
use seamline_infer::Home;
use seamline_pipeline::queue::{MediaFolder, Note, Submitter, Uploads};
use seamline_server::{Certificate, Db, Listen, Quota, Server, Settings};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often what is past its time is removed.
const SWEEP: Duration = Duration::from_secs(600);
const TICK: Duration = Duration::from_millis(200);

fn media(args: &ServeArgs) -> Result<MediaFolder> {
    let beside = || match args.at.store.file() {
        Some(file) => {
            let mut name = file.as_os_str().to_owned();
            name.push(".media");
            PathBuf::from(name)
        }
        None => crate::place::cache().join("uploads"),
    };
    let root = match &args.media {
        Some(UploadsAt::Here(dir) | UploadsAt::Shared(MediaAt::Folder(dir))) => dir.clone(),
        // What is uploaded passes through this machine, and is shown from it.
        Some(UploadsAt::Shared(_)) | None => beside(),
    };
    if !(args.media_gb.is_finite() && args.media_gb > 0.0) {
        bail!("--media-gb {}: a number above 0", args.media_gb);
    }
    // Jobs name files by where they are: workers of other processes stand elsewhere.
    let root = std::path::absolute(&root).with_context(|| root.display().to_string())?;
    Ok(MediaFolder::open(&root, (args.media_gb * 1e9) as u64, args.retain)?)
}

pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode> {
    if !(args.rate.is_finite() && args.rate > 0.0) {
        bail!("--rate {}: a number above 0", args.rate);
    }
    if args.tls_cert.is_some() && matches!(args.listen, Listen::Unix(_)) {
        bail!("--tls-cert: a Unix socket speaks no TLS");
    }
    let media = Arc::new(media(args)?);
    let db = Db::open(&args.at.store).with_context(|| args.at.store.to_string())?;
    let mut submitter = Submitter::new(&Home::resolve(), &args.work.options(), "http")?;
    let shared = match &args.media {
        Some(UploadsAt::Shared(at)) => Some(at),
        Some(UploadsAt::Here(_)) | None => None,
    };
    submitter.shared = grown::media(shared, &args.at.store)?;
    submitter.herald = grown::herald(&args.callbacks)?;
    let settings = Settings {
        listen: args.listen.clone(),
        tokens: args.tokens,
        hosts: args.host.clone(),
        certificate: match (&args.tls_cert, &args.tls_key) {
            (Some(chain), Some(key)) => Some(Certificate { chain: chain.clone(), key: key.clone() }),
            _ => None,
        },
        quota: Quota {
            upload_bytes: u64::from(args.max_upload_mb) * 1_000_000,
            uploads: args.uploads,
            per_second: args.rate,
            burst: (args.rate * 4.0).max(20.0),
        },
    };
    let runner = if args.no_work {
        None
    } else {
        let broker = grown::broker(args.queue.as_ref())?;
        let mut runner = args.work.runner(&args.at.store)?;
        (runner.broker, runner.media) = (broker, submitter.shared.clone());
        runner.herald = submitter.herald.clone();
        Some(runner)
    };
    let stop = stop_on_signals()?;
    let server = Server::bind(settings, db, media.clone(), submitter, stop.clone())?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    output::complain(&match (&args.listen, server.address()) {
        (Listen::Unix(path), _) => format!("listening on {}", path.display()),
        (Listen::Tcp(asked), bound) => format!("listening on {scheme}://{}", bound.unwrap_or(*asked)),
    });
    // For the notes of the run, and for sweeping: a connection that no request waits for.
    let store = Mutex::new(open_store(&args.at.store)?);
    let ended = std::thread::scope(|scope| -> Result<()> {
        let stop = &stop;
        let serving = scope.spawn(move || {
            let served = server.run();
            // Nothing is left to serve: the run ends too.
            stop.store(true, Ordering::Relaxed);
            served
        });
        let sweeping = scope.spawn(|| sweep(&media, &store, stop));
        let ran = match &runner {
            Some(runner) => runner.run(&AtomicBool::new(false), stop, &|note| {
                tell(&note, args.quiet);
                if let Note::Ended(job, state, _) = note {
                    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(e) = media.ended(job, state, &store) {
                        output::complain(&e.to_string());
                    }
                }
            }),
            None => Ok(()),
        };
        if ran.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        let died = |_| anyhow::anyhow!("a thread died");
        serving.join().map_err(died)??;
        sweeping.join().map_err(died)?;
        Ok(ran?)
    });
    ended?;
    if let Some(runner) = runner {
        runner.close()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn sweep(media: &Arc<MediaFolder>, store: &Mutex<SqlStore>, stop: &AtomicBool) {
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            next = Instant::now() + SWEEP;
            if let Err(e) = Uploads::open(media).and_then(|u| u.sweep()) {
                output::complain(&e.to_string());
            }
            if let Err(e) = media.sweep(&store.lock().unwrap_or_else(PoisonError::into_inner), 0) {
                output::complain(&e.to_string());
            }
        }
        std::thread::sleep(TICK);
    }
}
