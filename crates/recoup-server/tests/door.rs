//! What every request passes and every answer has: over real sockets, with requests that are wrong on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::{PASSWORD, Reply, Stand, parse};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Every operation of the document, its variables filled with something that is nowhere.
fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(recoup_server::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                let path = path.replace(['{', '}'], "");
                found.push((method.to_uppercase(), path, operation.clone()));
            }
        }
    }
    assert!(found.len() > 50, "{}", found.len());
    found
}

fn has_security_headers(reply: &Reply, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{what}: {reply:#?}");
    }
    let policy = reply.header("content-security-policy").unwrap_or_default();
    for part in ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(reply.header("x-request-id").is_some_and(|id| id.len() == 26), "{what}");
    assert!(reply.header("access-control-allow-origin").is_none(), "{what}");
}

fn is_problem(reply: &Reply, what: &str) {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{what}: {reply:#?}");
    let json = reply.json();
    assert_eq!(json["status"], reply.status, "{what}");
    assert_eq!(json["type"], format!("urn:recoup:problem:{}", json["code"].as_str().unwrap()), "{what}");
    assert_eq!(json["request_id"].as_str(), reply.header("x-request-id"), "{what}");
    assert!(!json["title"].as_str().unwrap().is_empty(), "{what}");
}

#[test]
fn every_route_answers_with_the_security_headers_and_problems_as_problems() {
    let stand = Stand::new();
    for (method, path, _) in operations() {
        let what = format!("{method} {path}");
        let reply = stand.ask(&method, &path, &[], None);
        has_security_headers(&reply, &what);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
        if reply.status >= 400 {
            is_problem(&reply, &what);
        }
    }
    for path in ["/api/docs", "/api/docs/docs.js", "/api/docs/docs.css"] {
        has_security_headers(&stand.ask("GET", path, &[], None).is(200), path);
    }
    for path in ["/", "/nothing", "/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/plans", "/api/v1/plans/"] {
        let reply = stand.ask("GET", path, &[], None).is(404);
        has_security_headers(&reply, path);
        is_problem(&reply, path);
    }
}

#[test]
fn a_wrong_method_is_told_which_ones_there_are() {
    let stand = Stand::new();
    for (method, path, allowed) in [
        ("DELETE", "/api/v1/setup", ["GET", "POST"]),
        ("PUT", "/api/v1/users", ["GET", "POST"]),
        ("TRACE", "/api/v1/me", ["GET", "HEAD"]),
        ("OPTIONS", "/api/v1/me", ["GET", "HEAD"]),
        ("BREW", "/healthz", ["GET", "HEAD"]),
    ] {
        let reply = stand.ask(method, path, &[], None).is(405);
        is_problem(&reply, path);
        let allow = reply.header("allow").unwrap_or_default();
        assert!(allowed.iter().all(|method| allow.contains(method)), "{path}: {allow}");
    }
}

#[test]
fn a_forged_host_reaches_no_route() {
    let stand = Stand::new();
    let port = stand.address.port();
    for host in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "", "[::2]"] {
        for path in ["/healthz", "/api/v1/openapi.json", "/api/docs", "/api/v1/plans", "/nothing"] {
            let reply = stand.send("GET", path, &[("Host", host)], b"").is(421);
            assert_eq!(reply.code(), "wrong_host");
            has_security_headers(&reply, host);
        }
    }
    stand.send("GET", "/healthz", &[("Host", &format!("localhost:{port}"))], b"").is(200);
    stand.send("GET", "/healthz", &[("Host", "[::1]:1")], b"").is(200);
    // Neither two names, nor none, nor one in the target beside another.
    stand.send("GET", "/healthz", &[("Host", "localhost"), ("Host", "evil.example")], b"").is(421);
    stand.send("GET", "/healthz", &[], b"").is(421);
    stand.send("GET", "http://evil.example/healthz", &[("Host", "localhost")], b"").is(421);

    let hosts = vec!["nas.lan".to_owned()];
    let named = Stand::with(Options { hosts, rate: 0, ..Options::default() }, Bounds::default());
    named.send("GET", "/healthz", &[("Host", "nas.lan:7467")], b"").is(200);
}

