//! Several faults at the same time.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::find;
use crate::stage::{Strike, Strikes};
use crate::step::Step;

/// One of each: two of one kind would undo one another.
const KINDS: [&[&str]; 3] = [
    &[
        "redis-flushed",
        "redis-restarted",
        "redis-stopped",
        "pubsub-killed",
        "counters-back",
        "redis-link-cut",
        "redis-link-delayed",
    ],
    &[
        "node-killed",
        "primary-killed",
        "primary-steps-down",
        "mongo-link-cut",
        "mongo-link-black-hole",
        "mongo-link-replies-dropped",
    ],
    &[
        "reconnect-storm",
        "haproxy-reloaded",
        "slow-readers",
        "malformed-frames",
    ],
];

pub(super) async fn at_random(strike: &Strike<'_>) -> Result<Strikes> {
    let mut chance = strike.chance();
    let mut steps = Vec::new();
    for kind in KINDS {
        steps.push(Step {
            fault: (*kind.choose(&mut chance).context("a kind has faults")?).to_owned(),
            node: strike.step.node,
            all: chance.random_bool(0.5),
            draw: chance.random(),
        });
    }
    strike.begins();
    let parts = steps.iter().map(async |step| {
        let fault = find(&step.fault).context("it is in the list")?;
        let part = Strike::part(strike.stage, step);
        let strikes = (fault.strike)(&part).await.with_context(|| step.fault.clone())?;
        ensure!(
            strikes.count > 0,
            "{} struck nothing: {}",
            step.fault,
            strikes.detail
        );
        Ok(format!("{}: {}", step.fault, strikes.detail))
    });
    let details = try_join_all(parts).await?;
    Ok(Strikes::new(details.len() as u64, details.join("; ")))
}
