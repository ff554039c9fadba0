//! The daemon and what belongs to it, as clap sees it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use recoup::model::user::{Role, Scope};

#[derive(Debug, Args)]
#[command(after_help = "\
It runs the plans of recoup.toml and those that were added by their schedules, and answers
the REST API. On its first start it prints a set-up code once, with which the first admin is made.
RUST_LOG=debug tells more.")]
pub struct Serve {
    /// Address and port [default: from the configuration, else 127.0.0.1:7467]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Folder of the catalog and of what belongs to it [default: from the configuration, else ./recoup-data]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Log lines as JSON
    #[arg(long)]
    pub log_json: bool,
}

/// Where the catalog lies.
#[derive(Debug, Default, Args)]
pub struct DataPlace {
    /// Folder of the catalog [default: from the configuration, else ./recoup-data]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct User {
    #[command(flatten)]
    pub place: DataPlace,
    #[command(subcommand)]
    pub word: UserWord,
}

#[derive(Debug, Subcommand)]
pub enum UserWord {
    /// Add a user; without --password-file a password is made and shown once
    Add {
        /// What they sign in with
        name: String,
        /// admin, operator or viewer
        #[arg(long, default_value = "operator", value_parser = role)]
        role: Role,
        /// File with the password, - for standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List the users
    List,
    /// Give a user a new password and end their sign-ins
    Reset {
        /// Whom
        name: String,
        /// File with the password, - for standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Make a token for a script, shown once
    Token {
        /// Whose
        name: String,
        /// To tell it from others
        #[arg(long, default_value = "command line")]
        label: String,
        /// read, run, write or admin
        #[arg(long, default_value = "read", value_parser = scope)]
        scope: Scope,
        /// How many days it works
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
        days: u16,
    },
}

#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    pub place: DataPlace,
    #[command(subcommand)]
    pub word: AuditWord,
}

#[derive(Debug, Subcommand)]
pub enum AuditWord {
    /// Check that no event was changed, removed or cut off
    Verify,
    /// Print the events as JSON lines
    Export {
        /// As CSV
        #[arg(long)]
        csv: bool,
        /// Only events after this number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: i64,
    },
}

#[derive(Debug, Args)]
pub struct Adopt {
    /// Destination: a name of recoup.toml, or a directory
    pub destination: String,
    #[command(flatten)]
    pub place: DataPlace,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Run the plans whose time has come, and end
    #[arg(long, required = true)]
    pub due: bool,
    #[command(flatten)]
    pub place: DataPlace,
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| "admin, operator or viewer".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|_| "read, run, write or admin".to_owned())
}
