//! One program of a cluster: what to run, and what runs now.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::Env;
use crate::files;
use crate::identity::ProcessIdentity;

/// How long a process that got SIGKILL may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(10);

/// What the programs may see of the environment that this process runs in. All else is kept from them, so that a
/// `PORT` or `REDIS_URL` in a developer's shell does not change the cluster.
const INHERITED: [&str; 9] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "LLVM_PROFILE_FILE",
];

/// How a program is run.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Env,
}

/// A program that may run or not, and can be started, signalled and started again. Other processes see what runs
/// by the file that it keeps in the cluster's `run/`, and that file is what this believes, too: a command in
/// another terminal may have killed the process, or started it anew.
///
/// Dropping it kills what runs, unless it was [released](Self::release).
#[derive(Debug)]
pub struct Process {
    name: String,
    command: CommandLine,
    working_dir: PathBuf,
    log: PathBuf,
    run_file: PathBuf,
    ours: AtomicBool,
    /// What was started here, which must be reaped here.
    child: Mutex<Option<Child>>,
    last_exit: Mutex<Option<ExitStatus>>,
}

impl Process {
    /// A program of the cluster in `dir`, not yet started.
    pub(crate) fn new(dir: &Path, name: &str, command: CommandLine) -> Self {
        Self {
            name: name.to_owned(),
            command,
            working_dir: dir.join("data").join(name),
            log: dir.join("logs").join(format!("{name}.log")),
            run_file: dir.join("run").join(format!("{name}.json")),
            ours: AtomicBool::new(true),
            child: Mutex::new(None),
            last_exit: Mutex::new(None),
        }
    }

