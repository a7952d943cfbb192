//! Reports: as JSON for programs, as a page for people.

use super::{clip_id, json, tagged};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use seamline_campaign::store::{StoreError, StoredReport};
use seamline_core::{ClipId, ClipRecord, RunInfo};
use seamline_report::{html, read};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// The self-contained page brings its own styles and pictures and runs nothing.
const PAGE_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// A report: the lines that `docs/report.md` describes.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportView {
    /// When it was recorded, RFC 3339.
    recorded_at: String,
    /// The pipeline's digest: equal digests mean comparable results.
    pipeline_digest: String,
    /// What the run was made with; null for clips recorded by version 0.1.0 of the store.
    #[schema(value_type = Option<Object>)]
    run: Option<Box<RawValue>>,
    /// The verdict line.
    #[schema(value_type = Object)]
    verdict: Box<RawValue>,
    /// Evidence lines, in order.
    #[schema(value_type = Vec<Object>)]
    evidence: Vec<Box<RawValue>>,
}

/// In which form.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Form {
    /// json or html; without it, what `Accept` asks for
    #[param(pattern = "^(json|html)$")]
    format: Option<String>,
}

fn raw(text: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(text).map_err(|e| Problem::internal(&e))
}

pub(crate) async fn stored(app: &App, clip: ClipId) -> Result<StoredReport, Problem> {
    app.db.run(move |db| db.report(&clip)?.ok_or(StoreError::NoClip(clip))).await
}

/// The record that a stored report was made from, and the run.
pub(crate) fn record(report: &StoredReport) -> Result<(ClipRecord, RunInfo), Problem> {
    let evidence = report.evidence.iter().map(String::as_str);
    let record = read::clip(&report.verdict, evidence, report.exhibits.as_deref())
        .map_err(|e| Problem::internal(&e))?;
    let info = match report.info.as_deref() {
        Some(info) => serde_json::from_str(info).map_err(|e| Problem::internal(&e))?,
        None => unknown_run(report),
    };
    Ok((record, info))
}

/// A run of which only the digest was kept.
fn unknown_run(report: &StoredReport) -> RunInfo {
    let unknown = || "not recorded".to_owned();
    RunInfo {
        version: unknown(),
        pipeline_digest: report.pipeline_digest,
        profile: unknown(),
        fusion: unknown(),
        models: Vec::new(),
        trust_list: None,
        onnxruntime: unknown(),
        libavcodec: unknown(),
        jail: seamline_core::JailStatus { seccomp: false, landlock: unknown() },
    }
}

fn wants_page(form: &Form, headers: &HeaderMap) -> Result<bool, Problem> {
    match form.format.as_deref() {
        Some("html") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(Problem::bad("format: json or html")),
        None => {
            let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
            Ok(accept.contains("text/html"))
        }
    }
}

/// The latest report of a clip, as JSON, or as a self-contained page for whoever accepts HTML.
#[utoipa::path(get, path = "/v1/reports/{sha256}", tag = "reports", params(("sha256" = String, Path, description = "the clip", pattern = "^[0-9a-fA-F]{64}$"), Form), responses(
    (status = 200, content((ReportView = "application/json"), (String = "text/html"))), (status = 304), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    Path(sha256): Path<String>,
    Query(form): Query<Form>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = wants_page(&form, &headers)?;
    let report = stored(&app, clip_id(&sha256)?).await?;
    if page {
        let (record, info) = record(&report)?;
        let mut response = tagged(&headers, "text/html; charset=utf-8", html::clip_page(&record, &info));
        response.headers_mut().insert("content-security-policy", HeaderValue::from_static(PAGE_POLICY));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
        return Ok(response);
    }
    let view = ReportView {
        recorded_at: report.recorded_at.to_string(),
        pipeline_digest: report.pipeline_digest.to_string(),
        run: report.info.map(raw).transpose()?,
        verdict: raw(report.verdict)?,
        evidence: report.evidence.into_iter().map(raw).collect::<Result<_, _>>()?,
    };
    let mut response = json(&headers, &view)?;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}
