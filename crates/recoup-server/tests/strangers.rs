//! Everybody against every route: the routes, who may and what they take come from the OpenAPI document, so that a new
//! one is asked too. What is somebody else's is not there; what one may not is refused; nothing of it changes anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::collections::BTreeMap;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::{PASSWORD, Reply, Stand};

const TOML: &str = "
[server]
roots = [\"app\"]
[destination.here]
path = \"backups\"
[notify.ops]
ntfy = \"http://127.0.0.1:9/topic\"
";

/// What ada has.
struct Hers {
    ids: BTreeMap<&'static str, String>,
}

struct Operation {
    method: String,
    path: String,
    template: String,
    /// What a token needs; `None` when anybody may, or only a sign-in.
    scope: Option<String>,
    open: bool,
    body: Option<(String, Vec<u8>)>,
}

fn plan_of(name: &str) -> Value {
    json!({"name": name, "plan": {"databases": ["app/shop.db"], "destinations": ["here"], "retention": {"preset": "last-7"}}})
}

fn make(stand: &Stand) -> Hers {
    let app = stand.folder.path().join("app");
    std::fs::create_dir_all(&app).unwrap();
    let shop = rusqlite::Connection::open(app.join("shop.db")).unwrap();
    shop.execute_batch("CREATE TABLE product(id, title); INSERT INTO product VALUES(1, 'Bowl')").unwrap();
    let ada = stand.user("ada", Role::Operator);
    let bearer = stand.token(&ada, Scope::Admin);
    let ask = |method: &str, path: &str, body: Value| {
        let reply = stand.by(&bearer, method, path, Some(&body));
        assert!((200..300).contains(&reply.status), "{method} {path}: {reply:#?}");
        reply.json()
    };
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    ask("POST", "/api/v1/plans", plan_of("secret-shop"));
    let run = text(&ask("POST", "/api/v1/plans/secret-shop/run", json!({}))["run"]);
    let done = stand.runtime.block_on(stand.app.engine().work("worker")).unwrap().unwrap();
    assert_eq!(done.outcome, Some(recoup::model::Outcome::Good), "{done:?}");
    while stand.runtime.block_on(stand.app.engine().work("worker")).unwrap().is_some() {}
    let backups = stand.by(&bearer, "GET", "/api/v1/backups", None).is(200).json();
    let backup = text(&backups["items"][0]["id"]);
    let token = text(&ask("POST", "/api/v1/tokens", json!({"name": "hers", "scope": "read"}))["id"]);
    let restore = text(&ask("POST", "/api/v1/restores/preview", json!({"backup": backup}))["preview"]);
    let prune = text(&ask("POST", "/api/v1/plans/secret-shop/retention", json!({}))["preview"]);
    // One more, in the trash.
    ask("POST", "/api/v1/plans/secret-shop/run", json!({}));
    while stand.runtime.block_on(stand.app.engine().work("worker")).unwrap().is_some() {}
    let all = stand.by(&bearer, "GET", "/api/v1/backups", None).is(200).json();
    let ids = all["items"].as_array().unwrap().iter().map(|one| text(&one["id"]));
    let trashed = ids.into_iter().find(|id| *id != backup).unwrap();
    stand.by(&bearer, "DELETE", &format!("/api/v1/backups/{trashed}"), None).is(204);
    let upload = ask("POST", "/api/v1/uploads/pieces", json!({"plan": "secret-shop", "bytes": 10}));
    let upload = text(&upload["id"]);
    let ids = BTreeMap::from([
        ("plan", "secret-shop".to_owned()),
        ("run", run),
        ("backup", backup),
        ("token", token),
        ("restore", restore),
        ("prune", prune),
        ("upload", upload),
        ("trashed", trashed),
        ("user", ada.id),
    ]);
    Hers { ids }
}

impl Hers {
    /// What stands for a variable of a path.
    fn variable(&self, template: &str, name: &str) -> String {
        let kind = match (template.split('/').nth(3).unwrap_or_default(), name) {
            ("destinations", _) => return "here".into(),
            ("channels", _) => return "ops".into(),
            ("plans", "name") => "plan",
            ("runs", _) => "run",
            ("backups", _) => "backup",
            ("users", _) => "user",
            ("tokens", _) => "token",
            ("uploads", _) => "upload",
            ("retention", _) => "prune",
            ("trash", _) => "trashed",
            other => panic!("{template}: whose is {other:?}?"),
        };
        self.ids[kind].clone()
    }

    /// A value that a schema accepts; where it names something, something of hers.
    fn value(&self, document: &Value, schema: &Value, name: &str) -> Value {
        if let Some(to) = schema["$ref"].as_str() {
            return self.value(document, document.pointer(to.trim_start_matches('#')).unwrap(), name);
        }
        match name {
            "plan" if !schema["properties"].is_object() && schema["type"] == "object" => {
                return plan_of("x")["plan"].clone();
            }
            "plan" if schema["type"] == "string" => return json!(self.ids["plan"]),
            "backup" => return json!(self.ids["backup"]),
            "preview" => return json!(self.ids["restore"]),
            "confirm" => return json!(true),
            _ => {}
        }
        if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
            return first.clone();
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            if let Some(first) = schema[key].as_array().and_then(|all| all.iter().find(|part| part["type"] != "null")) {
                return self.value(document, first, name);
            }
        }
        let kind = match &schema["type"] {
            Value::Array(all) => all[0].as_str().unwrap_or_default(),
            kind => kind.as_str().unwrap_or_default(),
        };
        match kind {
            "object" => {
                let mut needed = schema["required"].as_array().cloned().unwrap_or_default();
                needed.extend(schema["properties"].get("confirm").map(|_| json!("confirm")));
                let fields = needed.iter().filter_map(Value::as_str);
                fields
                    .map(|field| (field.to_owned(), self.value(document, &schema["properties"][field], field)))
                    .collect()
            }
            "array" => json!([]),
            "integer" | "number" => schema["minimum"].as_i64().map_or(json!(1), |least| json!(least.max(1))),
            "boolean" => json!(true),
            _ if schema["minLength"].as_u64().is_some_and(|least| least > 1) => json!("another long password"),
            _ => json!("x"),
        }
    }

    fn body(&self, document: &Value, operation: &Value) -> Option<(String, Vec<u8>)> {
        let content = operation["requestBody"]["content"].as_object()?;
        let (kind, schema) = content.iter().next()?;
        if kind == "multipart/form-data" {
            let plan = &self.ids["plan"];
            let text = format!(
                "--b\r\nContent-Disposition: form-data; name=\"plan\"\r\n\r\n{plan}\r\n--b\r\nContent-Disposition: \
                 form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\nPK\r\n--b--\r\n"
            );
            return Some(("multipart/form-data; boundary=b".into(), text.into_bytes()));
        }
        if !kind.contains("json") {
            return Some((kind.clone(), b"0123456789".to_vec()));
        }
        Some((kind.clone(), self.value(document, &schema["schema"], "").to_string().into_bytes()))
    }

    fn operations(&self) -> Vec<Operation> {
        let document = serde_json::to_value(recoup_server::openapi()).unwrap();
        let mut found = Vec::new();
        for (template, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let mut path = template.clone();
                while let Some((before, rest)) = path.split_once('{') {
                    let (name, after) = rest.split_once('}').unwrap();
                    path = format!("{before}{}{after}", self.variable(template, name));
                }
                for (mark, parameter) in "?&&&&".chars().zip(needed_in_query(operation)) {
                    let schema = &parameter["schema"];
                    let name = parameter["name"].as_str().unwrap();
                    let value = self.value(&document, schema, name);
                    path.push_str(&format!("{mark}{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)));
                }
                let ways: Vec<&Value> = operation["security"].as_array().unwrap().iter().collect();
                let scope = ways.iter().find_map(|way| way["bearer"][0].as_str()).map(str::to_owned);
                found.push(Operation {
                    method: method.to_uppercase(),
                    path,
                    template: template.clone(),
                    open: ways.iter().all(|way| way.as_object().unwrap().is_empty()),
                    scope,
                    body: self.body(&document, operation),
                });
            }
        }
        assert!(found.len() > 50);
        found
    }
}

fn needed_in_query(operation: &Value) -> impl Iterator<Item = &Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
}

