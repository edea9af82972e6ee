//! What may happen to the primary of the replica set.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::doc;
use tokio::time::sleep;

use crate::network::Weather;
use crate::stage::{Strike, Strikes, eventually};

/// For the election of another primary, and for the old one to find its place again.
const ELECTION: Duration = Duration::from_secs(90);
const STOPPED: Duration = Duration::from_secs(15);
const ALONE: Duration = Duration::from_millis(1_200);
/// So often at most is a primary left alone that steps down before it dies.
const ATTEMPTS: u32 = 4;

pub(super) async fn primary_killed(strike: &Strike<'_>) -> Result<Strikes> {
    let old = primary(strike).await?;
    let member = strike.cluster().mongo().member(old);
    strike.begins();
    member.kill9().await?;
    let new = another(strike, old).await?;
    let elected = strike.since().elapsed();
    strike
        .stage
        .cast
        .progress
        .recovered(strike.since(), ELECTION)
        .await;
    member.start().await?;
    has_its_place(strike, old).await?;
    Ok(Strikes::new(
        1,
        format!(
            "mongo{} was killed, mongo{} elected after {elected:.1?}",
            old + 1,
            new + 1
        ),
    ))
}

/// The members hear nothing of one another, so that nothing new reaches a majority; then the primary dies, and the
/// others go on without what it alone had. When it comes back, it rolls that back.
pub(super) async fn primary_dies_alone(strike: &Strike<'_>) -> Result<Strikes> {
    let replication = strike.stage.topology.replication_link();
    let (old, held) = left_alone(strike).await?;
    let member = strike.cluster().mongo().member(old);
    member.kill9().await?;
    // What is on its way dies with its sender.
    replication.set(Weather::Cut);
    sleep(Duration::from_millis(100)).await;
    replication.set(Weather::Clear);
    let new = another(strike, old).await?;
    let elected = strike.since().elapsed();
    strike
        .stage
        .cast
        .progress
        .recovered(strike.since() + elected, ELECTION)
        .await;
    member.start().await?;
    has_its_place(strike, old).await?;
    Ok(Strikes::new(
        held,
        format!(
            "mongo{} was alone for {ALONE:?} and died, mongo{} elected after {elected:.1?}",
            old + 1,
            new + 1
        ),
    ))
}

/// Cuts the members off from one another, for less than the election timeout: after that a primary without a majority steps
/// down, and where the machine was too slow for that, it is done again. The primary, and how often it was held up.
async fn left_alone(strike: &Strike<'_>) -> Result<(usize, u64)> {
    let replication = strike.stage.topology.replication_link();
    for _ in 0..ATTEMPTS {
        let old = primary(strike).await?;
        let before = replication.struck();
        strike.begins();
        replication.set(Weather::BlackHole);
        sleep(ALONE).await;
        let held = replication.struck() - before;
        let member = strike.cluster().mongo().member(old);
        if member.is_primary().await.unwrap_or(false) {
            return Ok((old, held));
        }
        replication.set(Weather::Clear);
    }
    bail!("no primary was alone and still one in {ATTEMPTS} attempts")
}

pub(super) async fn primary_stopped(strike: &Strike<'_>) -> Result<Strikes> {
    let old = primary(strike).await?;
    let member = strike.cluster().mongo().member(old);
    strike.begins();
    member.pause()?;
    let new = another(strike, old).await?;
    let elected = strike.since().elapsed();
    sleep(STOPPED.saturating_sub(elected)).await;
    if !member.is_paused() {
        bail!("mongo{} went on too early", old + 1);
    }
    member.resume()?;
    has_its_place(strike, old).await?;
    Ok(Strikes::new(
        1,
        format!(
            "mongo{} stood still, mongo{} elected after {elected:.1?}",
            old + 1,
            new + 1
        ),
    ))
}

pub(super) async fn primary_steps_down(strike: &Strike<'_>) -> Result<Strikes> {
    let old = primary(strike).await?;
    strike.begins();
    let command = doc! { "replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5 };
    strike.cluster().mongo().member(old).admin(command).await?;
    let new = another(strike, old).await?;
    let elected = strike.since().elapsed();
    Ok(Strikes::new(
        1,
        format!(
            "mongo{} stepped down, mongo{} elected after {elected:.1?}",
            old + 1,
            new + 1
        ),
    ))
}

async fn primary(strike: &Strike<'_>) -> Result<usize> {
    let mut found = None;
    eventually("there is a primary", ELECTION, async || {
        found = strike.cluster().mongo().primary().await;
        found.is_some()
    })
    .await?;
    found.context("there is a primary")
}

/// The primary that took the old one's place. The old one is not asked: it may not know yet.
async fn another(strike: &Strike<'_>, old: usize) -> Result<usize> {
    let members = strike.cluster().mongo().members();
    let mut found = None;
    eventually("another primary is elected", ELECTION, async || {
        for (index, member) in members.iter().enumerate().filter(|(index, _)| *index != old) {
            if member.is_primary().await.unwrap_or(false) {
                found = Some(index);
            }
        }
        found.is_some()
    })
    .await?;
    found.context("there is another primary")
}

/// Waits until a member follows the primary, or is it.
async fn has_its_place(strike: &Strike<'_>, member: usize) -> Result<()> {
    let member = strike.cluster().mongo().member(member);
    eventually("the old primary follows the new one", ELECTION, async || {
        let hello = member.admin(doc! { "hello": 1 }).await.unwrap_or_default();
        let is = |field| hello.get_bool(field).unwrap_or(false);
        is("secondary") || is("isWritablePrimary")
    })
    .await
}
