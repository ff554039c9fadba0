//! The files of the stand-in: metadata, listing, download, removal, the quota. What Drive refuses, it refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fields::{Mask, Term, query};
use super::http::{Answer, Request};

const FOLDER: &str = "application/vnd.google-apps.folder";
pub const ROOT: &str = "0AroOtRoOtRoOt";
/// Fields that can be asked for.
const KNOWN: &[&str] = &[
    "kind",
    "id",
    "name",
    "mimeType",
    "parents",
    "appProperties",
    "createdTime",
    "modifiedTime",
    "size",
    "sha256Checksum",
    "trashed",
    "webViewLink",
    "driveId",
    "files",
    "nextPageToken",
    "incompleteSearch",
];
/// What is told when nobody asks for anything.
const USUAL: &str = "kind,id,name,mimeType";
/// Bytes of name and value of a property, and properties of one application.
const PROPERTY: usize = 124;
const PROPERTIES: usize = 30;

/// A file.
#[derive(Debug, Clone)]
pub struct File {
    pub id: String,
    pub name: String,
    pub mime: String,
    pub parents: Vec<String>,
    pub properties: BTreeMap<String, String>,
    pub created: Timestamp,
    pub bytes: Arc<Vec<u8>>,
    pub sha256: String,
    pub trashed: bool,
    pub drive: Option<String>,
}

/// All of them.
#[derive(Default)]
pub struct Files {
    pub all: BTreeMap<String, File>,
    /// Bytes that fit; `None` is without end.
    pub limit: Option<u64>,
    /// Ids of shared drives.
    pub shared: Vec<String>,
    /// Ids that were given out and are not used.
    pub ids: Vec<String>,
    /// Files that a page has at most, whatever is asked for.
    pub page: usize,
    last: Option<Timestamp>,
}

pub fn not_found(id: &str) -> Answer {
    Answer::error(404, "notFound", format!("File not found: {id}."))
}

pub fn invalid(name: &str) -> Answer {
    Answer::error(400, "invalidParameter", format!("Invalid value or unknown parameter: {name}"))
}

/// Refuses parameters that Drive does not know.
pub fn only(request: &Request, known: &[&str]) -> Result<(), Answer> {
    let always = ["fields", "alt", "prettyPrint", "supportsAllDrives"];
    match request.query.keys().find(|name| !known.contains(&name.as_str()) && !always.contains(&name.as_str())) {
        Some(name) => Err(invalid(name)),
        None => Ok(()),
    }
}

pub fn all_drives(request: &Request) -> bool {
    request.of("supportsAllDrives") == Some("true")
}

impl Files {
    pub fn used(&self) -> u64 {
        self.all.values().map(|file| file.bytes.len() as u64).sum()
    }

    /// Always later than before, as it comes.
    pub fn now(&mut self) -> Timestamp {
        let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
        let after = self.last.map(|last| last + SignedDuration::from_millis(1));
        let now = after.map_or(now, |after| now.max(after));
        self.last = Some(now);
        now
    }

    pub fn new_id(&self) -> String {
        format!("1{}", ulid::Ulid::generate())
    }