impl Operation {
    fn ask(&self, stand: &Stand, headers: &[(&str, &str)]) -> Reply {
        let host = stand.address.to_string();
        let mut all = vec![("Host", host.as_str())];
        all.extend_from_slice(headers);
        let (kind, bytes) = self.body.clone().unwrap_or_default();
        if self.body.is_some() {
            all.push(("Content-Type", &kind));
        }
        // An upload in pieces says where its piece begins.
        if self.template.contains("pieces/{id}") && self.method == "PATCH" {
            all.push(("Upload-Offset", "0"));
        }
        stand.send(&self.method, &self.path, &all, &bytes)
    }
    /// Streams of events never end by themselves.
    fn streams(&self) -> bool {
        self.path.ends_with("/events")
    }
    fn what(&self) -> String {
        format!("{} {}", self.method, self.template)
    }
    fn names_hers(&self) -> bool {
        let everybodys = ["/destinations/", "/channels/"];
        self.template.contains('{') && !everybodys.iter().any(|part| self.template.contains(part))
    }
}

fn stand() -> Stand {
    Stand::on(TOML, Options { rate: 0, ..Options::default() }, Bounds::default())
}

fn unchanged(stand: &Stand, hers: &Hers, before: &[u8]) {
    let ada = stand.runtime.block_on(stand.catalog().account(&hers.ids["user"])).unwrap().unwrap();
    let bearer = stand.token(&ada, Scope::Admin);
    for (kind, path) in [("plan", "plans"), ("run", "runs"), ("backup", "backups")] {
        stand.by(&bearer, "GET", &format!("/api/v1/{path}/{}", hers.ids[kind]), None).is(200);
    }
    assert!(stand.by(&bearer, "GET", "/api/v1/tokens", None).text.contains(&hers.ids["token"]));
    assert!(stand.by(&bearer, "GET", "/api/v1/trash", None).text.contains(&hers.ids["trashed"]));
    assert!(!ada.disabled && ada.role == Role::Operator);
    let (queued, running) = stand.runtime.block_on(stand.catalog().queue()).unwrap();
    assert_eq!((queued, running), (0, 0));
    assert_eq!(std::fs::read(stand.folder.path().join("app/shop.db")).unwrap(), before);
}

