//! Digest sign-in (RFC 7616): what a server asks for, and the answer, which proves that we know the password and does not
//! tell it. SHA-256 and MD5, each with `-sess`; `qop` is `auth`, or nothing as in RFC 2069.
//!
//! Not here: when it is asked (`client`). There is no crate for it that is kept up to date; it is little more than hashing.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use md5::Md5;
use sha2::{Digest as _, Sha256};

/// One way of signing in that a server offers: its scheme in lower case, and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub scheme: String,
    pub parameters: BTreeMap<String, String>,
}

/// Every challenge of a `WWW-Authenticate` header, which may hold several (RFC 9110 11.6.1).
pub(super) fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    for item in items(header) {
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        let name = name.trim();
        // `Digest realm="…"` begins a new one, `nonce="…"` goes on.
        let (scheme, name) = match name.split_once(' ') {
            Some((scheme, name)) => (Some(scheme), name.trim()),
            None if !item.contains('=') => (Some(name), ""),
            None => (None, name),
        };
        let token = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if let Some(scheme) = scheme.filter(token) {
            found.push(Challenge { scheme: scheme.to_ascii_lowercase(), parameters: BTreeMap::new() });
        }
        if let Some(challenge) = found.last_mut().filter(|_| !name.is_empty()) {
            challenge.parameters.insert(name.to_ascii_lowercase(), unquoted(value.trim()));
        }
    }
    found
}

/// A parameter of a header that consists of nothing else, as `Authentication-Info` does.
pub(super) fn parameter(header: &str, name: &str) -> Option<String> {
    let pairs = items(header).into_iter().filter_map(|item| item.split_once('='));
    pairs.into_iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| unquoted(value.trim()))
}

/// What commas separate, those in quotes aside.
fn items(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let split = header.split(|character: char| {
        match (character, quoted, escaped) {
            ('\\', true, false) => {
                escaped = true;
                return false;
            }
            ('"', _, false) => quoted = !quoted,
            _ => {}
        }
        escaped = false;
        character == ',' && !quoted
    });
    split.map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    fn of(self, text: &str) -> String {
        match self {
            Hash::Md5 => HEXLOWER.encode(&Md5::digest(text)),
            Hash::Sha256 => HEXLOWER.encode(&Sha256::digest(text)),
        }
    }
}

/// A challenge that we can answer, again and again.
#[derive(Debug, Clone)]
pub(super) struct Session {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server spells it.
    algorithm: Option<String>,
    hash: Hash,
    sess: bool,
    qop: bool,
    userhash: bool,
    /// How often the nonce was used.
    count: u32,
}

impl Session {
    /// `None` when it asks for what we do not know, like `auth-int` or another hash.
    pub fn of(challenge: &Challenge) -> Option<Session> {
        let get = |name: &str| challenge.parameters.get(name).cloned();
        let algorithm = get("algorithm");
        let word = algorithm.as_deref().unwrap_or("MD5").to_ascii_lowercase();
        let (word, sess) = word.strip_suffix("-sess").map_or((word.as_str(), false), |word| (word, true));
        let hash = match word {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            _ => return None,
        };
        let qop = match get("qop") {
            None => false,
            Some(offered) => offered.split(',').any(|word| word.trim().eq_ignore_ascii_case("auth")).then_some(true)?,
        };
        let userhash = get("userhash").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let known = challenge.scheme == "digest";
        known.then_some(Session {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm,
            hash,
            sess,
            qop,
            userhash,
            count: 0,
        })
    }

    /// The server wants the next request to be answered with this.
    pub fn renew(&mut self, nonce: String) {
        (self.nonce, self.count) = (nonce, 0);
    }

