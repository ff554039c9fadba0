//! Destinations and channels that are added while the daemon runs: each a JSON document with the keys of a
//! `[destination.NAME]` or `[notify.NAME]` table, read by the same parser, and what of it may be shown.
//!
//! Not here: where the documents are kept (the engine seals them into the catalog).

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use toml::de::DeTable;

use super::walk::{Document, Table};
use super::{DestinationSettings, Settings, destination, meant, notify, single, written};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Plan;
use crate::model::channel::Channel;

/// What one document means.
#[derive(Debug, Clone)]
pub enum Addition {
    /// A place for backups.
    Destination(DestinationSettings),
    /// A way to tell people.
    Channel(Channel),
}

impl Settings {
    /// What a `[destination.NAME]` table, given as JSON, means, and its keys with what may be shown of each. `null` is as if
    /// the key were not there; errors name the key. Relative paths are meant from [`Settings::base`].
    pub fn destination_of(&self, name: &str, document: &Value) -> Result<(DestinationSettings, Value)> {
        let mut document = document.clone();
        if document.get("type").and_then(Value::as_str) == Some("drive")
            && let Some(members) = document.as_object_mut()
        {
            // Not beside recoup.toml, which may be in a folder that the daemon cannot write to.
            let token = self.server.data.join(format!("keys/{name}.drive-token"));
            members.entry("token_file").or_insert_with(|| json!(token.display().to_string()));
        }
        let (found, values) = parsed("destination", name, &document, |table| {
            let (name, field) = written::named(table, "destination")?.pop().ok_or_else(lost)?;
            meant::destination(self, &destination::read(name, &field, &self.base)?)
        })?;
        let prefix = format!("destination.{name}.");
        Ok((found, shown(&prefix, values.into_iter().map(|value| (value.key, value.value)))))
    }

    /// The same of a `[notify.NAME]` table.
    pub fn channel_of(&self, name: &str, document: &Value) -> Result<(Channel, Value)> {
        let found = parsed("notify", name, document, |table| {
            let (name, field) = written::named(table, "notify")?.pop().ok_or_else(lost)?;
            notify::read(&name, &field, &self.base)
        })?;
        let prefix = format!("notify.{name}.");
        Ok((found.channel, shown(&prefix, found.values.into_iter().map(|at| (at.key, at.value)))))
    }

    /// What may be shown of a destination (`destination`) or channel (`notify`) of recoup.toml.
    pub fn shown_of(&self, table: &str, name: &str) -> Value {
        let prefix = format!("{table}.{name}.");
        let own = self.values.iter().filter(|value| value.key.starts_with(&prefix));
        shown(&prefix, own.map(|value| (value.key.clone(), value.value.clone())))
    }

    /// These settings with what was added. What recoup.toml declares under the same name stays.
    pub fn with(&self, added: impl IntoIterator<Item = Addition>) -> Arc<Settings> {
        let mut settings = self.clone();
        for addition in added {
            match addition {
                Addition::Destination(one) if settings.destinations.iter().all(|known| known.name != one.name) => {
                    settings.destinations.push(one);
                }
                Addition::Channel(one) if settings.channels.iter().all(|known| known.name != one.name) => {
                    settings.channels.push(one);
                }
                _ => {}
            }
        }
        Arc::new(settings)
    }
}

fn parsed<T>(table: &str, name: &str, document: &Value, read: impl FnOnce(&mut Table<'_>) -> Result<T>) -> Result<T> {
    Plan::check_name(name).map_err(|error| {
        let hint = error.hint_text().unwrap_or_default().to_owned();
        Error::usage("bad_name", format!("Not a name: {name}")).hint(hint)
    })?;
    if !document.is_object() {
        return Err(Error::usage("bad_config", "It is a JSON object"));
    }
    let text = toml::to_string(&json!({ table: { name: single::without_nulls(document) } }));
    let text = text.map_err(|error| Error::usage("bad_config", "Not keys of recoup.toml").because(error))?;
    let whole = Document { path: Path::new(""), text: &text };
    let tree = DeTable::parse(&text).map_err(|error| whole.syntax(&error))?;
    let mut root = Table::new(whole, String::new(), 1, tree.get_ref());
    let read = read(&mut root)?;
    root.finish()?;
    Ok(read)
}

fn shown(prefix: &str, values: impl Iterator<Item = (String, Value)>) -> Value {
    let values = values.filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value)));
    Value::Object(values.collect::<Map<_, _>>())
}

fn lost() -> Error {
    Error::new(ErrorKind::Failed, "bad_config", "The document was lost while it was read")
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

    const S3: &str = "[destination.off]\ntype = \"s3\"\nbucket = \"b\"\naccess_key = \"canary1\"\nsecret_key = \"canary2\"\n\
                      [notify.me]\nntfy = \"https://ntfy.sh/canary3\"\ntoken = \"canary4\"\n";

    #[test]
    fn a_document_means_what_the_same_table_means_and_shows_no_secret() {
        let file = settings(S3);
        let empty = settings("");
        let document =
            json!({"type": "s3", "bucket": "b", "access_key": "canary1", "secret_key": "canary2", "region": null});
        let (found, shown) = empty.destination_of("off", &document).unwrap();
        assert_eq!(Some(&found), file.destinations.first());
        assert_eq!(shown, file.shown_of("destination", "off"));
        let (channel, told) =
            empty.channel_of("me", &json!({"ntfy": "https://ntfy.sh/canary3", "token": "canary4"})).unwrap();
        assert_eq!(Some(&channel), file.channels.first());
        assert_eq!(told, file.shown_of("notify", "me"));
        assert!(!format!("{shown}{told}").contains("canary") && shown["bucket"] == "b" && told["token"] == "(set)");
        let both = empty.with([Addition::Destination(found), Addition::Channel(channel)]);
        let plan = json!({"databases": ["a.db"], "destinations": ["off"], "notify": ["me"]});
        assert!(both.plan_of("shop", &plan).is_ok() && empty.plan_of("shop", &plan).is_err());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        let settings = settings("");
        for (document, told) in [
            (json!({"type": "s3", "bucket": "b"}), "destination.off.access_key"),
            (json!({"type": "moon"}), "destination.off.type: is no kind of destination"),
            (json!({"path": "/x", "pth": 1}), "destination.off.pth: unknown key"),
            (json!([]), "It is a JSON object"),
        ] {
            let message = settings.destination_of("off", &document).unwrap_err().message().to_owned();
            assert!(message.starts_with(told), "{message}");
        }
        assert_eq!(settings.destination_of("../x", &json!({"path": "/x"})).unwrap_err().code(), "bad_name");
        assert!(settings.channel_of("me", &json!({"ntfy": "https://ntfy.sh/"})).is_err());
    }
}
