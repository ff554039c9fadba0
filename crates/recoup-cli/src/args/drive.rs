//! Signing in to Google Drive, as clap sees it.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Drive {
    /// Sign in: open a page of Google in a browser on this machine and agree
    #[command(after_help = "\
Where there is no browser, --device gives a code that is typed at google.com/device on any other
machine; the client must be one for TVs and limited input devices then.

Recoup can only see files that it made itself (scope drive.file).")]
    Connect {
        /// Destination of recoup.toml
        name: String,
        /// Sign in with a code, from a browser anywhere
        #[arg(long)]
        device: bool,
    },
    /// Show whose account it is and how much room there is
    Status(DriveName),
    /// Sign out: take the access back at Google and forget it here; backups stay
    Disconnect(DriveName),
}

#[derive(Debug, Args)]
pub struct DriveName {
    /// Destination of recoup.toml
    pub name: String,
}
