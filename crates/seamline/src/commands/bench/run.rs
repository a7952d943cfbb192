//! `seamline bench run`: every trial under every condition through the same scan that users run.

use super::cache::ScanCache;
use crate::cli_bench::RunArgs;
use crate::commands::work::{at_once, stop_on_signals};
use crate::output;
use crate::progress::Progress;
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use seamline_core::{
    Aspect, ClipRecord, DetectorId, Evidence, Fuser, Outcome, RunInfo, RunTotals, Sha256Hash, Stage, Subject,
};
use seamline_eval::evidence::CLEAN;
use seamline_eval::ladder::{Condition, LADDER, Ladder};
use seamline_eval::protocol::{Protocol, ProtocolError, Trial};
use seamline_fuse::{FusionData, MaxAspectFuser};
use seamline_infer::Home;
use seamline_pipeline::ScanOptions;
use seamline_pipeline::scan::{Event, Scan};
use seamline_pipeline::supervise::WorkerSetup;
use seamline_report::jsonl;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A condition to run: `None` = clips as they are.
type Rung = Option<&'static Condition>;

/// A trial under one condition: the file that is scanned, or why there is none.
struct Clip<'t> {
    trial: &'t Trial,
    file: Result<(PathBuf, Sha256Hash), String>,
}

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode> {
    let rungs = rungs(&args.conditions)?;
    let protocol = super::protocol(&args.protocol)?;
    let Some(media) = &args.protocol.media else { bail!("--media must say where the clips are") };
    protocol.check_media(media)?;
    fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let cache = args.cache.clone().unwrap_or_else(|| args.out.join("cache"));
    let stop = stop_on_signals()?;
    let sources = sources(&protocol, media)?;
    let ladder =
        if rungs.iter().any(Option::is_some) { Some(Ladder::new(&cache.join("ladder"))?) } else { None };
    let bench = Bench { args, home: Home::resolve(), cache: &cache, stop: &stop };
    let mut all = Vec::new();
    let mut info = None;
    for rung in rungs {
        let clips = clips(rung, ladder.as_ref(), &sources, &stop);
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (run, scans) = bench.scan(rung, &clips)?;
        info = Some(run);
        all.push((rung, clips, scans));
    }
    if stop.load(Ordering::Relaxed) {
        output::complain("interrupted; finished clips are kept, run again to go on");
        return Ok(ExitCode::from(130));
    }
    let Some(info) = info else { bail!("no conditions") };
    let evidence = args.out.join("evidence.jsonl");
    let lost = write_evidence(&evidence, &info, &all)?;
    if lost > 0 {
        output::complain(&format!(
            "{lost} clips lost their worker and were not kept; they count as not judged until a later run judges them"
        ));
    }
    if !args.quiet {
        output::say(&format!("evidence: {}", evidence.display()))?;
    }
    super::score::after_run(args, &protocol, &evidence)
}

fn rungs(names: &[String]) -> Result<Vec<Rung>> {
    let mut rungs: Vec<Rung> = Vec::new();
    for name in names {
        match name.as_str() {
            "all" => {
                rungs.push(None);
                rungs.extend(LADDER.iter().map(Some));
            }
            "ladder" => rungs.extend(LADDER.iter().map(Some)),
            CLEAN => rungs.push(None),
            other => rungs.push(Some(Condition::find(other)?)),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    rungs.retain(|r| seen.insert(r.map(|c| c.id)));
    Ok(rungs)
}

/// Hashes every clip and holds it against the protocol's own hash: figures about other bytes are other figures.
fn sources<'t>(protocol: &'t Protocol, media: &Path) -> Result<Vec<(&'t Trial, PathBuf, Sha256Hash)>> {
    let hashed: Vec<(&Trial, PathBuf, Sha256Hash)> = protocol
        .trials
        .par_iter()
        .map(|trial| {
            let path = media.join(&trial.path);
            let hash = hash(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
            Ok((trial, path, hash))
        })
        .collect::<Result<_>>()?;
    let wrong: Vec<String> = hashed
        .iter()
        .filter(|(t, _, hash)| t.sha256.is_some_and(|h| h != *hash))
        .map(|(t, _, hash)| format!("row {} {} has sha256 {}", t.row, t.path, hash.short()))
        .collect();
    if !wrong.is_empty() {
        return Err(ProtocolError::wrong_files(&wrong).into());
    }
    Ok(hashed)
}

fn hash(path: &Path) -> std::io::Result<Sha256Hash> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 18];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(Sha256Hash::from_bytes(digest.finalize().into())),
            n => digest.update(&block[..n]),
        }
    }
}

/// Re-encodes on every core; each encoder has one thread, so that its bytes do not depend on the machine.
fn clips<'t>(
    rung: Rung,
    ladder: Option<&Ladder>,
    sources: &[(&'t Trial, PathBuf, Sha256Hash)],
    stop: &AtomicBool,
) -> Vec<Clip<'t>> {
    let treat = |(trial, path, original): &(&'t Trial, PathBuf, Sha256Hash)| {
        let file = match (rung, ladder) {
            (Some(condition), Some(ladder)) => {
                if stop.load(Ordering::Relaxed) {
                    return Clip { trial, file: Err("stopped".into()) };
                }
                ladder
                    .make(condition, trial.modality, path, *original)
                    .map_err(|e| e.to_string())
                    .and_then(|p| hash(&p).map(|h| (p, h)).map_err(|e| e.to_string()))
            }
            _ => Ok((path.clone(), *original)),
        };
        Clip { trial, file }
    };
    sources.par_iter().filter(|s| rung.is_none_or(|c| c.takes(s.0.modality))).map(treat).collect()
}

