//! Sign-ins on browsers: one cookie with 256 random bits, whose hash the catalog keeps. Half an hour unused or twelve
//! hours in all end one. A new one is made whenever a password is given (ASVS 5.0 7.2.4).

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use recoup::Result;
use recoup::catalog::Login;

use crate::{App, secret};

/// Unused for so long it ends.
pub const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// After so long it ends in any case.
pub const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);
/// That it is used is noted at most so often.
const NOTED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// With TLS, `__Host-` makes browsers refuse a cookie that another host or a plain page set.
fn name(secure: bool) -> &'static str {
    if secure { "__Host-session" } else { "recoup-session" }
}

/// The sign-in of a request, with the hash that it is kept under.
pub async fn login(app: &App, headers: &HeaderMap, now: Timestamp) -> Result<Option<(String, Login)>> {
    let Some(id) = id(app, headers) else { return Ok(None) };
    let Some(login) = app.catalog().login(&id, now, IDLE, ABSOLUTE).await? else { return Ok(None) };
    if now.duration_since(login.seen_at) > NOTED_EVERY {
        app.catalog().touch_login(&id, now, false).await?;
    }
    Ok(Some((id, login)))
}

/// The hash of the cookie that a request carries.
pub fn id(app: &App, headers: &HeaderMap) -> Option<String> {
    let name = name(app.options().is_secure());
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(known, _)| *known == name);
    // Two of one name: one of them was put there by somebody else.
    let (one, None) = (values.next()?, values.next()) else { return None };
    Some(secret::hash(one.1))
}

/// Signs an account in, in place of `before`; gives the cookie to set.
pub async fn begin(app: &App, account: &str, before: Option<&str>, now: Timestamp) -> Result<HeaderValue> {
    let value = secret::new()?;
    app.catalog().add_login(&secret::hash(&value), account, now).await?;
    if let Some(before) = before {
        app.catalog().end_login(before).await?;
    }
    Ok(cookie(app, &value, ABSOLUTE.as_secs()))
}

/// The cookie that takes the cookie away.
pub fn over(app: &App) -> HeaderValue {
    cookie(app, "", 0)
}

fn cookie(app: &App, value: &str, seconds: i64) -> HeaderValue {
    let secure = app.options().is_secure();
    let flag = if secure { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{flag}", name(secure));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
