//! What was met on the way and is worth a warning: counted, with the first names, one warning a kind.

use std::collections::BTreeMap;

use crate::model::{PathBytes, Warning};

/// How many names a warning gives before it only counts.
const NAMED: usize = 20;

/// Things to warn about, by code.
#[derive(Debug, Default)]
pub(in crate::source) struct Findings {
    met: BTreeMap<&'static str, (u64, Vec<String>)>,
}

impl Findings {
    /// Counts one more; `path` is relative to the source.
    pub fn add(&mut self, code: &'static str, path: &PathBytes) {
        let (count, names) = self.met.entry(code).or_default();
        *count += 1;
        if names.len() < NAMED {
            names.push(if path.0.is_empty() { ".".to_owned() } else { path.to_string() });
        }
    }

    /// Nothing was met.
    pub fn is_empty(&self) -> bool {
        self.met.is_empty()
    }

    /// How often something was met.
    pub fn count(&self, code: &str) -> u64 {
        self.met.get(code).map_or(0, |(count, _)| *count)
    }

    /// One warning for every kind of thing that was met.
    pub fn warnings(&self, source: &str) -> Vec<Warning> {
        let one = |(code, (count, names)): (&&'static str, &(u64, Vec<String>))| {
            let more = if *count > names.len() as u64 { ", …" } else { "" };
            Warning::new(code, format!("{source}: {count} {}: {}{more}", words(code), names.join(", ")))
        };
        self.met.iter().map(one).collect()
    }
}

fn words(code: &str) -> &'static str {
    match code {
        "changed_during_backup" => "files kept changing while they were read; the copy may mix two states",
        "database_corrupted" => "damaged databases kept as they lie on the disk",
        "database_as_file" => "databases that must be recovered first, kept as plain files with what lies beside them",
        "database_path_too_long" => "databases whose path is longer than SQLite takes, kept as plain files",
        "destination_left_out" => "directories left out because backups are kept there",
        "mount_not_entered" => "mounted file systems not entered",
        "special_files" => "sockets, pipes or devices left out",
        "unreadable" => "could not be read and are NOT in the backup",
        "vanished" => "vanished before they could be read",
        _ => "things to look at",
    }
}
