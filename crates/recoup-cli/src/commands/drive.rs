//! `recoup drive`: signing in to Google Drive for a destination, how the account stands, signing out.

use recoup::config::{DestinationSettings, nearest};
use recoup::destination::drive::{self, Ask};
use recoup::model::destination::Address;
use recoup::{Error, ErrorKind, Result};
use serde_json::json;

use crate::args::Drive;
use crate::output::{Mark, Reply};
use crate::session::Session;
use crate::words;

pub fn run(args: &Drive, session: &Session) -> Result<Reply> {
    match args {
        Drive::Connect { name, device } => connect(named(name, session)?, *device, session),
        Drive::Status(args) => status(named(&args.name, session)?, session),
        Drive::Disconnect(args) => disconnect(named(&args.name, session)?, session),
    }
}

/// A destination in Drive by its name.
fn named<'a>(name: &str, session: &'a Session) -> Result<&'a DestinationSettings> {
    let in_drive = |of: &&DestinationSettings| matches!(of.address, Address::Drive(_));
    let mut all = session.settings.destinations.iter().filter(in_drive);
    if let Some(found) = all.clone().find(|destination| destination.name == name) {
        return Ok(found);
    }
    let text = format!("There is no destination {name} in Google Drive");
    let error = Error::new(ErrorKind::NotFound, "destination_missing", text);
    Err(match nearest(name, all.clone().map(|destination| destination.name.as_str())) {
        Some(meant) => error.hint(format!("did you mean {meant}?")),
        None => match all.next() {
            Some(other) => error.hint(format!("recoup.toml has {}", other.name)),
            None => error.hint(format!("add [destination.{name}] with type = \"drive\" to recoup.toml")),
        },
    })
}

fn connect(settings: &DestinationSettings, device: bool, session: &Session) -> Result<Reply> {
    let (context, screen) = (session.work()?, &session.screen);
    drive::connect(settings, device, &context, &mut |ask| match ask {
        // Beside the answer, so that a script with --json can show it, too.
        Ask::Open { url } => {
            screen.ask(&format!("Open this page in a browser on this machine and agree:\n\n  {url}\n\nWaiting …"));
        }
        Ask::Type { url, code } => {
            screen.ask(&format!("Open {url} in any browser and type this code:\n\n  {code}\n\nWaiting …"));
        }
    })?;
    status(settings, session)
}

fn status(settings: &DestinationSettings, session: &Session) -> Result<Reply> {
    let status = drive::status(settings)?;
    let whose = status.account.as_deref().unwrap_or("an account that Google does not name");
    let mark = session.screen.mark(Mark::Good);
    let mut text = format!("{mark} {} may store in Google Drive as {whose}.\n", settings.name);
    if let Some(since) = status.since {
        text.push_str(&format!("  Signed in {}.\n", words::age(since, jiff::Timestamp::now())));
    }
    match status.free {
        Some(free) => text.push_str(&format!("  {} are free.\n", words::size(free))),
        None => text.push_str("  Google tells no limit.\n"),
    }
    let json = json!({ "destination": settings.name, "connected": true, "account": status.account,
        "since": status.since, "free": status.free });
    Ok(Reply::good(json, text, ""))
}

fn disconnect(settings: &DestinationSettings, session: &Session) -> Result<Reply> {
    let was = drive::disconnect(settings)?;
    let (mark, name) = (session.screen.mark(Mark::Good), &settings.name);
    let text = match was {
        true => format!("{mark} {name} is signed out of Google Drive; the backups there stay.\n"),
        false => format!("{mark} Nobody was signed in for {name}.\n"),
    };
    Ok(Reply::good(json!({ "destination": name, "connected": false, "was_connected": was }), text, ""))
}
