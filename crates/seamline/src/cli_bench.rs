//! Arguments of `seamline bench`.

use crate::cli::ProfileArg;
use clap::{Args, Subcommand, ValueEnum};
use seamline_eval::protocol::Share;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub(crate) enum BenchCommand {
    /// Scan the clips of a protocol, also re-encoded, and score the result
    Run(RunArgs),
    /// Score evidence, or the score file of another detector
    Score(ScoreArgs),
    /// Differences between two detectors over the same trials, with paired bootstrap intervals
    Compare(CompareArgs),
}

/// A protocol and which of its trials are taken.
#[derive(Args, Debug)]
pub(crate) struct ProtocolArgs {
    /// The protocol: which clips are trials, and their labels
    #[arg(long, value_name = "FILE")]
    pub(crate) protocol: PathBuf,
    /// Its format [seamline, csv, faceforensics, deepfakebench, celeb-df, dfdc, asvspoof2019, asvspoof2021,
    /// asvspoof5, in-the-wild, arena, av-deepfake1m]
    #[arg(long, value_name = "FORMAT", default_value = "seamline")]
    pub(crate) protocol_format: String,
    /// Only the trials of this split (the column `use` or `split`)
    #[arg(long, value_name = "SPLIT")]
    pub(crate) split: Option<String>,
    /// Only this compression, e.g. c23 (faceforensics, deepfakebench)
    #[arg(long, value_name = "NAME")]
    pub(crate) compression: Option<String>,
    /// Only this share of each source and class, e.g. 0.25, the same trials each time
    #[arg(long, value_name = "FRACTION", value_parser = share)]
    pub(crate) share: Option<Share>,
    /// Where the clips are: paths in the protocol start here
    #[arg(long, value_name = "ROOT")]
    pub(crate) media: Option<PathBuf>,
}

fn share(text: &str) -> Result<Share, String> {
    text.parse().ok().and_then(Share::new).ok_or_else(|| "a fraction over 0, at most 1".to_owned())
}

/// How figures get their intervals.
#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct BootstrapArgs {
    /// Bootstrap resamples; 0 = no intervals
    #[arg(long, value_name = "N", default_value_t = seamline_eval::bootstrap::RESAMPLES, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) resamples: u32,
    /// Seed of the bootstrap: the same seed gives the same intervals
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Scan the clips of a protocol and score the result.
///
/// Finished clips are kept below --cache by their hash and the digest of the pipeline: an interrupted run goes on
/// where it stopped, and a new detector judges only what it has not judged.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  seamline bench run --protocol protocol.tsv --media data/ --split eval --out bench/
  seamline bench run --protocol meta.csv --protocol-format in-the-wild --media wav/ \\
      --conditions clean,mp3-32k,telephone --out bench/
  seamline bench run --protocol p.tsv --media data/ --conditions all --detectors voice-whisper --out bench/")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) protocol: ProtocolArgs,
    /// Detectors, by id [default: every shipped detector that is calibrated]
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) detectors: Vec<String>,
    /// Conditions of the robustness ladder: `clean`, names, `ladder` (all names), or `all`
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "clean")]
    pub(crate) conditions: Vec<String>,
    /// Folder for evidence and results
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Folder for re-encoded clips and finished scans [default: OUT/cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// How much is looked at
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) profile: ProfileArg,
    /// Clips judged at once [default: one per core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) bootstrap: BootstrapArgs,
    /// Go on where this kernel cannot shut workers in
    #[arg(long)]
    pub(crate) allow_unjailed: bool,
    /// No progress bar and no table
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Which end of foreign scores is spoof.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolarityArg {
    /// A higher score supports spoof (DeepfakeBench)
    HigherIsSpoof,
    /// A higher score supports bona fide (ASVspoof)
    HigherIsBonafide,
}

/// How the scores of frames become one of a clip.
#[derive(ValueEnum, Clone, Copy, Debug, Default)]
pub(crate) enum AggregateArg {
    /// Their mean
    #[default]
    Mean,
    /// Their median
    Median,
    /// The most suspicious frame
    Max,
}

/// Statements about score files of others.
#[derive(Args, Debug)]
pub(crate) struct ForeignArgs {
    /// Which end of foreign scores is spoof; must stand here or in the file
    #[arg(long, value_enum)]
    pub(crate) polarity: Option<PolarityArg>,
    /// What foreign scores are [llr, logit, probability, arbitrary]
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Option<String>,
    /// The aspect that a foreign detector judges
    #[arg(long, value_name = "ASPECT", default_value = "*")]
    pub(crate) aspect: String,
    /// The foreign detector's own threshold, in its own numbers
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) threshold: Option<f64>,
    /// How frames become a clip
    #[arg(long, value_enum, default_value_t)]
    pub(crate) aggregate: AggregateArg,
    /// Score what is there: trials without an answer and clips outside the protocol are no error
    #[arg(long)]
    pub(crate) partial: bool,
}

/// Score evidence or the score files of other detectors against a protocol.
#[derive(Args, Debug)]
#[command(after_help = "\
Score files are given as NAME=FORMAT:FILE, with FORMAT one of
  evidence    JSON Lines of `seamline scan` or `bench run` (also simply the file)
  asvspoof5   filename<TAB>cm-score
  csv         file_name,score
  frames      DeepfakeBench: a score for each frame, CSV or JSON

Examples:
  seamline bench score --protocol p.tsv --evidence report.jsonl --out result/
  seamline bench score --protocol ASVspoof5.track_1.tsv --protocol-format asvspoof5 \\
      --evidence aasist=asvspoof5:scores.tsv --polarity higher-is-bonafide --out result/")]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    pub(crate) protocol: ProtocolArgs,
    /// What to score; may be given several times
    #[arg(long, required = true, value_name = "[NAME=FORMAT:]FILE")]
    pub(crate) evidence: Vec<String>,
    #[command(flatten)]
    pub(crate) foreign: ForeignArgs,
    /// Folder for metrics.json, trials.parquet, report.html, result.yaml
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write a Markdown summary to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bootstrap: BootstrapArgs,
    /// No table
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Differences B - A on trials that both scored, resampled together.
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The first: [NAME=FORMAT:]FILE
    pub(crate) a: String,
    /// The second: [NAME=FORMAT:]FILE
    pub(crate) b: String,
    #[command(flatten)]
    pub(crate) protocol: ProtocolArgs,
    /// Detector to take from A, where its evidence holds several
    #[arg(long, value_name = "ID")]
    pub(crate) detector_a: Option<String>,
    /// Detector to take from B [default: that of A]
    #[arg(long, value_name = "ID")]
    pub(crate) detector_b: Option<String>,
    #[command(flatten)]
    pub(crate) foreign: ForeignArgs,
    /// Write the rows as JSON to this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bootstrap: BootstrapArgs,
}
