//! Archives without a manifest beside them: one of ours as a bare file, or one that another program made in the
//! layout `database.db`, folders, `settings.json`, `metadata.json`. Either is judged, read once to its last byte, and
//! comes out as a reader and a manifest like those of any backup.
//!
//! Not here: files that are no archives, and making a backup of ours from a foreign one ([`super::adopt`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::archive::METADATA;
use super::archive::listing::{Member, shown};
use super::archive::policy::{Limits, folded};
use super::archive::reader::{ArchiveReader, Made};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    BackupId, DirectoryFacts, Entry, EntryKind, Format, Kind, MANIFEST_VERSION, Manifest, Part, PartKind, PathBytes,
    Plan, SettingsFacts, Warning,
};
use crate::progress::{Context, Phase};
use crate::sqlite::untrusted::{Guard, open_untrusted};

pub(super) const DATABASE: &str = "database.db";
/// The member by which a CSV export of ours is known.
const COVERAGE: &str = "coverage.json";
const SETTINGS: &str = "settings.json";
/// Small documents of somebody else, in bytes.
const DOCUMENT: usize = 1 << 20;

/// Opens an archive whose manifest is inside it, or nowhere. Whatever is wrong with it is `Backup file is
/// corrupted` with the reason as its cause; a newer one of ours is `Backup from newer version, cannot restore`.
///
/// The reader keeps the file open: what was judged is what is read later, whatever happens to the path. `scratch` is
/// a private folder with room for the largest database in the archive; nothing stays there.
pub fn open(path: &Path, limits: &Limits, scratch: &Path, context: &Context) -> Result<(ArchiveReader, Manifest)> {
    open_file(open_plain(path)?, path, limits, scratch, context)
}

/// Opens a file that is one, and does not wait for a pipe that looks like one.
pub(super) fn open_plain(path: &Path) -> Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(|e| Error::at("opening", path, e))?;
    let meta = file.metadata().map_err(|e| Error::at("looking at", path, e))?;
    if !meta.is_file() {
        return Err(Error::usage("not_a_file", format!("Not a file: {}", path.display())));
    }
    Ok(file)
}

/// As [`open`], for a file that is open; the path only gives a name.
pub(super) fn open_file(
    file: File,
    path: &Path,
    limits: &Limits,
    scratch: &Path,
    context: &Context,
) -> Result<(ArchiveReader, Manifest)> {
    let again = file.try_clone().map_err(|e| Error::at("opening", path, e))?;
    let mut reader = ArchiveReader::of_file(file, limits)?;
    if is_ours(&mut reader, context)? {
        let manifest = reader.manifest()?;
        reader.admit(&manifest)?;
        context.observer.phase(Phase::Verify, "archive", Some(manifest.parts.iter().map(|part| part.bytes).sum()));
        return match reader.check(&manifest, context)?.first() {
            None => Ok((reader, manifest)),
            Some(problem) => Err(Error::corrupted(problem.text.clone())),
        };
    }
    if reader.has(COVERAGE)? && !reader.has(DATABASE)? {
        return Err(Error::new(ErrorKind::Unsupported, "csv_not_restorable", "A CSV export cannot be restored")
            .hint("CSV is an export for other tools; restore a backup in another format"));
    }
    drop(reader);
    let reader = ArchiveReader::of_file(again, &limits.foreign())?;
    let taken = Taking { reader, scratch, context, parts: Vec::new(), names: BTreeSet::new(), warnings: Vec::new() };
    taken.take(path)
}

fn is_ours(reader: &mut ArchiveReader, context: &Context) -> Result<bool> {
    #[derive(Deserialize)]
    struct Ours {
        recoup_manifest: Option<IgnoredAny>,
    }
    if !reader.has(METADATA)? {
        return Ok(false);
    }
    let document = reader.read_document(METADATA, context)?;
    match serde_json::from_slice::<Ours>(&document) {
        Ok(ours) => Ok(ours.recoup_manifest.is_some()),
        Err(error) => Err(Error::corrupted(format!("{METADATA}: {error}"))),
    }
}

/// What `metadata.json` of another program may tell; everything is optional, and what has another shape is nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    app: Option<Text>,
    version: Option<Text>,
    #[serde(alias = "createdAt", alias = "timestamp", alias = "date")]
    created_at: Option<Text>,
    #[serde(alias = "directories")]
    folders: Option<Vec<Text>>,
}

