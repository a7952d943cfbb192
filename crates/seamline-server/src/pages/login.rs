//! Signing in: a token is pasted, and the browser keeps it where no script can read it.

use super::View;
use super::words::Words;
use crate::access::{COOKIE, Caller, find};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use seamline_campaign::store::StoreError;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Entry {
    token: String,
}

fn form(view: &View, wrong: bool) -> Response {
    let body = html! {
        section class="narrow" {
            h1 { (view.t("login-title")) }
            p { (view.t("login-lead")) }
            @if wrong { p class="wrong" role="alert" { (view.t("login-wrong")) } }
            form method="post" action="/login" class="fields" {
                label class="wide" { (view.t("login-token")) input type="password" name="token" required autocomplete="current-password" maxlength="200"; }
                button { (view.t("login-button")) }
            }
        }
    };
    view.page(&view.t("login-title"), "/login", &body)
}

pub(super) async fn page(
    State(app): State<App>,
    caller: Option<Extension<Caller>>,
    words: Words,
) -> Response {
    if caller.is_some() {
        return Redirect::to("/").into_response();
    }
    form(&View::new(&app, None, words), false)
}

/// A request from elsewhere was refused before: nobody is signed in by another site.
pub(super) async fn enter(State(app): State<App>, words: Words, Form(entry): Form<Entry>) -> Response {
    let view = View::new(&app, None, words);
    // Tokens hold 256 bits, so guessing is no way in; all who guess share one measure all the same.
    if let Err(problem) = app.limiter.request(-1) {
        return view.problem(&problem);
    }
    let secret = entry.token.trim().to_owned();
    let plain = secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let given = secret.clone();
    let found = app.db.run(move |db| Ok::<_, StoreError>(find(&db.tokens()?, &given))).await;
    match found {
        Err(problem) => view.problem(&problem),
        Ok(token) if token.is_none() || !plain => {
            let mut response = form(&view, true);
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        }
        Ok(_) => {
            // Over TLS it never goes out in the clear.
            let secure = if app.settings.certificate.is_some() { "; Secure" } else { "" };
            let value = format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}");
            with_cookie(Redirect::to("/").into_response(), &value)
        }
    }
}

pub(super) async fn leave() -> Response {
    with_cookie(
        Redirect::to("/login").into_response(),
        &format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"),
    )
}

fn with_cookie(mut response: Response, value: &str) -> Response {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            response.headers_mut().insert(header::SET_COOKIE, value);
            response
        }
        Err(e) => Problem::internal(&e).into_response(),
    }
}
