//! Copies of backups, as clap sees them.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use recoup::model::destination::Layout;

use super::keys::HEADING;
use super::{At, layout_parser};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  recoup copy latest offsite            the newest backup, to the destination that recoup.toml calls offsite
  recoup copy --all offsite --at nas    what is at one and not at the other
  recoup copy 7q2m4d /mnt/usb           to a directory

A copy is the same backup at one more place: same id, same bytes, proven on both sides. What is damaged is not copied.")]
pub struct Copy {
    /// Backups, and at the end where to: a name of recoup.toml, or a directory
    #[arg(value_name = "BACKUP… DEST", required = true)]
    pub given: Vec<String>,
    /// Every backup that is whole; only DEST is named
    #[arg(long)]
    pub all: bool,
    /// How the copies lie there: history adds only what has changed [default: what recoup.toml says of DEST, else files]
    #[arg(long, value_parser = layout_parser())]
    pub layout: Option<Layout>,
    /// Where to put what must be downloaded first [default: $TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub scratch: Option<PathBuf>,
    /// Encrypt the copies for this public key, age1… [default: what recoup.toml says of DEST]
    #[arg(long, help_heading = HEADING, value_name = "KEY", conflicts_with = "passphrase_file")]
    pub recipient: Vec<String>,
    #[command(flatten)]
    pub at: At,
}
