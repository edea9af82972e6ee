//! Frames that are shared by many sessions: encoded once per codec, on first use.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use starling_protocol::{
    Codec, Contact, ConversationState, ConversationSummary, Encoded, Entry, Error, Event, Hidden, Presence,
    Ready, ReceiptsChange, Reply, ServerFrame, TypingChange, UserProfile,
};

/// A server frame with its encodings. Cheap to share; the bytes are made by whoever needs them first.
#[derive(Debug)]
pub struct SharedFrame {
    frame: ServerFrame,
    json: OnceLock<Bytes>,
    msgpack: OnceLock<Bytes>,
    translation: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl SharedFrame {
    /// Wraps a frame.
    pub fn new(frame: ServerFrame) -> Arc<Self> {
        Arc::new(Self {
            frame,
            json: OnceLock::new(),
            msgpack: OnceLock::new(),
            translation: OnceLock::new(),
        })
    }

    /// An `entry` event.
    pub fn entry(entry: Arc<Entry>) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Entry(entry)))
    }

    /// A `conversation` event.
    pub fn conversation(state: ConversationState) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Conversation(state)))
    }

    /// A `ready` event.
    pub fn ready(ready: Ready) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Ready(ready)))
    }

    /// The reply to command `id`.
    pub fn reply(id: u64, result: Result<Reply, Error>) -> Arc<Self> {
        Self::new(ServerFrame::Reply { id, result })
    }

    /// A `receipts` event.
    pub(crate) fn receipts(change: ReceiptsChange) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Receipts(change)))
    }

    /// A `typing` event.
    pub(crate) fn typing(change: TypingChange) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Typing(change)))
    }

    /// A `presence` event.
    pub(crate) fn presence(presence: Presence) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Presence(presence)))
    }

    /// A `hidden` event.
    pub(crate) fn hidden(hidden: Hidden) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Hidden(hidden)))
    }

    /// An `error` event.
    pub fn error(error: Error) -> Arc<Self> {
        Self::new(ServerFrame::Event(Event::Error(error)))
    }

    /// What it says; dialects translate this instead of using the bytes.
    pub fn frame(&self) -> &ServerFrame {
        &self.frame
    }

    /// The entry, if it is an `entry` event.
    pub(crate) fn entry_ref(&self) -> Option<&Arc<Entry>> {
        match &self.frame {
            ServerFrame::Event(Event::Entry(entry)) => Some(entry),
            _ => None,
        }
    }

    /// The bytes in a codec: UTF-8 text for JSON.
    pub fn bytes(&self, codec: Codec) -> &Bytes {
        let cell = match codec {
            Codec::Json => &self.json,
            Codec::MessagePack => &self.msgpack,
        };
        cell.get_or_init(|| match codec.encode(&self.frame) {
            Encoded::Text(text) => Bytes::from(text),
            Encoded::Binary(bytes) => Bytes::from(bytes),
        })
    }

    /// What an entrance with a language of its own has made of the frame: made once, by whoever needs it first, and
    /// shared as the bytes are. `None` if another entrance keeps something else there.
    pub fn translation<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.translation.get_or_init(|| Box::new(make())).downcast_ref()
    }

    /// What it is counted as in a queue bounded in bytes: an estimate of its encoded size.
    pub fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        const RECEIPT: usize = 96;
        if let Some(bytes) = self.json.get().or(self.msgpack.get()) {
            return OVERHEAD / 4 + bytes.len();
        }
        match &self.frame {
            ServerFrame::Event(Event::Entry(entry)) => OVERHEAD + entry_weight(entry),
            ServerFrame::Reply {
                result: Ok(Reply::History(page)),
                ..
            } => {
                OVERHEAD
                    + page
                        .entries
                        .iter()
                        .map(|entry| OVERHEAD + entry_weight(entry))
                        .sum::<usize>()
            }
            ServerFrame::Reply {
                result: Ok(Reply::Conversations(page)),
                ..
            } => {
                let weights = page.conversations.iter().map(summary_weight);
                OVERHEAD + weights.map(|weight| OVERHEAD + weight).sum::<usize>()
            }
            ServerFrame::Event(Event::Conversation(state)) => OVERHEAD + summary_weight(&state.conversation),
            ServerFrame::Reply {
                result: Ok(Reply::Invites(found)),
                ..
            } => OVERHEAD + found.invites.len() * OVERHEAD,
            ServerFrame::Reply {
                result: Ok(Reply::Sanctions(page)),
                ..
            } => OVERHEAD + page.users.len() * OVERHEAD,
            ServerFrame::Event(Event::Receipts(change)) => OVERHEAD + change.members.len() * RECEIPT,
            ServerFrame::Reply {
                result: Ok(Reply::Receipts(page)),
                ..
            } => OVERHEAD + page.members.len() * RECEIPT,
            ServerFrame::Reply {
                result: Ok(Reply::Status(status)),
                ..
            } => OVERHEAD + (status.pending.len() + status.delivered.len() + status.read.len()) * RECEIPT,
            ServerFrame::Event(Event::Presence(presence)) => {
                OVERHEAD + presence.text.as_ref().map_or(0, String::len)
            }
            ServerFrame::Reply {
                result: Ok(Reply::Presences(found)),
                ..
            } => OVERHEAD + found.presences.len() * OVERHEAD,
            ServerFrame::Reply {
                result: Ok(Reply::Contacts(page)),
                ..
            } => OVERHEAD + page.contacts.iter().map(contact_weight).sum::<usize>(),
            ServerFrame::Reply {
                result: Ok(Reply::Blocked(page)),
                ..
            } => OVERHEAD + page.users.len() * RECEIPT,
            ServerFrame::Reply {
                result: Ok(Reply::Sessions(page)),
                ..
            } => OVERHEAD + page.sessions.len() * OVERHEAD,
            ServerFrame::Reply {
                result: Ok(Reply::User(user)),
                ..
            } => OVERHEAD + person_weight(user),
            _ => OVERHEAD,
        }
    }
}

