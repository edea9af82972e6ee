//! Pages of a conversation's log, as far as one user may see it.

use std::sync::Arc;

use starling_protocol::limits::DEFAULT_HISTORY_LIMIT;
use starling_protocol::{
    ConversationId, Entry, Error, ErrorCode, History, HistoryPage, MessagesPage, MessagesWanted, Reply, Seq,
    UserId,
};

use crate::event::entry_weight;
use crate::ports::{MessageRange, Ports, RangeEnd, Unavailable};
use crate::recent;
use crate::shared::Shared;
use crate::standing::{self, Seen, Standing};

/// A page of history or of the list ends here even where its limit allows more: a reply is one frame, and what
/// waits for a client is bounded in bytes.
pub(super) const MAX_PAGE_BYTES: usize = 256 << 10;
/// Of an entry besides its variable part.
const ENTRY_OVERHEAD: usize = 256;
/// So many messages are looked through for those of one user.
const LOOKED_THROUGH: u64 = 100_000;

/// A page of history.
///
/// # Errors
/// `cursor_ahead` for a page around an entry that there is not; `not_a_member`, `unknown_conversation`, `unavailable`.
pub(super) async fn page(shared: &Arc<Shared>, user: &UserId, ask: History) -> Result<Reply, Error> {
    let limit = ask.limit.unwrap_or(DEFAULT_HISTORY_LIMIT) as usize;
    let view = View::open(&shared.ports, &ask.conversation, user).await?;
    let page = match ask {
        History {
            after: Some(after), ..
        } => view.following(after, limit, ask.messages, MAX_PAGE_BYTES).await?,
        History {
            around: Some(around), ..
        } => view.around(around, limit, ask.messages).await?,
        History {
            before: Some(before), ..
        } => {
            view.preceding(before, limit, ask.messages, MAX_PAGE_BYTES)
                .await?
        }
        // I10: what is kept for all is for those who may see the head.
        History { messages: false, .. } if view.is_whole() => {
            let entries = recent::newest(shared, &view.seen.head, limit).await?;
            newest_of(entries, MAX_PAGE_BYTES)
        }
        _ => {
            view.preceding(Seq::MAX, limit, ask.messages, MAX_PAGE_BYTES)
                .await?
        }
    };
    Ok(Reply::History(page))
}

/// A page of messages by number, for clients that count pages.
///
/// # Errors
/// `not_a_member`, `unknown_conversation`, `unavailable`.
pub(crate) async fn messages(
    shared: &Arc<Shared>,
    user: &UserId,
    id: &ConversationId,
    wanted: &MessagesWanted,
) -> Result<MessagesPage, Error> {
    wanted.check()?;
    messages_in(View::open(&shared.ports, id, user).await?, wanted).await
}

/// The same of an open conversation, for whoever asks.
///
/// # Errors
/// `forbidden` where it is not open; `unknown_conversation`, `unavailable`.
pub(crate) async fn open_messages(
    shared: &Arc<Shared>,
    id: &ConversationId,
    wanted: &MessagesWanted,
) -> Result<MessagesPage, Error> {
    wanted.check()?;
    messages_in(View::from_outside(&shared.ports, id).await?, wanted).await
}

async fn messages_in(view: View<'_>, wanted: &MessagesWanted) -> Result<MessagesPage, Error> {
    let total = view.number(view.end).await?;
    let as_of = wanted.as_of.unwrap_or(total).min(total);
    let (limit, skip) = (wanted.limit(), wanted.skipped());
    let mut range = MessageRange {
        after: 0,
        to: as_of,
        sender: wanted.sender.clone(),
        end: RangeEnd::Highest,
        skip: 0,
    };
    match range.sender {
        None => range.to = as_of.saturating_sub(skip),
        Some(_) => {
            range.after = as_of.saturating_sub(LOOKED_THROUGH);
            range.skip = usize::try_from(skip).unwrap_or(usize::MAX);
        }
    }
    // One more shows whether there is more.
    let mut messages = view.log_messages(&range, limit + 1).await?;
    let more = messages.len() > limit;
    messages.drain(..messages.len().saturating_sub(limit));
    Ok(MessagesPage {
        messages,
        as_of,
        more,
    })
}

/// A log up to where a user may see it.
struct View<'a> {
    ports: &'a Ports,
    id: &'a ConversationId,
    seen: Seen,
    /// Seq of the last entry that he may see. I10: a removed member reads up to the entry that removed him.
    end: Seq,
}

impl<'a> View<'a> {
    async fn open(ports: &'a Ports, id: &'a ConversationId, user: &UserId) -> Result<Self, Error> {
        let seen = standing::look(ports, id, user).await?;
        let end = match seen.standing {
            Standing::Member { .. } => seen.head.seq,
            Standing::Former { left } => left,
            Standing::Stranger => return Err(standing::not_a_member()),
        };
        Ok(Self { ports, id, seen, end })
    }

