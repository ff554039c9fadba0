//! Databases that other people made and ship: backed up in every format while somebody reads them.
//! `.ci/packages FOLDER` fetches them from PyPI; `REAL_DATABASES` is that folder, and `make unit` sets it.
//!
//! Not here: databases that we made ourselves to be odd (`matrix`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod single;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use recoup::model::Format;
use recoup::sqlite::facts::compare;
use single::{Single, bytes_of, digest, facts_of};

/// Holds a read transaction until its input ends, and then says whether it still saw the same.
const READER: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
tables = [name for (name,) in db.execute('SELECT name FROM sqlite_master WHERE rootpage > 0 AND type = \"table\"')]
count = lambda: [db.execute('SELECT count(*) FROM \"' + name + '\"').fetchone()[0] for name in tables]
db.execute('BEGIN')
before = count()
print(sum(before), flush=True)
sys.stdin.read()
print(sum(before) if count() == before else 'changed', flush=True)
";

fn survives(name: &str) {
    let Some(folder) = std::env::var_os("REAL_DATABASES").map(PathBuf::from) else {
        eprintln!("SKIPPED: {name} is not here. `.ci/packages FOLDER` fetches it; then set REAL_DATABASES=FOLDER");
        return;
    };
    let shipped = folder.join(name);
    assert!(
        shipped.is_file(),
        "REAL_DATABASES is {} but {name} is not in it; `.ci/packages {0}` fetches it",
        folder.display()
    );
    let place = tempfile::tempdir().unwrap();
    let database = place.path().join(name);
    std::fs::copy(&shipped, &database).unwrap();
    let (before, contents, expected) = (bytes_of(&database), digest(&database), facts_of(&database, "delete"));
    assert!(expected.tables.iter().filter_map(|table| table.rows).sum::<u64>() > 100, "{expected:?}");

    for format in [Format::Archive, Format::Database, Format::Json] {
        let single = Single::of(&database);
        let manifest = while_somebody_reads(&database, || single.back_up(format).unwrap());
        assert!(bytes_of(&database) == before, "{name}: a backup as {format} changed its source");
        single.prove(&manifest);
        assert_eq!(compare(&expected, &manifest.parts[0].database.clone().unwrap()), [], "{name} {format}");
        for copy in single.taken_out(&manifest) {
            assert_eq!(digest(&copy), contents, "{name} {format}");
        }
        assert!(!single.differs_from_itself(&manifest), "{name} {format}");
    }
}

fn while_somebody_reads<T>(database: &Path, work: impl FnOnce() -> T) -> T {
    let mut reader = Command::new("python3")
        .args(["-c", READER])
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(reader.stdout.take().unwrap()).lines().map(Result::unwrap);
    let before = says.next().expect("the reader began");
    let done = work();
    drop(reader.stdin.take());
    assert_eq!(says.next().unwrap(), before, "the reader was disturbed");
    assert!(reader.wait().unwrap().success());
    done
}

#[test]
fn a_geopackage_with_its_spatial_indexes_survives_a_backup() {
    survives("bubenec.gpkg");
}

#[test]
fn the_database_of_a_map_projection_library_survives_a_backup() {
    survives("proj.db");
}
