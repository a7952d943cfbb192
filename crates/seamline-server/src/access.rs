//! Who asks, and whether they may: one table of routes, checked before any handler runs.

use crate::problem::Problem;
use crate::state::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use seamline_campaign::store::{Role, StoreError, Token};
use seamline_core::Sha256Hash;
use seamline_pipeline::record::now;
use subtle::ConstantTimeEq;

/// Name of the cookie that carries a browser's token.
pub(crate) const COOKIE: &str = "seamline_token";
/// Name of the header, and of the field of forms, that says a request comes from our own page.
pub(crate) const FORM_HEADER: &str = "x-seamline-form";
pub(crate) const FORM_FIELD: &str = "form_token";

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Open,
    /// A token of this role or more.
    Role(Role),
}

use Need::Open;
const SUBMIT: Need = Need::Role(Role::Submit);
const READ: Need = Need::Role(Role::Read);
const ANALYST: Need = Need::Role(Role::Analyst);
const ADMIN: Need = Need::Role(Role::Admin);

/// Every route with what it needs; one that is not here is refused.
pub const ROUTES: &[(&str, &str, Need)] = &[
    ("GET", "/healthz", Open),
    ("GET", "/readyz", Open),
    ("GET", "/openapi.json", Open),
    ("GET", "/metrics", ADMIN),
    ("POST", "/v1/clips", SUBMIT),
    ("OPTIONS", "/v1/uploads", Open),
    ("POST", "/v1/uploads", SUBMIT),
    ("GET", "/v1/uploads/{id}", SUBMIT),
    ("PATCH", "/v1/uploads/{id}", SUBMIT),
    ("DELETE", "/v1/uploads/{id}", SUBMIT),
    ("GET", "/v1/clips", READ),
    ("GET", "/v1/clips/{sha256}", READ),
    ("GET", "/v1/clips/{sha256}/matches", READ),
    ("GET", "/v1/jobs", READ),
    ("GET", "/v1/jobs/{id}", SUBMIT),
    ("GET", "/v1/jobs/{id}/events", SUBMIT),
    ("POST", "/v1/jobs/{id}/replay", ANALYST),
    ("GET", "/v1/reports/{sha256}", READ),
    ("GET", "/v1/campaigns", READ),
    ("GET", "/v1/campaigns/{id}", READ),
    ("POST", "/v1/campaigns/{id}/confirm", ANALYST),
    ("POST", "/v1/campaigns/{id}/name", ANALYST),
    ("POST", "/v1/campaigns/{id}/split", ANALYST),
    ("POST", "/v1/campaigns/merge", ANALYST),
    ("GET", "/v1/audit", ADMIN),
    ("GET", "/", SUBMIT),
    ("POST", "/upload", SUBMIT),
    ("GET", "/jobs/{id}", SUBMIT),
    ("POST", "/jobs/{id}/replay", ANALYST),
    ("GET", "/clips", READ),
    ("GET", "/clips/{sha256}", READ),
    ("GET", "/clips/{sha256}/media", READ),
    ("GET", "/clips/{sha256}/beside/{other}", READ),
    ("GET", "/campaigns", READ),
    ("GET", "/campaigns/{id}", READ),
    ("POST", "/campaigns/merge", ANALYST),
    ("POST", "/campaigns/{id}/confirm", ANALYST),
    ("POST", "/campaigns/{id}/name", ANALYST),
    ("POST", "/campaigns/{id}/split", ANALYST),
    ("GET", "/login", Open),
    ("POST", "/login", Open),
    ("POST", "/logout", Open),
    ("GET", "/assets/{name}", Open),
];

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token's number; 0 = this machine, where no token is demanded.
    pub token: i64,
    /// For the audit log and as author of decisions.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What a form of ours must bring back.
    pub form_token: String,
}

impl Caller {
    /// Whether they may do what that role may.
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Whether a form was ours.
    pub(crate) fn check_form(&self, given: &str) -> Result<(), Problem> {
        if bool::from(given.as_bytes().ct_eq(self.form_token.as_bytes())) {
            Ok(())
        } else {
            Err(Problem::new(StatusCode::FORBIDDEN, "this form is too old or not ours: load the page again"))
        }
    }
}

