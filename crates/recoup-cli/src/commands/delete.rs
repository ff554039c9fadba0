//! `recoup delete`: every copy of a backup that can be reached, after a question.

use jiff::Timestamp;
use recoup::model::Kind;
use recoup::model::copies::{Known, leaves_nothing_good};
use recoup::store::Listed;
use recoup::{Error, ErrorKind, Result};
use serde_json::json;

use crate::args::Delete;
use crate::ask;
use crate::output::{self, Mark, Reply};
use crate::places::{Shelf, writable};
use crate::session::Session;
use crate::words;

/// Refuses to delete the last good backup of a plan. With `--at` other places are looked at only when it matters.
fn last_good(args: &Delete, session: &Session, shelf: &Shelf, backups: &[&Listed]) -> Result<()> {
    let going = |copy: &Known| backups.iter().any(|listed| listed.manifest.id == copy.id);
    for listed in backups {
        let manifest = &listed.manifest;
        if !leaves_nothing_good(&shelf.known(&manifest.plan, &[]), going) {
            continue;
        }
        if args.at.at.is_some() {
            let elsewhere = Shelf::open(session, None)?.known(&manifest.plan, &shelf.places);
            if elsewhere.iter().any(|copy| copy.is_good() && copy.kind != Kind::PreRestore) {
                continue;
            }
        }
        let text = format!("{} is the last good backup of {}", manifest.file_stem(), manifest.plan);
        return Err(Error::new(ErrorKind::Denied, "last_good_backup", text)
            .hint("make another one first; --force deletes it all the same"));
    }
    Ok(())
}

pub fn run(args: &Delete, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let backups = shelf.find_all(&args.backups)?;
    if let Some(listed) = backups.iter().find(|listed| listed.protected && !args.force) {
        let text = format!("{} is protected", listed.manifest.file_stem());
        return Err(Error::new(ErrorKind::Denied, "backup_protected", text).hint("--force deletes it all the same"));
    }
    backups.iter().try_for_each(|listed| writable(listed))?;
    if !args.force {
        last_good(args, session, &shelf, &backups)?;
    }
    if !args.yes {
        let now = Timestamp::now();
        let described: Vec<String> = backups.iter().map(|listed| super::phrase(&listed.manifest, now)).collect();
        let what = match described.as_slice() {
            [one] => format!("Delete {one}?"),
            several => format!("Delete {} backups ({})?", several.len(), several.join("; ")),
        };
        ask::confirm(&session.screen, &format!("{what} It cannot be brought back."))?;
    }
    let mut deleted = Vec::new();
    let mut freed = 0;
    for listed in backups {
        let manifest = &listed.manifest;
        for copy in shelf.copies(&manifest.id) {
            copy.place.store.delete(&manifest.id, args.force)?;
            freed += manifest.stored_bytes();
        }
        let (mark, size) = (session.screen.mark(Mark::Good), words::size(manifest.stored_bytes()));
        session.screen.say(format!("{mark} Deleted {}, {size}.", manifest.file_stem()));
        deleted.push(manifest.id.to_string());
    }
    let quiet = deleted.join("\n");
    let json = json!({ "deleted": deleted, "freed_bytes": freed });
    Ok(output::reached(&session.screen, json, &shelf.out_of_reach("Copies may remain"), quiet))
}
