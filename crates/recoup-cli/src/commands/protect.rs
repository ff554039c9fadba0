//! `recoup protect` and `recoup unprotect`: on every copy of a backup that can be reached.

use recoup::Result;
use serde_json::json;

use crate::args::Which;
use crate::output::{self, Mark, Reply};
use crate::places::{Shelf, writable};
use crate::session::Session;

pub fn run(args: &Which, protected: bool, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let backups = shelf.find_all(&args.backups)?;
    backups.iter().try_for_each(|listed| writable(listed))?;
    let context = session.work()?;
    let mut rows = Vec::new();
    for listed in backups {
        let manifest = &listed.manifest;
        for copy in shelf.copies(&manifest.id) {
            copy.place.store.set_protected(&manifest.id, protected, &context)?;
        }
        rows.push(json!({ "id": manifest.id.as_str(), "plan": manifest.plan, "protected": protected }));
        let now = if protected { "is protected" } else { "is no longer protected" };
        session.screen.say(format!("{} {} {now}.", session.screen.mark(Mark::Good), manifest.file_stem()));
    }
    let unchanged = shelf.out_of_reach("Copies are as they were");
    Ok(output::reached(&session.screen, json!({ "backups": rows }), &unchanged, String::new()))
}