/// The token that a request carries, and whether it was said in so many words.
fn presented(headers: &HeaderMap) -> Option<(String, bool)> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().unwrap_or_default();
        let secret = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // Another scheme is a wrong token, not none.
        return Some((secret.map(|s| s.1.trim().to_owned()).unwrap_or_default(), true));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = cookies.flat_map(|v| v.split(';')).filter_map(|p| p.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, secret)| (secret.to_owned(), false))
}

/// Finds a valid token by its secret. All are compared, each in constant time.
pub(crate) fn find(tokens: &[Token], secret: &str) -> Option<Token> {
    let hash = Sha256Hash::of(secret.as_bytes());
    let mut found = None;
    for token in tokens {
        if bool::from(token.sha256.as_bytes().ct_eq(hash.as_bytes())) {
            found = Some(token);
        }
    }
    found.filter(|t| t.is_valid(now())).cloned()
}

fn form_token(app: &App, secret: &str) -> String {
    Sha256Hash::of(format!("{} {secret}", app.form_key).as_bytes()).to_string()
}

/// Whether a browser says that a request comes from elsewhere.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok()) {
        return !matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => false,
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        (Some(_), None) => true,
    }
}

fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

/// Whether the name by which we were asked for is ours.
fn is_our_name(app: &App, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|v| v.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let ours = |n: &str| n.eq_ignore_ascii_case(name);
    let address = match &app.settings.listen {
        crate::Listen::Tcp(address) => address.ip().to_string(),
        crate::Listen::Unix(_) => "localhost".into(),
    };
    ours("localhost")
        || ours("127.0.0.1")
        || ours("::1")
        || ours(&address)
        || app.settings.hosts.iter().any(|h| ours(h))
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Option<(Caller, bool)>, Problem> {
    let Some((secret, said)) = presented(headers) else {
        if app.settings.tokens {
            return Ok(None);
        }
        let form_token = form_token(app, "");
        let local = Caller { token: 0, name: "this machine".into(), role: Role::Admin, form_token };
        return Ok(Some((local, false)));
    };
    let form_token = form_token(app, &secret);
    let token = app.db.run(move |db| Ok::<_, StoreError>(find(&db.tokens()?, &secret))).await?;
    Ok(token.map(|t| (Caller { token: t.id, name: t.name, role: t.role, form_token }, said)))
}

/// Runs before every handler.
pub(crate) async fn gate(
    State(app): State<App>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let method = match *request.method() {
        Method::HEAD => "GET",
        ref other => other.as_str(),
    };
    let route = ROUTES.iter().find(|(m, p, _)| *m == method && *p == path.as_str());
    let Some((_, _, need)) = route else {
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, ""));
    };
    let headers = request.headers();
    if !app.settings.tokens && !is_our_name(&app, headers) {
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "this server does not go by that name"));
    }
    let page = !path.as_str().starts_with("/v1/") && method == "GET";
    let who = caller(&app, headers).await?;
    let changes = method != "GET";
    let said = who.as_ref().is_some_and(|(_, said)| *said);
    if changes && !said {
        if is_foreign(headers) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the request comes from another site"));
        }
        // A browser sends its cookie whoever asks; our own script says that it is ours. Forms do so in a field.
        if path.as_str().starts_with("/v1/")
            && (is_browser(headers) || app.settings.tokens)
            && let Some((caller, _)) = &who
        {
            let given = headers.get(FORM_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
            caller.check_form(given)?;
        }
    }
    if let Need::Role(role) = need {
        let Some((caller, _)) = &who else {
            if page && request.headers().get(header::AUTHORIZATION).is_none() && path.as_str() != "/metrics" {
                return Ok(Redirect::to("/login").into_response());
            }
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "a valid token is needed"));
        };
        app.limiter.request(caller.token)?;
        if !caller.may(*role) {
            let detail = format!("this needs the role {}", role.as_str());
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
    }
    if let Some((caller, _)) = who {
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

/// Headers that every answer has: nothing from elsewhere, no script in a page, no guessing of types.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Measures an answer and gives it the headers that all have.
pub(crate) async fn finish(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = std::time::Instant::now();
    let mut response = next.run(request).await;
    app.metrics.answered(response.status().as_u16(), began.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.entry(name).or_insert(header::HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "no-referrer");
    set("x-frame-options", "DENY");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("permissions-policy", "camera=(), microphone=(), geolocation=()");
    set("cache-control", "no-store");
    if app.settings.certificate.is_some() {
        // Browsers that came by TLS once come by nothing else for a year (RFC 6797).
        set("strict-transport-security", "max-age=31536000");
    }
    response
}
