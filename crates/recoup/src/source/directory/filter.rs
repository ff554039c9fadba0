//! Which entries of a tree are left out: globs as people write them.
//!
//! Not here: what is left out for other reasons (destinations, other file systems, databases).

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};

/// Compiled globs. A pattern without `/` is meant for names anywhere, one with `/` for the path from the root;
/// a final `/` or `/**` means the whole directory.
pub struct Filter {
    names: GlobSet,
    paths: GlobSet,
}

impl Filter {
    /// Compiles the patterns of a configuration.
    pub fn new(patterns: &[String]) -> Result<Self> {
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let bad = |e: globset::Error| {
                Error::usage("bad_glob", format!("Cannot understand the pattern {pattern:?}")).because(e)
            };
            let whole = pattern.trim_start_matches("./").trim_start_matches('/');
            let whole = whole.strip_suffix("/**").or_else(|| whole.strip_suffix('/')).unwrap_or(whole);
            let glob = GlobBuilder::new(whole).literal_separator(true).build().map_err(bad)?;
            if whole.contains('/') {
                paths.add(glob);
            } else {
                names.add(glob);
            }
        }
        let bad = |e| Error::usage("bad_glob", "Cannot understand the patterns").because(e);
        Ok(Filter { names: names.build().map_err(bad)?, paths: paths.build().map_err(bad)? })
    }

    /// Whether an entry is left out, and everything below it.
    pub fn leaves_out(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| self.names.is_match(name)) || self.paths.is_match(path)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_people_expect() {
        let filter = Filter::new(&["*.tmp", "cache/", "logs/*.log", "a/b/**"].map(str::to_owned)).unwrap();
        for (path, out) in [
            ("x.tmp", true),
            ("deep/er/x.tmp", true),
            ("cache", true),
            ("deep/cache", true),
            ("logs/x.log", true),
            ("logs/old/x.log", false),
            ("a/b", true),
            ("a", false),
            ("x.tmp.txt", false),
        ] {
            assert_eq!(filter.leaves_out(Path::new(path)), out, "{path}");
        }
        assert_eq!(Filter::new(&["[".to_owned()]).err().map(|e| e.code()), Some("bad_glob"));
    }
}
