//! The first admin. While nobody can sign in, whoever has the code that the daemon printed may become one, once. Only
//! the code's hash is kept, in the catalog, so that several daemons on one catalog agree who was first.

use jiff::{SignedDuration, Timestamp};
use recoup::Result;
use recoup::catalog::Kept;
use recoup::model::user::Role;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::{App, secret};

const KIND: &str = "setup";
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Whether nobody can sign in as admin yet.
pub async fn needed(app: &App) -> Result<bool> {
    if app.options().authenticate.is_some() {
        return Ok(false);
    }
    let accounts = app.catalog().accounts().await?;
    Ok(!accounts.iter().any(|one| one.role == Role::Admin && !one.disabled && one.password.is_some()))
}

/// A new code in place of any before; `None` when it is not needed.
pub async fn new_code(app: &App) -> Result<Option<String>> {
    if !needed(app).await? {
        return Ok(None);
    }
    let code = secret::new_code()?;
    keep(app, secret::hash(&secret::typed(&code)), app.now()).await?;
    Ok(Some(code))
}

async fn keep(app: &App, hash: String, now: Timestamp) -> Result<()> {
    let body = json!({ "hash": hash });
    let kept = Kept { kind: KIND.into(), id: "code".into(), owner: String::new(), body, expires_at: now + LIFE };
    if !app.catalog().keep_once(&kept, now).await? {
        app.catalog().keep_again(&kept).await?;
    }
    Ok(())
}

/// Whether this is the code.
pub async fn is_right(app: &App, code: &str) -> Result<bool> {
    let Some(kept) = app.catalog().kept(KIND, "code", "", app.now()).await? else { return Ok(false) };
    let hash = kept.body.get("hash").and_then(|hash| hash.as_str()).unwrap_or_default();
    Ok(secret::hash(&secret::typed(code)).as_bytes().ct_eq(hash.as_bytes()).into())
}

/// Uses the code up; `false` when somebody was faster.
pub async fn use_up(app: &App) -> Result<bool> {
    app.catalog().forget(KIND, "code", "").await
}

/// Gives the code back after the account could not be made.
pub async fn give_back(app: &App, code: &str) -> Result<()> {
    keep(app, secret::hash(&secret::typed(code)), app.now()).await
}
