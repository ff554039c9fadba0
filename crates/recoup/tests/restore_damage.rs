//! Restores of damaged backups, of backups that are exchanged meanwhile, and past links that somebody plants: nothing
//! is changed, nothing is mixed, nothing is written elsewhere.
//!
//! Not here: crashes and full disks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ground;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ground::{At, Ground, told};
use recoup::ErrorKind;
use recoup::model::Format;
use recoup::progress::{Context, Phase};
use recoup::restore::{self, Opened, Places, Request};
use recoup::store::Listed;
use recoup_testkit::faults::soak;
use recoup_testkit::random::Random;
use recoup_testkit::tree::files;

/// Every file of the application, byte for byte. Nobody has its database open.
fn bytes(ground: &Ground) -> BTreeMap<String, Vec<u8>> {
    files(&ground.app()).into_iter().map(|name| (name.clone(), fs::read(ground.at(&name)).unwrap())).collect()
}

fn objects(ground: &Ground, listed: &Listed) -> Vec<PathBuf> {
    let folder = ground.root().join("backups/app");
    listed.manifest.objects.iter().map(|object| folder.join(&object.name)).collect()
}

fn small(format: Format) -> (Ground, Listed) {
    let mut ground = Ground::of(&["app.db"]);
    ground.sql(
        "app.db",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t(x) VALUES ('one'), ('two'), (x'0001')",
    );
    if format == Format::Archive {
        ground.add("data/", &[]);
        ground.add("config.yml", &[]);
        ground.write("data/a.txt", "a");
        ground.write("data/sub/b.txt", "b");
        ground.write("config.yml", "one");
    }
    let listed = ground.back_up_as(format);
    ground.sql("app.db", "UPDATE t SET x = 'changed'");
    if format == Format::Archive {
        ground.write("data/a.txt", "changed");
        ground.write("config.yml", "changed");
    }
    (ground, listed)
}

/// Damage of an object must be refused, or must not matter.
struct Damaged {
    ground: Ground,
    listed: Listed,
    object: PathBuf,
    whole: Vec<u8>,
    changed: BTreeMap<String, Vec<u8>>,
    original: BTreeMap<String, String>,
    refused: usize,
    good: usize,
}

impl Damaged {
    fn new(format: Format) -> Self {
        let (ground, listed) = small(format);
        ground.restore(&listed).unwrap();
        let original = ground.state();
        ground.undo().unwrap();
        let object = objects(&ground, &listed).remove(0);
        let (whole, changed) = (fs::read(&object).unwrap(), bytes(&ground));
        Damaged { ground, listed, object, whole, changed, original, refused: 0, good: 0 }
    }

    fn try_with(&mut self, damaged: &[u8], what: &str) {
        fs::write(&self.object, damaged).unwrap();
        match self.ground.restore(&self.listed) {
            Ok(_) => {
                assert_eq!(self.ground.state(), self.original, "{what}");
                self.ground.undo().unwrap();
                self.changed = bytes(&self.ground);
                self.good += 1;
            }
            Err(error) => {
                assert_eq!(error.message(), "Backup file is corrupted", "{what}: {}", told(&error));
                assert_eq!(error.kind(), ErrorKind::Corrupted);
                assert!(bytes(&self.ground) == self.changed, "{what}: the live data was touched");
                self.refused += 1;
            }
        }
        fs::write(&self.object, &self.whole).unwrap();
    }
}

#[test]
fn any_flipped_bit_and_any_truncation_is_refused_or_does_not_matter() {
    for format in [Format::Archive, Format::Database, Format::Json] {
        let mut damaged = Damaged::new(format);
        let mut random = Random(format as u64);
        for n in 0..if soak() { 2000 } else { 170 } {
            let at = random.below(damaged.whole.len() as u64 * 8);
            let mut bytes = damaged.whole.clone();
            bytes[(at / 8) as usize] ^= 1 << (at % 8);
            damaged.try_with(&bytes, &format!("{format} bit {at} ({n})"));
        }
        for percent in 0..100 {
            let length = damaged.whole.len() * percent / 100;
            let bytes = damaged.whole[..length].to_vec();
            damaged.try_with(&bytes, &format!("{format} cut to {percent} %"));
        }
        // Of a ZIP some bits are said twice, or are of no meaning.
        assert!(damaged.good < 100 && damaged.refused > 160, "{format}: {} good", damaged.good);
        assert!(format == Format::Archive || damaged.good == 0, "{format}: {} good", damaged.good);
        damaged.ground.is_tidy();
        damaged.ground.restore(&damaged.listed).unwrap();
        assert_eq!(damaged.ground.state(), damaged.original);
    }
}

