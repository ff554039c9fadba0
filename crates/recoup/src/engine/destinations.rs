//! Destinations: which there are, whether one works, and what lies at one that the catalog knows nothing of.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use serde::Serialize;
use serde_json::json;

use super::audit::event;
use super::site::{Place, Site};
use super::work::told;
use super::{Actor, Engine, blocking};
use crate::config::DestinationSettings;
use crate::destination::{Body, Destination};
use crate::error::{Error, ErrorKind, Result};
use crate::model::user::Role;
use crate::recovery::{self, Found};
use crate::store::{Keyring, Store};

/// One step of a test of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestStep {
    /// `open`, `write`, `read`, `list`, `delete`, `space`, `key`.
    pub name: String,
    /// Whether it worked.
    pub ok: bool,
    /// What was found, or why not.
    pub text: String,
}

/// What was found at a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Names of the plans whose backups are there.
    pub plans: Vec<String>,
    /// How many backups are listed now.
    pub backups: usize,
    /// Manifests that could not be read, and why.
    pub damaged: Vec<(String, String)>,
}

impl Site {
    /// Whether something that was opened, or was to be opened, does what destinations do.
    pub(super) fn test(&self, settings: &DestinationSettings, opened: Result<Arc<dyn Destination>>) -> Vec<TestStep> {
        let mut steps = Vec::new();
        let mut step = |name: &str, done: Result<String>| -> bool {
            let ok = done.is_ok();
            let text = done.unwrap_or_else(|error| told(&error));
            steps.push(TestStep { name: name.to_owned(), ok, text });
            ok
        };
        let context = self.context();
        let destination = match opened {
            Ok(destination) => destination,
            Err(error) => {
                step("open", Err(error));
                return steps;
            }
        };
        step("open", Ok(destination.describe()));
        let key = format!("recoup-test/{}.txt", ulid::Ulid::generate());
        let bytes = b"recoup tests this destination; this file can go\n";
        let written = destination.put(&key, Body::Bytes(bytes), &context);
        if step("write", written.map(|stored| format!("{} bytes, read back", stored.bytes))) {
            let read = destination.get(&key, 0).and_then(|mut from| {
                let mut found = Vec::new();
                std::io::Read::read_to_end(&mut from, &mut found).map_err(|e| Error::io("reading", e))?;
                if found == bytes { Ok("the same".to_owned()) } else { Err(Error::corrupted("other bytes came back")) }
            });
            step("read", read);
            let listed = destination.list("recoup-test/").and_then(|all| match all.iter().any(|one| one.key == key) {
                true => Ok("found".to_owned()),
                false => Err(Error::corrupted("what was written is not listed")),
            });
            step("list", listed);
            step("delete", destination.delete(&key).map(|()| "gone".to_owned()));
        }
        let space = destination.free_bytes().map(|free| match free {
            Some(free) => format!("{free} bytes are free"),
            None => "unknown".to_owned(),
        });
        step("space", space);
        if !settings.keys.is_empty() {
            step("key", self.key_fits(settings, destination.as_ref()));
        }
        steps
    }

    /// Whether what is configured opens what it locks there.
    fn key_fits(&self, settings: &DestinationSettings, destination: &dyn Destination) -> Result<String> {
        let keys = Keyring::new(settings.keys.clone(), self.scratch_root()).check(destination)?;
        match keys.is_empty() {
            true => Ok("the first encrypted backup makes one".to_owned()),
            false => Ok(format!("{} opens", keys.join(", "))),
        }
    }
}

/// Under which name the catalog keeps the mark of a destination.
fn mark_of(destination: &str) -> String {
    format!("mark of {destination}")
}

impl Engine {
    /// Names of the destinations that have one, the usual ones included.
    pub fn destinations(&self) -> Vec<String> {
        let settings = self.settings();
        let mut all: Vec<DestinationSettings> = settings.destinations.clone();
        for usual in settings.default_destinations(&settings.base).unwrap_or_default() {
            // A folder that has a name already is not another one.
            if !all.iter().any(|known| known.address == usual.address) {
                all.push(usual);
            }
        }
        all.into_iter().map(|destination| destination.name).collect()
    }

