//! Arguments of `match`, `campaign` and `store`.

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use seamline_campaign::store::StoreAt;
use std::path::PathBuf;

/// Reads where a store is.
pub(crate) fn store() -> impl TypedValueParser<Value = StoreAt> {
    OsStringValueParser::new().map(|text| StoreAt::new(&text, &crate::place::machine()))
}

/// Find clips in a store that share pictures, sound, a voice or a logo with this one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  seamline match clip.mp4 --store seen.db          what it shares with what was seen, best first
  seamline match clip.mp4 --store seen.db --json   one JSON object a match, one a line

The clip need not be in the store, and is not put there: `seamline scan --store` does that.
Exit status: 0 something matches; 1 nothing does; 2 the search failed.")]
pub(crate) struct MatchArgs {
    /// The clip
    pub(crate) clip: PathBuf,
    /// The store: a file, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "STORE", env = "SEAMLINE_STORE", hide_env_values = true, value_parser = store())]
    pub(crate) store: StoreAt,
    /// JSON Lines: sha256, path, kind, score, start_s, end_s, other_start_s, other_end_s, speed, mirrored
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on where this kernel cannot shut workers in (dangerous with clips you do not trust)
    #[arg(long)]
    pub(crate) allow_unjailed: bool,
}

/// The store and who decides.
#[derive(Args, Debug)]
pub(crate) struct StoreArg {
    /// The store: a file, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "STORE", env = "SEAMLINE_STORE", hide_env_values = true, value_parser = store())]
    pub(crate) store: StoreAt,
}

/// A decision's author.
#[derive(Args, Debug)]
pub(crate) struct Author {
    #[command(flatten)]
    pub(crate) at: StoreArg,
    /// Who decides; kept with the decision [default: $USER]
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) author: String,
}

/// A form that others read.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum ExportFormat {
    /// STIX 2.1 bundle
    Stix,
    /// STIX 2.1 with OpenCTI's channel and media-content
    Opencti,
    /// MISP event
    Misp,
    /// Table of the sightings
    Csv,
    /// The same table, typed
    Parquet,
    /// One self-contained page: sightings over time and channels, clips, shared stretches, decisions
    Html,
    /// schema.org MediaReview of a confirmed campaign; wants --category and --publisher
    MediaReview,
    /// PDQ hashes, as vPDQ lists them, to share without media
    Hashes,
}

/// What became of the media (schema.org, MediaManipulationRatingEnumeration).
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum CategoryArg {
    /// Genuine, in a false context
    Decontextualized,
    /// Cut, cropped or joined
    EditedOrCropped,
    /// Genuine
    Original,
    /// Satire or parody
    Satire,
    /// Acted
    Staged,
    /// Changed or generated
    Transformed,
}

#[derive(Subcommand, Debug)]
pub(crate) enum CampaignCommand {
    /// Clusters of more than one clip, the latest seen first
    List {
        #[command(flatten)]
        at: StoreArg,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// One cluster: its clips, what links them, what was decided
    Show {
        /// Its number
        id: i64,
        #[command(flatten)]
        at: StoreArg,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// When and where its clips were seen
    Timeline {
        /// Its number
        id: i64,
        #[command(flatten)]
        at: StoreArg,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Say that these clusters are one; the machine does not undo it
    Merge {
        /// Their numbers
        #[arg(required = true, num_args = 2..)]
        ids: Vec<i64>,
        #[command(flatten)]
        by: Author,
    },
    /// Say that clips do not belong in their cluster
    Split {
        /// The cluster's number
        id: i64,
        /// SHA-256 of the clips to take out
        #[arg(required = true)]
        clips: Vec<String>,
        #[command(flatten)]
        by: Author,
    },
    /// Say that a cluster is a campaign
    Confirm {
        /// Its number
        id: i64,
        #[command(flatten)]
        by: Author,
    },
    /// Name a cluster
    Name {
        /// Its number
        id: i64,
        /// Its name
        name: String,
        #[command(flatten)]
        by: Author,
    },
    /// Clips to look at again, because a near-duplicate's verdict changed
    Reviews {
        #[command(flatten)]
        at: StoreArg,
    },
    /// Hand a cluster on
    Export {
        /// Its number
        id: i64,
        /// In which form
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// Your judgement of the media, for media-review: no program derives it
        #[arg(long, value_enum, required_if_eq("format", "media-review"))]
        category: Option<CategoryArg>,
        /// Who publishes the review, for media-review
        #[arg(long, value_name = "NAME", required_if_eq("format", "media-review"))]
        publisher: Option<String>,
        #[command(flatten)]
        at: StoreArg,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum StoreCommand {
    /// Read everything and look for contradictions
    Check {
        #[command(flatten)]
        at: StoreArg,
    },
    /// Everything but the hashes, as JSON Lines on standard output: clips, links, decisions
    Export {
        #[command(flatten)]
        at: StoreArg,
    },
    /// Copy the store into a new file, while others go on using it
    Backup {
        #[command(flatten)]
        at: StoreArg,
        /// The new file
        to: PathBuf,
    },
}