    /// An open conversation, as it shows itself to those who have not joined it.
    async fn from_outside(ports: &'a Ports, id: &'a ConversationId) -> Result<Self, Error> {
        let seen = standing::look_in(ports, id).await?;
        let end = seen.head.seq;
        Ok(Self { ports, id, seen, end })
    }

    fn is_whole(&self) -> bool {
        self.end == self.seen.head.seq && matches!(self.seen.standing, Standing::Member { .. })
    }

    /// The entries after a seq, the nearest ones.
    async fn following(
        &self,
        after: Seq,
        limit: usize,
        messages: bool,
        bytes: usize,
    ) -> Result<HistoryPage, Error> {
        let after = after.min(self.end);
        let (mut entries, end) = if messages {
            let (from, to) = self.numbers(after, self.end).await?;
            let range = self.range(from, to, RangeEnd::Lowest);
            (self.log_messages(&range, limit).await?, to)
        } else {
            (
                self.ports.log.read(self.id, after, self.end, limit).await?,
                self.end,
            )
        };
        entries.truncate(fitting(entries.iter().map(|entry| entry_weight(entry)), bytes));
        let place = |entry: &Arc<Entry>| if messages { entry.messages } else { entry.seq };
        let more = entries.last().is_some_and(|last| place(last) < end);
        Ok(HistoryPage { entries, more })
    }

    /// The entries before a seq, the nearest ones.
    async fn preceding(
        &self,
        before: Seq,
        limit: usize,
        messages: bool,
        bytes: usize,
    ) -> Result<HistoryPage, Error> {
        let before = before.min(self.end + 1);
        if !messages {
            let entries = self.ports.log.read_back(self.id, before, limit).await?;
            return Ok(newest_of(entries, bytes));
        }
        let to = self.number(before.saturating_sub(1)).await?;
        let range = self.range(0, to, RangeEnd::Highest);
        let mut page = newest_of(self.log_messages(&range, limit).await?, bytes);
        page.more = page.entries.first().is_some_and(|first| first.messages > 1);
        Ok(page)
    }

    /// An entry with those on both sides of it.
    async fn around(&self, target: Seq, limit: usize, messages: bool) -> Result<HistoryPage, Error> {
        if target > self.end {
            return Err(Error::new(
                ErrorCode::CursorAhead,
                format!("the entry is past the conversation's head, {}", self.end),
            ));
        }
        let (before, from) = (limit / 2, limit - limit / 2);
        let half = MAX_PAGE_BYTES / 2;
        let mut older = match before {
            0 => Vec::new(),
            before => self.preceding(target, before, messages, half).await?.entries,
        };
        let newer = self.following(target - 1, from, messages, half).await?;
        older.extend(newer.entries);
        Ok(HistoryPage {
            entries: older,
            more: newer.more,
        })
    }

    fn range(&self, after: u64, to: u64, end: RangeEnd) -> MessageRange {
        MessageRange {
            after,
            to,
            sender: None,
            end,
            skip: 0,
        }
    }

    async fn log_messages(&self, range: &MessageRange, limit: usize) -> Result<Vec<Arc<Entry>>, Unavailable> {
        if range.after >= range.to {
            return Ok(Vec::new());
        }
        self.ports.log.messages(self.id, range, limit).await
    }

    /// How many messages there are up to an entry.
    async fn number(&self, seq: Seq) -> Result<u64, Unavailable> {
        Ok(self.numbers(0, seq).await?.1)
    }

    /// The same of two.
    async fn numbers(&self, first: Seq, second: Seq) -> Result<(u64, u64), Unavailable> {
        let head = &self.seen.head;
        let unknown = |seq: &Seq| *seq > 0 && *seq != head.seq;
        let places: Vec<_> = [first, second].into_iter().filter(unknown).collect();
        let mut found = Vec::new();
        if !places.is_empty() {
            let places: Vec<_> = places.into_iter().map(|seq| (self.id.clone(), seq)).collect();
            found = self.ports.log.at(&places).await?;
        }
        let number = |seq: Seq| match seq {
            0 => Ok(0),
            seq if seq == head.seq => Ok(head.messages),
            seq => found
                .iter()
                .find(|entry| entry.seq == seq)
                .map(|entry| entry.messages)
                .ok_or_else(|| Unavailable::new("store", "its reads lag behind")),
        };
        Ok((number(first)?, number(second)?))
    }
}

/// The last of these that fit.
fn newest_of(mut entries: Vec<Arc<Entry>>, bytes: usize) -> HistoryPage {
    let fitting = fitting(entries.iter().rev().map(|entry| entry_weight(entry)), bytes);
    entries.drain(..entries.len().saturating_sub(fitting));
    let more = entries.first().is_some_and(|first| first.seq > 1);
    HistoryPage { entries, more }
}

/// How many of these, one at least, go into one reply.
pub(super) fn fitting(weights: impl Iterator<Item = usize>, bytes: usize) -> usize {
    let mut sum = 0;
    let fits = weights.take_while(|weight| {
        sum += ENTRY_OVERHEAD + weight;
        sum <= bytes
    });
    fits.count().max(1)
}
