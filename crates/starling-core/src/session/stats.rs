//! Statistics: counted when someone asks, from what is stored.

use std::sync::Arc;

use starling_protocol::limits::{DEFAULT_STATS_DAYS, MAX_LIST_LIMIT, MAX_STATS_MESSAGES};
use starling_protocol::{
    AskMyStats, AskStats, ClusterStats, ConversationId, ConversationStats, DayStats, Error, MyStats, Reply,
    UserId,
};

use crate::ports::{Ports, Tally};
use crate::shared::Shared;
use crate::standing::{self, Seen, Standing};

/// What was said in one conversation, for its members.
///
/// # Errors
/// `not_a_member`, `unknown_conversation`, `unavailable`.
pub(super) async fn of_conversation(
    shared: &Arc<Shared>,
    user: &UserId,
    ask: AskStats,
) -> Result<Reply, Error> {
    let seen = standing::look(&shared.ports, &ask.conversation, user).await?;
    if !matches!(seen.standing, Standing::Member { .. }) {
        return Err(standing::not_a_member());
    }
    let stats = counted(&shared.ports, seen, ask.days).await?;
    Ok(Reply::Stats(stats))
}

/// The same for an administrator, who need not be a member.
///
/// # Errors
/// `invalid`, `unknown_conversation`, `unavailable`.
pub(crate) async fn of_any_conversation(
    shared: &Shared,
    admin: &UserId,
    id: ConversationId,
    days: Option<u32>,
) -> Result<ConversationStats, Error> {
    let ask = AskStats {
        conversation: id,
        days,
    };
    ask.check()?;
    let seen = standing::look(&shared.ports, &ask.conversation, admin).await?;
    counted(&shared.ports, seen, days).await
}

/// The same of an open conversation, for whoever asks.
///
/// # Errors
/// `invalid`; `forbidden` where it is not open; `unknown_conversation`, `unavailable`.
pub(crate) async fn of_open(shared: &Shared, ask: AskStats) -> Result<ConversationStats, Error> {
    ask.check()?;
    let seen = standing::look_in(&shared.ports, &ask.conversation).await?;
    counted(&shared.ports, seen, ask.days).await
}

async fn counted(ports: &Ports, seen: Seen, days: Option<u32>) -> Result<ConversationStats, Error> {
    let conversation = seen.record.id;
    let messages = seen.head.messages;
    let counted = messages.min(MAX_STATS_MESSAGES);
    let days = days.unwrap_or(DEFAULT_STATS_DAYS) as usize;
    let (tally, members) = futures::future::try_join(
        ports.log.tally(&conversation, messages - counted, messages, days),
        ports.directory.count_members(&conversation),
    )
    .await?;
    Ok(ConversationStats {
        conversation,
        messages,
        members,
        counted,
        senders: tally.senders,
        days: newest(tally.days, days),
    })
}

/// What a user's conversations hold, and what he has sent in them.
///
/// # Errors
/// `unavailable`.
pub(super) async fn of_user(shared: &Shared, user: &UserId, ask: AskMyStats) -> Result<Reply, Error> {
    let ports = &shared.ports;
    let mut stats = MyStats::default();
    let (mut conversations, mut after) = (Vec::new(), None);
    let page = MAX_LIST_LIMIT as usize;
    loop {
        let memberships = ports.directory.memberships(user, after.as_ref(), page).await?;
        after = memberships.last().map(|last| last.conversation.clone());
        for count in standing::count(ports, &memberships).await? {
            stats.conversations += 1;
            stats.messages += count.messages;
            stats.unread += count.unread;
            conversations.push(count.conversation);
        }
        if memberships.len() < page {
            break;
        }
    }
    let bound = usize::try_from(MAX_STATS_MESSAGES).unwrap_or(usize::MAX);
    let sent = ports.statistics.sent_by(user, &conversations, bound).await?;
    stats.sent = sent.iter().map(|(_, messages)| messages).sum();
    stats.days = newest(sent, ask.days.unwrap_or(DEFAULT_STATS_DAYS) as usize);
    Ok(Reply::MyStats(stats))
}

/// What all conversations hold, for an administrator.
///
/// # Errors
/// `invalid`, `unavailable`.
pub(crate) async fn of_all(shared: &Shared, days: Option<u32>) -> Result<ClusterStats, Error> {
    AskMyStats { days }.check()?;
    let statistics = &shared.ports.statistics;
    let bound = usize::try_from(MAX_STATS_MESSAGES).unwrap_or(usize::MAX);
    let (totals, tally) =
        futures::future::try_join(statistics.totals(), statistics.tally_newest(bound)).await?;
    let Tally { senders, days: all } = tally;
    Ok(ClusterStats {
        conversations: totals.conversations,
        messages: totals.messages,
        users: totals.users,
        counted: all.iter().map(|(_, messages)| messages).sum(),
        senders,
        days: newest(all, days.unwrap_or(DEFAULT_STATS_DAYS) as usize),
    })
}

fn newest(days: Vec<(i64, u64)>, count: usize) -> Vec<DayStats> {
    let day = |(day, messages)| DayStats { day, messages };
    days.into_iter().take(count).map(day).collect()
}
