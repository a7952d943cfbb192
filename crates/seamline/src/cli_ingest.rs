//! Arguments of `watch`, `ingest`, `worker`, `jobs`, `serve` and `tokens`.

use crate::cli::{BoundArgs, LookArgs};
use crate::cli_campaign::StoreArg;
use clap::{Args, Subcommand};
use seamline_grown::{MediaAt, NatsAt};
use std::path::PathBuf;

/// How clips are judged by whatever works through a queue.
#[derive(Args, Debug, Clone)]
pub(crate) struct WorkArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// Clips judged at once [default: one per core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,
    #[command(flatten)]
    pub(crate) bounds: BoundArgs,
}

/// What a run shares with other machines; see docs/operations.md.
#[derive(Args, Debug, Clone)]
pub(crate) struct SharedArgs {
    /// Take jobs from a broker: nats://HOST:PORT (or tls://), after ? max, deliver, name, replicas, creds
    #[arg(long, value_name = "URL", env = "SEAMLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<NatsAt>,
    /// Where every machine finds the clips: s3://BUCKET/PREFIX, file:///DIR, or `paths` where all of them see the same
    /// files under the same paths
    #[arg(long, value_name = "WHERE", env = "SEAMLINE_MEDIA")]
    pub(crate) media: Option<MediaAt>,
}

/// Who may be told when a job ends.
#[derive(Args, Debug, Clone)]
pub(crate) struct CallbackArgs {
    /// A host, NAME or NAME:PORT, that may be told when a job ends; nobody is unless it is named here
    #[arg(long, value_name = "HOST", requires = "callback_secret")]
    pub(crate) callback_host: Vec<String>,
    /// Signs what is said to them, so that they know it is us; 32 bytes or more
    #[arg(long, value_name = "SECRET", env = "SEAMLINE_CALLBACK_SECRET", hide_env_values = true)]
    pub(crate) callback_secret: Option<String>,
}

/// Judge what is handed in elsewhere, beside other machines.
///
/// Takes jobs until it is told to end. Killed at any time, what it had in hand is judged by another.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  seamline worker --store postgres://seamline@db/seen --media s3://clips/desk
  seamline worker --store postgres://seamline@db/seen --queue nats://broker:4222 --media file:///srv/clips

Passwords belong into the environment, as SEAMLINE_STORE and SEAMLINE_QUEUE. S3 is reached as AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT and AWS_ALLOW_HTTP say.")]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) at: StoreArg,
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    /// End when nothing is left
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) callbacks: CallbackArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// Say nothing of single clips
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Judge what is put into folders, all day.
///
/// A file is taken when nobody has written to it for a while. One that was taken is remembered by what it is, not by
/// its name: it is not judged again after a restart or a renaming.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  seamline watch inbox/ --store seen.db --out verdicts.jsonl
  seamline watch inbox/ --store seen.db --done done/ --failed failed/
  seamline watch /mnt/share --store seen.db --poll 30     a network mount, where the kernel tells nothing

Left alone: hidden files, *.part, *.crdownload, *.tmp and other half downloads, files that are no media.")]
pub(crate) struct WatchArgs {
    /// Folders
    #[arg(required = true, value_name = "DIR")]
    pub(crate) dirs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) at: StoreArg,
    /// Append a verdict line to this file for every clip that ends in the store, each once
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Move files here when they have a verdict
    #[arg(long, value_name = "DIR")]
    pub(crate) done: Option<PathBuf>,
    /// Move files here when they could not be judged
    #[arg(long, value_name = "DIR")]
    pub(crate) failed: Option<PathBuf>,
    /// Look through the folders this often, in seconds; 0 = only when the kernel tells of a change
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    pub(crate) poll: u32,
    /// A file is whole when it has not changed for so long, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 2.0)]
    pub(crate) settle: f64,
    /// Judge what is there now, then end
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// Say nothing of single clips
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Judge the clips that a manifest lists.
#[derive(Args, Debug)]
#[command(after_help = "\
One JSON object a line: path (needed; relative to the manifest), who, where (a URL), when (RFC 3339), channel, claim,
priority (-100 to 100), deadline (RFC 3339), callback (a URL that is told when the clip's job ends).
  {\"path\":\"a.mp4\",\"where\":\"https://example.org/1\",\"when\":\"2026-11-27T10:50:55Z\",\"claim\":\"filmed today\"}

A line that cannot be used is named and passed over. Run again, it goes on where it stopped.
Exit status: 0 everything was judged; 1 some lines or clips were not; 2 the run itself failed.")]
pub(crate) struct IngestArgs {
    /// The manifest, or - for standard input
    pub(crate) manifest: PathBuf,
    #[command(flatten)]
    pub(crate) at: StoreArg,
    /// Append a verdict line to this file for every clip that ends in the store, each once
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Only hand the clips in; something else works through the queue
    #[arg(long)]
    pub(crate) submit_only: bool,
    /// Read the manifest from its beginning, whatever was read before
    #[arg(long)]
    pub(crate) again: bool,
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(flatten)]
    pub(crate) callbacks: CallbackArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// Say nothing of single clips
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Where a server keeps uploads.
#[derive(Debug, Clone)]
pub(crate) enum UploadsAt {
    /// In a folder of this machine.
    Here(PathBuf),
    /// Where other machines find them.
    Shared(MediaAt),
}

impl std::str::FromStr for UploadsAt {
    type Err = seamline_grown::AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.contains("://") { Self::Shared(text.parse()?) } else { Self::Here(text.into()) })
    }
}

