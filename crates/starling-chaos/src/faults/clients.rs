//! What clients may do to a cluster without meaning harm.

use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::load::BYSTANDERS;
use crate::raw::Raw;
use crate::stage::{Strike, Strikes};

const STORMS: usize = 3;
const BACK: Duration = Duration::from_secs(30);
/// Recorded clients whose applications take no events for a while.
const IDLE: usize = 8;
/// Twice what a node waits for one who takes nothing.
const PATIENCE: Duration = Duration::from_secs(20);
const IDLE_FOR: Duration = Duration::from_secs(6);

/// All connections break at once, and all clients come back at once.
pub(super) async fn storm(strike: &Strike<'_>) -> Result<Strikes> {
    let cast = &strike.stage.cast;
    let connections = || {
        cast.participants
            .iter()
            .map(|client| client.client().stats().connections)
            .sum::<u64>()
    };
    let before = connections();
    strike.begins();
    for _ in 0..STORMS {
        for participant in &cast.participants {
            participant.client().drop_connection();
        }
        sleep(Duration::from_millis(300)).await;
        cast.all_live(BACK).await?;
    }
    let made = connections() - before;
    Ok(Strikes::new(made, format!("{made} connections were made again")))
}

/// Some applications take no events for a while; others are sent all that is said, ask for history besides, and read
/// none of it.
pub(super) async fn slow_readers(strike: &Strike<'_>) -> Result<Strikes> {
    let cast = &strike.stage.cast;
    let idle: Vec<_> = cast
        .participants
        .sample(&mut strike.chance(), IDLE)
        .cloned()
        .collect();
    strike.begins();
    idle.iter().for_each(|client| client.set_reading(false));
    let greedy = BYSTANDERS.map(|user| is_let_go(strike, user));
    let idle_for = async {
        sleep(IDLE_FOR).await;
        idle.iter().for_each(|client| client.set_reading(true));
    };
    let (greedy, ()) = tokio::join!(try_join_all(greedy), idle_for);
    let let_go = greedy?.into_iter().filter(|let_go| *let_go).count();
    Ok(Strikes::new(
        let_go as u64,
        format!(
            "{let_go} of {} that asked and did not read were let go; {IDLE} stood idle",
            BYSTANDERS.len()
        ),
    ))
}

/// Whether the node lets go of one who asks and does not read. Straight at the node: HAProxy would hold some of what is
/// not read.
async fn is_let_go(strike: &Strike<'_>, user: &str) -> Result<bool> {
    let token = strike.cluster().token(user)?;
    let mut socket = Raw::connect_slow(&strike.node().ws_url(), &token).await?;
    let id = &strike.stage.cast.conversations[0].id;
    socket.send(Message::text(r#"{"id":0,"sync":{}}"#)).await?;
    let end = Instant::now() + PATIENCE;
    for number in 1.. {
        let ask = format!(r#"{{"id":{number},"history":{{"conversation":"{id}","limit":200}}}}"#);
        // It waits where the node reads no more, and fails once the node has closed.
        if let Ok(Err(_)) = timeout(Duration::from_millis(500), socket.send(Message::text(ask))).await {
            return Ok(true);
        }
        if Instant::now() >= end {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(false)
}
