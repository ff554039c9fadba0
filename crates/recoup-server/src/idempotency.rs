//! `Idempotency-Key`: a request that starts work may be sent again when its answer was lost, and is done once. The first
//! answer is kept for 24 hours and given again. A layer, for routes whose answers hold no secret:
//! `.route_layer(middleware::from_fn(idempotency::once))`.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use recoup::catalog::Kept;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::App;
use crate::caller::Caller;
use crate::input::unreadable;
use crate::problem::Problem;

const KIND: &str = "idempotency";
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// A first request that has not answered for so long never will: its daemon is gone.
const OPEN_FOR: SignedDuration = SignedDuration::from_mins(3);
/// Larger answers are not kept; those of routes that start work are small.
const LARGEST: usize = 256 << 10;
/// Headers of an answer that are given again.
const HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// Does a POST with a key once; others pass.
pub async fn once(request: Request, next: Next) -> Response {
    match keyed(request, next).await {
        Ok(answer) => answer,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(request: Request, next: Next) -> Result<Response, Problem> {
    let Some(key) = request.headers().get("idempotency-key").filter(|_| request.method() == Method::POST) else {
        return Ok(next.run(request).await);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()))
        .map(str::to_owned)
        .ok_or_else(|| Problem::unreadable("bad_key", "An Idempotency-Key has 1 to 255 visible characters"))?;
    let Some(app) = request.extensions().get::<App>().cloned() else { return Err(Problem::ours()) };
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), &app).await.map_err(unreadable)?;

    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let print = Sha256::new().chain_update(target).chain_update([0]).chain_update(&bytes).finalize();
    let print = data_encoding::HEXLOWER.encode(&print);
    let (id, owner, now) = (key, caller.account.id, app.now());
    let mut kept = Kept {
        kind: KIND.into(),
        id,
        owner,
        body: json!({"print": print, "answer": null}),
        expires_at: now + OPEN_FOR,
    };
    if !app.catalog().keep_once(&kept, now).await? {
        let Some(first) = app.catalog().kept(KIND, &kept.id, &kept.owner, now).await? else {
            return Err(still_running());
        };
        return again(&first.body, &print);
    }
    let answer = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    if !answer.status().is_success() {
        // Nothing was started: the same key may try again.
        app.catalog().forget(KIND, &kept.id, &kept.owner).await?;
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| Problem::ours())?;
    let headers: Vec<(&str, &str)> =
        HEADERS.iter().filter_map(|name| Some((name.as_str(), parts.headers.get(name)?.to_str().ok()?))).collect();
    let text = String::from_utf8_lossy(&bytes);
    kept.body = json!({"print": print, "answer": {"status": parts.status.as_u16(), "headers": headers, "body": text}});
    kept.expires_at = now + KEPT_FOR;
    app.catalog().keep_again(&kept).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn still_running() -> Problem {
    Problem::new(StatusCode::CONFLICT, "still_running", "The first request with this key has not answered yet")
        .retry_after(1)
}

/// The answer of the first request, if this is the same request.
fn again(first: &Value, print: &str) -> Result<Response, Problem> {
    if first["print"] != *print {
        let text = "This Idempotency-Key was used for another request";
        return Err(Problem::invalid("key_reused", text));
    }
    let answer = &first["answer"];
    if answer.is_null() {
        return Err(still_running());
    }
    let status = answer["status"].as_u64().and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let mut response = Response::new(Body::from(answer["body"].as_str().unwrap_or_default().to_owned()));
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    for pair in answer["headers"].as_array().into_iter().flatten() {
        let (name, value) = (pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    Ok(response)
}
