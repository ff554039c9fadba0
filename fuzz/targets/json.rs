//! Any bytes as a JSON export, and any schema and rows with right counts and hashes: refused, or imported to a
//! database that says the same.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use data_encoding::HEXLOWER;
use libfuzzer_sys::fuzz_target;
use recoup::ErrorKind;
use recoup::format::json;
use recoup::progress::Context;
use sha2::{Digest, Sha256};

fn scratch() -> &'static PathBuf {
    static SCRATCH: OnceLock<PathBuf> = OnceLock::new();
    SCRATCH.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/recoup-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder in memory");
        folder
    })
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The document again with every count and hash made right, as somebody would forge it.
fn forged(text: &str) -> String {
    let (mut out, mut rows, mut inside) = (String::new(), Vec::new(), false);
    let (mut tables, mut total) = (0, 0);
    for line in text.lines() {
        if line.starts_with("],\"count\":") {
            let more = if line.ends_with(',') { "," } else { "" };
            let body = rows.join("\n");
            out += &format!("],\"count\":{},\"sha256\":\"{}\"}}{more}\n", rows.len(), sha256(body.as_bytes()));
            (tables, total, inside) = (tables + 1, total + rows.len(), false);
            rows.clear();
            continue;
        }
        if line.starts_with("\"end\":") {
            out += &format!(
                "\"end\": {{\"tables\":{tables},\"rows\":{total},\"sha256\":\"{}\"}}\n}}\n",
                sha256(out.as_bytes())
            );
            return out;
        }
        if inside {
            rows.push(line);
        }
        inside |= line.ends_with("\"rows\":[");
        out += line;
        out.push('\n');
    }
    out
}

fn look(bytes: &[u8]) {
    let context = Context::quiet();
    let sound = match json::check(bytes, &context) {
        Ok(problems) => problems.is_empty(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
            return;
        }
    };
    if !sound {
        return;
    }
    let (document, database) = (scratch().join("a.json"), scratch().join("a.db"));
    fs::write(&document, bytes).expect("a file in memory");
    match json::import(&document, &database, &context) {
        Ok(_) => fs::remove_file(&database).expect("it was made"),
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::Unsupported), "{error:?}"),
    }
    assert_eq!(fs::read_dir(scratch()).expect("it is there").count(), 1, "something stayed in scratch");
}

fuzz_target!(|data: &[u8]| {
    look(data);
    if let Ok(text) = std::str::from_utf8(data) {
        look(forged(text).as_bytes());
    }
});
