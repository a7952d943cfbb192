//! Clips that come in pieces, by tus 1.0 (tus.io): the core protocol with its extensions creation, termination and
//! expiration. What was said of a clip comes as `Upload-Metadata`, under the names of the form's fields and `filename`.

use super::upload::{Fields, file_name, submit_whole};
use crate::access::Caller;
use crate::problem::Problem;
use crate::state::App;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use seamline_campaign::store::Role;
use seamline_pipeline::queue::resume::{Announced, ResumeError, Resumed, UPLOAD_AGE, Uploads};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use utoipa::ToSchema;

/// The version that is spoken.
const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,termination,expiration";
/// Bytes of `Upload-Metadata`, at most.
const METADATA: usize = 48 << 10;
/// Pieces that wait for the disk; more, and the sender waits.
const PIECES: usize = 16;
const PIECE: &str = "application/offset+octet-stream";

/// How far an upload is.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadView {
    /// Bytes that are there.
    offset: u64,
    /// Bytes in all.
    length: u64,
    /// The job that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

impl From<ResumeError> for Problem {
    fn from(e: ResumeError) -> Self {
        let status = match e {
            ResumeError::Unknown => StatusCode::NOT_FOUND,
            ResumeError::Busy => StatusCode::LOCKED,
            ResumeError::Elsewhere { .. } => StatusCode::CONFLICT,
            ResumeError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ResumeError::TooMany => return Self::busy(StatusCode::TOO_MANY_REQUESTS, e.to_string(), 60),
            ResumeError::Media(e) => return e.into(),
        };
        Self::new(status, e.to_string())
    }
}

/// What every answer carries, refusals too.
pub(crate) async fn mark(mut response: Response) -> Response {
    for name in ["tus-resumable", "tus-version"] {
        response.headers_mut().insert(name, HeaderValue::from_static(VERSION));
    }
    response
}

fn answer(status: StatusCode, more: &[(&'static str, String)]) -> Response {
    let mut response = status.into_response();
    for (name, value) in more {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn expires() -> (&'static str, String) {
    ("upload-expires", httpdate::fmt_http_date(SystemTime::now() + UPLOAD_AGE))
}

fn spoken(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get("tus-resumable").map(HeaderValue::as_bytes) {
        Some(v) if v == VERSION.as_bytes() => Ok(()),
        _ => {
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, format!("Tus-Resumable: {VERSION} is spoken")))
        }
    }
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64, Problem> {
    let text = headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // `parse` would take a sign.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| Problem::bad(format!("{name}: a number of bytes")))
}

/// Names with their values: `name base64,name base64`; a value may be absent.
fn metadata(text: &str) -> Result<BTreeMap<String, String>, Problem> {
    let odd = || Problem::bad("upload-metadata: names, each with a value in base64, and commas between");
    if text.len() > METADATA {
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "upload-metadata is too long"));
    }
    let mut all = BTreeMap::new();
    for pair in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).map_err(|_| odd())?;
        let value = String::from_utf8(value).map_err(|_| odd())?;
        if all.insert(name.to_owned(), value).is_some() {
            return Err(odd());
        }
    }
    Ok(all)
}

/// A name, and what is said; the same rules as for a form.
fn fields(said: &BTreeMap<String, String>) -> Result<(String, Fields), Problem> {
    let (mut fields, mut name) = (Fields::default(), None);
    for (key, value) in said {
        match key.as_str() {
            // What senders of several kinds say of their own accord.
            "filename" | "name" => name = Some(value.as_str()),
            "filetype" | "type" | "relativePath" => {}
            other => fields.set(other, value.trim().to_owned())?,
        }
    }
    Ok((file_name(name), fields))
}

async fn uploads<T: Send + 'static>(
    app: &App,
    f: impl FnOnce(&Uploads) -> Result<T, ResumeError> + Send + 'static,
) -> Result<T, Problem> {
    let uploads = app.uploads.clone();
    let done = tokio::task::spawn_blocking(move || f(&uploads)).await;
    Ok(done.map_err(|e| Problem::internal(&e))??)
}

/// An upload of somebody else's is none.
fn owned(announced: &Announced, caller: &Caller) -> Result<(), Problem> {
    if announced.owner == caller.token || caller.may(Role::Admin) {
        return Ok(());
    }
    Err(ResumeError::Unknown.into())
}

