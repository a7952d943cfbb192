//! Two clips side by side, with players that go to a stretch that they share.

use super::clip::{POLICY, media};
use super::words::Words;
use super::{View, badge, bytes, time};
use crate::access::Caller;
use crate::api::clip_id;
use crate::api::jobs::shown;
use crate::api::reports::{record, stored};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderValue;
use axum::response::Response;
use maud::{Markup, html};
use seamline_campaign::cluster::Link;
use seamline_campaign::store::{Store, StoreError, StoredClip};
use seamline_core::{ClipId, MediaTime};

/// Stretches shown of each kind of link.
const STRETCHES: usize = 20;

pub(super) async fn page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    Path((sha256, other)): Path<(String, String)>,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    view.or_problem(made(&app, &view, &sha256, &other).await)
}

async fn made(app: &App, view: &View, left: &str, right: &str) -> Result<Response, Problem> {
    let ids = (clip_id(left)?, clip_id(right)?);
    let (clips, links) = app
        .db
        .run(move |db| {
            let clip = |id: ClipId| db.clip(&id)?.ok_or(StoreError::NoClip(id));
            let links: Vec<Link> = db.links_of(&ids.0)?.into_iter().map(|(link, _)| link).collect();
            Ok::<_, StoreError>(([clip(ids.0)?, clip(ids.1)?], links))
        })
        .await?;
    let links: Vec<&Link> = links.iter().filter(|l| [l.a, l.b].contains(&ids.1)).collect();
    if links.is_empty() {
        return Err(Problem::not_found("these two clips share nothing that was found"));
    }
    let mut halves = Vec::new();
    for (n, clip) in clips.iter().enumerate() {
        let kept = stored(app, clip.sha256).await?;
        let player = media(view, app, &clip.sha256, &record(&kept)?.0, &format!("player-{n}"));
        halves.push(half(view, clip, player));
    }
    let body = html! {
        h1 class="title" { (view.t("beside-title")) }
        div class="beside" { @for half in halves { (half) } }
        section aria-labelledby="shared" {
            h2 id="shared" { (view.t("beside-shared")) }
            @for link in links {
                p { (link.explain()) }
                (stretches(view, link, ids.0))
            }
        }
    };
    let mut response = view.page(&view.t("beside-title"), "", &body);
    response.headers_mut().insert("content-security-policy", HeaderValue::from_static(POLICY));
    Ok(response)
}

fn half(view: &View, clip: &StoredClip, player: Option<Markup>) -> Markup {
    html! {
        section aria-label=(shown(&clip.path)) {
            h2 { a href={ "/clips/" (clip.sha256) } { (shown(&clip.path)) } }
            div class="player" {
                @if let Some(player) = player { (player) } @else { p class="sub" { (view.t("beside-not-kept")) } }
            }
            p { (badge(&view.words, &clip.conclusion)) }
            dl class="facts" {
                dt { "LLR" } dd { (clip.llr.map(|l| format!("{l:+.2}")).unwrap_or_else(|| "-".into())) }
                dt { (view.t("col-size")) } dd { (bytes(clip.size)) }
                dt { (view.t("col-recorded")) } dd { (time(&clip.recorded_at.to_string())) }
                dt { "SHA-256" } dd { code { (clip.sha256) } }
            }
        }
    }
}

/// A row a stretch; the button is the script's, and is not there without it.
fn stretches(view: &View, link: &Link, left: ClipId) -> Markup {
    let seconds = |t: MediaTime| format!("{:.3}", t.as_secs_f64().max(0.0));
    html! {
        @if !link.shared.is_empty() {
            ul class="matches" {
                @for s in link.shared.iter().take(STRETCHES) {
                    @let s = if link.a == left { *s } else { s.turned_round() };
                    li data-left=(seconds(s.here.start)) data-right=(seconds(s.there.start)) data-speed=(format!("{:.4}", s.speed)) data-play=(view.t("beside-play")) {
                        (s.here.start) " \u{2013} " (s.here.end) " / " (s.there.start) " \u{2013} " (s.there.end) " "
                    }
                }
            }
        }
    }
}
