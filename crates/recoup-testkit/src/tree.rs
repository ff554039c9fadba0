//! What lies in a directory, as names to compare.

use std::fs;
use std::path::Path;

/// Everything below a directory, dot-names too, sorted, relative. Symbolic links are not followed.
pub fn tree(root: &Path) -> Vec<String> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(root).unwrap().display().to_string());
            if path.symlink_metadata().unwrap().is_dir() {
                walk(&path, root, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

/// The same without directories.
pub fn files(root: &Path) -> Vec<String> {
    let mut names = tree(root);
    names.retain(|name| !root.join(name).symlink_metadata().unwrap().is_dir());
    names
}
