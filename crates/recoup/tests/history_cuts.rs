//! A history over a line that is cut in the middle of a backup, wherever that is: nothing that is listed is ever lost, and
//! nothing that is half there is listed.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod history_kit;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use history_kit::{Shop, get, listed};
use recoup::destination::{Destination, open};
use recoup::format::Packed;
use recoup::model::destination::DestinationSettings;
use recoup::model::{Kind, Level, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup::verify;
use recoup_testkit::apache::Apache;
use recoup_testkit::contract::store::{at, manifest};
use recoup_testkit::cutting::{Cut, Cutting, How, Way};

/// How often the line is cut, one half in each direction.
const CUTS: u64 = 200;

fn on(destination: Arc<dyn Destination>, scratch: &Path) -> FilesStore {
    FilesStore::new(destination).with_history(scratch.to_owned()).with_cache(Some(scratch.join("cache")))
}

fn back_up(store: &FilesStore, second: u64, bytes: &[u8]) -> recoup::Result<Manifest> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    std::fs::write(&path, bytes).unwrap();
    let mut manifest = manifest("shop", at(i64::try_from(second).unwrap()), Kind::Manual);
    let packed = [Packed { extension: ".db", path }];
    let done = store.put_objects(&mut manifest, &packed, &Context::quiet());
    let done = done.and_then(|()| store.put_manifest(&manifest, &Context::quiet()));
    done.inspect_err(|_| store.abandon(&manifest)).map(|()| manifest)
}

#[test]
fn two_hundred_cuts_lose_nothing() {
    let server = Apache::shared();
    let place = server.fresh();
    let scratch = tempfile::tempdir().unwrap();
    let through = |line: &Cutting, attempts: u32| -> FilesStore {
        let mut settings: DestinationSettings = server.settings(&place, line.port());
        settings.limits.timeout = Duration::from_millis(1500);
        settings.limits.attempts = attempts;
        settings.limits.pause = Duration::from_millis(1);
        on(open(&settings, true).unwrap(), scratch.path())
    };
    let direct = on(open(&server.settings(&place, server.port()), true).unwrap(), scratch.path());
    let shop = Shop::new(4096, 2_000);
    back_up(&direct, 0, &shop.bytes()).unwrap();
    shop.change(30, 1);
    let line = Cutting::to_port(server.port());
    let mut there = VecDeque::from([(back_up(&through(&line, 5), 1, &shop.bytes()).unwrap(), shop.bytes())]);
    let (lines, bytes) = (line.connections() as u64, [line.passed().0, line.passed().1]);
    let (mut failed, mut met) = (0, 0);
    for cut in 0..CUTS {
        shop.change(30, cut as u32 + 2);
        // Somewhere in one of its connections, the first and the last ones too.
        let line = Cutting::to_port(server.port());
        let (way, all) = if cut % 2 == 0 { (Way::Out, bytes[0]) } else { (Way::Back, bytes[1]) };
        let how = if cut % 40 == 39 { How::Stall } else { How::Reset };
        for _ in 0..cut * lines / CUTS {
            line.cut(Cut { way, after: u64::MAX, how });
        }
        line.cut(Cut { way, after: cut * 7919 % (all / lines), how });
        // A third of them may not try again: what they leave behind is what counts.
        let made = back_up(&through(&line, if cut % 3 == 0 { 1 } else { 5 }), cut + 2, &shop.bytes());
        met += usize::from(made.is_err() || line.connections() as u64 > lines);
        match made {
            Ok(manifest) => there.push_back((manifest, shop.bytes())),
            Err(error) => {
                assert!(cut % 3 == 0, "cut {cut}: {error}: {}", error.detail());
                failed += 1;
                // The answer to the very last step may be lost, not the backup.
                let id = |second: u64| at(i64::try_from(second).unwrap());
                if let Some(last) = listed(&direct).into_iter().find(|one| one.manifest.created_at == id(cut + 2)) {
                    there.push_back((last.manifest, shop.bytes()));
                }
            }
        }
        if there.len() > 5 {
            let (old, _) = there.pop_front().unwrap();
            direct.delete(&old.id, true).unwrap();
        }
        let found = listed(&direct);
        for (manifest, _) in &there {
            let one = found.iter().find(|one| one.manifest.id == manifest.id);
            assert!(one.is_some_and(|one| one.missing.is_empty()), "cut {cut}");
        }
        if cut % 10 == 9 {
            let (manifest, bytes) = there.back().unwrap();
            assert!(get(&direct, manifest) == *bytes, "cut {cut}");
        }
    }
    assert!(met as u64 > CUTS / 2, "only {met} were met");
    assert!(failed > 10, "only {failed} had to give up");
    for (manifest, bytes) in &there {
        assert!(get(&direct, manifest) == *bytes);
    }
    for listed in listed(&direct) {
        let report = verify::run(&direct, &listed, Level::Checksum, scratch.path(), &Context::quiet()).unwrap();
        assert!(report.ok, "{:?}", report.problems);
    }
}
