//! The channel in numbers. Anyone may ask, so it is not counted anew for each who does.

use std::time::Duration;

use serde::Serialize;
use starling_protocol::{AskStats, ConversationStats, Error};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::SocketIo;
use crate::dialect::timestamp::iso;

const GOOD_FOR: Duration = Duration::from_secs(2);

/// What was counted last, or why it was not. One counts at a time, and the others wait for that: where counting takes as
/// long as a store that does not answer lets it, they would otherwise wait for one another without end.
#[derive(Default)]
pub(crate) struct CommunityStats(Mutex<Option<(Instant, Result<ConversationStats, Error>)>>);

/// "Total messages, total users, daily breakdown".
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    total_messages: u64,
    /// How many different users have said something.
    total_users: u64,
    /// The newest day first.
    daily: Vec<Day>,
}

#[derive(Debug, Serialize)]
struct Day {
    /// `2024-10-14`, in UTC.
    date: String,
    count: u64,
}

/// The channel's, at most two seconds old.
///
/// # Errors
/// `unknown_conversation`, `forbidden`, `unavailable`.
pub(super) async fn of_channel(server: &SocketIo) -> Result<Stats, Error> {
    let mut counted = server.community_stats().0.lock().await;
    let stats = match &*counted {
        Some((at, stats)) if at.elapsed() < GOOD_FOR => stats,
        _ => {
            let ask = AskStats {
                conversation: server.settings().community.clone(),
                days: None,
            };
            let stats = server.engine().open_stats(ask).await;
            &counted.insert((Instant::now(), stats)).1
        }
    };
    let stats = stats.as_ref().map_err(Clone::clone)?;
    let days = stats.days.iter().map(|day| Day {
        date: iso(day.day).chars().take(10).collect(),
        count: day.messages,
    });
    Ok(Stats {
        total_messages: stats.messages,
        total_users: stats.senders,
        daily: days.collect(),
    })
}
