//! Downloads: a backup as one file, whole or one range of bytes (RFC 9110, 14), as an attachment (RFC 6266).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use recoup::model::user::Scope;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::Path;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(download))
}

/// Downloads a backup as one file, whole or a range of it.
#[utoipa::path(get, path = "/backups/{id}/download", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("id" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream"), (status = 416)))]
async fn download(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let (file, name, length) = app.engine().open_object(&caller.actor(), &id).await?;
    let mut file = tokio::fs::File::from_std(file);
    // Objects never change, so the id is as good a tag as any.
    let tag = format!("\"{id}\"");
    let current = headers.get(header::IF_RANGE).is_none_or(|given| given.as_bytes() == tag.as_bytes());
    let asked = headers.get(header::RANGE).filter(|_| current).and_then(|range| range.to_str().ok());
    let (status, start, end) = match asked.map(|range| one_range(range, length)) {
        None | Some(Range::Whole) => (StatusCode::OK, 0, length),
        Some(Range::Part(start, end)) => (StatusCode::PARTIAL_CONTENT, start, end),
        Some(Range::Nothing) => {
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", "There are no such bytes");
            let mut answer = problem.into_response();
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}")) {
                answer.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            return Ok(answer);
        }
    };
    file.seek(std::io::SeekFrom::Start(start)).await.map_err(|error| recoup::Error::io("reading a backup", error))?;
    let mut answer = bytes(status, file, end - start, &name);
    let mut put = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    };
    put(header::ACCEPT_RANGES, "bytes".into());
    put(header::ETAG, tag);
    if status == StatusCode::PARTIAL_CONTENT {
        put(header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end.saturating_sub(1)));
    }
    Ok(answer)
}

/// So many bytes from where the file stands, as an attachment of a name.
pub(super) fn bytes(status: StatusCode, file: tokio::fs::File, length: u64, name: &str) -> Response {
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), 64 << 10));
    attached(status, body, length, "application/octet-stream", name)
}

/// A body of so many bytes as an attachment of a name.
pub(super) fn attached(status: StatusCode, body: Body, length: u64, kind: &str, name: &str) -> Response {
    let mut answer = (status, body).into_response();
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, attachment(name)),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

#[derive(Debug, PartialEq)]
enum Range {
    Whole,
    /// From, to; the end is not in it.
    Part(u64, u64),
    Nothing,
}

/// One range of bytes (RFC 9110, 14.1.2). Several at once, and what cannot be read, give the whole.
fn one_range(text: &str, length: u64) -> Range {
    let Some(range) = text.strip_prefix("bytes=").filter(|range| !range.contains(',')) else { return Range::Whole };
    let Some((first, last)) = range.split_once('-') else { return Range::Whole };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (first, last) {
        ("", last) => match number(last) {
            Some(0) => Range::Nothing,
            Some(last) if length > 0 => Range::Part(length.saturating_sub(last), length),
            Some(_) => Range::Nothing,
            None => Range::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), _) if first >= length => Range::Nothing,
            (Some(first), None) if last.is_empty() => Range::Part(first, length),
            (Some(first), Some(last)) if first <= last => Range::Part(first, last.saturating_add(1).min(length)),
            _ => Range::Whole,
        },
    }
}

/// `attachment` with a name in both spellings (RFC 6266).
pub(super) fn attachment(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"._-".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_bytes_that_were_asked_for() {
        assert_eq!(one_range("bytes=0-0", 10), Range::Part(0, 1));
        assert_eq!(one_range("bytes=5-", 10), Range::Part(5, 10));
        assert_eq!(one_range("bytes=5-500", 10), Range::Part(5, 10));
        assert_eq!(one_range("bytes=-3", 10), Range::Part(7, 10));
        assert_eq!(one_range("bytes=-30", 10), Range::Part(0, 10));
        for nothing in ["bytes=10-", "bytes=-0", "bytes=99-100"] {
            assert_eq!(one_range(nothing, 10), Range::Nothing, "{nothing}");
        }
        assert_eq!(one_range("bytes=-3", 0), Range::Nothing);
        for whole in ["bytes=3-2", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=+1-2", "bytes=1-x"] {
            assert_eq!(one_range(whole, 10), Range::Whole, "{whole}");
        }
    }

    #[test]
    fn a_file_name_cannot_leave_its_quotes() {
        let shown = attachment("a\"; x=\r\n\u{e4}.zip");
        assert_eq!(
            shown,
            "attachment; filename=\"a___x=___.zip\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A%C3%A4.zip"
                .replace("x=_", "x__")
        );
    }
}
