//! The OAuth of the stand-in: consent by a browser that always agrees (PKCE checked), the device flow, refresh tokens,
//! assertions of service accounts (signature, audience and times checked), revocation.

use std::collections::{BTreeMap, HashMap};

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::{Answer, Request, pairs};

pub const SCOPE: &str = "https://www.googleapis.com/auth/drive.file";
/// An access token works that long, as at Google.
pub const LASTS: u64 = 3599;

/// What was given out.
#[derive(Default)]
pub struct Accounts {
    pub clients: HashMap<String, String>,
    /// Public keys of service accounts, by their addresses.
    pub robots: HashMap<String, Vec<u8>>,
    /// Access tokens that work, and the refresh token that each comes from.
    pub access: HashMap<String, String>,
    /// Refresh tokens that work, and the client of each.
    pub refresh: HashMap<String, String>,
    /// How a person answers in the device flow: after so many questions, yes or no.
    pub device_answers: (usize, bool),
    pub browser_agrees: bool,
    pub scopes: String,
    codes: HashMap<String, Code>,
    devices: HashMap<String, (String, usize)>,
    count: u64,
}

struct Code {
    client: String,
    redirect: String,
    challenge: String,
}

impl Accounts {
    /// A word that no other is like; tests look for `marker` in everything that people may read.
    fn secret(&mut self, what: &str) -> String {
        self.count += 1;
        format!("MARKER-{what}-{}-{}", self.count, ulid::Ulid::generate())
    }

    pub fn refresh_token(&mut self, client: &str) -> String {
        let token = self.secret("refresh");
        self.refresh.insert(token.clone(), client.to_owned());
        token
    }

    pub fn access_token(&mut self, from: &str) -> String {
        let token = self.secret("access");
        self.access.insert(token.clone(), from.to_owned());
        token
    }

    /// Takes back a token and everything that comes from it.
    pub fn revoke(&mut self, token: &str) -> bool {
        let of = self.access.get(token).cloned().unwrap_or_else(|| token.to_owned());
        self.access.retain(|access, from| *from != of && access != token);
        self.refresh.remove(&of).is_some()
    }

    /// The page where people agree: this person always does, or never.
    pub fn authorize(&mut self, request: &Request) -> Answer {
        let query = &request.query;
        let refuse = |why: &str| Answer::new(400).body(format!("Error 400: invalid_request {why}"));
        let known = [
            "client_id",
            "redirect_uri",
            "response_type",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method",
            "access_type",
            "prompt",
        ];
        if let Some(name) = query.keys().find(|name| !known.contains(&name.as_str())) {
            return refuse(name);
        }
        let of = |name: &str| query.get(name).cloned().unwrap_or_default();
        let redirect = of("redirect_uri");
        let port = redirect.strip_prefix("http://127.0.0.1:").map(|port| port.trim_end_matches('/').parse::<u16>());
        let challenge = of("code_challenge");
        let right = self.clients.contains_key(&of("client_id"))
            && of("response_type") == "code"
            && of("scope") == SCOPE
            && of("state").len() >= 16
            && of("code_challenge_method") == "S256"
            && challenge.len() == 43
            && of("access_type") == "offline"
            && matches!(port, Some(Ok(_)));
        if !right {
            return refuse("something is missing");
        }
        let state = of("state");
        let state = state.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let told = if self.browser_agrees {
            let code = self.secret("code");
            let (client, redirect) = (of("client_id"), redirect.clone());
            self.codes.insert(code.clone(), Code { client, redirect, challenge });
            format!("code={code}")
        } else {
            "error=access_denied".to_owned()
        };
        Answer::new(302).with("location", format!("{redirect}/?state={state}&{told}"))
    }

    pub fn device_code(&mut self, request: &Request, body: &[u8]) -> Answer {
        let Some(form) = form(request, body) else { return no("invalid_request") };
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if !self.clients.contains_key(of("client_id")) {
            return no("invalid_client");
        }
        if of("scope") != SCOPE {
            return no("invalid_scope");
        }
        let code = self.secret("device");
        self.devices.insert(code.clone(), (of("client_id").to_owned(), 0));
        Answer::json(
            200,
            &json!({ "device_code": code, "user_code": "GQVQ-JKEC", "expires_in": 1800, "interval": 0,
            "verification_url": "https://www.google.com/device" }),
        )
    }