/// What this server speaks.
#[utoipa::path(options, path = "/v1/uploads", tag = "uploads", security(()), responses((status = 204, description = "its versions, extensions and largest clip, as headers")))]
pub(crate) async fn options(State(app): State<App>) -> Response {
    answer(
        StatusCode::NO_CONTENT,
        &[
            ("tus-extension", EXTENSIONS.into()),
            ("tus-max-size", app.settings.quota.upload_bytes.to_string()),
        ],
    )
}

/// Begins an upload (tus 1.0, creation); its address comes as `Location`.
#[utoipa::path(post, path = "/v1/uploads", tag = "uploads",
    params(("Tus-Resumable" = TusVersion, Header), ("Upload-Length" = u64, Header, description = "bytes in all"),
           ("Upload-Metadata" = Option<String>, Header, description = "filename, and the fields of the form, each with its value in base64")),
    responses((status = 201, description = "begun"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 429, body = Problem), (status = 507, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    spoken(&headers)?;
    let length = number(&headers, "upload-length")?;
    if length == 0 {
        return Err(Problem::bad("the file is empty"));
    }
    let limit = app.settings.quota.upload_bytes;
    if length > limit {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the clip is larger than {limit} bytes"),
        ));
    }
    let given = headers.get("upload-metadata").map(HeaderValue::to_str).transpose();
    let said = metadata(given.map_err(|_| Problem::bad("upload-metadata: not text"))?.unwrap_or_default())?;
    // Wrong now is better than wrong when everything has been sent.
    fields(&said)?.1.done(&app, &caller)?;
    let announced = Announced { length, owner: caller.token, said, job: None };
    let id = uploads(&app, move |u| u.begin(&announced)).await?;
    Ok(answer(StatusCode::CREATED, &[("location", format!("/v1/uploads/{id}")), expires()]))
}

/// The version that a request speaks.
#[derive(ToSchema)]
#[allow(dead_code)] // describes a header
pub(crate) enum TusVersion {
    #[schema(rename = "1.0.0")]
    One,
}

/// How far an upload is; as headers for tus (HEAD), and as JSON.
#[utoipa::path(get, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = String, Path)),
    responses((status = 200, body = UploadView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (offset, announced) = uploads(&app, move |u| u.state(&id)).await?;
    owned(&announced, &caller)?;
    let mut more =
        vec![("upload-offset", offset.to_string()), ("upload-length", announced.length.to_string())];
    more.push(expires());
    more.extend(announced.job.iter().map(|job| ("seamline-job", job.clone())));
    let mut response = answer(StatusCode::OK, &more);
    let view = UploadView { offset, length: announced.length, job: announced.job };
    let json = axum::Json(view).into_response();
    response.headers_mut().extend(json.headers().clone());
    *response.body_mut() = json.into_body();
    Ok(response)
}

/// Adds a piece where the last one ended (tus 1.0). The last one makes the job, whose name comes as `Seamline-Job`.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path), ("Tus-Resumable" = TusVersion, Header), ("Upload-Offset" = u64, Header, description = "bytes that are there")),
    request_body(content = String, content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "how far it is now, as Upload-Offset"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 423, body = Problem), (status = 429, body = Problem), (status = 507, body = Problem)))]
pub(crate) async fn patch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    spoken(&headers)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.eq_ignore_ascii_case(PIECE) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("content-type: {PIECE}")));
    }
    let said = number(&headers, "upload-offset")?;
    let _place = app.limiter.upload(caller.token)?;
    let name = id.clone();
    let (_, announced) = uploads(&app, move |u| u.state(&name)).await?;
    owned(&announced, &caller)?;
    let resumed = uploads(&app, move |u| u.resume(&id, said)).await?;
    let (resumed, cut) = receive(&app, resumed, body).await?;
    let at = resumed.at();
    if resumed.is_whole() {
        let job = become_job(&app, &caller, resumed).await?;
        return Ok(answer(
            StatusCode::NO_CONTENT,
            &[("upload-offset", at.to_string()), ("seamline-job", job)],
        ));
    }
    match cut {
        Some(problem) => Err(problem),
        None => Ok(answer(StatusCode::NO_CONTENT, &[("upload-offset", at.to_string()), expires()])),
    }
}

