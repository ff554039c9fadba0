//! `recoup copy`: backups that exist come to one more destination. From the nearest copy that is good; when one turns out
//! to be damaged, from the next.

use recoup::copy::{self, Copied};
use recoup::model::Warning;
use recoup::{Error, ErrorKind, Result};
use serde_json::json;

use crate::args::Copy as Args;
use crate::output::{self, Mark, Reply, error_line};
use crate::places::{Place, Shelf, writable};
use crate::session::{self, Session};
use crate::words;

pub fn run(args: &Args, session: &Session) -> Result<Reply> {
    let (to, backups) = args.given.split_last().ok_or_else(|| incomplete("DEST is missing"))?;
    if backups.is_empty() != args.all {
        let text = if args.all { "--all and the name of a backup" } else { "BACKUP or DEST is missing" };
        return Err(incomplete(text));
    }
    let mut settings = session.settings.destination(to, &session.current)?;
    settings.layout = args.layout.unwrap_or(settings.layout);
    let to = Place::open(&settings, true)?;
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let backups = match args.all {
        true => shelf
            .listing
            .backups
            .iter()
            .filter(|listed| listed.missing.is_empty() && listed.foreign.is_none())
            .collect(),
        false => shelf.find_all(backups)?,
    };
    backups.iter().try_for_each(|listed| writable(listed))?;
    let context = session.work()?;
    let screen = &session.screen;
    let (mut rows, mut warnings, mut first) = (Vec::new(), Vec::new(), None);
    for listed in backups.iter().rev() {
        let manifest = &listed.manifest;
        let copies = shelf.nearest(&manifest.id);
        let sources = copies.iter().filter(|copy| copy.place.settings.real() != to.settings.real());
        let mut done = Err(nowhere(&to));
        for source in sources {
            let scratch = session::scratch(args.scratch.as_deref())?;
            done = copy::run(source.place.store.as_ref(), source.listed, to.store.as_ref(), scratch.path(), &context);
            match &done {
                // Another copy may be better.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::NotFound | ErrorKind::Unreachable) =>
                {
                    let text = format!("The copy at {} was not used: {}", source.place.name, error_line(error));
                    warnings.push(Warning::new(error.code(), text));
                }
                _ => break,
            }
        }
        match done {
            Ok(copied) => {
                let (word, told) = match copied {
                    Copied::Now => ("copied", "was copied to"),
                    Copied::Already => ("there", "is already at"),
                    Copied::Mended => ("mended", "was incomplete and is now whole at"),
                };
                rows.push(json!({ "id": manifest.id.as_str(), "plan": manifest.plan, "result": word }));
                let size = words::size(manifest.stored_bytes());
                screen.say(format!(
                    "{} {} {told} {} ({size}).",
                    screen.mark(Mark::Good),
                    manifest.file_stem(),
                    to.name
                ));
            }
            Err(error) if error.kind() == ErrorKind::Cancelled || backups.len() == 1 => return Err(error),
            Err(error) => {
                let text = format!("{} was not copied: {}", manifest.file_stem(), error_line(&error));
                rows.push(json!({ "id": manifest.id.as_str(), "plan": manifest.plan, "result": "failed" }));
                warnings.push(Warning::new(error.code(), text));
                first.get_or_insert(error);
            }
        }
    }
    if let Some(error) = first.filter(|_| rows.iter().all(|row| row["result"] == "failed")) {
        return Err(error.while_("copying every one of them"));
    }
    warnings.extend(shelf.out_of_reach("Backups were not looked for"));
    let json = json!({ "to": to.name, "backups": rows });
    Ok(output::reached(screen, json, &warnings, String::new()))
}

fn incomplete(text: &str) -> Error {
    Error::usage("bad_arguments", text).hint("recoup copy BACKUP… DEST, or recoup copy --all DEST")
}

fn nowhere(to: &Place) -> Error {
    Error::new(ErrorKind::NotFound, "no_other_copy", format!("The only copy is at {} itself", to.name))
        .hint("an incomplete copy can only be mended from another destination")
}
