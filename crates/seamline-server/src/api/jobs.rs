//! Jobs and what becomes of them.

use super::{cursor, job_id, json, limit};
use crate::access::Caller;
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use seamline_core::job::{Attempt, Job, JobError, JobId, JobQueue, JobState};
use seamline_pipeline::record::now;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// How often a job is looked at for those who follow it.
const TICK: Duration = Duration::from_millis(400);

/// A job as programs see it.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its name.
    id: String,
    /// The clip's SHA-256.
    sha256: String,
    /// The clip's name, as submitted first.
    path: String,
    /// Size in bytes.
    size: u64,
    /// queued, running, done, failed or dead.
    state: &'static str,
    /// -100 to 100; more goes first.
    priority: i8,
    /// Attempts that ended by the clip's fault.
    attempts: u32,
    /// RFC 3339.
    submitted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    /// What is being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    /// 0 to 1; 0 where the clip's length is unknown.
    fraction: f32,
    /// Seconds until it is done, by its pace so far; absent while that says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_secs: Option<f64>,
    /// The verdict's conclusion, once done.
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<String>,
    /// Where the report is, once done.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
    /// Why it ended without a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
    /// Attempts that came to nothing; only in the answer about one job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_attempts: Vec<AttemptView>,
}

/// Why something ended without a verdict.
#[derive(Serialize, ToSchema)]
pub(crate) struct FailureView {
    /// source.gone, source.changed, source.unreadable, deadline.passed, worker.lost or lease.expired.
    code: &'static str,
    /// One line.
    message: String,
}

/// An attempt that came to nothing.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// When it ended.
    at: String,
    /// As in `failure`.
    code: &'static str,
    /// One line.
    message: String,
}

/// Some jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobPage {
    /// The latest first.
    jobs: Vec<JobView>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl JobView {
    pub(crate) fn new(job: &Job, attempts: &[Attempt]) -> Self {
        let time = |m: seamline_core::Moment| m.to_string();
        Self {
            id: job.id.to_string(),
            sha256: job.sha256.to_string(),
            path: shown(&job.path),
            size: job.size,
            state: job.state.as_str(),
            priority: job.priority,
            attempts: job.attempts,
            submitted_at: time(job.submitted_at),
            started_at: job.started_at.map(time),
            ended_at: job.ended_at.map(time),
            deadline: job.deadline.map(time),
            stage: job.stage.map(|s| s.as_str()),
            fraction: job.fraction,
            eta_secs: eta(job),
            conclusion: job.conclusion.clone(),
            report: (job.state == JobState::Done).then(|| format!("/v1/reports/{}", job.sha256)),
            failure: job
                .failure
                .as_ref()
                .map(|f| FailureView { code: f.code.as_str(), message: f.message.clone() }),
            failed_attempts: attempts
                .iter()
                .map(|a| AttemptView {
                    at: time(a.at),
                    code: a.failure.code.as_str(),
                    message: a.failure.message.clone(),
                })
                .collect(),
        }
    }
}

/// The name of a file, without the folders of this machine.
pub(crate) fn shown(path: &str) -> String {
    path.rsplit('/').find(|p| !p.is_empty()).unwrap_or(path).to_owned()
}

/// Seconds left, if the rest goes as what was done.
fn eta(job: &Job) -> Option<f64> {
    if job.state != JobState::Running || !(0.02..1.0).contains(&job.fraction) {
        return None;
    }
    let spent = now().as_millis().saturating_sub(job.started_at?.as_millis()).max(0) as f64 / 1_000.0;
    Some((spent * f64::from((1.0 - job.fraction) / job.fraction)).round())
}

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobFilter {
    /// queued, running, done, failed or dead
    #[param(pattern = "^(queued|running|done|failed|dead)?$")]
    state: Option<String>,
    /// From an earlier answer
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Jobs, the latest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobFilter), responses(
    (status = 200, body = JobPage), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(q): Query<JobFilter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = q
        .state
        .as_deref()
        .filter(|s| !s.is_empty())
        .map(|s| {
            JobState::from_name(s).ok_or_else(|| Problem::bad("state: queued, running, done, failed or dead"))
        })
        .transpose()?;
    let (before, limit) = (cursor(q.cursor.as_deref())?, limit(q.limit)?);
    let jobs = app.db.run(move |db| db.jobs(state, before, limit)).await?;
    let next =
        (jobs.len() as u64 == u64::from(limit)).then(|| jobs.last().map(|j| j.number.to_string())).flatten();
    let jobs = jobs.iter().map(|j| JobView::new(j, &[])).collect();
    json(&headers, &JobPage { jobs, next })
}

pub(crate) async fn find(app: &App, id: JobId) -> Result<(Job, Vec<Attempt>), Problem> {
    app.db
        .run(move |db| {
            let job = db.job(&id)?.ok_or(JobError::NoJob(id))?;
            Ok::<_, JobError>((job, db.attempts(&id)?))
        })
        .await
}

/// One job.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "the job's name", pattern = "^[0-9a-fA-F]{64}$")), responses(
    (status = 200, body = JobView), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (job, attempts) = find(&app, job_id(&id)?).await?;
    json(&headers, &JobView::new(&job, &attempts))
}

/// A server-sent event about a job.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, written by axum")]
pub(crate) struct JobEvent {
    /// `job`.
    event: String,
    /// The job as JSON text, as `GET /v1/jobs/{id}` has it.
    data: String,
}

/// One job, each time something about it changes, until it ends: server-sent events named `job`.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs", params(("id" = String, Path, description = "the job's name", pattern = "^[0-9a-fA-F]{64}$")), responses(
    (status = 200, content_type = "text/event-stream", body = JobEvent), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let id = job_id(&id)?;
    find(&app, id).await?;
    Ok(Sse::new(follow(app, id)).keep_alive(KeepAlive::default()))
}

fn follow(app: App, id: JobId) -> impl Stream<Item = Result<Event, Infallible>> {
    futures_util::stream::unfold((app, String::new(), false), move |(app, last, over)| async move {
        if over {
            return None;
        }
        loop {
            if app.stop.load(Ordering::Relaxed) {
                return None;
            }
            // A store that cannot be read for a moment is asked again; a job does not vanish.
            if let Ok((job, attempts)) = find(&app, id).await {
                let text = serde_json::to_string(&JobView::new(&job, &attempts)).unwrap_or_default();
                if text != last {
                    let event = Event::default().event("job").data(&text);
                    return Some((Ok(event), (app, text, job.state.is_end())));
                }
            }
            tokio::time::sleep(TICK).await;
        }
    })
}

pub(crate) async fn replay_as(app: &App, caller: &Caller, id: JobId) -> Result<Job, Problem> {
    let actor = format!("{} ({})", caller.name, caller.token);
    app.db
        .run(move |db| {
            db.replay(&id, now())?;
            db.audit(now(), &actor, "job.replay", &id.to_string())?;
            db.job(&id)?.ok_or(JobError::NoJob(id))
        })
        .await
}

/// Lets a failed or dead job begin anew.
#[utoipa::path(post, path = "/v1/jobs/{id}/replay", tag = "jobs", params(("id" = String, Path, description = "the job's name", pattern = "^[0-9a-fA-F]{64}$")), responses(
    (status = 202, body = JobView), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn replay(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let job = replay_as(&app, &caller, job_id(&id)?).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(JobView::new(&job, &[]))).into_response())
}
