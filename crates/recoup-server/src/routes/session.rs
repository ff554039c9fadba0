//! Setting up, signing in and out, giving the password again, changing one's own.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use recoup::catalog::Account;
use recoup::model::user::{Role, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::net::IpAddr;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::users::{User, named};
use crate::caller::{Caller, Via, event};
use crate::input::Input;
use crate::problem::Problem;
use crate::views::{RoleWord, ScopeWord};
use crate::{App, passwords, session, setup};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(setup_state, set_up))
        .routes(routes!(sign_in, sign_out))
        .routes(routes!(prove))
        .routes(routes!(me))
        .routes(routes!(change_password))
}

/// Where a request comes from, when it is known.
struct Peer(Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Peer(peer.map(|peer| peer.0.ip().to_canonical())))
    }
}

/// Whether a first admin is still to be made.
#[derive(Serialize, ToSchema)]
struct SetupState {
    needed: bool,
}

/// The first admin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// The code that the daemon printed when it started.
    code: String,
    /// What to sign in with.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 1024, format = Password)]
    password: String,
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    #[schema(format = Password)]
    password: String,
}

/// The password again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Proof {
    #[schema(format = Password)]
    password: String,
}

/// The old password and a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    #[schema(format = Password)]
    old: String,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 1024, format = Password)]
    new: String,
}

/// Who signed in, and what this request may do.
#[derive(Serialize, ToSchema)]
struct Me {
    /// Id of the account.
    id: String,
    name: String,
    role: RoleWord,
    scope: ScopeWord,
    /// Whether the password was given within five minutes.
    fresh: bool,
    /// How: `session`, `token` or `application`.
    via: String,
}

/// Is a first admin still to be made?
#[utoipa::path(get, path = "/setup", tag = "session", security(()), responses((status = 200, body = SetupState)))]
async fn setup_state(State(app): State<App>) -> Result<Json<SetupState>, Problem> {
    Ok(Json(SetupState { needed: setup::needed(&app).await? }))
}

/// Makes the first admin and signs them in. The code that the daemon printed works once.
#[utoipa::path(post, path = "/setup", tag = "session", security(()), request_body = SetUp,
    responses((status = 201, body = User)))]
async fn set_up(State(app): State<App>, from: Peer, Input(given): Input<SetUp>) -> Result<Response, Problem> {
    // The same waits as for passwords, under a name that no account can have.
    app.limits().may_try("\n", from.0, app.now())?;
    if !setup::needed(&app).await? {
        return Err(Problem::new(StatusCode::CONFLICT, "set_up_already", "There is an admin already"));
    }
    if !setup::is_right(&app, &given.code).await? {
        app.limits().wrong("\n", from.0, app.now());
        return Err(Problem::new(StatusCode::FORBIDDEN, "wrong_code", "This is not the set-up code")
            .hint("the daemon prints a new one each time it starts"));
    }
    let name = named(&given.name)?;
    let password = passwords::hash(&app, &given.password, &name).await?;
    if !setup::use_up(&app).await? {
        return Err(Problem::new(StatusCode::CONFLICT, "set_up_already", "There is an admin already"));
    }
    let now = app.now();
    let id = app.new_id();
    let account = Account { id, name, role: Role::Admin, password: Some(password), disabled: false, created_at: now };
    let details = json!({"name": account.name, "role": "admin", "by": "setup"});
    let created = event("user.created", Some(&account.id), from.0, ("user", &account.id), "create", true, details);
    if let Err(error) = app.audited(created, app.catalog().add_account(&account)).await {
        setup::give_back(&app, &given.code).await?;
        return Err(error.into());
    }
    let cookie = session::begin(&app, &account.id, None, now).await?;
    Ok((StatusCode::CREATED, set(cookie), Json(User::from(account))).into_response())
}

/// Signs in. The answer sets a cookie; what changes something later also needs the header `X-Recoup`.
#[utoipa::path(post, path = "/session", tag = "session", security(()), request_body = SignIn,
    responses((status = 200, body = User)))]
