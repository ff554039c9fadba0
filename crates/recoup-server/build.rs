//! Puts the built web page (`ui/dist`, made by `make ui`) into the crate, as a list of names and bytes. Without it the
//! crate builds as well and serves a page that says how to make it. Nothing is built here: no Node is asked for.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    // In a published crate the page lies inside, in the repository beside.
    let places = [own.join("dist"), own.join("../../ui/dist")];
    let found = places.iter().find(|place| place.join("index.html").is_file());
    println!("cargo:rerun-if-changed=build.rs");
    for place in &places {
        println!("cargo:rerun-if-changed={}", place.display());
    }
    let mut names = Vec::new();
    if let Some(dist) = found {
        walk(dist, "", &mut names);
        names.sort();
    }
    let mut text = String::from("pub static FILES: &[(&str, &[u8])] = &[\n");
    for name in &names {
        if let Some(dist) = found {
            let path = dist.join(name);
            let path = path.canonicalize().unwrap_or(path);
            let _ = writeln!(text, "    ({name:?}, include_bytes!({:?})),", path.display().to_string());
        }
    }
    text.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("page.rs");
    if let Err(error) = fs::write(&out, text) {
        println!("cargo:warning=cannot write {}: {error}", out.display());
    }
}

fn walk(folder: &Path, before: &str, names: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{name}/"), names);
        } else {
            names.push(name);
        }
    }
}
