//! The promises of [`Source`], as tests. Use: `recoup_testkit::source_contract!(fresh);` where `fresh` makes a
//! [`Subject`]: a source of an application that lies still.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use recoup::model::{Content, Entry, EntryKind, Sink};
use recoup::progress::{Cancel, Context};
use recoup::source::{Emitted, FileId, Presence, Scope, Source, SourceFactory};
use recoup::{Error, ErrorKind, Result};

#[macro_export]
macro_rules! source_contract {
    ($fresh:expr) => {
        $crate::contract_cases! { source, $fresh,
            nothing_of_the_application_is_changed
            parents_come_before_children_and_each_path_comes_once
            paths_stay_inside
            something_is_always_emitted
            another_run_gives_the_same
            what_is_missing_is_an_error
            what_is_optional_and_missing_is_absent
            a_cancelled_run_is_an_error
            a_run_cancelled_while_bytes_flow_goes_no_further
            a_failure_of_the_sink_comes_out_as_it_was
            the_estimate_is_known_after_the_moment_is_fixed
        }
    };
}

/// A source and the application that it reads.
pub struct Subject {
    /// Makes the source.
    pub make: SourceFactory,
    /// The same, of an application that is not there. `None` when the source cannot be missing.
    pub missing: Option<SourceFactory>,
    /// The same, and its absence is allowed.
    pub optional: Option<SourceFactory>,
    /// The application's directory; nothing in it may change.
    pub application: tempfile::TempDir,
}

/// A sink that keeps everything, with the bytes of files.
#[derive(Default, Clone, Debug)]
pub struct Collected {
    pub entries: Vec<(Entry, Vec<u8>)>,
    pub retracted: u32,
}

impl Collected {
    /// The entry at a path, with its bytes.
    pub fn get(&self, path: &str) -> Option<&(Entry, Vec<u8>)> {
        self.entries.iter().find(|(entry, _)| entry.path.0 == path.as_bytes())
    }
    /// All paths in their order.
    pub fn paths(&self) -> Vec<String> {
        self.entries.iter().map(|(entry, _)| entry.path.to_string()).collect()
    }
}

impl Sink for Collected {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        match content {
            Content::None => assert_ne!(entry.kind, EntryKind::File, "a file without bytes: {}", entry.path),
            Content::Staged(path) => bytes = fs::read(path).unwrap(),
            Content::Stream(stream) => {
                stream.read_to_end(&mut bytes).map_err(|e| Error::io("collecting", e))?;
            }
        }
        self.entries.push((entry.clone(), bytes));
        Ok(())
    }
    fn retract(&mut self) -> Result<()> {
        let (entry, _) = self.entries.pop().expect("nothing to take back");
        assert_eq!(entry.kind, EntryKind::File, "only files are taken back");
        self.retracted += 1;
        Ok(())
    }
}

/// A scope with a staging directory of its own.
pub fn scope(staging: &Path) -> Scope {
    Scope {
        staging: staging.to_owned(),
        context: Context::quiet(),
        excluded: FileId::of(staging).into_iter().collect(),
        databases: vec![],
        secrets: false,
        earlier: None,
    }
}

/// All three steps of a source that is there.
pub fn run(source: &mut dyn Source, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
    assert_eq!(source.begin(scope)?, Presence::Present);
    source.capture(scope)?;
    source.emit(scope, sink)
}

/// All three steps, collected.
pub fn collect(make: &SourceFactory) -> Result<(Collected, Emitted)> {
    let staging = tempfile::tempdir().unwrap();
    let mut collected = Collected::default();
    let mut source = make()?;
    let emitted = run(source.as_mut(), &scope(staging.path()), &mut collected)?;
    Ok((collected, emitted))
}

type State = BTreeMap<PathBuf, (u64, u32, u64, i128, i128, Option<Vec<u8>>)>;

/// Everything that `lstat` and the bytes say of a tree, but for the time of the last access.
fn state(root: &Path) -> State {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = meta.is_file().then(|| fs::read(&path).unwrap());
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let mtime = nanoseconds(meta.mtime(), meta.mtime_nsec());
        let ctime = nanoseconds(meta.ctime(), meta.ctime_nsec());
        found.insert(path, (meta.ino(), meta.mode(), meta.len(), mtime, ctime, bytes));
    }
    found
}

pub fn nothing_of_the_application_is_changed(subject: &Subject) {
    let before = state(subject.application.path());
    collect(&subject.make).unwrap();
    let after = state(subject.application.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before == after, "bytes or times were changed");
}

pub fn parents_come_before_children_and_each_path_comes_once(subject: &Subject) {
    let (collected, _) = collect(&subject.make).unwrap();
    let tree = collected.entries[0].0.kind == EntryKind::Directory;
    let mut seen: BTreeMap<Vec<u8>, EntryKind> = BTreeMap::new();
    for (entry, _) in &collected.entries {
        let path = &entry.path.0;
        if tree && !path.is_empty() {
            let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&[][..], |at| &path[..at]);
            assert_eq!(seen.get(parent), Some(&EntryKind::Directory), "before its parent: {}", entry.path);
        }
        if entry.kind == EntryKind::Hardlink {
            let target = entry.target.as_ref().expect("a hard link has a target");
            assert_eq!(seen.get(&target.0), Some(&EntryKind::File), "before its target: {}", entry.path);
        }
        assert!(seen.insert(path.clone(), entry.kind).is_none(), "twice: {}", entry.path);
    }
    if !tree {
        assert_eq!(collected.entries.len(), 1, "what is not a tree is one file");
    }
}

