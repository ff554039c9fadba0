//! Which URLs are asked. No name is resolved but `localhost`, and nothing leaves this machine.
#![allow(clippy::unwrap_used)]

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn networks(list: &[&str]) -> Vec<Network> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

/// What becomes of a URL: the code of the error before anything would be connected, or nothing.
fn judge(url: &str, reach: &Reach) -> Code {
    http::judge(url, reach).err().map(|error| error.code())
}

/// The code of an error, or none.
type Code = Option<&'static str>;

const DENIED: Code = Some("address_not_allowed");
const BAD: Code = Some("bad_url");

/// URL; of a plain user; of a plain user where the operator listed 10.0.0.0/8 and fd00::/8; of the operator.
const URLS: &[(&str, Code, Code, Code)] = &[
    // Public addresses, encrypted.
    ("https://1.1.1.1/", None, None, None),
    ("https://1.1.1.1:8443/x?y=z#w", None, None, None),
    ("https://[2606:4700:4700::1111]/", None, None, None),
    ("https://[::ffff:1.1.1.1]/", None, None, None),
    ("https://[64:ff9b::1.1.1.1]/", None, None, None),
    ("https://9.255.255.255/", None, None, None),
    ("https://11.0.0.0/", None, None, None),
    ("https://172.15.255.255/", None, None, None),
    ("https://172.32.0.1/", None, None, None),
    ("https://100.63.255.255/", None, None, None),
    ("https://100.128.0.0/", None, None, None),
    // In the clear, or at a port where something else listens.
    ("http://1.1.1.1/", DENIED, DENIED, None),
    ("http://[2606:4700:4700::1111]/", DENIED, DENIED, None),
    ("https://1.1.1.1:22/", DENIED, DENIED, None),
    ("https://1.1.1.1:53/", DENIED, DENIED, None),
    // Private ones.
    ("https://10.0.0.1/", DENIED, None, None),
    ("http://10.255.255.255:8080/", DENIED, None, None),
    ("http://10.0.0.1:22/", DENIED, None, None),
    ("https://192.168.1.1/", DENIED, DENIED, None),
    ("https://172.16.0.1/", DENIED, DENIED, None),
    ("https://172.31.255.255/", DENIED, DENIED, None),
    ("https://100.64.0.1/", DENIED, DENIED, None),
    ("https://100.127.255.255/", DENIED, DENIED, None),
    ("https://169.254.1.1/", DENIED, DENIED, None),
    ("https://198.18.0.1/", DENIED, DENIED, None),
    ("https://192.0.0.8/", DENIED, DENIED, None),
    ("https://[fd00::1]/", DENIED, None, None),
    ("https://[fc00::1]/", DENIED, DENIED, None),
    ("https://[fe80::1]/", DENIED, DENIED, None),
    ("https://[fec0::1]/", DENIED, DENIED, None),
    ("https://[::ffff:10.0.0.1]/", DENIED, None, None),
    ("https://[::ffff:a00:1]/", DENIED, None, None),
    ("https://[::10.0.0.1]/", DENIED, None, None),
    ("https://[64:ff9b::10.0.0.1]/", DENIED, None, None),
    ("https://[64:ff9b::c0a8:101]/", DENIED, DENIED, None),
    ("https://[64:ff9b:1::1]/", DENIED, DENIED, None),
    // This machine, in every spelling.
    ("https://127.0.0.1/", DENIED, DENIED, None),
    ("https://127.255.255.254/", DENIED, DENIED, None),
    ("https://localhost/", DENIED, DENIED, None),
    ("https://LOCALHOST/", DENIED, DENIED, None),
    ("https://127.1/", DENIED, DENIED, None),
    ("https://2130706433/", DENIED, DENIED, None),
    ("https://0x7f000001/", DENIED, DENIED, None),
    ("https://0x7f.1/", DENIED, DENIED, None),
    ("https://0177.0.0.1/", DENIED, DENIED, None),
    ("https://[::1]/", DENIED, DENIED, None),
    ("https://[0:0:0:0:0:0:0:1]/", DENIED, DENIED, None),
    ("https://[::ffff:127.0.0.1]/", DENIED, DENIED, None),
    ("https://[64:ff9b::7f00:1]/", DENIED, DENIED, None),
    // Metadata services, also for the operator, who may have copied a URL.
    ("http://169.254.169.254/latest/meta-data/", DENIED, DENIED, DENIED),
    ("https://169.254.170.2/v2/credentials", DENIED, DENIED, DENIED),
    ("https://2852039166/", DENIED, DENIED, DENIED),
    ("https://168.63.129.16/", DENIED, DENIED, DENIED),
    ("https://100.100.100.200/", DENIED, DENIED, DENIED),
    ("https://192.0.0.192/", DENIED, DENIED, DENIED),
    ("https://[::ffff:169.254.169.254]/", DENIED, DENIED, DENIED),
    ("https://[64:ff9b::a9fe:a9fe]/", DENIED, DENIED, DENIED),
    ("https://[fd00:ec2::254]/", DENIED, DENIED, DENIED),
    ("https://[fd20:ce::254]/", DENIED, DENIED, DENIED),
    // Where no server is.
    ("https://0.0.0.0/", DENIED, DENIED, DENIED),
    ("https://0/", DENIED, DENIED, DENIED),
    ("https://[::]/", DENIED, DENIED, DENIED),
    ("https://[::ffff:0.0.0.0]/", DENIED, DENIED, DENIED),
    ("https://224.0.0.1/", DENIED, DENIED, DENIED),
    ("https://239.255.255.250/", DENIED, DENIED, DENIED),
    ("https://255.255.255.255/", DENIED, DENIED, DENIED),
    ("https://240.0.0.1/", DENIED, DENIED, DENIED),
    ("https://192.0.2.1/", DENIED, DENIED, DENIED),
    ("https://[ff02::1]/", DENIED, DENIED, DENIED),
    ("https://[2001:db8::1]/", DENIED, DENIED, DENIED),
    ("https://[2002:7f00:1::]/", DENIED, DENIED, DENIED),
    ("https://[2001:0:7f00:1::]/", DENIED, DENIED, DENIED),
    ("https://[100::1]/", DENIED, DENIED, DENIED),
    ("https://[4000::1]/", DENIED, DENIED, DENIED),
    // What is no URL of ours.
    ("", BAD, BAD, BAD),
    ("1.1.1.1", BAD, BAD, BAD),
    ("//1.1.1.1/", BAD, BAD, BAD),
    ("/etc/passwd", BAD, BAD, BAD),
    ("file:///etc/passwd", BAD, BAD, BAD),
    ("gopher://1.1.1.1:25/", BAD, BAD, BAD),
    ("ftp://1.1.1.1/", BAD, BAD, BAD),
    ("javascript:alert(1)", BAD, BAD, BAD),
    ("https://", BAD, BAD, BAD),
    ("https:///x", BAD, BAD, BAD),
    ("https://me@1.1.1.1/", BAD, BAD, BAD),
    ("https://me:pass@1.1.1.1/", BAD, BAD, BAD),
    ("https://1.1.1.1@127.0.0.1/", BAD, BAD, BAD),
    ("https://1.1.1.1\\@127.0.0.1/", BAD, BAD, BAD),
    ("https://1.1.1.1 /", BAD, BAD, BAD),
    ("https://1.1.1.1/\r\nHost: x", BAD, BAD, BAD),
    ("https://1.1.1.1\t/", BAD, BAD, BAD),
    ("https://[fe80::1%25eth0]/", BAD, BAD, BAD),
    ("https://[::1/", BAD, BAD, BAD),
    ("https://[1.1.1.1]/", BAD, BAD, BAD),
    ("https://1.1.1.1:0/", BAD, BAD, BAD),
    ("https://1.1.1.1:65536/", BAD, BAD, BAD),
    ("https://1.1.1.1:/", BAD, BAD, BAD),
    ("https://1.1.1.1:443:80/", BAD, BAD, BAD),
    ("https://%31.1.1.1/", BAD, BAD, BAD),
    ("https://１.1.1.1/", BAD, BAD, BAD),
    ("https://b\u{fc}cher.example/", BAD, BAD, BAD),
];

