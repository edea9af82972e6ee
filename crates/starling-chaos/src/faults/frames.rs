//! Frames that no client should send.

use anyhow::{Result, ensure};
use rand::RngExt;
use rand::seq::IndexedRandom;
use tokio_tungstenite::tungstenite::Message;

use crate::load::BYSTANDERS;
use crate::raw::{Ended, Raw};
use crate::stage::{Strike, Strikes};

const PROTOCOL_ERROR: u16 = 4202;
const TOO_LARGE: u16 = 4203;
/// One more than a connection may send of them.
const MALFORMED: usize = 25;
const LARGEST: usize = 65_536;

pub(super) async fn malformed(strike: &Strike<'_>) -> Result<Strikes> {
    let mut chance = strike.chance();
    let nested = "[".repeat(20_000);
    let frames = [
        Message::text("nonsense"),
        Message::text(""),
        Message::text("{}"),
        Message::text(r#"{"id":1}"#),
        Message::text(r#"{"id":-1,"ping":{}}"#),
        Message::text(r#"{"id":1,"ping":{},"ping":{}}"#),
        Message::text(r#"{"id":18446744073709551616,"ping":{}}"#),
        Message::text(r#"{"id":1,"send":{"conversation":"\ud800","client_id":"k","text":"x"}}"#),
        Message::text(nested),
        Message::binary(vec![0xff; 100]),
        Message::binary(vec![0xc1]),
        // An array that promises 2^32 - 1 items, and has none.
        Message::binary(vec![0xdd, 0xff, 0xff, 0xff, 0xff]),
    ];
    strike.begins();
    let mut closed = 0;
    for user in BYSTANDERS {
        let token = strike.cluster().token(user)?;
        let mut socket = Raw::connect(&strike.cluster().front_ws_url(), &token).await?;
        for _ in 0..MALFORMED {
            let frame = frames.choose(&mut chance).cloned().unwrap_or(Message::text(""));
            if socket.send(frame).await.is_err() {
                break;
            }
        }
        if socket.end().await? == Ended::Code(PROTOCOL_ERROR) {
            closed += 1;
        }
    }
    ensure!(
        closed == BYSTANDERS.len() as u64,
        "only {closed} of {} such connections were closed with {PROTOCOL_ERROR}",
        BYSTANDERS.len()
    );
    Ok(Strikes::new(
        closed,
        format!("{closed} connections were closed with {PROTOCOL_ERROR}"),
    ))
}

pub(super) async fn oversized(strike: &Strike<'_>) -> Result<Strikes> {
    let mut chance = strike.chance();
    strike.begins();
    let (mut closed, mut reset) = (0, 0);
    for user in BYSTANDERS {
        for size in [LARGEST + 1, chance.random_range(LARGEST + 2..200_000), 4_000_000] {
            let token = strike.cluster().token(user)?;
            let mut socket = Raw::connect(&strike.cluster().front_ws_url(), &token).await?;
            // The node need not take it all before it closes.
            let _ = socket.send(Message::text("x".repeat(size))).await;
            match socket.end().await? {
                Ended::Code(TOO_LARGE) => closed += 1,
                Ended::Broken => reset += 1,
                Ended::Code(code) => {
                    anyhow::bail!("a frame of {size} bytes was answered by close code {code}")
                }
            }
        }
    }
    Ok(Strikes::new(
        closed,
        format!("{closed} connections were closed with {TOO_LARGE}, {reset} reset"),
    ))
}
