//! The parent's side of one worker: start it, give it clips, limit it, replace it.

use crate::wire::{self, Job, Probe, Reply, Start};
use crate::worker::{STAGE, WORKER_ARGUMENT};
use seamline_campaign::observables::Observables;
use seamline_core::{ClipId, Evidence, Exhibit, Gap, JailStatus, Limits, Stage, StreamInfo};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often limits are looked at while a worker works.
const TICK: Duration = Duration::from_millis(100);
/// How long a worker may take to load its models.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Why a worker could not be had.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process could not be started or spoken to.
    #[error("worker: {0}")]
    Io(#[from] io::Error),
    /// It started and says that it cannot work.
    #[error("{0}")]
    Unfit(String),
    /// It died while it loaded.
    #[error("worker ended while it loaded: {0}")]
    Died(String),
}

/// How workers are started.
#[derive(Clone, Debug)]
pub struct WorkerSetup {
    /// The program; it must understand [`WORKER_ARGUMENT`].
    pub program: PathBuf,
    /// What to load.
    pub options: crate::ScanOptions,
    /// Go on where the kernel lacks a part of the jail.
    pub allow_unjailed: bool,
}

/// What a worker found about one clip.
#[derive(Debug, Default)]
pub struct Findings {
    /// Streams of the container.
    pub streams: Vec<StreamInfo>,
    /// How it was decoded and sampled.
    pub policy: String,
    /// Undecoded spans.
    pub gaps: Vec<Gap>,
    /// Statements.
    pub evidence: Vec<Evidence>,
    /// Pictures.
    pub exhibits: Vec<Exhibit>,
    /// What the clip can be recognised by, where that was asked.
    pub observables: Option<Box<Observables>>,
}

/// What is wanted of a clip beside its evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wants {
    /// Pictures for reports.
    pub exhibits: bool,
    /// What it can be recognised by.
    pub observe: bool,
}

/// How a clip ended.
#[derive(Debug)]
pub enum Ending {
    /// The worker finished and can take the next.
    Done,
    /// The worker is gone; the clip's failure, in one line.
    Lost(String),
    /// The run was stopped.
    Stopped,
}

/// Whether a variable may hold what opens a database, a broker or a bucket: whoever judges untrusted clips must not
/// even know it.
fn is_secret(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let ours = [&b"SEAMLINE_STORE"[..], b"SEAMLINE_QUEUE", b"SEAMLINE_MEDIA", b"SEAMLINE_CALLBACK_SECRET"];
    ours.contains(&name) || name.starts_with(b"AWS_") || name.starts_with(b"PG")
}

