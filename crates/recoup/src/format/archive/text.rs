//! The text of `RESTORE.txt`: how to get everything back with ordinary tools, with this backup's values.
//!
//! Not here: the longer page for people who have the documentation at hand, `docs/restore-by-hand.md`.

use std::fmt::Write;

use crate::model::{Manifest, PartKind};

/// The text for one backup.
pub fn restore(manifest: &Manifest) -> String {
    let mut text = format!(
        "This is a backup of \"{}\", made {} by {}.\nIt can be put back without Recoup, with tools that every machine has.\n\n",
        manifest.plan, manifest.created_at, manifest.made_by
    );
    text.push_str(
        "1. Unpack it into an empty folder:\n\n       LC_ALL=C.UTF-8 unzip THIS.zip -d restored && cd restored\n\n",
    );
    text.push_str("2. What is in it, and where it came from:\n\n");
    for part in &manifest.parts {
        let origin = part.origin.as_ref().map(ToString::to_string).unwrap_or_default();
        let path = if part.absent { "(was not there)" } else { &part.path };
        let _ = writeln!(text, "       {path:<40} {origin}");
    }
    let databases = manifest.parts.iter().filter(|part| part.kind == PartKind::Database && !part.absent);
    let mut first = true;
    for part in databases {
        if first {
            text.push_str("\n3. Check each database; it must say \"ok\":\n\n");
        }
        first = false;
        let _ = writeln!(text, "       sqlite3 'file:{}?immutable=1' 'PRAGMA integrity_check'", part.path);
    }
    text.push_str(
        "\n4. Stop the application. Move its old database away TOGETHER WITH the files beside it that end in\n   \
         -wal, -shm and -journal: a leftover -wal would silently change what you restore. Then copy the\n   \
         database to its place, give it the owner and the mode that the old one had, and start again.\n\n\
         5. Directories: cp -a directories/NAME/. /its/place/\n   \
         Beside each directory lies NAME.entries.jsonl with every entry's exact mode, time and owner. Entries of\n   \
         the kind \"hardlink\" are only there: make them with  ln TARGET PATH . Names that ZIP cannot hold are\n   \
         escaped as %XX in the archive; the list has the real ones.\n\n",
    );
    let left_out: Vec<&str> = manifest
        .parts
        .iter()
        .filter_map(|part| part.settings.as_ref())
        .flat_map(|settings| settings.left_out.iter().map(String::as_str))
        .collect();
    if !left_out.is_empty() {
        let _ = writeln!(text, "6. These settings are secret and are NOT in this backup; enter them again:\n");
        left_out.iter().for_each(|name| {
            let _ = writeln!(text, "       {name}");
        });
    }
    text
}
