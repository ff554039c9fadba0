//! Channels through the public door of the configuration.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use crate::config::{Inputs, Settings};
use crate::error::{Error, Result};
use crate::model::channel::{Channel, Secret, Target, Tls};
use crate::model::notice::Event;

fn resolve(text: &str) -> Result<Settings> {
    let file = Some((Path::new("/app/recoup.toml"), text));
    Settings::resolve(Inputs { file, environment: &[], current_directory: Path::new("/cwd"), zone: "UTC" })
}

fn channel(lines: &str) -> Channel {
    resolve(&format!("[notify.ops]\n{lines}\n")).unwrap().channels.remove(0)
}

fn here(secret: &Secret) -> String {
    secret.reveal(|path| Err(Error::usage("file", path.display().to_string()))).unwrap()
}

#[test]
fn a_line_makes_a_channel_and_the_rest_has_defaults() {
    let ops = channel("ntfy = \"https://ntfy.sh/alerts\"");
    let Target::Ntfy { url, token: None } = &ops.target else { panic!() };
    assert_eq!(here(url), "https://ntfy.sh/alerts");
    let usual =
        [Event::Failure, Event::Warnings, Event::Recovery, Event::Overdue, Event::NeedsSignIn, Event::ClockAnomaly];
    assert_eq!((&ops.on[..], ops.only_on_change, ops.repeat_seconds), (&usual[..], false, 86_400));
    let monitor = channel("heartbeat = \"https://hc-ping.com/uuid\"\nmethod = \"get\"");
    assert!(matches!(&monitor.target, Target::Heartbeat { method, .. } if method == "GET"));
    assert!(monitor.on.contains(&Event::Start) && monitor.on.contains(&Event::Success));
}

#[test]
fn every_key_of_a_channel_means_what_it_says() {
    let lines = "webhook_file = \"secrets/hook\"\nmethod = \"put\"\nheaders = { X-Key = \"canary\" }\nheaders_file = \"/run/h\"\n\
                 body = '{\"m\": \"{{title}}\"}'\non = [\"success\", \"needs_sign_in\"]\nonly_on_change = true\nrepeat = \"6h\"\n\
                 title = \"{{plan}}\"\ntext = \"{{text}}\"\nca_file = \"ca.pem\"";
    let hook = channel(lines);
    let Target::Webhook { url, method, headers, headers_file, body, content_type } = &hook.target else { panic!() };
    assert_eq!(url.path(), Some(Path::new("/app/secrets/hook")));
    assert_eq!((method.as_str(), headers[0].0.as_str(), here(&headers[0].1).as_str()), ("PUT", "X-Key", "canary"));
    assert_eq!(headers_file.as_deref(), Some(Path::new("/run/h")));
    assert_eq!((body.as_deref(), content_type.as_str()), (Some("{\"m\": \"{{title}}\"}"), "application/json"));
    assert_eq!((&hook.on[..], hook.repeat_seconds), (&[Event::Success, Event::NeedsSignIn][..], 21_600));
    assert!(hook.only_on_change && hook.names_files());
    assert_eq!((hook.title.as_deref(), hook.ca_file), (Some("{{plan}}"), Some(PathBuf::from("/app/ca.pem"))));

    let apprise = channel("apprise = \"http://apprise:8000/notify/key\"\ntag = \"admins\"");
    assert!(matches!(&apprise.target, Target::Apprise { tag: Some(tag), .. } if tag == "admins"));
}

#[test]
fn mail_has_the_usual_port_of_its_encryption() {
    let mail = |lines: &str| {
        let channel = channel(&format!("email = \"me@example.org\"\nfrom = \"Recoup <r@example.org>\"\n{lines}"));
        let Target::Email { host, port, tls, user, .. } = channel.target else { panic!() };
        (host, port, tls, user)
    };
    let host = || "mail.example.org".to_owned();
    assert_eq!(mail("server = \"mail.example.org\""), (host(), 587, Tls::Starttls, None));
    assert_eq!(mail("server = \"mail.example.org\"\ntls = \"implicit\""), (host(), 465, Tls::Implicit, None));
    assert_eq!(mail("server = \"mail.example.org\"\ntls = \"none\""), (host(), 25, Tls::None, None));
    let signed = mail("server = \"mail.example.org:2525\"\nuser = \"me\"\npassword_file = \"p\"");
    assert_eq!(signed, (host(), 2525, Tls::Starttls, Some("me".to_owned())));
    assert_eq!(mail("server = \"[::1]:1025\"").0, "::1");
}