    /// Its name in the cluster, such as `node1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes; a later start appends.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Its process id, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running().map(|identity| identity.pid())
    }

    /// Whether it runs (it may be paused).
    pub fn is_alive(&self) -> bool {
        self.running().is_some()
    }

    /// Whether it is stopped in its tracks, by [`pause`](Self::pause) or by itself.
    pub fn is_paused(&self) -> bool {
        self.running().is_some_and(|identity| identity.is_stopped())
    }

    /// How it exited when it last did; `None` if it has not, or if another process had started it.
    pub fn last_exit(&self) -> Option<ExitStatus> {
        self.reap();
        *self.last_exit.lock()
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub async fn kill9(&self) -> Result<()> {
        self.kill_now()?;
        self.wait_exit(KILL_TIMEOUT).await
    }

    /// Stops it in its tracks (SIGSTOP): its connections stay open, and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.signal_group(Signal::SIGSTOP)
    }

    /// Lets it go on after [`pause`](Self::pause) (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        self.signal_group(Signal::SIGCONT)
    }

    /// Asks it to end (SIGTERM), and waits until it has. If it has not after `grace`, it is killed, and that is
    /// an error. The exit status is known only for what was started here, not by another process.
    pub async fn terminate(&self, grace: Duration) -> Result<Option<ExitStatus>> {
        *self.last_exit.lock() = None;
        self.signal(Signal::SIGTERM)?;
        // A paused process would see the signal only when it is resumed.
        self.signal_group(Signal::SIGCONT)?;
        if self.wait_exit(grace).await.is_err() {
            self.kill9().await?;
            bail!(
                "{} did not end within {grace:?} of SIGTERM and was killed{}",
                self.name,
                self.log_tail()
            );
        }
        Ok(self.last_exit())
    }

    /// Waits until it has exited by itself.
    pub async fn wait_exit(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while self.is_alive() {
            if Instant::now() >= deadline {
                bail!("{} still runs after {timeout:?}", self.name);
            }
            tokio::time::sleep(POLL).await;
        }
        files::remove(&self.run_file)
    }

    /// Starts it and does not wait for anything. `more_env` holds for this run only, and wins.
    pub(crate) fn spawn(&self, more_env: &Env) -> Result<()> {
        if let Some(pid) = self.pid() {
            bail!("{} runs already, as process {pid}", self.name);
        }
        fs::create_dir_all(&self.working_dir)?;
        let log = self.open_log()?;
        let inherited = INHERITED
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let child = Command::new(&self.command.program)
            .args(&self.command.args)
            .env_clear()
            .envs(inherited)
            .envs(std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RUST_")))
            .envs(&self.command.env)
            .envs(more_env)
            .current_dir(&self.working_dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in the terminal is for whoever runs the cluster, who then ends it in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", self.command.program.display()))?;
        let identity = ProcessIdentity::of(child.id());
        // Kept before anything may fail, so that a drop kills it.
        *self.child.lock() = Some(child);
        *self.last_exit.lock() = None;
        files::write_json(&self.run_file, &identity?)
    }

    /// Waits until `probe` succeeds; an exit of the process, or the time-out, ends the wait with its last words.
    pub(crate) async fn wait_ready<Answer>(&self, timeout: Duration, probe: impl Fn() -> Answer) -> Result<()>
    where
        Answer: Future<Output = Result<()>>,
    {
        let deadline = Instant::now() + timeout;
        loop {
            let alive = self.is_alive();
            let answer = probe().await;
            // A stranger may answer in the place of a process that could not listen.
            if !alive {
                let how = self
                    .last_exit()
                    .map(|status| format!(" ({status})"))
                    .unwrap_or_default();
                bail!("{} ended before it was ready{how}{}", self.name, self.log_tail());
            }
            let Err(fault) = answer else { return Ok(()) };
            if Instant::now() >= deadline {
                bail!(
                    "{} was not ready after {timeout:?}: {fault:#}{}",
                    self.name,
                    self.log_tail()
                );
            }
            tokio::time::sleep(POLL * 3).await;
        }
    }

    /// From here on the process outlives this value: it runs until somebody ends it by its record.
    pub(crate) fn release(&self) {
        self.ours.store(false, Ordering::Relaxed);
    }

    /// What dropping it does, without the wait.
    pub(crate) fn kill_if_ours(&self) {
        if self.ours.load(Ordering::Relaxed) {
            // Nobody is there to be told of a failure; `cargo xtask cluster down` is the second attempt.
            let _ = self.kill_now();
        }
    }

    fn kill_now(&self) -> Result<()> {
        self.signal_group(Signal::SIGKILL)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.send(|identity| identity.signal(signal))
    }

    /// Every program leads a group of its own, in which HAProxy has a second process.
    fn signal_group(&self, signal: Signal) -> Result<()> {
        self.send(|identity| identity.signal_group(signal))
    }

    fn send(&self, signal: impl FnOnce(&ProcessIdentity) -> Result<bool>) -> Result<()> {
        match self.running() {
            Some(identity) => signal(&identity).map(drop).with_context(|| self.name.clone()),
            None => Ok(()),
        }
    }

    fn running(&self) -> Option<ProcessIdentity> {
        self.reap();
        let recorded: Option<ProcessIdentity> = files::read_json(&self.run_file).ok().flatten();
        recorded.filter(ProcessIdentity::is_alive)
    }

    fn reap(&self) {
        let mut child = self.child.lock();
        if let Some(Ok(Some(status))) = child.as_mut().map(Child::try_wait) {
            *self.last_exit.lock() = Some(status);
            *child = None;
        }
    }

    fn open_log(&self) -> Result<File> {
        let open = OpenOptions::new().create(true).append(true).open(&self.log);
        open.with_context(|| format!("cannot write {}", self.log.display()))
    }

    fn log_tail(&self) -> String {
        format!(
            "\nthe end of {}:\n{}",
            self.log.display(),
            files::tail(&self.log, 20)
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ours.load(Ordering::Relaxed) {
            return;
        }
        self.kill_if_ours();
        if let Some(mut child) = self.child.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = files::remove(&self.run_file);
    }
}
