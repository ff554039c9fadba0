//! Who the caller is.

use axum::Json;
use recoup::model::user::Scope;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::{Caller, Via};
use crate::problem::Problem;
use crate::views::{RoleWord, ScopeWord};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(me))
}

/// Who signed in, and what this request may do.
#[derive(Serialize, ToSchema)]
struct Me {
    /// Id of the account.
    id: String,
    /// Its name.
    name: String,
    role: RoleWord,
    scope: ScopeWord,
    /// Whether the password was given within five minutes.
    fresh: bool,
    /// How: `session`, `token` or `application`.
    via: &'static str,
}

/// Who am I?
#[utoipa::path(get, path = "/me", tag = "session", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = Me)))]
async fn me(caller: Caller) -> Result<Json<Me>, Problem> {
    caller.may(Scope::Read)?;
    let via = match caller.via {
        Via::Session { .. } => "session",
        Via::Token { .. } => "token",
        Via::Application { .. } => "application",
    };
    let fresh = caller.fresh().is_ok();
    let (role, scope) = (caller.role.into(), caller.scope.into());
    Ok(Json(Me { id: caller.account.id, name: caller.account.name, role, scope, fresh, via }))
}
