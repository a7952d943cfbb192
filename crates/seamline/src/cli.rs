//! Arguments, and the help that a person can learn from.

use clap::{Args, Parser, Subcommand, ValueEnum};
use seamline_campaign::store::StoreAt;
use seamline_pipeline::Profile;
use std::path::PathBuf;

/// Offline deepfake and synthetic-media detector.
///
/// A clip goes in; a verdict with its evidence comes out. Nothing is sent anywhere, and nothing is fetched.
#[derive(Parser, Debug)]
#[command(name = "seamline", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start with `seamline doctor`, then `seamline scan CLIP`.\n\
    A verdict is a reason to look closer, not a proof: read `seamline scan --help` on what it can say.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Judge videos, recordings and pictures
    Scan(ScanArgs),
    /// Find clips in a store that share something with a clip
    Match(crate::cli_campaign::MatchArgs),
    /// Judge what is put into folders, all day
    Watch(crate::cli_ingest::WatchArgs),
    /// Judge the clips that a manifest lists
    Ingest(crate::cli_ingest::IngestArgs),
    /// Judge what is handed in elsewhere, beside other machines
    Worker(crate::cli_ingest::WorkerArgs),
    /// Take clips, show verdicts, in a browser and for programs
    Serve(crate::cli_ingest::ServeArgs),
    /// The queue: what waits, what failed, what to try again
    #[command(subcommand)]
    Jobs(crate::cli_ingest::JobsCommand),
    /// Who may use the server
    #[command(subcommand)]
    Tokens(crate::cli_ingest::TokensCommand),
    /// Campaigns: what belongs together, and what analysts decided
    #[command(subcommand)]
    Campaign(crate::cli_campaign::CampaignCommand),
    /// Look after a store
    #[command(subcommand)]
    Store(crate::cli_campaign::StoreCommand),
    /// List, verify or add models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Measure detectors: metrics with intervals, robustness, comparisons
    #[command(subcommand)]
    Bench(crate::cli_bench::BenchCommand),
    /// Say what is present, what is missing, and how to mend it
    Doctor,
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff), or write a page for each command
    Man {
        /// Write seamline.1, seamline-scan.1 and so on into this folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug, Default)]
pub(crate) enum ProfileArg {
    /// About two pictures a second
    #[default]
    Fast,
    /// About five pictures a second, the thorough face finder, every picture decoded
    Thorough,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Fast => Self::Fast,
            ProfileArg::Thorough => Self::Thorough,
        }
    }
}

/// What looks, and how closely.
#[derive(Args, Debug, Clone)]
pub(crate) struct LookArgs {
    /// Run only these detectors, by id (see `seamline models list`)
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) detectors: Vec<String>,
    /// How much is looked at
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) profile: ProfileArg,
}

/// Whom to trust, and what one clip may cost.
#[derive(Args, Debug, Clone)]
pub(crate) struct BoundArgs {
    /// Certificates of trusted C2PA issuers: a PEM file, or a folder of them
    #[arg(long, value_name = "PATH", env = "SEAMLINE_TRUST_DIR")]
    pub(crate) trust_list: Option<PathBuf>,
    /// Most CPU seconds for one clip
    #[arg(long, value_name = "SECS", default_value_t = 7200)]
    pub(crate) max_cpu_secs: u64,
    /// Most wall-clock seconds for one clip, beside twice its length
    #[arg(long, value_name = "SECS", default_value_t = 120)]
    pub(crate) max_wall_secs: u64,
    /// Go on where this kernel cannot shut workers in (dangerous with clips you do not trust)
    #[arg(long)]
    pub(crate) allow_unjailed: bool,
}

/// Judge videos, recordings and pictures.
///
/// Each clip gets exactly one verdict: supports_spoof, supports_bonafide, inconclusive or not_assessable. A
/// detector that cannot judge (no face, no speech, too small, too noisy) abstains and says why. "inconclusive"
/// means that nothing was found; it does not mean that a clip is genuine.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  seamline scan clip.mp4                          a summary on the terminal
  seamline scan inbox/ -j 2 --out verdicts.jsonl  a folder, two clips at once, JSON Lines
  seamline scan clip.mp4 --html report/           pages to look at, without any network
  find . -name '*.mp4' | seamline scan -          paths from a pipe, one a line

Exit status: 0 every clip was assessed; 1 some clip was not assessable; 2 the scan itself failed.")]
pub(crate) struct ScanArgs {
    /// Files, folders (walked as ripgrep walks them), or - for paths on standard input
    #[arg(required = true, value_name = "PATHS")]
    pub(crate) paths: Vec<PathBuf>,
    /// Write JSON Lines to this file, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write self-contained HTML pages into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) html: Option<PathBuf>,
    /// Record clips in this store (a file, made if absent, or postgres://...), and link them to what was seen before
    #[arg(long, value_name = "STORE", value_parser = crate::cli_campaign::store())]
    pub(crate) store: Option<StoreAt>,
    /// Where the clips were seen
    #[arg(long, value_name = "URL", requires = "store")]
    pub(crate) seen_at: Option<String>,
    /// Who posted them: a channel, an account
    #[arg(long, value_name = "CHANNEL", requires = "store")]
    pub(crate) seen_on: Option<String>,
    /// When they were seen, as 2026-11-27T10:50:55Z or 2026-11-27 [default: now]
    #[arg(long, value_name = "TIME", requires = "store")]
    pub(crate) time: Option<String>,
    /// Where each clip was seen: JSON Lines of path or sha256, and url, channel, seen_at
    #[arg(long, value_name = "FILE", requires = "store")]
    pub(crate) sightings: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// Clips judged at once [default: one per core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Paths on standard input end with a NUL byte, as from `find -print0`
    #[arg(short = '0', long)]
    pub(crate) null: bool,
    #[command(flatten)]
    pub(crate) bounds: BoundArgs,
    /// No terminal summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ModelsCommand {
    /// Models with their state: installed, missing, damaged
    List,
    /// Hash every installed model and library against its pin
    Verify,
    /// Install a model file that you brought, described by a manifest
    Add {
        /// The ONNX file
        file: PathBuf,
        /// Its manifest.toml (the format is in models/README.md)
        #[arg(short, long)]
        manifest: PathBuf,
        /// Its calibration.json, if it has one
        #[arg(short, long)]
        calibration: Option<PathBuf>,
    },
}