#[test]
fn a_missing_object_is_refused_and_nothing_is_changed() {
    for format in [Format::Archive, Format::Database, Format::Json, Format::Both] {
        let (ground, listed) = small(format);
        let before = bytes(&ground);
        fs::remove_file(&objects(&ground, &listed)[0]).unwrap();
        let listed = ground.listed(listed.manifest.id.as_str());
        let error = ground.restore(&listed).unwrap_err();
        assert_eq!(error.message(), "Backup file is corrupted", "{}", told(&error));
        assert!(bytes(&ground) == before);
        ground.is_tidy();
    }
}

/// Restores with a backup that was opened before.
fn restore_opened(ground: &Ground, opened: &mut Opened, context: &Context) -> recoup::Result<()> {
    let places = Places::of_plan(&opened.manifest, &ground.sources, &ground.app()).unwrap();
    let stores = [ground.store()];
    let request = Request {
        only: &[],
        places: &places,
        stores: &stores,
        undoes: None,
        force: true,
        hooks: &[],
        environment: std::sync::Arc::new(Vec::new),
        busy: Duration::from_secs(5),
        seen: None,
        host: None,
    };
    restore::run(opened, &request, context).map(drop)
}

#[test]
fn a_backup_that_is_exchanged_after_it_was_opened_is_never_mixed() {
    for format in [Format::Archive, Format::Database, Format::Json] {
        let (ground, listed) = small(format);
        ground.restore(&listed).unwrap();
        let original = ground.state();
        // Another backup of the same shape, with other content, in the place of the first one.
        ground.sql("app.db", "UPDATE t SET x = 'evil'");
        if format == Format::Archive {
            ground.write("data/a.txt", "e");
        }
        let other = ground.back_up_as(format);
        let (object, evil) = (objects(&ground, &listed).remove(0), objects(&ground, &other).remove(0));
        let whole = fs::read(&object).unwrap();
        let before = ground.state();
        for n in 1..if soak() { 1000 } else { 12 } {
            let scratch = tempfile::tempdir().unwrap();
            let mut opened =
                Opened::stored(ground.store().as_ref(), &listed, scratch.path(), &Context::quiet()).unwrap();
            let (from, to) = (evil.clone(), object.clone());
            let context = At::nth(Phase::Restore, 1 + n % 3, move |_| {
                let aside = to.with_extension("evil");
                fs::copy(&from, &aside).unwrap();
                fs::rename(&aside, &to).unwrap();
            });
            match restore_opened(&ground, &mut opened, &context) {
                Ok(()) => assert_eq!(ground.state(), original, "{format} {n}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupted, "{format} {n}: {}", told(&error));
                    assert_eq!(ground.state(), before, "{format} {n}");
                }
            }
            fs::write(&object, &whole).unwrap();
            ground.restore(&other).unwrap();
        }
    }
}

/// Everything outside that an attacker would like to have written.
fn treasure(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    for name in files(root) {
        let path = root.join(&name);
        found.insert(path.clone(), (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().permissions().mode()));
    }
    found
}

