//! Destinations and channels that admins add while the daemon runs, beside those of recoup.toml, which are read-only here.
//! Each is a document as its table in the file would be, sealed in the catalog by a key in the daemon's folder; every
//! daemon on the catalog takes changes over at its next look.
//!
//! Not here: what the keys of a document mean ([`crate::config`]).

use std::sync::{Arc, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};

use super::audit::event;
use super::destinations::TestStep;
use super::plans::merge;
use super::{Actor, Engine, blocking};
use crate::catalog::AddedRow;
use crate::config::{Addition, Settings};
use crate::destination;
use crate::error::{Error, ErrorKind, Result};
use crate::model::notice::{Event, Notice};
use crate::model::user::Role;
use crate::notify;
use crate::sealing::{Key, Sealed};

/// Sealed together with a document, so that nothing else of ours is taken for it.
const PURPOSE: &str = "recoup: destination or channel, version 1";

/// What can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredKind {
    /// A place for backups.
    Destination,
    /// A way to tell people.
    Channel,
}

impl DeclaredKind {
    /// The word in the catalog, the audit and the API.
    pub fn word(self) -> &'static str {
        match self {
            DeclaredKind::Destination => "destination",
            DeclaredKind::Channel => "channel",
        }
    }

    /// The table of recoup.toml.
    fn table(self) -> &'static str {
        match self {
            DeclaredKind::Destination => "destination",
            DeclaredKind::Channel => "notify",
        }
    }

    /// What a document means, and what of it may be shown.
    fn meant(self, settings: &Settings, name: &str, document: &Value) -> Result<(Addition, Value)> {
        match self {
            DeclaredKind::Destination => {
                let (found, shown) = settings.destination_of(name, document)?;
                Ok((Addition::Destination(found), shown))
            }
            DeclaredKind::Channel => {
                let (found, shown) = settings.channel_of(name, document)?;
                Ok((Addition::Channel(found), shown))
            }
        }
    }
}

/// A destination or channel that has a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its version, the ETag; `None` of one of recoup.toml, which cannot be changed here.
    pub version: Option<i64>,
    /// Its keys, with dots in them where tables are nested, and what may be shown of each. Empty for who is no admin.
    pub document: Value,
    /// Names of the plans that use it, of those that they see.
    pub used_by: Vec<String>,
}

impl Engine {
    /// All that have a name: those of recoup.toml first.
    pub async fn declared(&self, who: &Actor, kind: DeclaredKind) -> Result<Vec<Declared>> {
        let plans = self.plans_and_uses(who.owner_filter(), kind).await?;
        let used_by = |name: &str| {
            let uses = plans.iter().filter(|(_, used)| used.iter().any(|used| used == name));
            uses.map(|(plan, _)| plan.clone()).collect::<Vec<_>>()
        };
        let (file, admin) = (self.declared.clone(), who.role == Role::Admin);
        let names: Vec<&String> = match kind {
            DeclaredKind::Destination => file.destinations.iter().map(|one| &one.name).collect(),
            DeclaredKind::Channel => file.channels.iter().map(|one| &one.name).collect(),
        };
        let shown = |document: Value| if admin { document } else { json!({}) };
        let mut all: Vec<Declared> = Vec::new();
        for name in names {
            let document = shown(file.shown_of(kind.table(), name));
            all.push(Declared { name: name.clone(), version: None, document, used_by: used_by(name) });
        }
        for row in self.catalog.added().await?.into_iter().filter(|row| row.kind == kind.word()) {
            if all.iter().any(|known| known.name == row.name) {
                continue;
            }
            let document = match self.opened(&row).and_then(|document| kind.meant(&file, &row.name, &document)) {
                Ok((_, document)) => shown(document),
                Err(error) => shown(json!({ "error": error.message() })),
            };
            let used_by = used_by(&row.name);
            all.push(Declared { name: row.name, version: Some(row.version), document, used_by });
        }
        Ok(all)
    }

    /// Adds one. For admins. Errors: `name_taken`, `bad_name`, `bad_config`.
    pub async fn declare_one(&self, who: &Actor, kind: DeclaredKind, name: &str, document: &Value) -> Result<()> {
        who.must_be(Role::Admin)?;
        let (_, shown) = kind.meant(&self.declared, name, document)?;
        self.not_in_file(kind, name, "name_taken")?;
        let body = self.sealed(document)?;
        self.catalog.add(kind.word(), name, &body, self.clock().now()).await?;
        self.record(who, event(&format!("{}.created", kind.word()), (kind.word(), name), "create", true, shown)).await;
        self.reread_settings().await
    }

