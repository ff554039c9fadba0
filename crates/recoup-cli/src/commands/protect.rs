//! `recoup protect` and `recoup unprotect`: on every copy of a backup.

use recoup::Result;
use recoup::model::Kind;
use serde_json::json;

use crate::args::Which;
use crate::output::{Mark, Reply};
use crate::places::Shelf;
use crate::session::Session;

pub fn run(args: &Which, protected: bool, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let backups = shelf.find_all(&args.backups)?;
    let context = session.work()?;
    let mut rows = Vec::new();
    for listed in backups {
        let manifest = &listed.manifest;
        for copy in shelf.copies(&manifest.id) {
            copy.place.store.set_protected(&manifest.id, protected, &context)?;
        }
        let by_kind = manifest.kind.is_protected();
        rows.push(json!({ "id": manifest.id.as_str(), "plan": manifest.plan, "protected": protected || by_kind }));
        let name = manifest.file_stem();
        match (protected, manifest.kind) {
            (true, _) => session.screen.say(format!("{} {name} is protected.", session.screen.mark(Mark::Good))),
            (false, Kind::PreRestore | Kind::PreMigration) => {
                let kind = manifest.kind.word().replace('_', "-");
                let mark = session.screen.mark(Mark::Warning);
                session.screen.say(format!("{mark} {name} stays protected: its kind is {kind}."));
            }
            (false, _) => {
                session.screen.say(format!("{} {name} is no longer protected.", session.screen.mark(Mark::Good)));
            }
        }
    }
    Ok(Reply::good(json!({ "backups": rows }), "", ""))
}
