//! `recoup keys`: the keys of encrypted backups: made, looked at, changed, tried.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use recoup::model::channel::Secret;
use recoup::model::encryption::Lock;
use recoup::store::{Identity, KeyPlace, Listed};
use recoup::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::args::Keys;
use crate::exit;
use crate::output::{Mark, Reply, error_line};
use crate::places::{self, Place, is_absent};
use crate::session::{self, Session};
use crate::words;

pub fn run(args: &Keys, session: &Session) -> Result<Reply> {
    match args {
        Keys::New { out } => new(out.as_deref().map(|out| session.current.join(out)).as_deref()),
        Keys::Show(args) => show(args.destination.as_deref(), session),
        Keys::Test(args) => test(args.destination.as_deref(), session),
        Keys::Rotate(args) => {
            let path = |path: &std::path::PathBuf| session.current.join(path);
            let new = args.passphrase_file.as_ref().map(path).map(Secret::file);
            let old = args.old_passphrase_file.as_ref().map(path).map(Secret::file);
            rotate(&args.destination, args.plan.as_deref(), new, old, session)
        }
    }
}

fn new(out: Option<&Path>) -> Result<Reply> {
    let identity = Identity::generate()?;
    let (recipient, key) = (identity.recipient(), identity.fingerprint());
    let file = identity.file(&format!("recoup key {key}, made {}", words::time(Timestamp::now())));
    let mut json = json!({ "key": key, "recipient": recipient, "file": out.map(|out| out.display().to_string()) });
    let text = match out {
        Some(out) => {
            write_private(out, &file)?;
            format!(
                "Secret key {key} is in {}. Keep a copy where this machine is not.\nPublic key: {recipient}\n",
                out.display()
            )
        }
        None => {
            json["secret"] = json!(file);
            file
        }
    };
    Ok(Reply::good(json, text, recipient))
}

/// A new file that only its owner reads.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| Error::at("writing", path, error))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| Error::at("writing", path, error))
}

/// The destinations that are meant: one, or all that are there.
fn places(destination: Option<&str>, session: &Session) -> Result<Vec<Place>> {
    if let Some(name) = destination {
        return Ok(vec![Place::open(&session.settings.destination(name, &session.current)?, false)?]);
    }
    let mut found = Vec::new();
    for settings in places::everywhere(session)? {
        if !settings.path().is_some_and(|path| is_absent(path, &settings)) {
            found.push(Place::open(&settings, false)?);
        }
    }
    Ok(found)
}

/// The backups of each key, the newest first.
fn by_key(backups: &[Listed]) -> BTreeMap<String, Vec<&Listed>> {
    let mut keys: BTreeMap<String, Vec<&Listed>> = BTreeMap::new();
    for listed in backups {
        for key in listed.manifest.encryption.iter().flat_map(|encryption| &encryption.keys) {
            keys.entry(key.clone()).or_default().push(listed);
        }
    }
    keys
}

