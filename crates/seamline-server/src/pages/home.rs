//! The first page: hand clips in, see the queue.

use super::words::Words;
use super::{View, badge, bytes, time};
use crate::access::Caller;
use crate::api::jobs::shown;
use crate::api::upload;
use crate::problem::Problem;
use crate::state::App;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use seamline_campaign::store::Role;
use seamline_core::job::{Job, JobCounts, JobError, JobQueue, JobState};

/// Jobs shown.
const ROWS: u32 = 30;

pub(super) async fn page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    view.or_problem(made(&app, &view).await)
}

async fn made(app: &App, view: &View) -> Result<Response, Problem> {
    let seen = if view.may(Role::Read) {
        Some(app.db.run(|db| Ok::<_, JobError>((db.jobs(None, None, ROWS)?, db.counts()?))).await?)
    } else {
        None
    };
    let body = html! {
        h1 class="title" { (view.t("home-title")) }
        p class="lead" { (view.t("home-lead")) }
        (form(view, app.settings.quota.upload_bytes))
        @if let Some((jobs, counts)) = &seen { (queue(view, jobs, counts)) }
    };
    Ok(view.page(&view.t("home-title"), "/", &body))
}

fn form(view: &View, limit: u64) -> Markup {
    html! {
        section aria-labelledby="hand-in" {
            h2 id="hand-in" { (view.t("upload-title")) }
            form id="upload" method="post" action="/upload" enctype="multipart/form-data" {
                (view.ours())
                label class="drop" for="file" {
                    strong { (view.t("upload-drop")) }
                    span class="sub" { (view.words.with("upload-limit", &[("size", bytes(limit).into())])) }
                    input id="file" type="file" name="file" multiple required accept="video/*,audio/*,image/*";
                }
                details {
                    summary { (view.t("upload-more")) }
                    div class="fields" {
                        label { (view.t("field-where")) input name="where" type="url" maxlength="2000" placeholder="https://"; }
                        label { (view.t("field-channel")) input name="channel" maxlength="200"; }
                        label { (view.t("field-when")) input name="when" maxlength="40" placeholder="2026-11-27" pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}.*"; }
                        label class="wide" { (view.t("field-claim")) textarea name="claim" rows="2" maxlength="4000" {} }
                    }
                }
                button { (view.t("upload-button")) }
                ul id="uploads" class="uploads" aria-live="polite" {}
            }
        }
    }
}

pub(super) fn state_words(view: &View, job: &Job) -> Markup {
    html! {
        @match (job.state, &job.conclusion) {
            (JobState::Done, Some(conclusion)) => (badge(&view.words, conclusion)),
            (state, _) => span class={ "state " (state.as_str()) } { (view.t(&format!("state-{}", state.as_str()))) },
        }
    }
}

fn queue(view: &View, jobs: &[Job], counts: &JobCounts) -> Markup {
    let numbers = [
        ("state-queued", counts.queued),
        ("state-running", counts.running),
        ("state-done", counts.done),
        ("state-failed", counts.failed),
        ("state-dead", counts.dead),
    ];
    html! {
        section id="queue" aria-labelledby="queue-h" data-live="jobs" {
            h2 id="queue-h" { (view.t("queue-title")) }
            dl class="numbers" {
                @for (id, n) in numbers { div { dt { (view.t(id)) } dd { (n) } } }
            }
            @if jobs.is_empty() { p { (view.t("queue-empty")) } }
            @else {
                table class="stack" {
                    thead { tr { th scope="col" { (view.t("col-clip")) } th scope="col" { (view.t("col-state")) } th scope="col" { (view.t("col-size")) } th scope="col" { (view.t("col-submitted")) } } }
                    tbody {
                        @for job in jobs {
                            tr {
                                td data-label=(view.t("col-clip")) { a href={ "/jobs/" (job.id) } { (shown(&job.path)) } }
                                td data-label=(view.t("col-state")) {
                                    div {
                                        (state_words(view, job))
                                        @if job.state == JobState::Running { progress max="1" value=(job.fraction) aria-label=(view.t("progress")) {} }
                                        @if let Some(f) = &job.failure { span class="sub" { (f.code.as_str()) } }
                                    }
                                }
                                td data-label=(view.t("col-size")) class="num" { (bytes(job.size)) }
                                td data-label=(view.t("col-submitted")) { (time(&job.submitted_at.to_string())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Takes the form of a browser without script; one with it sends one file after the other to `/v1/clips`.
pub(super) async fn upload(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    let taken = async {
        let form = form.map_err(|e| Problem::bad(e.body_text()))?;
        let form = upload::receive(&app, &caller, form, true).await?;
        let jobs = upload::submit(&app, &caller, form).await?;
        match jobs.as_slice() {
            [] => Err(Problem::bad("no file was chosen")),
            [(job, _)] => Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response()),
            _ => Ok(Redirect::to("/").into_response()),
        }
    };
    view.or_problem(taken.await)
}
