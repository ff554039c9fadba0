//! A collection of a WebDAV server (RFC 4918). An object is a resource; collections are made as needed.
//!
//! Not here: the connection and who we are (`client`), what listings say (`listing`), and objects on their way (`upload`).

mod client;
mod digest;
mod listing;
mod upload;

use std::io::Read;
use std::ops::Range;
use std::sync::OnceLock;

use jiff::Timestamp;

use self::client::Client;
use self::listing::{Entry, entries};
use self::upload::Uploading;
use super::failure::{self, Failure, Step};
use super::http;
use super::{Content, Given, Protocol, Unfinished, Upload};
use crate::destination::ObjectInfo;
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::{self, Limits};

/// Where objects are before they have their names. Keys never begin with a dot.
const PARTS: &str = ".recoup-parts/";

/// What is asked about resources: all that we need, because some servers count everything for `allprop`.
const PROPERTIES: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop><resourcetype/>\
                          <getcontentlength/><getlastmodified/></prop></propfind>";
/// RFC 4331.
const QUOTA: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop><quota-available-bytes/>\
                     </prop></propfind>";

/// A collection.
pub(super) struct WebDav {
    client: Client,
    /// Whether this user may rename, when we know.
    renames: OnceLock<bool>,
}

impl WebDav {
    /// Without asking anything.
    pub fn new(settings: &destination::WebDav, limits: &Limits) -> Result<Self> {
        Ok(WebDav { client: Client::new(settings, limits)?, renames: OnceLock::new() })
    }

    /// What is said about a path, and with `depth` 1 about what is directly in it; `None` when it is not there.
    fn look(&self, path: &str, depth: &str) -> Step<Option<Vec<Entry>>> {
        let headers = [("depth", depth), ("content-type", "application/xml; charset=utf-8")];
        let answer = self.client.ask("PROPFIND", path, &headers, PROPERTIES.as_bytes())?;
        match answer.status().as_u16() {
            207 => entries(&http::document(answer, "listing")?, &self.client.path(path)).map(Some),
            404 | 410 => Ok(None),
            // Apache says so of what would be in an object as if that were a collection.
            400 if !path.trim_end_matches('/').is_empty() => {
                let over = if path.ends_with('/') { path } else { above(path) };
                let over = self.look(over.trim_end_matches('/'), "0")?.unwrap_or_default();
                let inside = over.iter().any(|entry| entry.itself && entry.folder);
                if inside { Err(client::refused(answer, "listing")) } else { Ok(None) }
            }
            200..=299 => Err(http::cut("it does not answer as WebDAV does", "listing")),
            _ => Err(client::refused(answer, "listing")),
        }
    }

    /// Everything directly in a collection, which may not be there.
    fn children(&self, folder: &str) -> Step<Vec<Entry>> {
        let mut found = self.look(folder, "1")?.unwrap_or_default();
        found.retain(|entry| !entry.itself);
        Ok(found)
    }

    /// Makes a collection, and what is above it.
    fn make(&self, folder: &str) -> Step<()> {
        let mut answer = self.client.ask("MKCOL", folder, &[], &[])?;
        // Something above it is not there (RFC 4918 9.3.1).
        if matches!(answer.status().as_u16(), 404 | 409) && !folder.is_empty() {
            self.make(above(folder))?;
            answer = self.client.ask("MKCOL", folder, &[], &[])?;
        }
        match answer.status().as_u16() {
            // It is there already.
            200..=299 | 405 => Ok(()),
            404 | 409 if folder.is_empty() => {
                let text = "What is above the folder in the address is not there";
                let error = Error::new(ErrorKind::NotFound, "folder_missing", text).while_("making a folder");
                Err(Failure::lasting(error.hint("look at the address, or make the folder that it names")))
            }
            // Somebody else made it in the same moment: Apache says 403 then.
            _ if self.look(folder, "0")?.is_some() => Ok(()),
            _ => Err(client::refused(answer, "making a folder")),
        }
    }

    /// Whether this user may rename. Asked of what is not there: who may is told that it is missing.
    fn renames(&self) -> Step<bool> {
        if let Some(known) = self.renames.get() {
            return Ok(*known);
        }
        let to = self.client.address(&format!("{PARTS}nowhere"));
        let headers = [("destination", to.as_str()), ("overwrite", "F")];
        let answer = self.client.ask("MOVE", &format!("{PARTS}nothing"), &headers, &[])?;
        let renames = match answer.status().as_u16() {
            403 | 405 | 501 => false,
            401 | 429 | 500..=599 => return Err(client::refused(answer, "asking what it can do")),
            _ => true,
        };
        if renames {
            // Here, and not when an object was sent in vain.
            self.make(PARTS)?;
        }
        Ok(*self.renames.get_or_init(|| renames))
    }

