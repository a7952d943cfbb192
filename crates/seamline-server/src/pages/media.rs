//! Bytes of clips for the player, in parts: as types that cannot run anything, and never to be looked at by themselves.

use crate::api::clip_id;
use crate::problem::Problem;
use crate::state::App;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::io::SeekFrom;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// What a browser may be told that a file is, by its first bytes. Nothing in which a script can be.
fn media_type(head: &[u8]) -> &'static str {
    let at = |n: usize, what: &[u8]| head.get(n..n + what.len()) == Some(what);
    if at(4, b"ftyp") {
        if at(8, b"M4A ") { "audio/mp4" } else { "video/mp4" }
    } else if at(0, b"\x1a\x45\xdf\xa3") {
        "video/webm"
    } else if at(0, b"RIFF") && at(8, b"WAVE") {
        "audio/wav"
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        "image/webp"
    } else if at(0, b"OggS") {
        "audio/ogg"
    } else if at(0, b"fLaC") {
        "audio/flac"
    } else if at(0, b"ID3") || (head.first() == Some(&0xff) && head.get(1).is_some_and(|b| b & 0xe6 == 0xe2))
    {
        "audio/mpeg"
    } else if at(0, b"\x89PNG") {
        "image/png"
    } else if at(0, b"\xff\xd8\xff") {
        "image/jpeg"
    } else if at(0, b"GIF8") {
        "image/gif"
    } else {
        "application/octet-stream"
    }
}

/// First and last byte of a single range (RFC 9110, section 14.1.2); `None` = all of it, `Err` = it cannot be met.
fn range(header: Option<&str>, size: u64) -> Result<Option<(u64, u64)>, ()> {
    // Several ranges, and units that nobody knows, may be passed over.
    let Some(spec) = header.and_then(|h| h.strip_prefix("bytes=")).filter(|s| !s.contains(',')) else {
        return Ok(None);
    };
    let Some((from, to)) = spec.trim().split_once('-') else { return Ok(None) };
    let number = |t: &str| t.parse::<u64>().ok();
    let last = size.checked_sub(1).ok_or(())?;
    match (number(from), number(to)) {
        (Some(from), to) if from <= last => {
            let to = to.unwrap_or(last).min(last);
            if to < from { Ok(None) } else { Ok(Some((from, to))) }
        }
        (Some(_), _) => Err(()),
        (None, Some(0)) => Err(()),
        (None, Some(n)) if from.is_empty() => Ok(Some((size.saturating_sub(n), last))),
        _ => Ok(None),
    }
}

pub(super) async fn get(
    State(app): State<App>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = clip_id(&sha256)?;
    let gone = |_| Problem::not_found("its bytes are not kept here");
    let mut file = tokio::fs::File::open(app.media.path(&id)).await.map_err(gone)?;
    let size = file.metadata().await.map_err(|e| Problem::internal(&e))?.len();
    let mut head = [0; 16];
    let read = file.read(&mut head).await.map_err(|e| Problem::internal(&e))?;
    let asked = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
    let (status, from, to) = match range(asked, size) {
        Ok(None) => (StatusCode::OK, 0, size.saturating_sub(1)),
        Ok(Some((from, to))) => (StatusCode::PARTIAL_CONTENT, from, to),
        Err(()) => {
            let mut response = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "").into_response();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(response);
        }
    };
    let length = if size == 0 { 0 } else { to - from + 1 };
    file.seek(SeekFrom::Start(from)).await.map_err(|e| Problem::internal(&e))?;
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), 64 << 10));
    let mut response = (status, body).into_response();
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(&head[..read])));
    set.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    set.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    set.insert("content-security-policy", HeaderValue::from_static("default-src 'none'; sandbox"));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {from}-{to}/{size}"))
    {
        set.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_the_rfc_says() {
        assert_eq!(range(None, 10), Ok(None));
        assert_eq!(range(Some("bytes=0-"), 10), Ok(Some((0, 9))));
        assert_eq!(range(Some("bytes=2-5"), 10), Ok(Some((2, 5))));
        assert_eq!(range(Some("bytes=2-99"), 10), Ok(Some((2, 9))));
        assert_eq!(range(Some("bytes=-3"), 10), Ok(Some((7, 9))));
        assert_eq!(range(Some("bytes=-99"), 10), Ok(Some((0, 9))));
        assert_eq!(range(Some("bytes=10-"), 10), Err(()));
        assert_eq!(range(Some("bytes=0-"), 0), Err(()));
        for odd in ["bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes="] {
            assert_eq!(range(Some(odd), 10), Ok(None), "{odd}");
        }
    }

    #[test]
    fn nothing_is_called_what_can_run() {
        assert_eq!(media_type(b"<svg onload=alert(1)>"), "application/octet-stream");
        assert_eq!(media_type(b"<html>"), "application/octet-stream");
        assert_eq!(media_type(b"\0\0\0\x18ftypisom"), "video/mp4");
        assert_eq!(media_type(b""), "application/octet-stream");
    }
}
