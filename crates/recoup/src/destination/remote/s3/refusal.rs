//! What an S3 service means when it refuses: the code in its document, or else the status. Its message is never shown: it
//! may repeat what we signed.

use super::super::failure::Failure;
use super::super::http::Refusal;
use super::super::xml::Element;
use crate::error::{Error, ErrorKind};

/// Codes of what we may not do.
const FORBIDDEN: &[&str] = &["AccessDenied", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed", "ObjectLocked"];

/// The document, when there is one.
fn document(refusal: &Refusal) -> Option<Element> {
    Element::parse(&refusal.text).filter(|document| document.name() == "Error")
}

/// The code in it; empty when there is none.
fn code(document: Option<&Element>) -> &str {
    let said = document.map_or("", |document| document.text_of("Code"));
    if said.len() <= 64 && said.bytes().all(|byte| byte.is_ascii_alphanumeric()) { said } else { "" }
}

/// Whether the service knows who we are and does not let us do it.
pub(super) fn forbids(refusal: &Refusal) -> bool {
    match code(document(refusal).as_ref()) {
        "" => matches!(refusal.status, 403 | 405),
        said => FORBIDDEN.contains(&said),
    }
}

/// What the answer means. `what` is what was asked for, for people.
pub(super) fn explain(refusal: &Refusal, what: &str) -> Failure {
    let document = document(refusal);
    let said = code(document.as_ref());
    if said.is_empty() {
        return refusal.failure(what);
    }
    let error = |kind, code, text: &str| {
        Error::new(kind, code, text).because(format!("it answered {} {said}", refusal.status)).while_(what)
    };
    let lasting = |kind, code, text: &str, hint: &str| Failure::lasting(error(kind, code, text).hint(hint));
    match said {
        "NoSuchBucket" => {
            let hint = "make the bucket first, or look at its name and the region";
            lasting(ErrorKind::NotFound, "bucket_missing", "There is no such bucket", hint)
        }
        "NoSuchKey" => {
            Failure::lasting(error(ErrorKind::NotFound, "object_missing", "The destination does not have it"))
        }
        "NoSuchUpload" => {
            let text = "The destination has given up our upload";
            Failure::lasting(error(ErrorKind::Failed, "upload_lost", text))
        }
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" | "InvalidSecurity" => {
            let text = "The destination does not accept our credentials";
            let hint = "look at access_key and secret_key, and whether they are still valid";
            lasting(ErrorKind::Denied, "destination_denied", text, hint)
        }
        "RequestTimeTooSkewed" | "RequestExpired" => {
            let text = "The destination does not accept our credentials, because the clocks differ";
            let hint = "set the clock of this machine: an S3 service accepts a difference of 15 minutes";
            lasting(ErrorKind::Denied, "clock_wrong", text, hint)
        }
        said if FORBIDDEN.contains(&said) => {
            let hint =
                "look at the permissions of these credentials: docs/destinations.md has the policy that is needed";
            lasting(ErrorKind::Denied, "destination_denied", "The destination does not let us do this", hint)
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            let region = document.as_ref().map_or("", |document| document.text_of("Region"));
            let known = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let hint =
                if known { format!("set region = \"{region}\"") } else { "look at region and endpoint".to_owned() };
            lasting(ErrorKind::Usage, "wrong_region", "The bucket is in another region", &hint)
        }
        "PreconditionFailed" => {
            let text = "Something else is stored there already";
            Failure::lasting(error(ErrorKind::WouldOverwrite, "would_overwrite", text))
        }
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => {
            Failure::lasting(Error::no_space(format!("{what}: the destination answered {said}")))
        }
        "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "RequestTimeout"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "Busy"
        | "ConditionalRequestConflict"
        | "OperationAborted"
        | "BadDigest"
        | "IncompleteBody"
        | "InvalidDigest" => {
            let failing = error(ErrorKind::Unreachable, "destination_failing", "The destination is failing");
            Failure::passing(failing).after(refusal.wait)
        }
        _ => {
            let mut failure = refusal.failure(what);
            failure.error = failure.error.because(format!("it answered {} {said}", refusal.status));
            failure
        }
    }
}
