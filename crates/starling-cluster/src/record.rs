//! What another process needs in order to take a cluster over: `cargo xtask cluster kill 2`, say.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::config::ClusterConfig;
use crate::files;
use crate::identity::ProcessIdentity;
use crate::ports::PortPlan;
use crate::tools::Tool;

/// How a cluster was started. Which of its processes run is in the files of `run/`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) config: ClusterConfig,
    pub(crate) ports: PortPlan,
    pub(crate) programs: Programs,
    pub(crate) token_secret: String,
    /// Who started it.
    pub(crate) owner: ProcessIdentity,
}

/// Where the programs that are not ours were found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Programs {
    pub(crate) redis_server: PathBuf,
    pub(crate) mongod: PathBuf,
    pub(crate) haproxy: Option<PathBuf>,
}

impl Programs {
    pub(crate) fn find(config: &ClusterConfig) -> Result<Self> {
        Ok(Self {
            redis_server: Tool::RedisServer.require()?,
            mongod: Tool::Mongod.require()?,
            haproxy: config.haproxy.then(|| Tool::Haproxy.require()).transpose()?,
        })
    }
}

impl Record {
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        files::read_json(&path(dir))
    }

    pub(crate) fn write(&self) -> Result<()> {
        files::write_json(&path(&self.config.dir), self)
    }

    pub(crate) fn remove(dir: &Path) -> Result<()> {
        files::remove(&path(dir))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("record.json")
}
