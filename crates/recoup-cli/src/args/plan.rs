//! `recoup plan …` as clap sees it.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;
use recoup::model::Format;
use recoup::model::retention::Policy;

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub place: super::DataPlace,
    #[command(subcommand)]
    pub word: PlanWord,
}

#[derive(Debug, Subcommand)]
pub enum PlanWord {
    /// List the plans: those of recoup.toml, and those that were added
    List,
    /// Show what a plan does, and how it stands
    Show {
        /// Plan
        plan: String,
    },
    /// Add a plan to the catalog
    Add(PlanAdd),
    /// Change a plan of the catalog; what is not named stays
    Edit(PlanEdit),
    /// Remove a plan of the catalog; its backups stay where they are
    Remove {
        /// Plan
        plan: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Print plans as tables for recoup.toml
    Export {
        /// Plans [default: all but recoup's own]
        #[arg(value_name = "PLAN")]
        plans: Vec<String>,
    },
    /// Tell when a plan, or a schedule, runs next
    Next(PlanNext),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  recoup plan add shop --database shop.db --directory uploads --at 03:00
  recoup plan add shop --database shop.db --every weekly --weekday sunday --preset 7-4-12
  recoup plan add shop --from shop.toml          a [plan.shop] table, or only its keys
  recoup plan export shop | recoup plan add shop-2 --from - --directory other

What may start programs (hooks, commands) stands in recoup.toml only. Relative paths of options
are meant from the current directory, those of --from from the folder of recoup.toml.")]
pub struct PlanAdd {
    /// Its name: 1 to 64 of a-z, 0-9, '.', '_' and '-'
    pub name: String,
    /// The user it belongs to [default: recoup itself, which admins look after]
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    #[command(flatten)]
    pub document: PlanDocument,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  recoup plan edit shop --at 04:30
  recoup plan edit shop --disabled
  recoup plan edit shop --unset retention --unset schedule.jitter
  echo 'deadline = \"2h\"' | recoup plan edit shop --from -

Sources of one kind are replaced together: --database names all databases. So is the retention.
Plans of recoup.toml are changed there.")]
pub struct PlanEdit {
    /// Plan
    pub plan: String,
    /// Take a key away: retention, schedule.zone
    #[arg(long, value_name = "KEY")]
    pub unset: Vec<String>,
    /// Only when it is still this version, as plan show told it
    #[arg(long, value_name = "N")]
    pub if_version: Option<i64>,
    #[command(flatten)]
    pub document: PlanDocument,
}

/// What a plan says: a table, and options over it.
#[derive(Debug, Args)]
pub struct PlanDocument {
    /// File with a plan's table as in recoup.toml, or only its keys; - for standard input. Options change it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub from: Option<PathBuf>,
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
    /// Destination: a name of recoup.toml, or a directory
    #[arg(long, visible_alias = "to", value_name = "DEST", value_hint = ValueHint::DirPath)]
    pub destination: Vec<String>,
    /// Shape of the backup
    #[arg(long, value_parser = super::format_parser())]
    pub format: Option<Format>,
    /// Channel that is told, by its name in recoup.toml
    #[arg(long, value_name = "NAME")]
    pub notify: Vec<String>,
    /// It runs on its schedule
    #[arg(long, conflicts_with = "disabled")]
    pub enabled: bool,
    /// It runs only by hand, whatever its schedule
    #[arg(long)]
    pub disabled: bool,
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    #[command(flatten)]
    pub keep: KeepArgs,
}

/// A schedule, spelled out.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schedule")]
pub struct ScheduleArgs {
    /// daily, weekly, monthly, rolling-weekly, rolling-monthly, or a cron expression [default: daily]
    #[arg(long)]
    pub every: Option<String>,
    /// Time of day, 24-hour [default: 03:00]
    #[arg(long, value_name = "HH:MM")]
    pub at: Option<String>,
    /// Time zone [default: that of this machine]
    #[arg(long)]
    pub zone: Option<String>,
    /// For weekly [default: sunday]
    #[arg(long)]
    pub weekday: Option<String>,
    /// For monthly: 1 to 31, the last day of shorter months, or last [default: 1]
    #[arg(long)]
    pub day: Option<String>,
}

/// A retention policy, in short.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Retention")]
pub struct KeepArgs {
    /// Where the policy starts from; the other options change it
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Policy::PRESETS))]
    pub preset: Option<String>,
    /// Keep everything of the last N days
    #[arg(long, value_name = "N")]
    pub keep_days: Option<u32>,
    /// Keep the newest N
    #[arg(long, value_name = "N")]
    pub keep_count: Option<u32>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  recoup plan next                                         the only plan of recoup.toml
  recoup plan next --at 02:30 --zone America/New_York --after 2026-03-07T12:00:00Z
  recoup plan next --every monthly --day 31 --count 12
  recoup plan next --every '30 2 * * mon-fri'

A time that the clock skips runs at the first instant after the gap; one that it shows twice
runs once, at the first. A rolling schedule counts its 7 or 30 days from the date of --after.")]
pub struct PlanNext {
    /// Plan [default: the only one of recoup.toml; when a schedule is given, none]
    #[arg(conflicts_with_all = ["every", "at", "zone", "weekday", "day"])]
    pub plan: Option<String>,
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// Only times later than this: 2026-10-25T00:30:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub after: Option<Timestamp>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
}

impl ScheduleArgs {
    /// Whether a schedule is spelled out.
    pub fn spelled_out(&self) -> bool {
        [&self.every, &self.at, &self.zone, &self.weekday, &self.day].iter().any(|given| given.is_some())
    }
}
