//! A name for this process that others on the same machine can check: a worker that was killed is replaced at once, not
//! after a minute of silence. Another machine, or another container, can tell nothing and waits.
//!
//! Not here: silence ([`super::leases`]).

use std::fs;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest, Sha256};

/// `MACHINE.PID.START`: machine, boot and namespaces in one word, then what proc(5) says of the process. Empty where that
/// cannot be told.
pub fn this_process() -> &'static str {
    static THIS: OnceLock<String> = OnceLock::new();
    THIS.get_or_init(|| {
        let pid = std::process::id();
        match (machine(), start(pid)) {
            (Some(machine), Some((start, _))) => format!("{machine}.{pid}.{start}"),
            _ => String::new(),
        }
    })
}

/// Whether the process that took this lease (`…@MACHINE.PID.START`) is certainly gone. One that is stopped is not.
pub fn is_gone(lease: &str) -> bool {
    let Some((_, holder)) = lease.rsplit_once('@') else { return false };
    let mut words = holder.split('.');
    let (Some(where_), Some(pid), Some(started), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    if this_process().split('.').next() != Some(where_) {
        return false;
    }
    let (Ok(pid), Ok(started)) = (pid.parse::<u32>(), started.parse::<u64>()) else { return false };
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    // Not by /proc alone: an administrator may hide the processes of others there (hidepid in proc(5)).
    if test_kill_process(number) == Err(Errno::SRCH) {
        return true;
    }
    // The number may be another's by now; and what was killed keeps it until its parent asks.
    start(pid).is_some_and(|(start, ended)| start != started || ended)
}

/// When a process started, in ticks since boot, and whether nothing but its entry is left.
fn start(pid: u32) -> Option<(u64, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // Fields 3, 20 and 22 of proc_pid_stat(5). The first thread may end long before the last one.
    let (state, threads) = (*fields.first()?, fields.get(17)?.parse::<u64>().ok()?);
    Some((fields.get(19)?.parse().ok()?, matches!(state, "Z" | "X") && threads <= 1))
}

/// This machine since its last boot, as this process sees it: a container counts processes and time in its own way.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let mut digest = Sha256::new();
    digest.update(boot.trim());
    for namespace in ["pid", "time"] {
        // Old kernels have no namespace of time.
        let name = fs::read_link(format!("/proc/self/ns/{namespace}")).unwrap_or_default();
        digest.update(name.as_os_str().as_encoded_bytes());
    }
    let digest = digest.finalize();
    Some(digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn lease_of(pid: u32) -> String {
        let machine = this_process().split('.').next().unwrap();
        format!("host-01K/2@{machine}.{pid}.{}", start(pid).unwrap().0)
    }

    #[test]
    fn who_was_killed_is_gone_and_who_is_stopped_is_not() {
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let lease = lease_of(child.id());
        assert!(!is_gone(&lease));
        let stopped = Command::new("kill").args(["-STOP", &child.id().to_string()]).status().unwrap();
        assert!(stopped.success() && !is_gone(&lease));
        child.kill().unwrap();
        // First a zombie, then nothing.
        while !is_gone(&lease) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_gone(&lease));
    }

    #[test]
    fn a_number_that_another_process_has_now_is_not_the_one_that_took_the_lease() {
        let mine = format!("host-01K/1@{}", this_process());
        assert!(!is_gone(&mine));
        assert!(is_gone(&format!("{mine}0")), "started at another time");
    }

    #[test]
    fn of_another_machine_and_of_no_process_nothing_is_known() {
        let (_, rest) = this_process().split_once('.').unwrap();
        for lease in
            ["", "worker", "host-01K/1", &format!("host-01K/1@0123456789ab.{rest}"), "w@", "w@x.y.z", "w@a.b.c.d"]
        {
            assert!(!is_gone(lease), "{lease}");
        }
    }
}
