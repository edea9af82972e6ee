//! The counters that Redis keeps for each conversation, made wrong: `seq:{…}` holds `counter` and `head`.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use starling_cluster::Reply;
use tokio::time::sleep;

use crate::stage::{Strike, Strikes};

const ROUNDS: usize = 6;
const BETWEEN: Duration = Duration::from_millis(500);
const NOTICE: Duration = Duration::from_secs(5);

pub(super) async fn set_back(strike: &Strike<'_>) -> Result<Strikes> {
    let mut chance = strike.chance();
    shifted(strike, move || (-chance.random_range(1..20), 0)).await
}

/// The counter alone, or both as if entries had been committed that are not there.
pub(super) async fn set_ahead(strike: &Strike<'_>) -> Result<Strikes> {
    let mut chance = strike.chance();
    shifted(strike, move || {
        let ahead = chance.random_range(1..50);
        (ahead, if chance.random_bool(0.5) { ahead } else { 0 })
    })
    .await
}

async fn shifted(strike: &Strike<'_>, mut by: impl FnMut() -> (i64, i64)) -> Result<Strikes> {
    let redis = strike.cluster().redis();
    let before = strike.read_counters().await;
    let mut shifted = 0;
    for _ in 0..ROUNDS {
        let keys = keys(strike).await?;
        strike.begins();
        for key in keys {
            let (counter, head) = by();
            redis
                .command(&["HINCRBY", &key, "counter", &counter.to_string()])
                .await?;
            redis
                .command(&["HINCRBY", &key, "head", &head.to_string()])
                .await?;
            shifted += 1;
        }
        sleep(BETWEEN).await;
    }
    proved(strike, &before, shifted).await
}

pub(super) async fn stale(strike: &Strike<'_>) -> Result<Strikes> {
    let redis = strike.cluster().redis();
    let before = strike.read_counters().await;
    let mut set = 0;
    for _ in 0..ROUNDS / 2 {
        let mut old = Vec::new();
        for key in keys(strike).await? {
            if let Reply::Text(head) = redis.command(&["HGET", &key, "head"]).await? {
                old.push((key, head));
            }
        }
        sleep(BETWEEN * 2).await;
        strike.begins();
        for (key, head) in old {
            redis
                .command(&["HSET", &key, "counter", &head, "head", &head])
                .await?;
            set += 1;
        }
    }
    proved(strike, &before, set).await
}

/// A counter that is wrong shows when the next node takes the conversation over and finds it so.
async fn proved(strike: &Strike<'_>, before: &crate::meter::Reading, changed: u64) -> Result<Strikes> {
    let recoveries = strike.rise(before, "starling_recoveries_total", NOTICE).await;
    Ok(Strikes::new(
        recoveries.min(changed),
        format!("{changed} counters were changed, {recoveries} take-overs put right"),
    ))
}

async fn keys(strike: &Strike<'_>) -> Result<Vec<String>> {
    let Reply::List(keys) = strike.cluster().redis().command(&["KEYS", "seq:*"]).await? else {
        return Ok(Vec::new());
    };
    let text = |key| match key {
        Reply::Text(key) => Some(key),
        _ => None,
    };
    Ok(keys.into_iter().filter_map(text).collect())
}