#[test]
fn every_url_leads_where_it_may_or_nowhere() {
    let user = Reach::of_users(SECOND, vec![]);
    let listed = Reach::of_users(SECOND, networks(&["10.0.0.0/8", "fd00::/8"]));
    let operator = Reach::of_operator(SECOND, vec![]);
    let mut wrong = Vec::new();
    for (url, of_user, of_listed, of_operator) in URLS {
        let found = (judge(url, &user), judge(url, &listed), judge(url, &operator));
        if found != (*of_user, *of_listed, *of_operator) {
            wrong.push(format!("{url:?}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(URLS.len() >= 60);
}

#[test]
fn this_machine_and_metadata_services_are_listed_only_by_name() {
    let reach = |list: &[&str]| Reach::of_users(SECOND, networks(list));
    let everything = reach(&["0.0.0.0/0", "::/0", "169.254.0.0/16"]);
    for url in ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://0.0.0.0/"] {
        assert_eq!(judge(url, &everything), DENIED, "{url}");
    }
    assert_eq!(judge("http://192.168.0.1/", &everything), None);
    assert_eq!(judge("http://127.0.0.1:9/", &reach(&["127.0.0.0/8"])), None);
    assert_eq!(judge("http://127.0.0.1:9/", &reach(&["127.0.0.1"])), None);
    assert_eq!(judge("http://127.0.0.2:9/", &reach(&["127.0.0.1"])), DENIED);
    assert_eq!(judge("http://[::1]:9/", &reach(&["::1"])), None);
    assert_eq!(judge("http://169.254.169.254/", &reach(&["169.254.169.254/32"])), None);
    assert_eq!(judge("http://0.0.0.0/", &reach(&["0.0.0.0/32"])), DENIED);
}

#[test]
fn a_network_is_written_as_it_is_or_not_at_all() {
    for (text, shown) in
        [("10.0.0.0/8", "10.0.0.0/8"), ("192.168.1.5", "192.168.1.5/32"), ("fd00::/8", "fd00::/8"), ("::/0", "::/0")]
    {
        assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
    }
    for text in ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/-1", "10/8", "::/129", "example.org", "a/8"] {
        assert_eq!(text.parse::<Network>().unwrap_err().code(), "bad_network", "{text}");
    }
    let error = "10.1.2.3/8".parse::<Network>().unwrap_err();
    assert!(error.hint_text().unwrap().contains("10.0.0.0/8"), "{error:?}");
}

#[test]
fn what_is_refused_does_not_say_which_address_a_name_has() {
    let error = http::judge("https://localhost/canary", &Reach::of_users(SECOND, vec![])).unwrap_err();
    let told = format!("{error:?} {error} {}", error.detail());
    assert!(told.contains("this machine") && !told.contains("127.0.0.1") && !told.contains("canary"), "{told}");
}

#[test]
fn waiting_has_its_limits() {
    for (asked, kept) in [(0, 1), (10, 10), (100_000, 300)] {
        assert_eq!(Reach::of_users(SECOND * asked, vec![]).timeout(), SECOND * kept);
    }
}

#[test]
fn headers_that_frame_the_request_are_ours() {
    for (name, value) in [
        ("Host", "x"),
        ("content-length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("a b", "x"),
        ("x", "a\r\nb: c"),
        ("", "x"),
    ] {
        assert_eq!(check_header(name, value).unwrap_err().code(), "bad_header", "{name}");
    }
    assert!(check_header("Authorization", "Bearer x").is_ok());
}