    /// Merges `patch` into a document (RFC 7386); what is absent stays, so that a secret need not be sent again. For admins.
    /// Errors: `declared_in_file`, `changed_meanwhile`, those of [`Engine::declare_one`].
    pub async fn redeclare(
        &self,
        who: &Actor,
        kind: DeclaredKind,
        name: &str,
        patch: Value,
        version: Option<i64>,
    ) -> Result<()> {
        who.must_be(Role::Admin)?;
        let row = self.added_row(kind, name).await?;
        let stale = || {
            Error::new(ErrorKind::WouldOverwrite, "changed_meanwhile", format!("{name} was changed meanwhile"))
                .hint("read it again, then change it")
        };
        if version.is_some_and(|version| version != row.version) {
            return Err(stale());
        }
        let mut document = self.opened(&row)?;
        merge(&mut document, patch);
        let (_, shown) = kind.meant(&self.declared, name, &document)?;
        if !self.catalog.change_added(&row, &self.sealed(&document)?, self.clock().now()).await? {
            return Err(stale());
        }
        self.record(who, event(&format!("{}.changed", kind.word()), (kind.word(), name), "update", true, shown)).await;
        self.reread_settings().await
    }

    /// Removes one that no plan uses. What lies there stays. For admins. Errors: `declared_in_file`, `in_use`.
    pub async fn undeclare(&self, who: &Actor, kind: DeclaredKind, name: &str) -> Result<()> {
        who.must_be(Role::Admin)?;
        self.added_row(kind, name).await?;
        let uses = self.plans_and_uses(None, kind).await?;
        let uses: Vec<String> =
            uses.into_iter().filter(|(_, used)| used.iter().any(|used| used == name)).map(|(plan, _)| plan).collect();
        if !uses.is_empty() {
            let error = Error::new(ErrorKind::Busy, "in_use", format!("{name} is used by {}", uses.join(", ")));
            return Err(error.hint("take it out of these plans first"));
        }
        let details = json!({ "name": name });
        self.audit(who, event(&format!("{}.removed", kind.word()), (kind.word(), name), "delete", true, details))
            .await?;
        self.catalog.remove_added(kind.word(), name).await?;
        self.reread_settings().await
    }

    /// Whether a destination would do what destinations do, before it is added; with `name` of one that was added, the
    /// document is a patch to it. For admins.
    pub async fn try_destination(&self, who: &Actor, name: &str, document: Value) -> Result<Vec<TestStep>> {
        who.must_be(Role::Admin)?;
        let document = self.draft(DeclaredKind::Destination, name, document).await?;
        let (settings, _) = self.declared.destination_of(name, &document)?;
        let site = self.site.clone();
        let steps = blocking(move || Ok(site.test(&settings, destination::open(&settings, true)))).await?;
        let ok = steps.iter().all(|step| step.ok);
        let details = json!({ "steps": steps });
        self.record(who, event("destination.tested", ("destination", name), "test", ok, details)).await;
        Ok(steps)
    }

    /// Sends a test message through a channel as it is or as `patch` would make it. For admins. Errors: those of
    /// [`notify::send`].
    pub async fn try_channel(&self, who: &Actor, name: &str, patch: Value) -> Result<()> {
        who.must_be(Role::Admin)?;
        let settings = self.settings();
        let nothing = patch.as_object().is_some_and(serde_json::Map::is_empty);
        let channel = match settings.channels.iter().find(|known| known.name == name).filter(|_| nothing) {
            Some(known) => known.clone(),
            None => {
                let document = self.draft(DeclaredKind::Channel, name, patch).await?;
                self.declared.channel_of(name, &document)?.0
            }
        };
        let notice = Notice { host: self.site.host.clone(), ..Notice::new(Event::Test, "", self.clock().now()) };
        let reach = self.reach();
        let sent = blocking(move || notify::send(&channel, &notice, &reach)).await;
        let details = sent.as_ref().map_or_else(super::audit::wrong, |()| json!({}));
        self.record(who, event("channel.tested", ("channel", name), "test", sent.is_ok(), details)).await;
        sent
    }

