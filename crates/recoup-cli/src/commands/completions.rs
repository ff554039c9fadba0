//! `recoup completions`: the completions of a shell, made from the same types as the help.

use clap::CommandFactory;
use recoup::Result;
use serde_json::json;

use crate::args::{Cli, Completions};
use crate::output::Reply;

pub fn run(args: &Completions) -> Result<Reply> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "recoup", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let json = json!({ "shell": args.shell.to_string(), "script": script });
    Ok(Reply::good(json, script.clone(), script))
}
