//! Names that nobody gave: of sources, from their paths; of ad-hoc plans, from their first source.
//! Every name ends up in paths inside a backup or in file names, so the rules are the same for given ones.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::Plan;

/// The names of one plan's sources. Compared without case, because backups are unpacked on any file system.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Takes a name that the user gave; the error is only the sentence.
    pub fn give(&mut self, name: &str) -> Result<(), String> {
        if name.starts_with('.') || name.len() > 100 || name.chars().any(|c| c.is_control() || "/\\".contains(c)) {
            return Err(format!("not a name: {name:?}; at most 100 bytes, no slash, no dot at the beginning"));
        }
        if self.0.insert(name.to_lowercase()) { Ok(()) } else { Err(format!("{name:?} is taken by another source")) }
    }

    /// Makes a name from the last part of `path`, and makes it unique with a number. `whole` keeps the
    /// extension, for what is stored under its own file name.
    pub fn derive(&mut self, path: &Path, whole: bool) -> String {
        let last = if whole { path.file_name() } else { path.file_stem() };
        let last = last.map(|name| name.to_string_lossy()).unwrap_or_default();
        let clean: String = last.chars().map(|c| if c.is_control() || "/\\".contains(c) { '_' } else { c }).collect();
        let mut clean = clean.trim_start_matches('.').to_owned();
        while clean.len() > 90 {
            clean.pop();
        }
        if clean.is_empty() {
            clean.push_str("data");
        }
        let (stem, extension) = match clean.rfind('.').filter(|_| whole) {
            Some(dot) if dot > 0 => clean.split_at(dot),
            _ => (clean.as_str(), ""),
        };
        let numbered = |n: usize| if n == 1 { clean.clone() } else { format!("{stem}-{n}{extension}") };
        let mut n = 1;
        while !self.0.insert(numbered(n).to_lowercase()) {
            n += 1;
        }
        numbered(n)
    }
}

/// The name of a plan that is given by its sources alone: the file stem of the first, made to fit.
pub(super) fn plan_name(path: &Path) -> String {
    Plan::name_of(path)
}

/// The absolute form of a path as written, without looking at the disk and without following links.
pub(super) fn absolute(written: &Path, base: &Path) -> Result<std::path::PathBuf> {
    let path = base.join(written);
    std::path::absolute(&path).map_err(|error| Error::at("resolving", &path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_paths_and_stay_unique() {
        let mut names = Names::default();
        assert_eq!(names.give("app"), Ok(()));
        assert!(names.give("APP").is_err());
        assert!(names.give("a/b").is_err());
        assert_eq!(names.derive(Path::new("/a/app.db"), false), "app-2");
        assert_eq!(names.derive(Path::new("/b/app.sqlite3"), false), "app-3");
        assert_eq!(names.derive(Path::new("/a/config.yml"), true), "config.yml");
        assert_eq!(names.derive(Path::new("/b/config.yml"), true), "config-2.yml");
        assert_eq!(names.derive(Path::new("/b/.env"), true), "env");
        assert_eq!(names.derive(Path::new("/"), false), "data");
    }

    #[test]
    fn any_file_name_gives_a_plan_name_that_fits() {
        for (path, name) in [
            ("/srv/Shop.db", "shop"),
            ("/srv/My Büro (alt).sqlite", "my-b-ro-alt"),
            ("/srv/.hidden", "hidden"),
            ("/srv/日本.db", "backup"),
            ("/", "backup"),
        ] {
            assert_eq!(plan_name(Path::new(path)), name, "{path}");
            assert!(Plan::check_name(&plan_name(Path::new(path))).is_ok(), "{path}");
        }
        let long = format!("/{}.db", "x-".repeat(90));
        assert!(Plan::check_name(&plan_name(Path::new(&long))).is_ok());
    }
}
