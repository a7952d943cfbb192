//! One job: how far it is, or how it ended.

use super::home::state_words;
use super::words::Words;
use super::{View, bytes, time};
use crate::access::{Caller, FORM_FIELD};
use crate::api::job_id;
use crate::api::jobs::{find, replay_as, shown};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use seamline_campaign::store::Role;
use seamline_core::job::JobState;
use std::collections::HashMap;

pub(super) async fn page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    Path(id): Path<String>,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    view.or_problem(made(&app, &view, &id).await)
}

async fn made(app: &App, view: &View, id: &str) -> Result<Response, Problem> {
    let (job, attempts) = find(app, job_id(id)?).await?;
    if job.state == JobState::Done && view.may(Role::Read) {
        return Ok(Redirect::to(&format!("/clips/{}", job.sha256)).into_response());
    }
    let name = shown(&job.path);
    let again = matches!(job.state, JobState::Failed | JobState::Dead);
    let body = html! {
        section id="job" data-follow=[(!job.state.is_end()).then(|| format!("/v1/jobs/{}/events", job.id))] {
            h1 { (name) }
            p { (state_words(view, &job)) " " span id="stage" class="sub inline" { (job.stage.map(|s| view.t(&format!("stage-{}", s.as_str()))).unwrap_or_default()) } }
            @if !job.state.is_end() {
                progress id="progress" max="1" value=(job.fraction) aria-label=(view.t("progress")) {}
                p class="sub" { (view.t("job-wait")) }
            }
            @if let Some(f) = &job.failure {
                p { strong { (f.code.as_str()) } ": " (f.message) }
                p { (view.t(&format!("job-{}", job.state.as_str()))) }
            }
            dl class="facts" {
                dt { "SHA-256" } dd { code { (job.sha256) } }
                dt { (view.t("col-size")) } dd { (bytes(job.size)) }
                dt { (view.t("col-submitted")) } dd { (time(&job.submitted_at.to_string())) }
            }
            @if !attempts.is_empty() {
                h2 { (view.t("job-attempts")) }
                ul { @for a in &attempts { li { (time(&a.at.to_string())) " " (a.failure.code.as_str()) ": " (a.failure.message) } } }
            }
            @if again && view.may(Role::Analyst) {
                form method="post" action={ "/jobs/" (job.id) "/replay" } { (view.ours()) button { (view.t("job-replay")) } }
            }
        }
    };
    Ok(view.page(&name, "", &body))
}

pub(super) async fn replay(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    Path(id): Path<String>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    let done = async {
        caller.check_form(form.get(FORM_FIELD).map(String::as_str).unwrap_or_default())?;
        let job = replay_as(&app, &caller, job_id(&id)?).await?;
        Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response())
    };
    view.or_problem(done.await)
}
