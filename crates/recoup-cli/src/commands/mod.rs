//! One file per command. Each takes its arguments and what the session found, and gives a reply.

mod adopt;
mod audit;
mod backup;
mod completions;
mod config;
mod copy;
mod delete;
mod demo;
mod diff;
mod doctor;
mod drive;
mod due;
mod engine;
mod keys;
mod list;
mod notify;
mod plan;
mod protect;
mod prune;
mod recovery_kit;
mod restore;
mod runs;
mod serve;
mod show;
mod trash;
mod undo;
mod user;
mod verify;

use recoup::Result;
use recoup::model::Manifest;

use crate::args::{Cli, Command, Config, Notify};
use crate::output::{Reply, Screen};
use crate::session::Session;
use crate::words;

/// Runs a command.
pub fn run(cli: Cli, screen: Screen) -> Result<Reply> {
    recoup::sqlite::open::assert_version()?;
    let session = || {
        let mut session = Session::open(&cli.global, screen.clone())?;
        if let Some((key, recipients, wins)) = cli.command.key() {
            session.unlock_with(key, recipients, wins)?;
        }
        Ok(session)
    };
    match &cli.command {
        Command::Backup(args) => backup::run(args, &session()?),
        Command::List(args) => list::run(args, &session()?),
        Command::Show(args) => show::run(args, &session()?),
        Command::Verify(args) => verify::run(args, &session()?),
        Command::Diff(args) => diff::run(args, &session()?),
        Command::Restore(args) => restore::run(args, &session()?),
        Command::Undo(args) => undo::run(args, &session()?),
        Command::Copy(args) => copy::run(args, &session()?),
        Command::Protect(args) => protect::run(args, true, &session()?),
        Command::Unprotect(args) => protect::run(args, false, &session()?),
        Command::Delete(args) => delete::run(args, &session()?),
        Command::Prune(args) => prune::run(args, &session()?),
        Command::Trash(args) => trash::run(args, &session()?),
        Command::Plan(args) => plan::run(args, &session()?),
        Command::Serve(args) => serve::run(args, &session()?),
        Command::Run(args) => due::run(args, &session()?),
        Command::User(args) => user::run(args, &session()?),
        Command::Audit(args) => audit::run(args, &session()?),
        Command::Adopt(args) => adopt::run(args, &session()?),
        Command::Doctor(args) => doctor::run(args, &session, &screen),
        Command::Drive(args) => drive::run(args, &session()?),
        Command::Keys(args) => keys::run(args, &session()?),
        Command::RecoveryKit(args) => recovery_kit::run(args, &session()?),
        Command::Config(Config::Print { origin }) => config::print(*origin, &session()?),
        Command::Notify(Notify::Test(args)) => notify::test(args, &session()?),
        // These look at no configuration: they work for somebody who has none, or a wrong one.
        Command::Demo(args) if args.serve => demo::serve(args, &screen),
        Command::Demo(args) => demo::run(args, &screen),
        Command::DemoWriter(args) => demo::writer::run(args),
        Command::Completions(args) => completions::run(args),
    }
}

/// A backup in one phrase: `shop 7q2m4d (2 h ago)`.
fn phrase(manifest: &Manifest, now: jiff::Timestamp) -> String {
    format!("{} {} ({})", manifest.plan, manifest.id.tail(), words::age(manifest.created_at, now))
}
