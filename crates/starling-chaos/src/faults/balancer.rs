//! What may happen to HAProxy.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use starling_cluster::Haproxy;

use crate::stage::{Strike, Strikes, eventually};

const RELOADS: u64 = 10;

pub(super) async fn reloaded(strike: &Strike<'_>) -> Result<Strikes> {
    let haproxy = strike.cluster().haproxy().context("there is HAProxy")?;
    let before = workers(haproxy)?;
    strike.begins();
    for reload in 1..=RELOADS {
        haproxy.reload()?;
        // A second signal while one is being obeyed would be the same one.
        eventually(
            "HAProxy starts a new worker",
            Duration::from_secs(10),
            async || workers(haproxy).is_ok_and(|count| count >= before + reload),
        )
        .await?;
    }
    let started = workers(haproxy)? - before;
    let whole = if started >= RELOADS { started } else { 0 };
    Ok(Strikes::new(whole, format!("{started} new workers took over")))
}

/// How many workers its master has started.
fn workers(haproxy: &Haproxy) -> Result<u64> {
    let log = fs::read(haproxy.log_path())?;
    let log = String::from_utf8_lossy(&log);
    Ok(log.lines().filter(|line| line.contains("New worker")).count() as u64)
}
