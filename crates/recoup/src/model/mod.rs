//! Plain values: what a plan, a backup and its manifest are. No I/O, no clock; everything here can be
//! built in a test with a literal.

pub mod audit;
pub mod backup;
pub mod channel;
pub mod copies;
pub mod destination;
pub mod duration;
pub mod encryption;
pub mod entry;
pub mod forecast;
pub mod growth;
pub mod guard;
pub mod history;
pub mod hook;
pub mod job;
pub mod notice;
pub mod plan;
pub mod restore;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod shrink;
pub mod template;
pub mod user;

pub use backup::{
    BackupId, DatabaseFacts, DirectoryFacts, FileFacts, Format, Kind, Level, MANIFEST_VERSION, Manifest, Object, Part,
    PartKind, SettingsFacts, TableFacts, Warning,
};
pub use entry::{Content, Entry, EntryKind, PathBytes, Sink};
pub use plan::{CommandSpec, DatabaseSpec, DirectorySpec, FileSpec, Plan, SettingsSpec, SourceSpec, TableSettings};
pub use restore::{RESTORE_FOLDER, RestoreRecord};
pub use run::{Outcome, Problem};
pub use schedule::Schedule;
