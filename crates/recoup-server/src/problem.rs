//! Problem documents (RFC 9457): what every answer that is not a success says. The sentences are the library's own and
//! the specified ones stay verbatim; what only an operator may see (paths of ours, SQL, causes) goes to the log under the
//! request's id and never into a body.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use recoup::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::door;

/// The content type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Names the kind of problem: `urn:recoup:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sentence for people.
    pub title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable code, for scripts.
    pub code: Cow<'static, str>,
    /// More about this occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The id under which the log has more.
    pub request_id: String,
}

/// A problem on its way to the client. `Result<_, Problem>` is what handlers give.
#[derive(Debug)]
pub struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    document: Document,
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem with a status, a code and a sentence.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, title: impl Into<String>) -> Self {
        let code = code.into();
        let document = Document {
            kind: format!("urn:recoup:problem:{code}"),
            title: title.into(),
            status: status.as_u16(),
            code,
            detail: None,
            hint: None,
            request_id: String::new(),
        };
        Problem(Box::new(Inner { document, retry_after: None }))
    }

    /// 400: what was sent cannot be read.
    pub fn unreadable(code: &'static str, title: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, code, title)
    }

    /// 422: what was sent can be read, but says something that cannot be.
    pub fn invalid(code: &'static str, title: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, title)
    }

    /// 404: it is not there, or it is somebody else's.
    pub fn missing(code: &'static str, title: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, code, title)
    }

    /// 403: the caller may not.
    pub fn denied(title: impl Into<String>) -> Self {
        Problem::new(StatusCode::FORBIDDEN, "denied", title)
    }

    /// 429, to be tried again after so many seconds.
    pub fn slow_down(code: &'static str, seconds: u64) -> Self {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, code, "Too many requests").retry_after(seconds.max(1))
    }

    /// Adds more about this occurrence.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.document.detail = Some(detail.into());
        self
    }

    /// Adds what can be done about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.document.hint = Some(hint.into());
        self
    }

    /// Adds `Retry-After`, in seconds.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// The document alone, to be part of an answer.
    pub fn into_document(self) -> Document {
        Document { request_id: door::request_id(), ..self.0.document }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Its code.
    pub fn code(&self) -> &str {
        &self.0.document.code
    }

    /// Something of ours went wrong in a way that a client can do nothing about; the log has the cause.
    pub fn ours() -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "Something went wrong")
            .detail("The log has the cause under this request id")
    }
}

/// The status of each kind of error. A code that means something more precise comes first.
fn status(kind: ErrorKind, code: &str) -> StatusCode {
    match code {
        "plan_changed" | "setting_changed" | "changed_meanwhile" => return StatusCode::PRECONDITION_FAILED,
        "confirm_required" => return StatusCode::PRECONDITION_REQUIRED,
        "queue_full" => return StatusCode::TOO_MANY_REQUESTS,
        "catalog_unreachable" | "catalog_busy" | "audit_busy" => return StatusCode::SERVICE_UNAVAILABLE,
        _ => {}
    }
    match kind {
        ErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Usage | ErrorKind::Corrupted | ErrorKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Busy | ErrorKind::WouldOverwrite | ErrorKind::Cancelled => StatusCode::CONFLICT,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Unreachable => StatusCode::BAD_GATEWAY,
        ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
    }
}

/// A sentence for errors of the operating system, whose own sentence names a path.
fn generic(code: &str) -> Option<&'static str> {
    match code {
        "not_found" => Some("Something that this needs is missing on the server"),
        "permission_denied" => Some("Permission denied on the server"),
        "already_exists" => Some("Something is in the way on the server"),
        "io_error" => Some("Something went wrong"),
        _ => None,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = status(error.kind(), error.code());
        let request = door::request_id();
        if status.is_server_error() {
            tracing::error!(%request, code = error.code(), detail = error.detail(), "{error}");
        } else {
            tracing::debug!(%request, code = error.code(), detail = error.detail(), "{error}");
        }
        if error.kind() == ErrorKind::Failed {
            let mut problem = Problem::ours();
            problem.0.document.kind = format!("urn:recoup:problem:{}", error.code());
            problem.0.document.code = error.code().into();
            return problem;
        }
        if let Some(sentence) = generic(error.code()) {
            return Problem::new(status, error.code(), sentence).detail("The log has the cause under this request id");
        }
        let mut problem = Problem::new(status, error.code(), error.message());
        problem.0.document.hint = error.hint_text().map(str::to_owned);
        match (error.kind(), status) {
            (ErrorKind::Busy, _) | (_, StatusCode::SERVICE_UNAVAILABLE) => problem.retry_after(10),
            _ => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { mut document, retry_after } = *self.0;
        document.request_id = door::request_id();
        let status = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut answer = (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 wants a challenge. `Basic` would make browsers open their own window.
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"recoup\""));
        }
        answer
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_specified_sentences_come_with_their_statuses() {
        let of = |error: Error| {
            let problem = Problem::from(error);
            (problem.status().as_u16(), problem.0.document.title.clone(), problem.0.retry_after.is_some())
        };
        assert_eq!(of(Error::no_space("3 GiB in /srv")), (507, "Not enough disk space".into(), false));
        assert_eq!(of(Error::corrupted("byte 3 of /srv/x")), (422, "Backup file is corrupted".into(), false));
        let busy = Error::new(ErrorKind::Busy, "db_in_use", "Cannot backup while database is in use");
        assert_eq!(of(busy), (409, "Cannot backup while database is in use".into(), true));
        let time = Error::usage("bad_time", "Invalid time format. Use HH:MM (24-hour)");
        assert_eq!(of(time), (422, "Invalid time format. Use HH:MM (24-hour)".into(), false));
        let missing = Error::new(ErrorKind::NotFound, "source_missing", "Database file not found: shop.db");
        assert_eq!(of(missing), (404, "Database file not found: shop.db".into(), false));
        let confirm = Error::usage("confirm_required", "Restore will replace all data. Continue?");
        assert_eq!(of(confirm).0, 428);
    }

    #[test]
    fn a_body_has_no_path_of_ours_and_no_cause() {
        let io = || std::io::Error::from_raw_os_error(13);
        let errors = [
            Error::at("reading", std::path::Path::new("/var/lib/recoup/key"), io()),
            Error::new(ErrorKind::Failed, "catalog_failed", "/secret/place").because("SELECT * FROM account"),
        ];
        for error in errors {
            let text = serde_json::to_string(&Problem::from(error).0.document).unwrap();
            assert!(!text.contains("/var") && !text.contains("/secret") && !text.contains("SELECT"), "{text}");
        }
    }
}
