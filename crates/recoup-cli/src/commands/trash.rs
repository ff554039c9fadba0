//! `recoup trash`: what was deleted from a folder and waits there for a day, and putting it back.

use recoup::store::Trashed;
use recoup::{Error, ErrorKind, Result};
use serde_json::json;

use super::prune;
use crate::args::{PutBack, Trash};
use crate::output::{self, Mark, Reply};
use crate::places::{Place, Shelf};
use crate::session::Session;

pub fn run(args: &Trash, session: &Session) -> Result<Reply> {
    match args {
        Trash::List(args) => prune::trash(&Shelf::open(session, args.at.at.as_deref())?, session),
        Trash::PutBack(args) => put_back(args, session),
    }
}

fn put_back(args: &PutBack, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let mut all: Vec<(&Place, Trashed)> = Vec::new();
    for place in &shelf.places {
        all.extend(place.store.trash()?.into_iter().map(|trashed| (place, trashed)));
    }
    let mut stems: Vec<&str> = Vec::new();
    for word in &args.backups {
        let found = all.iter().find(|(_, trashed)| is(trashed, word)).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "trash_missing", format!("Not in the trash: {word}"))
                .hint("recoup trash list tells what is; after a day it is gone for good")
        })?;
        if !stems.contains(&found.1.stem.as_str()) {
            stems.push(&found.1.stem);
        }
    }
    let context = session.work()?;
    let mut rows = Vec::new();
    for stem in stems {
        for (place, trashed) in all.iter().filter(|(_, trashed)| trashed.stem == stem) {
            let manifest = place.store.put_back(&trashed.stem, !args.unprotected, &context)?;
            let mark = session.screen.mark(Mark::Good);
            session.screen.say(format!("{mark} {stem} is back at {}.", place.shown()));
            rows.push(json!({ "id": manifest.id, "plan": manifest.plan, "destination": place.name }));
        }
    }
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    let quiet = ids.join("\n");
    Ok(output::reached(&session.screen, json!({ "backups": rows }), &shelf.out_of_reach("Copies may remain"), quiet))
}

/// Whether a person means this one.
fn is(trashed: &Trashed, word: &str) -> bool {
    let stem = &trashed.stem;
    stem == word
        || word.len() == 6 && stem.ends_with(&word.to_ascii_lowercase())
        || trashed.manifest().is_ok_and(|manifest| manifest.id.as_str().eq_ignore_ascii_case(word))
}
