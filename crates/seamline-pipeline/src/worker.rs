//! The worker process: load, shut in, then one clip after another until the parent hangs up.

use crate::analyse::{Note, analyse};
use crate::engine::{Engine, Plan};
use crate::jail;
use crate::observe::Parcel;
use crate::supervise::Wants;
use crate::wire::{self, Job, Probe, Reply, Start};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seamline_core::{ClipId, Exhibit, JailStatus, Stage};
use seamline_detect::Picture;
use seamline_infer::Home;
use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;

/// The hidden argument that makes the program a worker.
pub const WORKER_ARGUMENT: &str = "__worker";

/// Runs a worker whose socket is standard input. Returns when the parent hangs up.
pub fn run() -> io::Result<()> {
    // A worker must not outlive its parent.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?);
    let Some(start) = wire::receive::<Start>(&socket)? else { return Ok(()) };
    let (engine, status) = match prepare(&start) {
        Ok(ready) => ready,
        Err(message) => return wire::send(&socket, &Reply::Unfit(message)),
    };
    wire::send(&socket, &Reply::Ready(status))?;
    while let Some(job) = wire::receive::<Job>(&socket)? {
        match job {
            Job::Probe(probe) => wire::send(&socket, &Reply::Probed(try_probe(probe)))?,
            Job::Clip { clip: id, wants, .. } => {
                let file = File::from(wire::receive_fd(&socket)?);
                clip(file, &engine, &start, wants, id, &socket)?;
            }
        }
    }
    Ok(())
}

fn prepare(start: &Start) -> Result<(Engine, JailStatus), String> {
    let home = Home::resolve();
    jail::limit_resources(&start.options.limits).map_err(|e| e.to_string())?;
    let plan = Plan::new(&home, &start.options).map_err(|e| e.to_string())?;
    let trust = match &start.options.trust_list {
        Some(path) => crate::trust::read(path).map_err(|e| e.to_string())?.trust,
        None => seamline_provenance::Trust::default(),
    };
    let engine = Engine::load(&home, &plan, trust).map_err(|e| e.to_string())?;
    seamline_media::warm_up();
    match jail::enter() {
        Ok(status) if status.is_full() || start.allow_unjailed => Ok((engine, status)),
        Ok(status) => Err(format!(
            "this kernel cannot shut a worker in (landlock {}); --allow-unjailed goes on without",
            status.landlock
        )),
        Err(_) if start.allow_unjailed => {
            Ok((engine, JailStatus { seccomp: false, landlock: "none".into() }))
        }
        Err(e) => Err(format!("{e}; --allow-unjailed goes on without")),
    }
}

fn clip(
    file: File,
    engine: &Engine,
    start: &Start,
    wants: Wants,
    id: ClipId,
    socket: &UnixStream,
) -> io::Result<()> {
    let mut broken = None;
    analyse(file, engine, &start.options, wants.exhibits, wants.observe.then_some(id), &mut |note| {
        if broken.is_some() {
            return;
        }
        let reply = match note {
            Note::Streams(streams, policy) => Reply::Streams { streams, policy },
            Note::Progress(stage, fraction) => Reply::Progress { stage, fraction },
            Note::Gap(gap) => Reply::Gap(gap),
            Note::Evidence(evidence) => Reply::Evidence(Box::new(evidence)),
            Note::Picture(picture) => match exhibit(picture) {
                Some(exhibit) => Reply::Exhibit(exhibit),
                None => return,
            },
            Note::Observables(observables) => match Parcel::pack(&observables) {
                Ok(parcel) => Reply::Observables(Box::new(parcel)),
                Err(_) => return, // a record that cannot be written is as good as none
            },
        };
        broken = wire::send(socket, &reply).err();
    });
    match broken {
        Some(e) => Err(e),
        None => wire::send(socket, &Reply::Done),
    }
}

fn exhibit(picture: Picture) -> Option<Exhibit> {
    // Faces as JPEG; spectrograms and curves are flat and small as PNG.
    let still = if matches!(picture.kind, "spectrogram" | "curve") {
        seamline_media::encode_png(&picture.frame)
    } else {
        seamline_media::encode_jpeg(&picture.frame, 88)
    };
    let still = still.ok()?;
    Some(Exhibit {
        kind: picture.kind.into(),
        subject: picture.subject,
        caption: picture.caption,
        media_type: still.media_type.into(),
        base64: STANDARD.encode(still.bytes),
        heat: picture.heat,
        path: picture.path,
    })
}

/// Tries what the jail must refuse; `Some` is the refusal.
fn try_probe(probe: Probe) -> Option<String> {
    match probe {
        Probe::Socket => std::net::UdpSocket::bind("127.0.0.1:0").err().map(|e| e.to_string()),
        Probe::ReadFile => File::open("/etc/passwd").err().map(|e| e.to_string()),
        Probe::Exec => std::process::Command::new("/bin/true").spawn().err().map(|e| e.to_string()),
        Probe::Crash => std::process::abort(),
        Probe::Hang => loop {
            std::thread::park();
        },
        Probe::Spin => {
            let mut n = 0u64;
            while std::hint::black_box(n) < u64::MAX {
                n += 1;
            }
            None
        }
        Probe::Allocate => {
            let mut all = Vec::new();
            for _ in 0..1 << 20 {
                let mut block: Vec<u8> = Vec::new();
                if let Err(e) = block.try_reserve_exact(64 << 20) {
                    return Some(e.to_string());
                }
                all.push(block);
            }
            None
        }
    }
}

/// The stage that a worker's own failures are reported at.
pub(crate) const STAGE: Stage = Stage::Worker;
