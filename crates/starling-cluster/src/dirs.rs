//! The directory of a cluster: made, cleared of what an earlier cluster left, and wiped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config::ClusterConfig;
use crate::description::Description;

/// The directory, and what becomes of it when the cluster is dropped.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) dir: PathBuf,
    pub(crate) last_duty: LastDuty,
}

#[derive(Debug)]
pub(crate) enum LastDuty {
    LeaveAll,
    WipeAll,
    /// A start that failed: its logs are wanted, and its data would be in the way of the next start.
    WipeData,
}

impl Files {
    /// Until the start has succeeded. Data that was kept from an earlier cluster stays.
    pub(crate) fn of_a_start(config: &ClusterConfig) -> Self {
        let kept_data = config.dir.join("data").exists();
        let last_duty = if kept_data {
            LastDuty::LeaveAll
        } else {
            LastDuty::WipeData
        };
        Self {
            dir: config.dir.clone(),
            last_duty,
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = match self.last_duty {
            LastDuty::WipeData => wipe(&self.dir.join("data")),
            // After a failed test the logs are what one wants.
            LastDuty::WipeAll if std::thread::panicking() => wipe(&self.dir.join("data")),
            LastDuty::WipeAll => wipe(&self.dir),
            LastDuty::LeaveAll => Ok(()),
        };
    }
}

/// The directories that every process of a cluster relies on.
pub(crate) fn make_dirs(dir: &Path) -> Result<()> {
    for part in ["data", "logs", "run"] {
        let part = dir.join(part);
        fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
    }
    Ok(())
}

/// What an earlier cluster left behind, except MongoDB's data. Nothing of it runs.
pub(crate) fn clear_leftovers(dir: &Path) -> Result<()> {
    Description::remove(dir)?;
    wipe(&dir.join("run"))?;
    wipe(&dir.join("logs"))?;
    let Ok(data) = fs::read_dir(dir.join("data")) else {
        return Ok(());
    };
    for entry in data {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("redis") {
            wipe(&entry.path())?;
        }
    }
    Ok(())
}

pub(crate) fn wipe(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
