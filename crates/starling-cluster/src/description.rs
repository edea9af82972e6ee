//! `cluster.json`: what a cluster offers to those who want to use it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::files;

/// A running cluster. A process id is null while the process does not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Where clients connect: HAProxy, or the first node of a cluster without it.
    pub front: String,
    /// The nodes.
    pub nodes: Vec<NodeDescription>,
    /// Redis; of a Redis Cluster the first master.
    pub redis: RedisDescription,
    /// The replica set.
    pub mongo: MongoDescription,
    /// HAProxy, if there is one.
    pub haproxy: Option<HaproxyDescription>,
    /// The directory of the data.
    pub data: PathBuf,
    /// With what tokens are signed (HS256).
    pub token_secret: String,
}

/// A node in [`Description`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDescription {
    /// `node1` and so on.
    pub id: String,
    /// Where it answers.
    pub url: String,
    /// Its process.
    pub pid: Option<u32>,
}

/// Redis in [`Description`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisDescription {
    /// Its address.
    pub url: String,
    /// Its process.
    pub pid: Option<u32>,
}

/// MongoDB in [`Description`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MongoDescription {
    /// Its address.
    pub url: String,
    /// The processes of its members.
    pub pids: Vec<Option<u32>>,
}

/// HAProxy in [`Description`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaproxyDescription {
    /// Its process.
    pub pid: Option<u32>,
}

impl Description {
    /// The description of the cluster in `dir`, if one runs.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        files::read_json(&path(dir))
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        files::write_json(&path(dir), self)
    }

    pub(crate) fn remove(dir: &Path) -> Result<()> {
        files::remove(&path(dir))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("cluster.json")
}
