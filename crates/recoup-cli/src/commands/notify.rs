//! `recoup notify test`: a test message through channels of recoup.toml, now and without a daemon.

use std::time::Duration;

use recoup::config::nearest;
use recoup::model::channel::Channel;
use recoup::model::notice::{Event, Notice};
use recoup::outbound::Reach;
use recoup::{Error, ErrorKind, Result, notify};
use serde_json::{Value, json};

use super::backup::host;
use crate::args::NotifyTest;
use crate::exit;
use crate::output::{self, Mark, Reply};
use crate::session::Session;

/// How long one channel may take when nobody says.
const TIMEOUT: Duration = Duration::from_secs(10);

pub fn test(args: &NotifyTest, session: &Session) -> Result<Reply> {
    let channels = chosen(args, session)?;
    // Whoever writes recoup.toml decides where this machine may connect to.
    let server = &session.settings.server;
    let reach = Reach::of_operator(server.outbound_timeout.unwrap_or(TIMEOUT), server.private_targets.clone());
    let notice = Notice { host: host(), ..Notice::new(Event::Test, "", jiff::Timestamp::now()) };
    let (mut results, mut failed): (Vec<Value>, Vec<ErrorKind>) = (Vec::new(), Vec::new());
    for channel in channels {
        let (name, screen) = (&channel.name, &session.screen);
        match notify::send(channel, &notice, &reach) {
            Ok(()) => {
                screen.say(format!("{} {name}: ok", screen.mark(Mark::Good)));
                results.push(json!({ "name": name, "ok": true, "error": null }));
            }
            Err(error) => {
                screen.say(format!("{} {name}: failed: {}", screen.mark(Mark::Bad), output::error_line(&error)));
                if let Some(hint) = error.hint_text() {
                    screen.say(format!("  Hint: {hint}"));
                }
                failed.push(error.kind());
                results.push(json!({ "name": name, "ok": false, "error": output::error_document(&error)["error"] }));
            }
        }
    }
    // One that cannot be reached may be reached later, so the others say more.
    let other = failed.iter().find(|kind| **kind != ErrorKind::Unreachable);
    let exit = other.or(failed.first()).map_or(exit::GOOD, |kind| exit::of(*kind));
    Ok(Reply { json: json!({ "results": results }), text: String::new(), quiet: String::new(), exit })
}

/// The channels that were named, else all.
fn chosen<'a>(args: &NotifyTest, session: &'a Session) -> Result<Vec<&'a Channel>> {
    let all = &session.settings.channels;
    if all.is_empty() {
        let error = Error::new(ErrorKind::NotFound, "channel_missing", "There is no channel to test");
        return Err(error.hint("add [notify.NAME] to recoup.toml, such as ntfy = \"https://ntfy.sh/topic\""));
    }
    if args.names.is_empty() {
        return Ok(all.iter().collect());
    }
    let find = |name: &String| {
        all.iter().find(|channel| channel.name == *name).ok_or_else(|| {
            let error = Error::new(ErrorKind::NotFound, "channel_missing", format!("Channel not found: {name}"));
            let names = || all.iter().map(|channel| channel.name.as_str());
            match nearest(name, names()) {
                Some(meant) => error.hint(format!("did you mean {meant}?")),
                None => error.hint(format!("channels: {}", names().collect::<Vec<_>>().join(", "))),
            }
        })
    };
    args.names.iter().map(find).collect()
}
