//! Sources when things are against them: full staging, holes of a terabyte, paths longer than SQLite takes, disks
//! that fail, programs that go on writing, names as long as they may be, bind mounts.
//!
//! What needs a mount is skipped, with the reason, where mounting is not allowed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use recoup::model::*;
use recoup::source::directory::DirectorySource;
use recoup::source::{FileId, Source, factory};
use recoup::{Error, ErrorKind, Result};
use recoup_testkit::contract::source::{Collected, run, scope};
use recoup_testkit::place::{Place, codes};

/// Something mounted for the length of a test.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, said aloud, where mounting is not allowed.
    #[allow(clippy::print_stderr)]
    fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(arguments).arg(at).output();
        if done.is_ok_and(|output| output.status.success()) {
            return Some(Mounted(at.to_owned()));
        }
        eprintln!("skipped: mounting is not allowed here");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn command(script: &str, staging: &Path) -> Result<Collected> {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let spec = SourceSpec::Command(CommandSpec { name: "dump".into(), argv, timeout_ms: 20_000 });
    let mut source = factory(&spec, Path::new("/"), false, Arc::new(Vec::new))()?;
    let mut collected = Collected::default();
    run(source.as_mut(), &scope(staging), &mut collected)?;
    Ok(collected)
}

#[test]
fn output_that_does_not_fit_into_staging_is_never_called_complete() {
    let staging = tempfile::tempdir().unwrap();
    let Some(_full) = Mounted::new(&["-t", "tmpfs", "-o", "size=1m", "none"], staging.path()) else { return };
    // A program that does not care whether its words arrive, and one that does.
    for script in ["head -c 4000000 /dev/zero || true", "head -c 4000000 /dev/zero"] {
        let error = command(script, staging.path()).map(|kept| kept.entries[0].1.len()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::NoSpace, "Not enough disk space"), "{script}");
        assert_eq!(fs::read_dir(staging.path()).unwrap().count(), 0, "something was left in staging");
    }
}

#[test]
fn a_command_cannot_reach_into_what_is_kept_of_it() {
    let staging = tempfile::tempdir().unwrap();
    // With the file itself in its hands a program could cut off what another part of it wrote.
    let kept =
        command("printf 'first '; truncate -s 0 /dev/stdout 2>/dev/null; printf second", staging.path()).unwrap();
    assert_eq!(kept.entries[0].1, b"first second");
}

#[test]
fn output_that_somebody_holds_open_for_ever_is_an_error() {
    let staging = tempfile::tempdir().unwrap();
    let pid = staging.path().join("pid");
    let script = format!(
        "setsid sh -c 'echo $$ > {0}.part; mv {0}.part {0}; exec sleep 60' & \
        while ! [ -e {0} ]; do :; done; echo done",
        pid.display()
    );
    let result = command(&script, staging.path()).map(|kept| kept.entries.len());
    let pid = fs::read_to_string(&pid).unwrap();
    assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
    assert_eq!(result.unwrap_err().code(), "command_left_running");
}

/// Bytes that this thread has read from files so far, and how many of those were asked of the kernel.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// Looks at every byte and keeps none.
#[derive(Default)]
struct Counted {
    bytes: u64,
    not_zero: Vec<(u64, u8)>,
    stop_after: Option<u64>,
}
impl Sink for Counted {
    fn entry(&mut self, _: &Entry, content: Content<'_>) -> Result<()> {
        let Content::Stream(stream) = content else { return Ok(()) };
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = stream.read(&mut buffer).map_err(|e| Error::io("counting", e))?;
            if count == 0 {
                return Ok(());
            }
            for (at, byte) in buffer[..count].iter().enumerate().filter(|(_, byte)| **byte != 0) {
                self.not_zero.push((self.bytes + at as u64, *byte));
            }
            self.bytes += count as u64;
            if self.stop_after.is_some_and(|most| self.bytes > most) {
                return Err(Error::usage("seen_enough", "Seen enough"));
            }
        }
    }
    fn retract(&mut self) -> Result<()> {
        panic!("it lies still")
    }
}