/// A short text; any other value is none.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any {
            Text(String),
            Number(f64),
            Other(IgnoredAny),
        }
        Ok(Text(match Any::deserialize(deserializer)? {
            Any::Text(text) if text.len() <= 255 && !text.chars().any(char::is_control) => Some(text),
            Any::Number(number) => Some(number.to_string()),
            Any::Text(_) | Any::Other(IgnoredAny) => None,
        }))
    }
}

impl Metadata {
    fn text(value: Option<&Text>) -> Option<&str> {
        value.and_then(|text| text.0.as_deref())
    }
}

/// A foreign archive on its way to a manifest.
pub(super) struct Taking<'a> {
    pub reader: ArchiveReader,
    pub scratch: &'a Path,
    pub context: &'a Context,
    pub parts: Vec<Part>,
    /// Names of parts, folded.
    names: BTreeSet<String>,
    pub warnings: Vec<Warning>,
}

/// What a tree holds: every path with `/` as the lowest byte, so that a folder comes before what is in it.
type Tree = BTreeMap<Vec<u8>, Option<Member>>;

/// The folders at the top, further files there, and the newest time.
type Sorted = (BTreeMap<String, Tree>, Vec<String>, Option<i64>);

impl Taking<'_> {
    fn take(mut self, path: &Path) -> Result<(ArchiveReader, Manifest)> {
        self.context.check()?;
        let metadata = self.metadata()?;
        let declared = metadata.folders.as_ref().map(|folders| {
            folders.iter().filter_map(|folder| folder.0.as_deref()).map(|name| name.trim_end_matches('/')).collect()
        });
        let (trees, loose, newest) = self.sort(declared)?;
        let now = self.context.clock.now();
        let told = Metadata::text(metadata.created_at.as_ref()).and_then(moment);
        let newest = newest.and_then(|seconds| Timestamp::from_second(seconds).ok());
        // A time that has not come would outlive every rule of retention.
        let created_at = told.or(newest).unwrap_or(now).min(now);
        let mut made = Made::new();
        let pocketbase = self.is_pocketbase()?;
        self.top(&loose, &mut made)?;
        for (folder, tree) in trees {
            self.tree(&folder, &tree, created_at, &mut made)?;
        }
        if self.reader.has(SETTINGS)? {
            self.settings()?;
        }
        if self.parts.is_empty() {
            return Err(Error::corrupted("it has neither a database nor folders nor settings"));
        }
        let unnamed = if pocketbase { "PocketBase" } else { "another program" };
        let maker = Metadata::text(metadata.app.as_ref()).unwrap_or(unnamed);
        let version = Metadata::text(metadata.version.as_ref()).unwrap_or_default();
        let made_by = format!("{maker} {version}").trim_end().to_owned();
        let text = format!("Made by {made_by}: that nothing is missing in it, only {made_by} knows");
        self.warnings.insert(0, Warning::new("foreign_archive", text));
        let manifest = Manifest {
            recoup_manifest: MANIFEST_VERSION,
            made_by,
            id: BackupId::generate(created_at),
            plan: plan_of(path),
            kind: Kind::Upload,
            format: Format::Archive,
            label: None,
            created_at,
            duration_ms: 0,
            host: None,
            parts: self.parts,
            objects: Vec::new(),
            verified: None,
            warnings: self.warnings,
            audit: None,
            local_only: false,
            encryption: None,
            history: None,
            state: None,
            same_as: None,
        };
        Ok((self.reader.with_lists(made), manifest))
    }

    fn metadata(&mut self) -> Result<Metadata> {
        if !self.reader.has(METADATA)? {
            return Ok(Metadata::default());
        }
        let document = self.reader.read_document(METADATA, self.context)?;
        let wrong = |why: String| Error::corrupted(format!("{METADATA}: {why}"));
        if document.len() > DOCUMENT {
            return Err(wrong("it is too large".into()));
        }
        serde_json::from_slice(&document).map_err(|error| wrong(error.to_string()))
    }

    /// Every member is one of the known files or lies in an allowed folder; a data folder of PocketBase has further files.
    fn sort(&self, declared: Option<Vec<&str>>) -> Result<Sorted> {
        let (pocketbase, mut loose) = (self.is_pocketbase()?, Vec::new());
        let mut trees: BTreeMap<String, Tree> = BTreeMap::new();
        let mut spellings: BTreeMap<String, String> = BTreeMap::new();
        let mut newest = None;
        for member in self.reader.members() {
            let member = member?;
            newest = newest.max(member.seconds());
            if [DATABASE, SETTINGS, METADATA].contains(&&*member.name) {
                continue;
            }
            let refuse = |why: &str| Err(Error::corrupted(format!("member {} {why}", shown(&member.name))));
            let path = member.name.trim_end_matches('/').to_owned();
            let top = match path.split_once('/') {
                Some((top, _)) => top.to_owned(),
                None if member.is_folder() => path.clone(),
                None if pocketbase => {
                    if spellings.insert(folded(&path), path.clone()).is_some() {
                        return refuse("has the same name as another");
                    }
                    loose.push(path);
                    continue;
                }
                None => return refuse("is not a file that is known here"),
            };
            if declared.as_ref().is_some_and(|declared| !declared.contains(&&*top)) {
                return refuse("lies in a folder that its metadata does not name");
            }
            // Folders that are only implied may be twins by case, or files, just as well.
            for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                let spelling = spellings.entry(folded(&path[..end])).or_insert_with(|| path[..end].to_owned());
                if *spelling != path[..end] {
                    return refuse("has the same name as another");
                }
            }
            let tree = trees.entry(top.clone()).or_default();
            tree.entry(Vec::new()).or_insert(None);
            let inside = path[top.len()..].trim_start_matches('/');
            for (end, _) in inside.match_indices('/') {
                tree.entry(sorted(&inside[..end])).or_insert(None);
            }
            let replaced = tree.insert(sorted(inside), Some(member));
            debug_assert!(replaced.flatten().is_none());
        }
        for tree in trees.values() {
            let mut file: Option<&[u8]> = None;
            for (path, member) in tree {
                if file.is_some_and(|file| path.starts_with(file) && path.get(file.len()) == Some(&0)) {
                    return Err(Error::corrupted("a member is both a file and a folder"));
                }
                file = member.as_ref().filter(|member| !member.is_folder()).map(|_| &**path);
            }
        }
        Ok((trees, loose, newest))
    }

    fn settings(&mut self) -> Result<()> {
        let document = self.reader.read_document(SETTINGS, self.context)?;
        let wrong = |why: String| Error::corrupted(format!("{SETTINGS}: {why}"));
        if document.len() > DOCUMENT {
            return Err(wrong("it is too large".into()));
        }
        let Keys(keys) = serde_json::from_slice(&document).map_err(|error| wrong(error.to_string()))?;
        let facts = SettingsFacts { count: keys, left_out: Vec::new(), secrets: 0 };
        let (bytes, sha256) = (document.len() as u64, HEXLOWER.encode(&Sha256::digest(&document)));
        let name = self.name("settings");
        self.parts.push(Part { settings: Some(facts), ..part(name, PartKind::Settings, SETTINGS, bytes, sha256) });
        Ok(())
    }

    /// Reads every file of a tree and makes the contents list that the archive does not have.
    fn tree(&mut self, folder: &str, tree: &Tree, created_at: Timestamp, made: &mut Made) -> Result<()> {
        let facts = DirectoryFacts { list: format!("{folder}.entries.jsonl"), ..DirectoryFacts::default() };
        let bytes = tree.values().flatten().map(|member| member.size).sum();
        self.context.observer.phase(Phase::Verify, folder, Some(bytes));
        let kept = Private::new(self.scratch, "entries")?;
        let file = kept.create()?;
        let mut list = BufWriter::new(file.try_clone().map_err(|e| Error::at("opening", &kept.0, e))?);
        let (mut hash, mut facts) = (Sha256::new(), facts);
        for (path, member) in tree {
            let path = PathBytes(path.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect());
            let entry = match member {
                Some(member) if !member.is_folder() => {
                    let (size, sha256) = self.reader.read_member(&member.name, self.context, &mut |_| Ok(()))?;
                    facts.files += 1;
                    // Somebody else's rights are not taken over, but what can be executed stays so.
                    let mode = 0o600 | member.mode.unwrap_or(0o644) & 0o755;
                    Entry { mode, mtime_ns: nanoseconds(member), sha256: Some(sha256), ..Entry::file(path, size) }
                }
                folder => {
                    facts.directories += 1;
                    let implied = i64::try_from(created_at.as_nanosecond()).unwrap_or(0);
                    let mtime_ns = folder.as_ref().map_or(implied, nanoseconds);
                    Entry { kind: EntryKind::Directory, mode: 0o755, mtime_ns, ..Entry::file(path, 0) }
                }
            };
            let mut line = serde_json::to_vec(&entry).map_err(|e| Error::corrupted(e.to_string()))?;
            line.push(b'\n');
            hash.update(&line);
            list.write_all(&line).map_err(|e| Error::at("writing", &kept.0, e))?;
        }
        list.flush().map_err(|e| Error::at("writing", &kept.0, e))?;
        made.insert(facts.list.clone(), Arc::new(file));
        let (name, sha256) = (self.name(folder), HEXLOWER.encode(&hash.finalize()));
        self.parts.push(Part { directory: Some(facts), ..part(name, PartKind::Directory, folder, bytes, sha256) });
        Ok(())
    }

    /// A name for a part that is free and may be part of a path.
    pub(super) fn name(&mut self, wanted: &str) -> String {
        let mut base: String = wanted.trim_start_matches('.').to_owned();
        while base.len() > 90 {
            base.pop();
        }
        let base = if base.is_empty() { "folder".to_owned() } else { base };
        let numbered = |n: usize| if n == 1 { base.clone() } else { format!("{base}-{n}") };
        let mut n = 1;
        while !self.names.insert(folded(&numbered(n))) {
            n += 1;
        }
        numbered(n)
    }
}

