//! Looking into a backup: folders, one file, the first rows of a table, from the nearest good copy. What was looked at is
//! recorded, as a download is.

use serde_json::json;

use super::audit::event;
use super::nearest::Copy;
use super::site::Site;
use super::{Actor, Engine, blocking};
use crate::browse::{self, Found, Rows, Taken};
use crate::error::Result;

impl Site {
    /// The first rows of a table. A database that had to be taken out of an archive stays for an hour, as downloads do;
    /// one that is encrypted where it lies does not.
    fn rows(&self, copy: &Copy, part: &str, table: &str, limit: usize) -> Result<Rows> {
        let manifest = &copy.listed.manifest;
        let scratch = self.scratch()?;
        let to = scratch.path().join("browsed.db");
        let sha256 = manifest.parts.iter().find(|one| one.name == part).map(|one| one.sha256.as_str());
        let kept = sha256
            .and_then(|sha256| sha256.get(..16))
            .filter(|_| manifest.encryption.is_none())
            .map(|begin| self.downloads().join(format!("{}-{begin}.db", manifest.id)));
        self.sweep_downloads();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
            return browse::rows(kept, table, limit);
        }
        let context = self.context();
        let database = browse::database(copy.store.as_ref(), &copy.listed, part, (scratch.path(), &to), &context)?;
        let rows = browse::rows(&database, table, limit)?;
        if let Some(kept) = kept.filter(|_| database == to) {
            // Kept to be faster next time; without it, it is read again.
            let _ = std::fs::rename(&to, &kept);
        }
        Ok(rows)
    }
}

impl Engine {
    /// What lies in a folder of a backup (part and path), or what is found below it by name.
    pub async fn list_files(
        &self,
        who: &Actor,
        id: &str,
        at: (String, String),
        search: Option<String>,
    ) -> Result<Found> {
        let copies = self.backup(who, id).await?;
        let site = self.site.clone();
        let look = move || {
            Ok(site.first_good(&copies, |_, copy| {
                let scratch = site.scratch()?;
                let (at, search) = ((at.0.as_str(), at.1.as_str()), search.as_deref());
                browse::list(copy.store.as_ref(), &copy.listed, at, search, scratch.path(), &site.context())
            }))
        };
        let (found, skipped) = blocking(look).await?;
        self.note_skipped(who, &skipped).await;
        found
    }

    /// One file of a backup, proven and open.
    pub async fn open_file(&self, who: &Actor, id: &str, at: (String, String)) -> Result<Taken> {
        let copies = self.backup(who, id).await?;
        let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
        let (site, wanted) = (self.site.clone(), at.clone());
        let take = move || {
            Ok(site.first_good(&copies, |_, copy| {
                let scratch = site.scratch()?;
                let at = (wanted.0.as_str(), wanted.1.as_str());
                browse::file(copy.store.as_ref(), &copy.listed, at, scratch.path(), &site.context())
            }))
        };
        let (taken, skipped) = blocking(take).await?;
        self.note_skipped(who, &skipped).await;
        let taken = taken?;
        let details = json!({ "part": at.0, "path": at.1, "bytes": taken.bytes });
        self.record(who, event("backup.downloaded", ("backup", &id), "read", true, details)).await;
        Ok(taken)
    }

    /// The first rows of a table of a backup; what looks like a secret is hidden.
    pub async fn table_rows(&self, who: &Actor, id: &str, part: &str, table: &str, limit: usize) -> Result<Rows> {
        let copies = self.backup(who, id).await?;
        let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
        let (site, wanted) = (self.site.clone(), (part.to_owned(), table.to_owned()));
        let read = move || Ok(site.first_good(&copies, |_, copy| site.rows(copy, &wanted.0, &wanted.1, limit)));
        let (rows, skipped) = blocking(read).await?;
        self.note_skipped(who, &skipped).await;
        let rows = rows?;
        let details = json!({ "part": part, "table": table, "rows": rows.rows.len() });
        self.record(who, event("backup.read", ("backup", &id), "read", true, details)).await;
        Ok(rows)
    }
}