async fn sign_in(
    State(app): State<App>,
    from: Peer,
    headers: HeaderMap,
    Input(given): Input<SignIn>,
) -> Result<Response, Problem> {
    if app.options().authenticate.is_some() {
        return Err(Problem::missing("no_sign_in", "The application around this signs people in"));
    }
    let account = passwords::prove(&app, &given.name, &given.password, from.0).await?;
    let details = json!({"name": account.name});
    let login = event("user.login", Some(&account.id), from.0, ("user", &account.id), "login", true, details);
    app.catalog().append_audit(login, app.now()).await?;
    let before = session::id(&app, &headers);
    let cookie = session::begin(&app, &account.id, before.as_deref(), app.now()).await?;
    Ok((set(cookie), Json(User::from(account))).into_response())
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "session", security(("session" = ["read"])),
    responses((status = 204)))]
async fn sign_out(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let Via::Session { id, .. } = &caller.via else {
        return Err(Problem::new(StatusCode::FORBIDDEN, "no_session", "This request has no sign-in that could end"));
    };
    app.catalog().end_login(id).await?;
    let logout = caller.event("user.logout", ("user", &caller.account.id), "logout", json!({}));
    app.catalog().append_audit(logout, app.now()).await?;
    Ok((StatusCode::NO_CONTENT, set(session::over(&app))).into_response())
}

/// Gives the password again: for five minutes, what cannot be taken back may be done.
#[utoipa::path(post, path = "/session/proof", tag = "session", security(("session" = ["read"])),
    request_body = Proof, responses((status = 204)))]
async fn prove(State(app): State<App>, caller: Caller, Input(given): Input<Proof>) -> Result<Response, Problem> {
    let Via::Session { id, .. } = &caller.via else {
        return Err(Problem::new(StatusCode::FORBIDDEN, "no_session", "Only a sign-in with a password can be proven"));
    };
    passwords::prove(&app, &caller.account.name, &given.password, caller.address).await.map_err(not_401)?;
    let cookie = session::begin(&app, &caller.account.id, Some(id), app.now()).await?;
    Ok((StatusCode::NO_CONTENT, set(cookie)).into_response())
}

/// Who am I?
#[utoipa::path(get, path = "/me", tag = "session", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = Me)))]
async fn me(caller: Caller) -> Result<Json<Me>, Problem> {
    caller.may(Scope::Read)?;
    let via = match caller.via {
        Via::Session { .. } => "session",
        Via::Token { .. } => "token",
        Via::Proxy => "proxy",
        Via::Application { .. } => "application",
    };
    let fresh = caller.fresh().is_ok();
    let (role, scope) = (caller.role.into(), caller.scope.into());
    let Account { id, name, .. } = caller.account;
    Ok(Json(Me { id, name, role, scope, fresh, via: via.into() }))
}

/// Changes one's own password and ends every other sign-in.
#[utoipa::path(post, path = "/me/password", tag = "session", security(("session" = ["read"])),
    request_body = NewPassword, responses((status = 204)))]
async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Input(given): Input<NewPassword>,
) -> Result<Response, Problem> {
    let Via::Session { .. } = &caller.via else {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "no_session",
            "Only somebody who signed in with a password can change it",
        ));
    };
    let name = &caller.account.name;
    let mut account = passwords::prove(&app, name, &given.old, caller.address).await.map_err(not_401)?;
    account.password = Some(passwords::hash(&app, &given.new, &account.name).await?);
    let changed = caller.event("user.changed", ("user", &account.id), "update", json!({"changed": ["password"]}));
    app.audited(changed, app.catalog().update_account(&account)).await?;
    let cookie = session::begin(&app, &account.id, None, app.now()).await?;
    Ok((StatusCode::NO_CONTENT, set(cookie)).into_response())
}

/// 401 would tell a page that its sign-in is over.
fn not_401(problem: Problem) -> Problem {
    if problem.status() == StatusCode::UNAUTHORIZED {
        return Problem::new(StatusCode::FORBIDDEN, "wrong_password", "The password is wrong");
    }
    problem
}

fn set(cookie: HeaderValue) -> [(header::HeaderName, HeaderValue); 1] {
    [(header::SET_COOKIE, cookie)]
}
