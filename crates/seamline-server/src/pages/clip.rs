//! A clip's verdict: the report, a player that the timeline moves, where it was seen, what it shares.

use super::words::Words;
use super::{View, badge, time};
use crate::access::Caller;
use crate::api::clip_id;
use crate::api::jobs::shown;
use crate::api::reports::{record, stored};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderValue;
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use seamline_campaign::cluster::Link;
use seamline_campaign::store::{Store, StoreError, StoredClip};
use seamline_core::{ClipId, ClipRecord, FaceAt, FacePath, PixelBox, Sighting, StreamKind, Subject, TrackId};
use seamline_report::html as report;

/// As everywhere, and styles within the page: the report places what it draws by them.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) async fn page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    words: Words,
    Path(sha256): Path<String>,
) -> Response {
    let view = View::new(&app, Some(&caller), words);
    view.or_problem(made(&app, &view, &sha256).await)
}

struct Around {
    clip: StoredClip,
    sightings: Vec<Sighting>,
    claims: Vec<(String, String)>,
    links: Vec<(Link, StoredClip)>,
    company: bool,
}

async fn around(app: &App, id: ClipId) -> Result<Around, Problem> {
    app.db
        .run(move |db| {
            let clip = db.clip(&id)?.ok_or(StoreError::NoClip(id))?;
            Ok::<_, StoreError>(Around {
                sightings: db.sightings(&id)?,
                claims: db.claims_of(&id)?,
                links: db.links_of(&id)?,
                company: db.cluster(clip.cluster)?.clips.len() > 1,
                clip,
            })
        })
        .await
}

async fn made(app: &App, view: &View, sha256: &str) -> Result<Response, Problem> {
    let id = clip_id(sha256)?;
    let around = around(app, id).await?;
    let kept = stored(app, id).await?;
    let (record, info) = record(&kept)?;
    let (heading, sections) = report::clip_parts(&record, &info);
    let body = html! {
        div class="heading" { (PreEscaped(heading)) }
        p class="actions" {
            a href={ "/v1/reports/" (id) "?format=html" } download={ (id.short()) ".html" } { (view.t("clip-save")) }
            " " a href={ "/v1/reports/" (id) "?format=json" } { "JSON" }
        }
        (player(view, app, &id, &record))
        (context(view, &around))
        (PreEscaped(sections))
        (shared(view, &around))
    };
    let mut response = view.page(&shown(&around.clip.path), "", &body);
    response.headers_mut().insert("content-security-policy", HeaderValue::from_static(POLICY));
    Ok(response)
}

fn player(view: &View, app: &App, id: &ClipId, record: &ClipRecord) -> Markup {
    html! {
        @if let Some(media) = media(view, app, id, record, "player") {
            section class="player" aria-label=(view.t("clip-player")) {
                div class="stage" { (media) (faces(record)) }
                @if has_face_path(record) {
                    p class="sub" {
                        label { input type="checkbox" id="faces-shown" checked; " " (view.t("clip-faces")) } " "
                        (view.t("clip-faces-how"))
                    }
                }
                @if is_video(record) || has_sound(record) {
                    p class="sub" { (view.t("clip-seek")) }
                }
            }
        }
    }
}

/// Tracks with a face that can be pointed at.
fn face_paths(record: &ClipRecord) -> impl Iterator<Item = (TrackId, &FacePath)> {
    record.exhibits.iter().filter_map(|x| match (&x.subject, &x.path) {
        (Subject::Track { track, .. }, Some(path)) if !path.seen.is_empty() => Some((*track, path)),
        _ => None,
    })
}

fn has_face_path(record: &ClipRecord) -> bool {
    face_paths(record).next().is_some()
}