fn show(destination: Option<&str>, session: &Session) -> Result<Reply> {
    let (mut rows, mut text, mut exit) = (Vec::new(), String::new(), exit::GOOD);
    for place in places(destination, session)? {
        let listing = place.store.list(None)?;
        let plain = listing.backups.iter().filter(|listed| listed.manifest.encryption.is_none()).count();
        text.push_str(&format!("{}\n", session.screen.bold(&place.name)));
        let (now, problem) = match checked(&place) {
            Ok(keys) => (keys, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut keys = Vec::<Value>::new();
        for (key, backups) in by_key(&listing.backups) {
            let opened = backups.iter().filter(|listed| listed.manifest.opened().is_ok()).count();
            let mark = if opened == backups.len() { Mark::Good } else { Mark::Warning };
            let open = if opened == backups.len() { "opens" } else { "is not opened by what is configured" };
            let current = if now.contains(&key) { ", locks new backups" } else { "" };
            let number = words::things(backups.len() as u64, "backup");
            text.push_str(&format!("  {} key {key} {open}: {number}{current}\n", session.screen.mark(mark)));
            if opened < backups.len() {
                exit = exit::WARNINGS;
            }
            keys.push(json!({ "key": key, "backups": backups.len(), "opened": opened, "current": now.contains(&key),
                "newest": backups.first().map(|listed| listed.manifest.created_at),
                "oldest": backups.last().map(|listed| listed.manifest.created_at) }));
        }
        let known: Vec<String> = keys.iter().filter_map(|row| row["key"].as_str().map(str::to_owned)).collect();
        for key in now.iter().filter(|key| !known.contains(key)) {
            text.push_str(&format!(
                "  {} key {key} locks new backups; none is there yet\n",
                session.screen.mark(Mark::Good)
            ));
            keys.push(
                json!({ "key": key, "backups": 0, "opened": 0, "current": true, "newest": null, "oldest": null }),
            );
        }
        if let Some(error) = &problem {
            text.push_str(&format!("  {} {}\n", session.screen.mark(Mark::Bad), error_line(error)));
            exit = exit::of(error.kind());
        }
        if plain > 0 {
            text.push_str(&format!("  {} not encrypted\n", words::things(plain as u64, "backup")));
        }
        if keys.is_empty() && plain == 0 && problem.is_none() {
            text.push_str("  no backups yet\n");
        }
        rows.push(json!({ "destination": place.name, "keys": keys, "not_encrypted": plain,
            "problem": problem.map(|error| json!({ "code": error.code(), "text": error_line(&error) })) }));
    }
    let quiet: Vec<String> = rows
        .iter()
        .flat_map(|row| row["keys"].as_array().cloned().unwrap_or_default())
        .filter_map(|key| key["key"].as_str().map(str::to_owned))
        .collect();
    Ok(Reply { json: json!({ "destinations": rows }), text, quiet: quiet.join("\n"), exit })
}

/// The keys that lock new backups at a destination: its own, and those of plans.
pub fn checked(place: &Place) -> Result<Vec<String>> {
    place.keyring.check(recoup::destination::open(&place.settings, false)?.as_ref())
}

fn test(destination: Option<&str>, session: &Session) -> Result<Reply> {
    let context = session.work()?;
    let (mut rows, mut text, mut exit) = (Vec::<Value>::new(), String::new(), exit::GOOD);
    for place in places(destination, session)? {
        let listing = place.store.list(None)?;
        for (key, backups) in by_key(&listing.backups) {
            let ends = backups.first().into_iter().chain(backups.last().filter(|_| backups.len() > 1));
            for listed in ends {
                let manifest = &listed.manifest;
                let tried = manifest.opened().and_then(|()| {
                    let _held = place.store.hold(manifest)?;
                    let scratch = session::scratch(None)?;
                    for object in &manifest.objects {
                        place.store.fetch(manifest, object, scratch.path(), &context)?;
                    }
                    Ok(())
                });
                let stem = manifest.file_stem();
                let (mark, told) = match &tried {
                    Ok(()) => (Mark::Good, "opens".to_owned()),
                    Err(error) if error.kind() == ErrorKind::Cancelled => return Err(Error::cancelled()),
                    Err(error) => (Mark::Bad, error_line(error)),
                };
                text.push_str(&format!("{} {} key {key}: {stem} {told}\n", session.screen.mark(mark), place.name));
                if let Err(error) = &tried {
                    exit = exit::of(error.kind());
                }
                rows.push(
                    json!({ "destination": place.name, "key": key, "id": manifest.id.as_str(), "ok": tried.is_ok(),
                    "code": tried.as_ref().err().map(|error| error.code()), "text": told }),
                );
            }
        }
    }
    if rows.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "no_encrypted_backup", "There is no encrypted backup")
            .hint("set encrypt of a destination in recoup.toml, and make one"));
    }
    let bad: Vec<&str> = rows.iter().filter(|row| row["ok"] == false).filter_map(|row| row["id"].as_str()).collect();
    let quiet = bad.join("\n");
    Ok(Reply { json: json!({ "results": rows }), text, quiet, exit })
}

fn rotate(
    destination: &str,
    plan: Option<&str>,
    new: Option<Secret>,
    old: Option<Secret>,
    session: &Session,
) -> Result<Reply> {
    let mut settings = session.settings.destination(destination, &session.current)?;
    if let Some(plan) = plan
        && !settings.keys.plans.iter().any(|(name, _)| name == plan)
    {
        return Err(Error::usage("no_passphrase", format!("Plan {plan} has no key of its own"))
            .hint("leave --plan out for the destination's"));
    }
    if let Some(passphrase) = old {
        settings.keys.given(Lock::Passphrase { passphrase, old: Vec::new() }, true);
    }
    let place = Place::open(&settings, false)?;
    let context = session.work()?;
    let opened = recoup::destination::open(&settings, false)?;
    let at = KeyPlace { destination: opened.as_ref(), now: Timestamp::now(), context: &context };
    let rotated = place.keyring.rotate(&at, plan, new.as_ref())?;
    let mut text =
        format!("{} Key {} locks new backups at {}.\n", session.screen.mark(Mark::Good), rotated.now, place.name);
    if let Some(before) = &rotated.before {
        text.push_str(&format!("  Backups of before stay locked with key {before}.\n"));
    }
    match new.as_ref().and_then(Secret::path) {
        Some(path) => text.push_str(&format!(
            "  Now name the new passphrase in recoup.toml: encrypt = {{ passphrase_file = \"{}\" }}\n  It opens the \
             backups of before too ({}). By hand they still open with the passphrase of before, and so they do for whoever \
             knows it.\n",
            path.display(),
            words::things(rotated.relocked.len() as u64, "key"),
        )),
        None => text.push_str("  The passphrase is the same.\n"),
    }
    let json = json!({ "before": rotated.before, "now": rotated.now, "relocked": rotated.relocked });
    Ok(Reply::good(json, text, rotated.now))
}
