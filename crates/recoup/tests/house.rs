//! The rules of the house, as tests: floors, files that stay readable, documents that name what exists, one
//! new enough SQLite. Formatting and lints are the compiler's business (`make check`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Module → floor. A module imports only from lower floors; files inside one folder share freely.
const FLOORS: &[(&str, u8)] = &[
    ("error", 0),
    ("clock", 0),
    ("progress", 0),
    ("model", 0),
    ("sqlite", 1),
    ("process", 1),
    ("outbound", 1),
    ("sealing", 1),
    ("source", 2),
    ("format", 2),
    ("destination", 2),
    ("store", 3),
    ("config", 3),
    ("hooks", 3),
    ("backup", 4),
    ("copy", 4),
    ("verify", 4),
    ("diff", 4),
    ("browse", 4),
    ("prune", 4),
    ("recovery", 4),
    ("restore", 5),
    ("migration", 5),
    ("catalog", 6),
    ("notify", 6),
    ("engine", 7),
    ("scheduler", 8),
];

/// On the ground floor everything may use these.
const GROUND: &[&str] = &["error", "progress", "clock", "model"];

const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "helpers", "common", "manager", "service", "base", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

fn all_rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    rust_files(&root().join("crates"), &mut found);
    found
}

/// `crate::x` in code, comments left out: links in documentation may point anywhere.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>())
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn a_module_imports_only_from_lower_floors() {
    let source = root().join("crates/recoup/src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let floor = |module: &str| FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor);
    let mut broken = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        let module = inside.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let own = floor(&module).unwrap_or_else(|| panic!("{module} has no floor: add it to the table"));
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            let lower = floor(&import).is_some_and(|floor| floor < own);
            let ground = own == 0 && GROUND.contains(&import.as_str());
            let types_of_the_crate = ["Error", "ErrorKind", "Result"].contains(&import.as_str());
            if import != module && !lower && !ground && !types_of_the_crate {
                broken.push(format!("{inside} imports {import}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn only_the_clock_asks_what_time_it_is() {
    let allowed = ["clock.rs"];
    for file in all_rust_files().iter().filter(|file| file.starts_with(root().join("crates/recoup/src"))) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).unwrap();
        let code: String = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        for call in ["Timestamp::now(", "SystemTime::now(", "Instant::now(", "Zoned::now("] {
            assert!(allowed.contains(&name.as_str()) || !code.contains(call), "{} calls {call}", file.display());
        }
    }
}

#[test]
fn no_file_is_over_500_lines_without_saying_why() {
    for file in all_rust_files() {
        let text = fs::read_to_string(&file).unwrap();
        let excused = text.lines().take(8).any(|line| line.contains("over 500 lines because"));
        assert!(text.lines().count() <= 500 || excused, "{} has {} lines", file.display(), text.lines().count());
    }
}

#[test]
fn every_file_says_first_what_lives_in_it() {
    for file in all_rust_files() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with what lives here", file.display());
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!FORBIDDEN_NAMES.contains(&stem.as_str()), "{} is no name for a room", file.display());
    }
}

#[test]
fn every_path_named_in_the_architecture_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 200, "ARCHITECTURE.md is a map, not the territory");
    let mut named = 0;
    for quoted in text.split('`').skip(1).step_by(2) {
        let path = quoted.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        let looks_like_a_path = path.contains('/') && !path.contains(['<', '*', '(', ':', '$']);
        if looks_like_a_path && !path.starts_with('.') {
            named += 1;
            let below = [root().join(path), root().join("crates/recoup/src").join(path)];
            assert!(below.iter().any(|path| path.exists()), "ARCHITECTURE.md names {path}, which does not exist");
        }
    }
    assert!(named > 15, "only {named} paths found");
}

#[test]
fn there_is_one_sqlite_and_it_is_new_enough() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert_eq!(lock.matches("name = \"libsqlite3-sys\"").count(), 1);
    recoup::sqlite::open::assert_version().unwrap();
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    let memory = rusqlite::Connection::open_in_memory().unwrap();
    let pages = "SELECT sqlite_compileoption_used('ENABLE_DBPAGE_VTAB')";
    assert_eq!(memory.query_row(pages, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "see .cargo/config.toml");
}
