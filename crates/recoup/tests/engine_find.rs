//! Names in many backups, what has become of a folder since the backup before, and several files as one ZIP: in both layouts,
//! encrypted too, with hostile names.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use engine_kit::{Desk, SHOP, good};
use recoup::browse::find::What;
use recoup::browse::since::Since;
use recoup::browse::{self, Found};
use recoup::catalog::Filter;
use recoup::engine::{Actor, Search};
use recoup::model::EntryKind;
use recoup::model::user::Role;
use recoup::progress::Context;

const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}gpj.\u{1f600}";

/// In a layout, encrypted or not.
async fn desk(layout: &str, sealed: bool) -> Desk {
    let key = if sealed { "encrypt = { passphrase_file = \"passphrase\" }\n" } else { "" };
    let toml = SHOP.replace("path = \"backups\"", &format!("path = \"backups\"\nlayout = \"{layout}\"\n{key}"));
    // Its folder is made by it, and a key is read when it is needed.
    let desk = Desk::new(&toml).await;
    fs::write(desk.path().join("passphrase"), "correct horse battery staple\n").unwrap();
    desk
}

fn pictures(desk: &Desk) -> PathBuf {
    desk.path().join("app/pictures")
}

async fn back_up(desk: &Desk) -> String {
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    id
}

async fn find(desk: &Desk, name: &str) -> Search {
    desk.engine.find_files(&Actor::daemon(), name, Filter::default()).await.unwrap()
}

/// Backup and hits, newest first.
fn told(search: &Search) -> Vec<(String, Vec<String>, u64)> {
    let one = |hit: &recoup::browse::find::Hit| format!("{}:{}", hit.part, hit.path);
    let found = search.found.iter();
    found.map(|(rows, hits)| (rows[0].id.clone(), hits.items.iter().map(one).collect(), hits.total)).collect()
}

const KINDS: [(&str, bool); 4] = [("files", false), ("files", true), ("history", false), ("history", true)];

#[tokio::test]
async fn a_name_is_found_in_every_layout_also_encrypted_and_hostile() {
    for (layout, sealed) in KINDS {
        let desk = desk(layout, sealed).await;
        let first = back_up(&desk).await;
        fs::create_dir_all(pictures(&desk).join("2026")).unwrap();
        fs::write(pictures(&desk).join("2026").join(HOSTILE), "x").unwrap();
        fs::write(pictures(&desk).join(OsStr::from_bytes(b"caf\xe9\nONE")), "x").unwrap();
        let second = back_up(&desk).await;
        let what = format!("{layout} {sealed}");
        let hostile = format!("pictures:2026/{HOSTILE}");
        let one = find(&desk, "One").await;
        let expected = [
            (second.clone(), vec![hostile.clone(), "pictures:caf%E9%0AONE".into(), "pictures:one.jpg".into()], 3),
            (first.clone(), vec!["pictures:one.jpg".into()], 1),
        ];
        assert_eq!(told(&one), expected, "{what}");
        assert_eq!((one.looked, one.next.is_none(), one.passed.len()), (2, true, 0), "{what}");
        assert_eq!(one.found[1].1.items[0].what, What::Entry(EntryKind::File));
        let odd = find(&desk, "ONERROR").await;
        assert_eq!(told(&odd), [(second.clone(), vec![hostile], 1)], "{what}");
        // A folder above is not a name of a file.
        assert_eq!(told(&find(&desk, "2026").await).len(), 1, "{what}");
        let table = find(&desk, "produc").await;
        assert_eq!(table.found[0].1.items[0].what, What::Table, "{what}");
        assert_eq!(find(&desk, "pictures").await.found[0].1.items[0].what, What::Part, "{what}");
        assert!(find(&desk, "nothing like it").await.found.is_empty());
        let only = Filter { until: Some(desk.clock_of(&second).await), ..Filter::default() };
        let older = desk.engine.find_files(&Actor::daemon(), "one", only).await.unwrap();
        assert_eq!(told(&older).len(), 1, "{what}");
    }
}

impl Desk {
    async fn clock_of(&self, id: &str) -> jiff::Timestamp {
        self.engine.backup(&Actor::daemon(), id).await.unwrap()[0].created_at
    }
}