    /// Takes over what was added, changed or removed by whomever since the last look.
    pub(super) async fn reread_added(&self) -> Result<()> {
        let rows = self.catalog.added().await?;
        if *self.added.lock().unwrap_or_else(PoisonError::into_inner) == rows {
            return Ok(());
        }
        let mut additions = Vec::new();
        for row in &rows {
            let kind = if row.kind == "channel" { DeclaredKind::Channel } else { DeclaredKind::Destination };
            match self.opened(row).and_then(|document| kind.meant(&self.declared, &row.name, &document)) {
                Ok((addition, _)) => additions.push(addition),
                Err(error) => tracing::error!(kind = row.kind, name = row.name, "It cannot be used: {error}"),
            }
        }
        let settings: Arc<Settings> = self.declared.with(additions);
        *self.site.live.write().unwrap_or_else(PoisonError::into_inner) = settings;
        *self.added.lock().unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(())
    }

    async fn draft(&self, kind: DeclaredKind, name: &str, document: Value) -> Result<Value> {
        match self.added_row(kind, name).await {
            Ok(row) => {
                let mut known = self.opened(&row)?;
                merge(&mut known, document);
                Ok(known)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(document),
            Err(error) => Err(error),
        }
    }

    fn not_in_file(&self, kind: DeclaredKind, name: &str, code: &'static str) -> Result<()> {
        let in_file = match kind {
            DeclaredKind::Destination => self.declared.destinations.iter().any(|known| known.name == name),
            DeclaredKind::Channel => self.declared.channels.iter().any(|known| known.name == name),
        };
        if !in_file {
            return Ok(());
        }
        let text = format!("{name} is declared in recoup.toml");
        Err(Error::new(ErrorKind::WouldOverwrite, code, text).hint("change it there"))
    }

    async fn added_row(&self, kind: DeclaredKind, name: &str) -> Result<AddedRow> {
        self.not_in_file(kind, name, "declared_in_file")?;
        let rows = self.catalog.added().await?;
        let found = rows.into_iter().find(|row| row.kind == kind.word() && row.name == name);
        found.ok_or_else(|| {
            let code = if kind == DeclaredKind::Channel { "channel_missing" } else { "destination_missing" };
            Error::new(ErrorKind::NotFound, code, format!("There is no {} {name}", kind.word()))
        })
    }

    /// What each plan uses, by their names.
    async fn plans_and_uses(&self, owner: Option<&str>, kind: DeclaredKind) -> Result<Vec<(String, Vec<String>)>> {
        let (mut all, mut plans) = (Vec::new(), self.catalog.every_plan(owner));
        while let Some(row) = plans.next().await? {
            let Ok(plan) = self.meant(&row.name, &row.body) else { continue };
            let used = match kind {
                DeclaredKind::Destination => plan.destinations,
                // Only those that name it: all others tell whomever there is.
                DeclaredKind::Channel if row.body.get("notify").is_some() => plan.notify,
                DeclaredKind::Channel => Vec::new(),
            };
            all.push((row.name, used));
        }
        Ok(all)
    }

    fn key_file(&self) -> std::path::PathBuf {
        self.site.data.join("keys/catalog.key")
    }

    fn sealed(&self, document: &Value) -> Result<String> {
        let sealed = Key::read_or_make(&self.key_file())?.seal(PURPOSE, document.to_string().as_bytes())?;
        serde_json::to_string(&sealed).map_err(|error| unreadable(&self.key_file()).because(error))
    }

    fn opened(&self, row: &AddedRow) -> Result<Value> {
        let path = self.key_file();
        let sealed: Sealed = serde_json::from_str(&row.body).map_err(|error| unreadable(&path).because(error))?;
        let key = Key::read(&path)?.ok_or_else(|| unreadable(&path).because("that file is not there"))?;
        let bytes = key.open(PURPOSE, &sealed).ok_or_else(|| unreadable(&path))?;
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&path).because(error))
    }
}

fn unreadable(key: &std::path::Path) -> Error {
    let text = format!("What was added cannot be read with the key {}", key.display());
    Error::new(ErrorKind::Denied, "wrong_key", text)
        .hint("daemons that share a catalog need the same key file; without it, remove it and add it again")
}
