//! The command line as clap sees it: names, flags and their help. A contract: scripts depend on it.
//! What the commands do is in [`crate::commands`].

mod copy;
mod daemon;
mod drive;
mod keys;
mod plan;
mod trash;
mod verify;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use recoup::model::destination::Layout;
use recoup::model::retention::Policy;
use recoup::model::{Format, Kind, Level};

pub use copy::Copy;
pub use daemon::{Adopt, Audit, AuditWord, DataPlace, Run, Serve, User, UserWord};
pub use drive::Drive;
pub use keys::{Key, Keys, RecoveryKit};
pub use plan::{Plan, PlanAdd, PlanDocument, PlanEdit, PlanNext, PlanWord, ScheduleArgs};
pub use trash::{PutBack, Trash};
pub use verify::Verify;

const EXIT_CODES: &str = "\
Exit codes:
  0 good   1 failed   2 usage or configuration   3 finished with warnings
  10 not found   11 busy or in use   12 denied, wrong key   13 corrupted   14 unreachable
  15 no space   16 unsupported, newer version   17 would overwrite   130 cancelled

New here? `recoup demo` makes a small shop, backs it up while it is written to, and shows the way.";

const EVERYWHERE: &str = "Options of every command";

/// Backs up an application's data (SQLite databases, directories, files, settings) as one restore point, and
/// proves that the backup restores.
#[derive(Debug, Parser)]
#[command(name = "recoup", version = VERSION.as_str(), max_term_width = 100, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command has.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file [default: the first of $RECOUP_CONFIG, ./recoup.toml,
    /// ~/.config/recoup/recoup.toml, /etc/recoup/recoup.toml]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Print one JSON document and nothing else
    #[arg(long, global = true, help_heading = EVERYWHERE, conflicts_with = "quiet")]
    pub json: bool,
    /// Print only what a script needs: ids, or nothing
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Back up a plan, or what the options name
    Backup(Backup),
    /// List backups, newest first
    List(List),
    /// Show what a backup holds
    Show(Show),
    /// Prove that backups are still good
    Verify(Verify),
    /// Compare a backup with another one or with the live data
    Diff(Diff),
    /// Put a backup back: a preview, a question, the act
    Restore(Restore),
    /// Bring back what the last restore replaced
    Undo(Undo),
    /// Copy backups to another destination
    Copy(Copy),
    /// Protect backups from being removed
    Protect(Which),
    /// Lift the protection of backups
    Unprotect(Which),
    /// Delete backups
    Delete(Delete),
    /// Remove what the retention policy does not keep, and say why
    Prune(Prune),
    /// What was deleted and waits for a day: list it, put it back
    #[command(subcommand)]
    Trash(Trash),
    /// Plans and when they run
    Plan(Plan),
    /// Run the daemon: schedules, users, the REST API
    Serve(Serve),
    /// Run what is due, without a daemon
    Run(Run),
    /// Users of the daemon, their passwords and tokens
    User(User),
    /// The audit: check it, export it
    Audit(Audit),
    /// Take what lies at a destination into the catalog's list
    Adopt(Adopt),
    /// The keys of encrypted backups
    #[command(subcommand)]
    Keys(Keys),
    /// Print what is needed to get everything back on an empty machine
    RecoveryKit(RecoveryKit),
    /// Check this machine, the configuration, sources and destinations
    Doctor(Doctor),
    /// Make a small shop, back it up while it is written to, and look at the result
    Demo(Demo),
    /// Sign in to Google Drive, and out of it
    #[command(subcommand)]
    Drive(Drive),
    /// Try how people are told
    #[command(subcommand)]
    Notify(Notify),
    /// Look at the configuration
    #[command(subcommand)]
    Config(Config),
    /// Print the completions of a shell
    Completions(Completions),
    /// The writer of `demo`
    #[command(hide = true)]
    DemoWriter(DemoWriter),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  recoup backup                                   the only plan of recoup.toml
  recoup backup shop --name \"before the sale\"     a plan, with a label
  recoup backup --database app.db --to /mnt/usb   one database, no configuration needed
  recoup backup --database sqlite:///./app.db --directory uploads --exclude '*.tmp'")]
