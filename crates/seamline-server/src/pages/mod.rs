//! Pages for people: made here, readable without any script; `assets/app.js` only saves reloading.

mod beside;
mod campaigns;
mod clip;
mod clips;
mod home;
mod job;
mod login;
mod media;
pub(crate) mod words;

use crate::access::{Caller, FORM_FIELD};
use crate::api::PAGE;
use crate::problem::Problem;
use crate::state::App;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};
use seamline_campaign::store::Role;
use words::{LANGUAGES, Words};

const SCRIPT: &str = include_str!("../assets/app.js");
const STYLE: &str = include_str!("../assets/app.css");

/// Rows of a table on one page.
const ROWS: u32 = PAGE;

pub(crate) fn router(upload_limit: usize) -> Router<App> {
    Router::new()
        .route("/", get(home::page))
        .route("/upload", post(home::upload).layer(DefaultBodyLimit::max(upload_limit)))
        .route("/jobs/{id}", get(job::page))
        .route("/jobs/{id}/replay", post(job::replay))
        .route("/clips", get(clips::page))
        .route("/clips/{sha256}", get(clip::page))
        .route("/clips/{sha256}/media", get(media::get))
        .route("/clips/{sha256}/beside/{other}", get(beside::page))
        .route("/campaigns", get(campaigns::list))
        .route("/campaigns/merge", post(campaigns::merge))
        .route("/campaigns/{id}", get(campaigns::page))
        .route("/campaigns/{id}/confirm", post(campaigns::confirm))
        .route("/campaigns/{id}/name", post(campaigns::name))
        .route("/campaigns/{id}/split", post(campaigns::split))
        .route("/login", get(login::page).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let (content_type, text) = match name.as_str() {
        "app.js" => ("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        "app.css" => ("text/css; charset=utf-8", format!("{}\n{STYLE}", seamline_report::html::STYLE)),
        _ => return Problem::not_found("there is nothing of that name").into_response(),
    };
    crate::api::tagged(&headers, content_type, text)
}

/// Who looks, in which language.
pub(crate) struct View {
    pub(crate) caller: Option<Caller>,
    pub(crate) words: Words,
    /// Whether a token is demanded, so that one can sign out.
    pub(crate) tokens: bool,
}

impl View {
    pub(crate) fn new(app: &App, caller: Option<&Caller>, words: Words) -> Self {
        Self { caller: caller.cloned(), words, tokens: app.settings.tokens }
    }

    pub(crate) fn t(&self, id: &str) -> String {
        self.words.t(id)
    }

    fn may(&self, role: Role) -> bool {
        self.caller.as_ref().is_some_and(|c| c.may(role))
    }

    /// The hidden field that says that a form is ours.
    fn ours(&self) -> Markup {
        let token = self.caller.as_ref().map(|c| c.form_token.as_str()).unwrap_or_default();
        html! { input type="hidden" name=(FORM_FIELD) value=(token); }
    }

    /// A whole page.
    pub(crate) fn page(&self, title: &str, here: &str, body: &Markup) -> Response {
        let link = |href: &str, id: &str| {
            html! { a href=(href) aria-current=[(href == here).then_some("page")] { (self.t(id)) } }
        };
        let form_token = self.caller.as_ref().map(|c| c.form_token.as_str()).unwrap_or_default();
        let page = html! {
            (DOCTYPE)
            html lang=(self.words.language()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    meta name="color-scheme" content="light dark";
                    meta name="seamline-form" content=(form_token);
                    title { (title) " | Seamline" }
                    link rel="stylesheet" href="/assets/app.css";
                    link rel="icon" href="data:,";
                    script src="/assets/app.js" defer {}
                }
                body class="app" {
                    a class="skip" href="#main" { (self.t("skip")) }
                    header class="bar" {
                        a class="brand" href="/" { "Seamline" }
                        nav aria-label=(self.t("nav-label")) {
                            @if self.may(Role::Submit) { (link("/", "nav-home")) }
                            @if self.may(Role::Read) { (link("/clips", "nav-clips")) (link("/campaigns", "nav-campaigns")) }
                        }
                        @if let Some(caller) = self.caller.as_ref().filter(|_| self.tokens) {
                            form class="who" method="post" action="/logout" {
                                (self.ours())
                                span { (caller.name) }
                                button class="plain" { (self.t("sign-out")) }
                            }
                        }
                    }
                    main id="main" { (body) }
                    footer class="page" {
                        p { (self.t("footer")) }
                        p class="languages" {
                            @for (code, name) in LANGUAGES {
                                @if *code == self.words.language() { span lang=(code) { (name) } }
                                @else { a lang=(code) hreflang=(code) href={ "?lang=" (code) } { (name) } }
                            }
                        }
                    }
                }
            }
        };
        let mut response = Html(page.into_string()).into_response();
        if let Some(cookie) = self.words.to_remember() {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("cookie, accept-language"));
        response
    }

    /// A page that says what went wrong.
    pub(crate) fn problem(&self, problem: &Problem) -> Response {
        let body = html! {
            section {
                h1 { (self.t(&format!("problem-{}", problem.status))) }
                @if !problem.detail.is_empty() { p { (problem.detail) } }
                p { a href="/" { (self.t("back-home")) } }
            }
        };
        let mut response = self.page(&problem.title, "", &body);
        *response.status_mut() = problem.code();
        response
    }

    /// A page, or what went wrong as one.
    pub(crate) fn or_problem(&self, made: Result<Response, Problem>) -> Response {
        made.unwrap_or_else(|p| self.problem(&p))
    }
}

/// A conclusion as a label: the words stand beside the colour.
fn badge(words: &Words, conclusion: &str) -> Markup {
    let class = match conclusion {
        "supports_spoof" => "spoof",
        "supports_bonafide" => "bonafide",
        "inconclusive" => "unclear",
        _ => "none",
    };
    html! { span class={ "badge " (class) } { (words.t(&format!("conclusion-{}", conclusion.replace('_', "-")))) } }
}

/// A time as people read it, with the whole of it for programs.
fn time(moment: &str) -> Markup {
    let short = moment.get(..16).unwrap_or(moment).replace('T', " ");
    html! { time datetime=(moment) { (short) } }
}

fn bytes(n: u64) -> String {
    match n {
        0..=9_999 => format!("{n} B"),
        10_000..=9_999_999 => format!("{:.0} KB", n as f64 / 1e3),
        10_000_000..=9_999_999_999 => format!("{:.0} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}