    /// What goes into `Authorization` of one request. `path` is what stands in its first line; `ours` is never the same.
    pub fn answer(&mut self, user: &str, password: &str, method: &str, path: &str, ours: &str) -> String {
        self.count += 1;
        let (hash, count) = (self.hash, format!("{:08x}", self.count));
        let mut secret = hash.of(&format!("{user}:{}:{password}", self.realm));
        if self.sess {
            secret = hash.of(&format!("{secret}:{}:{ours}", self.nonce));
        }
        let asked = hash.of(&format!("{method}:{path}"));
        let response = match self.qop {
            true => hash.of(&format!("{secret}:{}:{count}:{ours}:auth:{asked}", self.nonce)),
            false => hash.of(&format!("{secret}:{}:{asked}", self.nonce)),
        };
        let user = if self.userhash { hash.of(&format!("{user}:{}", self.realm)) } else { user.to_owned() };
        let mut text = format!("Digest username={}", quoted(&user));
        for (name, value) in [("realm", &self.realm), ("nonce", &self.nonce)] {
            text += &format!(", {name}={}", quoted(value));
        }
        text += &format!(", uri={}, response=\"{response}\"", quoted(path));
        if let Some(algorithm) = &self.algorithm {
            text += &format!(", algorithm={algorithm}");
        }
        if self.qop || self.sess {
            text += &format!(", cnonce={}", quoted(ours));
        }
        if self.qop {
            text += &format!(", nc={count}, qop=auth");
        }
        if let Some(opaque) = &self.opaque {
            text += &format!(", opaque={}", quoted(opaque));
        }
        if self.userhash {
            text += ", userhash=true";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Session, challenges, parameter};

    /// RFC 7616 3.9.1.
    const OFFERED: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=ALG, \
                           nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                           opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    #[test]
    fn the_examples_of_the_rfc_are_answered_as_there() {
        let expected = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, response) in expected {
            let offered = challenges(&OFFERED.replace("ALG", algorithm));
            let mut session = Session::of(&offered[0]).unwrap();
            let ours = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = session.answer("Mufasa", "Circle of Life", "GET", "/dir/index.html", ours);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("nc=00000001, qop=auth") && !answer.contains("Circle"), "{answer}");
            assert!(session.answer("Mufasa", "x", "GET", "/", ours).contains("nc=00000002"));
            session.renew("next".into());
            let answer = session.answer("Mufasa", "x", "GET", "/", ours);
            assert!(answer.contains("nonce=\"next\"") && answer.contains("nc=00000001"), "{answer}");
        }
    }

    /// RFC 2069 as corrected: no `qop`. RFC 7616 3.4.4: the name may be hashed. Names are quoted.
    #[test]
    fn what_is_left_out_is_left_out_and_what_is_asked_for_is_there() {
        let offered = challenges("Digest realm=\"a \\\"b\\\", c\",nonce=\"n\",userhash=true,algorithm=MD5-sess");
        assert_eq!(offered[0].parameters["realm"], "a \"b\", c");
        let answer = Session::of(&offered[0]).unwrap().answer("me", "p", "PUT", "/x", "ours");
        assert!(answer.contains("realm=\"a \\\"b\\\", c\"") && answer.contains("userhash=true"), "{answer}");
        assert!(
            answer.contains("cnonce=\"ours\"") && !answer.contains("qop") && !answer.contains("\"me\""),
            "{answer}"
        );
    }

    #[test]
    fn several_challenges_stand_in_one_header() {
        let found = challenges("Negotiate, Basic realm=\"x, y\" , Digest realm=z, nonce=\"a=,b\", stale=TRUE");
        let schemes: Vec<_> = found.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "digest"]);
        assert_eq!((&*found[1].parameters["realm"], &*found[2].parameters["nonce"]), ("x, y", "a=,b"));
        assert_eq!(found[2].parameters["stale"], "TRUE");
        assert_eq!(parameter("qop=auth, nextnonce=\"n2\"", "NextNonce").as_deref(), Some("n2"));
    }

    #[test]
    fn what_we_do_not_know_is_not_answered() {
        for text in [
            "Digest realm=x, nonce=y, algorithm=SHA-512-256",
            "Digest realm=x, nonce=y, qop=auth-int",
            "Digest realm=x",
            "Basic realm=x, nonce=y",
        ] {
            assert!(Session::of(&challenges(text)[0]).is_none(), "{text}");
        }
        assert!(challenges("").is_empty() && challenges("a=b, \"").is_empty());
    }
}