    pub fn token(&mut self, request: &Request, body: &[u8], own_url: &str) -> Answer {
        let Some(form) = form(request, body) else { return no("invalid_request") };
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let grant = of("grant_type");
        let known: &[&str] = match grant {
            "authorization_code" => &["client_id", "client_secret", "code", "code_verifier", "redirect_uri"],
            "refresh_token" => &["client_id", "client_secret", "refresh_token", "scope"],
            "urn:ietf:params:oauth:grant-type:device_code" => &["client_id", "client_secret", "device_code"],
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => &["assertion"],
            _ => return no("unsupported_grant_type"),
        };
        if form.keys().any(|name| name != "grant_type" && !known.contains(&name.as_str())) {
            return no("invalid_request");
        }
        if grant.ends_with("jwt-bearer") {
            return match self.robot(of("assertion"), own_url) {
                Some(email) => self.granted(&email, None),
                None => no("invalid_grant"),
            };
        }
        let client = of("client_id");
        if self.clients.get(client).is_none_or(|secret| secret != of("client_secret")) {
            return Answer::json(401, &json!({ "error": "invalid_client", "error_description": "Unauthorized" }));
        }
        match grant {
            "authorization_code" => {
                // A code works once, whatever comes with it.
                let Some(code) = self.codes.remove(of("code")) else { return no("invalid_grant") };
                let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(of("code_verifier").as_bytes()));
                let right = code.client == client && code.redirect == of("redirect_uri") && code.challenge == challenge;
                if !right {
                    return no("invalid_grant");
                }
                let refresh = self.refresh_token(client);
                self.granted(&refresh, Some(&refresh))
            }
            "refresh_token" => match self.refresh.get(of("refresh_token")) {
                Some(known) if known == client => self.granted(of("refresh_token"), None),
                _ => no("invalid_grant"),
            },
            _ => {
                let (after, yes) = self.device_answers;
                let Some((known, asked)) = self.devices.get_mut(of("device_code")) else { return no("expired_token") };
                if known != client {
                    return no("invalid_grant");
                }
                *asked += 1;
                match (*asked > after, yes) {
                    (false, _) => Answer::json(428, &json!({ "error": "authorization_pending" })),
                    (true, false) => Answer::json(403, &json!({ "error": "access_denied" })),
                    (true, true) => {
                        self.devices.remove(of("device_code"));
                        let refresh = self.refresh_token(client);
                        self.granted(&refresh, Some(&refresh))
                    }
                }
            }
        }
    }

    pub fn revocation(&mut self, request: &Request, body: &[u8]) -> Answer {
        let form = form(request, body).unwrap_or_default();
        match form.get("token").is_some_and(|token| self.revoke(token)) {
            true => Answer::json(200, &json!({})),
            false => no("invalid_token"),
        }
    }

    fn granted(&mut self, from: &str, refresh: Option<&str>) -> Answer {
        let access = self.access_token(from);
        let mut told =
            json!({ "access_token": access, "expires_in": LASTS, "token_type": "Bearer", "scope": self.scopes });
        if let Some(refresh) = refresh {
            told["refresh_token"] = json!(refresh);
        }
        Answer::json(200, &told)
    }

    /// Whose assertion it is, when it is right in everything.
    fn robot(&self, assertion: &str, own_url: &str) -> Option<String> {
        let mut parts = assertion.split('.');
        let (head, claim, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let signed = &assertion[..head.len() + 1 + claim.len()];
        let read = |text: &str| serde_json::from_slice::<Value>(&BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok();
        let (head, claim) = (read(head)?, read(claim)?);
        let email = claim["iss"].as_str()?.to_owned();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.robots.get(&email)?);
        key.verify(signed.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?).ok()?;
        let now = jiff::Timestamp::now().as_second();
        let (iat, exp) = (claim["iat"].as_i64()?, claim["exp"].as_i64()?);
        let right = parts.next().is_none()
            && head["alg"] == "RS256"
            && claim["aud"] == own_url
            && claim["scope"] == SCOPE
            && (now - 300..=now + 60).contains(&iat)
            && exp > now
            && exp - iat <= 3600;
        right.then_some(email)
    }
}

fn no(code: &str) -> Answer {
    Answer::json(400, &json!({ "error": code, "error_description": "Token has been expired or revoked." }))
}

fn form(request: &Request, body: &[u8]) -> Option<BTreeMap<String, String>> {
    let kind = request.header("content-type")?;
    if kind.split(';').next() != Some("application/x-www-form-urlencoded") {
        return None;
    }
    pairs(std::str::from_utf8(body).ok()?)
}

/// The key file of a service account, as Google gives it out, and its public half. Made by openssl.
pub fn robot_key(email: &str, token_url: &str) -> (String, Vec<u8>) {
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .expect("openssl is installed");
    let pem = String::from_utf8(made.stdout).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&data_encoding::BASE64.decode(body.as_bytes()).unwrap()).unwrap();
    let file = json!({ "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": pem,
        "client_email": email, "client_id": "1", "token_uri": token_url });
    (file.to_string(), pair.public().as_ref().to_vec())
}
