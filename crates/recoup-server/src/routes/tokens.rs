//! Tokens for scripts: shown once, kept hashed, with a scope and an end.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use recoup::catalog::Token;
use recoup::model::user::{Role, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::input::{Input, Path};
use crate::problem::Problem;
use crate::views::ScopeWord;
use crate::{App, secret};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(remove))
}

/// How many tokens somebody may have.
const MOST: usize = 100;

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
struct TokenView {
    id: String,
    /// Id of the user whose it is.
    user: String,
    name: String,
    scope: ScopeWord,
    #[schema(format = DateTime, value_type = String)]
    created_at: Timestamp,
    #[schema(format = DateTime, value_type = String)]
    expires_at: Timestamp,
    /// When it was last used.
    #[schema(format = DateTime, value_type = Option<String>)]
    used_at: Option<Timestamp>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        TokenView {
            id: token.id,
            user: token.account,
            name: token.name,
            scope: token.scope.into(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            used_at: token.used_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Tokens {
    items: Vec<TokenView>,
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// To tell it from others.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    scope: ScopeWord,
    /// How long it works: 1 to 366 days; 90 when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 366)]
    days: Option<u16>,
}

/// A token with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    /// Goes into `Authorization: Bearer`.
    token: String,
    #[serde(flatten)]
    about: TokenView,
}

/// Tokens are made and removed with everything that one may do oneself, not with less.
fn whole(caller: &Caller) -> Result<(), Problem> {
    if caller.scope == Scope::Admin {
        return Ok(());
    }
    Err(Problem::denied("This token may not do this").hint("it needs a token with the scope admin"))
}

/// Lists one's own tokens; an admin's list has everybody's.
#[utoipa::path(get, path = "/tokens", tag = "tokens", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = Tokens)))]
async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Tokens>, Problem> {
    caller.may(Scope::Read)?;
    let everybody = caller.role == Role::Admin && caller.scope == Scope::Admin;
    let of = if everybody { None } else { Some(caller.account.id.as_str()) };
    let items = app.catalog().tokens(of).await?.into_iter().map(TokenView::from).collect();
    Ok(Json(Tokens { items }))
}

/// Makes a token for oneself. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/tokens", tag = "tokens", security(("session" = ["read"]), ("bearer" = ["admin"])),
    request_body = NewToken, responses((status = 201, body = MadeToken)))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Input(given): Input<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    whole(&caller)?;
    if given.scope == ScopeWord::Admin {
        caller.fresh()?;
    }
    let name = given.name.trim();
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Problem::invalid("bad_name", "A token's name has 1 to 100 characters"));
    }
    let days = given.days.unwrap_or(90);
    if !(1..=366).contains(&days) {
        return Err(Problem::invalid("bad_days", "A token works for 1 to 366 days"));
    }
    let now = app.now();
    let own = app.catalog().tokens(Some(&caller.account.id)).await?;
    if own.iter().filter(|token| token.expires_at > now).count() >= MOST {
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_tokens", "You have too many tokens")
            .hint("remove those that are not used"));
    }
    let secret = secret::new_token()?;
    let token = Token {
        id: app.new_id(),
        account: caller.account.id.clone(),
        name: name.to_owned(),
        scope: given.scope.into(),
        created_at: now,
        expires_at: now + SignedDuration::from_hours(24 * i64::from(days)),
        used_at: None,
    };
    let details = json!({"name": token.name, "scope": token.scope.word(), "expires_at": token.expires_at});
    let created = caller.event("token.created", ("token", &token.id), "create", details);
    app.audited(created, app.catalog().add_token(&token, &secret::hash(&secret))).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { token: secret, about: token.into() })))
}

/// Removes a token: it works no more. An admin may remove anybody's.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens",
    security(("session" = ["read"]), ("bearer" = ["admin"])),
    params(("id" = String, Path)), responses((status = 204)))]
async fn remove(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    whole(&caller)?;
    let of = if caller.role == Role::Admin { None } else { Some(caller.account.id.as_str()) };
    if !app.catalog().tokens(of).await?.iter().any(|token| token.id == id) {
        return Err(Problem::missing("token_missing", "Token not found"));
    }
    let removed = caller.event("token.removed", ("token", &id), "delete", json!({}));
    app.audited(removed, app.catalog().remove_token(&id, of)).await?;
    Ok(StatusCode::NO_CONTENT)
}