pub fn paths_stay_inside(subject: &Subject) {
    let (collected, _) = collect(&subject.make).unwrap();
    for (entry, _) in &collected.entries {
        let path = entry.path.as_path();
        assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{path:?}");
        assert!(!entry.path.0.contains(&0), "{path:?}");
    }
}

pub fn something_is_always_emitted(subject: &Subject) {
    let (collected, _) = collect(&subject.make).unwrap();
    assert!(collected.entries.iter().any(|(entry, bytes)| entry.kind == EntryKind::File && !bytes.is_empty()));
    for (entry, bytes) in &collected.entries {
        assert_eq!(entry.size, bytes.len() as u64, "the size of what lies still: {}", entry.path);
    }
}

pub fn another_run_gives_the_same(subject: &Subject) {
    let plain = |collected: Collected| {
        let one = |(entry, bytes): (Entry, Vec<u8>)| (entry.path, entry.kind, entry.target, entry.sqlite, bytes);
        collected.entries.into_iter().map(one).collect::<Vec<_>>()
    };
    let first = plain(collect(&subject.make).unwrap().0);
    assert!(first == plain(collect(&subject.make).unwrap().0));
}

pub fn what_is_missing_is_an_error(subject: &Subject) {
    let Some(missing) = &subject.missing else { return };
    let error = collect(missing).map(|_| ()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Failed), "{error:?}");
    assert!(!error.message().is_empty());
}

pub fn what_is_optional_and_missing_is_absent(subject: &Subject) {
    let Some(optional) = &subject.optional else { return };
    let staging = tempfile::tempdir().unwrap();
    assert_eq!(optional().unwrap().begin(&scope(staging.path())).unwrap(), Presence::Absent);
}

pub fn a_cancelled_run_is_an_error(subject: &Subject) {
    // After how many of the three steps somebody asked us to stop.
    for done in 0..3 {
        let staging = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        let mut scope = scope(staging.path());
        scope.context.cancel = cancel.clone();
        let mut source = (subject.make)().unwrap();
        let mut collected = Collected::default();
        let mut run = || -> Result<bool> {
            for step in 0..3 {
                if step == done {
                    cancel.cancel();
                }
                match step {
                    0 => drop(source.begin(&scope)?),
                    1 => source.capture(&scope)?,
                    _ => drop(source.emit(&scope, &mut collected)?),
                }
            }
            Ok(true)
        };
        match run() {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}"),
            // What was captured already may be handed over: the sink asks for itself.
            Ok(_) => assert!(done == 2 && collected.entries.len() == 1, "went on after step {done}"),
        }
    }
}

pub fn a_run_cancelled_while_bytes_flow_goes_no_further(subject: &Subject) {
    struct CancelsAtTheFirstFile(Cancel, Collected);
    impl Sink for CancelsAtTheFirstFile {
        fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
            if entry.kind == EntryKind::File {
                self.0.cancel();
            }
            self.1.entry(entry, content)
        }
        fn retract(&mut self) -> Result<()> {
            self.1.retract()
        }
    }
    let staging = tempfile::tempdir().unwrap();
    let mut scope = scope(staging.path());
    scope.context.cancel = Cancel::default();
    let mut sink = CancelsAtTheFirstFile(scope.context.cancel.clone(), Collected::default());
    let mut source = (subject.make)().unwrap();
    let result = run(source.as_mut(), &scope, &mut sink).map(|_| ());
    let files = sink.1.entries.iter().filter(|(entry, _)| entry.kind == EntryKind::File).count();
    match result {
        Err(error) => assert!(error.kind() == ErrorKind::Cancelled && files <= 1, "{files} files, {error:?}"),
        // What was the last anyway may be handed over.
        Ok(()) => assert_eq!(sink.1.entries.len(), 1, "went on"),
    }
}

pub fn a_failure_of_the_sink_comes_out_as_it_was(subject: &Subject) {
    struct Full;
    impl Sink for Full {
        fn entry(&mut self, entry: &Entry, _: Content<'_>) -> Result<()> {
            if entry.kind == EntryKind::File { Err(Error::no_space("none at all")) } else { Ok(()) }
        }
        fn retract(&mut self) -> Result<()> {
            panic!("nothing was taken")
        }
    }
    let staging = tempfile::tempdir().unwrap();
    let mut source = (subject.make)().unwrap();
    let error = run(source.as_mut(), &scope(staging.path()), &mut Full).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
}

pub fn the_estimate_is_known_after_the_moment_is_fixed(subject: &Subject) {
    let staging = tempfile::tempdir().unwrap();
    let scope = scope(staging.path());
    let mut source = (subject.make)().unwrap();
    assert_eq!(source.begin(&scope).unwrap(), Presence::Present);
    let early = source.estimate();
    source.capture(&scope).unwrap();
    let late = source.estimate();
    let mut collected = Collected::default();
    source.emit(&scope, &mut collected).unwrap();
    let bytes: u64 = collected.entries.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    // In the file system it is known at once, else when it was captured.
    let estimate = if early > 0 { early } else { late };
    assert!(estimate >= bytes, "{estimate} for {bytes}");
}
