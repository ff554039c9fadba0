//! What a service account proves itself with: a claim signed by its key (RFC 7523; RS256 of RFC 7518 3.3).
//!
//! Not here: what it is exchanged for ([`super::token`]).

use data_encoding::{BASE64, BASE64URL_NOPAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, Result};
use crate::model::channel::Secret;

/// Google takes no longer ones.
const LASTS: i64 = 3600;

/// The key file, as Google gives it out.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

/// A claim that works for an hour. `token_endpoint` is whom it is for when the key does not say.
pub(super) fn signed(key: &Secret, token_endpoint: &str, scope: &str, now: Timestamp) -> Result<String> {
    let file: KeyFile = serde_json::from_str(&super::reveal(key)?).map_err(|_| wrong())?;
    let pair = RsaKeyPair::from_pkcs8(&der(&file.private_key).ok_or_else(wrong)?).map_err(|_| wrong())?;
    let head = json!({ "alg": "RS256", "typ": "JWT", "kid": file.private_key_id });
    let claim = json!({
        "iss": file.client_email,
        "scope": scope,
        "aud": file.token_uri.as_deref().unwrap_or(token_endpoint),
        "iat": now.as_second(),
        "exp": now.as_second() + LASTS,
    });
    let encode = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", encode(head), encode(claim));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).map_err(|_| wrong())?;
    Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// The bytes of a PKCS #8 key in PEM (RFC 7468).
fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    BASE64.decode(body.as_bytes()).ok()
}

fn wrong() -> Error {
    Error::usage("bad_service_account", "Not the key of a service account in JSON")
        .hint("Google Cloud console, IAM, service accounts, keys: add key, JSON")
}
