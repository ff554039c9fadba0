//! A program of somebody else's that we started: its whole process group ends with it, and the end of what it said on
//! standard error is kept for the message.
//!
//! Not here: what it is started for.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How much of the end of standard error is kept for the error.
const ERROR_TAIL: usize = 2048;

/// A command that was started; dropping it ends its whole process group.
pub(crate) struct Running {
    child: Child,
    tail: Option<Receiver<String>>,
    stopped: bool,
}

impl Running {
    /// Watches over a child that leads a process group of its own.
    pub fn new(mut child: Child) -> Self {
        let tail = child.stderr.take().map(|stderr| {
            let (tell, tail) = channel();
            std::thread::spawn(move || {
                let _ = tell.send(last_words(stderr));
            });
            tail
        });
        Running { child, tail, stopped: false }
    }

    /// Whether the command itself has ended. It is left a zombie, which keeps the number of its group from
    /// becoming another's before [`Running::stop`].
    pub fn ended(&self) -> io::Result<bool> {
        let Some(pid) = self.pid() else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(pid), options)?.is_some())
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Ends whatever is left of the group, and the command itself.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        if !std::mem::replace(&mut self.stopped, true)
            && let Some(group) = self.pid()
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.child.wait()
    }

    /// Asks the group to end, waits for the command for as long as `patience` returns true, then ends whatever is left.
    pub fn end(&mut self, mut patience: impl FnMut() -> bool) -> io::Result<ExitStatus> {
        if !self.stopped
            && let Some(group) = self.pid()
        {
            let _ = kill_process_group(group, Signal::TERM);
            while !self.ended()? && patience() {}
        }
        self.stop()
    }

    /// The status of a command that has ended, or waits for that; what it left running in its group goes on.
    pub fn release(&mut self) -> io::Result<ExitStatus> {
        self.stopped = true;
        self.child.wait()
    }

    /// The end of its standard error. Somebody who left the group may hold it open, so nobody waits for long.
    pub fn said(&mut self) -> String {
        let tail = self.tail.take().and_then(|tail| tail.recv_timeout(Duration::from_secs(1)).ok());
        tail.unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn last_words(mut stderr: ChildStderr) -> String {
    let mut last: VecDeque<u8> = VecDeque::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        last.extend(&buffer[..count]);
        last.drain(..last.len().saturating_sub(ERROR_TAIL));
    }
    String::from_utf8_lossy(last.make_contiguous()).trim().to_owned()
}
