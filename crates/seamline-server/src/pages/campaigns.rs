//! Campaigns: the list, one of them, and what analysts decide.

use super::words::Words;
use super::{View, badge, time};
use crate::access::{Caller, FORM_FIELD};
use crate::api::campaigns::{Wish, decide, in_words, number};
use crate::api::clip_id;
use crate::api::jobs::shown;
use crate::problem::Problem;
use crate::state::App;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use seamline_campaign::store::{ClusterDetail, ClusterSummary, Role, Store};

fn title(view: &View, s: &ClusterSummary) -> String {
    s.name
        .clone()
        .unwrap_or_else(|| view.words.with("campaign-unnamed", &[("clip", s.founder.short().into())]))
}

fn standing(view: &View, s: &ClusterSummary) -> Markup {
    let (class, id) =
        if s.confirmed { ("done", "campaign-confirmed") } else { ("queued", "campaign-proposed") };
    html! { span class={ "state " (class) } { (view.t(id)) } }
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    view.or_problem(listed(&app, &view).await)
}

async fn listed(app: &App, view: &View) -> Result<Response, Problem> {
    let all = app.db.run(|db| db.clusters(super::ROWS)).await?;
    let analyst = view.may(Role::Analyst);
    let body = html! {
        h1 class="title" { (view.t("campaigns-title")) }
        p class="lead" { (view.t("campaigns-lead")) }
        section aria-label=(view.t("campaigns-title")) {
            @if all.is_empty() { p { (view.t("campaigns-none")) } }
            @else {
                form method="post" action="/campaigns/merge" {
                    (view.ours())
                    table class="stack" {
                        thead { tr {
                            @if analyst { th scope="col" { (view.t("campaign-choose")) } }
                            th scope="col" { (view.t("campaign")) } th scope="col" { (view.t("col-state")) } th scope="col" { (view.t("campaign-clips")) } th scope="col" { (view.t("campaign-sightings")) } th scope="col" { (view.t("campaign-last")) }
                        } }
                        tbody {
                            @for s in &all {
                                tr {
                                    @if analyst { td data-label=(view.t("campaign-choose")) { input type="checkbox" name="id" value=(s.id) aria-label=(title(view, s)); } }
                                    td data-label=(view.t("campaign")) { a href={ "/campaigns/" (s.id) } { (title(view, s)) } }
                                    td data-label=(view.t("col-state")) { (standing(view, s)) }
                                    td data-label=(view.t("campaign-clips")) class="num" { (s.members) }
                                    td data-label=(view.t("campaign-sightings")) class="num" { (s.sightings) }
                                    td data-label=(view.t("campaign-last")) { @if let Some(t) = s.last_seen { (time(&t.to_string())) } }
                                }
                            }
                        }
                    }
                    @if analyst { p { button { (view.t("campaign-merge")) } " " span class="sub inline" { (view.t("campaign-merge-note")) } } }
                }
            }
        }
    };
    Ok(view.page(&view.t("campaigns-title"), "/campaigns", &body))
}

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
    let id = number(id)?;
    let d = app.db.run(move |db| db.cluster(id)).await?;
    let name = title(view, &d.summary);
    let analyst = view.may(Role::Analyst);
    let body = html! {
        h1 class="title" { (name) }
        p { (standing(view, &d.summary)) }
        @if analyst { (deciding(view, &d)) }
        section aria-labelledby="clips" {
            h2 id="clips" { (view.t("campaign-clips")) }
            form method="post" action={ "/campaigns/" (id) "/split" } {
                (view.ours())
                ul class="matches" {
                    @for c in &d.clips {
                        li {
                            @if analyst { input type="checkbox" name="clip" value=(c.sha256) aria-label=(shown(&c.path)); " " }
                            a href={ "/clips/" (c.sha256) } { (shown(&c.path)) } " " (badge(&view.words, &c.conclusion))
                            span class="sub" { code { (c.sha256.short()) } }
                        }
                    }
                }
                @if analyst && d.clips.len() > 1 { button { (view.t("campaign-split")) } }
            }
        }
        section aria-labelledby="times" {
            h2 id="times" { (view.t("campaign-timeline")) }
            @if d.sightings.is_empty() { p { (view.t("campaign-unseen")) } }
            @else {
                ol class="matches" {
                    @for (clip, s) in &d.sightings {
                        li { (time(&s.seen_at.to_string())) " " strong { (s.channel) } " " code { (clip.short()) } span class="sub" { (s.url) } }
                    }
                }
            }
        }
        section aria-labelledby="links" {
            h2 id="links" { (view.t("campaign-links")) }
            ul { @for l in &d.links { li { (l.explain()) } } }
        }
        @if !d.decisions.is_empty() {
            section aria-labelledby="decisions" {
                h2 id="decisions" { (view.t("campaign-decisions")) }
                ul { @for x in &d.decisions { li { (in_words(x)) } } }
            }
        }
    };
    Ok(view.page(&name, "/campaigns", &body))
}

