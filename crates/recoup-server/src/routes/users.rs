//! Users, for admins: list, create, change, end their sign-ins. Nobody is deleted, because the audit names them; they
//! are disabled.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use recoup::catalog::Account;
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::input::{Input, Path};
use crate::problem::Problem;
use crate::views::RoleWord;
use crate::{App, passwords};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, change)).routes(routes!(end_sessions))
}

/// The account that plans of recoup.toml belong to. Nobody signs in with it.
const OWN: &str = "recoup";

/// A user.
#[derive(Serialize, ToSchema)]
pub struct User {
    pub id: String,
    /// What they sign in with.
    pub name: String,
    pub role: RoleWord,
    /// May not sign in.
    pub disabled: bool,
    /// Whether there is a password; without one somebody else signs them in.
    pub password: bool,
    #[schema(format = DateTime, value_type = String)]
    pub created_at: jiff::Timestamp,
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        User {
            id: account.id,
            name: account.name,
            role: account.role.into(),
            disabled: account.disabled,
            password: account.password.is_some(),
            created_at: account.created_at,
        }
    }
}

/// Everybody.
#[derive(Serialize, ToSchema)]
struct Users {
    items: Vec<User>,
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// What they sign in with: up to 64 characters without spaces.
    #[schema(min_length = 1, max_length = 64, pattern = r"^\S+$")]
    name: String,
    role: RoleWord,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 1024, format = Password)]
    password: String,
}

/// What is to change of a user; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    #[serde(default)]
    role: Option<RoleWord>,
    /// A new password; ends their sign-ins.
    #[serde(default)]
    #[schema(min_length = 12, max_length = 1024, format = Password)]
    password: Option<String>,
    /// May not sign in any more; ends their sign-ins.
    #[serde(default)]
    disabled: Option<bool>,
}

/// How many sign-ins ended.
#[derive(Serialize, ToSchema)]
struct Ended {
    ended: u64,
}

/// A name as it may be.
pub fn named(text: &str) -> Result<String, Problem> {
    let good = (1..=64).contains(&text.chars().count()) && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if !good {
        let text = "A user's name has 1 to 64 characters and no spaces";
        return Err(Problem::invalid("bad_name", text));
    }
    Ok(text.to_owned())
}

fn missing() -> Problem {
    Problem::missing("user_missing", "User not found")
}

/// Lists users.
#[utoipa::path(get, path = "/users", tag = "users", security(("session" = ["admin"]), ("bearer" = ["admin"])),
    responses((status = 200, body = Users)))]
async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Users>, Problem> {
    caller.may(Scope::Admin)?;
    let items = app.catalog().accounts().await?.into_iter().map(User::from).collect();
    Ok(Json(Users { items }))
}

/// Creates a user.
#[utoipa::path(post, path = "/users", tag = "users", security(("session" = ["admin"]), ("bearer" = ["admin"])),
    request_body = NewUser, responses((status = 201, body = User)))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Input(given): Input<NewUser>,
) -> Result<(StatusCode, Json<User>), Problem> {
    caller.may(Scope::Admin)?;
    caller.fresh()?;
    let name = named(&given.name)?;
    if app.catalog().account_named(&name).await?.is_some() {
        let text = format!("There is a user of that name: {name}");
        return Err(Problem::new(StatusCode::CONFLICT, "user_exists", text));
    }
    let password = Some(passwords::hash(&app, &given.password, &name).await?);
    let role = given.role.into();
    let account = Account { id: app.new_id(), name, role, password, disabled: false, created_at: app.now() };
    let details = json!({"name": account.name, "role": account.role.word()});
    let created = caller.event("user.created", ("user", &account.id), "create", details);
    app.audited(created, app.catalog().add_account(&account)).await?;
    Ok((StatusCode::CREATED, Json(account.into())))
}

/// Reads a user.
#[utoipa::path(get, path = "/users/{id}", tag = "users", security(("session" = ["admin"]), ("bearer" = ["admin"])),
    params(("id" = String, Path)), responses((status = 200, body = User)))]
async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<User>, Problem> {
    caller.may(Scope::Admin)?;
    Ok(Json(app.catalog().account(&id).await?.ok_or_else(missing)?.into()))
}

/// Changes a user's role, password or whether they may sign in. The last admin stays one.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", security(("session" = ["admin"]), ("bearer" = ["admin"])),
    params(("id" = String, Path)), request_body = UserChange, responses((status = 200, body = User)))]
async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Input(given): Input<UserChange>,
) -> Result<Json<User>, Problem> {
    caller.may(Scope::Admin)?;
    caller.fresh()?;
    let mut account = app.catalog().account(&id).await?.ok_or_else(missing)?;
    if account.name == OWN {
        return Err(Problem::new(StatusCode::CONFLICT, "built_in", "This account is Recoup's own"));
    }
    let mut changed = Vec::new();
    if let Some(role) = given.role {
        account.role = role.into();
        changed.push("role");
    }
    if let Some(password) = &given.password {
        account.password = Some(passwords::hash(&app, password, &account.name).await?);
        changed.push("password");
    }
    if let Some(disabled) = given.disabled {
        account.disabled = disabled;
        changed.push("disabled");
    }
    let details = json!({"changed": changed, "role": account.role.word(), "disabled": account.disabled});
    let event = caller.event("user.changed", ("user", &account.id), "update", details);
    app.audited(event, app.catalog().update_account(&account)).await?;
    Ok(Json(account.into()))
}

/// Ends every sign-in of a user.
#[utoipa::path(delete, path = "/users/{id}/sessions", tag = "users",
    security(("session" = ["admin"]), ("bearer" = ["admin"])),
    params(("id" = String, Path)), responses((status = 200, body = Ended)))]
async fn end_sessions(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Ended>, Problem> {
    caller.may(Scope::Admin)?;
    let account = app.catalog().account(&id).await?.ok_or_else(missing)?;
    let event = caller.event("user.changed", ("user", &account.id), "end_sessions", json!({}));
    let ended = app.audited(event, app.catalog().end_logins(&account.id, None)).await?;
    Ok(Json(Ended { ended }))
}
