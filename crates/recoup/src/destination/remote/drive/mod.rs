//! A folder in Google Drive. Files are found by private properties and reached by their ids, because Drive allows many
//! files of one name: of several with one key the oldest counts, and whoever finds an older one takes the own one away.
//! What was deleted is gone: the trash of Drive would keep it against the quota.
//!
//! Not here: signing in ([`account`]), tokens ([`token`]), what marks a file as ours ([`label`]).

pub mod account;
mod api;
mod assertion;
mod label;
mod sealed;
mod token;
mod upload;

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;
use ureq::http::request::Builder;
use ureq::http::{Request, Response};
use ureq::{Body, SendBody};

use api::{About, Api, FIELDS, File, Ids, Link, Page};
use token::Tokens;
use upload::Sending;

use super::failure::{self, Failure, Step};
use super::http::{Http, refused};
use super::{Content, Protocol, Remote, Unfinished, Upload};
use crate::destination::{ObjectInfo, sign_in};
use crate::error::{Error, ErrorKind, Result};
use crate::model::channel::Secret;
use crate::model::destination::{self, Limits};

const FOLDER_TYPE: &str = "application/vnd.google-apps.folder";
/// Files of a page of a list, the most that Drive gives.
const PAGE: &str = "1000";
/// Ids that are fetched at once.
const IDS: &str = "50";

/// A folder in Google Drive.
pub(crate) struct Drive {
    name: String,
    folder_name: String,
    shared: Option<String>,
    mark: String,
    api: Api,
    folder: Mutex<Option<String>>,
    spare: Mutex<Vec<String>>,
    // Where this process knows an object to be: what was just stored is found although the search is not up to date.
    known: Mutex<HashMap<String, String>>,
}

/// Opens the destination, without asking Google anything. Errors: `needs_sign_in` when nobody ever signed in.
pub(super) fn open(name: &str, settings: &destination::Drive, limits: &Limits) -> Result<Remote<Drive>> {
    Ok(Remote::new(protocol(name, settings, limits)?, limits.clone()))
}

fn protocol(name: &str, settings: &destination::Drive, limits: &Limits) -> Result<Drive> {
    if settings.client_id.is_some()
        && !settings.token_file.exists()
        && let Some(error) = sign_in::of_drive(name, settings)
    {
        return Err(error);
    }
    let http = Http::new(limits, None)?;
    let tokens = Tokens::new(name, settings, http.clone());
    Ok(Drive {
        name: name.to_owned(),
        folder_name: settings.folder.clone(),
        shared: settings.shared_drive.clone(),
        mark: label::folder(&settings.folder),
        api: Api { http, endpoint: settings.endpoint.clone(), tokens },
        folder: Mutex::default(),
        spare: Mutex::default(),
        known: Mutex::default(),
    })
}

/// A secret, read when it is needed.
fn reveal(secret: &Secret) -> Result<String> {
    secret.reveal(|path| {
        let text = std::fs::read_to_string(path).map_err(|error| Error::at("reading", path, error))?;
        Ok(text.trim().to_owned())
    })
}

