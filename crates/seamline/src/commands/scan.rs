//! `seamline scan`.

use super::recorder;
use super::seen::Seen;
use super::work::{at_once, options, stop_on_signals};
use crate::cli::ScanArgs;
use crate::output;
use crate::progress::Progress;
use anyhow::{Context, Result, bail};
use seamline_core::{ClipRecord, RunInfo, RunTotals};
use seamline_infer::Home;
use seamline_pipeline::scan::{Event, Scan};
use seamline_pipeline::supervise::WorkerSetup;
use seamline_pipeline::{trust, walk};
use seamline_report::jsonl::JsonlWriter;
use seamline_report::{html, terminal};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

pub(crate) fn run(args: &ScanArgs) -> Result<ExitCode> {
    let setup = WorkerSetup {
        program: std::env::current_exe().context("finding this program")?,
        options: options(&args.look, &args.bounds, args.store.is_some()),
        allow_unjailed: args.bounds.allow_unjailed,
    };
    let jobs = at_once(args.jobs);
    let (paths, total) = paths(args)?;
    let jobs = total.map_or(jobs, |t| jobs.min(usize::try_from(t).unwrap_or(jobs))).max(1);
    let mut sinks = Sinks::open(args)?;
    let seen = args.store.as_ref().map(|_| Seen::from_args(args)).transpose()?.unwrap_or_default();
    let mut recorder = args.store.as_ref().map(recorder::open).transpose()?;
    let mut scan = Scan::prepare(&Home::resolve(), setup, jobs, args.html.is_some())?;
    scan.observe = recorder.is_some();
    let info = scan.info().clone();
    if !info.jail.is_full() {
        output::complain("workers are not fully shut in on this kernel (see `seamline doctor`)");
    }
    if let Some(path) = &args.bounds.trust_list {
        let list = trust::read(path)?;
        if trust::is_old(&list, &trust::today()) {
            let due = list.next_update.or(list.info.issued).unwrap_or_default();
            output::complain(&format!(
                "the trust list {} is old (its own date: {due}); newer signers may be called untrusted",
                path.display()
            ));
        }
    }
    sinks.begin(&info)?;

    let stop = stop_on_signals()?;
    let mut progress = Progress::new(total, !args.quiet);
    let mut broken: Option<anyhow::Error> = None;
    let totals = scan.run(paths, &stop, &mut |event| match event {
        Event::Begun { index, path } => {
            progress
                .begun(index, path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned());
        }
        Event::Progress { index, stage, fraction } => progress.at(index, stage, fraction),
        Event::Finished { index, record, observables } => {
            progress.finished(index);
            if broken.is_none() {
                broken = progress
                    .suspend(|| {
                        // Into the store first: what the report says was done can then be relied on.
                        if let Some(recorder) = &mut recorder {
                            let sightings = record.clip.map(|c| seen.of(&record.path, &c)).unwrap_or_default();
                            let recorded = recorder.record(&record, observables.as_deref(), &info, &sightings)?;
                            if let Some(n) = recorded.map(|r| r.reviews).filter(|n| *n > 0) {
                                output::complain(&format!(
                                    "{}: the verdict changed; near-duplicates to look at again: {n} (`seamline campaign reviews`)",
                                    record.path
                                ));
                            }
                        }
                        sinks.clip(&record, &info)
                    })
                    .err();
                if broken.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    });
    progress.clear();
    if let Some(recorder) = recorder {
        recorder.close()?;
    }
    if let Some(e) = broken {
        return Err(e);
    }
    sinks.end(&totals, &info)?;
    if totals.interrupted {
        output::complain("interrupted; what was finished is written");
        return Ok(ExitCode::from(130));
    }
    Ok(ExitCode::from(u8::from(totals.not_assessable > 0)))
}

type Paths = (Box<dyn Iterator<Item = PathBuf> + Send>, Option<u64>);

fn paths(args: &ScanArgs) -> Result<Paths> {
    if args.paths.iter().any(|p| p.as_os_str() == "-") {
        if args.paths.len() > 1 {
            bail!("- (paths on standard input) cannot stand beside other paths");
        }
        return Ok((Box::new(from_pipe(args.null).flat_map(|p| walk::files(&p))), None));
    }
    // Counting first costs one walk and gives the bar its end.
    let all: Vec<PathBuf> = args.paths.iter().flat_map(|p| walk::files(p)).collect();
    if all.is_empty() {
        bail!(
            "no media files in {}",
            args.paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    let total = all.len() as u64;
    Ok((Box::new(all.into_iter()), Some(total)))
}

/// Paths from standard input, one a line or one a NUL byte; empty ones are passed over.
fn from_pipe(null: bool) -> impl Iterator<Item = PathBuf> + Send {
    use std::os::unix::ffi::OsStringExt;
    let end = if null { 0 } else { b'\n' };
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        io::stdin().lock().read_until(end, &mut line).ok().filter(|&n| n > 0)?;
        if line.last() == Some(&end) {
            line.pop();
        }
        Some(PathBuf::from(std::ffi::OsString::from_vec(line)))
    })
    .filter(|p| !p.as_os_str().is_empty())
}

/// Where results go.
struct Sinks {
    jsonl: Jsonl,
    html: Option<PathBuf>,
    pages: Vec<html::IndexEntry>,
    /// Page names given, and how often each was wanted.
    names: BTreeMap<String, u32>,
    terminal: bool,
    style: terminal::Style,
}

enum Jsonl {
    None,
    Wanted(Target),
    Open(JsonlWriter<Target>),
}

/// A file that is cut back to its last whole clip when the disk is full, or standard output.
enum Target {
    File { file: File, path: PathBuf },
    Stdout,
}

impl Write for Target {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // One call, one piece: all of it or none of it stays.
        match self {
            Self::File { file, .. } => {
                let whole = file.stream_position()?;
                match file.write_all(data) {
                    Ok(()) => Ok(data.len()),
                    Err(e) => {
                        // The write's own error is the one to report; a device cannot be cut back.
                        let _ = file.set_len(whole).and_then(|()| file.seek(io::SeekFrom::Start(whole)));
                        Err(e)
                    }
                }
            }
            Self::Stdout => io::stdout().lock().write_all(data).map(|()| data.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { file, .. } => file.flush(),
            Self::Stdout => io::stdout().flush(),
        }
    }
}

impl Target {
    fn name(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Stdout => "standard output".into(),
        }
    }
}

impl Sinks {
    /// Opens everything before the first clip, so that a wrong path fails at once.
    fn open(args: &ScanArgs) -> Result<Self> {
        let to_stdout = args.out.as_deref().is_some_and(|o| o.as_os_str() == "-");
        let jsonl = match &args.out {
            None => Jsonl::None,
            Some(_) if to_stdout => Jsonl::Wanted(Target::Stdout),
            Some(path) => {
                let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
                let file = file.with_context(|| format!("{}: cannot be written", path.display()))?;
                Jsonl::Wanted(Target::File { file, path: path.clone() })
            }
        };
        if let Some(dir) = &args.html {
            std::fs::create_dir_all(dir).with_context(|| format!("{}: cannot be made", dir.display()))?;
        }
        Ok(Self {
            jsonl,
            html: args.html.clone(),
            pages: Vec::new(),
            names: BTreeMap::new(),
            terminal: !args.quiet && !to_stdout,
            style: terminal::Style::detect(io::stdout().is_terminal()),
        })
    }

    fn begin(&mut self, info: &RunInfo) -> Result<()> {
        if let Jsonl::Wanted(target) = std::mem::replace(&mut self.jsonl, Jsonl::None) {
            let name = target.name();
            self.jsonl = Jsonl::Open(
                JsonlWriter::new(target, info).with_context(|| format!("{name}: writing failed"))?,
            );
        }
        Ok(())
    }

    fn clip(&mut self, record: &ClipRecord, info: &RunInfo) -> Result<()> {
        if let Jsonl::Open(writer) = &mut self.jsonl {
            let result = writer.clip(record);
            let name = writer.get_mut().name();
            result.with_context(|| format!("{name}: writing failed; it ends with the last whole clip"))?;
        }
        if let Some(dir) = &self.html {
            let mut name = html::file_name(record);
            // One name and one content in two folders: two pages.
            let copies = self.names.entry(name.clone()).or_insert(0u32);
            *copies += 1;
            if *copies > 1 {
                name = format!("{}.{copies}.html", name.trim_end_matches(".html"));
            }
            write_file(&dir.join(&name), html::clip_page(record, info).as_bytes())?;
            self.pages.push(html::IndexEntry::new(record, name));
        }
        if self.terminal {
            output::bytes(terminal::clip(record, &self.style).as_bytes())?;
        }
        Ok(())
    }

    fn end(self, totals: &RunTotals, info: &RunInfo) -> Result<()> {
        if let Jsonl::Open(mut writer) = self.jsonl {
            let name = writer.get_mut().name();
            writer.end(totals).with_context(|| format!("{name}: writing failed"))?;
        }
        if let Some(dir) = &self.html {
            let page = html::index_page(&self.pages, totals, info);
            write_file(&dir.join("report.html"), page.as_bytes())?;
        }
        if self.terminal {
            output::bytes(terminal::totals(totals, &self.style).as_bytes())?;
        }
        Ok(())
    }
}

/// Writes beside the final name and renames: a reader never meets half a page.
fn write_file(path: &Path, data: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let result = std::fs::write(&part, data).and_then(|()| std::fs::rename(&part, path));
    if result.is_err() {
        let _ = std::fs::remove_file(&part); // the write's own error is the one that matters
    }
    result.with_context(|| format!("{}: writing failed", path.display()))
}