#[test]
fn holes_are_not_read_from_the_disk_and_are_not_expected_as_bytes() {
    let place = Place::new();
    let length: u64 = 64 << 20;
    let marks = [(0, 1), (10 << 20, 2), ((10 << 20) + 300_000, 3), (length - 1, 4)];
    let file = File::create(place.at("holes")).unwrap();
    file.set_len(length).unwrap();
    for (at, byte) in marks {
        file.write_all_at(&[byte], at).unwrap();
    }
    // It ends in a hole, too.
    File::create(place.at("tail")).unwrap().set_len(1 << 20).unwrap();
    let mut source = DirectorySource::new(&place.spec(&[]), Path::new("/")).unwrap();
    let scope = place.scope();
    source.begin(&scope).unwrap();
    let estimate = source.estimate();
    assert!((4..=64 << 10).contains(&estimate), "{estimate} bytes expected");
    let before = bytes_read();
    let mut counted = Counted::default();
    source.emit(&scope, &mut counted).unwrap();
    let read = bytes_read() - before;
    assert_eq!((counted.bytes, counted.not_zero), (length + (1 << 20), marks.to_vec()));
    assert!(read < 2 << 20, "{read} bytes were read for four");
}

#[test]
fn a_sparse_file_of_a_terabyte_is_expected_and_begun_without_reading_it() {
    let place = Place::new();
    File::create(place.at("huge")).unwrap().set_len(1 << 40).unwrap();
    let mut source = DirectorySource::new(&place.spec(&[]), Path::new("/")).unwrap();
    source.begin(&place.scope()).unwrap();
    assert!(source.estimate() < 1 << 20, "{} bytes expected", source.estimate());
    let before = bytes_read();
    let mut counted = Counted { stop_after: Some(512 << 20), ..Counted::default() };
    assert_eq!(source.emit(&place.scope(), &mut counted).unwrap_err().code(), "seen_enough");
    assert!(bytes_read() - before < 1 << 20);
}

#[test]
fn a_second_name_is_not_expected_twice() {
    let place = Place::new();
    place.write("a", vec![1; 100_000]);
    for name in ["b", "c", "d"] {
        fs::hard_link(place.at("a"), place.at(name)).unwrap();
    }
    let mut source = DirectorySource::new(&place.spec(&[]), Path::new("/")).unwrap();
    source.begin(&place.scope()).unwrap();
    assert_eq!(source.estimate(), 100_000);
}

#[test]
fn a_database_behind_a_path_longer_than_sqlite_takes_is_in_the_backup() {
    // SQLite refuses paths over 512 bytes; the file system those over 4096.
    for levels in [3, 19, 25] {
        let place = Place::new();
        drop(place.database("short.db", "CREATE TABLE t(x); INSERT INTO t VALUES (42)"));
        let bytes = fs::read(place.at("short.db")).unwrap();
        let top = place.tree.path().join("d".repeat(200));
        let script = "import os, sys\nfor i in range(int(sys.argv[2])):\n os.makedirs('d'*200, exist_ok=True); os.chdir('d'*200)\n\
            open('far.db', 'wb').write(open(sys.argv[1], 'rb').read()); open('Thumbs.db', 'wb').write(b'x'*4096); open('z', 'w').write('z')";
        let made = Command::new("python3")
            .args(["-c", script])
            .arg(place.at("short.db"))
            .arg(levels.to_string())
            .current_dir(place.tree.path())
            .status();
        assert!(made.unwrap().success() && top.exists());
        let (collected, emitted) = place.collect();
        let far = |name: &str| collected.get(&format!("{}{name}", format!("{}/", "d".repeat(200)).repeat(levels)));
        assert_eq!(far("z").unwrap().1, b"z", "{levels}");
        assert_eq!(far("Thumbs.db").unwrap().1, vec![b'x'; 4096], "{levels}");
        let (entry, kept) = far("far.db").expect("the database is missing");
        assert!(!entry.sqlite && *kept == bytes, "{levels}");
        assert_eq!(codes(&emitted), ["database_path_too_long"], "{levels}");
        assert!(Command::new("rm").arg("-rf").arg(&top).status().unwrap().success());
    }
}

