//! Which process a recorded number means.
//!
//! The kernel gives a process id to a new process soon after the old one is gone. A process is therefore
//! recorded with the moment it started and the boot it started in, and a number alone is never believed.

use std::fs;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// One process of this machine, for ever: a later process of the same number is another identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pid: i32,
    /// Clock ticks from boot to the start of the process.
    started: u64,
    boot: String,
}

impl ProcessIdentity {
    /// The identity of the process that has this number now.
    pub fn of(pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid)?;
        let started = Stat::read(pid)
            .with_context(|| format!("there is no process {pid}"))?
            .started;
        Ok(Self {
            pid,
            started,
            boot: boot_id()?,
        })
    }

    /// The number of the process, which may mean another process by now: see [`is_alive`](Self::is_alive).
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Whether this very process runs. One that has exited and waits to be reaped does not.
    pub fn is_alive(&self) -> bool {
        let same =
            Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && !stat.exited(self.pid));
        same && boot_id().is_ok_and(|boot| boot == self.boot)
    }

    /// Whether this very process is stopped, as by SIGSTOP.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_alive() && Stat::read(self.pid).is_some_and(|stat| stat.state == 'T')
    }

    /// Signals this very process, and tells whether it was there to be signalled.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool> {
        if self.is_alive() {
            delivered(signal::kill(Pid::from_raw(self.pid), signal))
        } else {
            Ok(false)
        }
    }

    /// Signals the process group that this very process leads.
    pub(crate) fn signal_group(&self, signal: Signal) -> Result<bool> {
        if self.is_alive() {
            delivered(signal::killpg(Pid::from_raw(self.pid), signal))
        } else {
            Ok(false)
        }
    }
}

fn delivered(result: Result<(), Errno>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error).context("cannot signal the process"),
    }
}

fn boot_id() -> Result<String> {
    let text =
        fs::read_to_string("/proc/sys/kernel/random/boot_id").context("this needs Linux with /proc")?;
    Ok(text.trim().to_owned())
}

/// The fields of `/proc/PID/stat` that are needed here.
struct Stat {
    state: char,
    started: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // The state is field 3, the start time field 22.
        let started = fields.nth(18)?.parse().ok()?;
        Some(Self { state, started })
    }

    /// The first thread of a process may be gone while others still hold its ports and files.
    fn exited(&self, pid: i32) -> bool {
        let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        matches!(self.state, 'Z' | 'X' | 'x') && threads() <= 1
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_process_is_alive_until_it_exits() {
        let mut child = sleeper();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        assert!(identity.signal(Signal::SIGKILL).unwrap());
        child.wait().unwrap();
        assert!(!identity.is_alive());
        assert!(!identity.signal(Signal::SIGKILL).unwrap());
    }

    #[test]
    fn a_later_process_of_the_same_number_is_not_signalled() {
        let mut child = sleeper();
        let now = ProcessIdentity::of(child.id()).unwrap();
        let earlier = ProcessIdentity {
            started: now.started - 1,
            ..now.clone()
        };
        let before_reboot = ProcessIdentity {
            boot: "another".to_owned(),
            ..now.clone()
        };
        for stranger in [earlier, before_reboot] {
            assert!(!stranger.is_alive());
            assert!(!stranger.signal(Signal::SIGKILL).unwrap());
            assert!(!stranger.signal_group(Signal::SIGKILL).unwrap());
        }
        assert!(now.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn an_exited_process_that_nobody_has_reaped_is_not_alive() {
        let mut child = sleeper();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        child.kill().unwrap();
        while !Stat::read(identity.pid).unwrap().exited(identity.pid) {
            std::thread::yield_now();
        }
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn the_name_of_a_program_does_not_confuse_the_reading() {
        let text = "77 (a) b (c) S 1 77 77 0 -1 4194560 130 0 0 0 0 0 0 0 20 0 1 0 4242 5992448 200";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.started), ('S', 4242));
    }
}
