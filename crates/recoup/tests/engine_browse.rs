//! Looking into a backup: folders, files, rows. What is handed out is what was stored, and no name leads anywhere else.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use engine_kit::{Desk, SHOP, good};
use recoup::browse::{Cell, Found};
use recoup::engine::{Actor, Sight};
use recoup::model::EntryKind;
use recoup::model::user::Role;

async fn backed_up(toml: &str) -> (Desk, String) {
    let desk = Desk::new(toml).await;
    let pictures = desk.path().join("app/pictures");
    fs::create_dir_all(pictures.join("2026/may")).unwrap();
    fs::write(pictures.join("2026/may/two.jpg"), [2; 300]).unwrap();
    fs::write(pictures.join("2026/Readme.TXT"), "read me").unwrap();
    fs::hard_link(pictures.join("one.jpg"), pictures.join("same.jpg")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", pictures.join("link")).unwrap();
    fs::write(pictures.join(OsStr::from_bytes(b"caf\xe9\n<b>")), "bytes").unwrap();
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    (desk, id)
}

async fn list(desk: &Desk, id: &str, folder: &str, search: Option<&str>) -> Result<Found, recoup::Error> {
    let at = ("pictures".to_owned(), folder.to_owned());
    desk.engine.list_files(&Actor::daemon(), id, at, search.map(str::to_owned)).await
}

fn names(found: &Found) -> Vec<(&str, u64, u64)> {
    found.items.iter().map(|item| (item.name.as_str(), item.bytes, item.files)).collect()
}

async fn read(desk: &Desk, id: &str, part: &str, path: &str) -> Result<Vec<u8>, recoup::Error> {
    let mut taken = desk.engine.open_file(&Actor::daemon(), id, (part.into(), path.into())).await?;
    let mut bytes = Vec::new();
    taken.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, taken.bytes);
    Ok(bytes)
}

