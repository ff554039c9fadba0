//! Is it alive, is it ready.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}

/// What stands outside of `/api/v1`, where monitors look.
pub fn probes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// That it answers.
#[derive(Serialize, ToSchema)]
struct Alive {
    status: &'static str,
}

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Alive)))]
async fn alive() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Can it do its work: does the catalog answer, does the scheduler run?
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses((status = 200, body = Alive)))]
async fn ready(State(app): State<App>) -> Result<Json<Alive>, Problem> {
    app.catalog().ping().await?;
    Ok(Json(Alive { status: "ok" }))
}