#[tokio::test]
async fn what_cannot_be_looked_into_is_told_and_strangers_find_nothing() {
    let desk = desk("files", true).await;
    let id = back_up(&desk).await;
    let stranger = Actor { account: Some("nobody".into()), role: Role::Operator, address: None };
    let nothing = desk.engine.find_files(&stranger, "one", Filter::default()).await.unwrap();
    assert_eq!((nothing.found.len(), nothing.passed.len(), nothing.looked), (0, 0, 0));
    for empty in ["", "  "] {
        let error = desk.engine.find_files(&stranger, empty, Filter::default()).await.unwrap_err();
        assert_eq!(error.code(), "no_name");
    }
    // Without the key.
    let keyless = desk.reopened(Some(SHOP)).await.unwrap();
    let told = find(&keyless, "one").await;
    assert_eq!((told.found.len(), told.looked), (0, 1));
    let (row, code, text) = &told.passed[0];
    assert_eq!((row.id.as_str(), *code), (id.as_str(), "key_needed"), "{text}");
    // Without its destination.
    fs::rename(desk.path().join("backups"), desk.path().join("away")).unwrap();
    let told = find(&desk, "one").await;
    assert_eq!((told.found.len(), told.looked, told.passed.len()), (0, 1, 1));
    assert!(told.passed[0].2.contains("backups"), "{:?}", told.passed);
}

#[tokio::test]
async fn a_search_goes_on_where_it_stopped_and_counts_what_it_does_not_tell() {
    let desk = desk("history", false).await;
    for n in 0..20 {
        fs::write(pictures(&desk).join(format!("{n}.jpg")), [n; 10]).unwrap();
    }
    let id = back_up(&desk).await;
    let rows = desk.engine.backup(&Actor::daemon(), &id).await.unwrap();
    // Older ones that the list knows and nobody has: they are passed, and the search ends with them.
    for n in 1..=60_u32 {
        let at = rows[0].created_at - jiff::SignedDuration::from_mins(i64::from(n));
        let id = recoup::model::BackupId::generate(at).to_string();
        desk.engine
            .catalog()
            .put_backup(&recoup::catalog::BackupRow { id, created_at: at, ..rows[0].clone() })
            .await
            .unwrap();
    }
    let first = find(&desk, ".jpg").await;
    assert_eq!((first.looked, first.passed.len(), first.found.len()), (50, 49, 1));
    assert_eq!((first.found[0].1.items.len(), first.found[0].1.total), (5, 21));
    assert!(first.passed.iter().all(|(_, code, _)| *code == "backup_missing"), "{:?}", first.passed);
    let rest = Filter { after: first.next.clone(), ..Filter::default() };
    let rest = desk.engine.find_files(&Actor::daemon(), ".jpg", rest).await.unwrap();
    assert_eq!((rest.looked, rest.next), (11, None));
}

async fn since(desk: &Desk, id: &str, folder: &str) -> (Vec<(String, Option<Since>)>, Option<String>) {
    let at = ("pictures".to_owned(), folder.to_owned());
    let (found, before): (Found, _) = desk.engine.list_since(&Actor::daemon(), id, at).await.unwrap();
    let before = before.map(|before| {
        assert_eq!(before.not, None);
        before.id
    });
    (found.items.into_iter().map(|item| (item.name, item.since)).collect(), before)
}

