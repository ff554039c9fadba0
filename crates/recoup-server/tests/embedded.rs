//! Inside another axum application: under a path of its own, with the application's own people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use axum::routing::get;
use recoup::Result;
use recoup::model::user::Role;
use recoup_server::server::Bounds;
use recoup_server::{Authenticate, Identity, Options};
use serde_json::json;
use stand::Stand;

/// The application knows its people by a header; a real one looks at its own session.
struct Shop;

impl Authenticate for Shop {
    fn identify<'a>(
        &'a self,
        request: &'a Parts,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Identity>>> + Send + 'a>> {
        let name = request.headers.get("shop-user").and_then(|name| name.to_str().ok()).map(str::to_owned);
        Box::pin(async move {
            Ok(name.map(|name| {
                let role = if name == "owner" { Role::Admin } else { Role::Operator };
                Identity { name, role, fresh: true }
            }))
        })
    }
}

fn inside() -> Stand {
    let options = Options { rate: 0, authenticate: Some(Arc::new(Shop)), ..Options::default() };
    let mut stand = Stand::on("[destination.here]\npath = \"backups\"\n", options, Bounds::default());
    let application = Router::new()
        .route("/", get(async || "the shop"))
        .nest("/backup", recoup_server::router(stand.app.clone()))
        .fallback(async || (axum::http::StatusCode::NOT_FOUND, "the shop has no such page"));
    let listener = stand.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    stand.address = listener.local_addr().unwrap();
    stand.runtime.spawn(async move {
        let service = application.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await.unwrap();
    });
    stand
}

#[test]
fn the_router_works_under_a_path_beside_the_applications_own_pages() {
    let stand = inside();
    assert_eq!(stand.ask("GET", "/", &[], None).is(200).text, "the shop");
    assert_eq!(stand.ask("GET", "/nothing", &[], None).is(404).text, "the shop has no such page");
    assert!(stand.ask("GET", "/", &[], None).header("content-security-policy").is_none());
    stand.ask("GET", "/backup/healthz", &[], None).is(200);
    assert_eq!(stand.ask("GET", "/backup/api/v1/nothing", &[], None).is(404).code(), "not_found");
    stand.ask("GET", "/backup/api/docs", &[], None).is(200);
    stand.ask("GET", "/backup/api/docs/docs.js", &[], None).is(200);
}

#[test]
fn the_applications_people_are_users_without_a_password() {
    let stand = inside();
    assert_eq!(stand.runtime.block_on(stand.app.setup_code()).unwrap(), None);
    assert_eq!(stand.ask("GET", "/backup/api/v1/setup", &[], None).is(200).json(), json!({"needed": false}));
    stand.ask("GET", "/backup/api/v1/me", &[], None).is(401);
    let me = stand.ask("GET", "/backup/api/v1/me", &[("shop-user", "ann")], None).is(200).json();
    assert_eq!((&me["name"], &me["role"], &me["via"]), (&json!("ann"), &json!("operator"), &json!("application")));
    let again = stand.ask("GET", "/backup/api/v1/me", &[("shop-user", "ann")], None).is(200).json();
    assert_eq!(me["id"], again["id"]);
    stand.ask("GET", "/backup/api/v1/users", &[("shop-user", "ann")], None).is(403);
    let users = stand.ask("GET", "/backup/api/v1/users", &[("shop-user", "owner")], None).is(200).json();
    assert!(users["items"].as_array().unwrap().iter().all(|user| user["password"] == false), "{users}");
    let given = json!({"name": "ann", "password": ""});
    assert_eq!(stand.ask("POST", "/backup/api/v1/session", &[], Some(&given)).is(404).code(), "no_sign_in");
    // What the application's cookie could do for a foreign page, only ours may.
    let new = json!({"name": "t", "scope": "read"});
    let post = |more: &[(&str, &str)]| {
        let headers = [&[("shop-user", "ann")], more].concat();
        stand.ask("POST", "/backup/api/v1/tokens", &headers, Some(&new))
    };
    assert_eq!(post(&[]).is(403).code(), "header_needed");
    assert_eq!(post(&[("X-Recoup", "1"), ("Sec-Fetch-Site", "cross-site")]).is(403).code(), "foreign_origin");
    let token = post(&[("X-Recoup", "1")]).is(201).json();
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    stand.by(&bearer, "GET", "/backup/api/v1/me", None).is(200);
}

#[test]
fn where_a_run_is_to_be_found_has_the_applications_path_before_it() {
    let stand = inside();
    let path = stand.folder.path().join("a.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(id)").unwrap();
    let owner = [("shop-user", "owner"), ("X-Recoup", "1")];
    let body = json!({"name": "a", "plan": {"databases": ["a.db"], "destinations": ["here"]}});
    stand.ask("POST", "/backup/api/v1/plans", &owner, Some(&body)).is(201);
    let started = stand.ask("POST", "/backup/api/v1/plans/a/run", &owner, Some(&json!({}))).is(202);
    let place = started.header("location").unwrap();
    assert!(place.starts_with("/backup/api/v1/runs/"), "{place}");
    stand.ask("GET", place, &owner, None).is(200);
}
