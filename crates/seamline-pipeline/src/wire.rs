//! What parent and worker say to each other: length-prefixed JSON over one Unix socket, the clip's descriptor
//! beside the job.

use crate::observe::Parcel;
use crate::options::ScanOptions;
use crate::supervise::Wants;
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use seamline_core::{ClipId, Evidence, Exhibit, Gap, JailStatus, Stage, StreamInfo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;

/// A longer message is a bug or an attack.
const MAX_MESSAGE: u32 = 64 << 20;

/// How a worker is to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) options: ScanOptions,
    /// Go on where the kernel lacks a part of the jail.
    pub(crate) allow_unjailed: bool,
}

/// One clip to judge, or a probe of the jail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Job {
    Clip {
        clip: ClipId,
        size: u64,
        wants: Wants,
    },
    /// Tries something that the jail must refuse; answered by [`Reply::Probed`].
    Probe(Probe),
}

/// What a probe tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// Open an internet socket.
    Socket,
    /// Read a file that it was not given.
    ReadFile,
    /// Start a program.
    Exec,
    /// Die by a signal.
    Crash,
    /// Never answer, asleep.
    Hang,
    /// Never answer, busy.
    Spin,
    /// Allocate without end.
    Allocate,
}

/// What a worker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// Models are loaded and the jail is shut.
    Ready(JailStatus),
    /// It cannot work at all.
    Unfit(String),
    Streams {
        streams: Vec<StreamInfo>,
        policy: String,
    },
    Progress {
        stage: Stage,
        fraction: f32,
    },
    Gap(Gap),
    Evidence(Box<Evidence>),
    Exhibit(Exhibit),
    Observables(Box<Parcel>),
    /// The clip is done.
    Done,
    /// What a probe met: `None` = it was allowed.
    Probed(Option<String>),
}

fn invalid(e: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e.to_string())
}

/// Writes one message.
pub(crate) fn send<T: Serialize>(mut to: &UnixStream, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message).map_err(invalid)?;
    let len = u32::try_from(body.len())
        .ok()
        .filter(|&n| n <= MAX_MESSAGE)
        .ok_or_else(|| invalid("message too long"))?;
    let mut frame = len.to_le_bytes().to_vec();
    frame.extend(body);
    to.write_all(&frame)
}

/// Reads one message; `None` at the end of the stream.
pub(crate) fn receive<T: DeserializeOwned>(mut from: &UnixStream) -> io::Result<Option<T>> {
    let mut len = [0; 4];
    match from.read_exact(&mut len) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let len = u32::from_le_bytes(len);
    if len > MAX_MESSAGE {
        return Err(invalid("message too long"));
    }
    let mut body = Vec::new();
    from.take(u64::from(len)).read_to_end(&mut body)?;
    serde_json::from_slice(&body).map(Some).map_err(invalid)
}

/// Reads replies until the bytes end or one is refused, as the parent does with what a worker sends: for fuzzing.
/// At most 64 KiB are looked at, which a socket holds without a second thread.
#[doc(hidden)]
pub fn fuzz_replies(data: &[u8]) -> io::Result<usize> {
    let (near, mut far) = UnixStream::pair()?;
    far.write_all(&data[..data.len().min(64 << 10)])?;
    drop(far);
    let mut read = 0;
    while receive::<Reply>(&near)?.is_some() {
        read += 1;
    }
    Ok(read)
}

/// Hands a descriptor over, with one marker byte.
pub(crate) fn send_fd(to: &UnixStream, fd: impl AsFd) -> io::Result<()> {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(invalid("no room for a descriptor"));
    }
    sendmsg(to, &[IoSlice::new(&[1])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Takes a descriptor that [`send_fd`] sent.
pub(crate) fn receive_fd(from: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0; 1];
    recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message
            && let Some(fd) = fds.next()
        {
            return Ok(fd);
        }
    }
    Err(invalid("no descriptor came with the job"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;

    #[test]
    fn messages_and_descriptors_arrive() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"clip").unwrap();
        file.rewind().unwrap();
        send(&a, &Job::Probe(Probe::Exec)).unwrap();
        send_fd(&a, &file).unwrap();
        assert!(matches!(receive::<Job>(&b).unwrap(), Some(Job::Probe(Probe::Exec))));
        let mut text = String::new();
        std::fs::File::from(receive_fd(&b).unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "clip");
        drop(a);
        assert!(receive::<Job>(&b).unwrap().is_none());
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_memory_is_taken() {
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(receive::<Job>(&b).is_err());
    }
}
