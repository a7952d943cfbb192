//! Search.

use super::words::Words;
use super::{View, badge, bytes, time};
use crate::access::Caller;
use crate::api::clips::{ClipFilter, find};
use crate::api::jobs::shown;
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use seamline_campaign::store::StoredClip;

const CONCLUSIONS: [&str; 4] = ["supports_spoof", "supports_bonafide", "inconclusive", "not_assessable"];

pub(super) async fn page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    query: Query<ClipFilter>,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    view.or_problem(made(&app, &view, &query).await)
}

/// Rows of clips, as every page shows them.
pub(super) fn rows(view: &View, clips: &[StoredClip]) -> Markup {
    html! {
        table class="stack" {
            thead { tr { th scope="col" { (view.t("col-clip")) } th scope="col" { (view.t("col-verdict")) } th scope="col" { "LLR" } th scope="col" { (view.t("col-size")) } th scope="col" { (view.t("col-recorded")) } } }
            tbody {
                @for c in clips {
                    tr {
                        td data-label=(view.t("col-clip")) { div { a href={ "/clips/" (c.sha256) } { (shown(&c.path)) } span class="sub" { code { (c.sha256.short()) } } } }
                        td data-label=(view.t("col-verdict")) { (badge(&view.words, &c.conclusion)) }
                        td data-label="LLR" class="num" { (c.llr.map(|l| format!("{l:+.2}")).unwrap_or_default()) }
                        td data-label=(view.t("col-size")) class="num" { (bytes(c.size)) }
                        td data-label=(view.t("col-recorded")) { (time(&c.recorded_at.to_string())) }
                    }
                }
            }
        }
    }
}

async fn made(app: &App, view: &View, q: &ClipFilter) -> Result<Response, Problem> {
    let (clips, next) = find(app, &ClipFilter { limit: Some(super::ROWS), ..clone(q) }).await?;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let chosen = text(&q.conclusion);
    let body = html! {
        h1 class="title" { (view.t("clips-title")) }
        section {
            form class="fields" method="get" action="/clips" role="search" {
                label class="wide" { (view.t("search-text")) input type="search" name="q" value=(text(&q.q)) maxlength="400"; }
                label { (view.t("col-verdict"))
                    select name="conclusion" {
                        option value="" { (view.t("search-any")) }
                        @for c in CONCLUSIONS { option value=(c) selected[c == chosen] { (view.t(&format!("conclusion-{}", c.replace('_', "-")))) } }
                    }
                }
                label { (view.t("search-from")) input type="date" name="from" value=(text(&q.from)); }
                label { (view.t("search-until")) input type="date" name="until" value=(text(&q.until)); }
                button { (view.t("search-button")) }
            }
        }
        section aria-label=(view.t("clips-title")) {
            @if clips.is_empty() { p { (view.t("search-nothing")) } } @else { (rows(view, &clips)) }
            @if let Some(next) = &next { p { a rel="next" href=(more(q, next)) { (view.t("search-more")) } } }
        }
    };
    Ok(view.page(&view.t("clips-title"), "/clips", &body))
}

fn clone(q: &ClipFilter) -> ClipFilter {
    ClipFilter {
        q: q.q.clone(),
        conclusion: q.conclusion.clone(),
        from: q.from.clone(),
        until: q.until.clone(),
        cursor: q.cursor.clone(),
        limit: q.limit,
    }
}

fn more(q: &ClipFilter, cursor: &str) -> String {
    let mut out = format!("/clips?cursor={}", escaped(cursor));
    for (name, value) in [("q", &q.q), ("conclusion", &q.conclusion), ("from", &q.from), ("until", &q.until)]
    {
        if let Some(value) = value.as_deref().filter(|v| !v.is_empty()) {
            out += &format!("&{name}={}", escaped(value));
        }
    }
    out
}

/// Percent-encoded (RFC 3986, section 2.3: only unreserved characters stay).
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_searched_for_is_in_the_link_to_more() {
        let q = ClipFilter { q: Some("a&b=ü".into()), until: Some(String::new()), ..ClipFilter::default() };
        assert_eq!(more(&q, "7"), "/clips?cursor=7&q=a%26b%3D%C3%BC");
    }
}