#[test]
fn nobody_gets_anything_without_signing_in() {
    let stand = stand();
    let hers = make(&stand);
    let before = std::fs::read(stand.folder.path().join("app/shop.db")).unwrap();
    for operation in hers.operations() {
        for headers in [
            &[("X-Recoup", "1")][..],
            &[("Authorization", "Bearer rcp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")],
            &[("Cookie", "recoup-session=AAAA"), ("X-Recoup", "1")],
        ] {
            let reply = operation.ask(&stand, headers);
            assert!(reply.status < 500, "{}: {reply:#?}", operation.what());
            // Setting up and signing in fail for their own reason.
            let own_reason = ["/api/v1/session", "/api/v1/setup"].contains(&operation.template.as_str());
            if !operation.open {
                assert_eq!(reply.status, 401, "{}: {reply:#?}", operation.what());
            } else if !own_reason {
                assert_eq!(reply.status, 200, "{}: {reply:#?}", operation.what());
            }
        }
    }
    unchanged(&stand, &hers, &before);
}

#[test]
fn what_is_somebody_elses_is_not_there() {
    let stand = stand();
    let hers = make(&stand);
    let before = std::fs::read(stand.folder.path().join("app/shop.db")).unwrap();
    let eve = stand.user("eve", Role::Operator);
    let bearer = stand.token(&eve, Scope::Admin);
    for operation in hers.operations() {
        if operation.scope.is_none() || (operation.streams() && !operation.names_hers()) {
            continue;
        }
        let reply = operation.ask(&stand, &[("Authorization", &bearer)]);
        let what = operation.what();
        assert!(reply.status < 500, "{what}: {reply:#?}");
        if operation.scope.as_deref() == Some("admin") && !operation.template.starts_with("/api/v1/tokens") {
            assert_eq!(reply.status, 403, "{what}: {reply:#?}");
        }
        // What was in the question may be in the answer.
        let asked =
            format!("{} {}", operation.path, String::from_utf8_lossy(&operation.body.clone().unwrap_or_default().1));
        if hers.ids.values().any(|id| asked.contains(id)) && reply.status != 403 {
            assert_eq!(reply.status, 404, "{what}: {reply:#?}");
        }
        let told =
            hers.ids.iter().filter(|(_, id)| reply.text.contains(*id) && !asked.contains(*id)).collect::<Vec<_>>();
        assert!(told.is_empty(), "{what} tells {told:?}: {reply:#?}");
    }
    unchanged(&stand, &hers, &before);
}

