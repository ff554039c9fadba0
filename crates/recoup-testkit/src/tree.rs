//! What lies in a directory, as names to compare.

use std::fs;
use std::io::Read;
use std::path::Path;

/// What every directory of a destination has, and is no leftover.
const MARK: &str = ".recoup-destination";

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
    found.retain(|path| path != MARK);
    found.sort();
    found
}

/// The same without directories.
pub fn files(root: &Path) -> Vec<String> {
    let mut names = tree(root);
    names.retain(|name| !root.join(name).symlink_metadata().unwrap().is_dir());
    names
}

/// Whether these bytes are those of a file, without holding or keeping them.
pub fn same(mut bytes: impl Read, file: &Path) -> bool {
    let mut file = fs::File::open(file).unwrap();
    let [mut one, mut other] = [(); 2].map(|()| vec![0; 1 << 20]);
    loop {
        let length = bytes.read(&mut one).unwrap();
        let expected = other.get_mut(..length).unwrap();
        if length == 0 {
            return file.read(&mut one).unwrap() == 0;
        }
        if file.read_exact(expected).is_err() || *expected != one[..length] {
            return false;
        }
    }
}
