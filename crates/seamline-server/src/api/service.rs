//! What operators and their tools ask: whether it lives, whether it can work, its figures, its log, its description.

use super::{cursor, json, limit};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use seamline_core::job::{JobError, JobQueue};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

#[derive(OpenApi)]
#[openapi(
    info(title = "Seamline", description = "Hand clips in, follow jobs, read reports, decide on campaigns."),
    paths(
        healthz, readyz, metrics, audit, openapi,
        super::upload::post, super::tus::options, super::tus::create, super::tus::get, super::tus::patch, super::tus::delete, super::clips::list, super::clips::get, super::clips::matches,
        super::jobs::list, super::jobs::get, super::jobs::events, super::jobs::replay,
        super::reports::get,
        super::campaigns::list, super::campaigns::get, super::campaigns::confirm, super::campaigns::name,
        super::campaigns::merge, super::campaigns::split,
    ),
    // What only a header is described by.
    components(schemas(super::tus::TusVersion)),
    modifiers(&Common),
)]
struct Description;

/// What all operations have in common, said once.
struct Common;

impl utoipa::Modify for Common {
    fn modify(&self, doc: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        doc.components.get_or_insert_default().add_security_scheme("token", scheme);
        doc.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
        for (path, item) in &mut doc.paths.paths {
            for (method, operation) in [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
                ("options", &mut item.options),
            ] {
                if let Some(operation) = operation {
                    // Handlers in different modules share names; ids must differ.
                    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
                    operation.operation_id =
                        Some(std::iter::once(method).chain(words).collect::<Vec<_>>().join("_"));
                    operation
                        .responses
                        .responses
                        .iter_mut()
                        .for_each(|(status, response)| described(status, response));
                }
            }
        }
    }
}

/// Every answer has a description, and problems have their own type.
fn described(status: &str, response: &mut utoipa::openapi::RefOr<utoipa::openapi::Response>) {
    let utoipa::openapi::RefOr::T(response) = response else { return };
    let code = axum::http::StatusCode::from_bytes(status.as_bytes()).ok();
    if response.description.is_empty() {
        response.description = code.and_then(|c| c.canonical_reason()).unwrap_or("answer").to_owned();
    }
    if code.is_some_and(|c| c.is_client_error() || c.is_server_error())
        && let Some(content) = response.content.swap_remove("application/json")
    {
        response.content.insert("application/problem+json".into(), content);
    }
}

/// The interface's description, as `/openapi.json` gives it.
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// This interface, as OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "service", security(()), responses((status = 200, body = Object, content_type = "application/json")))]
pub(crate) async fn openapi(headers: HeaderMap) -> Result<Response, Problem> {
    json(&headers, &description())
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "service", security(()), responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn healthz() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "ok\n").into_response()
}

/// Whether it can work: the store answers and the media folder can be read.
#[utoipa::path(get, path = "/readyz", tag = "service", security(()), responses(
    (status = 200, body = String, content_type = "text/plain"), (status = 503, body = Problem)))]
pub(crate) async fn readyz(State(app): State<App>) -> Result<Response, Problem> {
    let media = app.media.clone();
    let ready = app
        .db
        .run(move |db| {
            db.counts()?;
            media.used()?;
            Ok::<_, Problem>(())
        })
        .await;
    ready.map_err(|_| {
        Problem::busy(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "the store or the media folder cannot be used",
            5,
        )
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "ready\n").into_response())
}

/// Figures, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "service", responses(
    (status = 200, body = String, content_type = "text/plain"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let counts = app.db.run(|db| db.counts()).await?;
    let media = app.media.clone();
    let bytes =
        tokio::task::spawn_blocking(move || media.used()).await.map_err(|e| Problem::internal(&e))??;
    let text = app.metrics.text(&counts, bytes);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// One line of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// Its number.
    id: i64,
    /// RFC 3339.
    at: String,
    /// Who.
    actor: String,
    /// What.
    action: String,
    /// To what.
    object: String,
}

/// Some lines.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The latest first.
    entries: Vec<AuditView>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// From an earlier answer
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Who did what, the latest first.
#[utoipa::path(get, path = "/v1/audit", tag = "service", params(Page), responses(
    (status = 200, body = AuditPage), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn audit(
    State(app): State<App>,
    Query(q): Query<Page>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let before = cursor(q.cursor.as_deref())?.and_then(|n| i64::try_from(n).ok());
    let limit = limit(q.limit)?;
    let log = app.db.run(move |db| Ok::<_, JobError>(db.audit_log(before, limit)?)).await?;
    let next = (log.len() as u64 == u64::from(limit)).then(|| log.last().map(|e| e.id.to_string())).flatten();
    let entries = log
        .into_iter()
        .map(|e| AuditView {
            id: e.id,
            at: e.at.to_string(),
            actor: e.actor,
            action: e.action,
            object: e.object,
        })
        .collect();
    json(&headers, &AuditPage { entries, next })
}