#[test]
fn a_viewer_and_a_token_that_reads_change_nothing() {
    let stand = stand();
    let hers = make(&stand);
    let before = std::fs::read(stand.folder.path().join("app/shop.db")).unwrap();
    let vera = stand.token(&stand.user("vera", Role::Viewer), Scope::Admin);
    let ada = stand.runtime.block_on(stand.catalog().account(&hers.ids["user"])).unwrap().unwrap();
    let reads = stand.token(&ada, Scope::Read);
    for operation in hers.operations() {
        let Some(scope) = operation.scope.as_deref().filter(|scope| *scope != "read") else { continue };
        let what = operation.what();
        let reply = operation.ask(&stand, &[("Authorization", &reads)]);
        assert_eq!(reply.status, 403, "{what} with a token that reads: {reply:#?}");
        if operation.template.starts_with("/api/v1/tokens") {
            // Their own tokens are theirs.
            continue;
        }
        let reply = operation.ask(&stand, &[("Authorization", &vera)]);
        assert_eq!(reply.status, 403, "{what} ({scope}) by a viewer: {reply:#?}");
    }
    unchanged(&stand, &hers, &before);
}

#[test]
fn a_token_that_runs_starts_backups_and_no_more() {
    let stand = stand();
    let hers = make(&stand);
    let ada = stand.runtime.block_on(stand.catalog().account(&hers.ids["user"])).unwrap().unwrap();
    let runs = stand.token(&ada, Scope::Run);
    for operation in hers.operations() {
        if matches!(operation.scope.as_deref(), Some("write" | "admin")) {
            let reply = operation.ask(&stand, &[("Authorization", &runs)]);
            assert_eq!(reply.status, 403, "{}: {reply:#?}", operation.what());
        }
    }
    stand.by(&runs, "POST", "/api/v1/plans/secret-shop/run", Some(&json!({}))).is(202);
}

#[test]
fn nobody_makes_themselves_more_than_they_are() {
    let stand = stand();
    let eve = stand.user("eve", Role::Operator);
    let bearer = stand.token(&eve, Scope::Admin);
    let path = format!("/api/v1/users/{}", eve.id);
    stand.by(&bearer, "PATCH", &path, Some(&json!({"role": "admin"}))).is(403);
    let new = json!({"name": "x", "role": "admin", "password": PASSWORD});
    stand.by(&bearer, "POST", "/api/v1/users", Some(&new)).is(403);
    let token = json!({"name": "x", "scope": "admin"});
    let made = stand.by(&bearer, "POST", "/api/v1/tokens", Some(&token)).is(201).json();
    let made = format!("Bearer {}", made["token"].as_str().unwrap());
    stand.by(&made, "GET", "/api/v1/users", None).is(403);
}
