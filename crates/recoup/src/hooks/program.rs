//! A hook that is a program: an argument list, never a shell line, with a deadline for its whole process group. What it
//! leaves running when it ends by itself is the application, and is left alone.
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

/// How long a program that took too long may clean up before it is killed.
const GRACE: Duration = Duration::from_secs(2);

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
        if let Err(cancelled) = context.check() {
            end(&mut running, context);
            return Err(cancelled);
        }
        if running.ended().map_err(|e| Error::io("waiting for a hook", e))? {
            break;
        }
        if context.clock.monotonic().saturating_sub(started) >= timeout {
            end(&mut running, context);
            let limit = format!("it may take {} seconds", timeout.as_secs_f64());
            return Err(failed("hook_timeout", "took too long").because(limit));
        }
        std::thread::sleep(LOOK);
    }
    let status = running.release().map_err(|e| Error::io("waiting for a hook", e))?;
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

/// Asks it to end, and makes it end; what it had to say about that is of no use.
fn end(running: &mut Running, context: &Context) {
    let asked = context.clock.monotonic();
    let patience = || {
        std::thread::sleep(LOOK);
        context.clock.monotonic().saturating_sub(asked) < GRACE
    };
    drop(running.end(patience));
}
