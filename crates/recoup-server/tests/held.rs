//! A server that is held open for a tool from outside (a browser): `HOLD=FILE cargo nextest run
//! --test held --run-ignored all` writes its address and its tokens to the file and serves until the file is gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::time::Duration;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::json;
use stand::Stand;

#[test]
#[ignore = "for tools from outside"]
fn a_server_is_held_for_somebody() {
    let Some(file) = std::env::var_os("HOLD") else { return };
    let toml = "[server]\nroots = [\"app\"]\n[destination.here]\npath = \"backups\"\n";
    let stand = Stand::on(toml, Options { rate: 0, ..Options::default() }, Bounds::default());
    let app = stand.folder.path().join("app");
    std::fs::create_dir_all(&app).unwrap();
    rusqlite::Connection::open(app.join("shop.db")).unwrap().execute_batch("CREATE TABLE t(id)").unwrap();
    let mut told = json!({"url": format!("http://{}", stand.address)});
    for (name, role) in
        [("admin", Role::Admin), ("operator", Role::Operator), ("viewer", Role::Viewer), ("other", Role::Operator)]
    {
        let account = stand.user(name, role);
        told[name] = json!(stand.token(&account, Scope::Admin));
    }
    let bearer = told["operator"].as_str().unwrap().to_owned();
    let plan = json!({"databases": ["app/shop.db"], "destinations": ["here"], "retention": {"preset": "last-7"}});
    let body = json!({"name": "shop", "plan": plan});
    stand.by(&bearer, "POST", "/api/v1/plans", Some(&body)).is(201);
    stand.by(&bearer, "POST", "/api/v1/plans/shop/run", None).is(202);
    std::fs::write(&file, told.to_string()).unwrap();
    while std::path::Path::new(&file).exists() {
        if stand.runtime.block_on(stand.app.engine().work("held")).unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
