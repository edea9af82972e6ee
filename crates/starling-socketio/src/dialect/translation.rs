//! What clients of `/` are told of the core's frames. Made once for each frame and parser, and shared by all clients.

use std::sync::OnceLock;

use serde::Serialize;
use starling_core::SharedFrame;
use starling_protocol::{
    Body, ConversationId, Entry, Event, ReceiptsChange, Seq, ServerFrame, TypingChange, UserId,
};
use tokio::sync::OnceCell;

use super::message::{Status, id_of, message};
use super::timestamp::{iso, now};
use crate::live::Live;
use crate::parser::{Frame, Parser};

const NAMESPACE: &str = "/";

/// A packet, and whom it does not concern.
#[derive(Debug)]
pub(crate) struct Telling {
    /// It is about him, and he knows.
    pub(crate) not_to: Option<UserId>,
    pub(crate) frame: Frame,
}

#[derive(Default)]
struct Translation {
    json: OnceLock<Vec<Telling>>,
    msgpack: OnceLock<Vec<Telling>>,
    reads: OnceCell<Vec<(UserId, Seq)>>,
}

impl Translation {
    fn of(&self, parser: Parser) -> &OnceLock<Vec<Telling>> {
        match parser {
            Parser::Json => &self.json,
            Parser::MessagePack => &self.msgpack,
        }
    }
}

/// What `frame` is to clients that speak by the parser of this one.
pub(super) async fn translate<'f>(live: &Live, frame: &'f SharedFrame) -> &'f [Telling] {
    let Some(translation) = frame.translation(Translation::default) else {
        return &[];
    };
    let parser = live.parser();
    let told = translation.of(parser);
    if let Some(told) = told.get() {
        return told;
    }
    let made = match frame.frame() {
        ServerFrame::Event(Event::Entry(entry)) => tell_entry(live, parser, entry).await,
        ServerFrame::Event(Event::Typing(change)) => tell_typing(live, parser, change).await,
        ServerFrame::Event(Event::Receipts(change)) => {
            let reads = translation.reads.get_or_init(|| reads(live, change)).await;
            tell_reads(parser, &change.conversation, reads)
        }
        _ => Vec::new(),
    };
    told.get_or_init(|| made)
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
        Body::Joined { users, .. } => ("user_joined", users.iter().collect()),
        Body::Left { user } => ("user_left", vec![user]),
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
        Telling {
            not_to: Some(user.clone()),
            frame: parser.event(NAMESPACE, event, &payload),
        }
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
    let telling = |event| Telling {
        not_to: None,
        frame: parser.event(NAMESPACE, event, &message),
    };
    vec![telling("new_message"), telling("message")]
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
    vec![Telling {
        not_to: Some(change.user.clone()),
        frame: parser.event(NAMESPACE, "user_typing", &payload),
    }]
}

/// Who has read what, of a change of marks: marks also move for other reasons. A message's sender has read it, and
/// nobody needs to be told; marks can stand on what is no message.
async fn reads(live: &Live, change: &ReceiptsChange) -> Vec<(UserId, Seq)> {
    let heard = live.server().heard();
    let mut reads = Vec::new();
    for mark in &change.members {
        let room = &change.conversation;
        if mark.read == 0 || !heard.has_read(room, &mark.user, mark.read) {
            continue;
        }
        let message = match heard.message(room, mark.read) {
            Some(message) => Some(message),
            None => live
                .entry(room, mark.read)
                .await
                .ok()
                .and_then(|entry| heard.note(&entry)),
        };
        if message.is_some_and(|message| message.sender.as_ref() != Some(&mark.user)) {
            reads.push((mark.user.clone(), mark.read));
        }
    }
    reads
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
        Telling {
            not_to: None,
            frame: parser.event(NAMESPACE, "read_receipt", &payload),
        }
    });
    tellings.collect()
}
