//! The trash, as clap sees it.

use clap::{Args, Subcommand};

use super::At;

#[derive(Debug, Subcommand)]
pub enum Trash {
    /// List what waits there, and until when
    List(TrashList),
    /// Put backups back
    #[command(after_help = "\
Examples:
  recoup trash put-back x7k2qf     the backup whose name ends so, at every destination

It is protected then: what the policy does not keep would go again. `recoup unprotect` lifts that.")]
    PutBack(PutBack),
}

#[derive(Debug, Args)]
pub struct TrashList {
    #[command(flatten)]
    pub at: At,
}

#[derive(Debug, Args)]
pub struct PutBack {
    /// Name as `recoup trash list` prints it, the six characters at its end, or the id
    #[arg(value_name = "BACKUP", required = true)]
    pub backups: Vec<String>,
    /// Do not protect them from the policy
    #[arg(long)]
    pub unprotected: bool,
    #[command(flatten)]
    pub at: At,
}
