//! A person's account in Google Drive: signing in (RFC 8252 by a browser on this machine, RFC 8628 by any other), how it
//! stands, and signing out. Nothing secret is told but to the one who asks Google.
//!
//! Not here: the tokens that follow from it ([`super::token`]).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use oauth2::url::Url;
use oauth2::{
    AuthorizationCode, CsrfToken, DeviceAuthorizationUrl, PkceCodeChallenge, RedirectUrl, Scope,
    StandardDeviceAuthorizationResponse, TokenResponse,
};

use super::super::failure;
use super::super::http::{Http, refused};
use super::sealed::{self, Grant};
use super::token::{self, SCOPE};
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::{Address, DestinationSettings, Drive};
use crate::progress::Context;

/// How long a person may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a browser may take to say what it wants.
const SILENCE: Duration = Duration::from_secs(5);
/// Bytes of a line that a browser sends.
const LINE: u64 = 16 * 1024;

/// What a person is asked.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// To open this page in a browser on this machine.
    Open {
        /// Where.
        url: &'a str,
    },
    /// To open this page anywhere and to type the code.
    Type {
        /// Where.
        url: &'a str,
        /// What.
        code: &'a str,
    },
}

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whose it is, as Google tells.
    pub account: Option<String>,
    /// Since when recoup may use it; `None` for a service account.
    pub since: Option<jiff::Timestamp>,
    /// Bytes that are free; `None` when Google does not say.
    pub free: Option<u64>,
}

