//! The destinations that a command looks at, and the backups found there: one list over all of them, in which
//! copies of the same backup are one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use recoup::config::DestinationSettings;
use recoup::model::copies::{Known, rank};
use recoup::model::destination::{Address, Layout};
use recoup::model::{BackupId, Manifest, Warning};
use recoup::progress::Context;
use recoup::store::{FilesStore, Keyring, Listed, Listing, Store, take_over};
use recoup::{Error, Result};

use crate::output::error_line;
use crate::repair;
use crate::session::{self, Session};

/// An open destination.
pub struct Place {
    /// Its name, or its directory.
    pub name: String,
    /// Where it is.
    pub settings: DestinationSettings,
    /// The backups there.
    pub store: Arc<dyn Store>,
    /// What opens them.
    pub keyring: Arc<Keyring>,
}

impl Place {
    /// Opens a destination; `create` makes a directory that is not there, unless it must carry a marker.
    pub fn open(settings: &DestinationSettings, create: bool) -> Result<Self> {
        let keyring = Arc::new(Keyring::new(settings.keys.clone(), session::scratch_root(None)));
        let destination = recoup::destination::open(settings, create)?;
        let mut store = FilesStore::new(destination).with_keys(Arc::clone(&keyring)).with_cache(session::cache_root());
        if settings.layout == Layout::History {
            store = store.with_history(session::scratch_root(None));
        }
        let store = Arc::new(store);
        let mut settings = settings.clone();
        if let Address::Directory { path, .. } = &mut settings.address
            && path.components().any(|part| part == Component::ParentDir)
            && let Ok(real) = fs::canonicalize(&path)
        {
            *path = real;
        }
        Ok(Place { name: settings.name.clone(), settings, store, keyring })
    }

    /// Where it is, for people.
    pub fn shown(&self) -> String {
        self.settings.path().map_or_else(|| self.store.describe(), |path| path.display().to_string())
    }

    /// Where people can look at a backup, when the destination has pages and says so.
    pub fn link(&self, manifest: &Manifest) -> Option<String> {
        self.store.link(manifest).ok().flatten()
    }

    /// Where an object lies, for people.
    pub fn path_of(&self, manifest: &Manifest, object: &str) -> String {
        format!("{}/{}/{object}", self.shown(), manifest.plan)
    }
}

/// All backups at some destinations.
pub struct Shelf {
    /// The destinations that could be looked at.
    pub places: Vec<Place>,
    /// Every backup once, newest first; and manifests that could not be read.
    pub listing: Listing,
    /// Destinations that could not be looked at.
    pub unreachable: Vec<(String, Error)>,
    /// Directories that nobody has made yet.
    pub absent: Vec<PathBuf>,
    copies: HashMap<BackupId, Vec<(usize, Listed)>>,
}

/// One copy of a backup.
pub struct Copy<'a> {
    /// Where it is.
    pub place: &'a Place,
    /// What is there.
    pub listed: &'a Listed,
}

/// A copy that is ready to be read.
pub struct Ready {
    /// Where it is read.
    pub store: Arc<dyn Store>,
    /// What is there.
    pub listed: Listed,
}

impl Copy<'_> {
    /// Ready to be read: somebody else's file is judged and laid out in `scratch` first.
    pub fn ready(&self, scratch: &Path, context: &Context) -> Result<Ready> {
        let (store, listed) = match self.listed.foreign {
            Some(_) => take_over(self.place.store.as_ref(), self.listed, scratch, context)?,
            None => (Arc::clone(&self.place.store), self.listed.clone()),
        };
        Ok(Ready { store, listed })
    }
}

/// Somebody else's file is read and nothing else.
pub fn writable(listed: &Listed) -> Result<()> {
    let Some(key) = &listed.foreign else { return Ok(()) };
    let text = format!("{key} was not made by recoup and is only read");
    Err(Error::new(recoup::ErrorKind::Denied, "backup_read_only", text)
        .hint("restore from it, or remove the file yourself"))
}

impl Shelf {
    /// Looks at `at`, or at every destination of the configuration and at the default one.
    pub fn open(session: &Session, at: Option<&str>) -> Result<Self> {
        let mut shelf = Shelf {
            places: Vec::new(),
            listing: Listing::default(),
            unreachable: Vec::new(),
            absent: Vec::new(),
            copies: HashMap::new(),
        };
        if let Some(at) = at {
            let settings = session.settings.destination(at, &session.current)?;
            let place = Place::open(&settings, false)?;
            shelf.look(place)?;
            return shelf.sorted().repaired(session);
        }
        for settings in everywhere(session)? {
            if let Some(path) = settings.path().filter(|path| is_absent(path, &settings)) {
                shelf.absent.push(path.to_owned());
                continue;
            }
            let looked = Place::open(&settings, false).and_then(|place| shelf.look(place));
            if let Err(error) = looked {
                shelf.unreachable.push((settings.name, error));
            }
        }
        shelf.sorted().repaired(session)
    }

    /// Before anything else: restores that were interrupted where these backups came from.
    fn repaired(self, session: &Session) -> Result<Self> {
        let folders = repair::folders_of(self.listing.backups.iter().map(|listed| &listed.manifest));
        let stores: Vec<_> = self.places.iter().map(|place| Arc::clone(&place.store)).collect();
        repair::repair_or_tell(session, &folders, &stores)?;
        Ok(self)
    }

