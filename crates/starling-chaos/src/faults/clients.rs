//! What clients may do to a cluster without meaning harm.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
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

/// Some applications take no events for a while; others ask for history all the time and read none of it.
pub(super) async fn slow_readers(strike: &Strike<'_>) -> Result<Strikes> {
    let cast = &strike.stage.cast;
    let before = strike.read_counters().await;
    let idle: Vec<_> = cast
        .participants
        .sample(&mut strike.chance(), IDLE)
        .cloned()
        .collect();
    strike.begins();
    idle.iter().for_each(|client| client.set_reading(false));
    let greedy = BYSTANDERS.map(|user| ask_and_not_read(strike, user));
    let (asked, ()) = tokio::join!(join_all(greedy), sleep(IDLE_FOR));
    idle.iter().for_each(|client| client.set_reading(true));
    let asked: u64 = asked.into_iter().sum::<Result<u64>>()?;
    let let_go = strike
        .rise(&before, "starling_slow_consumers_total", Duration::from_secs(12))
        .await;
    Ok(Strikes::new(
        let_go,
        format!(
            "{let_go} were let go; {IDLE} stood idle, {} asked {asked} times",
            BYSTANDERS.len()
        ),
    ))
}

/// Straight at the node: HAProxy would hold some of what is not read.
async fn ask_and_not_read(strike: &Strike<'_>, user: &str) -> Result<u64> {
    let token = strike.cluster().token(user)?;
    let mut socket = Raw::connect_slow(&strike.node().ws_url(), &token).await?;
    let id = &strike.stage.cast.conversations[0].id;
    let mut asked = 0;
    let end = Instant::now() + IDLE_FOR;
    while Instant::now() < end {
        let ask = format!(r#"{{"id":{asked},"history":{{"conversation":"{id}","limit":200}}}}"#);
        // A node that does not read any more, or is gone.
        match timeout(Duration::from_millis(500), socket.send(Message::text(ask))).await {
            Ok(Ok(())) => asked += 1,
            Ok(Err(_)) => break,
            Err(_) => {}
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(asked)
}
