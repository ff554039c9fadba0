//! `recoup recovery-kit`: one page with what is needed to get everything back on an empty machine.

use std::collections::BTreeSet;

use jiff::Timestamp;
use recoup::Result;
use recoup::model::Kind;
use recoup::recovery::{self, Found};
use recoup::store::Listed;
use serde_json::json;

use super::keys::write_private;
use crate::args::RecoveryKit;
use crate::output::{Mark, Reply, error_line};
use crate::places::{self, Place, is_absent};
use crate::session::Session;

pub fn run(args: &RecoveryKit, session: &Session) -> Result<Reply> {
    let mut found = Vec::new();
    for settings in places::everywhere(session)? {
        if settings.path().is_some_and(|path| is_absent(path, &settings)) {
            continue;
        }
        let looked = Place::open(&settings, false).and_then(|place| place.store.list(None));
        let (newest, keys, problem) = match looked {
            Ok(listing) => (newest(&listing.backups), keys(&listing.backups), None),
            Err(error) => (Vec::new(), Vec::new(), Some(error_line(&error))),
        };
        found.push(Found { settings, newest, keys, problem });
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

/// The newest good backup of each plan.
fn newest(backups: &[Listed]) -> Vec<recoup::model::Manifest> {
    let mut seen = BTreeSet::new();
    let good = |listed: &&Listed| listed.manifest.kind != Kind::PreRestore && listed.missing.is_empty();
    let mut found: Vec<_> = backups.iter().filter(good).map(|listed| listed.manifest.clone()).collect();
    found.retain(|manifest| seen.insert(manifest.plan.clone()));
    found
}

fn keys(backups: &[Listed]) -> Vec<String> {
    let all = backups.iter().filter_map(|listed| listed.manifest.encryption.as_ref());
    let keys: BTreeSet<String> = all.flat_map(|encryption| encryption.keys.clone()).collect();
    keys.into_iter().collect()
}
