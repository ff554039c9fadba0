//! Every route on one page. `quick` ones take one small body and answer within the time limit; `long` ones stream and
//! bring their own limits.

mod audit;
mod backups;
mod browse;
mod charts;
mod declared;
mod docs;
mod download;
mod find;
mod health;
mod look;
mod metrics;
mod overview;
mod places;
mod plans;
mod restores;
mod retention;
mod runs;
mod scheduler;
mod session;
mod settings;
mod standing;
mod system;
mod tokens;
mod trash;
mod users;

use std::sync::OnceLock;

use axum::extract::{DefaultBodyLimit, Extension, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::door;
use crate::idempotency;
use crate::problem::Problem;
use crate::web;

/// The largest body of a request that is not an upload, in bytes.
const BODY: usize = 1 << 20;

/// Routes that answer soon.
fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(session::routes())
        .merge(users::routes())
        .merge(tokens::routes())
        .merge(audit::routes())
        .merge(settings::routes())
        .merge(places::routes())
        .merge(declared::routes())
        .merge(charts::routes())
        .merge(scheduler::routes())
        .merge(health::routes())
        .merge(overview::routes())
        .merge(look::routes())
        .merge(trash::routes())
        .merge(system::routes())
        .merge(starting())
}

/// Routes that start work; a POST with an `Idempotency-Key` starts it once. Their answers hold no secret.
fn starting() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(plans::routes())
        .merge(runs::routes())
        .merge(backups::routes())
        .merge(retention::routes())
        .merge(restores::routes())
        .merge(places::starting())
        .layer(middleware::from_fn(idempotency::once))
}

/// Routes that stream, up or down.
fn long() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(audit::export_routes())
        .merge(runs::streams())
        .merge(backups::streams())
        .merge(browse::routes())
        .merge(find::routes())
        .merge(download::routes())
        .merge(retention::streams())
        .merge(places::streams())
        .merge(declared::streams())
        // An upload counts its own bytes.
        .merge(restores::streams().layer(DefaultBodyLimit::disable()))
}

fn api() -> (Router<App>, OpenApi) {
    let quick = quick().layer(middleware::from_fn(in_time)).layer(DefaultBodyLimit::max(BODY));
    let (router, mut document) = OpenApiRouter::with_openapi(crate::openapi::start())
        .nest("/api/v1", quick.merge(long()))
        .merge(health::probes().merge(metrics::routes()).layer(middleware::from_fn(in_time)))
        .routes(routes!(openapi_json))
        .split_for_parts();
    crate::openapi::finish(&mut document);
    (router, document)
}

pub fn router(app: App) -> Router {
    let (router, _) = api();
    let path = app.options().public_path().to_owned();
    let router = router
        .merge(docs::routes())
        .fallback(web::page)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), door::door))
        .with_state(app);
    let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    if path.is_empty() || !plain {
        return router;
    }
    // A proxy in front may take the path of `public_url` away or leave it.
    Router::new().nest(&path, router.clone()).merge(router)
}

pub fn openapi() -> OpenApi {
    api().1
}

/// The OpenAPI document of this version.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "documentation", security(()),
    responses((status = 200, body = serde_json::Value)))]
async fn openapi_json() -> Json<OpenApi> {
    static DOCUMENT: OnceLock<OpenApi> = OnceLock::new();
    Json(DOCUMENT.get_or_init(openapi).clone())
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "This cannot be done here")
        .hint("the header Allow says what can")
}

/// Ends what takes too long, its body included.
async fn in_time(Extension(app): Extension<App>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(app.options().timeout, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "This took too long").into_response(),
    }
}
