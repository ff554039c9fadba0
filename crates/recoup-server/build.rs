//! Puts the built web page (`page/dist`, made by `make ui`) into the crate, as a list of names and bytes. Without it the
//! crate builds as well and serves a page that says how to make it. Nothing is built here: no Node is asked for. A build
//! for development has nothing inside and reads the folder when it is asked, unless `PAGE_INSIDE` is set.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let page = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("page");
    println!("cargo:rerun-if-changed=build.rs");
    let dist = page.join("dist");
    println!("cargo:rerun-if-env-changed=PAGE_INSIDE");
    println!("cargo:rustc-check-cfg=cfg(page_inside)");
    let asked = std::env::var_os("PAGE_INSIDE").is_some();
    let inside = asked || std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if inside {
        println!("cargo:rustc-cfg=page_inside");
        // This folder is always there; cargo looks at everything in it.
        println!("cargo:rerun-if-changed={}", page.display());
    }
    let mut names = Vec::new();
    if inside && dist.join("index.html").is_file() {
        walk(&dist, "", &mut names);
        names.sort();
    }
    let mut text = String::from("pub static FILES: &[(&str, &[u8])] = &[\n");
    for name in &names {
        let path = dist.join(name).display().to_string();
        let _ = writeln!(text, "    ({name:?}, include_bytes!({path:?})),");
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
