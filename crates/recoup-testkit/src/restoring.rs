//! Restoring and undoing the sample application through the library, and what the application sees afterwards.
//!
//! Not here: what should come out; that is for the tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use recoup::Result;
use recoup::hooks::Hook;
use recoup::model::{BackupId, RestoreRecord};
use recoup::progress::Context;
use recoup::restore::{self, Opened, Places, Report, Request, Seen};
use recoup::store::{Listed, Store};
use rusqlite::Connection;

use crate::sample::Sample;
use crate::tree::tree;

/// How long somebody who holds a database is waited for.
pub const BUSY: Duration = Duration::from_millis(400);

/// How a restore is asked for, as far as it is unusual.
#[derive(Default)]
pub struct How<'a> {
    pub only: &'a [&'a str],
    pub places: Option<Places>,
    pub undoes: Option<BackupId>,
    pub force: bool,
    pub hooks: &'a [Arc<dyn Hook>],
    pub seen: Option<&'a Seen>,
}

pub fn restore_as(sample: &Sample, listed: &Listed, how: How<'_>) -> Result<Report> {
    let stores: Vec<Arc<dyn Store>> = vec![sample.store()];
    let scratch = tempfile::tempdir().unwrap();
    let mut opened = Opened::stored(stores[0].as_ref(), listed, scratch.path(), &Context::quiet())?;
    let places = how.places.unwrap_or(Places::of_plan(&listed.manifest, &sample.sources(), sample.path())?);
    let only: Vec<String> = how.only.iter().map(|name| name.to_string()).collect();
    let request = Request {
        only: &only,
        places: &places,
        stores: &stores,
        undoes: how.undoes,
        force: how.force,
        hooks: how.hooks,
        busy: BUSY,
        seen: how.seen,
        environment: Arc::new(Vec::new),
        host: None,
        audit: None,
    };
    restore::run(&mut opened, &request, &Context::quiet())
}

pub fn restore(sample: &Sample, listed: &Listed) -> Result<Report> {
    restore_as(sample, listed, How::default())
}

/// What `recoup undo` does.
pub fn undo(sample: &Sample) -> Result<Report> {
    let store = sample.store();
    let records = store.records("shop").unwrap();
    let record = RestoreRecord::to_undo(&records).expect("something to undo").clone();
    let listing = store.list(None).unwrap();
    let safety = listing.find(record.safety.unwrap().as_str()).unwrap().clone();
    restore_as(sample, &safety, How { undoes: Some(record.id), ..How::default() })
}

/// Everything that the application sees: rows, files, modes.
pub fn state(sample: &Sample) -> String {
    let database = Connection::open(sample.database()).unwrap();
    let rows: Vec<String> = database
        .prepare("SELECT id || ' ' || title FROM product ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut files = Vec::new();
    for name in tree(&sample.app()) {
        let path = sample.app().join(&name);
        let meta = path.symlink_metadata().unwrap();
        if name.starts_with("shop.db") {
            continue;
        }
        let content = if meta.is_file() { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        files.push(format!("{name} {:o} {content}", meta.permissions().mode()));
    }
    format!("{rows:?} {files:#?}")
}

pub fn change(sample: &Sample, text: &str) {
    sample.sql(&format!("INSERT INTO product(title) VALUES ('{text}'); DELETE FROM product WHERE id = 1"));
    fs::write(sample.app().join("pictures/new.jpg"), text).unwrap();
    fs::write(sample.app().join("config.yml"), text).unwrap();
}

pub fn no_leftovers(sample: &Sample) {
    let leftovers: Vec<String> =
        tree(sample.path()).into_iter().filter(|name| name.contains(".recoup-restore")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}
