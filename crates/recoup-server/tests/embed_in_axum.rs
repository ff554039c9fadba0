//! The example `embed_in_axum`, run as its user runs it: on a port of its own, with its own people, asked over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../examples/embed_in_axum.rs"]
#[allow(dead_code)]
mod embed_in_axum;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embed_in_axum::{Running, Shop};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The application, answering.
struct Open {
    runtime: Runtime,
    shop: Arc<Shop>,
    url: String,
    agent: ureq::Agent,
    end: oneshot::Sender<()>,
    served: JoinHandle<recoup::Result<()>>,
}

impl Open {
    fn on(folder: &Path) -> Self {
        let runtime = Runtime::new().unwrap();
        let (running, listener) = runtime.block_on(async {
            (Running::start(folder).await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap())
        });
        let (shop, url) = (running.shop.clone(), format!("http://{}", listener.local_addr().unwrap()));
        let (end, ended) = oneshot::channel();
        let served = runtime.spawn(running.serve(listener, async { drop(ended.await) }));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Open { runtime, shop, url, agent, end, served }
    }

    fn close(self) {
        self.end.send(()).unwrap();
        self.runtime.block_on(self.served).unwrap().unwrap();
    }

    /// The cookie of somebody of the shop.
    fn sign_in(&self, name: &str, password: &str) -> Option<String> {
        let card = json!({ "name": name, "password": password });
        let answer = self.agent.post(format!("{}/sign-in", self.url)).send_json(card).unwrap();
        let set = answer.headers().get("set-cookie")?.to_str().unwrap();
        Some(set.split(';').next().unwrap().to_owned())
    }

    fn get(&self, cookie: &str, path: &str) -> (u16, Value) {
        let request = self.agent.get(format!("{}/backup{path}", self.url)).header("cookie", cookie);
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    fn post(&self, cookie: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}/backup{path}", self.url));
        let request = request.header("cookie", cookie).header("x-recoup", "1");
        let mut answer = request.send_json(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    /// Starts something that takes long, and gives the run when it has ended.
    fn done(&self, cookie: &str, path: &str, body: &Value) -> Value {
        let (status, started) = self.post(cookie, path, body);
        assert_eq!(status, 202, "{started}");
        let run = started["run"].as_str().unwrap_or_else(|| panic!("{started}"));
        let begun = Instant::now();
        loop {
            let (_, run) = self.get(cookie, &format!("/api/v1/runs/{run}"));
            if run["state"] == "done" {
                assert_eq!(run["outcome"], "good", "{run:#}");
                return run;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it took too long: {run:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the background task has gone on.
    fn goes_on(&self) -> u64 {
        let before = self.shop.counted("*").unwrap().0;
        let begun = Instant::now();
        while self.shop.counted("*").unwrap().0 < before + 3 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the shop stands still");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.agrees()
    }

    /// What is in memory is what is in the database.
    fn agrees(&self) -> u64 {
        let (visits, rows) = self.shop.counted("*").unwrap();
        assert_eq!(visits, rows);
        visits
    }

    fn diary(&self) -> Vec<String> {
        std::mem::take(&mut *self.shop.diary.lock().unwrap())
    }

    fn back_up(&self, cookie: &str) -> String {
        let run = self.done(cookie, "/api/v1/plans/shop/run", &json!({}));
        run["result"]["backup"].as_str().unwrap_or_else(|| panic!("{run:#}")).to_owned()
    }

    fn restore(&self, cookie: &str, backup: &str) {
        let (status, preview) = self.post(cookie, "/api/v1/restores/preview", &json!({ "backup": backup }));
        assert_eq!(status, 200, "{preview}");
        let names: Vec<&Value> = preview["parts"].as_array().unwrap().iter().map(|part| &part["name"]).collect();
        assert_eq!(names, ["shop", "visits"], "{preview:#}");
        // The shop works all the time, so its data is another one than a moment ago: without force that stops a restore.
        let yes = json!({ "preview": preview["preview"], "confirm": true, "force": true });
        self.done(cookie, "/api/v1/restores", &yes);
    }
}

#[test]
fn an_application_backs_up_and_restores_itself_with_its_memory_and_can_take_that_back() {
    let folder = tempfile::tempdir().unwrap();
    let open = Open::on(folder.path());
    let owner = open.sign_in("owner", "open sesame").unwrap();
    open.shop.visit("/before").unwrap();
    let backup = open.back_up(&owner);
    assert_eq!(open.diary(), ["before backup", "after backup: good"]);
    open.shop.visit("/after").unwrap();
    // In memory and in the database.
    let visited = |page: &str| open.shop.counted(page).unwrap();
    assert_eq!((visited("/before"), visited("/after")), ((1, 1), (1, 1)));
    open.goes_on();

    open.restore(&owner, &backup);
    assert_eq!(open.diary(), ["before restore", "after restore: good"]);
    assert_eq!((visited("/before"), visited("/after")), ((1, 1), (0, 0)));
    open.goes_on();

    open.done(&owner, "/api/v1/plans/shop/undo", &json!({}));
    assert_eq!((visited("/before"), visited("/after")), ((1, 1), (1, 1)), "what the restore replaced is there again");
    open.goes_on();
    open.close();
}

#[test]
fn its_people_are_known_by_its_own_sign_in_and_may_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let open = Open::on(folder.path());
    assert_eq!(open.sign_in("owner", "guessed"), None);
    assert_eq!(open.get("shop=guessed", "/api/v1/plans").0, 401);
    let clerk = open.sign_in("clerk", "knock").unwrap();
    assert_eq!(open.get(&clerk, "/api/v1/me").1["role"], "viewer");
    assert_eq!(open.post(&clerk, "/api/v1/plans/shop/run", &json!({})).0, 403);
    let owner = open.sign_in("owner", "open sesame").unwrap();
    let (_, plan) = open.get(&owner, "/api/v1/plans/shop");
    assert_eq!((&plan["origin"], plan["next_run"].is_string()), (&json!("file"), true), "{plan}");
    let front = open.agent.get(&open.url).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(front.starts_with("The shop."), "{front}");
    open.close();
}

#[test]
fn its_memory_outlives_an_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let open = Open::on(folder.path());
    let before = open.goes_on();
    open.close();
    let open = Open::on(folder.path());
    assert!(open.agrees() >= before);
    open.close();
}
