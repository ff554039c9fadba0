//! What a verb finds around itself: settings, clock, destinations, sources, hooks. All of it synchronous, so that a
//! blocking thread needs nothing else.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::Environment;
use crate::clock::Clock;
use crate::config::{DestinationSettings, Settings};
use crate::destination::{self, Destination, Staging, mounted};
use crate::error::{Error, ErrorKind, Result};
use crate::hooks::{self, Hook, Occasion};
use crate::model::Plan;
use crate::model::destination::Layout;
use crate::source::{SourceFactory, factory};
use crate::store::{FilesStore, Keyring, Store};

/// What a verb finds around itself.
pub(super) struct Site {
    /// What recoup.toml says, and what was added since, in the place of what was before.
    pub live: RwLock<Arc<Settings>>,
    pub data: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub environment: Environment,
    pub host: Option<String>,
    pub hooks: HashMap<String, Vec<Arc<dyn Hook>>>,
    pub sources: HashMap<String, Vec<SourceFactory>>,
    /// The catalog's file, when it is one.
    pub catalog: Option<PathBuf>,
    /// Destinations that hold backups, as the catalog has them, and what their mark says: a directory without either is not
    /// the right one.
    pub expected: RwLock<BTreeMap<String, Option<String>>>,
}

/// An open destination.
#[derive(Clone)]
pub(super) struct Place {
    pub name: String,
    pub store: Arc<dyn Store>,
}

impl Site {
    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Folders that people who are no admins may name.
    pub fn roots(&self) -> Vec<PathBuf> {
        self.settings().server.roots.clone()
    }

    /// A destination by its name, or a directory. Errors: `destination_missing` for a name that recoup.toml does not have.
    pub fn destination(&self, name: &str) -> Result<DestinationSettings> {
        let settings = self.settings();
        let found = settings.destination(name, &settings.base)?;
        // A name that is gone must not become a folder in the current directory.
        if found.name != name && !name.contains('/') && !name.starts_with('.') {
            let text = format!("There is no destination {name}");
            return Err(Error::new(ErrorKind::NotFound, "destination_missing", text)
                .hint(format!("add [destination.{name}] to recoup.toml, or on the page of destinations")));
        }
        Ok(found)
    }

    /// What the list calls a destination: a folder that has a name goes by it, whatever a plan calls it.
    pub fn usual_name(&self, name: &str) -> String {
        self.destination(name).map_or_else(|_| name.to_owned(), |found| self.name_of(&found))
    }

    fn name_of(&self, found: &DestinationSettings) -> String {
        let settings = self.settings();
        let named = settings.destinations.iter().find(|known| known.address == found.address);
        named.unwrap_or(found).name.clone()
    }

    /// Opens a destination. Its directory is made when it is not there, unless it must carry a marker or held backups: then
    /// a disk is not mounted, and that is an error.
    pub fn open(&self, settings: &DestinationSettings) -> Result<Arc<dyn Destination>> {
        if let Some(path) = settings.path() {
            let expected = self.expected.read().unwrap_or_else(PoisonError::into_inner);
            let mark = expected.get(&self.name_of(settings)).cloned();
            // Looking at a directory may take long.
            drop(expected);
            if let Some(mark) = mark {
                mounted::expect(path, mark.as_deref())?;
            }
        }
        destination::open(settings, true)
    }

    /// Marks the directories of destinations that hold a backup now; gives their names and marks. What cannot be marked is
    /// as good without.
    pub fn mark(&self, places: &[Place]) -> Vec<(String, String)> {
        let mark = |place: &Place| {
            let path = self.destination(&place.name).ok()?.path()?.to_owned();
            let marked = mounted::mark(&path);
            if let Err(error) = &marked {
                tracing::debug!(destination = place.name, "It could not be marked: {error}");
            }
            Some((place.name.clone(), marked.ok()?))
        };
        places.iter().filter_map(mark).collect()
    }

    /// The destinations of a plan that are there already and can be opened; none is made.
    pub fn existing(&self, names: &[String]) -> Vec<Place> {
        let there = |name: &&String| {
            self.destination(name).is_ok_and(|found| found.path().is_none_or(|path| path.symlink_metadata().is_ok()))
        };
        self.places(&names.iter().filter(there).cloned().collect::<Vec<_>>()).0
    }

    /// The backups at a destination; see [`Site::open`].
    pub fn store(&self, name: &str) -> Result<Arc<dyn Store>> {
        let settings = self.destination(name)?;
        let mut store =
            FilesStore::new(self.open(&settings)?).with_clock(self.clock.clone()).with_cache(Some(self.data.clone()));
        if settings.layout == Layout::History {
            store = store.with_history(self.scratch_root());
        }
        if settings.keys.is_empty() {
            return Ok(Arc::new(store));
        }
        Ok(Arc::new(store.with_keys(Arc::new(Keyring::new(settings.keys, self.scratch_root())))))
    }

    /// The destinations of a plan that can be opened, and those that cannot.
    pub fn places(&self, names: &[String]) -> (Vec<Place>, Vec<(String, Error)>) {
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for name in names {
            match self.store(name) {
                Ok(store) => open.push(Place { name: self.usual_name(name), store }),
                Err(error) => closed.push((name.clone(), error)),
            }
        }
        (open, closed)
    }

    /// The destinations of a plan that can be opened; the first error when there is none.
    pub fn open_places(&self, plan: &Plan) -> Result<Vec<Place>> {
        let (open, closed) = self.places(&plan.destinations);
        match closed.into_iter().next() {
            Some((_, error)) if open.is_empty() => Err(error),
            _ => Ok(open),
        }
    }

    /// The sources of a plan, and those that an embedding application adds.
    pub fn factories(&self, plan: &Plan) -> Vec<SourceFactory> {
        let base = self.settings().base.clone();
        let make = |spec| factory(spec, &base, plan.compact, self.environment.clone());
        let added = self.sources.get(&plan.name).into_iter().flatten().cloned();
        plan.sources.iter().map(make).chain(added).collect()
    }

    /// What holds the application still.
    pub fn hooks(&self, plan: &Plan, occasion: Occasion) -> Vec<Arc<dyn Hook>> {
        let added = self.hooks.get(&plan.name).into_iter().flatten().cloned();
        added.chain(hooks::of_plan(&plan.hooks, occasion)).collect()
    }

    /// Where scratch folders are made.
    pub fn scratch_root(&self) -> PathBuf {
        self.data.join("scratch")
    }

    /// A private folder that goes when it is dropped, or by the next sweep after a crash.
    pub fn scratch(&self) -> Result<Staging> {
        Staging::create(&self.scratch_root())
    }
}
