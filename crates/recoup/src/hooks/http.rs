//! A hook that is an HTTP request: a JSON body says what happens, 2xx is success, redirects are not followed.
//!
//! Not here: telling people; that is for notifications.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use ureq::Agent;

use super::Event;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of an answer that are told.
const TOLD: u64 = 300;

/// Makes the request and waits for its answer. Errors: `hook_failed`, `hook_timeout`, `bad_hook`.
pub fn call(url: &str, method: &str, headers: &[(String, String)], event: &Event<'_>, timeout: Duration) -> Result<()> {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("recoup/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = json!({
        "occasion": event.occasion.word(),
        "plan": event.plan,
        "moment": event.moment(),
        "outcome": event.outcome,
    });
    let bodiless = matches!(method, "GET" | "HEAD");
    let request = match bodiless {
        true => request.body(String::new()),
        false => request.header("content-type", "application/json").body(body.to_string()),
    };
    let request = request.map_err(|e| Error::usage("bad_hook", format!("Not a request: {}", shown(url))).because(e))?;
    let failed = |why: String| {
        Error::new(ErrorKind::Failed, "hook_failed", "The hook failed").because(format!("{}: {why}", shown(url)))
    };
    let answered = if bodiless {
        let (parts, _) = request.into_parts();
        agent.run(ureq::http::Request::from_parts(parts, ()))
    } else {
        agent.run(request)
    };
    match answered {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(mut answer) => {
            let status = answer.status();
            let said = answer.body_mut().with_config().limit(TOLD).lossy_utf8(true).read_to_string();
            let said = said.unwrap_or_default();
            Err(failed(format!("{status} {}", said.trim()).trim_end().to_owned()))
        }
        Err(ureq::Error::Timeout(_)) => {
            let limit = format!("it may take {} seconds", timeout.as_secs_f64());
            Err(Error::new(ErrorKind::Failed, "hook_timeout", "The hook took too long").because(limit))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// The headers of a file, a line each as `name: value`. Errors name the file and the line, never what is in it.
pub fn headers_of(file: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(file).map_err(|e| Error::at("reading the headers of a hook in", file, e))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| match line.split_once(':') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(Error::usage("bad_hook", format!("{}:{}: not a header", file.display(), at + 1))
                .hint("a line each as name: value")),
        })
        .collect()
}

/// A URL without what may be secret in it: user, password and query.
pub fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = place.rsplit('@').next().unwrap_or(place);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn no_secret_of_a_url_is_shown() {
        assert_eq!(shown("https://me:pass@host:8080/pause?token=x#y"), "https://host:8080/pause");
        assert_eq!(shown("http://host"), "http://host/");
    }
}
