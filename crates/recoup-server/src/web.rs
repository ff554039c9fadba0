//! The web page: the files that `ui/` builds, compressed when they were built, and `index.html` for every address that
//! is not the API's, so that each view has an address of its own. What the page shows comes from the API, not from here.
//!
//! The page works below any path: its files are named relatively, and the address they are relative to is put in here.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};

use crate::App;
use crate::door;
use crate::problem::Problem;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What the page may load and do: only what comes from here, no style or script in the HTML itself.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; \
     frame-ancestors 'none'";

/// Stands in `index.html` where the address of the page goes.
const BASE: &str = "<base href=\"/\"";

/// What is shown when the daemon was built without the page.
const MISSING: &str = include_str!("missing.html");

/// Files of the page, its HTML, or nothing.
pub async fn page(State(app): State<App>, request: Request) -> Response {
    let nothing = || Problem::missing("not_found", "There is nothing here").into_response();
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || path == "api" || path.starts_with("api/") {
        return nothing();
    }
    if let Some(answer) = file(&path, request.headers()) {
        return answer;
    }
    let wants_html = accepts(request.headers(), header::ACCEPT, "text/html");
    if !wants_html || path.starts_with("assets/") { nothing() } else { index(&app) }
}

/// `index.html` as it is under the address that it was asked by.
fn index(app: &App) -> Response {
    let found = content("index.html");
    let html = found.as_deref().map_or(Cow::Borrowed(MISSING), String::from_utf8_lossy);
    let base = format!("<base href=\"{}/\"", escaped(&door::base(app)));
    let mut answer = html.replacen(BASE, &base, 1).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY));
    answer
}

/// One file, as small as the client can read it. A file below `assets/` has a hash in its name and never changes.
fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let kind = kind(path)?;
    let bytes = content(path)?;
    let packed = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(word, _)| accepts(headers, header::ACCEPT_ENCODING, word))
        .find_map(|(word, end)| content(&format!("{path}{end}")).map(|bytes| (word, bytes)));
    let (coding, bytes) = packed.map_or((None, bytes), |(word, bytes)| (Some(word), bytes));
    // What the binary holds is sent from where it lies.
    let body = match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let mut answer = body.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let keeps = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keeps));
    Some(answer)
}

/// What a file is, by its end; `None` for what is not given by its own name.
fn kind(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

/// The bytes of a file of the page. A build for development reads them from the folder, so that a change of the page
/// needs no new daemon.
fn content(name: &str) -> Option<Cow<'static, [u8]>> {
    #[cfg(not(page_inside))]
    if name.split('/').all(|part| !part.is_empty() && !part.starts_with('.')) {
        let dist = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/page/dist"));
        if let Ok(bytes) = std::fs::read(dist.join(name)) {
            return Some(Cow::Owned(bytes));
        }
    }
    let at = FILES.binary_search_by_key(&name, |(known, _)| *known).ok()?;
    FILES.get(at).map(|(_, bytes)| Cow::Borrowed(*bytes))
}

/// Whether a header that lists words, each with a weight or without, has this one.
fn accepts(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| {
        let (found, weight) = item.split_once(';').unwrap_or((item, ""));
        found.trim().eq_ignore_ascii_case(word) && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_unless_its_weight_is_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br;q=0 , zstd;q=0.5"));
        let has = |word| accepts(&headers, header::ACCEPT_ENCODING, word);
        assert!(has("gzip") && has("zstd") && !has("br") && !has("deflate"));
    }

    #[test]
    fn nothing_outside_of_the_folder_is_given() {
        for name in ["../package.json", "assets/../../package.json", ".gitignore", "/etc/hostname", "", "assets/"] {
            assert!(content(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_page_that_is_shown_without_the_page_says_how_to_make_it() {
        assert!(MISSING.contains("make ui") && MISSING.contains(BASE));
    }
}
