//! One plan as a JSON document: the same keys as a `[plan.NAME]` table, read by the same parser, so that the API and
//! the file can never differ; from the text of a table to a document and back.
//!
//! Not here: what of a plan may be said through the API (the engine's).

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Settings, meant, written};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Plan;

/// What a secret shows as.
const DOTS: &str = "••••••";

impl Settings {
    /// What a `[plan.NAME]` table, given as JSON, means beside this file's destinations, channels and defaults. `null` is
    /// as if the key were not there. Relative paths are meant from [`Settings::base`]; errors name the key and no line.
    pub fn plan_of(&self, name: &str, body: &Value) -> Result<Plan> {
        Plan::check_name(name)?;
        let Value::Object(_) = body else {
            return Err(Error::usage("bad_plan", "A plan is a JSON object"));
        };
        let text = table(name, body)?;
        let file = written::File::parse(Path::new(""), &text)?;
        let nothing = || Error::new(ErrorKind::Failed, "bad_plan", "The plan was lost while it was read");
        meant::one(self, file.plans.first().ok_or_else(nothing)?)
    }
}

/// The document of one plan in a text: that of `[plan.NAME]`, else of the only plan there is, else the keys themselves.
/// Whatever else a `recoup.toml` has is left out. What the keys mean is not looked at here ([`Settings::plan_of`]).
///
/// Errors: `bad_config` when it is no TOML, `which_plan` when there are several and none has the name.
pub fn document(name: &str, text: &str) -> Result<Value> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text.as_bytes()[..span.start].split(|b| *b == b'\n').count());
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        Error::usage("bad_config", format!("line {line}: not valid TOML: {what}"))
    })?;
    let Some(plans) = table.get("plan").and_then(toml::Value::as_table) else {
        return Ok(table.iter().map(|(key, value)| (key.clone(), plain(value))).collect());
    };
    match (plans.get(name), plans.values().next()) {
        (Some(plan), _) => Ok(plain(plan)),
        (None, Some(only)) if plans.len() == 1 => Ok(plain(only)),
        _ => {
            let names: Vec<&str> = plans.keys().map(String::as_str).collect();
            let error = Error::usage("which_plan", format!("There is no [plan.{name}]"));
            Err(error.hint(format!("plans there: {}", names.join(", "))))
        }
    }
}

/// A document as a `[plan.NAME]` table for `recoup.toml`, which means the same there.
pub fn table(name: &str, body: &Value) -> Result<String> {
    Plan::check_name(name)?;
    toml::to_string(&json!({ "plan": { name: without_nulls(body) } })).map_err(|error| {
        Error::usage("bad_plan", "The plan cannot be written as a table of recoup.toml").because(error)
    })
}

pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(elements) => elements.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// The `[plan.NAME]` tables of a file that has been read already.
pub(super) fn documents(text: &str) -> Vec<(String, Value)> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let plans = table.get("plan").and_then(toml::Value::as_table);
    let document = |(name, body): (&String, &toml::Value)| {
        let mut body = plain(body);
        if let Some(hooks) = body.get_mut("hooks").and_then(Value::as_object_mut) {
            hooks.values_mut().for_each(shown_list);
        }
        (name.clone(), body)
    };
    plans.into_iter().flatten().map(document).collect()
}

/// TOML as JSON; a time is its text.
fn plain(value: &toml::Value) -> Value {
    match value {
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        toml::Value::Array(array) => array.iter().map(plain).collect(),
        toml::Value::Datetime(time) => json!(time.to_string()),
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(flag) => json!(flag),
    }
}

/// Of a program its name, of a URL its host, of a header its name: the rest may be a secret.
fn shown_list(list: &mut Value) {
    for hook in list.as_array_mut().into_iter().flatten() {
        match hook {
            Value::Array(argv) => shown_program(argv),
            Value::Object(members) => shown_call(members),
            _ => {}
        }
    }
}

fn shown_program(argv: &mut [Value]) {
    argv.iter_mut().skip(1).for_each(|argument| *argument = json!(DOTS));
}