/// Signs in: by a browser on this machine, or with `device` by any other. Blocks until the person has agreed, at most ten
/// minutes.
///
/// Errors: `sign_in_refused` when the person does not agree, `sign_in_timeout`, and what the way there can do.
pub fn connect(
    settings: &DestinationSettings,
    device: bool,
    context: &Context,
    ask: &mut dyn FnMut(Ask<'_>),
) -> Result<()> {
    let drive = drive_of(settings)?;
    let client_id = drive.client_id.clone().ok_or_else(|| {
        let text = format!("{} uses a service account, which needs no sign-in", settings.name);
        Error::usage("no_sign_in", text).hint(format!("recoup drive status {} tells how it stands", settings.name))
    })?;
    let http = Http::new(&settings.limits, None)?;
    let answer = if device { by_device(drive, &http, context, ask)? } else { by_browser(drive, &http, context, ask)? };
    // People can agree to a part of what was asked for.
    if let Some(scopes) = answer.scopes()
        && !scopes.iter().any(|scope| scope.as_str() == SCOPE)
    {
        return Err(refusal("the access to files of this application was not ticked"));
    }
    let refresh_token = answer.refresh_token().ok_or_else(|| {
        Error::new(ErrorKind::Failed, "sign_in_failed", "Google gave no lasting sign-in")
            .hint("remove recoup at https://myaccount.google.com/connections and connect again")
    })?;
    let refresh_token = refresh_token.secret().clone();
    sealed::keep(drive, &Grant { refresh_token, client_id, since: context.clock.now() })
}

/// Asks Google how an account stands. Errors: `needs_sign_in`.
pub fn status(settings: &DestinationSettings) -> Result<Status> {
    let drive = drive_of(settings)?;
    let opened = super::protocol(&settings.name, drive, &settings.limits)?;
    let since = if drive.client_id.is_some() { sealed::read(drive)?.map(|grant| grant.since) } else { None };
    let limits = &settings.limits;
    let about = failure::attempt(limits.attempts, limits.pause, &Context::quiet(), &mut || opened.about())?;
    Ok(Status { account: about.user.and_then(|user| user.email_address), since, free: about.storage_quota.free() })
}

/// Takes the sign-in back, at Google and here; whether there was one. What Google says to it is no error when it knows
/// nothing of it any more.
pub fn disconnect(settings: &DestinationSettings) -> Result<bool> {
    let drive = drive_of(settings)?;
    // One that cannot be read any more can only be forgotten.
    if let Ok(Some(grant)) = sealed::read(drive) {
        let http = Http::new(&settings.limits, None)?;
        let limits = &settings.limits;
        let body = token::form(&[("token", &grant.refresh_token)]);
        let told = failure::attempt(limits.attempts, limits.pause, &Context::quiet(), &mut || {
            let answer = http.ask(token::post(&token::beside(drive, "revoke"), body.clone())?)?;
            match answer.status().as_u16() {
                200 | 400 => Ok(()),
                _ => Err(refused(answer, "taking the sign-in back")),
            }
        });
        told.map_err(|error| error.hint("it can be taken back at https://myaccount.google.com/connections, too"))?;
    }
    sealed::remove(drive)
}

fn drive_of(settings: &DestinationSettings) -> Result<&Drive> {
    match &settings.address {
        Address::Drive(drive) => Ok(drive),
        _ => Err(Error::usage("not_drive", format!("{} is not in Google Drive", settings.name))),
    }
}

fn refusal(why: &str) -> Error {
    Error::new(ErrorKind::Denied, "sign_in_refused", "Nobody agreed that recoup may use Google Drive")
        .because(why.to_owned())
}

fn timeout() -> Error {
    Error::new(ErrorKind::Failed, "sign_in_timeout", "Nobody signed in within ten minutes")
}

fn by_device(drive: &Drive, http: &Http, context: &Context, ask: &mut dyn FnMut(Ask<'_>)) -> Result<token::Answer> {
    let url = DeviceAuthorizationUrl::new(token::beside(drive, "device/code")).map_err(token::bad_url)?;
    let client = token::client(drive)?.set_device_authorization_url(url);
    let asked = client.exchange_device_code().add_scope(Scope::new(SCOPE.to_owned()));
    let told: StandardDeviceAuthorizationResponse =
        asked.request(&token::exchange(http)).map_err(|error| token::failed(error).error)?;
    ask(Ask::Type { url: told.verification_uri().as_str(), code: told.user_code().secret() });
    // The loop of the library knows no cancelling: it is told that the code has expired.
    let talk = token::exchange(http);
    let talk = |request| if context.cancel.is_cancelled() { token::expired() } else { talk(request) };
    let sleep = |length| drop(failure::wait(length, context));
    let done = client.exchange_device_access_token(&told).request(&talk, sleep, Some(PATIENCE));
    context.check()?;
    done.map_err(|error| match &error {
        oauth2::RequestTokenError::ServerResponse(answer) => match answer.error() {
            oauth2::DeviceCodeErrorResponseType::AccessDenied => refusal("it was denied"),
            oauth2::DeviceCodeErrorResponseType::ExpiredToken => timeout(),
            other => token::refused_by(other.as_ref()).error,
        },
        _ => token::failed(error).error,
    })
}

fn by_browser(drive: &Drive, http: &Http, context: &Context, ask: &mut dyn FnMut(Ask<'_>)) -> Result<token::Answer> {
    let listening = |error| Error::io("listening for the browser", error);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(listening)?;
    listener.set_nonblocking(true).map_err(listening)?;
    let port = listener.local_addr().map_err(listening)?.port();
    let redirect = RedirectUrl::new(format!("http://127.0.0.1:{port}")).map_err(token::bad_url)?;
    let client = token::client(drive)?.set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new(SCOPE.to_owned()))
        // Without these Google gives no refresh token, or only the first time.
        .add_extra_param("access_type", "offline")
        .add_extra_param("prompt", "consent")
        .set_pkce_challenge(challenge)
        .url();
    ask(Ask::Open { url: url.as_str() });
    let code = redirected(&listener, state.secret(), context)?;
    let asked = client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(verifier);
    asked.request(&token::exchange(http)).map_err(|error| token::failed(error).error)
}

/// Waits for the browser to come back from Google. What comes without our state is not from there.
fn redirected(listener: &TcpListener, state: &str, context: &Context) -> Result<String> {
    let begun = context.clock.monotonic();
    while context.clock.monotonic().saturating_sub(begun) < PATIENCE {
        context.check()?;
        let Ok((stream, _)) = listener.accept() else {
            failure::wait(Duration::from_millis(50), context)?;
            continue;
        };
        let Some(query) = asked_for(&stream) else { continue };
        let of = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if of("state") != Some(state) {
            answer(&stream, "404 Not Found", "This is not the page of a sign-in that recoup waits for.");
            continue;
        }
        return match (of("code"), of("error")) {
            (Some(code), None) => {
                answer(
                    &stream,
                    "200 OK",
                    "Recoup may use its own files in your Google Drive. This page can be closed.",
                );
                Ok(code.to_owned())
            }
            _ => {
                answer(&stream, "200 OK", "Recoup may not use your Google Drive. This page can be closed.");
                Err(refusal("it was denied"))
            }
        };
    }
    Err(timeout())
}

/// The query of a GET of `/`.
fn asked_for(stream: &TcpStream) -> Option<Vec<(String, String)>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(SILENCE)).ok()?;
    stream.set_write_timeout(Some(SILENCE)).ok()?;
    let mut lines = BufReader::new(std::io::Read::take(stream, LINE)).lines();
    let first = lines.next()?.ok()?;
    // The rest is read so that the answer arrives.
    lines.map_while(|line| line.ok().filter(|line| !line.is_empty())).for_each(drop);
    let path = first.strip_prefix("GET ")?.split(' ').next()?;
    let url = Url::parse("http://127.0.0.1").ok()?.join(path).ok()?;
    Some(if url.path() == "/" { url.query_pairs().into_owned().collect() } else { Vec::new() })
}

fn answer(mut stream: &TcpStream, status: &str, text: &str) {
    let page = format!("<!doctype html><meta charset=utf-8><title>Recoup</title><p>{text}</p>\n");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\n\r\n",
        page.len()
    );
    let _ = stream.write_all(format!("{head}{page}").as_bytes());
}
