//! Access tokens: from the refresh token of a person (RFC 6749 6) or the key of a service account (RFC 7523), kept in memory
//! until shortly before they expire. What the token endpoint says is told by its code only.
//!
//! Not here: how a person signs in ([`super::account`]) and how the refresh token is kept ([`super::sealed`]).

use std::fmt;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenResponse};
use oauth2::url::form_urlencoded;
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ErrorResponseType, HttpRequest,
    HttpResponse, RefreshToken, RequestTokenError, StandardErrorResponse, TokenResponse, TokenUrl,
};
use ureq::http::{Request, Response};

use super::super::failure::{Failure, Step};
use super::super::http::{Http, refused};
use super::{assertion, sealed};
use crate::clock::{Clock, SystemClock};
use crate::destination::sign_in;
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::Drive;

/// Files that this application made, and no others.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/drive.file";
/// So long before it expires a token is not used any more.
const EARLY: Duration = Duration::from_secs(60);
/// How long a token works when nobody says.
const USUAL: Duration = Duration::from_secs(600);
/// Bytes of an answer of the token endpoint.
const ANSWER: u64 = 64 * 1024;

/// What the token endpoint gives.
pub(super) type Answer = BasicTokenResponse;
/// A client that knows where to ask.
pub(super) type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// The access token of one destination.
pub(super) struct Tokens {
    name: String,
    drive: Drive,
    http: Http,
    clock: SystemClock,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    until: Duration,
}

impl Tokens {
    pub fn new(name: &str, drive: &Drive, http: Http) -> Self {
        Tokens { name: name.to_owned(), drive: drive.clone(), http, clock: SystemClock::new(), kept: Mutex::default() }
    }

    /// One that works. Errors: `needs_sign_in`, `service_account_refused`.
    pub fn access(&self) -> Step<String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| self.clock.monotonic() < kept.until) {
            return Ok(kept.token.clone());
        }
        let asked = self.clock.monotonic();
        let answer = if self.drive.client_id.is_some() { self.of_person() } else { self.of_service_account() }?;
        let lasts = answer.expires_in().unwrap_or(USUAL).saturating_sub(EARLY);
        let token = answer.access_token().secret().clone();
        *kept = Some(Kept { token: token.clone(), until: asked + lasts });
        Ok(token)
    }

    /// It does not work although it should.
    pub fn forget(&self, token: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take_if(|kept| kept.token == token);
    }

    fn of_person(&self) -> Step<Answer> {
        let missing = || sign_in::of_drive(&self.name, &self.drive).unwrap_or_else(|| sign_in::again(&self.name));
        let mut grant = sealed::read(&self.drive)?.ok_or_else(missing)?;
        if self.drive.client_id.as_deref() != Some(&grant.client_id) {
            let why = "client_id is another one than the one that was agreed to";
            return Err(Failure::lasting(sign_in::again(&self.name).because(why)));
        }
        let token = RefreshToken::new(grant.refresh_token.clone());
        match client(&self.drive)?.exchange_refresh_token(&token).request(&exchange(&self.http)) {
            Ok(answer) => {
                sealed::accepted(&self.drive);
                if let Some(new) = answer.refresh_token().filter(|new| *new.secret() != grant.refresh_token) {
                    grant.refresh_token = new.secret().clone();
                    sealed::keep(&self.drive, &grant)?;
                }
                Ok(answer)
            }
            Err(error) if is_invalid_grant(&error) => {
                sealed::refused(&self.drive);
                Err(Failure::lasting(sign_in::again(&self.name).because("Google answered invalid_grant")))
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn of_service_account(&self) -> Step<Answer> {
        let secret = self.drive.service_account.as_ref().ok_or_else(|| sign_in::again(&self.name))?;
        let signed = assertion::signed(secret, &self.drive.token_endpoint, SCOPE, self.clock.now())?;
        let body = form(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &signed)]);
        let answer = exchange(&self.http)(post(&self.drive.token_endpoint, body)?).map_err(|lost| lost.0)?;
        if answer.status().is_success() {
            return serde_json::from_slice(answer.body()).map_err(|_| Failure::lasting(no_answer()));
        }
        let said: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let code = said.get("error").and_then(|error| error.as_str()).unwrap_or("no reason");
        let text = format!("Google does not accept the service account of {}", self.name);
        let error = Error::new(ErrorKind::Denied, "service_account_refused", text);
        let error = error.because(format!("it answered {}", word(code)));
        Err(Failure::lasting(error.hint("check the key file, and that the clock of this machine is right")))
    }
}

