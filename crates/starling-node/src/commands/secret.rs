//! `starling secret`: makes the file that `token_secret_file` names, once.
//!
//! Several containers may do this at the same time in one volume: all must end up with the same secret, so the
//! file appears whole, under its name, exactly once.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;

const SECRET_BYTES: usize = 32;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to make, readable only by its owner. One that is there already stays as it is.
    #[arg(long, value_name = "PATH")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let path = &args.file;
    if fs::exists(path).with_context(|| format!("cannot look at {}", path.display()))? {
        return super::say(&format!("{} is there already", path.display()));
    }
    let created = create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let outcome = if created {
        "holds a new secret"
    } else {
        "is there already"
    };
    super::say(&format!("{} {outcome}", path.display()))
}

/// Makes a file with a random secret, readable by its owner only, where there is none. Whether it was this call that
/// made it.
pub(crate) fn create(path: &Path) -> Result<bool> {
    let Some(name) = path.file_name() else {
        bail!("this is no file name")
    };
    let secret = HEXLOWER.encode(&rand::random::<[u8; SECRET_BYTES]>());
    let draft = path.with_file_name(format!(
        ".{}.{:016x}",
        name.to_string_lossy(),
        rand::random::<u64>()
    ));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let linked = file
        .write_all(format!("{secret}\n").as_bytes())
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link does not replace what another made in the meantime.
        .and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    // A name is kept by its directory. Without it the file could be gone after a loss of power, and with it all tokens.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.into()),
    }
}
