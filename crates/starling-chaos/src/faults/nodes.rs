//! Deaths and stalls of nodes.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep};

use crate::stage::{Strike, Strikes, eventually};

/// For a node that was asked to go.
pub(super) const GRACE: Duration = Duration::from_secs(25);
/// For a node that waits for the load to pass its fail point.
const TRAP: Duration = Duration::from_secs(40);
/// How long a node that is dead stays so, if its conversations do not recover sooner.
pub(super) const DEAD: Duration = Duration::from_secs(15);
/// More than three times the nodes' lease.
const STALL: Duration = Duration::from_millis(9_500);
/// So often at most.
const STALLS: u32 = 3;

const SIGABRT: i32 = 6;

/// Arms a fail point, waits until the load has killed the node there, and starts it again.
pub(super) async fn crash_at(strike: &Strike<'_>, window: &str) -> Result<Strikes> {
    let node = strike.node();
    let mut chance = strike.chance();
    let passes = chance.random_range(1..10);
    node.terminate(GRACE).await?;
    let armed = strike
        .stage
        .topology
        .armed(&format!("{window}={passes}*off->1*return(crash)"));
    if let Err(error) = node.start_with_env(&armed).await {
        // The load may have reached it, and killed it, before it was seen to be ready.
        check_crashed(strike).context(error)?;
    }
    lure(strike, &mut chance, || !node.is_alive())
        .await
        .with_context(|| format!("{window} was not passed {} times", passes + 1))?;
    strike.begins();
    check_crashed(strike)?;
    strike.stage.cast.progress.recovered(strike.since(), DEAD).await;
    node.start().await?;
    Ok(Strikes::new(
        1,
        format!("{} died at {window}, passed {passes} times before", node.id()),
    ))
}

pub(super) fn check_crashed(strike: &Strike<'_>) -> Result<()> {
    let exit = strike.node().last_exit();
    match exit.and_then(|exit| exit.signal()) {
        Some(SIGABRT) => Ok(()),
        _ => bail!("{} did not die by the fail point: {exit:?}", strike.node().id()),
    }
}

/// Has some clients connect anew until something has come about, so that the node gets its share of them.
async fn lure(strike: &Strike<'_>, chance: &mut StdRng, has_come: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + TRAP;
    while !has_come() {
        if Instant::now() >= deadline {
            bail!("the load did not reach {} within {TRAP:?}", strike.node().id());
        }
        for participant in strike.stage.cast.participants.sample(chance, 6) {
            // Those who are there already do not help by leaving.
            if participant.client().node().as_deref() != Some(strike.node().id()) {
                participant.client().drop_connection();
            }
        }
        for _ in 0..100 {
            if has_come() {
                return Ok(());
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

/// The death that nothing announces.
pub(super) async fn killed(strike: &Strike<'_>) -> Result<Strikes> {
    let node = strike.node();
    let mut chance = strike.chance();
    let here = || {
        let clients = strike.stage.cast.participants.iter();
        clients
            .filter(|client| client.client().node().as_deref() == Some(node.id()))
            .count()
    };
    lure(strike, &mut chance, || here() >= 3).await?;
    let cut = here();
    strike.begins();
    node.kill9().await?;
    strike.stage.cast.progress.recovered(strike.since(), DEAD).await;
    node.start().await?;
    Ok(Strikes::new(
        cut as u64,
        format!("{} was killed with {cut} clients", node.id()),
    ))
}

/// A node stops with a batch that it has built under its lease, others go on without it, and then it inserts that. (Had
/// it stopped before it built one, it might rightly give up, when it goes on, what it would have been built of.) Where
/// nobody else said anything in that conversation meanwhile, it is done again.
pub(super) async fn holder_stalled(strike: &Strike<'_>) -> Result<Strikes> {
    let node = strike.node();
    let mut chance = strike.chance();
    let (mut stalls, mut fenced) = (0, 0);
    while fenced == 0 && stalls < STALLS {
        stalls += 1;
        fenced = stall(strike, &mut chance).await?;
    }
    // No fence is no strike.
    Ok(Strikes::new(
        fenced,
        format!(
            "{} stood still for {STALL:?}, {stalls} times; {fenced} of its batches were fenced off",
            node.id()
        ),
    ))
}

/// One stall. Says how many batches of the node were fenced off after it.
async fn stall(strike: &Strike<'_>, chance: &mut StdRng) -> Result<u64> {
    let node = strike.node();
    let passes = chance.random_range(1..10);
    node.terminate(GRACE).await?;
    let armed = strike
        .stage
        .topology
        .armed(&format!("before_insert={passes}*off->1*return(stop)"));
    node.start_with_env(&armed).await?;
    lure(strike, chance, || node.is_paused()).await?;
    strike.begins();
    sleep(STALL).await;
    if !node.is_paused() {
        bail!("{} went on too early", node.id());
    }
    node.resume()?;
    // Its counters began when it was started for this.
    let began = crate::meter::Reading::default();
    let mut fenced = 0;
    let waited = eventually("a fence", Duration::from_secs(10), async || {
        fenced =
            strike
                .read_counters()
                .await
                .rise_of(strike.step.node, &began, "starling_fenced_batches_total");
        fenced > 0
    });
    drop(waited.await);
    Ok(fenced)
}