    /// What the body of a creation says, checked.
    pub fn draft(&mut self, request: &Request, body: &[u8]) -> Result<File, Answer> {
        if request.header("content-type").is_none_or(|kind| kind.split(';').next() != Some("application/json")) {
            return Err(Answer::error(400, "badContent", "Unsupported content with type"));
        }
        let bad = |why: String| Answer::error(400, "invalid", why);
        let body: Value = serde_json::from_slice(body).map_err(|_| Answer::error(400, "parseError", "Parse Error"))?;
        let body = body.as_object().ok_or_else(|| bad("not an object".into()))?;
        let known = ["id", "name", "mimeType", "parents", "appProperties"];
        if let Some(name) = body.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(bad(format!("Unknown name \"{name}\"")));
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut properties = BTreeMap::new();
        for (name, value) in body.get("appProperties").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().ok_or_else(|| bad("a property is no text".into()))?;
            if name.len() + value.len() > PROPERTY {
                return Err(bad(format!("The property {name} is over 124 bytes")));
            }
            properties.insert(name.clone(), value.to_owned());
        }
        if properties.len() > PROPERTIES {
            return Err(Answer::error(403, "appPropertiesLimitExceeded", "too many properties"));
        }
        let id = match text("id") {
            Some(id) if self.all.contains_key(&id) => {
                return Err(Answer::error(409, "fileIdInUse", "A file already exists with the provided ID."));
            }
            Some(id) if !self.ids.contains(&id) => return Err(bad("The provided file ID is not usable.".into())),
            Some(id) => id,
            None => self.new_id(),
        };
        let parents = body.get("parents").map_or(vec![json!(ROOT)], |all| all.as_array().cloned().unwrap_or_default());
        let parents: Vec<String> = parents.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let [parent] = &parents[..] else {
            return Err(Answer::error(403, "multipleParentsUnsupported", "exactly one parent is supported"));
        };
        let drive = self.drive_of(parent);
        let there =
            parent == ROOT || self.shared.contains(parent) || self.all.get(parent).is_some_and(|f| f.mime == FOLDER);
        if !there || (drive.is_some() && !all_drives(request)) {
            return Err(not_found(parent));
        }
        let name = text("name").unwrap_or_else(|| "Untitled".into());
        let mime = text("mimeType").unwrap_or_else(|| "application/octet-stream".into());
        let (created, sha256) = (Timestamp::UNIX_EPOCH, String::new());
        Ok(File { id, name, mime, parents, properties, created, bytes: Arc::default(), sha256, trashed: false, drive })
    }

    fn drive_of(&self, parent: &str) -> Option<String> {
        if self.shared.iter().any(|shared| shared == parent) {
            return Some(parent.to_owned());
        }
        self.all.get(parent)?.drive.clone()
    }

    /// Makes a file of a draft.
    pub fn add(&mut self, mut file: File, bytes: Vec<u8>) -> File {
        file.created = self.now();
        file.sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        file.bytes = Arc::new(bytes);
        self.ids.retain(|id| *id != file.id);
        self.all.insert(file.id.clone(), file.clone());
        file
    }

    pub fn create(&mut self, request: &Request, body: &[u8]) -> Result<Answer, Answer> {
        only(request, &[])?;
        let draft = self.draft(request, body)?;
        let file = self.add(draft, Vec::new());
        self.told(&file, request)
    }

    /// A file as it is told.
    pub fn told(&self, file: &File, request: &Request) -> Result<Answer, Answer> {
        let mask = Mask::read(request.of("fields").unwrap_or(USUAL), KNOWN);
        let mask = mask.map_err(|why| Answer::error(400, "invalidParameter", why))?;
        Ok(Answer::json(200, &mask.of(&document(file))))
    }

    pub fn visible(&self, id: &str, request: &Request) -> Result<&File, Answer> {
        let file = self.all.get(id).filter(|file| file.drive.is_none() || all_drives(request));
        file.ok_or_else(|| not_found(id))
    }

    pub fn get(&self, id: &str, request: &Request) -> Result<Answer, Answer> {
        only(request, &["acknowledgeAbuse"])?;
        let file = self.visible(id, request)?;
        match request.of("alt") {
            None | Some("json") => return self.told(file, request),
            Some("media") => {}
            Some(_) => return Err(invalid("alt")),
        }
        if file.mime == FOLDER {
            return Err(Answer::error(403, "fileNotDownloadable", "Only files with binary content can be downloaded."));
        }
        let total = file.bytes.len() as u64;
        let answer = |status| Answer::new(status).with("content-type", file.mime.clone());
        let Some(range) = request.header("range") else { return Ok(answer(200).body(file.bytes.to_vec())) };
        let (first, last) =
            range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or(invalid("range"))?;
        let first: u64 = first.parse().map_err(|_| invalid("range"))?;
        let last =
            if last.is_empty() { total.saturating_sub(1) } else { last.parse().map_err(|_| invalid("range"))? };
        if first >= total || last < first {
            let mut refused = Answer::error(416, "requestedRangeNotSatisfiable", "Request range not satisfiable");
            refused = refused.with("content-range", format!("bytes */{total}"));
            return Err(refused);
        }
        let last = last.min(total - 1);
        let part = file.bytes[usize::try_from(first).unwrap()..=usize::try_from(last).unwrap()].to_vec();
        Ok(answer(206).with("content-range", format!("bytes {first}-{last}/{total}")).body(part))
    }

    pub fn delete(&mut self, id: &str, request: &Request) -> Result<Answer, Answer> {
        only(request, &[])?;
        self.visible(id, request)?;
        // With a folder goes what is in it.
        let mut gone = vec![id.to_owned()];
        while let Some(id) = gone.pop() {
            self.all.remove(&id);
            gone.extend(self.all.values().filter(|file| file.parents.contains(&id)).map(|file| file.id.clone()));
        }
        Ok(Answer::new(204))
    }

    pub fn list(&self, request: &Request) -> Result<Answer, Answer> {
        let known =
            ["q", "pageSize", "pageToken", "spaces", "corpora", "driveId", "includeItemsFromAllDrives", "orderBy"];
        only(request, &known)?;
        if request.of("alt").is_some_and(|alt| alt != "json") {
            return Err(invalid("alt"));
        }
        let terms = request.of("q").map_or(Some(Vec::new()), query).ok_or_else(|| invalid("q"))?;
        let drive = match (request.of("corpora"), request.of("driveId")) {
            (None | Some("user"), None) => None,
            (Some("drive"), Some(id)) if self.shared.iter().any(|shared| shared == id) => {
                if request.of("includeItemsFromAllDrives") != Some("true") || !all_drives(request) {
                    return Err(Answer::error(403, "teamDrivesParameterMustBeSet", "includeItemsFromAllDrives"));
                }
                Some(id.to_owned())
            }
            (Some("drive"), Some(id)) => {
                return Err(Answer::error(404, "notFound", format!("Shared drive not found: {id}")));
            }
            _ => return Err(invalid("corpora")),
        };
        let size: usize = request.of("pageSize").map_or(Ok(100), str::parse).map_err(|_| invalid("pageSize"))?;
        if !(1..=1000).contains(&size) || request.of("spaces").is_some_and(|spaces| spaces != "drive") {
            return Err(invalid("pageSize or spaces"));
        }
        let mut found: Vec<&File> =
            self.all.values().filter(|file| file.drive == drive && terms.iter().all(|term| fits(file, term))).collect();
        // In no order that anybody could count on.
        found.sort_by_key(|file| Sha256::digest(file.id.as_bytes()).to_vec());
        let start: usize = match request.of("pageToken") {
            Some(token) => {
                token.strip_prefix("~page~").and_then(|at| at.parse().ok()).ok_or_else(|| invalid("pageToken"))?
            }
            None => 0,
        };
        let page: Vec<Value> = found.iter().skip(start).take(size.min(self.page)).map(|file| document(file)).collect();
        let end = start + page.len();
        let mut told = json!({ "kind": "drive#fileList", "incompleteSearch": false, "files": page });
        if end < found.len() {
            told["nextPageToken"] = json!(format!("~page~{end}"));
        }
        let usual = "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)";
        let mask = Mask::read(request.of("fields").unwrap_or(usual), KNOWN);
        Ok(Answer::json(200, &mask.map_err(|why| Answer::error(400, "invalidParameter", why))?.of(&told)))
    }

    pub fn generate_ids(&mut self, request: &Request) -> Result<Answer, Answer> {
        only(request, &["count", "space", "type"])?;
        let count: usize = request.of("count").map_or(Ok(10), str::parse).map_err(|_| invalid("count"))?;
        if !(1..=1000).contains(&count) || request.of("space").is_some_and(|space| space != "drive") {
            return Err(invalid("count or space"));
        }
        let ids: Vec<String> = (0..count).map(|_| self.new_id()).collect();
        self.ids.extend(ids.clone());
        Ok(Answer::json(200, &json!({ "kind": "drive#generatedIds", "space": "drive", "ids": ids })))
    }

    pub fn about(&self, request: &Request) -> Result<Answer, Answer> {
        only(request, &[])?;
        let wanted = request
            .of("fields")
            .ok_or_else(|| Answer::error(400, "required", "The 'fields' parameter is required for this method."))?;
        let mask = Mask::read(wanted, &["user", "storageQuota", "emailAddress", "limit", "usage", "kind"]);
        let mut quota = json!({ "usage": self.used().to_string(), "usageInDriveTrash": "0" });
        if let Some(limit) = self.limit {
            quota["limit"] = json!(limit.to_string());
        }
        let told =
            json!({ "kind": "drive#about", "user": { "emailAddress": "someone@example.org" }, "storageQuota": quota });
        Ok(Answer::json(200, &mask.map_err(|why| Answer::error(400, "invalidParameter", why))?.of(&told)))
    }
}

fn fits(file: &File, term: &Term) -> bool {
    match term {
        Term::Trashed(trashed) => file.trashed == *trashed,
        Term::Name(name) => file.name == *name,
        Term::Type(mime, same) => (file.mime == *mime) == *same,
        Term::Parent(parent) => file.parents.iter().any(|p| p == parent || (p == ROOT && parent == "root")),
        Term::Property(key, value) => file.properties.get(key) == Some(value),
    }
}

fn document(file: &File) -> Value {
    let mut told = json!({
        "kind": "drive#file", "id": file.id, "name": file.name, "mimeType": file.mime, "parents": file.parents,
        "createdTime": millis(file.created), "modifiedTime": millis(file.created), "trashed": file.trashed,
        "webViewLink": format!("https://drive.google.com/file/d/{}/view?usp=drivesdk", file.id),
    });
    if !file.properties.is_empty() {
        told["appProperties"] = json!(file.properties);
    }
    if file.mime != FOLDER {
        told["size"] = json!(file.bytes.len().to_string());
        told["sha256Checksum"] = json!(file.sha256);
    }
    if let Some(drive) = &file.drive {
        told["driveId"] = json!(drive);
    }
    told
}

fn millis(at: Timestamp) -> String {
    format!("{at:.3}")
}
