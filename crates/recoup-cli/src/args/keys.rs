//! Keys of encrypted backups, as clap sees them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::Command;

/// Where the help tells of encryption.
pub const HEADING: &str = "Encrypted backups";

/// What opens encrypted backups, where recoup.toml does not say it.
#[derive(Debug, Clone, Default, Args)]
pub struct Key {
    /// File with their passphrase, in one line
    #[arg(long, help_heading = HEADING, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub passphrase_file: Option<PathBuf>,
    /// File with secret keys that open them (AGE-SECRET-KEY-1…)
    #[arg(long, help_heading = HEADING, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A passphrase locks a key that is made at the destination; every backup carries the locked key with it.
Without a passphrase, public keys (recipients) lock the backups and somebody else keeps the secret keys.")]
pub enum Keys {
    /// Make a secret key and tell its public key
    New {
        /// Write the secret key to this new file (0600) [default: print it]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
    },
    /// Which keys are in use, for how many backups, and whether what is configured opens them
    Show(KeysShow),
    /// Make a new key for new backups; those of before stay as they are
    #[command(after_help = "\
With --passphrase-file the passphrase changes: it locks the new key, and the keys of before are kept once more, locked with
it, so that it opens their backups through recoup. Backups never change: by hand, each still opens with the passphrase
that it was made with, and whoever knows that one can still open it. Then name the new file in recoup.toml.")]
    Rotate(KeysRotate),
    /// Open the newest and the oldest backup of each key
    Test(KeysTest),
}

#[derive(Debug, Args)]
pub struct KeysShow {
    /// Destination: a name of recoup.toml, or a directory [default: all of them]
    #[arg(value_name = "DEST")]
    pub destination: Option<String>,
    #[command(flatten)]
    pub key: Key,
}

#[derive(Debug, Args)]
pub struct KeysRotate {
    /// Destination: a name of recoup.toml, or a directory
    #[arg(value_name = "DEST")]
    pub destination: String,
    /// The key of this plan, which has its own
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<String>,
    /// File with the new passphrase [default: the passphrase stays]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub passphrase_file: Option<PathBuf>,
    /// File with the passphrase of before, where recoup.toml does not say it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub old_passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct KeysTest {
    /// Destination: a name of recoup.toml, or a directory
    #[arg(value_name = "DEST", required_unless_present = "all", conflicts_with = "all")]
    pub destination: Option<String>,
    /// Every destination
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub key: Key,
}

impl Keys {
    /// The key that was given.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Keys::Show(args) => Some(&args.key),
            Keys::Test(args) => Some(&args.key),
            Keys::New { .. } | Keys::Rotate(_) => None,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Print it, and keep it where the machine and its disks are not. It names what is needed, and where; with --with-secrets it
holds the passphrases and credentials themselves, and belongs into a safe.")]
pub struct RecoveryKit {
    /// Write it to this new file (0600) [default: print it]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Put passphrases and credentials into it
    #[arg(long)]
    pub with_secrets: bool,
}

impl Command {
    /// The key that was given, and whether it locks what is written even where recoup.toml names another.
    pub fn key(&self) -> Option<(&Key, &[String], bool)> {
        Some(match self {
            Command::Backup(args) => (&args.key, &args.recipient, true),
            Command::Copy(args) => (&args.at.key, &args.recipient, true),
            Command::List(args) => (&args.at.key, &[], false),
            Command::Show(args) => (&args.at.key, &[], false),
            Command::Verify(args) => (&args.at.key, &[], false),
            Command::Diff(args) => (&args.at.key, &[], false),
            Command::Restore(args) => (&args.at.key, &[], false),
            Command::Undo(args) => (&args.at.key, &[], false),
            Command::Protect(args) | Command::Unprotect(args) => (&args.at.key, &[], false),
            Command::Delete(args) => (&args.at.key, &[], false),
            Command::Prune(args) => (&args.at.key, &[], false),
            Command::Keys(args) => (args.key()?, &[], false),
            _ => return None,
        })
    }
}
