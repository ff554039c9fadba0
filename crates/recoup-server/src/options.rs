//! How the server is to be reached: its names, its public address, how much it answers. From `[server]` of
//! recoup.toml, or from the application that embeds it.

use std::sync::Arc;
use std::time::Duration;

use recoup::config::ServerSettings;
use recoup::outbound::Network;

use crate::caller::Authenticate;

/// How the server is to be reached.
#[derive(Clone)]
pub struct Options {
    /// Where people find it, `https://backup.example.org`. With `https` cookies are `Secure` and HSTS is sent.
    pub public_url: Option<String>,
    /// Names that it answers to besides `localhost`, `127.0.0.1`, `[::1]` and that of `public_url`; with or without a
    /// port. `*` answers to every name: only for an application that looks at the Host itself.
    pub hosts: Vec<String>,
    /// Requests per second and address, and per second and account, over time; 0 does not count them.
    pub rate: u32,
    /// How long a request may take that is neither a stream nor an upload.
    pub timeout: Duration,
    /// The largest upload, in bytes.
    pub upload_limit: u64,
    /// Whether `/metrics` answers without a token.
    pub open_metrics: bool,
    /// Whether `/api/docs` is there.
    pub docs: bool,
    /// Proxies whose [`user_header`](Self::user_header) is believed; the same header of anybody else is not looked at.
    pub trusted_proxies: Vec<Network>,
    /// The header in which such a proxy says who somebody is. They need an account of that name.
    pub user_header: String,
    /// Sign-in of an embedding application. With it nobody needs to be set up.
    pub authenticate: Option<Arc<dyn Authenticate>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            public_url: None,
            hosts: Vec::new(),
            rate: 100,
            timeout: Duration::from_secs(60),
            upload_limit: 10 << 30,
            open_metrics: false,
            docs: true,
            trusted_proxies: Vec::new(),
            user_header: "remote-user".to_owned(),
            authenticate: None,
        }
    }
}

impl Options {
    /// As `[server]` of recoup.toml says.
    pub fn of(server: &ServerSettings) -> Self {
        Options {
            public_url: server.public_url.clone(),
            hosts: server.hosts.clone(),
            rate: server.rate_limit,
            upload_limit: server.upload_limit,
            open_metrics: server.open_metrics,
            docs: server.docs,
            trusted_proxies: server.trusted_proxies.clone(),
            user_header: server.user_header.clone(),
            ..Options::default()
        }
    }

    /// Whether people reach it through TLS.
    pub fn is_secure(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// The path of `public_url` without `/` at its end; empty when people find it at the top.
    pub fn public_path(&self) -> &str {
        let url = self.public_url.as_deref().unwrap_or_default();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
        path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')
    }

    /// Whether a `Host` is one of its own.
    pub fn answers_to(&self, host: &str) -> bool {
        let name = without_port(host);
        let own = ["localhost", "127.0.0.1", "[::1]"];
        let public = self.public_url.as_deref().map(authority).map(without_port);
        let listed = self
            .hosts
            .iter()
            .any(|known| known == "*" || known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name));
        !name.is_empty()
            && (listed
                || own.iter().any(|own| own.eq_ignore_ascii_case(name))
                || public.is_some_and(|public| public.eq_ignore_ascii_case(name)))
    }

    /// Whether an `Origin` is that of the page that this server gave under `host`.
    pub fn is_own_origin(&self, origin: &str, host: &str) -> bool {
        let public = self.public_url.as_deref().map(|url| {
            let end = url.split_once("://").map_or(0, |(scheme, _)| scheme.len() + 3) + authority(url).len();
            url.get(..end).unwrap_or(url)
        });
        let plain = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        public.is_some_and(|public| public.eq_ignore_ascii_case(origin))
            || plain.is_some_and(|origin| !origin.is_empty() && origin.eq_ignore_ascii_case(host))
    }
}

/// `name:port` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The name without its port; brackets of an IPv6 address stay.
fn without_port(host: &str) -> &str {
    let end = match host.rfind(']') {
        Some(bracket) => bracket + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let digits = port.strip_prefix(':').unwrap_or(port);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { name } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_its_own_are_answered() {
        let options = Options {
            public_url: Some("https://backup.example.org/recoup".into()),
            hosts: vec!["nas".into(), "other:81".into()],
            ..Options::default()
        };
        let good = [
            "localhost",
            "LOCALHOST:7467",
            "127.0.0.1:1",
            "[::1]:7467",
            "[::1]",
            "backup.example.org",
            "nas:7467",
            "Backup.Example.Org:443",
            "other:81",
        ];
        for host in good {
            assert!(options.answers_to(host), "{host}");
        }
        let bad = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "",
            ":7467",
            "localhost:x",
            "localhost@evil",
            "evil:localhost",
            "[::1]evil",
            "[::2]",
            "other:82",
            "backup.example.org.",
            "a b",
            "0.0.0.0",
        ];
        for host in bad {
            assert!(!options.answers_to(host), "{host}");
        }
    }

    #[test]
    fn the_path_of_the_public_address_is_where_the_page_is() {
        let of = |url: &str| Options { public_url: Some(url.into()), ..Options::default() }.public_path().to_owned();
        assert_eq!(of("https://b.example"), "");
        assert_eq!(of("https://b.example/"), "");
        assert_eq!(of("https://b.example:81/backup/"), "/backup");
        assert_eq!(of("https://b.example/a/b?x#y"), "/a/b");
    }

    #[test]
    fn an_origin_is_ours_only_with_the_same_name_and_port() {
        let options = Options { public_url: Some("https://b.example".into()), ..Options::default() };
        assert!(options.is_own_origin("https://b.example", "127.0.0.1:1"));
        let below = Options { public_url: Some("https://b.example/backup/".into()), ..Options::default() };
        assert!(below.is_own_origin("https://b.example", "127.0.0.1:1"));
        assert!(!below.is_own_origin("https://b.example/backup", "127.0.0.1:1"));
        assert!(options.is_own_origin("http://localhost:7467", "localhost:7467"));
        for origin in ["null", "", "http://", "http://localhost:1", "https://evil.example", "ftp://localhost:7467"] {
            assert!(!options.is_own_origin(origin, "localhost:7467"), "{origin}");
        }
    }
}