#[test]
fn only_json_is_read_and_only_one_document_of_it() {
    let stand = Stand::new();
    let host = stand.address.to_string();
    let post = |kind: Option<&str>, body: &[u8]| {
        let mut headers = vec![("Host", host.as_str())];
        headers.extend(kind.map(|kind| ("Content-Type", kind)));
        stand.send("POST", "/api/v1/session", &headers, body)
    };
    let good = br#"{"name":"a","password":"b"}"#;
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/json; charset=latin1")]
    {
        assert_eq!(post(kind, good).is(415).code(), "not_json", "{kind:?}");
    }
    for kind in ["application/json", "Application/JSON; charset=UTF-8"] {
        post(Some(kind), good).is(401);
    }
    let json = Some("application/json");
    for body in [
        &br#"{"name":"a","name":"b","password":"c"}"#[..],
        br#"{"name":"a","password":"b"} {}"#,
        br#"{"name":"a\u0000","password":"b"}"#,
        b"{\"name\":\"\xff\",\"password\":\"b\"}",
        b"",
        b"null and void",
    ] {
        assert_eq!(post(json, body).is(400).code(), "bad_json", "{}", String::from_utf8_lossy(body));
    }
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(post(json, deep.as_bytes()).is(400).code(), "bad_json");
    for body in [&br#"{"name":"a","password":"b","role":"admin"}"#[..], br#"{"name":1,"password":"b"}"#, b"[]", b"null"]
    {
        assert_eq!(post(json, body).is(422).code(), "bad_field", "{}", String::from_utf8_lossy(body));
    }
    let large = format!(r#"{{"name":"{}","password":"b"}}"#, "a".repeat(1 << 20));
    assert_eq!(post(json, large.as_bytes()).is(413).code(), "body_too_large");
    assert_eq!(stand.ask("GET", "/api/v1/setup%00", &[], None).is(400).code(), "bad_url");
}

#[test]
fn a_query_that_is_not_known_is_refused() {
    let stand = Stand::new();
    let adam = stand.user("adam", Role::Admin);
    let token = stand.token(&adam, Scope::Admin);
    for query in ["limit=0", "limit=501", "limit=x", "limt=1", "limit=1&limit=2", "cursor=x", "since=yesterday"] {
        let reply = stand.by(&token, "GET", &format!("/api/v1/audit?{query}"), None).is(422);
        is_problem(&reply, query);
    }
    stand.by(&token, "GET", "/api/v1/audit?limit=1&event=user.", None).is(200);
}

#[test]
fn whoever_asks_too_often_is_told_to_wait() {
    let stand = Stand::with(Options { rate: 2, ..Options::default() }, Bounds::default());
    let replies: Vec<Reply> = (0..14).map(|_| stand.ask("GET", "/healthz", &[], None)).collect();
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 10);
    let refused = replies.last().unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    is_problem(refused, "429");
    stand.clock.set(stand::start() + jiff::SignedDuration::from_secs(5));
    stand.ask("GET", "/healthz", &[], None).is(200);
}

#[test]
fn requests_that_two_parsers_could_read_differently_are_refused() {
    let stand = Stand::new();
    let host = format!("Host: {}\r\n", stand.address);
    let body = r#"{"name":"a","password":"b"}"#;
    let length = body.len();
    let json = "Content-Type: application/json\r\nConnection: close\r\n";
    let corpus = [
        format!(
            "POST /api/v1/session HTTP/1.1\r\n{host}{json}Content-Length: {length}\r\nContent-Length: 1\r\n\r\n{body}"
        ),
        format!("POST /api/v1/session HTTP/1.1\r\n{host}{json}Content-Length: {length}, 1\r\n\r\n{body}"),
        format!("POST /api/v1/session HTTP/1.1\r\n{host}{json}Content-Length: +{length}\r\n\r\n{body}"),
        format!("POST /api/v1/session HTTP/1.1\r\n{host}{json}Content-Length: -1\r\n\r\n{body}"),
        format!("POST /api/v1/session HTTP/1.1\r\n{host}{json}Content-Length: 99999999999999999999\r\n\r\n{body}"),
        format!("POST /api/v1/session HTTP/1.1\r\n{host}{json}Transfer-Encoding: gzip\r\n\r\n{body}"),
        format!(
            "POST /api/v1/session HTTP/1.1\r\n{host}{json}Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"
        ),
        format!(
            "POST /api/v1/session HTTP/1.1\r\n{host}{json}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{body}"
        ),
        format!(
            "POST /api/v1/session HTTP/1.0\r\n{host}{json}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
        ),
        format!("GET /healthz HTTP/1.1\r\n{host}Bad Name: x\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{host} folded: x\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{host}X: a\0b\r\n\r\n"),
        format!("GET /healthz HTTP/3.0\r\n{host}\r\n"),
        format!("GET\t/healthz\tHTTP/1.1\r\n{host}\r\n"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for request in corpus {
        if let Some(reply) = stand.raw(request.as_bytes()) {
            assert!((400..500).contains(&reply.status), "{request:?}: {reply:#?}");
        }
    }
    stand.ask("GET", "/healthz", &[], None).is(200);
}

#[test]
fn a_length_beside_chunks_never_hides_a_second_request() {
    let stand = Stand::new();
    // A front that believes the length and a server that believes the chunks would see another request here.
    let hidden = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        hidden.len() + 5
    );
    let mut stream = TcpStream::connect(stand.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
    assert!(text.starts_with("HTTP/1.1 4"), "{text}");
}

#[test]
fn a_huge_head_is_refused() {
    let stand = Stand::new();
    for head in [
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(300 << 10)),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(300 << 10)),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(5000)),
    ] {
        if let Some(reply) = stand.raw(head.as_bytes()) {
            assert!([414, 431, 400].contains(&reply.status), "{}", reply.status);
        }
    }
    stand.ask("GET", "/healthz", &[], None).is(200);
}

