//! What may happen to HAProxy.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use starling_cluster::Haproxy;

use crate::stage::{Strike, Strikes, eventually};

const RELOADS: u64 = 10;
/// For one reload, which takes some tens of milliseconds.
const PATIENCE: Duration = Duration::from_millis(700);

pub(super) async fn reloaded(strike: &Strike<'_>) -> Result<Strikes> {
    let haproxy = strike.cluster().haproxy().context("there is HAProxy")?;
    let before = workers(haproxy)?;
    strike.begins();
    let mut reloads = 0;
    while reloads < RELOADS {
        haproxy.reload()?;
        // A master that is still busy with the last reload does not hear of the next: then it is told again.
        let another = async || workers(haproxy).is_ok_and(|count| count > before + reloads);
        let _ = eventually("HAProxy starts a new worker", PATIENCE, another).await;
        reloads = workers(haproxy)? - before;
        ensure!(
            strike.since().elapsed() < PATIENCE * 60,
            "only {reloads} new workers took over"
        );
    }
    Ok(Strikes::new(reloads, format!("{reloads} new workers took over")))
}

/// How many workers its master has started.
fn workers(haproxy: &Haproxy) -> Result<u64> {
    let log = fs::read(haproxy.log_path())?;
    let log = String::from_utf8_lossy(&log);
    Ok(log.lines().filter(|line| line.contains("New worker")).count() as u64)
}