fn shown_call(members: &mut Map<String, Value>) {
    if let Some(Value::Array(argv)) = members.get_mut("argv") {
        shown_program(argv);
    }
    if let Some(url) = members.get_mut("http") {
        let (scheme, rest) = url.as_str().and_then(|url| url.split_once("://")).unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        *url = json!(format!("{scheme}://{host}/…"));
    }
    for value in members.get_mut("headers").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        *value = json!(DOTS);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Inputs;
    use super::*;

    fn settings(text: &str) -> Settings {
        let inputs = Inputs {
            file: Some((Path::new("/app/recoup.toml"), text)),
            environment: &[],
            current_directory: Path::new("/app"),
            zone: "UTC",
        };
        Settings::resolve(inputs).unwrap()
    }

    #[test]
    fn a_document_means_what_the_same_table_means() {
        let table = "[destination.nas]\npath = \"/nas\"\n[plan.shop]\nformat = \"database\"\ndestinations = [\"nas\"]\n\
                     databases = [{ path = \"data/shop.db\", busy_timeout = \"5s\" }]\n[plan.shop.retention]\ndays = 7\n";
        let settings = settings(table);
        let (name, body) = settings.documents.first().unwrap();
        assert_eq!(settings.plan_of(name, body).unwrap(), settings.plans[0]);
        let mut with_null = body.clone();
        with_null["compact"] = Value::Null;
        assert_eq!(settings.plan_of(name, &with_null).unwrap(), settings.plans[0]);
    }

    #[test]
    fn a_document_written_as_a_table_and_read_again_is_the_same() {
        let text = "[server]\nlisten = \"127.0.0.1:1\"\n[plan.shop]\ncompact = true\ndatabases = [\"a.db\", { path = \"b.db\", optional = true }]\n\
                    directories = [{ path = \"p\", exclude = [\"*.tmp\"] }]\nschedule = { every = \"30 2 * * *\", jitter = \"5m\" }\n\
                    [plan.shop.retention]\ndays = 7\n[plan.\"shop.eu\"]\ndatabases = [\"quote\\\"d\\u0001.db\"]\n";
        let parsed = settings(text);
        let written: Vec<String> = parsed.documents.iter().map(|(name, body)| table(name, body).unwrap()).collect();
        let again = settings(&written.concat());
        assert_eq!((again.plans, again.documents), (parsed.plans, parsed.documents.clone()));
        for ((name, body), text) in parsed.documents.iter().zip(&written) {
            assert_eq!(&document(name, text).unwrap(), body);
            assert_eq!(&document("another", text).unwrap(), body);
        }
        assert_eq!(document("shop", text).unwrap(), parsed.documents[0].1);
        assert_eq!(document("x", "compact = true").unwrap(), json!({"compact": true}));
        assert_eq!(document("x", text).unwrap_err().code(), "which_plan");
        assert_eq!(document("x", "compact = true\na b").unwrap_err().message().split(':').next(), Some("line 2"));
    }

    #[test]
    fn what_is_wrong_with_a_document_is_named_by_its_key() {
        let settings = settings("");
        for (body, told) in [
            (json!({"databases": ["a.db"], "formt": "json"}), "plan.shop.formt: unknown key"),
            (json!({"databases": [{"path": 5}]}), "plan.shop.databases[0].path: expected a string, found integer"),
            (json!({"databases": []}), "plan.shop: has nothing to back up"),
            (
                json!({"databases": ["a.db"], "destinations": ["nas"]}),
                "plan.shop.destinations[0]: there is no destination \"nas\"",
            ),
            (json!("text"), "A plan is a JSON object"),
        ] {
            assert_eq!(settings.plan_of("shop", &body).unwrap_err().message(), told);
        }
        let number = json!({"databases": ["a.db"], "retention": {"days": u64::MAX}});
        assert_eq!(settings.plan_of("shop", &number).unwrap_err().code(), "bad_config");
        assert_eq!(settings.plan_of("../x", &json!({})).unwrap_err().code(), "bad_plan_name");
    }

    #[test]
    fn what_is_shown_of_hooks_holds_no_secret() {
        let text = "[plan.shop]\ndatabases = [\"a.db\"]\n[plan.shop.hooks]\nbefore_backup = [[\"systemctl\", \"canary\"], \
                    { http = \"https://h.example:1/canary?canary\", headers = { Authorization = \"canary\" } }, { argv = [\"x\", \"canary\"] }]\n";
        let shown = settings(text).documents[0].1.to_string();
        assert!(!shown.contains("canary") && shown.contains("systemctl") && shown.contains("h.example:1"), "{shown}");
    }
}
