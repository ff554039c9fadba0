//! What lies at the top of a foreign archive: the one database of the known layout, or the files of a PocketBase data
//! folder (`data.db`, `auxiliary.db` and whatever else is there). Databases are judged; a log that was packed beside one
//! is worked into it, because what was committed last is only there.
//!
//! Not here: folders, settings and metadata ([`super::foreign`]).

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::archive::reader::Made;
use super::foreign::{DATABASE, Private, Taking, part, sound_database};
use super::proof;
use crate::error::{Error, Result};
use crate::model::{Part, PartKind};
use crate::progress::Phase;
use crate::sqlite::open::{fold_log, sidecar};

/// The database by which an archive of PocketBase is known.
const POCKETBASE: &str = "data.db";
/// What SQLite keeps beside a database.
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

impl Taking<'_> {
    /// Whether it is a data folder of PocketBase.
    pub(super) fn is_pocketbase(&self) -> Result<bool> {
        Ok(!self.reader.has(DATABASE)? && self.reader.has(POCKETBASE)?)
    }

    /// Everything that lies at the top: `loose` are the names that are not part of the known layout.
    pub(super) fn top(&mut self, loose: &[String], made: &mut Made) -> Result<()> {
        if self.reader.has(DATABASE)? {
            self.database(DATABASE, "database", made)?;
        }
        for name in loose {
            let beside = |end: &str| name.strip_suffix(end).is_some_and(|of| loose.iter().any(|other| other == of));
            if beside(LOG) || beside(INDEX) {
                continue;
            }
            match name.rsplit_once('.') {
                Some((stem, "db")) if !stem.is_empty() => self.database(name, stem, made)?,
                _ => self.file(name)?,
            }
        }
        Ok(())
    }

    fn database(&mut self, member: &str, wanted: &str, made: &mut Made) -> Result<()> {
        self.context.observer.phase(Phase::Check, member, None);
        let copy = Private::new(self.scratch, "db")?;
        let (mut bytes, mut sha256) = self.extract(member, &copy)?;
        let log = format!("{member}{LOG}");
        if self.reader.has(&log)? {
            let beside = Private(sidecar(&copy.0, LOG));
            if self.extract(&log, &beside)?.0 > 0 {
                fold_log(&copy.0).map_err(|error| error.while_(format!("checking {member}")))?;
                (bytes, sha256) = proof::hash_file(&copy.0, self.context)?;
                let file = File::open(&copy.0).map_err(|e| Error::at("opening", &copy.0, e))?;
                made.insert(member.to_owned(), Arc::new(file));
            }
        }
        let database = sound_database(&copy.0, member, None, &mut self.warnings, self.context)?;
        let name = self.name(wanted);
        self.parts.push(Part { database: Some(database), ..part(name, PartKind::Database, member, bytes, sha256) });
        Ok(())
    }

    fn file(&mut self, member: &str) -> Result<()> {
        let (bytes, sha256) = self.reader.read_member(member, self.context, &mut |_| Ok(()))?;
        let name = self.name(member);
        self.parts.push(part(name, PartKind::File, member, bytes, sha256));
        Ok(())
    }

    fn extract(&mut self, member: &str, to: &Private) -> Result<(u64, String)> {
        let mut file = to.create()?;
        let path: &Path = &to.0;
        let mut write = |chunk: &[u8]| file.write_all(chunk).map_err(|e| Error::at("writing", path, e));
        self.reader.read_member(member, self.context, &mut write)
    }
}