#[test]
fn links_planted_in_the_target_and_in_the_stage_lead_nowhere() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let ground = Ground::of(&["app.db", "data/", "config.yml"]);
    ground.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    ground.write("data/a.txt", "from the backup");
    ground.write("data/sub/b.txt", "from the backup");
    ground.write("config.yml", "from the backup");
    let listed = ground.back_up();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("sub")).unwrap();
    for name in ["a.txt", "config.yml", "sub/b.txt", "app.db", "new-1"] {
        fs::write(outside.path().join(name), "treasure").unwrap();
        fs::set_permissions(outside.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let before = treasure(outside.path());
    let (stop, planted) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut good = 0;
    std::thread::scope(|threads| {
        let (ground, stop, planted, outside) = (&ground, &stop, &planted, outside.path());
        // Owns the folder, as an application does whose data root restores.
        let plant = move |lead: &Path, at: &Path| {
            let made = ground.root().join("link");
            let planted =
                symlink(lead, &made).and_then(|()| std::os::unix::fs::lchown(&made, Some(12345), Some(12345)));
            planted.and_then(|()| fs::rename(&made, at)).is_ok()
        };
        threads.spawn(move || {
            let targets = [("data", outside.to_owned()), ("config.yml", outside.join("config.yml"))];
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let (name, lead) = &targets[n % 2];
                let aside = ground.root().join(format!("aside-{name}"));
                if fs::rename(ground.at(name), &aside).is_ok() {
                    planted.fetch_add(usize::from(plant(lead, &ground.at(name))), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(200));
                    let _ = fs::remove_file(ground.at(name));
                    let _ = fs::rename(&aside, ground.at(name));
                }
                let stage = ground.app().join(".recoup-restore");
                let moved = ground.root().join(format!("moved-{n}"));
                if n % 8 == 0 && fs::rename(&stage, &moved).is_ok() {
                    planted.fetch_add(usize::from(plant(outside, &stage)), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(300));
                    let _ = fs::remove_file(&stage);
                    if fs::rename(&moved, &stage).is_err() {
                        let _ = fs::remove_dir_all(&moved);
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        for _ in 0..if soak() { 500 } else { 40 } {
            good += usize::from(ground.restore(&listed).is_ok());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(planted.load(Ordering::Relaxed) > 20, "{planted:?} links planted");
    let now = treasure(outside.path());
    let differs: Vec<_> = now.iter().filter(|(path, content)| before.get(*path) != Some(content)).collect();
    assert!(now == before, "{good} good; outside now: {differs:?}");
    // Undisturbed it works again.
    let _ = fs::remove_dir_all(ground.app().join(".recoup-restore"));
    for name in ["data", "config.yml"] {
        let aside = ground.root().join(format!("aside-{name}"));
        if !ground.at(name).exists() && aside.exists() {
            fs::rename(aside, ground.at(name)).unwrap();
        }
    }
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.read("data/sub/b.txt"), "from the backup");
}

#[test]
fn a_journal_that_somebody_else_wrote_is_not_carried_out() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "treasure").unwrap();
    let app = folder.path().join("app");
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let stage = app.join(".recoup-restore").join(id);
    fs::create_dir_all(&stage).unwrap();
    fs::write(stage.join("evil"), "evil").unwrap();
    use std::os::unix::fs::MetadataExt;
    let meta = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).unwrap();
    let journal = serde_json::json!({
        "recoup_journal": 1, "id": id, "plan": "app", "restored": id, "safety": null, "undoes": null,
        "at": "2026-01-01T00:00:00Z", "parts": ["x"], "followers": [], "databases": [], "folders": [],
        "units": [{ "target": victim, "staged": stage.join("evil"), "aside": stage.join("aside"),
                    "new": meta(&victim), "old": meta(&stage.join("evil")) }],
    });
    fs::write(stage.join("journal.json"), journal.to_string()).unwrap();
    for path in [&app, &app.join(".recoup-restore"), &stage] {
        std::os::unix::fs::chown(path, Some(12345), Some(12345)).unwrap();
    }
    let error = restore::recover::folder(&app, &|_| None, Duration::ZERO, &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "restore_of_another"), "{}", told(&error));
    assert!(error.message().contains("12345"), "{}", told(&error));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "treasure");
    // In a folder of everybody's a stranger cannot even be in the way.
    std::os::unix::fs::chown(&app, Some(0), Some(0)).unwrap();
    assert!(restore::recover::folder(&app, &|_| None, Duration::ZERO, &Context::quiet()).unwrap().is_empty());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "treasure");
}

#[test]
fn damage_in_the_middle_of_a_restore_leaves_everything_as_it_was() {
    // The archive is written to in place while it is read: by descriptor it is the same file.
    let (ground, listed) = small(Format::Archive);
    let object = objects(&ground, &listed).remove(0);
    let before = bytes(&ground);
    let scratch = tempfile::tempdir().unwrap();
    let mut opened = Opened::stored(ground.store().as_ref(), &listed, scratch.path(), &Context::quiet()).unwrap();
    let context = At::nth(Phase::Restore, 2, move |_| {
        let file = fs::File::options().write(true).open(&object).unwrap();
        let length = file.metadata().unwrap().len();
        file.write_all_at(&vec![0; length as usize - 200], 100).unwrap();
    });
    let error = restore_opened(&ground, &mut opened, &context).unwrap_err();
    assert_eq!(error.message(), "Backup file is corrupted", "{}", told(&error));
    drop(opened);
    assert!(bytes(&ground) == before);
    ground.is_tidy();
}