#[tokio::test]
async fn a_folder_is_listed_with_what_is_below_it_and_searched_by_name() {
    let (desk, id) = backed_up(SHOP).await;
    let root = list(&desk, &id, "", None).await.unwrap();
    let expected = [("2026", 307, 2), ("caf%E9%0A<b>", 5, 0), ("link", 0, 0), ("one.jpg", 2000, 0), ("same.jpg", 0, 0)];
    assert_eq!(names(&root), expected);
    assert_eq!(root.items[2].kind, EntryKind::Symlink);
    assert_eq!(root.items[2].target.as_deref(), Some("/etc/passwd"));
    assert!(root.items[3].modified.is_some() && !root.more);
    let deeper = list(&desk, &id, "2026", None).await.unwrap();
    assert_eq!(names(&deeper), [("may", 300, 1), ("Readme.TXT", 7, 0)]);
    assert_eq!(deeper.items[0].path, "2026/may");
    let found = list(&desk, &id, "", Some("read")).await.unwrap();
    assert_eq!(found.items.iter().map(|item| item.path.as_str()).collect::<Vec<_>>(), ["2026/Readme.TXT"]);
    assert!(list(&desk, &id, "2026/may", Some("read")).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_file_comes_out_as_it_was_stored_and_no_name_leads_out_of_the_backup() {
    let (desk, id) = backed_up(SHOP).await;
    assert_eq!(read(&desk, &id, "pictures", "2026/may/two.jpg").await.unwrap(), [2; 300]);
    assert_eq!(read(&desk, &id, "pictures", "same.jpg").await.unwrap(), [1; 2000], "a second name leads to the first");
    assert_eq!(read(&desk, &id, "pictures", "caf%E9%0A<b>").await.unwrap(), b"bytes");
    assert!(read(&desk, &id, "shop", "").await.unwrap().starts_with(b"SQLite format 3\0"));
    for path in ["../../etc/passwd", "/etc/passwd", "2026/../one.jpg", "./one.jpg", "one.jpg/", "link/x", "\0", ""] {
        let code = read(&desk, &id, "pictures", path).await.unwrap_err().code();
        assert!(["file_missing", "not_a_file"].contains(&code), "{path:?}: {code}");
    }
    assert_eq!(read(&desk, &id, "pictures", "link").await.unwrap_err().code(), "not_a_file", "links are not followed");
    assert_eq!(read(&desk, &id, "../shop", "").await.unwrap_err().code(), "part_missing");
    for folder in ["..", "/", "2026/", "nothing", "one.jpg/x"] {
        assert_eq!(list(&desk, &id, folder, None).await.unwrap_err().code(), "file_missing", "{folder:?}");
    }
    let stranger = Actor { account: Some("nobody".into()), role: Role::Operator, address: None };
    let at = ("pictures".to_owned(), "one.jpg".to_owned());
    assert_eq!(desk.engine.open_file(&stranger, &id, at).await.unwrap_err().code(), "backup_missing");
    let told = desk.engine.catalog().audit_before(i64::MAX, Some("backup.downloaded"), None, None, 1).await.unwrap();
    assert_eq!(told[0].event.resource_id, id);
}

#[tokio::test]
async fn the_first_rows_of_a_table_are_read_and_secrets_are_hidden() {
    let desk = Desk::new(SHOP).await;
    desk.sql(
        "CREATE TABLE setting(key TEXT, value TEXT); INSERT INTO setting VALUES('theme','sea'),('smtp_password','hunter2');
         CREATE TABLE person(id INTEGER, email TEXT, password_hash TEXT, picture BLOB, note, token_count INTEGER);
         INSERT INTO person VALUES(1,'a@b','$2b$x',zeroblob(7),'sk_live_51H8xJ2eZvKYlo2CaBcDeFgH',4),(2,NULL,NULL,NULL,1.5,5);
         CREATE TABLE \"odd\"\" name\"(\"a\"\"b\"); INSERT INTO \"odd\"\" name\" VALUES(printf('%.400c','x'));",
    );
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let daemon = Actor::daemon();
    let rows = desk.engine.table_rows(&daemon, &id, "shop", "product", 2).await.unwrap();
    assert_eq!(rows.columns, ["id", "title"]);
    assert_eq!(rows.rows[1], [Cell::Number("2".into()), Cell::Text("Spoon".into())]);
    assert!(rows.more && rows.rows.len() == 2);
    let rows = desk.engine.table_rows(&daemon, &id, "shop", "setting", 50).await.unwrap();
    assert_eq!(rows.rows[0], [Cell::Text("theme".into()), Cell::Text("sea".into())]);
    assert_eq!(rows.rows[1], [Cell::Text("smtp_password".into()), Cell::Hidden]);
    let rows = desk.engine.table_rows(&daemon, &id, "shop", "person", 50).await.unwrap();
    let (one, text) = (|n: &str| Cell::Number(n.into()), |text: &str| Cell::Text(text.into()));
    assert_eq!(rows.rows[0], [one("1"), text("a@b"), Cell::Hidden, Cell::Blob(7), Cell::Hidden, one("4")]);
    assert_eq!(rows.rows[1], [one("2"), Cell::Null, Cell::Null, Cell::Null, one("1.5"), one("5")]);
    let rows = desk.engine.table_rows(&daemon, &id, "shop", "odd\" name", 50).await.unwrap();
    assert_eq!(rows.rows, [[text(&"x".repeat(300))]], "long text is cut");
    for table in ["nothing", "sqlite_schema", "product; DROP TABLE product"] {
        let error = desk.engine.table_rows(&daemon, &id, "shop", table, 50).await.unwrap_err();
        assert_eq!(error.code(), "table_missing", "{table}");
    }
    let error = desk.engine.table_rows(&daemon, &id, "pictures", "product", 50).await.unwrap_err();
    assert_eq!(error.code(), "not_a_database");
}

#[tokio::test]
async fn every_format_is_looked_into_as_far_as_it_goes() {
    for format in ["database", "both", "json"] {
        let toml = SHOP.replace("directories = [\"app/pictures\"]", &format!("format = \"{format}\""));
        let desk = Desk::new(&toml).await;
        let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
        let rows = desk.engine.table_rows(&Actor::daemon(), &id, "shop", "product", 50).await.unwrap();
        assert_eq!((rows.rows.len(), rows.more), (3, false), "{format}");
        assert!(!read(&desk, &id, "shop", "").await.unwrap().is_empty(), "{format}");
    }
}

#[tokio::test]
async fn a_path_is_looked_at_before_a_plan_names_it() {
    let desk = Desk::new(SHOP).await;
    let daemon = Actor::daemon();
    let app = desk.path().join("app");
    let look = async |path: &str| desk.engine.look_at(&daemon, path).await.unwrap();
    assert_eq!(look("app/shop.db").await.sight, Sight::Database(1));
    assert_eq!(look("app/shop.db").await.path, app.join("shop.db"));
    assert_eq!(look("app/pictures/one.jpg").await.sight, Sight::File);
    assert_eq!(look("app/nothing.db").await.sight, Sight::Missing);
    fs::write(app.join("empty.db"), "").unwrap();
    let Sight::Directory(found) = look("app").await.sight else { panic!("a folder") };
    assert_eq!(found.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), [app.join("shop.db")]);
    let viewer = Actor { account: Some("v".into()), role: Role::Viewer, address: None };
    assert!(desk.engine.look_at(&viewer, "app").await.is_err());
    let operator = Actor { account: Some("o".into()), role: Role::Operator, address: None };
    assert_eq!(desk.engine.look_at(&operator, "/etc/passwd").await.unwrap_err().code(), "outside_roots");
}
