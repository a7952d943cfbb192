//! Clips that come over the wire: written as they come, hashed on the way, a job when they are whole.

use super::jobs::JobView;
use crate::access::{Caller, FORM_FIELD};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use seamline_campaign::store::SqlStore;
use seamline_core::grown::SharedError;
use seamline_core::job::{Job, JobError, JobQueue, PRIORITIES, Rules, Sighting};
use seamline_core::{ClipId, Moment};
use seamline_pipeline::queue::{MediaError, Part, Said};
use seamline_pipeline::record::now;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

/// Bytes of a field that is no file, at most.
const TEXT: usize = 16 << 10;
/// Fields and files in one form, at most.
const FIELDS: usize = 300;
/// Pieces of an upload that wait for the disk; more, and the sender waits.
const PIECES: usize = 16;

/// A form with a clip.
#[derive(ToSchema)]
#[allow(dead_code)] // describes the form; multipart is read field by field
pub(crate) struct ClipForm {
    /// The clip.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Where it was seen, a URL.
    r#where: Option<String>,
    /// Who posted it.
    channel: Option<String>,
    /// When it was seen, RFC 3339.
    when: Option<String>,
    /// What is claimed of it.
    claim: Option<String>,
    /// -100 to 100; more goes first.
    priority: Option<i8>,
    /// When its verdict is no longer of use, RFC 3339.
    deadline: Option<String>,
    /// A URL that is told when its job ends; only hosts that the operator listed.
    callback: Option<String>,
}

/// A file that is whole; without its job it leaves nothing.
struct Stored {
    part: Part,
    name: String,
}

/// What is said of a clip, field by field.
#[derive(Default)]
pub(crate) struct Fields {
    said: Said,
    url: String,
    channel: String,
    seen_at: Option<Moment>,
}

impl Fields {
    /// Takes a field; its text is trimmed.
    pub(crate) fn set(&mut self, name: &str, text: String) -> Result<(), Problem> {
        match name {
            "where" => self.url = text,
            "channel" => self.channel = text,
            "when" => self.seen_at = super::moment("when", Some(&text))?,
            "claim" => self.said.claim = text,
            "priority" => self.said.priority = priority(&text)?,
            "deadline" => self.said.deadline = super::moment("deadline", Some(&text))?,
            "callback" => self.said.callback = Some(text).filter(|t| !t.is_empty()),
            other => return Err(Problem::bad(format!("no field is called {:?}", short(other)))),
        }
        Ok(())
    }

    /// All of it, said by this caller now. Refused where it asks for somebody to be told who may not be.
    pub(crate) fn done(mut self, app: &App, caller: &Caller) -> Result<Said, Problem> {
        if let Some(url) = &self.said.callback {
            app.submitter.may_tell(url).map_err(|why| Problem::bad(format!("callback: {why}")))?;
        }
        self.said.by = caller.name.clone();
        if !self.url.is_empty() || !self.channel.is_empty() || self.seen_at.is_some() {
            let seen_at = self.seen_at.unwrap_or_else(now);
            self.said.sightings.push(Sighting { url: self.url, channel: self.channel, seen_at });
        }
        Ok(self.said)
    }
}

/// What came in a form.
pub(crate) struct Form {
    files: Vec<Stored>,
    said: Said,
    /// Whether it said that it is ours.
    pub(crate) ours: bool,
}

fn broken(e: &MultipartError) -> Problem {
    Problem::new(e.status(), format!("the form cannot be read: {}", e.body_text()))
}

/// Reads a form and stores its files. With `page`, the form must say that it is ours before any file comes.
pub(crate) async fn receive(
    app: &App,
    caller: &Caller,
    mut form: Multipart,
    page: bool,
) -> Result<Form, Problem> {
    let _place = app.limiter.upload(caller.token)?;
    let mut got = Form { files: Vec::new(), said: Said::default(), ours: false };
    let mut fields = Fields::default();
    for _ in 0..FIELDS {
        let Some(field) = form.next_field().await.map_err(|e| broken(&e))? else {
            got.said = fields.done(app, caller)?;
            return Ok(got);
        };
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" => {
                if page && !got.ours {
                    return Err(Problem::new(StatusCode::FORBIDDEN, "the form does not say that it is ours"));
                }
                // A form with no file chosen sends an empty one without a name.
                if let Some(stored) = file(app, field).await? {
                    got.files.push(stored);
                }
            }
            FORM_FIELD => {
                caller.check_form(&text(field).await?)?;
                got.ours = true;
            }
            other => {
                let text = text(field).await?;
                fields.set(other, text)?;
            }
        }
    }
    Err(Problem::bad(format!("more than {FIELDS} fields")))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn priority(text: &str) -> Result<i8, Problem> {
    let n = if text.is_empty() { Some(0) } else { text.parse().ok() };
    n.filter(|n| PRIORITIES.contains(n)).ok_or_else(|| {
        Problem::bad(format!("priority: a number from {} to {}", PRIORITIES.start(), PRIORITIES.end()))
    })
}

async fn text(mut field: Field<'_>) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|e| broken(&e))? {
        if bytes.len() + piece.len() > TEXT {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a field is longer than {TEXT} bytes"),
            ));
        }
        bytes.extend_from_slice(&piece);
    }
    let text = String::from_utf8(bytes).map_err(|_| Problem::bad("a field is not UTF-8"))?;
    Ok(text.trim().to_owned())
}

/// What a file is called: the last part of its path, nothing that moves a cursor, of some length. Never used as a path.
pub(crate) fn file_name(given: Option<&str>) -> String {
    let last = given.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
    if name.trim().is_empty() { "upload".into() } else { name.trim().to_owned() }
}

