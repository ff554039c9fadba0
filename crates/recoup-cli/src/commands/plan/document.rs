//! From options to what a plan says: a table that was handed in, options over it; and for a change, only what is
//! different, as a merge patch.

use std::io::Read;
use std::path::{Path, PathBuf};

use recoup::sqlite::location;
use recoup::{Error, Result, config};
use serde_json::{Map, Value, json};

use crate::args::{PlanDocument, ScheduleArgs};
use crate::session::Session;

/// The document of a plan that is to be made.
pub fn new(name: &str, args: &PlanDocument, session: &Session) -> Result<Value> {
    let mut document = from(name, args)?;
    let options = options(args, &document, session)?;
    merge(&mut document, options);
    without_nulls(&mut document);
    Ok(document)
}

/// What is to be changed in a plan that says `before`: `null` takes a key away.
pub fn patch(name: &str, args: &PlanDocument, unset: &[String], before: &Value, session: &Session) -> Result<Value> {
    let mut patch = from(name, args)?;
    let options = options(args, before, session)?;
    merge(&mut patch, options);
    for key in unset {
        merge(&mut patch, taken_away(key, before)?);
    }
    if patch.as_object().is_some_and(Map::is_empty) {
        return Err(Error::usage("nothing_to_change", "Nothing to change").hint("recoup plan edit --help"));
    }
    Ok(patch)
}

/// What `--from` says; nothing without it.
fn from(name: &str, args: &PlanDocument) -> Result<Value> {
    let Some(file) = &args.from else { return Ok(json!({})) };
    let mut text = String::new();
    let (read, shown) = match file.as_os_str() == "-" {
        true => (std::io::stdin().read_to_string(&mut text).map(drop), "standard input".to_owned()),
        false => (std::fs::read_to_string(file).map(|read| text = read), file.display().to_string()),
    };
    read.map_err(|error| Error::at("reading", file, error))?;
    config::document(name, &text).map_err(|error| error.while_(format!("reading {shown}")))
}

/// What the other options say, over a document that may say something already.
fn options(args: &PlanDocument, before: &Value, session: &Session) -> Result<Value> {
    let mut said = Map::new();
    let mut say = |key: &str, value: Value| drop(said.insert(key.to_owned(), value));
    let here = |path: &PathBuf| -> Result<Value> {
        let path = std::path::absolute(path).map_err(|error| Error::at("finding", path, error))?;
        let text = path.to_str().ok_or_else(|| {
            let text = format!("The path is not UTF-8: {}", path.display());
            Error::usage("bad_path", text).hint("a plan cannot name it")
        })?;
        Ok(json!(text))
    };
    if !args.database.is_empty() {
        let found = args.database.iter().map(|text| database(text, &session.current));
        say("databases", found.collect::<Result<Vec<_>>>()?.into());
    }
    if !args.directory.is_empty() {
        let with_rules = |path: Value| match args.exclude.as_slice() {
            [] => path,
            exclude => json!({ "path": path, "exclude": exclude }),
        };
        let found = args.directory.iter().map(|path| here(path).map(with_rules));
        say("directories", found.collect::<Result<Vec<_>>>()?.into());
    }
    if !args.file.is_empty() {
        say("files", args.file.iter().map(here).collect::<Result<Vec<_>>>()?.into());
    }
    if !args.destination.is_empty() {
        let named = |text: &String| session.settings.destinations.iter().any(|known| known.name == *text);
        let place = |text: &String| match named(text) || text.contains("://") {
            true => Ok(json!(text)),
            false => here(&PathBuf::from(text)),
        };
        say("destinations", args.destination.iter().map(place).collect::<Result<Vec<_>>>()?.into());
    }
    if let Some(format) = args.format {
        say("format", json!(format));
    }
    if !args.notify.is_empty() {
        say("notify", json!(args.notify));
    }
    if args.enabled || args.disabled {
        say("enabled", json!(args.enabled));
    }
    if args.schedule.spelled_out() {
        say("schedule", schedule(&args.schedule));
    }
    let keep = &args.keep;
    if keep.preset.is_some() || keep.keep_days.is_some() || keep.keep_count.is_some() {
        // All of it: a policy that mixes two is what nobody meant.
        let mut policy = emptied(before.get("retention"));
        let numbers = [("days", keep.keep_days), ("keep_count", keep.keep_count)];
        policy.extend(numbers.into_iter().filter_map(|(key, n)| Some((key.to_owned(), json!(n?)))));
        policy.extend(keep.preset.iter().map(|preset| ("preset".to_owned(), json!(preset))));
        say("retention", policy.into());
    }
    Ok(said.into())
}

/// A database as it is written, unless that depends on the current directory.
fn database(text: &str, current: &Path) -> Result<Value> {
    let here = location::parse(text, current)?.path;
    let elsewhere = location::parse(text, Path::new("/nowhere/else"))?.path;
    if here == elsewhere {
        return Ok(json!(text));
    }
    let path = here.to_str().ok_or_else(|| Error::usage("bad_path", format!("The path is not UTF-8: {text}")))?;
    Ok(json!(path))
}

/// The keys that were given; another frequency takes away what does not go with it.
fn schedule(args: &ScheduleArgs) -> Value {
    let mut rule = Map::new();
    if let Some(every) = &args.every {
        let cron = every.contains(' ') || every.starts_with('@');
        let gone: &[&str] = if cron { &["at", "weekday", "day"] } else { &["weekday", "day"] };
        rule.extend(gone.iter().map(|key| ((*key).to_owned(), Value::Null)));
    }
    let words = [("every", &args.every), ("at", &args.at), ("zone", &args.zone), ("weekday", &args.weekday)];
    rule.extend(words.into_iter().filter_map(|(key, word)| Some((key.to_owned(), json!(word.as_ref()?)))));
    if let Some(day) = &args.day {
        rule.insert("day".into(), day.parse::<u8>().map_or_else(|_| json!(day), |day| json!(day)));
    }
    rule.into()
}

/// Every key that is there, taken away.
fn emptied(table: Option<&Value>) -> Map<String, Value> {
    let keys = table.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    keys.map(|key| (key.clone(), Value::Null)).collect()
}

fn taken_away(key: &str, before: &Value) -> Result<Value> {
    let pointer: String = key.split('.').map(|part| format!("/{part}")).collect();
    if before.pointer(&pointer).is_none() {
        return Err(Error::usage("nothing_to_change", format!("The plan does not say {key}")).hint("recoup plan show"));
    }
    Ok(key.rsplit('.').fold(Value::Null, |value, part| json!({ part: value })))
}

/// Puts `over` on top; `null` stays, because it says that something is to go.
fn merge(below: &mut Value, over: Value) {
    match (below, over) {
        (Value::Object(below), Value::Object(over)) => {
            for (key, value) in over {
                merge(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, over) => *below = over,
    }
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, value| !value.is_null());
        members.values_mut().for_each(without_nulls);
    }
}