fn deciding(view: &View, d: &ClusterDetail) -> Markup {
    let id = d.summary.id;
    html! {
        section aria-label=(view.t("campaign-decide")) {
            div class="fields" {
                form method="post" action={ "/campaigns/" (id) "/name" } {
                    (view.ours())
                    label { (view.t("campaign-name")) input name="name" required maxlength="200" value=[d.summary.name.as_deref()]; }
                    button { (view.t("campaign-name-button")) }
                }
                @if !d.summary.confirmed {
                    form method="post" action={ "/campaigns/" (id) "/confirm" } {
                        (view.ours())
                        button { (view.t("campaign-confirm")) }
                    }
                }
            }
        }
    }
}

/// Names and values of a form, in order; a name may come more than once.
fn fields(body: &Bytes) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// Checks that a form is ours, makes a wish of it, and has it done.
async fn wished(
    app: App,
    caller: Caller,
    words: Words,
    body: Bytes,
    wish: impl FnOnce(&[(String, String)]) -> Result<Wish, Problem>,
    back: String,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    let done = async {
        let fields = fields(&body);
        let given = fields.iter().find(|(n, _)| n == FORM_FIELD).map(|(_, v)| v.as_str());
        caller.check_form(given.unwrap_or_default())?;
        decide(&app, &caller, wish(&fields)?).await?;
        Ok(Redirect::to(&back).into_response())
    };
    view.or_problem(done.await)
}

fn all<'f>(fields: &'f [(String, String)], name: &'f str) -> impl Iterator<Item = &'f str> {
    fields.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
}

pub(super) async fn merge(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    body: Bytes,
) -> Response {
    let wish = |f: &[(String, String)]| all(f, "id").map(number).collect::<Result<_, _>>().map(Wish::Merge);
    wished(app, caller, words, body, wish, "/campaigns".into()).await
}

pub(super) async fn confirm(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let back = format!("/campaigns/{id}");
    wished(app, caller, words, body, |_| number(&id).map(Wish::Confirm), back).await
}

pub(super) async fn name(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let back = format!("/campaigns/{id}");
    let wish = |f: &[(String, String)]| {
        Ok(Wish::Name(number(&id)?, all(f, "name").next().unwrap_or_default().to_owned()))
    };
    wished(app, caller, words, body, wish, back).await
}

pub(super) async fn split(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let back = format!("/campaigns/{id}");
    let wish = |f: &[(String, String)]| {
        Ok(Wish::Split(number(&id)?, all(f, "clip").map(clip_id).collect::<Result<_, _>>()?))
    };
    wished(app, caller, words, body, wish, back).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        let body = Bytes::from_static(b"id=1&id=2&name=a+b%26%C3%BC&odd=%zz%4&bare");
        let got = fields(&body);
        assert_eq!(all(&got, "id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(all(&got, "name").next(), Some("a b&ü"));
        assert_eq!(all(&got, "odd").next(), Some("%zz%4"));
    }
}