/// A client for the endpoints of a destination.
pub(super) fn client(drive: &Drive) -> Result<Client> {
    let id = drive.client_id.clone().unwrap_or_default();
    let mut client = BasicClient::new(ClientId::new(id))
        // Google takes both; some proxies take headers away.
        .set_auth_type(AuthType::RequestBody)
        .set_auth_uri(AuthUrl::new(drive.auth_endpoint.clone()).map_err(bad_url)?)
        .set_token_uri(TokenUrl::new(drive.token_endpoint.clone()).map_err(bad_url)?);
    if let Some(secret) = &drive.client_secret {
        client = client.set_client_secret(ClientSecret::new(super::reveal(secret)?));
    }
    Ok(client)
}

/// An endpoint beside the one for tokens, as Google has them: `…/token`, `…/revoke`, `…/device/code`.
pub(super) fn beside(drive: &Drive, name: &str) -> String {
    let above = drive.token_endpoint.rsplit_once('/').map_or("", |(above, _)| above);
    format!("{above}/{name}")
}

pub(super) fn bad_url(_: oauth2::url::ParseError) -> Error {
    Error::usage("bad_url", "auth_endpoint and token_endpoint must be URLs")
}

/// Names and values as a form.
pub(super) fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

/// A request that sends a form.
pub(super) fn post(url: &str, body: Vec<u8>) -> Result<Request<Vec<u8>>> {
    let request = Request::post(url).header("content-type", "application/x-www-form-urlencoded");
    request.header("accept", "application/json").body(body).map_err(|_| super::api::bad_request())
}

/// Why there was no answer of the token endpoint that its protocol knows.
#[derive(Debug)]
pub(super) struct Lost(pub Failure);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.error.message())
    }
}

impl std::error::Error for Lost {}

/// What the library for OAuth talks through.
pub(super) fn exchange(http: &Http) -> impl Fn(HttpRequest) -> std::result::Result<HttpResponse, Lost> {
    |request| {
        let answer = http.ask(request).map_err(Lost)?;
        if answer.status().is_server_error() || answer.status().as_u16() == 429 {
            return Err(Lost(refused(answer, "asking for a token")));
        }
        let (head, body) = answer.into_parts();
        let mut bytes = Vec::new();
        let read = body.into_reader().take(ANSWER).read_to_end(&mut bytes);
        read.map_err(|error| Lost(super::api::cut(error, "asking for a token")))?;
        Ok(Response::from_parts(head, bytes))
    }
}

/// What ends the waiting for a person.
pub(super) fn expired() -> std::result::Result<HttpResponse, Lost> {
    let mut answer = Response::new(br#"{"error":"expired_token"}"#.to_vec());
    *answer.status_mut() = ureq::http::StatusCode::BAD_REQUEST;
    Ok(answer)
}

fn is_invalid_grant(error: &RequestTokenError<Lost, StandardErrorResponse<BasicErrorResponseType>>) -> bool {
    match error {
        RequestTokenError::ServerResponse(answer) => *answer.error() == BasicErrorResponseType::InvalidGrant,
        _ => false,
    }
}

/// What an error of the library for OAuth means. Descriptions may name the account; codes do not.
pub(super) fn failed<T: ErrorResponseType + fmt::Display + 'static>(
    error: RequestTokenError<Lost, StandardErrorResponse<T>>,
) -> Failure {
    match error {
        RequestTokenError::Request(Lost(failure)) => failure,
        RequestTokenError::ServerResponse(answer) => refused_by(&answer.error().to_string()),
        _ => Failure::lasting(no_answer()),
    }
}

/// Google gives no token, by a code of its own.
pub(super) fn refused_by(code: &str) -> Failure {
    let error = Error::new(ErrorKind::Denied, "sign_in_failed", "Google does not accept this application");
    Failure::lasting(error.because(format!("it answered {}", word(code))).hint("check client_id and client_secret"))
}

fn no_answer() -> Error {
    Error::new(ErrorKind::Failed, "bad_answer", "The token endpoint gave an answer that cannot be read")
}

/// Codes are words; whatever else comes is not repeated.
pub(super) fn word(code: &str) -> &str {
    let fits = code.len() <= 60 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits { code } else { "something else" }
}
