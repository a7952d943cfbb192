//! Clusters and campaigns, and what analysts decide of them.

use super::clips::ClipView;
use super::{json, limit};
use crate::access::Caller;
use crate::problem::Problem;
use crate::state::App;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use seamline_campaign::cluster::{Decision, Ruling};
use seamline_campaign::store::{ClusterDetail, ClusterSummary, SqlStore, Store, StoreError};
use seamline_core::ClipId;
use seamline_pipeline::record::now;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// A cluster in one line.
#[derive(Serialize, ToSchema)]
pub(crate) struct CampaignView {
    /// Its number.
    id: i64,
    /// The clip it began with.
    founder: String,
    /// The name an analyst gave it.
    name: Option<String>,
    /// Whether an analyst confirmed it as a campaign.
    confirmed: bool,
    /// Number of clips.
    members: u64,
    /// Number of sightings.
    sightings: u64,
    /// RFC 3339.
    first_seen: Option<String>,
    /// RFC 3339.
    last_seen: Option<String>,
}

impl From<&ClusterSummary> for CampaignView {
    fn from(s: &ClusterSummary) -> Self {
        Self {
            id: s.id,
            founder: s.founder.to_string(),
            name: s.name.clone(),
            confirmed: s.confirmed,
            members: s.members,
            sightings: s.sightings,
            first_seen: s.first_seen.map(|m| m.to_string()),
            last_seen: s.last_seen.map(|m| m.to_string()),
        }
    }
}

/// Some campaigns.
#[derive(Serialize, ToSchema)]
pub(crate) struct CampaignList {
    /// The latest seen first.
    campaigns: Vec<CampaignView>,
}

/// What links two clips of a campaign.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkView {
    /// SHA-256 of one.
    a: String,
    /// And of the other.
    b: String,
    /// As in matches.
    kind: &'static str,
    /// 0 to 1; no probability.
    score: f64,
    /// In one sentence.
    explanation: String,
}

/// A sighting of one of its clips.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeenView {
    /// The clip.
    sha256: String,
    /// Where.
    url: String,
    /// Who posted it.
    channel: String,
    /// RFC 3339.
    seen_at: String,
}

/// A campaign with everything that hangs on it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CampaignDetail {
    #[serde(flatten)]
    campaign: CampaignView,
    /// Its clips.
    clips: Vec<ClipView>,
    /// Links among them, best first.
    links: Vec<LinkView>,
    /// By time.
    timeline: Vec<SeenView>,
    /// Who decided what, in order, in words.
    decisions: Vec<String>,
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Limit {
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

pub(crate) fn in_words(d: &Decision) -> String {
    let said = format!("{} {} {}", d.at, d.author, d.ruling.in_words());
    match &d.ruling {
        Ruling::Name { name, .. } => format!("{said} {name}"),
        _ => said,
    }
}

fn detail(d: &ClusterDetail) -> CampaignDetail {
    CampaignDetail {
        campaign: (&d.summary).into(),
        clips: d.clips.iter().map(ClipView::from).collect(),
        links: d
            .links
            .iter()
            .map(|l| LinkView {
                a: l.a.to_string(),
                b: l.b.to_string(),
                kind: l.kind.as_str(),
                score: l.score,
                explanation: l.explain(),
            })
            .collect(),
        timeline: d
            .sightings
            .iter()
            .map(|(clip, s)| SeenView {
                sha256: clip.to_string(),
                url: s.url.clone(),
                channel: s.channel.clone(),
                seen_at: s.seen_at.to_string(),
            })
            .collect(),
        decisions: d.decisions.iter().map(in_words).collect(),
    }
}

/// Clusters of more than one clip, the latest seen first.
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns", params(Limit), responses(
    (status = 200, body = CampaignList), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(q): Query<Limit>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = limit(q.limit)?;
    let all = app.db.run(move |db| db.clusters(limit)).await?;
    json(&headers, &CampaignList { campaigns: all.iter().map(CampaignView::from).collect() })
}

/// One campaign.
#[utoipa::path(get, path = "/v1/campaigns/{id}", tag = "campaigns", params(("id" = i64, Path, description = "its number")), responses(
    (status = 200, body = CampaignDetail), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = number(&id)?;
    let found = app.db.run(move |db| db.cluster(id)).await?;
    json(&headers, &detail(&found))
}

pub(crate) fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::bad("a campaign is named by a number"))
}

