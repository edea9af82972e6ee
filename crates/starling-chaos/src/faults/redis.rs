//! What may happen to Redis itself.

use std::time::Duration;

use anyhow::{Result, bail};
use starling_cluster::Reply;
use tokio::time::sleep;

use crate::stage::{Strike, Strikes};

/// For the nodes to count what they noticed.
const NOTICE: Duration = Duration::from_secs(8);

pub(super) async fn restarted(strike: &Strike<'_>) -> Result<Strikes> {
    let redis = strike.cluster().redis();
    let before = strike.read_counters().await;
    strike.begins();
    redis.kill9().await?;
    sleep(Duration::from_secs(1)).await;
    redis.start().await?;
    let reconnects = strike
        .rise(&before, "starling_redis_reconnects_total", NOTICE)
        .await;
    Ok(Strikes::new(
        reconnects,
        format!("{reconnects} connections were made again"),
    ))
}

pub(super) async fn flushed(strike: &Strike<'_>) -> Result<Strikes> {
    let redis = strike.cluster().redis();
    let mut lost = 0;
    for _ in 0..2 {
        let keys = redis.command(&["DBSIZE"]).await?;
        strike.begins();
        redis.flush_all().await?;
        lost += count(&keys)?;
        sleep(Duration::from_millis(1_500)).await;
    }
    Ok(Strikes::new(lost, format!("{lost} keys were lost")))
}

pub(super) async fn stopped(strike: &Strike<'_>) -> Result<Strikes> {
    let redis = strike.cluster().redis();
    let before = strike.read_counters().await;
    strike.begins();
    redis.pause()?;
    sleep(Duration::from_secs(5)).await;
    if !redis.is_paused() {
        bail!("Redis went on too early");
    }
    redis.resume()?;
    let leaseless = strike
        .rise(&before, "starling_leaseless_turns_total", NOTICE)
        .await;
    Ok(Strikes::new(
        leaseless,
        format!("{leaseless} turns went on without a lease"),
    ))
}

pub(super) async fn pubsub_killed(strike: &Strike<'_>) -> Result<Strikes> {
    let redis = strike.cluster().redis();
    let before = strike.read_counters().await;
    let mut killed = 0;
    for _ in 0..3 {
        strike.begins();
        killed += count(&redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await?)?;
        sleep(Duration::from_millis(1_200)).await;
    }
    let missed = strike.rise(&before, "starling_bus_missed_total", NOTICE).await;
    Ok(Strikes::new(
        killed.min(missed),
        format!("{killed} connections were killed, and noticed {missed} times"),
    ))
}

pub(super) fn count(reply: &Reply) -> Result<u64> {
    match reply {
        Reply::Integer(number) => Ok(u64::try_from(*number)?),
        other => bail!("Redis did not answer with a number: {other:?}"),
    }
}