/// A time with its zone, or one without, which is taken as UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let utc = |text: &str| text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    text.parse().ok().or_else(|| utc(text).map(|at| at.timestamp()))
}

pub(super) fn part(name: String, kind: PartKind, path: &str, bytes: u64, sha256: String) -> Part {
    let (origin, database, directory, settings) = (None, None, None, None);
    Part {
        name,
        kind,
        path: path.to_owned(),
        origin,
        bytes,
        sha256,
        absent: false,
        database,
        directory,
        settings,
        file: None,
    }
}

/// The facts of a stranger's database, which has passed every check there is.
pub(super) fn sound_database(
    path: &Path,
    name: &str,
    journal_mode: Option<&str>,
    warnings: &mut Vec<Warning>,
    context: &Context,
) -> Result<crate::model::DatabaseFacts> {
    let blame = |error: Error| match error.kind() {
        ErrorKind::Corrupted => error.while_(format!("checking {name}")),
        _ => error,
    };
    let database = open_untrusted(path, &Guard::stranger(), context).map_err(blame)?;
    let checked = database.check().map_err(blame)?;
    if let Some(problem) = checked.problems.first() {
        return Err(blame(Error::corrupted(problem.text.clone())));
    }
    let mut facts = database.facts(journal_mode).map_err(blame)?;
    for unchecked in
        checked.unchecked.into_iter().filter(|unchecked| !facts.unchecked.contains(unchecked)).collect::<Vec<_>>()
    {
        facts.unchecked.push(unchecked);
    }
    facts.foreign_key_violations = checked.foreign_key_violations;
    if !facts.unchecked.is_empty() {
        let text = format!("{name}: not checked: {}", facts.unchecked.join(", "));
        warnings.push(Warning::new("not_fully_checked", text));
    }
    Ok(facts)
}