impl Drive {
    /// Every file that a query finds.
    fn search(&self, query: &str, what: &str) -> Step<Vec<File>> {
        let query = format!("{query} and trashed = false");
        let fields = format!("nextPageToken,incompleteSearch,files({FIELDS})");
        let mut asked = vec![("q", query.as_str()), ("fields", &fields), ("pageSize", PAGE), ("spaces", "drive")];
        match &self.shared {
            Some(id) => asked.extend([("corpora", "drive"), ("driveId", id), ("includeItemsFromAllDrives", "true")]),
            None => asked.push(("corpora", "user")),
        }
        let (mut found, mut next) = (Vec::new(), None::<String>);
        loop {
            let mut page = asked.clone();
            page.extend(next.as_deref().map(|token| ("pageToken", token)));
            let page: Page = self.api.get("/drive/v3/files", &page, what)?;
            if page.incomplete_search {
                let error =
                    Error::new(ErrorKind::Unreachable, "destination_failing", "Google Drive did not look everywhere");
                return Err(Failure::passing(error.while_(what.to_owned())));
            }
            found.extend(page.files);
            next = page.next_page_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// The files of a key, the oldest first.
    fn of_key(&self, key: &str) -> Step<Vec<File>> {
        let mark = label::object(&self.mark, key);
        let query = format!("appProperties has {{ key='{}' and value='{mark}' }}", label::KEY);
        let mut found = self.search(&query, &format!("looking for {key}"))?;
        found.sort_by(|one, other| one.age().cmp(&other.age()));
        Ok(found)
    }

    /// A file by its id, unless it is gone or in the trash.
    fn file(&self, id: &str) -> Step<Option<File>> {
        let found = self.api.get::<File>(&format!("/drive/v3/files/{id}"), &[("fields", FIELDS)], "looking at a file");
        match found {
            Ok(file) => Ok(Some(file).filter(|file| !file.trashed)),
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The file of a key.
    fn file_of(&self, key: &str) -> Step<Option<File>> {
        let known = self.known().get(key).cloned();
        if let Some(id) = known {
            if let Some(file) = self.file(&id)? {
                return Ok(Some(file));
            }
            self.known().remove(key);
        }
        let found = self.of_key(key)?.into_iter().next();
        if let Some(file) = &found {
            self.remember(key, &file.id);
        }
        Ok(found)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, key: &str, id: &str) {
        self.known().insert(key.to_owned(), id.to_owned());
    }

    /// Removes a file for good.
    fn remove(&self, id: &str) -> Step<()> {
        let request = Request::delete(self.api.url(&format!("/drive/v3/files/{id}"), &[]));
        let answer = self.api.ask(request, (), "removing a file")?;
        match answer.status().as_u16() {
            200 | 204 | 404 => {
                drop(refused(answer, ""));
                Ok(())
            }
            status => match api::refused(answer, "removing a file") {
                denied if status == 403 && denied.error.kind() == ErrorKind::Denied => {
                    let role = "in a shared drive, removing needs the role Manager";
                    let kept = failure::kept(denied.error, "removing a file");
                    Err(Failure { error: kept.error.hint(role), ..kept })
                }
                failure => Err(failure),
            },
        }
    }

    /// An id for a file that is to be.
    fn new_id(&self) -> Step<String> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_empty() {
            let asked = [("count", IDS), ("space", "drive"), ("type", "files")];
            let url = "/drive/v3/files/generateIds";
            *spare = self.api.get::<Ids>(url, &asked, "asking for ids")?.ids;
        }
        let none = || Error::new(ErrorKind::Unreachable, "bad_answer", "Google Drive gave no ids");
        spare.pop().ok_or_else(|| Failure::passing(none()))
    }

    /// The folder, made when there is none.
    fn folder(&self) -> Step<String> {
        let mut known = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = known.as_ref() {
            return Ok(id.clone());
        }
        let what = format!("looking for the folder {}", self.folder_name);
        let look = || -> Step<Option<String>> {
            let has = format!("appProperties has {{ key='{}' and value='{}' }}", label::FOLDER, self.mark);
            let found = self.search(&format!("mimeType = '{FOLDER_TYPE}' and {has}"), &what)?;
            Ok(found.iter().min_by_key(|file| file.age()).map(|file| file.id.clone()))
        };
        let id = match look()? {
            Some(id) => id,
            None => {
                let mut body = json!({
                    "name": self.folder_name,
                    "mimeType": FOLDER_TYPE,
                    "appProperties": { label::FOLDER: self.mark },
                });
                if let Some(shared) = &self.shared {
                    body["parents"] = json!([shared]);
                }
                let made: File = self.api.post("/drive/v3/files", &[("fields", FIELDS)], &body, "making the folder")?;
                // Of two that made one at the same time, both use the older.
                let first = look()?.unwrap_or_else(|| made.id.clone());
                if first != made.id {
                    self.remove(&made.id)?;
                }
                first
            }
        };
        *known = Some(id.clone());
        Ok(id)
    }

    fn forget_folder(&self) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How much room there is, and whose it is.
    fn about(&self) -> Step<About> {
        self.api.get("/drive/v3/about", &[("fields", "user,storageQuota")], "asking for the quota")
    }

    /// Asks a session. Its address is a secret of its own; the token goes along only to where it is meant for.
    fn ask_session(&self, request: Builder, body: SendBody<'_>, session: &str, what: &str) -> Step<Response<Body>> {
        if session.strip_prefix(&self.api.endpoint).is_some_and(|rest| rest.starts_with('/')) {
            return self.api.ask(request, body, what);
        }
        self.api.http.ask(request.body(body).map_err(|_| api::bad_request())?)
    }
}

impl Protocol for Drive {
    fn describe(&self) -> String {
        format!("drive://{}/{}", self.name, self.folder_name)
    }

    fn begin<'a>(&'a self, key: &str, content: &'a Content<'a>) -> Step<Box<dyn Upload + 'a>> {
        Ok(Box::new(Sending::begin(self, key, content)?))
    }

    fn read(&self, key: &str, from: u64) -> Step<Box<dyn Read + Send>> {
        let missing = || Error::new(ErrorKind::NotFound, "object_missing", format!("Not found: {key}"));
        let what = format!("reading {key}");
        let known = self.known().get(key).cloned();
        let id = match &known {
            Some(id) => id.clone(),
            None => self.file_of(key)?.ok_or_else(missing)?.id,
        };
        let mut request = Request::get(self.api.url(&format!("/drive/v3/files/{id}"), &[("alt", "media")]));
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let answer = self.api.ask(request, (), &what)?;
        match (answer.status().as_u16(), from) {
            (200, 0) => {}
            (206, _) if begins(&answer) == Some(from) => {}
            (404, _) if known.is_some() => {
                drop(refused(answer, ""));
                self.known().remove(key);
                return self.read(key, from);
            }
            (200 | 206, _) => {
                let error = Error::new(ErrorKind::Failed, "bad_answer", "Google Drive gave other bytes than asked for");
                return Err(Failure::lasting(error.while_(what)));
            }
            _ => return Err(api::refused(answer, &what)),
        }
        Ok(Box::new(answer.into_body().into_reader()))
    }

    fn find(&self, key: &str) -> Step<Option<ObjectInfo>> {
        Ok(self.file_of(key)?.map(|file| info(key.to_owned(), &file)))
    }

    fn list(&self, _prefix: &str) -> Step<Vec<ObjectInfo>> {
        let query = format!("appProperties has {{ key='{}' and value='{}' }}", label::INSIDE, self.mark);
        let mut files = self.search(&query, "listing")?;
        files.sort_by(|one, other| one.age().cmp(&other.age()));
        let mut found: HashMap<String, ObjectInfo> = HashMap::new();
        for file in &files {
            if let Some(key) = label::key(&file.app_properties) {
                found.entry(key.clone()).or_insert_with(|| {
                    self.remember(&key, &file.id);
                    info(key, file)
                });
            }
        }
        Ok(found.into_values().collect())
    }

    fn delete(&self, key: &str) -> Step<()> {
        for file in self.of_key(key)? {
            self.remove(&file.id)?;
        }
        let known = self.known().get(key).cloned();
        if let Some(id) = known {
            self.remove(&id)?;
            self.known().remove(key);
        }
        Ok(())
    }

    fn free_bytes(&self) -> Step<Option<u64>> {
        // A shared drive has no quota of its own.
        if self.shared.is_some() { Ok(None) } else { Ok(self.about()?.storage_quota.free()) }
    }

    fn link(&self, key: &str) -> Step<Option<String>> {
        let Some(file) = self.file_of(key)? else { return Ok(None) };
        let path = format!("/drive/v3/files/{}", file.id);
        Ok(self.api.get::<Link>(&path, &[("fields", "webViewLink")], "asking for the link")?.web_view_link)
    }

    /// Drive shows nothing of sessions and forgets them after a week.
    fn unfinished(&self) -> Step<Vec<Unfinished>> {
        Ok(Vec::new())
    }

    fn remove_unfinished(&self, upload: &Unfinished) -> Step<()> {
        self.remove(&upload.id)
    }
}

fn info(key: String, file: &File) -> ObjectInfo {
    let modified = file.modified_time.or(file.created_time).unwrap_or_default();
    ObjectInfo { key, bytes: file.bytes(), modified }
}

/// Where the bytes of a partial answer begin (RFC 9110 14.4).
fn begins(answer: &Response<Body>) -> Option<u64> {
    let range = answer.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