#[test]
fn a_plan_tells_the_channels_it_names_and_without_a_word_all_but_monitors() {
    let text = "[notify.ops]\nntfy = \"https://ntfy.sh/a\"\n[notify.mail]\nemail = [\"a@b.c\"]\nserver = \"m\"\nfrom = \"a@b.c\"\n\
                [notify.dead-man]\nheartbeat = \"https://hc-ping.com/x\"\n[plan.a]\nfiles = [\"/a\"]\n[plan.b]\nfiles = [\"/b\"]\n\
                notify = [\"dead-man\", \"ops\"]\n[plan.c]\nfiles = [\"/c\"]\nnotify = []\n";
    let settings = resolve(text).unwrap();
    let told = |name: &str| settings.plan(name).unwrap().notify.clone();
    assert_eq!(told("a"), ["ops", "mail"]);
    assert_eq!(told("b"), ["dead-man", "ops"]);
    assert!(told("c").is_empty());
    let noted = settings.values.iter().find(|value| value.key == "plan.b.notify").unwrap();
    assert_eq!(noted.origin.to_string(), "/app/recoup.toml:13");
    let error = resolve(&text.replace("notify = []", "notify = [\"opps\"]")).unwrap_err();
    assert_eq!(error.message(), "/app/recoup.toml:16: plan.c.notify[0]: there is no channel \"opps\"");
    assert_eq!(error.hint_text(), Some("did you mean \"ops\"?"));
}

