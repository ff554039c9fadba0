//! `recoup plan …` as clap sees it.

use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Plan {
    /// Tell when a plan, or a schedule, runs next
    Next(PlanNext),
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
    /// Plan of recoup.toml [default: the only one; when a schedule is given, none]
    #[arg(conflicts_with_all = ["every", "at", "zone", "weekday", "day"])]
    pub plan: Option<String>,
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
    /// Only times later than this: 2026-10-25T00:30:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub after: Option<Timestamp>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
}

impl PlanNext {
    /// Whether a schedule is spelled out.
    pub fn spelled_out(&self) -> bool {
        [&self.every, &self.at, &self.zone, &self.weekday, &self.day].iter().any(|given| given.is_some())
    }
}
