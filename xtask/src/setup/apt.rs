//! Packages of Debian, Ubuntu and what descends from them.

use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Whether this system has apt.
pub(crate) fn is_here() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    is_debian_like(&release) && Path::new("/usr/bin/apt-get").exists()
}

/// Installs packages. The lists of what there is are fetched only if they turn out to be missing or too old.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    println!("installing {} with apt", packages.join(", "));
    let mut args = vec!["install", "-y", "-q", "--no-install-recommends"];
    args.extend(packages);
    if apt_get(&args).is_ok() {
        return Ok(());
    }
    println!("that failed; fetching the lists of packages and trying again");
    apt_get(&["update", "-q"])?;
    apt_get(&args)
}

fn apt_get(args: &[&str]) -> Result<()> {
    let mut command = if is_root()? {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        if !io::stdin().is_terminal() {
            // There is nobody to type a password.
            sudo.arg("--non-interactive");
        }
        sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    command
        .args(["-o", "Dpkg::Use-Pty=0"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    let status = command
        .status()
        .context("neither root nor sudo is there to run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status})", args.join(" "));
    }
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn is_debian_like(os_release: &str) -> bool {
    let value = |line: &str| {
        line.split_once('=')
            .map(|(_, value)| value.trim_matches('"').to_owned())
    };
    os_release
        .lines()
        .filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="))
        .filter_map(value)
        .any(|value| {
            value
                .split_ascii_whitespace()
                .any(|id| id == "debian" || id == "ubuntu")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_with_apt_are_known() {
        let check = |release: &str, expected| assert_eq!(is_debian_like(release), expected, "{release}");
        check(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n",
            true,
        );
        check("ID=ubuntu\nID_LIKE=debian\n", true);
        check("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", true);
        check("ID=fedora\nVARIANT_ID=debian\n", false);
        check("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", false);
        check("", false);
    }
}
