//! Changes that must not undo somebody else's: `ETag` on what is read, `If-Match` on what is changed (RFC 9110 13.1.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::problem::Problem;

/// The `ETag` of a version.
pub fn etag(version: i64) -> [(HeaderName, HeaderValue); 1] {
    let value = HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    [(header::ETAG, value)]
}

/// The version that a change is meant for; `None` when it is meant for any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IfMatch(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut all = parts.headers.get_all(header::IF_MATCH).iter();
        let (one, more) = (all.next(), all.next());
        let Some(one) = one else { return Ok(IfMatch(None)) };
        let text = one.to_str().unwrap_or_default().trim();
        if text == "*" && more.is_none() {
            return Ok(IfMatch(None));
        }
        let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).filter(|_| more.is_none());
        let Some(tag) = tag else {
            return Err(Problem::unreadable("bad_if_match", "If-Match is the ETag of what was read, in its quotes"));
        };
        // A tag that was never ours matches nothing.
        let text = "If-Match names no version of this";
        let stale = || Problem::new(StatusCode::PRECONDITION_FAILED, "no_match", text);
        Ok(IfMatch(Some(tag.parse().map_err(|_| stale())?)))
    }
}
