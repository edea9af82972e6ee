//! Messages that were said before: messages only, oldest first.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use starling_protocol::limits::{MAX_HISTORY_LIMIT, MAX_RECEIPTS_LIMIT, MAX_RECEIPTS_MEMBERS};
use starling_protocol::{
    Body, Command, ConversationId, Entry, Error, ErrorCode, History, HistoryPage, ListReceipts, Reply, Seq,
    UserId,
};

use super::message::{Message, Status, message};
use crate::asker::Asker;

/// Messages of a page that does not say how many.
pub(super) const DEFAULT_LIMIT: u64 = 50;
/// At most so many, whatever is asked for.
const MAX_LIMIT: u64 = MAX_HISTORY_LIMIT as u64;
/// A page ends here even where there are more: what waits for a client is bounded.
const MAX_TEXT_BYTES: usize = 128 << 10;
/// Reads of the log for one page: far more than it takes where most entries are messages.
const MAX_READS: usize = 64;

/// A page of a room's messages.
pub(super) struct Page {
    entries: Vec<Arc<Entry>>,
    names: HashMap<UserId, String>,
    marks: Option<Marks>,
    /// Everything up to here that belongs into the newest page is in it.
    pub(super) head: Seq,
}

/// How far all members of a room are.
#[derive(Clone, Copy)]
struct Marks {
    delivered: Seq,
    read: Seq,
}

impl Page {
    pub(super) fn messages(&self) -> Vec<Message<'_>> {
        let named = |entry: &'_ Entry| {
            let sender = entry.sender.as_ref();
            sender
                .and_then(|sender| self.names.get(sender))
                .map_or("", String::as_str)
        };
        let messages = self
            .entries
            .iter()
            .map(|entry| message(entry, named(entry), self.status(entry)));
        messages.flatten().collect()
    }

    fn status(&self, entry: &Entry) -> Status {
        match self.marks {
            Some(marks) if marks.read >= entry.seq => Status::Read,
            Some(marks) if marks.delivered < entry.seq => Status::Pending,
            // Large rooms do not tell.
            _ => Status::Delivered,
        }
    }
}

/// The newest messages of a room, after passing over `skip` that are newer still.
///
/// # Errors
/// `not_a_member`, `unknown_conversation`, `unavailable`; `invalid` where so much else lies between that it would take
/// too many reads.
pub(super) async fn newest(
    asker: Asker<'_>,
    room: &ConversationId,
    limit: u64,
    skip: u64,
) -> Result<Page, Error> {
    let limit = limit.clamp(1, MAX_LIMIT);
    let mut page = read(asker, room, None).await?;
    let Some(head) = page.entries.last().cloned() else {
        return Err(Error::new(ErrorCode::Internal, "the log is empty"));
    };
    // By ordinals: of the last message wanted, and of the last one that is not wanted any more.
    let top = head.messages.saturating_sub(skip);
    let bottom = top.saturating_sub(limit);
    // A message's seq is its ordinal, and at most all that is no message more.
    let others = head.seq - head.messages;
    if page.entries.first().is_some_and(|first| top + others < first.seq) {
        page = read(asker, room, Some(top + others + 1)).await?;
    }
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    let mut bytes = 0;
    let mut reads = 1;
    'reading: loop {
        for entry in page.entries.iter().rev() {
            if entry.messages <= bottom {
                break 'reading;
            }
            let Body::Message(content) = &entry.body else {
                continue;
            };
            if entry.messages > top {
                continue;
            }
            bytes += content.text.len();
            if bytes > MAX_TEXT_BYTES && !entries.is_empty() {
                break 'reading;
            }
            entries.push(entry.clone());
        }
        let Some(first) = page.entries.first().filter(|_| page.more).map(|first| first.seq) else {
            break;
        };
        if reads == MAX_READS {
            return Err(crate::dialect::payload::invalid(
                "there is too much between these messages: take fewer",
            ));
        }
        page = read(asker, room, Some(first)).await?;
        reads += 1;
    }
    entries.reverse();
    let senders: Vec<&UserId> = entries.iter().filter_map(|entry| entry.sender.as_ref()).collect();
    let called = asker.names(&senders).await;
    let names = senders.into_iter().cloned().zip(called).collect();
    Ok(Page {
        names,
        marks: marks(asker, room).await?,
        entries,
        head: head.seq,
    })
}

async fn read(asker: Asker<'_>, room: &ConversationId, before: Option<Seq>) -> Result<HistoryPage, Error> {
    let history = History {
        before,
        limit: Some(MAX_HISTORY_LIMIT),
        ..History::newest(room.clone())
    };
    match asker.execute(Command::History(history)).await? {
        Reply::History(page) => Ok(page),
        _ => Err(Error::new(ErrorCode::Internal, "no history")),
    }
}

/// The lowest marks of all members; `None` for rooms with too many.
async fn marks(asker: Asker<'_>, room: &ConversationId) -> Result<Option<Marks>, Error> {
    let mut lowest: Option<Marks> = None;
    let (mut after, mut seen) = (None, 0);
    loop {
        let ask = ListReceipts {
            conversation: room.clone(),
            after,
            limit: Some(MAX_RECEIPTS_LIMIT),
        };
        let Reply::Receipts(page) = asker.execute(Command::Receipts(ask)).await? else {
            return Ok(None);
        };
        seen += page.members.len();
        for mark in page.members {
            let lower = lowest.get_or_insert(Marks {
                delivered: Seq::MAX,
                read: Seq::MAX,
            });
            lower.delivered = lower.delivered.min(mark.delivered);
            lower.read = lower.read.min(mark.read);
        }
        match page.next {
            Some(_) if seen >= MAX_RECEIPTS_MEMBERS => return Ok(None),
            Some(next) => after = Some(next),
            None => return Ok(lowest),
        }
    }
}

/// CampZone's `messages`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Messages<'a> {
    pub(super) room_id: &'a ConversationId,
    pub(super) count: usize,
    pub(super) messages: Vec<Message<'a>>,
}
