//! The source *command*: what a program writes to its standard output, kept as one file. An argument list,
//! never a shell line; a process group of its own, so that nothing of it is left when it is stopped. Its words
//! come through a pipe and are written here: a full disk is our error then, and not one that a program may ignore.
//!
//! Not here: hooks around a backup.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};

use super::{Emitted, Presence, Scope, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{CommandSpec, Content, Entry, PartKind, PathBytes, Sink};
use crate::process::Running;
use crate::progress::Context;

/// How long a running command that says nothing is left alone: at first, and at most.
const LOOK: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(20));

/// How long the output may stay open when the command and its group have ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes taken at once; what a pipe holds on Linux.
const CHUNK: usize = 64 * 1024;

/// The standard output of a command.
pub struct CommandSource {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    base: PathBuf,
    timeout: Duration,
    staged: Option<(PathBuf, u64, i64)>,
}

impl CommandSource {
    /// A command by its spec. It runs in `base`; a program with a `/` in it is meant from there.
    pub fn new(spec: &CommandSpec, base: &Path) -> Result<Self> {
        let Some((program, arguments)) = spec.argv.split_first().filter(|(program, _)| !program.is_empty()) else {
            return Err(Error::usage("command_without_program", format!("The command {} names no program", spec.name)));
        };
        Ok(CommandSource {
            name: spec.name.clone(),
            program: if program.contains('/') { base.join(program) } else { PathBuf::from(program) },
            arguments: arguments.to_vec(),
            base: base.to_owned(),
            timeout: Duration::from_millis(spec.timeout_ms),
            staged: None,
        })
    }

    /// Arguments are never told: they may hold passwords.
    fn failed(&self, code: &'static str, what: &str) -> Error {
        let program = self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy();
        Error::new(ErrorKind::Failed, code, format!("{program} {what}"))
    }

    /// Writes the command's output to `output` until its end. How many bytes.
    fn run(&self, mut output: File, path: &Path, context: &Context) -> Result<u64> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.base).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|e| self.failed("command_failed", "could not be started").because(e))?;
        let words = child.stdout.take();
        let mut running = Running::new(child);
        let (Some(mut words), waiting) = (words, |e| Error::io("waiting for a command", e)) else {
            return Err(self.failed("command_failed", "has no output"));
        };
        fcntl_setfl(&words, OFlags::NONBLOCK).map_err(|e| waiting(e.into()))?;
        let (started, mut size) = (context.clock.monotonic(), 0);
        let (mut ended, mut pause, mut waited) = (None, LOOK.0, Duration::ZERO);
        let mut buffer = vec![0; CHUNK];
        let status = loop {
            context.check()?;
            if context.clock.monotonic().saturating_sub(started) >= self.timeout {
                let limit = format!("it may take {} seconds", self.timeout.as_secs_f64());
                return Err(self.failed("command_timeout", "took too long").because(limit));
            }
            // Asked before the pipe is, so that its last words are not missed. Children that it left behind are
            // ended with it: nobody would wait for theirs.
            if ended.is_none() && running.ended().map_err(waiting)? {
                ended = Some(running.stop().map_err(waiting)?);
                pause = LOOK.0;
            }
            match (take(&mut words, &mut buffer).map_err(waiting)?, ended) {
                (Some(count @ 1..), _) => {
                    output.write_all(&buffer[..count]).map_err(|e| Error::at("writing", path, e))?;
                    context.advance(count as u64)?;
                    size += count as u64;
                    (pause, waited) = (LOOK.0, Duration::ZERO);
                    continue;
                }
                // It may close its output and go on.
                (Some(0), Some(status)) => break status,
                (None, _) if waited >= PATIENCE => {
                    let why = "something that left its process group still holds its output";
                    return Err(self.failed("command_left_running", "left something running").because(why));
                }
                _ => {}
            }
            std::thread::sleep(pause);
            if ended.is_some() {
                waited += pause;
            }
            pause = (pause * 2).min(LOOK.1);
        };
        if status.success() {
            return Ok(size);
        }
        let said = running.said();
        let cause = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        Err(self.failed("command_failed", "failed").because(cause))
    }
}

/// What the pipe holds now: 0 bytes at its end, `None` when there is nothing yet.
fn take(words: &mut ChildStdout, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match words.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => return other.map(Some),
        }
    }
}

impl Source for CommandSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> PartKind {
        PartKind::Command
    }

    fn origin(&self) -> Option<PathBytes> {
        None
    }

    fn estimate(&self) -> u64 {
        self.staged.as_ref().map_or(0, |(_, size, _)| *size)
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        scope.context.check()?;
        Ok(Presence::Present)
    }

    fn capture(&mut self, scope: &Scope) -> Result<()> {
        scope.context.check()?;
        let path = scope.staging.join(format!("{}.command", self.name));
        let options = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let output = options.map_err(|e| Error::at("creating", &path, e))?;
        let size = match self.run(output, &path, &scope.context) {
            Ok(0) => Err(self.failed("command_empty", "wrote nothing")),
            other => other,
        };
        match size {
            Ok(size) => {
                let now = i64::try_from(scope.context.clock.now().as_nanosecond()).unwrap_or(0);
                self.staged = Some((path, size, now));
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn emit(&mut self, _scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let Some((path, size, mtime_ns)) = self.staged.take() else {
            return Err(Error::new(ErrorKind::Failed, "not_captured", "The command was not run"));
        };
        let entry = Entry { mtime_ns, ..Entry::file(self.name.as_str(), size) };
        sink.entry(&entry, Content::Staged(&path))?;
        Ok(Emitted::default())
    }
}