    fn remove(&self, path: &str, what: &str) -> Step<()> {
        let answer = self.client.ask("DELETE", path, &[], &[])?;
        match answer.status().as_u16() {
            404 | 410 => Ok(()),
            // Parts of it could not be removed.
            207 => {
                Err(Failure::lasting(Error::new(ErrorKind::Failed, "destination_refused", format!("{what}: not all"))))
            }
            200..=299 => Ok(()),
            status @ (403 | 405) => Err(failure::kept(format!("it answered {status}"), what)),
            _ => Err(client::refused(answer, what)),
        }
    }
}

/// The collection that holds something; both end with `/` when they are collections.
fn above(path: &str) -> &str {
    let inner = path.trim_end_matches('/');
    inner.rfind('/').and_then(|slash| inner.get(..=slash)).unwrap_or_default()
}

impl Protocol for WebDav {
    fn describe(&self) -> String {
        self.client.describe()
    }

    fn begin<'a>(&'a self, key: &str, content: &'a Content<'a>) -> Step<Box<dyn Upload + 'a>> {
        let renames = self.renames()?;
        Ok(Box::new(Uploading::new(self, key, content, renames)))
    }

    fn sends_in_one_stream(&self) -> bool {
        true
    }

    fn read(&self, key: &str, from: u64) -> Step<Box<dyn Read + Send>> {
        let range = format!("bytes={from}-");
        let headers: &[(&str, &str)] = if from > 0 { &[("range", &range)] } else { &[] };
        let answer = self.client.ask("GET", key, headers, &[])?;
        if !answer.status().is_success() {
            return Err(client::refused(answer, "reading"));
        }
        http::ranged(answer, from, "reading")
    }

    fn part(&self, key: &str, part: Range<u64>, whole: u64) -> Step<Given> {
        let range = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
        let answer = self.client.ask("GET", key, &[("range", &range)], &[])?;
        if !answer.status().is_success() {
            return Err(client::refused(answer, "reading"));
        }
        http::part(answer, part, whole, "reading")
    }

    fn find(&self, key: &str) -> Step<Option<ObjectInfo>> {
        let Some(found) = self.look(key, "0")? else { return Ok(None) };
        found.into_iter().find(|entry| entry.itself && !entry.folder).map(|entry| entry.object(key)).transpose()
    }

    /// Collection by collection: many servers refuse to tell everything at once (RFC 4918 9.1, `Depth: infinity`).
    fn list(&self, prefix: &str) -> Step<Vec<ObjectInfo>> {
        let first = prefix.rfind('/').and_then(|slash| prefix.get(..=slash)).unwrap_or_default();
        let mut folders = vec![first.to_owned()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in self.children(&folder)? {
                let key = format!("{folder}{}", entry.name);
                // Dotted names are ours, or somebody else's, never objects.
                if entry.name.starts_with('.') || !(key.starts_with(prefix) || entry.folder && prefix.starts_with(&key))
                {
                    continue;
                }
                if entry.folder {
                    folders.push(format!("{key}/"));
                } else {
                    found.push(entry.object(&key)?);
                }
            }
        }
        Ok(found)
    }

    fn delete(&self, key: &str) -> Step<()> {
        // Removing a collection would remove everything in it.
        if self.find(key)?.is_none() {
            return Ok(());
        }
        self.remove(key, "removing an object")
    }

    fn free_bytes(&self) -> Step<Option<u64>> {
        let answer = self.client.ask(
            "PROPFIND",
            "",
            &[("depth", "0"), ("content-type", "application/xml")],
            QUOTA.as_bytes(),
        )?;
        match answer.status().as_u16() {
            207 => Ok(listing::quota(&http::document(answer, "asking for the quota")?)),
            404 => Ok(None),
            _ => Err(client::refused(answer, "asking for the quota")),
        }
    }

    fn unfinished(&self) -> Step<Vec<Unfinished>> {
        let mut found = Vec::new();
        for entry in self.children(PARTS)? {
            let id = format!("{PARTS}{}", entry.name);
            let begun = entry.modified.unwrap_or(Timestamp::MAX);
            found.push(Unfinished { key: id.clone(), id, begun });
        }
        Ok(found)
    }

    fn remove_unfinished(&self, upload: &Unfinished) -> Step<()> {
        self.remove(&upload.id, "removing an upload that nobody finished")
    }
}
