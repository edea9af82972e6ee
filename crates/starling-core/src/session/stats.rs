//! Statistics of conversations: counted when someone asks, from what is stored.

use std::sync::Arc;

use starling_protocol::limits::{DEFAULT_STATS_DAYS, MAX_STATS_MESSAGES};
use starling_protocol::{AskStats, ConversationStats, DayStats, Error, Reply, UserId};

use crate::shared::Shared;
use crate::standing::{self, Standing};

/// What was said in one conversation, for its members.
///
/// # Errors
/// `not_a_member`, `unknown_conversation`, `unavailable`.
pub(super) async fn of_conversation(
    shared: &Arc<Shared>,
    user: &UserId,
    ask: AskStats,
) -> Result<Reply, Error> {
    let ports = &shared.ports;
    let seen = standing::look(ports, &ask.conversation, user).await?;
    if !matches!(seen.standing, Standing::Member { .. }) {
        return Err(standing::not_a_member());
    }
    let messages = seen.head.messages;
    let counted = messages.min(MAX_STATS_MESSAGES);
    let days = ask.days.unwrap_or(DEFAULT_STATS_DAYS) as usize;
    let (tally, members) = futures::future::try_join(
        ports
            .log
            .tally(&ask.conversation, messages - counted, messages, days),
        ports.directory.count_members(&ask.conversation),
    )
    .await?;
    let day = |(day, messages)| DayStats { day, messages };
    Ok(Reply::Stats(ConversationStats {
        conversation: ask.conversation,
        messages,
        members,
        counted,
        senders: tally.senders,
        days: tally.days.into_iter().map(day).collect(),
    }))
}
