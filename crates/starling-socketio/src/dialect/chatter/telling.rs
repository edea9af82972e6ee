//! What Chatter's clients are told of the core's frames.

use serde::Serialize;
use starling_protocol::{Body, ConversationId, Entry, Event, Seq, ServerFrame, UserId};

use super::message::Message;
use super::{NAMESPACE, Told};
use crate::dialect::Telling;
use crate::dialect::events::Events;
use crate::dialect::stored::Stored;
use crate::dialect::timestamp::iso;
use crate::live::Live;

/// What `frame` is to them.
pub(in crate::dialect) async fn tell(live: &Live, frame: &ServerFrame) -> Vec<Telling> {
    let ServerFrame::Event(Event::Entry(entry)) = frame else {
        return Vec::new();
    };
    match &entry.body {
        Body::Message(_) => tell_message(live, entry).await,
        Body::Edited { target, text } if !text.is_empty() => {
            tell_change(live, entry, *target, Some(text)).await
        }
        Body::Deleted { target } => tell_change(live, entry, *target, None).await,
        body => tell_conversation(live, entry, body),
    }
}

fn event<T: Serialize>(live: &Live, told: Told, payload: &T) -> Vec<Telling> {
    vec![Telling::to_all(live.parser().event(
        NAMESPACE,
        told.name(),
        payload,
    ))]
}

async fn tell_message(live: &Live, entry: &Entry) -> Vec<Telling> {
    live.server().heard().note(entry);
    let Some(stored) = Stored::of(entry) else {
        return Vec::new();
    };
    let message = Message::new(&stored, &name_of(live, stored.sender).await);
    event(live, Told::NewMessage, &message)
}

async fn name_of(live: &Live, user: &UserId) -> String {
    let called = live.asker().names(&[user]).await;
    called.into_iter().next().unwrap_or_default()
}

/// A message as it is from here on. One that cannot be read now is left to the client's next `sync`.
async fn tell_change(live: &Live, entry: &Entry, target: Seq, text: Option<&str>) -> Vec<Telling> {
    let Ok(heard) = live.heard(&entry.conversation, target).await else {
        return Vec::new();
    };
    let Some(stored) = Stored::at(&entry.conversation, target, &heard, text.unwrap_or_default()) else {
        return Vec::new();
    };
    let at = Some(entry.at);
    let changed = match text {
        Some(_) => Stored {
            edited_at: at,
            ..stored
        },
        None => Stored {
            deleted_at: at,
            ..stored
        },
    };
    let message = Message::new(&changed, &name_of(live, changed.sender).await);
    event(live, Told::MessageUpdated, &message)
}

/// Something about a conversation is different: its client reads its list again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConversationUpdated<'a> {
    conversation_id: &'a ConversationId,
    /// What.
    change: &'static str,
    /// Whom it concerns.
    user_ids: Vec<&'a UserId>,
    sequence_number: u64,
    updated_at: String,
}

fn tell_conversation(live: &Live, entry: &Entry, body: &Body) -> Vec<Telling> {
    let (change, user_ids) = match body {
        Body::Created { members, .. } => ("created", members.iter().map(|member| &member.user).collect()),
        Body::Joined { users, .. } => ("members_joined", users.iter().collect()),
        Body::Left { user } | Body::Banned { user, removed: true } => ("member_left", vec![user]),
        Body::RoleChanged { user, .. } => ("role_changed", vec![user]),
        Body::Updated(_) => ("profile_changed", Vec::new()),
        Body::Dissolved {} => ("deleted", Vec::new()),
        // Nothing that its list shows.
        _ => return Vec::new(),
    };
    let updated = ConversationUpdated {
        conversation_id: &entry.conversation,
        change,
        user_ids,
        sequence_number: entry.messages,
        updated_at: iso(entry.at),
    };
    event(live, Told::ConversationUpdated, &updated)
}