pub struct Backup {
    /// Plan [default: the only one of recoup.toml]
    #[arg(conflicts_with_all = ["database", "directory", "file", "exclude", "plan_name"])]
    pub plan: Option<String>,
    /// SQLite database, as a path or a URL such as sqlite:///data/app.db
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub database: Vec<String>,
    /// Directory
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub directory: Vec<PathBuf>,
    /// File
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub file: Vec<PathBuf>,
    /// Leave out of the directories what matches: '*.tmp', 'cache/**'
    #[arg(long, value_name = "GLOB", requires = "directory")]
    pub exclude: Vec<String>,
    /// Name for what the options above name [default: the first source's file name]
    #[arg(long = "plan", value_name = "NAME", id = "plan_name")]
    pub plan_name: Option<String>,
    /// Destination: a name of recoup.toml, or a directory [default: the plan's, else ./backups]
    #[arg(long, value_name = "DEST", value_hint = ValueHint::DirPath)]
    pub to: Vec<String>,
    /// Leave destinations in the network out, this once
    #[arg(long)]
    pub local_only: bool,
    /// Shape of the backup [default: the plan's, else archive]
    #[arg(long, value_parser = format_parser())]
    pub format: Option<Format>,
    /// Label
    #[arg(long, value_name = "LABEL")]
    pub name: Option<String>,
    /// Why: pre-migration is protected, and answers with an existing backup when nothing has changed since
    #[arg(long, value_enum, default_value = "manual")]
    pub kind: KindWord,
    /// How old that existing backup may be: 90m, 6h, 2d [default: 24h]
    #[arg(long, value_name = "AGE")]
    pub fresh: Option<String>,
    /// How it lies at the destination: history adds only what has changed [default: what recoup.toml says of the destination, else files]
    #[arg(long, value_parser = layout_parser())]
    pub layout: Option<Layout>,
    /// Read everything, also what the file system says has not changed since the last backup of a history
    #[arg(long)]
    pub rescan: bool,
    /// Protect it from being removed
    #[arg(long)]
    pub protect: bool,
    /// Compact the copies of databases
    #[arg(long)]
    pub compact: bool,
    #[command(flatten)]
    pub key: Key,
    /// Encrypt it for this public key, age1… [default: what recoup.toml says of the destination]
    #[arg(long, help_heading = keys::HEADING, value_name = "KEY", conflicts_with = "passphrase_file")]
    pub recipient: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KindWord {
    Manual,
    PreMigration,
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Kind {
        match word {
            KindWord::Manual => Kind::Manual,
            KindWord::PreMigration => Kind::PreMigration,
        }
    }
}

/// Where backups are looked for.
#[derive(Debug, Args)]
pub struct At {
    /// Look only here: a name of recoup.toml, or a directory [default: everywhere recoup.toml names,
    /// and ./backups]
    #[arg(long, value_name = "DEST", value_hint = ValueHint::DirPath)]
    pub at: Option<String>,
    #[command(flatten)]
    pub key: Key,
}

#[derive(Debug, Args)]
pub struct List {
    /// Only backups of this plan
    pub plan: Option<String>,
    #[command(flatten)]
    pub at: At,
    /// Only backups that are not older: 90m, 6h, 2d; exit code 10 when there is none
    #[arg(long, value_name = "AGE")]
    pub fresh: Option<String>,
    /// Only backups that are whole and were verified; exit code 10 when there is none
    #[arg(long)]
    pub verified: bool,
    /// Only backups of this kind
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

const REFERENCE: &str = "Id, the beginning or the last six characters of one, file name, or `latest`";

#[derive(Debug, Args)]
pub struct Show {
    #[arg(help = REFERENCE)]
    pub backup: String,
    #[command(flatten)]
    pub at: At,
}

#[derive(Debug, Args)]
pub struct Diff {
    #[arg(value_name = "BACKUP", help = REFERENCE)]
    pub left: String,
    /// Another backup, or `live` for the data as it is now
    #[arg(value_name = "BACKUP|live", default_value = "live")]
    pub right: String,
    /// Where to unpack; needs room for both [default: $TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub scratch: Option<PathBuf>,
    #[command(flatten)]
    pub at: At,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  recoup restore latest                              everything, to where it came from
  recoup restore 7q2m4d --dry-run                    only the preview
  recoup restore latest --to /tmp/look               a fresh tree; nothing else is touched
  recoup restore latest --only pictures              one part
  recoup restore latest --only shop:product          one table, back into place
  recoup restore latest --only shop:product --to .   one table, as a new database file
  recoup restore ./download.zip --plan shop          a file from elsewhere, into the sources of a plan

Everything that is replaced is saved first; `recoup undo` brings it back. A restore that is interrupted, even by a
power cut, is finished or taken back by the next recoup command: the data is exactly old or exactly new.")]
pub struct Restore {
    #[arg(help = format!("{REFERENCE}; or the path of a file: an archive, also one that another program made, a database or a JSON export"))]
    pub backup: String,
    #[command(flatten)]
    pub at: At,
    /// Put it where this plan of recoup.toml has its sources [default: the backup's own plan]
    #[arg(long, value_name = "PLAN", conflicts_with = "to")]
    pub plan: Option<String>,
    /// Write a fresh tree to this directory instead, and touch nothing else
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with_all = ["dry_run", "yes"])]
    pub to: Option<PathBuf>,
    /// Only this part; DATABASE:TABLE for one table, DIRECTORY/FILE for one file; may be given again
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Only tell what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Restore a backup of another application or of a newer version all the same
    #[arg(long)]
    pub force: bool,
    /// Wait so many seconds for whoever holds a database
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub wait: u64,
    /// Where to unpack for the preview; needs room for a restored copy [default: $TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub scratch: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Undo {
    /// Id of the restore, or a plan [default: the last restore that was not undone]
    pub restore: Option<String>,
    #[command(flatten)]
    pub at: At,
    /// Only tell what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Which {
    #[arg(value_name = "BACKUP", required = true, help = REFERENCE)]
    pub backups: Vec<String>,
    #[command(flatten)]
    pub at: At,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[arg(value_name = "BACKUP", required = true, help = REFERENCE)]
    pub backups: Vec<String>,
    /// Delete protected backups and the last good one too
    #[arg(long)]
    pub force: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub at: At,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  recoup prune --dry-run                           what is kept, what goes, why; what is left later
  recoup prune shop --on 2027-01-01                what will be left of today's backups on that day
  recoup prune shop                                shows what goes, asks, removes exactly that
  recoup prune --at /mnt/usb --daily 7 --weekly 4  another policy, for this call only
  recoup prune --protected --older-than 90d        old safety backups and others that are protected

Without a terminal nobody is asked: what is usual goes; what is not (more than half at once, a
policy that was just changed, a wrong clock) pauses with exit code 3. What goes from a directory
waits a day in its trash.")]
pub struct Prune {
    /// Only backups of this plan
    pub plan: Option<String>,
    #[command(flatten)]
    pub at: At,
    /// Only tell what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Tell what of today's backups will be left on that day, if backups go on as they did
    #[arg(long, value_name = "DATE", conflicts_with_all = ["yes", "confirm", "protected"])]
    pub on: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Say yes to exactly the set that --dry-run --json named
    #[arg(long, value_name = "SET")]
    pub confirm: Vec<String>,
    /// Remove protected backups instead of what the policy does not keep
    #[arg(long, requires = "older_than")]
    pub protected: bool,
    /// How old they must be: 90d, 12w, 36h
    #[arg(long, value_name = "AGE", requires = "protected")]
    pub older_than: Option<String>,
    /// List what waits in the trash, and how to bring it back
    #[arg(long, conflicts_with_all = ["dry_run", "on", "yes", "confirm", "protected"])]
    pub trash: bool,
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// A policy for this call, instead of the one of recoup.toml.
#[derive(Debug, Args)]
#[command(next_help_heading = "Policy, instead of the one of recoup.toml")]
pub struct PolicyArgs {
    /// Where the policy starts from; the other options change it
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Policy::PRESETS), conflicts_with = "protected")]
    pub preset: Option<String>,
    /// Keep everything of the last N days
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub days: Option<u32>,
    /// Keep the newest N
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub keep_count: Option<u32>,
    /// Keep the newest of each of the last N minutes that have one
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub minutely: Option<u32>,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub hourly: Option<u32>,
    /// Keep all of the last N days, and the newest of each of the last N days that have one
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub daily: Option<u32>,
    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub weekly: Option<u32>,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub monthly: Option<u32>,
    /// Keep the newest of each of the last N years that have one
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub yearly: Option<u32>,
    /// Never keep fewer than N [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "protected")]
    pub min_keep: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Finish or take back restores that were interrupted
    #[arg(long)]
    pub repair: bool,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Directory of the demo
    #[arg(default_value = "./recoup-demo", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// Then run the daemon on it, until Ctrl-C
    #[arg(long)]
    pub serve: bool,
    /// Address and port of the daemon [default: 127.0.0.1:7467]
    #[arg(long, value_name = "ADDR", requires = "serve")]
    pub listen: Option<std::net::SocketAddr>,
}

#[derive(Debug, Args)]
pub struct DemoWriter {
    pub database: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Notify {
    /// Send a test message through channels of recoup.toml
    Test(NotifyTest),
}

#[derive(Debug, Args)]
pub struct NotifyTest {
    /// Channels by name, as in the configuration [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print every setting in effect
    Print {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
}

#[derive(Debug, Args)]
pub struct Completions {
    /// Shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["archive", "database", "json", "csv", "both"]).try_map(|word| word.parse::<Format>())
}

fn layout_parser() -> impl TypedValueParser<Value = Layout> {
    PossibleValuesParser::new(Layout::WORDS).try_map(|word| Layout::of(&word).ok_or("not a layout"))
}

fn level_parser() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(["checksum", "integrity", "restore"]).try_map(|word| word.parse::<Level>())
}

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (SQLite {})", env!("CARGO_PKG_VERSION"), rusqlite::version()));