/// Take clips, show verdicts, in a browser and for programs.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  seamline serve --store seen.db                              http://127.0.0.1:8750, this machine only
  seamline tokens create desk --role analyst --store seen.db
  seamline serve --store seen.db --listen 10.0.0.5:8750       others too, with tokens

The interface for programs is described at /openapi.json.")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) at: StoreArg,
    /// Where to listen: ADDRESS:PORT, or unix:PATH
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:8750")]
    pub(crate) listen: seamline_server::Listen,
    /// Demand tokens also where only this machine can reach it
    #[arg(long)]
    pub(crate) tokens: bool,
    /// Speak TLS with this certificate, in PEM form with those up to its authority's
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A further name under which browsers on this machine may ask, where no tokens are demanded
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// Where uploaded clips are kept: a folder of this machine [default: STORE.media], or where other machines find
    /// them: file:///DIR or s3://BUCKET/PREFIX
    #[arg(long, value_name = "WHERE", env = "SEAMLINE_MEDIA")]
    pub(crate) media: Option<UploadsAt>,
    /// Take jobs from a broker: nats://HOST:PORT (or tls://), after ? max, deliver, name, replicas, creds
    #[arg(long, value_name = "URL", env = "SEAMLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<NatsAt>,
    /// How long uploaded clips are kept after their verdict: none, or a number of days
    #[arg(long, value_name = "none|DAYS", default_value = "30")]
    pub(crate) retain: seamline_pipeline::queue::Retain,
    /// Most room for uploaded clips, in GB
    #[arg(long, value_name = "GB", default_value_t = 100.0)]
    pub(crate) media_gb: f64,
    /// Largest upload, in MB
    #[arg(long, value_name = "MB", default_value_t = 4096)]
    pub(crate) max_upload_mb: u32,
    /// Uploads at once for each token
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) uploads: u32,
    /// Requests a second for each token
    #[arg(long, value_name = "N", default_value_t = 50.0)]
    pub(crate) rate: f64,
    #[command(flatten)]
    pub(crate) callbacks: CallbackArgs,
    /// Only take clips and show verdicts; something else works through the queue
    #[arg(long)]
    pub(crate) no_work: bool,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// Say nothing of single clips
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum JobsCommand {
    /// Jobs, the latest first
    List {
        #[command(flatten)]
        at: StoreArg,
        /// Only those that are queued, running, done, failed or dead
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// One job with every attempt that came to nothing
    Show {
        /// The beginning of its name, or of its clip's SHA-256
        id: String,
        #[command(flatten)]
        at: StoreArg,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Dead letters, with what killed their workers
    Dead {
        #[command(flatten)]
        at: StoreArg,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Let failed or dead jobs begin anew
    Replay {
        /// The beginnings of their names
        #[arg(required_unless_present = "all_dead")]
        ids: Vec<String>,
        /// All dead letters
        #[arg(long, conflicts_with = "ids")]
        all_dead: bool,
        #[command(flatten)]
        at: StoreArg,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum TokensCommand {
    /// Make a token; its secret is printed once and stored nowhere
    Create {
        /// Whose it is
        name: String,
        /// What it may do: submit, read, analyst or admin; each includes the ones before it
        #[arg(long, value_name = "ROLE")]
        role: String,
        /// Refuse it after so many days
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
        #[command(flatten)]
        at: StoreArg,
    },
    /// Every token, without its secret
    List {
        #[command(flatten)]
        at: StoreArg,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Refuse a token from now on
    Revoke {
        /// Its number
        id: i64,
        #[command(flatten)]
        at: StoreArg,
    },
}
