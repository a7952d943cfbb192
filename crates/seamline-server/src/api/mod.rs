//! The interface for programs.

pub(crate) mod campaigns;
pub(crate) mod clips;
pub(crate) mod jobs;
pub(crate) mod reports;
pub(crate) mod service;
pub(crate) mod tus;
pub(crate) mod upload;

use crate::problem::Problem;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seamline_core::{ClipId, JobId, Moment, Sha256Hash};

/// Rows in one answer unless fewer are asked for.
pub(crate) const PAGE: u32 = 50;
/// Rows in one answer at most.
pub(crate) const MOST: u32 = 200;

pub(crate) fn clip_id(text: &str) -> Result<ClipId, Problem> {
    ClipId::parse(text).ok_or_else(|| Problem::bad("a clip is named by 64 hexadecimal digits"))
}

pub(crate) fn job_id(text: &str) -> Result<JobId, Problem> {
    JobId::parse(text).ok_or_else(|| Problem::bad("a job is named by 64 hexadecimal digits"))
}

pub(crate) fn cursor(text: Option<&str>) -> Result<Option<u64>, Problem> {
    text.map(|t| t.parse().map_err(|_| Problem::bad("the cursor is not one that this server gave")))
        .transpose()
}

pub(crate) fn limit(wanted: Option<u32>) -> Result<u32, Problem> {
    let n = wanted.unwrap_or(PAGE);
    if (1..=MOST).contains(&n) { Ok(n) } else { Err(Problem::bad(format!("limit: 1 to {MOST}"))) }
}

pub(crate) fn moment(name: &str, text: Option<&str>) -> Result<Option<Moment>, Problem> {
    text.filter(|t| !t.is_empty())
        .map(|t| {
            Moment::parse(t).ok_or_else(|| Problem::bad(format!("{name}: not a date or time (RFC 3339)")))
        })
        .transpose()
}

/// An answer that need not be sent again while it is the same.
pub(crate) fn tagged(headers: &HeaderMap, content_type: &'static str, body: String) -> Response {
    let tag = format!("\"{}\"", Sha256Hash::of(body.as_bytes()).short());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let same = known.split(',').any(|t| matches!(t.trim(), "*") || t.trim().trim_start_matches("W/") == tag);
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, content_type)], body).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// As JSON, tagged.
pub(crate) fn json<T: serde::Serialize>(headers: &HeaderMap, value: &T) -> Result<Response, Problem> {
    let body = serde_json::to_string(value).map_err(|e| Problem::internal(&e))?;
    Ok(tagged(headers, "application/json", body))
}
