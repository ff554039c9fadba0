//! Checks passwords without stopping the server: on blocking threads, two at a time, and just as long for a name that
//! nobody has. Waits after wrong ones are [`crate::limits`]'.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::StatusCode;
use recoup::catalog::{Account, password};
use serde_json::json;

use crate::App;
use crate::caller::event;
use crate::problem::Problem;

/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(20);

/// What is kept of a new password for an account of this name.
pub async fn hash(app: &App, text: &str, name: &str) -> Result<String, Problem> {
    password::check(text, name)?;
    let text = text.to_owned();
    Ok(in_turn(app, move || password::hash(&text)).await??)
}

/// The account of a name if the password is its own. Every other case is the same 401 after the same time.
pub async fn prove(app: &App, name: &str, text: &str, address: Option<IpAddr>) -> Result<Account, Problem> {
    let name = name.trim();
    app.limits().may_try(name, address, app.now())?;
    let account = app.catalog().account_named(name).await?.filter(|account| !account.disabled);
    let kept = account.as_ref().and_then(|account| account.password.clone());
    let given = text.to_owned();
    let right =
        text.len() <= password::LONGEST && in_turn(app, move || password::verify(&given, kept.as_deref())).await?;
    if let (true, Some(account)) = (right, &account) {
        app.limits().right(name);
        return Ok(account.clone());
    }
    app.limits().wrong(name, address, app.now());
    // A name that nobody has may be a password in the wrong field: it is not written down.
    let (id, details) = match &account {
        Some(account) => (account.id.as_str(), json!({"name": account.name})),
        None => ("", json!({})),
    };
    let failed = event("user.login_failed", None, address, ("user", id), "login", false, details);
    app.catalog().append_audit(failed, app.now()).await?;
    Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong_password", "Name or password is wrong"))
}

async fn in_turn<T: Send + 'static>(app: &App, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let turn = tokio::time::timeout(TURN, app.passwords().acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        let text = "Too many people sign in at once";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text).retry_after(10));
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::ours())
}
