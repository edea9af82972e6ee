//! Clients of other makers: Socket.IO's for JavaScript and Python, which the tests of the Socket.IO entrance run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::paths::workspace_root;

/// Where the clients and the scripts are that drive them.
#[derive(Debug, Clone)]
pub struct SocketIoClients {
    dir: PathBuf,
}

impl SocketIoClients {
    /// Puts the packages beside a copy of `tests/socketio/` under `target/`, so that nothing is installed into the
    /// sources. What is there already is not fetched again.
    ///
    /// # Errors
    /// If there is no Node.js with npm or no Python with pip, or if the registries cannot be reached.
    pub fn install() -> Result<Self> {
        let source = workspace_root().join("tests/socketio");
        let dir = workspace_root().join("target/socketio");
        fs::create_dir_all(&dir)?;
        // Two at once would write the same files.
        let lock = File::create(dir.join(".lock"))?;
        lock.lock()?;
        for file in fs::read_dir(&source).with_context(|| format!("cannot read {}", source.display()))? {
            let file = file?;
            let text = fs::read(file.path())?;
            let target = dir.join(file.file_name());
            if fs::read(&target).ok().as_ref() != Some(&text) {
                fs::write(&target, text)?;
            }
        }
        once(&dir, "package.json", "npm", &NPM)?;
        once(&dir, "requirements.txt", "python3", &PIP)?;
        Ok(Self { dir })
    }

    /// Starts one of the scripts against a URL.
    ///
    /// # Errors
    /// If there is nothing that runs it.
    pub fn start(&self, script: &str, url: &str, env: &[(&str, &str)]) -> Result<RunningScript> {
        let program = if script.ends_with(".py") {
            "python3"
        } else {
            "node"
        };
        let mut command = tokio::process::Command::new(program);
        command
            .arg(self.dir.join(script))
            .current_dir(&self.dir)
            .env("PYTHONPATH", self.dir.join("python"))
            .env("URL", url)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        let stdout = child.stdout.take().context("it has no standard output")?;
        Ok(RunningScript {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// Runs one of the scripts to its end.
    ///
    /// # Errors
    /// If it does not end well.
    pub async fn run(&self, script: &str, url: &str, env: &[(&str, &str)]) -> Result<()> {
        let ran = self.start(script, url, env)?.succeed().await;
        ran.with_context(|| format!("{script} with {env:?}"))
    }
}

/// A script that runs, until it is dropped.
#[derive(Debug)]
pub struct RunningScript {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl RunningScript {
    /// Reads what it prints up to the line that begins like this.
    ///
    /// # Errors
    /// If there is no such line in time.
    pub async fn until(&mut self, beginning: &str) -> Result<String> {
        let mut seen = Vec::new();
        let found = timeout(LINE_WITHIN, async {
            while let Some(line) = self.lines.next_line().await? {
                if line.starts_with(beginning) {
                    return Ok(Some(line));
                }
                seen.push(line);
            }
            Ok::<_, std::io::Error>(None)
        });
        match found.await {
            Ok(Ok(Some(line))) => Ok(line),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(None)) | Err(_) => bail!("no line begins with {beginning:?}: {seen:?}"),
        }
    }

    /// Waits until it has said that all is as it should be, and has ended.
    ///
    /// # Errors
    /// If it does not, or not in time.
    pub async fn succeed(mut self) -> Result<()> {
        self.until("ok").await?;
        let status = timeout(LINE_WITHIN, self.child.wait()).await??;
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(())
    }
}

/// How long a script may take to its next line of interest.
const LINE_WITHIN: Duration = Duration::from_secs(90);

const NPM: [&str; 5] = [
    "install",
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
];
const PIP: [&str; 10] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--root-user-action=ignore",
    "--target",
    "python",
    "--requirement",
    "requirements.txt",
];

/// Runs an installer, unless it has run for this very list of packages.
fn once(dir: &Path, list: &str, program: &str, args: &[&str]) -> Result<()> {
    let wanted = fs::read(dir.join(list))?;
    let installed = dir.join(format!(".installed-{list}"));
    if fs::read(&installed).ok().as_ref() == Some(&wanted) {
        return Ok(());
    }
    let status = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {program}: `cargo xtask setup` installs it where it can"))?;
    if !status.success() {
        bail!("{program} {} failed ({status})", args.join(" "));
    }
    fs::write(installed, wanted)?;
    Ok(())
}
