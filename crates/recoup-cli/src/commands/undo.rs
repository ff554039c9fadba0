//! `recoup undo`: back to the state before the last restore, or before the one that is named.

use std::sync::Arc;

use recoup::model::{Manifest, RestoreRecord};
use recoup::restore::{Opened, Places};
use recoup::{Error, ErrorKind, Result};

use super::restore::{Act, home};
use crate::args::{Restore, Undo};
use crate::output::Reply;
use crate::places::{Place, Shelf};
use crate::repair;
use crate::session::{self, Session};
use crate::words;

pub fn run(args: &Undo, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let (record, place) = find(&shelf, args.restore.as_deref())?;
    let nothing = || {
        // At an encrypted destination nothing says what it was.
        let of = if record.parts.is_empty() { String::new() } else { format!(" of {}", words::list(&record.parts)) };
        let text = format!("Nothing was there before the restore{of}");
        Error::new(ErrorKind::NotFound, "nothing_to_undo", text).hint("remove by hand what it put there")
    };
    let safety = record.safety.as_ref().ok_or_else(nothing)?;
    let copy = shelf.find(safety.as_str())?;
    let context = session.work()?;
    let scratch = session::scratch(None)?;
    let mut opened = Opened::stored(copy.place.store.as_ref(), copy.listed, scratch.path(), &context)?;
    let (_, stores) = home(session, &copy.listed.manifest, Some((Arc::clone(&place.store), place.settings.real())))?;
    // The safety backup knows best where its parts were.
    let places = Places::origins(&copy.listed.manifest);
    let how = Restore {
        backup: safety.to_string(),
        at: crate::args::At { at: args.at.at.clone(), key: args.at.key.clone() },
        plan: None,
        to: None,
        only: Vec::new(),
        dry_run: args.dry_run,
        yes: args.yes,
        force: true,
        wait: repair::BUSY.as_secs(),
        scratch: None,
    };
    let act = Act {
        args: &how,
        undoes: Some(record.id.clone()),
        places: &places,
        stores: &stores,
        busy: repair::BUSY,
        scratch: scratch.path(),
    };
    act.run(&mut opened, session, &context)
}

/// The restore that is meant: the newest that was not undone, or the one of this id or plan.
fn find<'a>(shelf: &'a Shelf, wanted: Option<&str>) -> Result<(RestoreRecord, &'a Place)> {
    let mut plans: Vec<&str> = shelf.listing.backups.iter().map(|listed| plan(&listed.manifest)).collect();
    plans.sort_unstable();
    plans.dedup();
    let mut found: Vec<(RestoreRecord, &Place)> = Vec::new();
    for place in &shelf.places {
        for plan in &plans {
            let records = place.store.records(plan)?;
            let matches = |record: &&RestoreRecord| match wanted {
                Some(text) => {
                    let id = record.id.as_str().to_ascii_lowercase();
                    let text = text.to_ascii_lowercase();
                    id.starts_with(&text) || (text.len() == 6 && record.id.tail() == text)
                }
                None => false,
            };
            found.extend(records.iter().filter(matches).cloned().map(|record| (record, place)));
            if wanted.is_none_or(|wanted| wanted == *plan) {
                found.extend(RestoreRecord::to_undo(&records).cloned().map(|record| (record, place)));
            }
        }
    }
    let newest = found.into_iter().max_by(|a, b| (a.0.at, &a.0.id).cmp(&(b.0.at, &b.0.id)));
    newest.ok_or_else(|| {
        let text =
            wanted.map_or_else(|| "There is no restore to undo".to_owned(), |w| format!("No restore {w} to undo"));
        Error::new(ErrorKind::NotFound, "nothing_to_undo", text).hint("`recoup restore BACKUP` brings back any backup")
    })
}

fn plan(manifest: &Manifest) -> &str {
    &manifest.plan
}
