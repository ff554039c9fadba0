//! `/api/docs`: a page that shows the OpenAPI document. Everything on it comes from this server, so that it works
//! without the internet and under the strict content policy.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::App;
use crate::problem::Problem;

const HTML: &str = include_str!("../docs/docs.html");
const CSS: &str = include_str!("../docs/docs.css");
const JS: &str = include_str!("../docs/docs.js");

/// The page and what belongs to it; not part of the document that it shows.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/docs", get(|app| file(app, "text/html; charset=utf-8", HTML)))
        .route("/api/docs/docs.css", get(|app| file(app, "text/css; charset=utf-8", CSS)))
        .route("/api/docs/docs.js", get(|app| file(app, "text/javascript; charset=utf-8", JS)))
}

async fn file(State(app): State<App>, kind: &'static str, text: &'static str) -> Response {
    if !app.options().docs {
        return Problem::missing("not_found", "There is nothing here").into_response();
    }
    let mut answer = text.into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // A new version of the daemon brings new files under the same names.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}