/// Rough bytes of a contact.
pub(crate) fn contact_weight(contact: &Contact) -> usize {
    64 + person_weight(&contact.user)
}

fn person_weight(user: &UserProfile) -> usize {
    let texts = [&user.name, &user.about, &user.avatar_url, &user.phone];
    let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
    128 + user.id.as_str().len() + texts
}

/// Bytes of an entry's variable part.
pub(crate) fn entry_weight(entry: &Entry) -> usize {
    use starling_protocol::{Body, Content};
    match &entry.body {
        Body::Message(Content { text, .. }) | Body::Edited { text, .. } => text.len() + state_weight(entry),
        Body::Reacted { emoji, .. } => emoji.len(),
        Body::Created { members, .. } => members.iter().map(|member| member.user.as_str().len() + 32).sum(),
        Body::Joined { users, .. } => users.iter().map(|user| user.as_str().len() + 4).sum(),
        Body::Left { user }
        | Body::RoleChanged { user, .. }
        | Body::Banned { user, .. }
        | Body::Unbanned { user }
        | Body::Muted { user, .. }
        | Body::Unmuted { user } => user.as_str().len(),
        Body::Updated(profile) => profile_weight(
            profile.name.as_ref(),
            profile.description.as_ref(),
            profile.avatar_url.as_ref(),
        ),
        Body::Invited { .. } | Body::Revoked { .. } => 64,
        Body::Deleted { .. } | Body::Dissolved {} | Body::Void {} => 0,
    }
}

/// Bytes of what a conversation is called.
fn profile_weight(name: Option<&String>, description: Option<&String>, avatar_url: Option<&String>) -> usize {
    let texts = [name, description, avatar_url];
    texts.into_iter().flatten().map(String::len).sum()
}

/// Bytes of a conversation's variable part, as a member sees it.
pub(crate) fn summary_weight(summary: &ConversationSummary) -> usize {
    let profile = profile_weight(
        summary.name.as_ref(),
        summary.description.as_ref(),
        summary.avatar_url.as_ref(),
    );
    profile + summary.last.as_ref().map_or(0, |last| entry_weight(last))
}

fn state_weight(entry: &Entry) -> usize {
    entry.state.as_ref().map_or(0, |state| {
        let emoji: usize = state.reactions.keys().map(|emoji| emoji.len() + 8).sum();
        let users = state.reactions.values().flatten();
        let users: usize = users.map(|user| user.as_str().len() + 4).sum();
        64 + state.text.as_ref().map_or(0, String::len) + emoji + users
    })
}
