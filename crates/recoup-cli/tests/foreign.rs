//! Restoring a file from anywhere: a ZIP that another program made with the known layout, a bare database, an archive of
//! ours without its manifest; and what is wrong with a file is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rusqlite::Connection;

struct Camera {
    folder: tempfile::TempDir,
}

impl Camera {
    /// An application with a plan: a database, thumbnails, settings.
    fn new() -> Self {
        let camera = Camera { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(camera.at("data/thumbs")).unwrap();
        camera.sql(
            "data/camera.db",
            "CREATE TABLE event(id INTEGER PRIMARY KEY, what TEXT); INSERT INTO event(what) VALUES ('now')",
        );
        fs::write(camera.at("data/thumbs/now.jpg"), "now").unwrap();
        let config = "[plan.camera]\ndatabases = [\"data/camera.db\"]\ndirectories = [\"data/thumbs\"]\ndestinations = [\"./kept\"]\n";
        fs::write(camera.at("recoup.toml"), config).unwrap();
        camera
    }
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn sql(&self, database: &str, statements: &str) {
        Connection::open(self.at(database)).unwrap().execute_batch(statements).unwrap();
    }
    fn events(&self, database: &str) -> String {
        let db = Connection::open(self.at(database)).unwrap();
        db.query_row("SELECT group_concat(what) FROM event", [], |row| row.get(0)).unwrap()
    }
    fn recoup(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command.args(words).current_dir(self.folder.path()).env("HOME", self.folder.path()).output().unwrap()
    }
    /// A ZIP as the other program makes it.
    fn zip(&self) {
        self.sql(
            "database.db",
            "CREATE TABLE event(id INTEGER PRIMARY KEY, what TEXT); INSERT INTO event(what) VALUES ('then')",
        );
        let script = "
import json, zipfile
z = zipfile.ZipFile('download.zip', 'w', zipfile.ZIP_DEFLATED)
z.write('database.db', 'database.db')
z.writestr('thumbnails/2026/then.jpg', 'then')
z.writestr('metadata.json', json.dumps({'version': '1.4.0', 'created_at': '2026-01-02T03:04:05Z'}))
z.close()
";
        assert!(
            Command::new("python3").args(["-c", script]).current_dir(self.folder.path()).status().unwrap().success()
        );
        fs::remove_file(self.at("database.db")).unwrap();
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_zip_of_another_program_goes_into_the_sources_of_a_plan_and_can_be_undone() {
    let camera = Camera::new();
    camera.zip();
    let preview = camera.recoup(&["restore", "./download.zip", "--plan", "camera", "--dry-run"]);
    assert!(told(&preview).contains("1 comes back") || told(&preview).contains("changes"), "{}", told(&preview));
    let output = camera.recoup(&["restore", "./download.zip", "--plan", "camera", "--yes"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", told(&output));
    assert_eq!(camera.events("data/camera.db"), "then");
    assert_eq!(fs::read_to_string(camera.at("data/thumbs/2026/then.jpg")).unwrap(), "then");
    assert!(!camera.at("data/thumbs/now.jpg").exists());
    let output = camera.recoup(&["undo", "--yes"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", told(&output));
    assert_eq!(camera.events("data/camera.db"), "now");
    assert!(camera.at("data/thumbs/now.jpg").exists());
}

#[test]
fn any_file_unfolds_into_a_fresh_folder() {
    let camera = Camera::new();
    camera.zip();
    let output = camera.recoup(&["restore", "./download.zip", "--to", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(fs::read_to_string(camera.at("out/thumbnails/2026/then.jpg")).unwrap(), "then");
    let output = camera.recoup(&["restore", "./data/camera.db", "--to", "copy"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let database = fs::read_dir(camera.at("copy")).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    assert_eq!(camera.events(&format!("copy/{database}")), "now");

    assert_eq!(camera.recoup(&["backup"]).status.code(), Some(0));
    let stored = fs::read_dir(camera.at("kept/camera")).unwrap().map(|entry| entry.unwrap().path());
    let archive = stored.into_iter().find(|path| path.extension() == Some("zip".as_ref())).unwrap();
    fs::copy(archive, camera.at("alone.zip")).unwrap();
    camera.sql("data/camera.db", "DELETE FROM event");
    let output = camera.recoup(&["restore", "./alone.zip", "--yes"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", told(&output));
    assert_eq!(camera.events("data/camera.db"), "now");
}

#[test]
fn a_file_that_is_no_backup_is_refused_with_a_reason_and_changes_nothing() {
    let camera = Camera::new();
    camera.zip();
    let whole = fs::read(camera.at("download.zip")).unwrap();
    for (name, bytes) in
        [("cut.zip", &whole[..whole.len() / 2]), ("empty.zip", b""), ("text.zip", b"hello, this is no archive")]
    {
        fs::write(camera.at(name), bytes).unwrap();
        let output = camera.recoup(&["restore", &format!("./{name}"), "--plan", "camera", "--yes"]);
        assert_eq!(output.status.code(), Some(13), "{name}: {}", told(&output));
        assert!(told(&output).contains("Backup file is corrupted"), "{name}: {}", told(&output));
    }
    let output = camera.recoup(&["restore", "./download.zip", "--yes"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("--plan NAME"), "{}", told(&output));
    assert_eq!(camera.events("data/camera.db"), "now");
}

#[test]
fn a_bare_archive_of_ours_may_hold_more_than_an_upload_and_one_of_another_program_may_not() {
    let camera = Camera::new();
    fs::create_dir(camera.at("many")).unwrap();
    for number in 0..65_536 {
        fs::File::create(camera.at(&format!("many/{number}"))).unwrap();
    }
    let output = camera.recoup(&["backup", "--directory", "many", "--to", "kept", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let mut kept = fs::read_dir(camera.at("kept/many")).unwrap().map(|entry| entry.unwrap().path());
    let archive = kept.find(|path| path.extension().is_some_and(|end| end == "zip")).unwrap();
    fs::rename(archive, camera.at("bare.zip")).unwrap();
    let output = camera.recoup(&["restore", "./bare.zip", "--only", "many/65535", "--to", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(camera.at("out/many/65535").exists());

    let script = "
import zipfile
z = zipfile.ZipFile('other.zip', 'w')
for i in range(65536): z.writestr(f'many/{i}', '')
z.close()
";
    let python = Command::new("python3").args(["-c", script]).current_dir(camera.folder.path()).status().unwrap();
    assert!(python.success());
    let output = camera.recoup(&["restore", "./other.zip", "--to", "foreign"]);
    assert_eq!(output.status.code(), Some(13), "{}", told(&output));
    assert!(told(&output).contains("65536 members, 65535 are allowed"), "{}", told(&output));
}