struct Bench<'a> {
    args: &'a RunArgs,
    home: Home,
    cache: &'a Path,
    stop: &'a Arc<AtomicBool>,
}

impl Bench<'_> {
    /// Scans what the cache does not hold.
    fn scan(&self, rung: Rung, clips: &[Clip<'_>]) -> Result<(RunInfo, ScanCache)> {
        let args = self.args;
        let options = ScanOptions {
            profile: args.profile.into(),
            detectors: args.detectors.clone(),
            ..ScanOptions::default()
        };
        let setup = WorkerSetup {
            program: std::env::current_exe().context("finding this program")?,
            options,
            allow_unjailed: args.allow_unjailed,
        };
        let scan = Scan::prepare(&self.home, setup, at_once(args.jobs), false)?;
        let info = scan.info().clone();
        let cache = ScanCache::open(self.cache, info.pipeline_digest)?;
        // The same bytes may stand under several trials of a condition: they are judged once.
        let wanted: BTreeMap<Sha256Hash, PathBuf> = clips
            .iter()
            .filter_map(|c| c.file.as_ref().ok())
            .filter(|(_, hash)| !cache.has(*hash))
            .map(|(path, hash)| (*hash, path.clone()))
            .collect();
        let paths: Vec<PathBuf> = wanted.into_values().collect();
        if paths.is_empty() {
            return Ok((info, cache));
        }
        let name = rung.map_or(CLEAN, |c| c.id);
        let mut progress = Progress::new(Some(paths.len() as u64), !args.quiet);
        let mut broken = None;
        scan.run(Box::new(paths.into_iter()), self.stop, &mut |event| match event {
            Event::Begun { index, path } => {
                let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                progress.begun(index, format!("{name}: {file}"));
            }
            Event::Progress { index, stage, fraction } => progress.at(index, stage, fraction),
            Event::Finished { index, record, .. } => {
                progress.finished(index);
                if broken.is_none()
                    && let Err(e) = cache.put(&record)
                {
                    broken = Some(e);
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
        });
        progress.clear();
        broken.map_or(Ok((info, cache)), Err)
    }
}

/// One file of evidence: each line as a scan writes it, with `trial` and `condition` added and the path as the
/// protocol has it. Says how many clips have no scan.
fn write_evidence(path: &Path, info: &RunInfo, all: &[(Rung, Vec<Clip<'_>>, ScanCache)]) -> Result<usize> {
    let part = path.with_extension("part");
    let file = File::create(&part).with_context(|| format!("{}: cannot be written", part.display()))?;
    let mut out = BufWriter::new(file);
    let fuser = MaxAspectFuser::new(FusionData::current()?);
    let mut totals = RunTotals::default();
    let mut lost = 0;
    out.write_all(jsonl::begin(info)?.as_bytes())?;
    for (rung, clips, cache) in all {
        for clip in clips {
            let lines = match &clip.file {
                Ok((_, hash)) if cache.has(*hash) => cache.get(*hash)?,
                Ok((_, hash)) => {
                    lost += 1;
                    unmade(clip.trial, Some(*hash), Stage::Worker, "lost its worker", &fuser)?
                }
                Err(message) => unmade(clip.trial, None, Stage::Decode, message, &fuser)?,
            };
            for line in lines.lines() {
                let line = addressed(line, clip.trial, rung.map_or(CLEAN, |c| c.id), &mut totals)?;
                writeln!(out, "{line}")?;
            }
        }
    }
    out.write_all(jsonl::end(&totals)?.as_bytes())?;
    out.into_inner()?.sync_all()?;
    fs::rename(&part, path).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(lost)
}

fn addressed(line: &str, trial: &Trial, condition: &str, totals: &mut RunTotals) -> Result<String> {
    let mut value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
    value.insert("path".into(), trial.path.clone().into());
    value.insert("trial".into(), trial.id.clone().into());
    value.insert("condition".into(), condition.into());
    if value.get("type").is_some_and(|t| t == "verdict") {
        totals.clips += 1;
        match value.get("conclusion").and_then(|c| c.as_str()) {
            Some("supports_spoof") => totals.supports_spoof += 1,
            Some("supports_bonafide") => totals.supports_bonafide += 1,
            Some("inconclusive") => totals.inconclusive += 1,
            _ => totals.not_assessable += 1,
        }
    }
    Ok(serde_json::to_string(&value)?)
}

/// Lines of a clip that could not be made or judged: a failure, and a verdict that nothing was assessed.
fn unmade(
    trial: &Trial,
    clip: Option<Sha256Hash>,
    stage: Stage,
    message: &str,
    fuser: &MaxAspectFuser,
) -> Result<String> {
    let evidence = vec![Evidence {
        detector: DetectorId::builtin("seamline"),
        version: env!("CARGO_PKG_VERSION").into(),
        model_sha256: None,
        aspect: Aspect::Integrity,
        families: Vec::new(),
        subject: Subject::Clip,
        rollup: false,
        outcome: Outcome::Failed { stage, message: message.to_owned() },
        quality: seamline_core::Quality::default(),
    }];
    let verdict = fuser.fuse(clip, &evidence);
    let record = ClipRecord {
        path: trial.path.clone(),
        clip,
        size: 0,
        streams: Vec::new(),
        policy: String::new(),
        gaps: Vec::new(),
        evidence,
        exhibits: Vec::new(),
        verdict,
    };
    Ok(jsonl::clip(&record, false)?)
}
