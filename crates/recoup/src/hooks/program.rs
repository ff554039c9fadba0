//! A hook that is a program: an argument list, never a shell line, with a deadline for its whole process group.
//!
//! Not here: what the program does.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Event;
use crate::error::{Error, ErrorKind, Result};
use crate::process::Running;
use crate::progress::Context;

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Runs a program to its end. Errors: `hook_failed`, `hook_timeout`, `cancelled`.
pub fn run(argv: &[String], event: &Event<'_>, timeout: Duration, context: &Context) -> Result<()> {
    let failed = |code, what: &str| Error::new(ErrorKind::Failed, code, format!("The hook {what}"));
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::usage("bad_hook", "The hook names no program"));
    };
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.env("HOOK_OCCASION", event.occasion.word()).env("HOOK_PLAN", event.plan);
    command.env("HOOK_MOMENT", event.moment()).env("HOOK_OUTCOME", event.outcome.unwrap_or_default());
    let child = command.spawn().map_err(|e| failed("hook_failed", "could not be started").because(e))?;
    let mut running = Running::new(child);
    let started = context.clock.monotonic();
    loop {
        context.check()?;
        if running.ended().map_err(|e| Error::io("waiting for a hook", e))? {
            break;
        }
        if context.clock.monotonic().saturating_sub(started) >= timeout {
            let limit = format!("it may take {} seconds", timeout.as_secs_f64());
            return Err(failed("hook_timeout", "took too long").because(limit));
        }
        std::thread::sleep(LOOK);
    }
    let status = running.stop().map_err(|e| Error::io("waiting for a hook", e))?;
    if status.success() {
        return Ok(());
    }
    let said = running.said();
    Err(failed("hook_failed", "failed").because(if said.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {said}")
    }))
}