    fn look(&mut self, place: Place) -> Result<()> {
        let found = place.store.list(None)?;
        let index = self.places.len();
        self.places.push(place);
        self.listing.damaged.extend(found.damaged);
        for listed in found.backups {
            self.copies.entry(listed.manifest.id.clone()).or_default().push((index, listed));
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        // Protected is what is protected anywhere, whole what is whole anywhere.
        self.listing.backups = self
            .copies
            .values()
            .filter_map(|copies| {
                let whole = copies.iter().find(|(_, listed)| listed.missing.is_empty()).or(copies.first());
                let (_, listed) = whole?;
                let protected = copies.iter().any(|(_, listed)| listed.protected);
                Some(Listed { protected, ..listed.clone() })
            })
            .collect();
        let key = |listed: &Listed| std::cmp::Reverse((listed.manifest.created_at, listed.manifest.id.clone()));
        self.listing.backups.sort_by_key(key);
        self
    }

    /// Every copy of a backup.
    pub fn copies(&self, id: &BackupId) -> Vec<Copy<'_>> {
        let of = self.copies.get(id).into_iter().flatten();
        of.map(|(index, listed)| Copy { place: &self.places[*index], listed }).collect()
    }

    /// The same, the nearest and whole ones first: a directory is nearer than what is in the network.
    pub fn nearest(&self, id: &BackupId) -> Vec<Copy<'_>> {
        let mut copies = self.copies(id);
        let remote = |copy: &Copy<'_>| copy.place.settings.path().is_none();
        copies.sort_by_key(|copy| rank(!copy.listed.missing.is_empty(), remote(copy), copy.listed.manifest.verified));
        copies
    }

    /// Finds a backup by what a person calls it, and the best of its copies: a whole one, if there is one.
    pub fn find(&self, reference: &str) -> Result<Copy<'_>> {
        let found = self.listing.find(reference);
        let found = found.map_err(|error| match self.unreachable.first() {
            // Nothing was found because nobody could look.
            Some((name, why)) if self.places.is_empty() && why.kind() != recoup::ErrorKind::NotFound => {
                Error::new(why.kind(), why.code(), format!("{name} could not be looked at: {}", why.message()))
            }
            Some((name, why)) => error.because(format!("{name} could not be looked at: {}", why.message())),
            None => error,
        })?;
        let gone = || Error::new(recoup::ErrorKind::NotFound, "backup_missing", "Backup not found");
        self.nearest(&found.manifest.id).into_iter().next().ok_or_else(gone)
    }

    /// What is known of every copy of a plan that is not at one of these `other` places.
    pub fn known(&self, plan: &str, other: &[Place]) -> Vec<Known> {
        let known = |copy: Copy<'_>| {
            let manifest = &copy.listed.manifest;
            Known {
                id: manifest.id.clone(),
                destination: copy.place.name.clone(),
                created_at: manifest.created_at,
                kind: manifest.kind,
                format: manifest.format,
                verified: manifest.verified,
                protected: copy.listed.protected,
                damaged: !copy.listed.missing.is_empty(),
                local_only: manifest.local_only,
                foreign: copy.listed.foreign.is_some(),
            }
        };
        let is_other = |copy: &Copy<'_>| other.iter().any(|place| place.settings.real() == copy.place.settings.real());
        let of_plan = self.listing.backups.iter().filter(|listed| listed.manifest.plan == plan);
        of_plan.flat_map(|listed| self.copies(&listed.manifest.id)).filter(|copy| !is_other(copy)).map(known).collect()
    }

    /// Warnings about destinations that could not be looked at: what was done did not happen there.
    pub fn out_of_reach(&self, not_done: &str) -> Vec<Warning> {
        let told = |(name, error): &(String, Error)| {
            Warning::new(error.code(), format!("{not_done} at {name}: {}", error_line(error)))
        };
        self.unreachable.iter().map(told).collect()
    }

    /// The backups of several references, each once, in the order given.
    pub fn find_all(&self, references: &[String]) -> Result<Vec<&Listed>> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for reference in references {
            let copy = self.find(reference)?;
            if seen.insert(copy.listed.manifest.id.clone()) {
                found.push(copy.listed);
            }
        }
        Ok(found)
    }
}

/// Every destination of the configuration; the default one when there is no plan, or when it exists.
pub fn everywhere(session: &Session) -> Result<Vec<DestinationSettings>> {
    let settings = &session.settings;
    let mut all = Vec::new();
    for plan in &settings.plans {
        all.extend(settings.destinations_of(plan)?);
    }
    all.extend(settings.destinations.iter().cloned());
    for default in settings.default_destinations(&session.current)? {
        if settings.plans.is_empty() || default.path().is_none_or(Path::exists) {
            all.push(default);
        }
    }
    let mut seen = Vec::new();
    all.retain(|destination| {
        let real = destination.real();
        let new = !seen.contains(&real);
        if new {
            seen.push(real);
        }
        new
    });
    Ok(all)
}

/// Nobody has made the directory yet, and the first backup may.
pub fn is_absent(path: &Path, settings: &DestinationSettings) -> bool {
    !settings.has_marker() && fs::symlink_metadata(path).is_err()
}
