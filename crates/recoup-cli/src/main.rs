//! The `recoup` command line: a table of contents. What is true about backups is in the library; here is how
//! a person or a script asks for it and how the answer reads.
//!
//! One file per command in `commands`; `args` is the contract; `session` looks around; `output`, `table`,
//! `words` and `progress` are how things read; `exit` is how they end.

mod args;
mod ask;
mod commands;
mod exit;
mod output;
mod places;
mod progress;
mod repair;
mod session;
mod signals;
mod table;
mod words;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind as ClapKind;
use recoup::Error;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let screen = output::Screen::new(&cli.global);
    let ended = commands::run(cli, screen.clone()).and_then(|reply| screen.reply(&reply).map(|()| reply.exit));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            screen.error(&error);
            ExitCode::from(exit::of(error.kind()))
        }
    }
}

/// Help, the version, or what is wrong with the arguments; as JSON when that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json");
    let answer = matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion);
    if wants_json && !answer {
        let text = error.render().to_string();
        let text = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let document = output::error_document(&Error::usage("usage", text).hint("recoup --help"));
        drop(writeln!(std::io::stdout(), "{document:#}"));
    } else {
        drop(error.print());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