#[test]
fn a_head_that_never_ends_is_cut_off_and_others_are_served_meanwhile() {
    let bounds = Bounds { head: Duration::from_millis(600), connections: 3, ..Bounds::default() };
    let stand = Stand::with(Options { rate: 0, ..Options::default() }, bounds);
    // As many as there is place for, each with half a head, and one that says nothing at all.
    let slow: Vec<TcpStream> = (0..3)
        .map(|number| {
            let mut stream = TcpStream::connect(stand.address).unwrap();
            if number > 0 {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: local").unwrap();
            }
            stream
        })
        .collect();
    stand.ask("GET", "/healthz", &[], None).is(200);
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        assert!(parse(&bytes).is_none_or(|reply| reply.status == 408), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_body_that_never_comes_ends_with_408() {
    let timeout = Duration::from_millis(400);
    let stand = Stand::with(Options { rate: 0, timeout, ..Options::default() }, Bounds::default());
    let request = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                   Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    let reply = stand.raw(request.as_bytes()).unwrap().is(408);
    assert_eq!(reply.code(), "too_slow");
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_is_under_way() {
    let mut stand = Stand::new();
    stand.user("ada", Role::Operator);
    let body = json!({"name": "ada", "password": PASSWORD}).to_string();
    let (head, rest) = body.split_at(10);
    let mut stream = TcpStream::connect(stand.address).unwrap();
    let start = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(start.as_bytes()).unwrap();
    // The server asks for the body: it has begun.
    let mut asked = [0u8; 25];
    stream.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100"));
    stream.write_all(head.as_bytes()).unwrap();
    stand.stop();
    while TcpStream::connect(stand.address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(rest.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    parse(&bytes).unwrap().is(200);
}

#[test]
fn the_page_about_the_api_has_no_script_or_style_of_its_own_and_nothing_from_elsewhere() {
    let stand = Stand::new();
    let html = stand.ask("GET", "/api/docs", &[], None).is(200).text;
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("style=") && !html.contains(" on"));
    let inline = html.split("<script").skip(1).any(|rest| !rest.split("</script>").next().unwrap().ends_with('>'));
    assert!(!inline, "{html}");
    let script = stand.ask("GET", "/api/docs/docs.js", &[], None).is(200);
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    for danger in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"] {
        assert!(!script.text.contains(danger), "{danger}");
    }
    let hidden = Stand::with(Options { docs: false, rate: 0, ..Options::default() }, Bounds::default());
    hidden.ask("GET", "/api/docs", &[], None).is(404);
}
