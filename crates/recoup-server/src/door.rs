//! What every request passes before any route sees it, in this order: an id, the Host allow-list, the rate of its
//! address, its origin. What every answer gets on its way out: the security headers, and a problem document where a
//! handler panicked. Who the caller is comes later, in [`crate::caller`].

use std::panic::AssertUnwindSafe;

use axum::extract::{ConnectInfo, OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use crate::App;
use crate::caller::event;
use crate::problem::Problem;

/// What is known of the request that is being answered.
struct Trace {
    id: String,
    /// Id of the account, once somebody asked who it is.
    account: OnceLock<String>,
    /// The path under which an embedding application has us; empty when we stand alone.
    mount: String,
}

tokio::task_local! {
    static REQUEST: Arc<Trace>;
}

/// The id of the request that is being answered; empty outside of one.
pub fn request_id() -> String {
    REQUEST.try_with(|trace| trace.id.clone()).unwrap_or_default()
}

/// A path of ours as a client sees it.
pub fn place(path: &str) -> String {
    REQUEST.try_with(|trace| format!("{}{path}", trace.mount)).unwrap_or_else(|_| path.to_owned())
}

/// The path that a client finds us under, without `/` at its end: where an application has us, or that of `public_url`.
pub fn base(app: &App) -> String {
    let mount = REQUEST.try_with(|trace| trace.mount.clone()).unwrap_or_default();
    if mount.is_empty() { app.options().public_path().to_owned() } else { mount }
}

/// Notes whose request it is, for what is written down at its end.
pub fn is_of(account: &str) {
    let _ = REQUEST.try_with(|trace| trace.account.set(account.to_owned()));
}

/// Goes on with the same request id in another task.
pub fn same_request<F: Future + Send>(work: F) -> impl Future<Output = F::Output> + Send {
    let trace = REQUEST.try_with(Clone::clone);
    async move {
        match trace {
            Ok(trace) => REQUEST.scope(trace, work).await,
            Err(_) => work.await,
        }
    }
}

/// The address of whoever connected, when the server that we stand in tells.
pub fn address(extensions: &axum::http::Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical())
}

/// The outermost layer.
pub async fn door(State(app): State<App>, mut request: Request, next: Next) -> Response {
    // For layers inside, which are made before there is an application.
    request.extensions_mut().insert(app.clone());
    let id = ulid::Ulid::from_datetime(app.system_time()).to_string();
    let trace = Arc::new(Trace { id: id.clone(), account: OnceLock::new(), mount: mount(&request) });
    REQUEST
        .scope(trace.clone(), async move {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let (secure, peer) = (app.options().is_secure(), address(request.extensions()));
            let mut answer = match enter(&app, &request) {
                Ok(()) => inside(request, next).await,
                Err(problem) => problem.into_response(),
            };
            if is_bare(&answer) {
                let text = "The request could not be read";
                answer = Problem::new(answer.status(), "bad_request", text).into_response();
            }
            if answer.status() == StatusCode::FORBIDDEN
                && let Some(account) = trace.account.get()
            {
                denied(&app, account, peer, &method, &path).await;
            }
            let status = answer.status().as_u16();
            tracing::debug!(request = id, %method, path, status, "answered");
            dress(answer.headers_mut(), &path, secure);
            if let Ok(id) = HeaderValue::from_str(&id) {
                answer.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
            }
            answer
        })
        .await
}

fn mount(request: &Request) -> String {
    let whole = request.extensions().get::<OriginalUri>().map(|uri| uri.path()).unwrap_or_default();
    whole.strip_suffix(request.uri().path()).unwrap_or_default().to_owned()
}

/// Whether a framework's extractor refused with a text of its own.
fn is_bare(answer: &Response) -> bool {
    let failed = answer.status().is_client_error() || answer.status().is_server_error();
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    failed && kind.is_none_or(|kind| kind.starts_with("text/plain"))
}

/// Writes down that somebody was refused; once in a while, because they may ask again and again.
async fn denied(app: &App, account: &str, peer: Option<IpAddr>, method: &Method, path: &str) {
    if !app.limits().tells_denied(account, app.now()) {
        return;
    }
    let details = json!({"method": method.as_str(), "path": path});
    let event = event("user.denied", Some(account), peer, ("user", account), "denied", false, details);
    if let Err(error) = app.catalog().append_audit(event, app.now()).await {
        tracing::error!(request = request_id(), detail = error.detail(), "{error}");
    }
}

/// Runs the route. What changes something runs on even when its client goes away in the middle.
async fn inside(request: Request, next: Next) -> Response {
    let done = if request.method().is_safe() {
        AssertUnwindSafe(next.run(request)).catch_unwind().await.map_err(drop)
    } else {
        tokio::spawn(same_request(next.run(request))).await.map_err(drop)
    };
    done.unwrap_or_else(|()| {
        tracing::error!(request = request_id(), "a route panicked");
        Problem::ours().into_response()
    })
}

fn enter(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    allowed_host(app, request.uri(), headers)?;
    if request.uri().path_and_query().is_some_and(|text| text.as_str().contains("%00")) {
        return Err(Problem::unreadable("bad_url", "The URL has a NUL character"));
    }
    if let Some(address) = address(request.extensions()) {
        app.limits().address(address, app.now())?;
    }
    if !request.method().is_safe() && !has_bearer(headers) {
        same_origin(app, request.method(), headers)?;
    }
    Ok(())
}

/// Only names that are ours: a page elsewhere whose name now resolves to this machine (DNS rebinding) sends its own.
fn allowed_host(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) | (None, None, _) => None,
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
    };
    if host.is_some_and(|host| app.options().answers_to(host)) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", "This server has another name")
        .hint("add the name to hosts in [server] of recoup.toml"))
}

/// Browsers say where a request comes from; what comes from another site changes nothing here. A client that is no
/// browser says neither and has no cookies that somebody could borrow.
fn same_origin(app: &App, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let ours = match (site, text(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => app.options().is_own_origin(origin, text(header::HOST).unwrap_or_default()),
        (None, None) => true,
    };
    if ours {
        return Ok(());
    }
    tracing::warn!(request = request_id(), %method, "refused a request from another site");
    Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", "This request comes from another site"))
}

/// Whether the caller signs in with a token, which no browser adds by itself.
pub fn has_bearer(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.split_once(' ').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")))
}

const CONTENT_SECURITY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// ASVS 5.0 3.2 and 3.4.
fn dress(headers: &mut HeaderMap, path: &str, secure: bool) {
    let mut put = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "no-referrer");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if secure {
        put(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    // The web page brings its own.
    let policy = HeaderValue::from_static(CONTENT_SECURITY);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    let asset = path.starts_with("/api/docs") || !path.starts_with("/api");
    if !asset || !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
