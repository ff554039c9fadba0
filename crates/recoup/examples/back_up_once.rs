//! Backs up one SQLite database into a directory, reads it back, and says where it lies.
//!
//!     cargo run --example back_up_once -- shop.db ./backups

use std::path::{Path, PathBuf};
use std::sync::Arc;

use recoup::backup::{self, Request};
use recoup::destination::local::LocalDestination;
use recoup::model::{DatabaseSpec, Format, Kind, SourceSpec};
use recoup::progress::Context;
use recoup::source;
use recoup::store::{FilesStore, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let database = arguments.next().ok_or("name a database")?;
    let destination = PathBuf::from(arguments.next().unwrap_or("backups".into()));

    let store: Arc<dyn Store> = Arc::new(FilesStore::new(Arc::new(LocalDestination::open(&destination, true)?)));
    let spec = SourceSpec::Database(DatabaseSpec {
        name: "app".into(),
        location: database,
        optional: false,
        busy_timeout_ms: 30_000,
    });
    let report = backup::run(
        &Request {
            plan: "app".into(),
            sources: vec![source::factory(&spec, Path::new("."), false, Arc::new(Vec::new))],
            format: Format::Database,
            queries: vec![],
            kind: Kind::Manual,
            label: None,
            protect: false,
            host: None,
            hooks: vec![],
            scratch: destination.clone(),
            audit: None,
            local_only: false,
            secrets: true,
            rescan: false,
        },
        &[store],
        &Context::quiet(),
    )?;
    println!("{}/app/{}", destination.display(), report.manifest.objects[0].name);
    Ok(())
}