#[tokio::test]
async fn what_is_new_changed_and_gone_since_the_backup_before_is_marked() {
    for (layout, sealed) in KINDS {
        let desk = desk(layout, sealed).await;
        let at = |path: &str| pictures(&desk).join(path);
        for path in ["a/deep/x", "b/y", "c/z"] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), path).unwrap();
        }
        fs::write(at("old.txt"), "old").unwrap();
        fs::write(at("same.txt"), "same").unwrap();
        let first = back_up(&desk).await;
        let (items, before) = since(&desk, &first, "").await;
        assert!(before.is_none() && items.iter().all(|(_, since)| since.is_none()), "there is none before it");
        let second = back_up(&desk).await;
        let (items, before) = since(&desk, &second, "").await;
        assert!(before == Some(first) && items.iter().all(|(_, since)| since.is_none()), "{items:?}");
        fs::write(at("a/deep/x"), "other").unwrap();
        fs::remove_dir_all(at("c")).unwrap();
        fs::remove_file(at("old.txt")).unwrap();
        fs::write(at(HOSTILE), "new").unwrap();
        fs::write(at("one.jpg"), [2; 2000]).unwrap();
        // Written again with the same bytes.
        fs::write(at("same.txt"), "same").unwrap();
        let third = back_up(&desk).await;
        let (items, before) = since(&desk, &third, "").await;
        assert_eq!(before.as_deref(), Some(second.as_str()));
        let expected = [
            ("a", Some(Since::Changed)),
            ("b", None),
            ("c", Some(Since::Gone)),
            (HOSTILE, Some(Since::New)),
            ("old.txt", Some(Since::Gone)),
            ("one.jpg", Some(Since::Changed)),
            ("same.txt", None),
        ];
        assert_eq!(items, expected.map(|(name, since)| (name.to_owned(), since)), "{layout} {sealed}");
        assert_eq!(since(&desk, &third, "a").await.0, [("deep".to_owned(), Some(Since::Changed))]);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/new"), "").unwrap();
        let fourth = back_up(&desk).await;
        assert_eq!(since(&desk, &fourth, "d").await.0, [("new".to_owned(), Some(Since::New))], "the folder is new");
    }
}

async fn bundle(desk: &Desk, id: &str, paths: &[&str]) -> Result<Vec<u8>, recoup::Error> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let bundle = desk.engine.open_bundle(&Actor::daemon(), id, "pictures", paths).await?;
    let (length, mut bytes) = (bundle.bytes, Vec::new());
    bundle.write(&mut bytes, &Context::quiet())?;
    assert_eq!(bytes.len() as u64, length, "the length is told before");
    Ok(bytes)
}

fn unzipped(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = BTreeMap::new();
    for at in 0..zip.len() {
        let mut member = zip.by_index(at).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        assert!(member.enclosed_name().is_some(), "{:?}", member.name());
        all.insert(member.name().unwrap().into_owned(), bytes);
    }
    all
}

#[tokio::test]
async fn files_and_folders_come_out_as_one_zip_with_their_names_and_nothing_leads_anywhere() {
    for (layout, sealed) in KINDS {
        let desk = desk(layout, sealed).await;
        let at = |path: &str| pictures(&desk).join(path);
        fs::create_dir_all(at("2026/empty")).unwrap();
        fs::write(at("2026/large.bin"), vec![7; 700_000]).unwrap();
        fs::write(at("2026").join(HOSTILE), "hostile").unwrap();
        fs::write(at("2026").join(OsStr::from_bytes(b"caf\xe9\n\\..\\x")), "bytes").unwrap();
        fs::hard_link(at("one.jpg"), at("same.jpg")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("2026/link")).unwrap();
        fs::write(at("20"), "not below 2026").unwrap();
        let id = back_up(&desk).await;
        let all = unzipped(&bundle(&desk, &id, &["2026", "same.jpg"]).await.unwrap());
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        let hostile = format!("2026/{HOSTILE}");
        let expected = ["2026/", &hostile, "2026/caf%E9%0A%5C..%5Cx", "2026/empty/", "2026/large.bin", "same.jpg"];
        assert_eq!(names, expected, "{layout} {sealed}");
        assert_eq!((all["same.jpg"].len(), all["2026/large.bin"].len()), (2000, 700_000));
        assert_eq!(all[&hostile], b"hostile");
        // Chosen twice over, and everything.
        assert_eq!(unzipped(&bundle(&desk, &id, &["2026", "2026/large.bin"]).await.unwrap()).len(), 5);
        assert_eq!(unzipped(&bundle(&desk, &id, &[""]).await.unwrap()).len(), 8);
        for (paths, code) in [
            (&["nothing"][..], "file_missing"),
            (&["one.jpg", "../one.jpg"], "file_missing"),
            (&["2026/"], "file_missing"),
            (&["2026/link"], "not_a_file"),
        ] {
            assert_eq!(bundle(&desk, &id, paths).await.unwrap_err().code(), code, "{paths:?}");
        }
        let told =
            desk.engine.catalog().audit_before(i64::MAX, Some("backup.downloaded"), None, None, 1).await.unwrap();
        assert_eq!(told[0].event.resource_id, id);
    }
}

