//! `seamline ingest`: a manifest, line by line.
//!
//! Lines are read, their files hashed and handed in a few at a time; how far the manifest was read is written in the
//! same step. Memory does not grow with the manifest: what waits lies in the store.

use super::grown::{self, patiently};
use super::recorder::open_store;
use super::work::{stop_on_signals, tell};
use crate::cli_ingest::IngestArgs;
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::moment::Moment;
use seamline_campaign::store::{ManifestMark, SqlStore};
use seamline_core::Sha256Hash;
use seamline_core::job::{JobState, PRIORITIES, Rules, Sighting, Submission};
use seamline_infer::Home;
use seamline_pipeline::queue::{Note, Outlet, Said, Submitter};
use seamline_pipeline::record::now;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A longer line is no line of a manifest. Claims are sentences, not books.
const MAX_LINE: u64 = 64 << 10;
/// Lines handed in at a time.
const BATCH: usize = 64;
/// How often ended jobs are written to the report file.
const TICK: Duration = Duration::from_millis(250);

/// A line of a manifest. Fields that are not known are passed over, so that a list made for others can be used.
#[derive(Deserialize)]
struct Line {
    path: PathBuf,
    #[serde(default)]
    who: String,
    #[serde(default)]
    r#where: String,
    #[serde(default)]
    channel: String,
    when: Option<Moment>,
    #[serde(default)]
    claim: String,
    #[serde(default)]
    priority: i64,
    deadline: Option<Moment>,
    callback: Option<String>,
}

