//! Errors as RFC 9457 problem details: one shape for programs, and for people a page that says the same.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seamline_campaign::store::StoreError;
use seamline_core::grown::SharedError;
use seamline_core::job::JobError;
use seamline_pipeline::queue::MediaError;
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URN that names the kind of problem: `urn:seamline:problem:not-found` and so on.
    pub r#type: String,
    /// The kind in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What it was this time, in one line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Seconds after which it may be different.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem of this status; its title and type follow from that.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        let kind = title.to_ascii_lowercase().replace([' ', '\''], "-");
        Self {
            r#type: format!("urn:seamline:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The request cannot be understood.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is no such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// Too much at once; worth trying again after so many seconds.
    pub fn busy(status: StatusCode, detail: impl Into<String>, secs: u32) -> Self {
        Self { retry_after: Some(secs), ..Self::new(status, detail) }
    }

    /// Something broke here. What it was stands in the log, not in the answer.
    pub fn internal(what: &dyn std::fmt::Display) -> Self {
        tracing::error!("{what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "")
    }

    /// Its status.
    pub fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry) = (self.code(), self.retry_after);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(secs) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NoClip(_) | StoreError::NoCluster(_) => Self::not_found(e.to_string()),
            StoreError::Full => Self::busy(StatusCode::INSUFFICIENT_STORAGE, "the disk is full", 60),
            StoreError::Busy => Self::busy(StatusCode::SERVICE_UNAVAILABLE, "the store is locked", 1),
            StoreError::Away(_) => Self::busy(StatusCode::SERVICE_UNAVAILABLE, "the store is away", 5),
            other => Self::internal(&other),
        }
    }
}

impl From<JobError> for Problem {
    fn from(e: JobError) -> Self {
        match e {
            JobError::NoJob(_) => Self::not_found(e.to_string()),
            JobError::NotOver(..) => Self::new(StatusCode::CONFLICT, e.to_string()),
            JobError::Full => Self::busy(StatusCode::INSUFFICIENT_STORAGE, "the disk is full", 60),
            JobError::Busy => Self::busy(StatusCode::SERVICE_UNAVAILABLE, "the store is locked", 1),
            JobError::Away(_) => Self::busy(StatusCode::SERVICE_UNAVAILABLE, "the store is away", 5),
            other => Self::internal(&other),
        }
    }
}

impl From<MediaError> for Problem {
    fn from(e: MediaError) -> Self {
        match e {
            MediaError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, e.to_string()),
            // Where the folder lies is nobody else's business.
            MediaError::NoRoom { wanted, cap, .. } => Self::busy(
                StatusCode::INSUFFICIENT_STORAGE,
                format!("no room for {wanted} bytes under the cap of {cap} bytes"),
                60,
            ),
            MediaError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::busy(StatusCode::INSUFFICIENT_STORAGE, "the disk is full", 60)
            }
            MediaError::Store(e) => e.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<SharedError> for Problem {
    fn from(e: SharedError) -> Self {
        tracing::error!("{e}");
        Self::busy(StatusCode::SERVICE_UNAVAILABLE, "the shared media is away", 5)
    }
}