/// Writes a file as it comes. Whatever cuts it off leaves nothing.
async fn file(app: &App, mut field: Field<'_>) -> Result<Option<Stored>, Problem> {
    let name = file_name(field.file_name());
    let empty_name = field.file_name().is_none_or(str::is_empty);
    let (give, mut take) = tokio::sync::mpsc::channel::<axum::body::Bytes>(PIECES);
    let (media, limit) = (app.media.clone(), app.settings.quota.upload_bytes);
    let writer = tokio::task::spawn_blocking(move || -> Result<Option<Part>, Problem> {
        let mut part = media.begin(limit)?;
        while let Some(piece) = take.blocking_recv() {
            // An empty piece is the sender's word that this was all: without it the upload was cut off.
            if piece.is_empty() {
                return Ok(Some(part));
            }
            part.write(&piece)?;
        }
        Ok(None)
    });
    let mut size = 0u64;
    let received = loop {
        match field.chunk().await {
            Ok(Some(piece)) if piece.is_empty() => {}
            Ok(Some(piece)) => {
                size += piece.len() as u64;
                // The writer is gone where the disk said no; it says why itself.
                if give.send(piece).await.is_err() {
                    break Ok(());
                }
            }
            Ok(None) => {
                if size > 0 {
                    let _ = give.send(axum::body::Bytes::new()).await; // as above
                }
                break Ok(());
            }
            Err(e) => break Err(broken(&e)),
        }
    };
    drop(give);
    let stored = writer.await.map_err(|e| Problem::internal(&e))??;
    received?;
    match stored {
        Some(part) => {
            app.metrics.uploads.fetch_add(1, Ordering::Relaxed);
            app.metrics.upload_bytes.fetch_add(size, Ordering::Relaxed);
            Ok(Some(Stored { part, name }))
        }
        None if empty_name => Ok(None),
        None => Err(Problem::bad(format!("{name}: the file is empty"))),
    }
}

/// Makes jobs of what came; each with whether it is new.
pub(crate) async fn submit(app: &App, caller: &Caller, form: Form) -> Result<Vec<(Job, bool)>, Problem> {
    let Form { files, said, .. } = form;
    let finish = move |db: &mut SqlStore| {
        files.into_iter().map(|f| f.part.finish(db).map(|(clip, size)| (clip, size, f.name))).collect()
    };
    submit_whole::<MediaError>(app, caller, said, finish).await
}

/// Makes jobs of clips that `finish` puts into the media folder: name, size, and what each is called.
pub(crate) async fn submit_whole<E: Into<Problem> + Send + 'static>(
    app: &App,
    caller: &Caller,
    said: Said,
    finish: impl FnOnce(&mut SqlStore) -> Result<Vec<(ClipId, u64, String)>, E> + Send + 'static,
) -> Result<Vec<(Job, bool)>, Problem> {
    let actor = format!("{} ({})", caller.name, caller.token);
    let (media, submitter) = (app.media.clone(), app.submitter.clone());
    let whole = app.db.run(finish).await?;
    // Where other machines judge too they must find it; that may take a while, and needs no store.
    let placed = tokio::task::spawn_blocking(move || -> Result<_, SharedError> {
        let place = |clip: &ClipId| submitter.place(clip, media.path(clip));
        let sources = whole.iter().map(|(clip, ..)| place(clip)).collect::<Result<Vec<_>, _>>()?;
        Ok((submitter, whole, sources))
    });
    let (submitter, whole, sources) = placed.await.map_err(|e| Problem::internal(&e))??;
    app.db
        .run(move |db| {
            let mut jobs = Vec::new();
            for ((clip, size, name), source) in whole.into_iter().zip(sources) {
                let s = submitter.known(clip, size, name, source, &said);
                let at = now();
                let submitted = db.submit(&s, &Rules::default(), at)?;
                db.audit(at, &actor, "clip.submit", &clip.to_string())?;
                let job = db.job(&submitted.id)?.ok_or(JobError::NoJob(submitted.id))?;
                jobs.push((job, submitted.new));
            }
            Ok::<_, Problem>(jobs)
        })
        .await
}

/// Hands a clip in. The same bytes again are the same job: 200 then, 202 when it is new.
#[utoipa::path(post, path = "/v1/clips", tag = "clips", request_body(content = ClipForm, content_type = "multipart/form-data"), responses(
    (status = 200, body = JobView, description = "known already"), (status = 202, body = JobView, description = "in the queue"),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem), (status = 429, body = Problem), (status = 507, body = Problem)))]
pub(crate) async fn post(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<Response, Problem> {
    let form = form.map_err(|e| Problem::bad(e.body_text()))?;
    let form = receive(&app, &caller, form, false).await?;
    if form.files.len() != 1 {
        return Err(Problem::bad("exactly one field called file is needed"));
    }
    let jobs = submit(&app, &caller, form).await?;
    let Some((job, new)) = jobs.first() else { return Err(Problem::bad("no file")) };
    let status = if *new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let location = format!("/v1/jobs/{}", job.id);
    Ok((status, [(header::LOCATION, location)], axum::Json(JobView::new(job, &[]))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_no_path() {
        assert_eq!(file_name(Some("../../etc/passwd")), "passwd");
        assert_eq!(file_name(Some("C:\\clips\\a\u{1b}[2J.mp4")), "a[2J.mp4");
        assert_eq!(file_name(Some("..")), "..");
        assert_eq!(file_name(Some(" ")), "upload");
        assert_eq!(file_name(None), "upload");
        assert_eq!(file_name(Some(&"x".repeat(999))).len(), 200);
    }
}
