//! Clips that were judged, and what they share.

use super::jobs::shown;
use super::{clip_id, cursor, json, limit, moment};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use seamline_campaign::cluster::Link;
use seamline_campaign::store::{ClipQuery, Store, StoreError, StoredClip};
use seamline_core::Sighting;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A clip in one line.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClipView {
    /// The clip.
    pub(crate) sha256: String,
    /// Its name, as submitted first.
    pub(crate) path: String,
    /// Size in bytes.
    size: u64,
    /// When it was recorded first, RFC 3339.
    recorded_at: String,
    /// Conclusion of its latest verdict.
    conclusion: String,
    /// LLR of its latest verdict in nats; positive supports spoof.
    llr: Option<f64>,
    /// The cluster it belongs to, perhaps alone.
    campaign: i64,
}

impl From<&StoredClip> for ClipView {
    fn from(c: &StoredClip) -> Self {
        Self {
            sha256: c.sha256.to_string(),
            path: shown(&c.path),
            size: c.size,
            recorded_at: c.recorded_at.to_string(),
            conclusion: c.conclusion.clone(),
            llr: c.llr,
            campaign: c.cluster,
        }
    }
}

/// Where and when a clip was seen.
#[derive(Serialize, ToSchema)]
pub(crate) struct SightingView {
    /// A URL; may be empty.
    url: String,
    /// Who posted it; may be empty.
    channel: String,
    /// RFC 3339.
    seen_at: String,
}

impl From<&Sighting> for SightingView {
    fn from(s: &Sighting) -> Self {
        Self { url: s.url.clone(), channel: s.channel.clone(), seen_at: s.seen_at.to_string() }
    }
}

/// What is claimed of a clip.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClaimView {
    /// Who submitted it.
    who: String,
    /// The claim.
    claim: String,
}

/// A clip with what people said of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClipDetail {
    #[serde(flatten)]
    clip: ClipView,
    /// Where it was seen, by time.
    sightings: Vec<SightingView>,
    /// What is claimed of it.
    claims: Vec<ClaimView>,
}

/// Some clips.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClipPage {
    /// The latest recorded first.
    clips: Vec<ClipView>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Something that two clips share.
#[derive(Serialize, ToSchema)]
pub(crate) struct MatchView {
    /// The other clip.
    clip: ClipView,
    /// same_pictures, same_audio, same_voice, same_logo or same_generator_run.
    kind: &'static str,
    /// 0 to 1; no probability.
    score: f64,
    /// In one sentence.
    explanation: String,
}

/// What a clip shares with others.
#[derive(Serialize, ToSchema)]
pub(crate) struct MatchList {
    /// Best first.
    matches: Vec<MatchView>,
}

/// Which clips.
#[derive(Deserialize, IntoParams, Default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClipFilter {
    /// A part of the name, or the beginning of the SHA-256 (six digits or more)
    #[param(max_length = 400)]
    pub(crate) q: Option<String>,
    /// supports_spoof, supports_bonafide, inconclusive or not_assessable
    #[param(pattern = "^(supports_spoof|supports_bonafide|inconclusive|not_assessable)?$")]
    pub(crate) conclusion: Option<String>,
    /// Recorded then or later: a date or a time, RFC 3339
    pub(crate) from: Option<String>,
    /// Recorded before
    pub(crate) until: Option<String>,
    /// From an earlier answer
    #[param(pattern = "^[0-9]{1,18}$")]
    pub(crate) cursor: Option<String>,
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
}

const CONCLUSIONS: [&str; 4] = ["supports_spoof", "supports_bonafide", "inconclusive", "not_assessable"];

pub(crate) async fn find(app: &App, q: &ClipFilter) -> Result<(Vec<StoredClip>, Option<String>), Problem> {
    let conclusion = q.conclusion.clone().filter(|c| !c.is_empty());
    if conclusion.as_deref().is_some_and(|c| !CONCLUSIONS.contains(&c)) {
        return Err(Problem::bad(format!("conclusion: {}", CONCLUSIONS.join(", "))));
    }
    if q.q.as_deref().is_some_and(|t| t.chars().count() > 400) {
        return Err(Problem::bad("q: longer than 400 characters"));
    }
    let query = ClipQuery {
        text: q.q.clone(),
        conclusion,
        from: moment("from", q.from.as_deref())?,
        until: moment("until", q.until.as_deref())?,
        before: cursor(q.cursor.as_deref())?,
    };
    let limit = limit(q.limit)?;
    let found = app.db.run(move |db| db.search(&query, limit)).await?;
    let next =
        (found.len() as u64 == u64::from(limit)).then(|| found.last().map(|(n, _)| n.to_string())).flatten();
    Ok((found.into_iter().map(|(_, clip)| clip).collect(), next))
}

/// Clips that were judged, the latest first.
#[utoipa::path(get, path = "/v1/clips", tag = "clips", params(ClipFilter), responses(
    (status = 200, body = ClipPage), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(q): Query<ClipFilter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (clips, next) = find(&app, &q).await?;
    json(&headers, &ClipPage { clips: clips.iter().map(ClipView::from).collect(), next })
}

/// A clip with where it was seen and what is claimed of it.
#[utoipa::path(get, path = "/v1/clips/{sha256}", tag = "clips", params(("sha256" = String, Path, description = "the clip", pattern = "^[0-9a-fA-F]{64}$")), responses(
    (status = 200, body = ClipDetail), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = clip_id(&sha256)?;
    let (clip, sightings, claims) = app
        .db
        .run(move |db| {
            let clip = db.clip(&id)?.ok_or(StoreError::NoClip(id))?;
            Ok::<_, StoreError>((clip, db.sightings(&id)?, db.claims_of(&id)?))
        })
        .await?;
    let detail = ClipDetail {
        clip: (&clip).into(),
        sightings: sightings.iter().map(SightingView::from).collect(),
        claims: claims.into_iter().map(|(who, claim)| ClaimView { who, claim }).collect(),
    };
    json(&headers, &detail)
}

pub(crate) async fn links(app: &App, sha256: &str) -> Result<Vec<(Link, StoredClip)>, Problem> {
    let id = clip_id(sha256)?;
    app.db.run(move |db| db.links_of(&id)).await
}

/// What a clip shares with others: pictures, sound, voices, logos, traces of a generator.
#[utoipa::path(get, path = "/v1/clips/{sha256}/matches", tag = "clips", params(("sha256" = String, Path, description = "the clip", pattern = "^[0-9a-fA-F]{64}$")), responses(
    (status = 200, body = MatchList), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn matches(
    State(app): State<App>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let matches = links(&app, &sha256).await?;
    let matches = matches
        .iter()
        .map(|(link, other)| MatchView {
            clip: other.into(),
            kind: link.kind.as_str(),
            score: link.score,
            explanation: link.explain(),
        })
        .collect();
    json(&headers, &MatchList { matches })
}