/// Frames to lie over the picture: of a still where they belong, of what moves as data that the script draws from.
fn faces(record: &ClipRecord) -> Markup {
    let Some((_, size)) = face_paths(record).next() else { return Markup::default() };
    let view_box = format!("0 0 {} {}", size.width, size.height);
    html! {
        @if is_video(record) {
            svg id="face-frames" viewBox=(view_box) preserveAspectRatio="none" aria-hidden="true" {
                @for (track, path) in face_paths(record) {
                    g data-seen=(seen(path)) { rect {} text { (track.0) } }
                }
            }
        } @else {
            svg id="face-frames" viewBox=(view_box) preserveAspectRatio="none" aria-hidden="true" {
                @for (track, at) in face_paths(record).filter_map(|(t, p)| Some((t, p.seen.first()?.face))) {
                    g { rect x=(at.x) y=(at.y) width=(at.w) height=(at.h) {} text x=(at.x) y=(at.y) { (track.0) } }
                }
            }
        }
    }
}

/// Seconds, left, top, width, height of each sighting, between blanks; sightings between semicolons.
fn seen(path: &FacePath) -> String {
    let one = |at: &FaceAt| {
        let PixelBox { x, y, w, h } = at.face;
        format!("{:.3} {x} {y} {w} {h}", at.at_us.as_micros() as f64 / 1e6)
    };
    path.seen.iter().map(one).collect::<Vec<_>>().join(";")
}

/// What plays or shows a clip, with `id` where it plays. Only what the media folder holds: other files may have changed.
pub(super) fn media(
    view: &View,
    app: &App,
    id: &ClipId,
    record: &ClipRecord,
    element: &str,
) -> Option<Markup> {
    let source = format!("/clips/{id}/media");
    let moving = is_video(record);
    let sound = has_sound(record);
    app.media.holds(id).then(|| {
        html! {
            @if moving { video id=(element) src=(source) controls preload="metadata" {} }
            @else if sound { audio id=(element) src=(source) controls preload="metadata" {} }
            @else { img src=(source) alt=(view.t("clip-picture")); }
        }
    })
}

fn is_video(record: &ClipRecord) -> bool {
    // Pictures that move and are no video to a browser.
    let animation = |codec: &str| matches!(codec, "gif" | "webp" | "apng" | "png");
    record.streams.iter().any(|s| s.kind == StreamKind::Video && !animation(&s.codec))
}

fn has_sound(record: &ClipRecord) -> bool {
    record.streams.iter().any(|s| s.kind == StreamKind::Audio)
}

fn context(view: &View, a: &Around) -> Markup {
    html! {
        @if !a.sightings.is_empty() || !a.claims.is_empty() {
            section aria-labelledby="seen" {
                h2 id="seen" { (view.t("clip-seen")) }
                @if !a.claims.is_empty() {
                    ul { @for (who, claim) in &a.claims { li { q { (claim) } @if !who.is_empty() { span class="sub" { (who) } } } } }
                }
                @if !a.sightings.is_empty() {
                    // Addresses are shown, not linked: nobody should come to a liar's page by a slip.
                    ul { @for s in &a.sightings { li { (time(&s.seen_at.to_string())) " " (s.channel) " " span class="sub" { (s.url) } } } }
                }
            }
        }
    }
}

fn shared(view: &View, a: &Around) -> Markup {
    html! {
        section aria-labelledby="shared" {
            h2 id="shared" { (view.t("clip-shared")) }
            @if a.links.is_empty() { p { (view.t("clip-shares-nothing")) } }
            @else {
                ul class="matches" {
                    @for (link, other) in &a.links {
                        li {
                            a href={ "/clips/" (other.sha256) } { (shown(&other.path)) } " " (badge(&view.words, &other.conclusion))
                            span class="sub" { (link.explain()) " " a href={ "/clips/" (a.clip.sha256) "/beside/" (other.sha256) } { (view.t("beside-title")) } }
                        }
                    }
                }
            }
            @if a.company { p { a href={ "/campaigns/" (a.clip.cluster) } { (view.t("clip-campaign")) } } }
        }
    }
}