#[test]
fn names_of_255_bytes_are_kept() {
    let place = Place::new();
    let long = vec![0xe4; 255];
    fs::create_dir(place.tree.path().join(OsStr::from_bytes(&long))).unwrap();
    let inside = [&long[..], b"/", &long].concat();
    fs::write(place.tree.path().join(OsStr::from_bytes(&inside)), "x").unwrap();
    // The longest name that leaves SQLite room for `-journal`, and one that does not.
    let [database, longer] = [244, 252].map(|length| format!("{}.db", "n".repeat(length)));
    drop(place.database(&database, "CREATE TABLE t(x)"));
    fs::copy(place.at(&database), place.at(&longer)).unwrap();
    let (collected, emitted) = place.collect();
    assert!(collected.entries.iter().any(|(entry, bytes)| entry.path.0 == inside && bytes == b"x"));
    assert!(collected.get(&database).unwrap().0.sqlite);
    let (entry, bytes) = collected.get(&longer).unwrap();
    assert!(!entry.sqlite && *bytes == fs::read(place.at(&longer)).unwrap());
    assert_eq!(codes(&emitted), ["database_path_too_long"]);
}

// Reading the beginning of a process's memory fails with EIO, as a bad disk does.
#[test]
fn a_file_on_a_failing_disk_is_told_and_the_rest_is_kept() {
    let place = Place::new();
    for name in ["a", "bad", "z"] {
        place.write(name, name);
    }
    let memory = format!("/proc/{}/mem", std::process::id());
    let Some(_bad) = Mounted::new(&["--bind", &memory], &place.at("bad")) else { return };
    assert_eq!(File::open(place.at("bad")).unwrap().read(&mut [0; 9]).unwrap_err().raw_os_error(), Some(5));
    let spec = DirectorySpec { cross_mounts: true, ..place.spec(&[]) };
    let (collected, emitted) = place.collect_with(&spec, &place.scope()).unwrap();
    assert_eq!((collected.paths(), codes(&emitted)), (["", "a", "z"].map(String::from).to_vec(), vec!["unreadable"]));
    assert!(emitted.warnings[0].text.ends_with(": bad"), "{:?}", emitted.warnings);
}

/// Another program that goes on writing until it is dropped.
struct Writer(Child);
impl Writer {
    fn start(script: &str, path: &Path) -> Self {
        let mut child = Command::new("python3").args(["-c", script]).arg(path).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 1];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        Writer(child)
    }
}
impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Goes on with the log only when the other program has written more of it.
struct Patient {
    log: PathBuf,
    collected: Collected,
}
impl Sink for Patient {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        match content {
            Content::Stream(stream) if entry.path.0 == b"log" => {
                let mut first = [0; 9];
                stream.read_exact(&mut first).map_err(|e| Error::io("reading", e))?;
                let start = Instant::now();
                while fs::metadata(&self.log).unwrap().len() <= entry.size {
                    assert!(start.elapsed() < Duration::from_secs(60), "nobody writes");
                    std::thread::yield_now();
                }
                self.collected.entry(entry, Content::Stream(&mut first.chain(stream)))
            }
            content => self.collected.entry(entry, content),
        }
    }
    fn retract(&mut self) -> Result<()> {
        self.collected.retract()
    }
}