/// What an analyst wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Confirm(i64),
    Name(i64, String),
    Merge(Vec<i64>),
    Split(i64, Vec<ClipId>),
}

/// Records a decision and says it to the audit log.
pub(crate) async fn decide(app: &App, caller: &Caller, wish: Wish) -> Result<(), Problem> {
    let (author, actor) = (caller.name.clone(), format!("{} ({})", caller.name, caller.token));
    let (action, object) = match &wish {
        Wish::Confirm(id) => ("campaign.confirm", id.to_string()),
        Wish::Name(id, name) => ("campaign.name", format!("{id} {name}")),
        Wish::Merge(ids) => ("campaign.merge", format!("{ids:?}")),
        Wish::Split(id, clips) => ("campaign.split", format!("{id} {}", clips.len())),
    };
    app.db
        .run(move |db| {
            let ruling = ruling(db, wish)?;
            db.decide(&Decision { author, at: now(), ruling })?;
            db.audit(now(), &actor, action, &object)?;
            Ok::<_, Problem>(())
        })
        .await
}

fn ruling(db: &SqlStore, wish: Wish) -> Result<Ruling, Problem> {
    Ok(match wish {
        Wish::Confirm(id) => Ruling::Confirm { clips: db.members(id)? },
        Wish::Name(id, name) => {
            let name = name.trim().to_owned();
            if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
                return Err(Problem::bad("a name has 1 to 200 bytes and no control characters"));
            }
            let clip = db.members(id)?.into_iter().next().ok_or(StoreError::NoCluster(id))?;
            Ruling::Name { clip, name }
        }
        Wish::Merge(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            if !(2..=100).contains(&ids.len()) {
                return Err(Problem::bad("2 to 100 different campaigns are needed"));
            }
            let mut clips = BTreeSet::new();
            for id in ids {
                clips.extend(db.members(id)?);
            }
            Ruling::Merge { clips }
        }
        Wish::Split(id, clips) => {
            let all = db.members(id)?;
            let apart: BTreeSet<ClipId> = clips.into_iter().collect();
            if apart.is_empty() || !apart.is_subset(&all) {
                return Err(Problem::bad("clips of this campaign are needed"));
            }
            let from: BTreeSet<ClipId> = all.difference(&apart).copied().collect();
            if from.is_empty() {
                return Err(Problem::bad("those are all of its clips"));
            }
            Ruling::Split { apart, from }
        }
    })
}

/// A name.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NameBody {
    /// 1 to 200 bytes of UTF-8, without control characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// Campaigns.
#[derive(Deserialize, ToSchema)]
pub(crate) struct MergeBody {
    /// Their numbers, two or more.
    ids: Vec<i64>,
}

/// Clips.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SplitBody {
    /// Their SHA-256.
    clips: Vec<String>,
}

fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body.map(|Json(b)| b).map_err(|e| Problem::new(e.status(), e.body_text()))
}

/// Says that a cluster is a campaign.
#[utoipa::path(post, path = "/v1/campaigns/{id}/confirm", tag = "campaigns", params(("id" = i64, Path, description = "its number")), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn confirm(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    decide(&app, &caller, Wish::Confirm(number(&id)?)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Names a cluster.
#[utoipa::path(post, path = "/v1/campaigns/{id}/name", tag = "campaigns", params(("id" = i64, Path, description = "its number")), request_body = NameBody, responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn name(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    given: Result<Json<NameBody>, JsonRejection>,
) -> Result<Response, Problem> {
    decide(&app, &caller, Wish::Name(number(&id)?, body(given)?.name)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Says that clusters are one; the machine does not undo it.
#[utoipa::path(post, path = "/v1/campaigns/merge", tag = "campaigns", request_body = MergeBody, responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn merge(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    given: Result<Json<MergeBody>, JsonRejection>,
) -> Result<Response, Problem> {
    decide(&app, &caller, Wish::Merge(body(given)?.ids)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Says that clips do not belong in their cluster.
#[utoipa::path(post, path = "/v1/campaigns/{id}/split", tag = "campaigns", params(("id" = i64, Path, description = "its number")), request_body = SplitBody, responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn split(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    given: Result<Json<SplitBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let clips = body(given)?.clips.iter().map(|c| super::clip_id(c)).collect::<Result<_, _>>()?;
    decide(&app, &caller, Wish::Split(number(&id)?, clips)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