#[tokio::test]
async fn several_files_are_put_back_and_that_is_taken_back() {
    let desk = Desk::new(SHOP).await;
    let at = |path: &str| pictures(&desk).join(path);
    for name in ["two.jpg", "three.jpg", "lost.jpg"] {
        fs::write(at(name), name).unwrap();
    }
    let id = back_up(&desk).await;
    for name in ["one.jpg", "two.jpg", "three.jpg"] {
        fs::write(at(name), "changed").unwrap();
    }
    fs::remove_file(at("lost.jpg")).unwrap();
    let daemon = Actor::daemon();
    let only = ["pictures/two.jpg", "pictures/one.jpg", "pictures/lost.jpg"].map(str::to_owned).to_vec();
    let twice = vec![only[0].clone(), only[0].clone()];
    assert_eq!(desk.engine.preview_restore(&daemon, &id, twice).await.unwrap_err().code(), "named_twice");
    let whole = vec![only[0].clone(), "pictures".to_owned()];
    assert_eq!(desk.engine.preview_restore(&daemon, &id, whole).await.unwrap_err().code(), "named_twice");
    let (preview, told) = desk.engine.preview_restore(&daemon, &id, only.clone()).await.unwrap();
    assert_eq!(told.parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>(), only);
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    good(&desk.done(&run).await);
    let read = |name: &str| fs::read_to_string(at(name)).ok();
    assert_eq!(fs::read(at("one.jpg")).unwrap(), [1; 2000]);
    assert_eq!(read("two.jpg").as_deref(), Some("two.jpg"));
    assert_eq!(read("lost.jpg").as_deref(), Some("lost.jpg"));
    assert_eq!(read("three.jpg").as_deref(), Some("changed"), "what was not named stays");
    desk.clock.pass(std::time::Duration::from_secs(60));
    let undo = desk.engine.undo(&daemon, "shop").await.unwrap();
    good(&desk.done(&undo).await);
    for name in ["one.jpg", "two.jpg", "three.jpg"] {
        assert_eq!(read(name).as_deref(), Some("changed"), "{name}");
    }
    assert_eq!(read("lost.jpg"), None);
    // What was saved before the restore holds three files, and is not what a folder is compared with.
    fs::write(at("four.jpg"), [4; 3000]).unwrap();
    let next = back_up(&desk).await;
    assert_eq!(since(&desk, &next, "").await.1, Some(id));
}

#[tokio::test]
async fn a_download_of_damaged_bytes_breaks_off_before_its_end() {
    let desk = desk("files", false).await;
    fs::write(pictures(&desk).join("marked"), "a mark that is stored").unwrap();
    let id = back_up(&desk).await;
    let paths = vec!["marked".to_owned()];
    let bundle = desk.engine.open_bundle(&Actor::daemon(), &id, "pictures", paths).await.unwrap();
    let folder = fs::read_dir(desk.path().join("backups/shop")).unwrap().map(|entry| entry.unwrap().path());
    let archive = folder.into_iter().find(|path| path.extension().is_some_and(|end| end == "zip")).unwrap();
    let whole = fs::read(&archive).unwrap();
    let at = whole.windows(6).position(|window| window == b"a mark").unwrap();
    let file = fs::File::options().write(true).open(&archive).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"A", at as u64).unwrap();
    let (length, mut bytes) = (bundle.bytes, Vec::new());
    assert_eq!(bundle.write(&mut bytes, &Context::quiet()).unwrap_err().code(), "backup_corrupted");
    assert!((bytes.len() as u64) < length);
}

#[tokio::test]
async fn what_would_have_to_be_fetched_for_long_is_not_searched_by_itself() {
    for (layout, sealed) in KINDS {
        let desk = desk(layout, sealed).await;
        back_up(&desk).await;
        let store = desk.engine.store("here").unwrap();
        let mut manifest = store.list(Some("shop")).unwrap().backups[0].manifest.clone();
        assert!(browse::at_a_glance(store.as_ref(), &manifest).is_ok());
        manifest.objects[0].bytes = 300 << 20;
        let looked = browse::at_a_glance(store.as_ref(), &manifest).map_err(|error| error.code());
        let lies_there = layout == "files" && !sealed;
        assert_eq!(looked, if lies_there { Ok(()) } else { Err("too_large_to_search") }, "{layout} {sealed}");
    }
}