#[test]
fn what_another_program_appends_to_all_the_time_is_kept_as_it_once_was_and_told() {
    let place = Place::new();
    place.write("log", vec![b'.'; 3 << 20]);
    place.write("still", "x");
    let script = "import sys\nf = open(sys.argv[1], 'ab', 0)\ni = 0\nwhile True:\n f.write(b'line %d\\n' % i); i += 1\n if i == 1: print('x', flush=True)";
    let writer = Writer::start(script, &place.at("log"));
    let mut sink = Patient { log: place.at("log"), collected: Collected::default() };
    let emitted = place.emit(&place.spec(&[]), &place.scope(), &mut sink).unwrap();
    drop(writer);
    let collected = sink.collected;
    let kept = &collected.get("log").unwrap().1;
    assert!(kept.len() > 3 << 20 && fs::read(place.at("log")).unwrap().starts_with(kept), "not what it once was");
    assert_eq!((collected.retracted, codes(&emitted)), (2, vec!["changed_during_backup"]));
    assert!(emitted.warnings[0].text.ends_with(": log"), "{:?}", emitted.warnings);
    assert_eq!(collected.get("still").unwrap().1, b"x");
}

#[test]
fn a_file_that_another_program_replaces_is_always_one_of_its_versions() {
    let place = Place::new();
    place.write("config", vec![0; 600_000]);
    let script = "import os, sys\np = sys.argv[1]\ni = 0\nwhile True:\n i = (i + 1) % 256\n open(p + '.new', 'wb').write(bytes([i]) * 600000); os.replace(p + '.new', p)\n if i == 1: print('x', flush=True)";
    let _writer = Writer::start(script, &place.at("config"));
    for _ in 0..20 {
        let (collected, _) = place.collect_with(&place.spec(&["*.new"]), &place.scope()).unwrap();
        let bytes = &collected.get("config").expect("it was there all the time").1;
        assert!(bytes.len() == 600_000 && bytes.iter().all(|byte| *byte == bytes[0]), "two versions mixed");
    }
}

#[test]
fn a_destination_is_left_out_through_links_and_bind_mounts_as_well() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("old.zip"), "canary").unwrap();
    place.write("data", "x");
    fs::create_dir(place.at("bound")).unwrap();
    symlink(outside.path(), place.at("linked")).unwrap();
    let mut scope = place.scope();
    scope.excluded.push(FileId::of(&place.at("linked")).unwrap());
    let bound = Mounted::new(&["--bind", outside.path().to_str().unwrap()], &place.at("bound"));
    let crossing = DirectorySpec { cross_mounts: true, ..place.spec(&[]) };
    let (collected, emitted) = place.collect_with(&crossing, &scope).unwrap();
    assert!(collected.entries.iter().all(|(_, bytes)| bytes != b"canary"));
    assert_eq!(collected.get("linked").unwrap().0.kind, EntryKind::Symlink);
    if bound.is_some() {
        assert_eq!(
            (collected.paths(), codes(&emitted)),
            (["", "data", "linked"].map(String::from).to_vec(), vec!["destination_left_out"])
        );
    }
    // Named by another name, the source is still the destination.
    let spec = DirectorySpec { path: place.at("linked"), ..place.spec(&[]) };
    let error = place.collect_with(&spec, &scope).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "destination_inside_source");
}

#[test]
fn what_could_not_be_read_is_named_twenty_times() {
    let place = Place::new();
    for number in 0..30 {
        place.write(&format!("{number:02}"), "x");
    }
    struct RemovesTheRest<'a>(&'a Place, Collected);
    impl Sink for RemovesTheRest<'_> {
        fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
            if entry.path.0 == b"00" {
                (1..30).for_each(|number| fs::remove_file(self.0.at(&format!("{number:02}"))).unwrap());
            }
            self.1.entry(entry, content)
        }
        fn retract(&mut self) -> Result<()> {
            self.1.retract()
        }
    }
    let mut sink = RemovesTheRest(&place, Collected::default());
    let emitted = place.emit(&place.spec(&[]), &place.scope(), &mut sink).unwrap();
    let names: Vec<String> = (1..=20).map(|number| format!("{number:02}")).collect();
    let expected = format!("tree: 29 vanished before they could be read: {}, …", names.join(", "));
    assert_eq!(emitted.warnings[0].text, expected);
}