/// A live worker.
pub struct Worker {
    child: Child,
    socket: UnixStream,
    status: JailStatus,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

impl Worker {
    /// Starts a worker and waits until it is shut in.
    pub fn start(setup: &WorkerSetup) -> Result<Self, WorkerError> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&setup.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
            command.env_remove(name);
        }
        let child = command
            .arg(WORKER_ARGUMENT)
            .env("ORT_DISABLE_TELEMETRY", "1")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(if std::env::var_os("SEAMLINE_WORKER_STDERR").is_some() {
                Stdio::inherit()
            } else {
                Stdio::null()
            })
            .spawn()?;
        let mut worker =
            Self { child, socket: ours, status: JailStatus { seccomp: false, landlock: "none".into() } };
        worker.socket.set_read_timeout(Some(START_LIMIT))?;
        wire::send(
            &worker.socket,
            &Start { options: setup.options.clone(), allow_unjailed: setup.allow_unjailed },
        )?;
        match wire::receive::<Reply>(&worker.socket) {
            Ok(Some(Reply::Ready(status))) => {
                worker.status = status;
                worker.socket.set_read_timeout(Some(TICK))?;
                Ok(worker)
            }
            Ok(Some(Reply::Unfit(message))) => Err(WorkerError::Unfit(message)),
            Ok(_) => Err(WorkerError::Died(worker.obituary())),
            Err(e) => Err(e.into()),
        }
    }

    /// How it is shut in.
    pub fn status(&self) -> &JailStatus {
        &self.status
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Judges one clip.
    #[allow(clippy::too_many_arguments)] // each is a separate fact about the clip
    pub fn clip(
        &mut self,
        file: &File,
        clip: ClipId,
        size: u64,
        wants: Wants,
        limits: &Limits,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Stage, f32),
    ) -> (Findings, Ending) {
        let mut found = Findings::default();
        let sent = wire::send(&self.socket, &Job::Clip { clip, size, wants })
            .and_then(|()| wire::send_fd(&self.socket, file));
        if let Err(e) = sent {
            return (found, Ending::Lost(format!("worker could not be reached: {e}")));
        }
        let mut watch = Watch::new(self.pid(), limits);
        loop {
            match self.next(&mut watch, stop) {
                Next::Reply(reply) => match *reply {
                    Reply::Streams { streams, policy } => {
                        watch.media(&streams, limits);
                        (found.streams, found.policy) = (streams, policy);
                    }
                    Reply::Progress { stage, fraction } => progress(stage, fraction),
                    Reply::Gap(gap) => found.gaps.push(gap),
                    Reply::Evidence(e) => found.evidence.push(*e),
                    Reply::Exhibit(e) => found.exhibits.push(e),
                    Reply::Observables(parcel) => match parcel.unpack(clip) {
                        Ok(observables) => found.observables = Some(Box::new(observables)),
                        Err(e) => return (found, Ending::Lost(format!("observables: {e}"))),
                    },
                    Reply::Done => return (found, Ending::Done),
                    Reply::Ready(_) | Reply::Unfit(_) | Reply::Probed(_) => {
                        return (found, Ending::Lost("worker spoke out of turn".into()));
                    }
                },
                Next::Lost(cause) => return (found, Ending::Lost(cause)),
                Next::Stopped => return (found, Ending::Stopped),
            }
        }
    }

    /// Tries something that the jail must refuse. `Ok(Some)` is the refusal, `Ok(None)` means it was allowed.
    pub fn probe(&mut self, probe: Probe, limits: &Limits) -> Result<Option<String>, String> {
        wire::send(&self.socket, &Job::Probe(probe)).map_err(|e| e.to_string())?;
        match self.next(&mut Watch::new(self.pid(), limits), &AtomicBool::new(false)) {
            Next::Reply(reply) => match *reply {
                Reply::Probed(refusal) => Ok(refusal),
                _ => Err("worker spoke out of turn".into()),
            },
            Next::Lost(cause) => Err(cause),
            Next::Stopped => Err("stopped".into()),
        }
    }

    fn next(&mut self, watch: &mut Watch, stop: &AtomicBool) -> Next {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Next::Stopped;
            }
            if let Some(overrun) = watch.overrun() {
                let _ = self.child.kill();
                return Next::Lost(overrun);
            }
            // Wait for the first byte with a timeout, then read the whole message.
            let mut first = [0; 1];
            match rustix::net::recv(&self.socket, &mut first[..], rustix::net::RecvFlags::PEEK) {
                Ok((0, _)) => return Next::Lost(self.obituary()),
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => continue,
                Err(_) => return Next::Lost(self.obituary()),
            }
            // A worker that stops in the middle of a message is as dead as one that stops before it.
            let patient = self.socket.set_read_timeout(Some(Duration::from_secs(10)));
            let reply = patient.and_then(|()| wire::receive::<Reply>(&self.socket));
            let _ = self.socket.set_read_timeout(Some(TICK));
            return match reply {
                Ok(Some(reply)) => Next::Reply(Box::new(reply)),
                Ok(None) => Next::Lost(self.obituary()),
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    Next::Lost(format!("worker sent nonsense: {e}"))
                }
                Err(_) => Next::Lost(self.obituary()),
            };
        }
    }

    /// How the process ended, once its socket is closed.
    fn obituary(&mut self) -> String {
        use std::os::unix::process::ExitStatusExt;
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return match (status.signal(), status.code()) {
                        (Some(signal), _) => {
                            format!("worker was killed by signal {signal}{}", signal_name(signal))
                        }
                        (None, Some(code)) => format!("worker ended with code {code}"),
                        (None, None) => "worker ended".into(),
                    };
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(e) => return format!("worker ended: {e}"),
            }
        }
        "worker closed its socket".into()
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        6 => " (abort)",
        9 => " (kill)",
        11 => " (segmentation fault)",
        31 => " (forbidden system call)",
        _ => "",
    }
}

enum Next {
    Reply(Box<Reply>),
    Lost(String),
    Stopped,
}

/// Wall-clock and CPU time of one clip.
struct Watch {
    pid: u32,
    began: Instant,
    wall: Duration,
    cpu_at_start: Option<Duration>,
    cpu: Duration,
}

impl Watch {
    fn new(pid: u32, limits: &Limits) -> Self {
        Self {
            pid,
            began: Instant::now(),
            wall: Duration::from_secs(limits.wall_secs),
            cpu_at_start: cpu_time(pid),
            cpu: Duration::from_secs(limits.cpu_secs),
        }
    }

    /// A longer clip may take longer.
    fn media(&mut self, streams: &[StreamInfo], limits: &Limits) {
        let longest = streams.iter().filter(|s| s.judged).filter_map(|s| s.duration).max();
        let secs = longest.map_or(0.0, |d| d.as_secs_f64().clamp(0.0, limits.max_duration_secs as f64));
        let extra =
            Duration::try_from_secs_f64(secs * limits.wall_per_media_sec.max(0.0)).unwrap_or_default();
        self.wall = Duration::from_secs(limits.wall_secs).saturating_add(extra);
    }

    fn overrun(&self) -> Option<String> {
        if self.began.elapsed() > self.wall {
            return Some(format!("stopped at the limit of {} s", self.wall.as_secs()));
        }
        let used = cpu_time(self.pid)?.checked_sub(self.cpu_at_start?)?;
        (used > self.cpu).then(|| format!("stopped at the limit of {} CPU seconds", self.cpu.as_secs()))
    }
}

/// User and system time of a process (proc(5), fields 14 and 15 of stat, in clock ticks).
fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The command name may hold spaces and brackets: fields count from the last closing bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Duration::try_from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64).ok()
}

/// Wall-clock failures are the worker stage's.
pub(crate) const LOST_STAGE: Stage = STAGE;