/// Writes a piece as it comes. What came before it was cut off stays; why it was is said beside.
async fn receive(app: &App, resumed: Resumed, body: Body) -> Result<(Resumed, Option<Problem>), Problem> {
    let (give, mut take) = tokio::sync::mpsc::channel::<axum::body::Bytes>(PIECES);
    let writer = tokio::task::spawn_blocking(move || -> (Resumed, Result<(), ResumeError>) {
        let mut resumed = resumed;
        while let Some(piece) = take.blocking_recv() {
            if let Err(e) = resumed.write(&piece) {
                return (resumed, Err(e));
            }
        }
        let kept = resumed.keep().map(|_| ());
        (resumed, kept)
    });
    let mut pieces = body.into_data_stream();
    let (mut size, mut cut) = (0u64, None);
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => {
                size += piece.len() as u64;
                // The writer is gone where the disk said no; it says why itself.
                if give.send(piece).await.is_err() {
                    break;
                }
            }
            Err(_) => {
                cut = Some(Problem::bad("the piece was cut off"));
                break;
            }
        }
    }
    drop(give);
    app.metrics.upload_bytes.fetch_add(size, Ordering::Relaxed);
    let (resumed, written) = writer.await.map_err(|e| Problem::internal(&e))?;
    written?;
    Ok((resumed, cut))
}

/// Makes a job of a whole upload: its name.
async fn become_job(app: &App, caller: &Caller, resumed: Resumed) -> Result<String, Problem> {
    let (name, fields) = fields(&resumed.announced.said)?;
    let said = fields.done(app, caller)?;
    let shared = Arc::new(Mutex::new(resumed));
    let whole = shared.clone();
    let jobs = submit_whole(app, caller, said, move |db| {
        let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
        let (clip, size) = whole.finish(db)?;
        Ok::<_, ResumeError>(vec![(clip, size, name)])
    })
    .await?;
    app.metrics.uploads.fetch_add(1, Ordering::Relaxed);
    let Some((job, _)) = jobs.first() else { return Err(Problem::internal(&"no job")) };
    let id = job.id.to_string();
    let job = id.clone();
    let noted = tokio::task::spawn_blocking(move || {
        shared.lock().unwrap_or_else(PoisonError::into_inner).became(&id)
    });
    noted.await.map_err(|e| Problem::internal(&e))??;
    Ok(job)
}

/// Gives an upload up (tus 1.0, termination). A job that it became stays.
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = String, Path), ("Tus-Resumable" = TusVersion, Header)),
    responses((status = 204, description = "gone"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    spoken(&headers)?;
    let name = id.clone();
    let (_, announced) = uploads(&app, move |u| u.state(&name)).await?;
    owned(&announced, &caller)?;
    uploads(&app, move |u| u.end(&id)).await?;
    Ok(answer(StatusCode::NO_CONTENT, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_upload_is_read_and_checked() {
        let said = metadata("filename Z3LDvMOfZS5tcDQ=, claim YQ==,empty").unwrap();
        let names: Vec<(&str, &str)> = said.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(names, [("claim", "a"), ("empty", ""), ("filename", "grüße.mp4")]);
        for bad in ["a !", "a YQ", "a YQ==,a YQ==", "a /w=="] {
            assert_eq!(metadata(bad).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(metadata(&"a".repeat(METADATA + 1)).unwrap_err().status, 413);
        let (name, _) = fields(&metadata("filename Li4vLi4vYQ==,filetype eA==").unwrap()).unwrap();
        assert_eq!(name, "a");
        assert_eq!(fields(&metadata("colour YQ==").unwrap()).err().unwrap().status, 400);
        assert_eq!(fields(&metadata("priority OTk5").unwrap()).err().unwrap().status, 400);
    }

    #[test]
    fn a_number_of_bytes_is_digits_only() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("upload-offset", HeaderValue::from_static(text));
            number(&headers, "upload-offset").map_err(|p| p.status)
        };
        assert_eq!(of("18446744073709551615"), Ok(u64::MAX));
        for bad in ["", "+1", "-1", "1.0", "0x1", "18446744073709551616", " 1"] {
            assert_eq!(of(bad), Err(400), "{bad}");
        }
    }
}
