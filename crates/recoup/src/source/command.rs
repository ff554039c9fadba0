//! The source *command*: what a program writes to its standard output. Program and arguments, never a shell.
//!
//! Not here: hooks, which run beside a backup and give no data.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::{Emitted, Presence, Scope, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{CommandSpec, Content, Entry, PartKind, PathBytes, Sink};

/// Bytes of standard error that are kept for the message.
const KEPT: i64 = 2048;
/// Between two looks at the child.
const PAUSE: Duration = Duration::from_millis(10);

/// A command's output.
pub struct CommandSource {
    spec: CommandSpec,
    staged: Option<PathBuf>,
}

impl CommandSource {
    /// A command by its spec.
    pub fn new(spec: &CommandSpec) -> Self {
        CommandSource { spec: spec.clone(), staged: None }
    }

    /// The program, without its arguments: they may hold secrets.
    fn program(&self) -> &str {
        self.spec.argv.first().map(String::as_str).unwrap_or_default()
    }

    fn run(&self, stdout: &File, stderr: &File, scope: &Scope) -> Result<()> {
        let failed =
            |what: String| Error::new(ErrorKind::Failed, "command_failed", format!("{} {what}", self.program()));
        let handle = |file: &File| file.try_clone().map_err(|e| Error::io("preparing the command", e));
        let mut child = Command::new(self.program())
            .args(self.spec.argv.iter().skip(1))
            .stdin(Stdio::null())
            .stdout(handle(stdout)?)
            .stderr(handle(stderr)?)
            .process_group(0)
            .spawn()
            .map_err(|e| failed("could not be started".into()).because(e))?;
        let started = scope.context.clock.monotonic();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(failed(format!("failed: {status}"))),
                Ok(None) => {}
                Err(error) => return Err(failed("could not be waited for".into()).because(error)),
            }
            let late =
                scope.context.clock.monotonic().saturating_sub(started) > Duration::from_millis(self.spec.timeout_ms);
            if let Err(cancelled) = scope.context.check() {
                stop(&mut child);
                return Err(cancelled);
            }
            if late {
                stop(&mut child);
                return Err(failed(format!("took longer than {} s", self.spec.timeout_ms / 1000))
                    .hint("give the command a longer timeout"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Source for CommandSource {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn kind(&self) -> PartKind {
        PartKind::Command
    }

    fn origin(&self) -> Option<PathBytes> {
        None
    }

    fn estimate(&self) -> u64 {
        0
    }

    fn begin(&mut self, _scope: &Scope) -> Result<Presence> {
        if self.program().is_empty() {
            return Err(Error::usage("bad_command", format!("The command {} has no program", self.spec.name)));
        }
        Ok(Presence::Present)
    }

    fn capture(&mut self, scope: &Scope) -> Result<()> {
        let path = scope.staging.join(format!("{}.out", self.spec.name.replace('/', "_")));
        let told = path.with_extension("err");
        let create = |path: &PathBuf| {
            let mut options = File::options();
            options
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(|e| Error::at("creating", path, e))
        };
        let (stdout, mut stderr) = (create(&path)?, create(&told)?);
        let ran = self.run(&stdout, &stderr, scope).map_err(|error| {
            let mut text = String::new();
            let length = stderr.metadata().map_or(0, |meta| meta.len() as i64);
            let _ = stderr.seek(SeekFrom::End(-length.min(KEPT)));
            let _ = (&mut stderr).take(KEPT as u64).read_to_string(&mut text);
            match text.trim() {
                "" => error,
                text => error.because(text.to_owned()),
            }
        });
        let _ = std::fs::remove_file(&told);
        let length = stdout.metadata().map_err(|e| Error::at("reading", &path, e))?.len();
        let filled = ran.and_then(|()| match length {
            0 => Err(Error::new(ErrorKind::Failed, "command_empty", format!("{} wrote nothing", self.program()))
                .hint("an empty output is never a good backup")),
            _ => Ok(()),
        });
        if filled.is_err() {
            let _ = std::fs::remove_file(&path);
        }
        filled?;
        scope.context.advance(length)?;
        self.staged = Some(path);
        Ok(())
    }

    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let path = self
            .staged
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Failed, "not_captured", "The command did not run"))?;
        let size = std::fs::metadata(&path).map_err(|e| Error::at("reading", &path, e))?.len();
        let now = i64::try_from(scope.context.clock.now().as_nanosecond()).unwrap_or(0);
        let entry = Entry { mtime_ns: now, ..Entry::file(self.spec.name.as_str(), size) };
        sink.entry(&entry, Content::Staged(&path))?;
        Ok(Emitted::default())
    }
}

/// Ends a command and everything it started.
fn stop(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
