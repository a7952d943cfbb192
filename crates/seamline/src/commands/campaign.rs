//! `seamline campaign` and `seamline store`.

use super::recorder::{must_exist, now, open_store};
use crate::cli_campaign::{Author, CampaignCommand, CategoryArg, ExportFormat, StoreArg, StoreCommand};
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::cluster::{Decision, Ruling};
use seamline_campaign::export::{
    AuthenticityCategory, Dossier, StixFlavour, csv, dump, hash_list, media_review, misp_event, parquet,
    stix_bundle,
};
use seamline_campaign::store::{ClusterSummary, SqlStore, Store, StoreAt};
use seamline_core::ClipId;
use seamline_report::html::campaign_page;
use std::collections::BTreeSet;
use std::process::ExitCode;

fn open(at: &StoreAt) -> Result<SqlStore> {
    must_exist(at)?;
    open_store(at)
}

pub(crate) fn store(command: &StoreCommand) -> Result<ExitCode> {
    match command {
        StoreCommand::Check { at } => {
            let report = open(&at.store)?.check()?;
            for problem in &report.problems {
                output::say(&format!("FAIL {problem}"))?;
            }
            output::say(&format!(
                "{} clips, {} verdicts, {} problems",
                report.clips,
                report.verdicts,
                report.problems.len()
            ))?;
            Ok(ExitCode::from(if report.problems.is_empty() { 0 } else { 2 }))
        }
        StoreCommand::Export { at } => {
            let store = open(&at.store)?;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            dump(&store, &mut out)?;
            std::io::Write::flush(&mut out)?;
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Backup { at, to } => {
            if to.exists() {
                bail!("{} exists already", to.display());
            }
            open(&at.store)?.backup(to).with_context(|| to.display().to_string())?;
            output::say(&format!("copied to {}", to.display()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(crate) fn run(command: &CampaignCommand) -> Result<ExitCode> {
    match command {
        CampaignCommand::List { at, limit, json } => list(at, *limit, *json)?,
        CampaignCommand::Show { id, at, json } => show(at, *id, *json)?,
        CampaignCommand::Timeline { id, at, json } => timeline(at, *id, *json)?,
        CampaignCommand::Merge { ids, by } => {
            decide(by, |store| {
                let mut clips = BTreeSet::new();
                for &id in ids {
                    clips.extend(store.members(id)?);
                }
                Ok(Ruling::Merge { clips })
            })?;
        }
        CampaignCommand::Split { id, clips, by } => {
            decide(by, |store| {
                let all = store.members(*id)?;
                let apart = clips.iter().map(|c| find(&all, c)).collect::<Result<BTreeSet<_>>>()?;
                let from: BTreeSet<ClipId> = all.difference(&apart).copied().collect();
                if from.is_empty() {
                    bail!("that is all of cluster {id}");
                }
                Ok(Ruling::Split { apart, from })
            })?;
        }
        CampaignCommand::Confirm { id, by } => {
            decide(by, |store| Ok(Ruling::Confirm { clips: store.members(*id)? }))?;
        }
        CampaignCommand::Name { id, name, by } => {
            decide(by, |store| {
                let clip = store.members(*id)?.into_iter().next().context("an empty cluster")?;
                Ok(Ruling::Name { clip, name: name.clone() })
            })?;
        }
        CampaignCommand::Reviews { at } => {
            for r in open(&at.store)?.reviews()? {
                output::say(&format!(
                    "{}  {} (was {}, is {} for {})",
                    r.at, r.clip, r.before, r.after, r.cause
                ))?;
            }
        }
        CampaignCommand::Export { id, format, category, publisher, at } => {
            export(at, *id, *format, (*category).zip(publisher.as_deref()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl From<CategoryArg> for AuthenticityCategory {
    fn from(category: CategoryArg) -> Self {
        match category {
            CategoryArg::Decontextualized => Self::DecontextualizedContent,
            CategoryArg::EditedOrCropped => Self::EditedOrCroppedContent,
            CategoryArg::Original => Self::OriginalMediaContent,
            CategoryArg::Satire => Self::SatireOrParodyContent,
            CategoryArg::Staged => Self::StagedContent,
            CategoryArg::Transformed => Self::TransformedContent,
        }
    }
}

/// A clip by the beginning of its hash.
fn find(clips: &BTreeSet<ClipId>, text: &str) -> Result<ClipId> {
    let mut found = clips.iter().filter(|c| c.to_string().starts_with(&text.to_ascii_lowercase()));
    match (found.next(), found.next()) {
        (Some(&clip), None) if !text.is_empty() => Ok(clip),
        (None, _) => bail!("no clip {text} in the cluster"),
        _ => bail!("{text:?} is the beginning of more than one clip"),
    }
}

fn decide(by: &Author, ruling: impl FnOnce(&SqlStore) -> Result<Ruling>) -> Result<()> {
    let mut store = open(&by.at.store)?;
    let ruling = ruling(&store)?;
    store.decide(&Decision { author: by.author.clone(), at: now(), ruling })?;
    output::say("recorded")?;
    Ok(())
}

fn headline(s: &ClusterSummary) -> String {
    let name = s.name.clone().unwrap_or_else(|| format!("cluster of {}", s.founder.short()));
    let standing = if s.confirmed { "campaign" } else { "proposed" };
    let seen = match (&s.first_seen, &s.last_seen) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        (_, Some(last)) => format!("recorded {last}"),
        _ => String::new(),
    };
    format!("{:>5}  {standing:<9} {:>5} clips {:>6} sightings  {name}  {seen}", s.id, s.members, s.sightings)
}

fn list(at: &StoreArg, limit: u32, json: bool) -> Result<()> {
    let all = open(&at.store)?.clusters(limit)?;
    for s in &all {
        output::say(&if json { serde_json::to_string(s)? } else { headline(s) })?;
    }
    if all.is_empty() && !json {
        output::say("no two clips in the store belong together so far")?;
    }
    Ok(())
}

fn show(at: &StoreArg, id: i64, json: bool) -> Result<()> {
    let detail = open(&at.store)?.cluster(id)?;
    if json {
        return Ok(output::say(&serde_json::to_string(&detail)?)?);
    }
    output::say(&headline(&detail.summary))?;
    for clip in &detail.clips {
        let llr = clip.llr.map(|l| format!(", LLR {l:+.2}")).unwrap_or_default();
        output::say(&format!("\n{}  {}\n    {}{llr}", clip.sha256.short(), clip.path, clip.conclusion))?;
    }
    output::say("\nlinks:")?;
    for link in &detail.links {
        output::say(&format!("  {} and {}: {}", link.a.short(), link.b.short(), link.explain()))?;
    }
    for d in &detail.decisions {
        output::say(&format!("{} {} {}", d.at, d.author, d.ruling.in_words()))?;
    }
    Ok(())
}

fn timeline(at: &StoreArg, id: i64, json: bool) -> Result<()> {
    let detail = open(&at.store)?.cluster(id)?;
    for (clip, seen) in &detail.sightings {
        let line = if json {
            serde_json::json!({ "sha256": clip, "url": seen.url, "channel": seen.channel, "seen_at": seen.seen_at })
                .to_string()
        } else {
            format!("{}  {}  {}  {}", seen.seen_at, clip.short(), seen.channel, seen.url)
        };
        output::say(&line)?;
    }
    Ok(())
}

fn export(
    at: &StoreArg,
    id: i64,
    format: ExportFormat,
    judgement: Option<(CategoryArg, &str)>,
) -> Result<()> {
    let store = open(&at.store)?;
    let dossier = Dossier::load(&store, id)?;
    let pretty = |value: serde_json::Value| -> Result<String> { Ok(serde_json::to_string_pretty(&value)?) };
    let text = match format {
        ExportFormat::Stix => pretty(stix_bundle(&dossier, StixFlavour::Plain))?,
        ExportFormat::Opencti => pretty(stix_bundle(&dossier, StixFlavour::OpenCti))?,
        ExportFormat::Misp => pretty(misp_event(&dossier))?,
        ExportFormat::Csv => csv(&dossier),
        ExportFormat::Html => campaign_page(&dossier.with_appearances(&store)?, env!("CARGO_PKG_VERSION")),
        ExportFormat::Parquet => return Ok(output::bytes(&parquet(&dossier)?)?),
        ExportFormat::MediaReview => {
            let (category, publisher) = judgement.context("wants --category and --publisher")?;
            let review = media_review(&dossier, category.into(), publisher);
            pretty(
                review
                    .with_context(|| format!("cluster {id} is no confirmed campaign: nobody reviewed it"))?,
            )?
        }
        ExportFormat::Hashes => {
            let mut text = String::new();
            for clip in &dossier.detail.clips {
                if let Some(observables) = store.observables_of(&clip.sha256)? {
                    text += &hash_list(&observables);
                }
            }
            text
        }
    };
    output::bytes(text.as_bytes())?;
    Ok(())
}