pub(crate) fn run(args: &IngestArgs) -> Result<ExitCode> {
    let mut manifest = Manifest::open(args)?;
    let stop = stop_on_signals()?;
    let bad = AtomicU64::new(0);
    let mut submitter = Submitter::new(&Home::resolve(), &args.work.options(), "ingest")?;
    submitter.shared = grown::media(args.shared.media.as_ref(), &args.at.store)?;
    submitter.herald = grown::herald(&args.callbacks)?;
    let mut store = open_store(&args.at.store)?;
    manifest.resume(&store, args.again)?;
    if args.submit_only {
        manifest.submit(&submitter, &mut store, &stop, &bad)?;
    } else {
        let mut outlet = args.out.as_deref().map(|out| Outlet::open(out, &mut store)).transpose()?;
        let broker = grown::broker(args.shared.queue.as_ref())?;
        let mut runner = args.work.runner(&args.at.store)?;
        (runner.broker, runner.media) = (broker, submitter.shared.clone());
        runner.herald = submitter.herald.clone();
        let (drain, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let quiet = args.quiet;
        let judged = std::thread::scope(|scope| -> Result<()> {
            let reader = scope.spawn(|| {
                let read = manifest.submit(&submitter, &mut store, &stop, &bad);
                drain.store(true, Ordering::Relaxed);
                read
            });
            let writer = outlet.as_mut().map(|outlet| {
                let (over, stop) = (&over, &stop);
                scope.spawn(move || -> Result<()> {
                    let mut store = open_store(&args.at.store)?;
                    loop {
                        let last = over.load(Ordering::Relaxed);
                        patiently(stop, || Ok(outlet.write(&mut store)?))?;
                        if last {
                            return Ok(());
                        }
                        std::thread::sleep(TICK);
                    }
                })
            });
            let ran = runner.run(&drain, &stop, &|note| {
                if let Note::Ended(_, JobState::Failed | JobState::Dead, _) = note {
                    bad.fetch_add(1, Ordering::Relaxed);
                }
                tell(&note, quiet);
            });
            if ran.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            over.store(true, Ordering::Relaxed);
            let died = |_| anyhow::anyhow!("a thread died");
            reader.join().map_err(died)??;
            if let Some(writer) = writer {
                writer.join().map_err(died)??;
            }
            Ok(ran?)
        });
        judged?;
        runner.close()?;
    }
    if stop.load(Ordering::Relaxed) {
        output::complain("interrupted; run it again to go on");
        return Ok(ExitCode::from(130));
    }
    Ok(ExitCode::from(u8::from(bad.load(Ordering::Relaxed) > 0)))
}

/// A manifest that is being read.
struct Manifest {
    from: Box<dyn BufRead + Send>,
    /// For messages.
    name: String,
    /// What paths in it are relative to.
    folder: PathBuf,
    /// How far it was read; `None` for a pipe, which begins where it begins.
    mark: Option<ManifestMark>,
    file: Option<File>,
}

impl Manifest {
    fn open(args: &IngestArgs) -> Result<Self> {
        if args.manifest.as_os_str() == "-" {
            return Ok(Self {
                from: Box::new(BufReader::new(io::stdin())),
                name: "standard input".into(),
                folder: PathBuf::new(),
                mark: None,
                file: None,
            });
        }
        let name = args.manifest.display().to_string();
        let file = File::open(&args.manifest).with_context(|| name.clone())?;
        let path = std::fs::canonicalize(&args.manifest).with_context(|| name.clone())?;
        let mut first = BufReader::new(file.try_clone()?);
        let mut head = Vec::new();
        first.by_ref().take(MAX_LINE).read_until(b'\n', &mut head).with_context(|| name.clone())?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let mark = ManifestMark { path, head: Sha256Hash::of(&head), offset: 0, line: 0 };
        Ok(Self { from: Box::new(io::empty()), name, folder, mark: Some(mark), file: Some(file) })
    }

    /// Goes to where it was read to before, unless it is another manifest by now.
    fn resume(&mut self, store: &SqlStore, again: bool) -> Result<()> {
        let (Some(mark), Some(mut file)) = (&mut self.mark, self.file.take()) else { return Ok(()) };
        let length = file.metadata()?.len();
        let known =
            store.manifest(&mark.path)?.filter(|m| m.head == mark.head && m.offset <= length && !again);
        if let Some(known) = known {
            if known.offset > 0 {
                output::complain(&format!("{}: goes on after line {}", self.name, known.line));
            }
            *mark = known;
        }
        file.seek(SeekFrom::Start(mark.offset))?;
        self.from = Box::new(BufReader::new(file));
        Ok(())
    }

    /// Hands everything in. Lines that cannot be used are named, counted and passed over.
    fn submit(
        &mut self,
        submitter: &Submitter,
        store: &mut SqlStore,
        stop: &AtomicBool,
        bad: &AtomicU64,
    ) -> Result<()> {
        let rules = Rules::default();
        let (mut offset, mut number) = self.mark.as_ref().map_or((0, 0), |m| (m.offset, m.line));
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let text = next_line(&mut self.from, &mut offset).with_context(|| self.name.clone())?;
            let ended = text.is_none();
            match text {
                Some(Text::Line(text)) => {
                    number += 1;
                    match patiently(stop, || self.submission(&text, submitter, stop)) {
                        Ok(Some(Some(s))) => batch.push(s),
                        Ok(Some(None)) => {}
                        Ok(None) => return Ok(()),
                        Err(_) if stop.load(Ordering::Relaxed) => return Ok(()),
                        Err(e) => complain(&self.name, number, &e.to_string(), bad),
                    }
                }
                Some(Text::TooLong) => {
                    number += 1;
                    complain(&self.name, number, &format!("longer than {MAX_LINE} bytes"), bad);
                }
                None => {}
            }
            if ended || batch.len() >= BATCH {
                let mark = self.mark.as_ref().map(|m| ManifestMark { offset, line: number, ..m.clone() });
                if patiently(stop, || Ok(store.submit_from(&batch, &rules, now(), mark.as_ref())?))?.is_none()
                {
                    return Ok(());
                }
                batch.clear();
            }
            if ended || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }

    /// `None` for an empty line.
    fn submission(
        &self,
        text: &[u8],
        submitter: &Submitter,
        stop: &AtomicBool,
    ) -> Result<Option<Submission>> {
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        let line: Line = serde_json::from_slice(text)?;
        if line.path.as_os_str().is_empty() {
            bail!("an empty path");
        }
        let priority = i8::try_from(line.priority).ok().filter(|p| PRIORITIES.contains(p));
        let Some(priority) = priority else {
            bail!(
                "priority {} is not between {} and {}",
                line.priority,
                PRIORITIES.start(),
                PRIORITIES.end()
            );
        };
        let seen = !line.r#where.is_empty() || !line.channel.is_empty() || line.when.is_some();
        let sighting = || Sighting {
            url: line.r#where.clone(),
            channel: line.channel.clone(),
            seen_at: line.when.unwrap_or_else(now),
        };
        // The clip is judged all the same: a list may have been made where others may be told.
        let callback = line.callback.filter(|url| match submitter.may_tell(url) {
            Ok(()) => true,
            Err(why) => {
                let path = line.path.display();
                output::complain(&format!("{}: {path}: {url} will not be told: {why}", self.name));
                false
            }
        });
        let said = Said {
            by: line.who.clone(),
            claim: line.claim.clone(),
            sightings: seen.then(sighting).into_iter().collect(),
            priority,
            deadline: line.deadline,
            callback,
        };
        Ok(Some(submitter.file(&self.folder.join(&line.path), &said, stop)?))
    }
}

fn complain(name: &str, number: u64, what: &str, bad: &AtomicU64) {
    bad.fetch_add(1, Ordering::Relaxed);
    output::complain(&format!("{name}: line {number}: {what}"));
}

enum Text {
    Line(Vec<u8>),
    TooLong,
}

/// The next line, without taking more memory than a line may have; `None` at the end.
fn next_line(from: &mut dyn BufRead, offset: &mut u64) -> io::Result<Option<Text>> {
    let mut line = Vec::new();
    let read = from.take(MAX_LINE).read_until(b'\n', &mut line)?;
    *offset += read as u64;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') || (read as u64) < MAX_LINE {
        return Ok(Some(Text::Line(line)));
    }
    loop {
        let (used, whole) = {
            let buffer = from.fill_buf()?;
            match buffer.iter().position(|b| *b == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            }
        };
        from.consume(used);
        *offset += used as u64;
        if whole {
            return Ok(Some(Text::TooLong));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_and_endless_ones_are_passed_over_without_being_kept() {
        let mut text = b"one\n\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * MAX_LINE as usize));
        text.extend(b"\nlast");
        let (mut from, mut offset) = (io::Cursor::new(&text), 0);
        let mut next = || match next_line(&mut from, &mut offset).unwrap() {
            Some(Text::Line(line)) => Some(String::from_utf8(line).unwrap()),
            Some(Text::TooLong) => Some("too long".into()),
            None => None,
        };
        let all: Vec<String> = std::iter::from_fn(&mut next).collect();
        assert_eq!(all, ["one\n", "\n", "too long", "last"]);
        assert_eq!(offset, text.len() as u64);
    }
}
