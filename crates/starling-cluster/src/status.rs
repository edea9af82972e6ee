//! How each process of a cluster is.

use crate::process::Process;

/// One process of a cluster, as [`Cluster::status`](crate::Cluster::status) found it.
#[derive(Clone, Debug)]
pub struct ProcessStatus {
    /// Its name, such as `node1`.
    pub name: String,
    /// Its process id, if it runs.
    pub pid: Option<u32>,
    /// What it is ready for, such as `ready` or `primary`, or why it is not.
    pub ready: Result<&'static str, String>,
}

impl ProcessStatus {
    pub(crate) fn of(process: &Process, ready: anyhow::Result<&'static str>) -> Self {
        let pid = process.pid();
        let ready = if pid.is_some() {
            ready.map_err(|fault| format!("{fault:#}"))
        } else {
            Err("not running".to_owned())
        };
        Self {
            name: process.name().to_owned(),
            pid,
            ready,
        }
    }
}
