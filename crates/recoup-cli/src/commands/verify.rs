//! `recoup verify`: is every copy still what its manifest says?

use recoup::model::{Level, Problem};
use recoup::store::Listed;
use recoup::{Error, ErrorKind, Result, verify};
use serde_json::{Value, json};

use crate::args::Verify;
use crate::exit;
use crate::output::{Mark, Reply, error_line};
use crate::places::{Copy, Shelf};
use crate::session::{self, Session};
use crate::words;

pub fn run(args: &Verify, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let latest = ["latest".to_owned()];
    let backups: Vec<&Listed> = match (args.all, args.backups.as_slice()) {
        (true, _) => shelf.listing.backups.iter().filter(|listed| args.part.holds(&listed.manifest.id)).collect(),
        (false, []) => shelf.find_all(&latest)?,
        (false, named) => shelf.find_all(named)?,
    };
    let context = session.work()?;
    let (mut tally, mut looked) = (Tally::default(), verify::Looked::default());
    for listed in backups {
        for copy in shelf.copies(&listed.manifest.id) {
            let scratch = session::scratch(args.scratch.as_deref())?;
            let started = context.clock.monotonic();
            let report = copy.ready(scratch.path(), &context).and_then(|ready| {
                verify::after(&mut looked, ready.store.as_ref(), &ready.listed, args.level, scratch.path(), &context)
            });
            let result = match report {
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) => Err(error),
                Ok(report) => Ok(report.problems),
            };
            let took = words::duration(context.clock.monotonic().saturating_sub(started));
            tally.copy(session, &shelf, &copy, args.level, result, &took);
        }
    }
    if args.all {
        for (key, error) in &shelf.listing.damaged {
            let problem = Problem::new(error.code(), error_line(error));
            tally.line(session, key, args.level, &[problem], "");
            tally.results.push(json!({ "id": null, "name": key, "level": args.level, "ok": false,
                "problems": [{ "code": error.code(), "text": error_line(error) }] }));
        }
        for (name, error) in &shelf.unreachable {
            session.screen.say(format!("{} {name}: {}", session.screen.mark(Mark::Bad), error_line(error)));
            tally.worse(exit::of(error.kind()));
        }
        if tally.results.is_empty() && !shelf.listing.backups.is_empty() {
            session.screen.say("No backup is in this part.");
        } else if tally.results.is_empty() {
            // Proving nothing is not a proof: a script must not take it for one.
            session.screen.say("No backups yet.");
            tally.worse(exit::of(ErrorKind::NotFound));
        }
    }
    let json = json!({ "results": tally.results });
    Ok(Reply { json, text: String::new(), quiet: tally.bad.join("\n"), exit: tally.exit })
}

#[derive(Default)]
struct Tally {
    results: Vec<Value>,
    bad: Vec<String>,
    exit: u8,
}

impl Tally {
    fn copy(
        &mut self,
        session: &Session,
        shelf: &Shelf,
        copy: &Copy<'_>,
        level: Level,
        result: Result<Vec<Problem>, Error>,
        took: &str,
    ) {
        let manifest = &copy.listed.manifest;
        let mut locked = false;
        let problems = match result {
            Ok(problems) => problems,
            Err(error) => {
                self.worse(exit::of(error.kind()));
                locked = matches!(error.code(), "wrong_key" | "key_needed");
                vec![Problem::new(error.code(), error_line(&error))]
            }
        };
        let at = if shelf.places.len() > 1 { format!(" at {}", copy.place.name) } else { String::new() };
        let name = format!("{}{at}", manifest.file_stem());
        match problems.first().filter(|_| locked) {
            // Its bytes are whole; what they hold is not known.
            Some(problem) => {
                let mark = session.screen.mark(Mark::Bad);
                session.screen.say(format!("{mark} {name}  not opened: {}", crate::table::printable(&problem.text)));
            }
            None => self.line(session, &name, level, &problems, took),
        }
        if !problems.is_empty() {
            self.bad.push(manifest.id.to_string());
        }
        self.results.push(json!({ "id": manifest.id.as_str(), "destination": copy.place.name, "level": level,
            "ok": problems.is_empty(), "problems": problems }));
    }

    fn line(&mut self, session: &Session, name: &str, level: Level, problems: &[Problem], took: &str) {
        let screen = &session.screen;
        match problems {
            [] => screen.say(format!("{} {name}  good, {}, {took}", screen.mark(Mark::Good), proof(level))),
            _ => {
                let number = words::things(problems.len() as u64, "problem");
                screen.say(format!("{} {name}  damaged, {number}", screen.mark(Mark::Bad)));
                for problem in problems {
                    screen.say(format!("    {}", crate::table::printable(&problem.text)));
                }
                self.worse(exit::CORRUPTED);
            }
        }
    }

    /// Damage is what a script must hear of first.
    fn worse(&mut self, code: u8) {
        if self.exit == exit::GOOD || code == exit::CORRUPTED {
            self.exit = code;
        }
    }
}

/// What a level proves, in a few words.
pub fn proof(level: Level) -> &'static str {
    match level {
        Level::Checksum => "every byte intact",
        Level::Integrity => "every byte intact, databases checked",
        Level::Restore => "restored to scratch and compared",
    }
}