/// The name of a plan for a file that came from elsewhere, without the time that such names usually end in.
pub fn plan_of(path: &Path) -> String {
    let name = Plan::name_of(path);
    // Six characters of an id follow the time in names of ours.
    let stem = match name.len().checked_sub(7).map(|at| name.split_at(at)) {
        Some((stem, id)) if stem.ends_with('z') && id.starts_with('-') => stem,
        _ => &name,
    };
    let bare = stem.trim_end_matches(|c: char| c.is_ascii_digit() || "tz-_.".contains(c));
    let cut = stem[bare.len()..].bytes().filter(u8::is_ascii_digit).count();
    if cut >= 8 && !bare.is_empty() { bare.to_owned() } else { name }
}

/// How many keys a JSON object has; none may come twice. Other documents have none.
struct Keys(u64);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Keys;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> std::result::Result<Keys, A::Error> {
                let mut keys = BTreeSet::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    if !keys.insert(key) {
                        return Err(serde::de::Error::custom("a key comes twice"));
                    }
                }
                Ok(Keys(keys.len() as u64))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn sorted(path: &str) -> Vec<u8> {
    path.bytes().map(|byte| if byte == b'/' { 0 } else { byte }).collect()
}

fn nanoseconds(member: &Member) -> i64 {
    member.seconds().and_then(|seconds| seconds.checked_mul(1_000_000_000)).unwrap_or(0)
}

/// A file in scratch that is gone when this is.
pub(super) struct Private(pub PathBuf);

impl Private {
    pub fn new(scratch: &Path, what: &str) -> Result<Self> {
        Ok(Private(scratch.join(format!("foreign-{}.{what}", ulid::Ulid::generate()))))
    }

    pub fn create(&self) -> Result<File> {
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&self.0);
        file.map_err(|e| Error::at("creating", &self.0, e))
    }

    /// The file stays; its path.
    pub fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.0);
        }
    }
}
