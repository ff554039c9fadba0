//! A proxy before us says who somebody is, and only such a proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use recoup::model::user::Role;
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::json;
use stand::{Reply, Stand};

fn behind(network: &str) -> Stand {
    let options = Options { rate: 0, trusted_proxies: vec![network.parse().unwrap()], ..Options::default() };
    let stand = Stand::with(options, Bounds::default());
    stand.user("adam", Role::Admin);
    stand
}

fn me(stand: &Stand, headers: &[(&str, &str)]) -> Reply {
    stand.ask("GET", "/api/v1/me", headers, None)
}

#[test]
fn somebody_whom_the_proxy_names_is_signed_in_if_there_is_an_account() {
    let stand = behind("127.0.0.0/8");
    let seen = me(&stand, &[("Remote-User", "adam")]).is(200).json();
    assert_eq!((&seen["name"], &seen["via"]), (&json!("adam"), &json!("proxy")), "{seen}");
    assert_eq!(me(&stand, &[("Remote-User", "stranger")]).is(403).code(), "not_a_user");
    assert_eq!(me(&stand, &[("Remote-User", "adam"), ("Remote-User", "bea")]).is(401).code(), "sign_in");
    me(&stand, &[("Remote-User", "")]).is(401);
    me(&stand, &[]).is(401);
    // The account that owns what nobody else does is nobody's, whatever a proxy says.
    assert_eq!(me(&stand, &[("Remote-User", "recoup")]).is(403).code(), "not_a_user");
    // Without one the password still works.
    let cookie = stand.sign_in("adam");
    assert_eq!(stand.page(&cookie, "GET", "/api/v1/me", None).is(200).json()["via"], "session");
}

#[test]
fn a_page_elsewhere_cannot_use_what_the_proxy_adds() {
    let stand = behind("127.0.0.0/8");
    let by_form = stand.ask("POST", "/api/v1/scheduler/check", &[("Remote-User", "adam")], Some(&json!({})));
    assert_eq!(by_form.is(403).code(), "header_needed");
}

#[test]
fn the_header_of_anybody_else_is_not_looked_at() {
    let stand = behind("10.0.0.0/8");
    me(&stand, &[("Remote-User", "adam")]).is(401);
    stand.user("bea", Role::Viewer);
    let cookie = stand.sign_in("bea");
    let headers = [("Cookie", cookie.as_str()), ("Remote-User", "adam")];
    assert_eq!(me(&stand, &headers).is(200).json()["name"], "bea");
}