    /// Remembers which destinations hold backups: a directory among them that is empty is not mounted.
    pub(super) async fn expect_mounts(&self) -> Result<()> {
        let mut expected = BTreeMap::new();
        for name in self.catalog.backup_destinations().await? {
            let mark = self.catalog.setting(&mark_of(&name)).await?;
            expected.insert(name, mark.and_then(|mark| serde_json::from_str(&mark).ok()));
        }
        *self.site.expected.write().unwrap_or_else(PoisonError::into_inner) = expected;
        Ok(())
    }

    /// Remembers which directories hold backups now. What fails here is logged: the backups are there.
    pub(super) async fn know_marks(&self, places: &[Place]) {
        let (site, places) = (self.site.clone(), places.to_vec());
        let marks = blocking(move || Ok(site.mark(&places))).await.unwrap_or_default();
        let known = self.site.expected.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, mark) in marks {
            if known.get(&name).and_then(Option::as_deref) != Some(mark.as_str())
                && let Err(error) = self.catalog.set_setting(&mark_of(&name), &json!(mark).to_string()).await
            {
                tracing::warn!(destination = name, "Its mark could not be kept: {error}");
            }
        }
    }

    /// The backups at a destination. Blocking.
    pub fn store(&self, destination: &str) -> Result<Arc<dyn Store>> {
        self.site.store(destination)
    }

    /// Whether a destination does what destinations do: opened, written to, read, listed, deleted from.
    pub async fn test_destination(&self, who: &Actor, name: &str) -> Result<Vec<TestStep>> {
        who.must_be(Role::Operator)?;
        if !self.destinations().iter().any(|known| known == name) {
            // Whoever names a folder has it made and written to.
            who.must_be(Role::Admin)?;
        }
        let settings = self.site.destination(name)?;
        let site = self.site.clone();
        let steps = blocking(move || Ok(site.test(&settings, site.open(&settings)))).await?;
        let ok = steps.iter().all(|step| step.ok);
        let details = json!({ "steps": steps });
        self.record(who, event("destination.tested", ("destination", name), "test", ok, details)).await;
        Ok(steps)
    }

    /// The recovery kit, without secrets. For admins.
    pub async fn recovery_kit(&self, who: &Actor) -> Result<String> {
        who.must_be(Role::Admin)?;
        let site = self.site.clone();
        let names = self.destinations();
        blocking(move || {
            let mut found = Vec::new();
            for name in names {
                let settings = site.destination(&name)?;
                // A folder that nobody has made yet is not made for this.
                if settings.path().is_none_or(|path| path.exists()) {
                    found.push(Found::new(settings, site.store(&name).and_then(|store| store.list(None))));
                }
            }
            recovery::kit(&site.settings(), &found, site.host.as_deref(), false, site.clock.now())
        })
        .await
    }

    /// Lists everything that lies at a destination, whoever made it: for a catalog that was lost or is new.
    pub async fn adopt(&self, who: &Actor, destination: &str) -> Result<Adopted> {
        who.must_be(Role::Admin)?;
        self.site.destination(destination)?;
        let name = self.site.usual_name(destination);
        let (site, looked) = (self.site.clone(), name.clone());
        let listing = blocking(move || {
            let missing = || {
                let path = site.destination(&looked).ok().and_then(|found| found.path().map(ToOwned::to_owned));
                let text = format!("There is no folder {}", path.unwrap_or_else(|| looked.clone().into()).display());
                Error::new(ErrorKind::NotFound, "destination_missing", text)
            };
            site.look(&looked, None)?.ok_or_else(missing)
        })
        .await?;
        let plans = self.note_listing(&name, None, &listing).await?;
        let adopted = Adopted {
            plans: plans.into_iter().collect(),
            backups: listing.backups.len(),
            damaged: listing.damaged.iter().map(|(key, error)| (key.clone(), told(error))).collect(),
        };
        let details = json!({ "plans": adopted.plans, "backups": adopted.backups, "damaged": adopted.damaged.len() });
        self.record(who, event("adopted", ("destination", &name), "create", true, details)).await;
        Ok(adopted)
    }
}
