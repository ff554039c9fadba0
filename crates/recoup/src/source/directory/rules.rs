//! What is left out of a directory: the globs of its configuration. Destinations, mounts and databases that
//! have a source of their own are the walk's business ([`super::walk`]).
//!
//! A pattern without `/` matches a name anywhere below the directory; one with `/` matches the path relative to
//! it. `cache/` leaves directories of that name out; `cache/**` keeps the directory and leaves out what is in it.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};

/// What becomes of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken.
    Taken,
    /// A directory that is taken, and nothing in it.
    Emptied,
    /// It is left out, and everything below it.
    LeftOut,
}

/// The patterns of one directory.
#[derive(Debug)]
pub(super) struct Rules {
    names: GlobSet,
    paths: GlobSet,
    directory_names: GlobSet,
    directory_paths: GlobSet,
    emptied: GlobSet,
}

impl Rules {
    /// Fails with `bad_exclude` when a pattern is not a glob.
    pub fn new(patterns: &[String]) -> Result<Self> {
        let mut sets: [GlobSetBuilder; 5] = std::array::from_fn(|_| GlobSetBuilder::new());
        for pattern in patterns {
            let relative = pattern.strip_prefix("./").or_else(|| pattern.strip_prefix('/')).unwrap_or(pattern);
            let (which, body) = if let Some(body) = relative.strip_suffix("/**") {
                (4, body)
            } else if let Some(body) = relative.strip_suffix('/') {
                (2, body)
            } else {
                (0, relative)
            };
            let anchored = relative != pattern || body.contains('/');
            let glob = GlobBuilder::new(body).literal_separator(true).build();
            let bad = |why: String| Error::usage("bad_exclude", format!("Not a pattern: {pattern}")).because(why);
            if body.is_empty() || body == "**" {
                return Err(bad("it names nothing, or everything".into()));
            }
            let glob = glob.map_err(|e| bad(e.to_string()))?;
            sets[if which < 4 && anchored { which + 1 } else { which }].add(glob);
        }
        let [names, paths, directory_names, directory_paths, emptied] = sets.map(|set| set.build());
        let failed = |e: globset::Error| Error::usage("bad_exclude", "The patterns are too many").because(e);
        Ok(Rules {
            names: names.map_err(failed)?,
            paths: paths.map_err(failed)?,
            directory_names: directory_names.map_err(failed)?,
            directory_paths: directory_paths.map_err(failed)?,
            emptied: emptied.map_err(failed)?,
        })
    }

    /// What becomes of `path`, relative to the directory, whose last part is `name`.
    pub fn judge(&self, path: &Path, name: &Path, directory: bool) -> Verdict {
        let out = self.names.is_match(name)
            || self.paths.is_match(path)
            || (directory && (self.directory_names.is_match(name) || self.directory_paths.is_match(path)));
        match (out, directory && self.emptied.is_match(path)) {
            (true, _) => Verdict::LeftOut,
            (false, true) => Verdict::Emptied,
            (false, false) => Verdict::Taken,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_with_a_slash_is_a_path_and_one_without_is_a_name() {
        use Verdict::{Emptied, LeftOut, Taken};
        for (pattern, path, directory, verdict) in [
            ("*.tmp", "a.tmp", false, LeftOut),
            ("*.tmp", "deep/er/a.tmp", false, LeftOut),
            ("*.tmp", "a.tmp.txt", false, Taken),
            ("node_modules", "x/node_modules", true, LeftOut),
            ("/a.txt", "a.txt", false, LeftOut),
            ("/a.txt", "b/a.txt", false, Taken),
            ("b/*.txt", "b/a.txt", false, LeftOut),
            ("b/*.txt", "b/c/a.txt", false, Taken),
            ("b/**/*.txt", "b/c/d/a.txt", false, LeftOut),
            ("cache/", "x/cache", true, LeftOut),
            ("cache/", "cache", false, Taken),
            ("a/cache/", "a/cache", true, LeftOut),
            ("a/cache/", "b/a/cache", true, Taken),
            ("cache/**", "cache", true, Emptied),
            ("cache/**", "x/cache", true, Taken),
            ("**/cache/**", "x/y/cache", true, Emptied),
        ] {
            let rules = Rules::new(&[pattern.to_owned()]).unwrap();
            let name = Path::new(path).file_name().unwrap();
            assert_eq!(rules.judge(Path::new(path), Path::new(name), directory), verdict, "{pattern} on {path}");
        }
        for bad in ["", "/", "[a", "a/[", "/**"] {
            assert_eq!(Rules::new(&[bad.to_owned()]).unwrap_err().code(), "bad_exclude", "{bad}");
        }
    }
}
