//! One request to Drive v3 (developers.google.com/workspace/drive/api/reference/rest/v3): the token on it, the answer read,
//! and what an error of Drive means. Drive tells the same status for very different troubles; the reason in the body
//! decides ("Resolve errors").
//!
//! Not here: which requests make a destination ([`super`]).

use std::collections::BTreeMap;
use std::io::Read;

use jiff::Timestamp;
use oauth2::url::form_urlencoded;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::request::Builder;
use ureq::http::{Request, Response};
use ureq::{AsSendBody, Body};

use super::super::failure::{Failure, Step};
use super::super::http::{self, Http, Refusal};
use super::token::{Tokens, word};
use crate::error::{Error, ErrorKind};

/// Bytes of an answer in JSON; a page of a list has less.
const ANSWER: u64 = 32 << 20;
/// What is asked about a file.
pub(super) const FIELDS: &str = "id,size,appProperties,createdTime,modifiedTime,sha256Checksum,trashed";

/// A file as Drive tells of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub id: String,
    #[serde(default)]
    size: Option<String>,
    #[serde(default)]
    pub app_properties: BTreeMap<String, String>,
    #[serde(default)]
    pub created_time: Option<Timestamp>,
    #[serde(default)]
    pub modified_time: Option<Timestamp>,
    #[serde(default)]
    pub sha256_checksum: Option<String>,
    #[serde(default)]
    pub trashed: bool,
}

impl File {
    /// Length; folders have none.
    pub fn bytes(&self) -> u64 {
        self.size.as_deref().and_then(|size| size.parse().ok()).unwrap_or_default()
    }

    /// The oldest of several comes first, the same for everybody.
    pub fn age(&self) -> (Timestamp, &str) {
        (self.created_time.unwrap_or(Timestamp::MAX), &self.id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(default)]
    pub next_page_token: Option<String>,
    #[serde(default)]
    pub incomplete_search: bool,
    pub files: Vec<File>,
}

#[derive(Deserialize)]
pub(super) struct Ids {
    pub ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    #[serde(default)]
    pub web_view_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    #[serde(default)]
    pub user: Option<User>,
    pub storage_quota: Quota,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    #[serde(default)]
    pub email_address: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Quota {
    #[serde(default)]
    limit: Option<String>,
    #[serde(default)]
    usage: Option<String>,
}

impl Quota {
    /// Bytes that are free; `None` without a limit.
    pub fn free(&self) -> Option<u64> {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
        Some(number(&self.limit)?.saturating_sub(number(&self.usage).unwrap_or_default()))
    }
}

/// Where Drive is, and who we are there.
pub(super) struct Api {
    pub http: Http,
    pub endpoint: String,
    pub tokens: Tokens,
}

impl Api {
    /// The URL of something below Drive. Shared drives are always meant, too.
    pub fn url(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut all = form_urlencoded::Serializer::new(String::new());
        all.append_pair("supportsAllDrives", "true").extend_pairs(query);
        format!("{}{path}?{}", self.endpoint, all.finish())
    }

    /// Asks with our token; whatever comes is the answer, but for a token that is not taken.
    pub fn ask<S: AsSendBody>(&self, request: Builder, body: S, what: &str) -> Step<Response<Body>> {
        let token = self.tokens.access()?;
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = self.http.ask(request.body(body).map_err(|_| bad_request())?)?;
        if answer.status().as_u16() == 401 {
            // It may have expired early or been taken back: another one will tell.
            self.tokens.forget(&token);
            let failure = http::refused(answer, what);
            return Err(Failure::passing(failure.error));
        }
        Ok(answer)
    }

    /// Asks for JSON.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)], what: &str) -> Step<T> {
        read(self.ask(Request::get(self.url(path, query)), (), what)?, what)
    }

    /// Sends JSON and gets some.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &serde_json::Value,
        what: &str,
    ) -> Step<T> {
        let request = Request::post(self.url(path, query)).header("content-type", "application/json; charset=UTF-8");
        read(self.ask(request, body.to_string(), what)?, what)
    }
}

/// JSON out of an answer.
pub(super) fn read<T: DeserializeOwned>(answer: Response<Body>, what: &str) -> Step<T> {
    if !answer.status().is_success() {
        return Err(refused(answer, what));
    }
    let mut bytes = Vec::new();
    answer.into_body().into_reader().take(ANSWER).read_to_end(&mut bytes).map_err(|error| cut(error, what))?;
    serde_json::from_slice(&bytes).map_err(|_| {
        let text = "The destination gave an answer that cannot be read";
        Failure::passing(Error::new(ErrorKind::Unreachable, "bad_answer", text).while_(what.to_owned()))
    })
}

/// What an answer without success means.
pub(super) fn refused(answer: Response<Body>, what: &str) -> Failure {
    let refusal = Refusal::of(answer);
    let (status, failure) = (refusal.status, refusal.failure(what));
    let said: serde_json::Value = serde_json::from_str(&refusal.text).unwrap_or_default();
    let reason = said.pointer("/error/errors/0/reason").and_then(|reason| reason.as_str()).map(word);
    let Some(reason) = reason else { return failure };
    let because = format!("it answered {status} {reason}");
    let error = |kind, code, text: &str| Error::new(kind, code, text).because(because.clone()).while_(what.to_owned());
    match (status, reason) {
        (403, "rateLimitExceeded" | "userRateLimitExceeded" | "sharingRateLimitExceeded") | (429, _) => {
            Failure::passing(error(ErrorKind::Unreachable, "destination_failing", "Google Drive wants us to go slower"))
                .after(failure.wait)
        }
        (403, "dailyLimitExceeded") => {
            let text = "Google Drive has served this application enough for today";
            Failure::lasting(error(ErrorKind::Unreachable, "destination_failing", text))
        }
        (
            403,
            "storageQuotaExceeded"
            | "quotaExceeded"
            | "teamDriveFileLimitExceeded"
            | "numChildrenInNonRootLimitExceeded",
        ) => Failure::lasting(Error::no_space(because).while_(what.to_owned())),
        (403, "insufficientFilePermissions" | "insufficientParentPermissions" | "appNotAuthorizedToFile") => {
            let denied = error(ErrorKind::Denied, "destination_denied", "Google Drive does not let us do that");
            Failure::lasting(denied.hint("in a shared drive, storing needs the role Contributor"))
        }
        (403, "accessNotConfigured") => {
            let denied = error(ErrorKind::Denied, "destination_denied", "The Drive API is not switched on");
            Failure::lasting(denied.hint("Google Cloud console, APIs & Services, Library: enable the Google Drive API"))
        }
        _ => Failure { error: failure.error.while_(reason.to_owned()), ..failure },
    }
}

/// The line broke while an answer was read.
pub(super) fn cut(error: std::io::Error, what: &str) -> Failure {
    let lost = Error::new(ErrorKind::Unreachable, "connection_lost", "The connection was lost");
    Failure::passing(lost.because(error).while_(what.to_owned()))
}

pub(super) fn bad_request() -> Error {
    Error::usage("bad_request", "Not a request to Google Drive")
        .hint("check endpoint, auth_endpoint and token_endpoint")
}
