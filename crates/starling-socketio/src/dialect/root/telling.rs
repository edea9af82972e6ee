//! What clients of `/` are told of the core's frames.

use serde::Serialize;
use starling_protocol::{
    Body, ConversationId, Entry, Event, ReceiptsChange, Seq, ServerFrame, TypingChange, UserId,
};
use tokio::sync::OnceCell;

use super::message::{Status, message};
use super::{NAMESPACE, Told};
use crate::dialect::Telling;
use crate::dialect::events::Events;
use crate::dialect::heard::HeardMessage;
use crate::dialect::place::id_of;
use crate::dialect::timestamp::{iso, now};
use crate::live::Live;
use crate::parser::Parser;

/// Who has read what.
pub(in crate::dialect) type News = Vec<(UserId, Seq)>;

/// What `frame` is to them.
pub(in crate::dialect) async fn tell(
    live: &Live,
    frame: &ServerFrame,
    news: &OnceCell<News>,
) -> Vec<Telling> {
    let parser = live.parser();
    match frame {
        ServerFrame::Event(Event::Entry(entry)) => tell_entry(live, parser, entry).await,
        ServerFrame::Event(Event::Typing(change)) => tell_typing(live, parser, change).await,
        ServerFrame::Event(Event::Receipts(change)) => {
            let reads = news.get_or_init(|| reads(live, change)).await;
            tell_reads(parser, &change.conversation, reads)
        }
        _ => Vec::new(),
    }
}

/// CampZone: `{ roomId, userId, timestamp }`; Chat Service: `{ roomId, userId, username }`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Membership<'a> {
    room_id: &'a ConversationId,
    user_id: &'a UserId,
    username: &'a str,
    timestamp: String,
}

async fn tell_entry(live: &Live, parser: Parser, entry: &Entry) -> Vec<Telling> {
    let (event, users) = match &entry.body {
        Body::Message { .. } => return tell_message(live, parser, entry).await,
        Body::Joined { users, .. } => (Told::UserJoined, users.iter().collect()),
        Body::Left { user } | Body::Banned { user, removed: true } => (Told::UserLeft, vec![user]),
        // Nothing that either seed has a word for.
        _ => return Vec::new(),
    };
    let called = live.asker().names(&users).await;
    let tellings = users.into_iter().zip(&called).map(|(user, username)| {
        let payload = Membership {
            room_id: &entry.conversation,
            user_id: user,
            username,
            timestamp: iso(entry.at),
        };
        Telling::of(user, parser.event(NAMESPACE, event.name(), &payload))
    });
    tellings.collect()
}

/// `new_message`, and the same as `message`, which Chat Service's text also calls it.
async fn tell_message(live: &Live, parser: Parser, entry: &Entry) -> Vec<Telling> {
    live.server().heard().note(entry);
    let Some(sender) = &entry.sender else {
        return Vec::new();
    };
    let called = live.asker().names(&[sender]).await;
    let name = called.first().map_or(sender.as_str(), String::as_str);
    // Who is told of it has it.
    let Some(message) = message(entry, name, Status::Delivered) else {
        return Vec::new();
    };
    let telling = |event: Told| Telling::to_all(parser.event(NAMESPACE, event.name(), &message));
    vec![telling(Told::NewMessage), telling(Told::Message)]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserTyping<'a> {
    room_id: &'a ConversationId,
    user_id: &'a UserId,
    username: &'a str,
    is_typing: bool,
}

async fn tell_typing(live: &Live, parser: Parser, change: &TypingChange) -> Vec<Telling> {
    let called = live.asker().names(&[&change.user]).await;
    let payload = UserTyping {
        room_id: &change.conversation,
        user_id: &change.user,
        username: called.first().map_or(change.user.as_str(), String::as_str),
        is_typing: change.typing,
    };
    let frame = parser.event(NAMESPACE, Told::UserTyping.name(), &payload);
    vec![Telling::of(&change.user, frame)]
}

/// How far it is looked back from a mark.
const LOOKED_BACK: Seq = 50;

/// Who has read what, of a change of marks.
async fn reads(live: &Live, change: &ReceiptsChange) -> News {
    let heard = live.server().heard();
    let mut reads = Vec::new();
    for mark in &change.members {
        let room = &change.conversation;
        if let Some(before) = heard.has_read(room, &mark.user, mark.read)
            && let Some(seq) = newest_of_others(live, room, &mark.user, before, mark.read).await
        {
            reads.push((mark.user.clone(), seq));
        }
    }
    reads
}

/// Where a mark has moved, the newest message that nobody knows yet to be read. That its sender has read it goes without
/// saying, and marks can stand on what is no message.
async fn newest_of_others(
    live: &Live,
    room: &ConversationId,
    reader: &UserId,
    before: Seq,
    mark: Seq,
) -> Option<Seq> {
    let is_others = |message: HeardMessage| message.sender.as_ref() != Some(reader);
    if live.heard(room, mark).await.is_ok_and(is_others) {
        return Some(mark);
    }
    let heard = live.server().heard();
    let first = before.max(mark.saturating_sub(LOOKED_BACK)) + 1;
    (first..mark)
        .rev()
        .find(|seq| heard.message(room, *seq).is_some_and(is_others))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadReceipt<'a> {
    message_id: String,
    room_id: &'a ConversationId,
    user_id: &'a UserId,
    read_at: String,
}

fn tell_reads(parser: Parser, room: &ConversationId, reads: &[(UserId, Seq)]) -> Vec<Telling> {
    let tellings = reads.iter().map(|(user, seq)| {
        let payload = ReadReceipt {
            message_id: id_of(room, *seq),
            room_id: room,
            user_id: user,
            read_at: now(),
        };
        Telling::to_all(parser.event(NAMESPACE, Told::ReadReceipt.name(), &payload))
    });
    tellings.collect()
}
