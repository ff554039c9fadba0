//! Destinations: which there are, whether one works, and what lies at one that the catalog knows nothing of.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::audit::event;
use super::site::Site;
use super::work::told;
use super::{Actor, Engine, blocking};
use crate::config::DestinationSettings;
use crate::destination::{self, Body};
use crate::error::{Error, ErrorKind, Result};
use crate::model::user::Role;
use crate::store::Store;

/// One step of a test of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestStep {
    /// `open`, `write`, `read`, `list`, `delete`, `space`.
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
    fn test(&self, name: &str) -> Vec<TestStep> {
        match self.destination(name) {
            Ok(settings) => self.test_of(&settings),
            Err(error) => vec![TestStep { name: "open".to_owned(), ok: false, text: told(&error) }],
        }
    }

    /// The same of one that may not be declared yet.
    pub(super) fn test_of(&self, settings: &DestinationSettings) -> Vec<TestStep> {
        let mut steps = Vec::new();
        let mut step = |name: &str, done: Result<String>| -> bool {
            let ok = done.is_ok();
            let text = done.unwrap_or_else(|error| told(&error));
            steps.push(TestStep { name: name.to_owned(), ok, text });
            ok
        };
        let context = self.context();
        let destination = match destination::open(settings, true) {
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
        steps
    }
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
            self.site.destination(name)?;
        }
        let (site, tested) = (self.site.clone(), name.to_owned());
        let steps = blocking(move || Ok(site.test(&tested))).await?;
        let ok = steps.iter().all(|step| step.ok);
        let details = json!({ "steps": steps });
        self.record(who, event("destination.tested", ("destination", name), "test", ok, details)).await;
        Ok(steps)
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
