//! The end of a run: everything is put right, and everyone given time to catch up.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

use crate::network::Weather;
use crate::stage::Stage;
use crate::store::Stored;
use crate::topology::NODES;

/// For clients to be connected and live, and for sends to be answered, once nothing is wrong any more.
const BACK: Duration = Duration::from_secs(60);
/// From then on until every client holds what MongoDB holds (I7). It covers the slowest way by which a node learns
/// of an entry: the rotation over all conversations, every 10 s, once a dead node's liveness has run out.
const CATCH_UP: Duration = Duration::from_secs(45);

/// Puts right whatever a fault has left behind.
pub(crate) async fn heal(stage: &Stage) -> Result<()> {
    let topology = &stage.topology;
    topology.replication_link().set(Weather::Clear);
    for node in 0..NODES {
        topology.redis_link(node).set(Weather::Clear);
        topology.mongo_link(node).set(Weather::Clear);
    }
    for process in topology.processes() {
        if process.is_paused() {
            process.resume()?;
        }
    }
    for member in topology.mongo().members() {
        if !member.is_alive() {
            member.start().await?;
        }
    }
    if !topology.redis().is_alive() {
        topology.redis().start().await?;
    }
    for node in topology.nodes() {
        if !node.is_alive() {
            node.start().await?;
        }
    }
    for participant in &stage.cast.participants {
        participant.set_reading(true);
    }
    Ok(())
}

/// What there is in the end.
pub(crate) struct Settled {
    /// What did not come about in time.
    pub(crate) problems: Vec<String>,
    /// How many entries are stored of each kind.
    pub(crate) kinds: BTreeMap<String, usize>,
}

/// Heals, waits until everyone has everything, and writes down where everyone and MongoDB stand.
pub(crate) async fn settle(stage: &Stage, dir: &Path) -> Result<Settled> {
    let mut problems = Vec::new();
    heal(stage).await.context("cannot heal")?;
    stage.recorder.healed();
    let healed = Instant::now();
    if let Err(error) = stage.cast.all_live(BACK).await {
        problems.push(format!("{error:#}"));
    }
    let open = stage.cast.all_answered(BACK).await;
    if open > 0 {
        problems.push(format!("{open} sends had no answer {BACK:?} after all faults"));
    }
    println!(
        "all clients are back and answered {:.1} s after healing",
        healed.elapsed().as_secs_f64()
    );

    let deadline = Instant::now() + CATCH_UP;
    let stored = loop {
        let stored = Stored::read(&stage.topology).await?;
        let behind = behind(stage, &stored);
        if behind.is_empty() {
            println!(
                "all hold what MongoDB holds {:.1} s after healing",
                healed.elapsed().as_secs_f64()
            );
            break stored;
        }
        if Instant::now() >= deadline {
            println!("{} are behind MongoDB, such as {}", behind.len(), behind[0]);
            break stored;
        }
        sleep(Duration::from_millis(500)).await;
    };
    for participant in &stage.cast.participants {
        participant.finish();
    }
    stage.recorder.flush()?;
    let kinds = stored.kinds();
    stored.write(&dir.join("store.jsonl"))?;
    Ok(Settled { problems, kinds })
}

/// Who has not got what. The checker finds it, too: this is only what is waited for.
fn behind(stage: &Stage, stored: &Stored) -> Vec<String> {
    let mut behind = Vec::new();
    for participant in &stage.cast.participants {
        let cursors = participant.client().cursors();
        for (id, head) in stored.heads_of(participant.user()) {
            let cursor = cursors.get(id).copied().unwrap_or_default();
            if cursor != head {
                behind.push(format!("{} at {cursor} of {head} in {id}", participant.name()));
            }
        }
    }
    for conversation in stored.unapplied() {
        behind.push(format!("the directory's mark in {}", conversation.id));
    }
    behind
}
