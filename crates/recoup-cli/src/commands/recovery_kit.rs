//! `recoup recovery-kit`: one page with what is needed to get everything back on an empty machine.

use jiff::Timestamp;
use recoup::Result;
use recoup::recovery::{self, Found};
use serde_json::json;

use super::keys::write_private;
use crate::args::RecoveryKit;
use crate::output::{Mark, Reply};
use crate::places::{self, Place, is_absent};
use crate::session::Session;

pub fn run(args: &RecoveryKit, session: &Session) -> Result<Reply> {
    let mut found = Vec::new();
    for settings in places::everywhere(session)? {
        if settings.path().is_some_and(|path| is_absent(path, &settings)) {
            continue;
        }
        let listing = Place::open(&settings, false).and_then(|place| place.store.list(None));
        found.push(Found::new(settings, listing));
    }
    let host = super::backup::host();
    let page = recovery::kit(&session.settings, &found, host.as_deref(), args.with_secrets, Timestamp::now())?;
    let json = json!({ "text": page, "with_secrets": args.with_secrets,
        "file": args.out.as_ref().map(|out| out.display().to_string()) });
    match &args.out {
        None => Ok(Reply::good(json, page.clone(), page)),
        Some(out) => {
            write_private(&session.current.join(out), &page)?;
            let mark = session.screen.mark(Mark::Good);
            let text = format!("{mark} The recovery kit is in {}. Print it.\n", out.display());
            Ok(Reply::good(json, text, out.display().to_string()))
        }
    }
}
