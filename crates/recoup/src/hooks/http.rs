//! A hook that is an HTTP request: a JSON body says what happens, 2xx is success. How far it may reach and that neither
//! redirects nor a proxy of the environment are followed is [`crate::outbound`].
//!
//! Not here: telling people; that is for notifications.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Event;
use crate::error::{Error, ErrorKind, Result};
use crate::outbound::{self, Reach, Request};

/// Makes the request and waits for its answer, of which only the status is used. Hooks are written in `recoup.toml`
/// only, so this machine and private addresses are meant; metadata services are not. Errors: `hook_failed`,
/// `hook_timeout`, `bad_hook`.
pub fn call(url: &str, method: &str, headers: &[(String, String)], event: &Event<'_>, timeout: Duration) -> Result<()> {
    let body = json!({
        "occasion": event.occasion.word(),
        "plan": event.plan,
        "moment": event.moment(),
        "outcome": event.outcome,
    });
    let mut headers = headers.to_vec();
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let (method, url) = (method.to_owned(), url.to_owned());
    let request = Request { method, url, headers, body: body.to_string().into_bytes(), roots: None };
    let place = shown(&request.url);
    let failed = |why: String| {
        Error::new(ErrorKind::Failed, "hook_failed", "The hook failed").because(format!("{place}: {why}"))
    };
    match outbound::send(&request, &Reach::of_operator(timeout, Vec::new()).within(timeout)) {
        Ok(200..=299) => Ok(()),
        Ok(status) => Err(failed(format!("status {status}"))),
        Err(error) if error.code() == "timeout" => {
            let limit = format!("it may take {} seconds", timeout.as_secs_f64());
            Err(Error::new(ErrorKind::Failed, "hook_timeout", "The hook took too long").because(limit))
        }
        Err(error) if error.kind() == ErrorKind::Usage => {
            Err(Error::usage("bad_hook", format!("Not a request: {place}"))
                .because(format!("{error}: {}", error.detail())))
        }
        Err(error) => Err(failed(format!("{error}: {}", error.detail()))),
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