#[test]
fn a_slip_is_an_error_at_its_line_and_secrets_are_not_in_it() {
    let ntfy = "ntfy = \"https://ntfy.sh/canary\"\n";
    let hook = "webhook = \"https://h/canary\"\n";
    let mail = "email = \"a@b.c\"\nfrom = \"a@b.c\"\nserver = \"m\"\n";
    for (lines, message, hint) in [
        ("", "1: notify.ops: needs exactly one of ntfy, webhook, email, heartbeat, apprise", "ntfy = "),
        (&format!("{ntfy}{hook}"), "1: notify.ops: needs exactly one of", ""),
        (&format!("{ntfy}ntfy_file = \"x\""), "1: notify.ops: needs exactly one of", ""),
        ("nfty = \"https://ntfy.sh/canary\"", "1: notify.ops: needs exactly one of", ""),
        (&format!("{ntfy}tokn = \"canary\""), "3: notify.ops.tokn: unknown key", "did you mean notify.ops.token?"),
        (&format!("{ntfy}server = \"x\""), "3: notify.ops.server: unknown key", ""),
        (
            &format!("{ntfy}token = \"canary\"\ntoken_file = \"x\""),
            "4: notify.ops.token_file: is given beside token",
            "",
        ),
        (&format!("{ntfy}token = \"canary\\n\""), "3: notify.ops.token: has control characters", ""),
        ("ntfy = \"https://ntfy.sh\"", "2: notify.ops.ntfy: names no topic", "https://ntfy.sh/topic"),
        ("ntfy = \"https://ntfy.sh/\"", "2: notify.ops.ntfy: names no topic", ""),
        ("ntfy = \"canary\"", "2: notify.ops.ntfy: is not a URL to ask", ""),
        ("ntfy = \"https://me:canary@ntfy.sh/x\"", "2: notify.ops.ntfy: is not a URL to ask: it has a user", ""),
        (&format!("{ntfy}on = [\"failures\"]"), "3: notify.ops.on: there is no event \"failures\"", "\"failure\""),
        (&format!("{ntfy}on = [\"test\"]"), "3: notify.ops.on: there is no event \"test\"", ""),
        (&format!("{ntfy}title = \"{{{{plam}}}}\""), "3: notify.ops.title: there is no field {{plam}}", "{{plan}}"),
        (&format!("{ntfy}repeat = \"often\""), "3: notify.ops.repeat: not a duration", ""),
        (&format!("{hook}method = \"GET\""), "3: notify.ops.method: is not a method for this", "POST PUT"),
        (&format!("{hook}headers = {{ Host = \"canary\" }}"), "3: notify.ops.headers.Host: Not a header", ""),
        (&format!("{hook}headers = {{ X = \"canary\\n\" }}"), "3: notify.ops.headers.X: Not a header", ""),
        (
            &format!("{hook}body = '{{\"a\": {{{{text}}}}}}'"),
            "3: notify.ops.body: does not become JSON",
            "inside of quotes",
        ),
        ("email = \"a@b.c\"\nserver = \"m\"", "1: notify.ops.from: is missing", ""),
        ("email = []\n", "2: notify.ops.email: needs addresses", ""),
        ("email = \"nobody\"\n", "2: notify.ops.email: needs addresses", ""),
        ("email = \"a@b.c\\r\\nBcc: d@e.f\"\n", "2: notify.ops.email: needs addresses", ""),
        (&format!("{mail}tls = \"ssl\""), "5: notify.ops.tls: is not a kind of TLS", "starttls implicit none"),
        (&format!("{mail}user = \"me\""), "5: notify.ops.user: user and password belong together", "password_file"),
        (&format!("{mail}password = \"canary\""), "2: notify.ops.email: user and password belong together", ""),
        (&mail.replace("\"m\"", "\"m:0\""), "4: notify.ops.server: is not a server", ""),
        (&mail.replace("\"m\"", "\"smtp://m\""), "4: notify.ops.server: is not a server", ""),
    ] {
        let error = resolve(&format!("[notify.ops]\n{lines}\n")).unwrap_err();
        let told = format!("{} {:?}", error.message(), error.hint_text());
        assert!(error.message().starts_with(&format!("/app/recoup.toml:{message}")), "{lines}\n{told}");
        assert!(error.hint_text().unwrap_or_default().contains(hint), "{lines}\n{told}");
        assert!(!told.contains("canary"), "{told}");
    }
    let error = resolve("[notify.\"a\\nb\"]\nntfy = \"https://ntfy.sh/canary\"\n").unwrap_err();
    assert!(error.message().ends_with("is not a name") && !error.message().contains('\n'), "{}", error.message());
}

#[test]
fn what_is_printed_of_a_channel_holds_no_secret() {
    let text = "[notify.a]\nntfy = \"https://ntfy.sh/canary\"\ntoken = \"canary\"\n\
                [notify.b]\nwebhook = \"https://h.example:8443/canary?canary\"\nheaders = { X-Key = \"canary\" }\n\
                [notify.c]\nheartbeat = \"https://hc-ping.com/canary\"\n[notify.d]\napprise = \"https://a/notify/canary\"\n\
                [notify.e]\nemail = \"a@b.c\"\nfrom = \"a@b.c\"\nserver = \"m\"\nuser = \"me\"\npassword = \"canary\"\n";
    let settings = resolve(text).unwrap();
    let told = format!("{:?} {:?}", settings.values, settings.channels);
    assert!(!told.contains("canary"), "{told}");
    let shown = |key: &str| settings.values.iter().find(|value| value.key == key).unwrap().value.to_string();
    assert_eq!(shown("notify.b.webhook"), "\"https://h.example:8443/…\"");
    assert_eq!(shown("notify.a.token"), "\"(set)\"");
    assert_eq!(shown("notify.b.headers"), "[\"X-Key\"]");
}

#[test]
fn the_examples_of_the_documentation_mean_something() {
    let page = include_str!("../../../../../docs/configuration.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let all: Vec<Channel> = examples.iter().flat_map(|text| resolve(text).unwrap().channels).collect();
    let mut kinds: Vec<&str> = all.iter().map(|channel| channel.target.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["apprise", "email", "heartbeat", "ntfy", "webhook"]);
}
