//! What Community Chat's clients are told of the core's frames.

use serde::Serialize;
use starling_protocol::{
    Body, Entry, Event, Presence, PresenceState, Seq, ServerFrame, TypingChange, UserId,
};
use tokio::sync::OnceCell;

use super::message::{Deleted, Message, User};
use super::{NAMESPACE, Told, channel};
use crate::dialect::events::Events;
use crate::dialect::stored::Stored;
use crate::dialect::timestamp::{iso, now};
use crate::dialect::{Heard, HeardMessage, Telling};
use crate::live::Live;

/// Who has come (`true`) or gone.
pub(in crate::dialect) type News = Vec<(UserId, bool)>;

/// What `frame` is to them.
pub(in crate::dialect) async fn tell(
    live: &Live,
    frame: &ServerFrame,
    news: &OnceCell<News>,
) -> Vec<Telling> {
    match frame {
        ServerFrame::Event(Event::Entry(entry)) => tell_entry(live, entry, news).await,
        ServerFrame::Event(Event::Typing(change)) => tell_typing(live, change).await,
        ServerFrame::Event(Event::Presence(presence)) => {
            let news = news.get_or_init(|| moved(live, presence)).await;
            tell_moves(live, news, &now()).await
        }
        _ => Vec::new(),
    }
}

fn event<T: Serialize>(live: &Live, told: Told, payload: &T) -> Telling {
    Telling::to_all(live.parser().event(NAMESPACE, told.name(), payload))
}

async fn tell_entry(live: &Live, entry: &Entry, news: &OnceCell<News>) -> Vec<Telling> {
    let heard = live.server().heard();
    match &entry.body {
        Body::Message(_) => {
            heard.note(entry);
            let Some(stored) = Stored::of(entry) else {
                return Vec::new();
            };
            let message = Message::new(&stored, &name_of(live, stored.sender).await);
            vec![event(live, Told::Received, &message)]
        }
        Body::Edited { target, text } => tell_edit(live, entry.at, *target, text).await,
        Body::Deleted { target } => tell_deletion(live, entry.at, *target).await,
        body => {
            let news = news.get_or_init(|| async { changed(heard, body) }).await;
            tell_moves(live, news, &iso(entry.at)).await
        }
    }
}

/// Who is a member since this entry, or is none any more. Whoever becomes one is there.
fn changed(heard: &Heard, body: &Body) -> News {
    let users: Vec<(&UserId, bool)> = match body {
        Body::Created { members, .. } => members.iter().map(|member| (&member.user, true)).collect(),
        Body::Joined { users, .. } => users.iter().map(|user| (user, true)).collect(),
        body => body
            .ends_membership()
            .map(|user| (user, false))
            .into_iter()
            .collect(),
    };
    let news = users
        .into_iter()
        .filter(|(user, there)| heard.is_there(user, *there));
    news.map(|(user, there)| (user.clone(), there)).collect()
}

async fn name_of(live: &Live, user: &UserId) -> String {
    let called = live.asker().names(&[user]).await;
    called.into_iter().next().unwrap_or_default()
}

/// A message that the log has something to say about. One that cannot be read now is left to the client's next page.
async fn target_of(live: &Live, target: Seq) -> Option<HeardMessage> {
    live.heard(channel(live), target).await.ok()
}

async fn tell_edit(live: &Live, at: i64, target: Seq, text: &str) -> Vec<Telling> {
    let heard = target_of(live, target).await;
    let stored = heard
        .as_ref()
        .and_then(|heard| Stored::at(channel(live), target, heard, text));
    let Some(stored) = stored else {
        return Vec::new();
    };
    // The text of an edit is empty once its message is deleted, and that has been told or will be.
    if text.is_empty() {
        return Vec::new();
    }
    let edited = Stored {
        edited_at: Some(at),
        ..stored
    };
    let message = Message::new(&edited, &name_of(live, edited.sender).await);
    vec![event(live, Told::Edited, &message)]
}

async fn tell_deletion(live: &Live, at: i64, target: Seq) -> Vec<Telling> {
    let heard = target_of(live, target).await;
    let stored = heard
        .as_ref()
        .and_then(|heard| Stored::at(channel(live), target, heard, ""));
    let Some(stored) = stored else {
        return Vec::new();
    };
    let deleted = Stored {
        deleted_at: Some(at),
        ..stored
    };
    let message = Deleted::new(&deleted, &name_of(live, deleted.sender).await);
    vec![event(live, Told::Deleted, &message)]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserTyping {
    user_id: UserId,
    #[serde(flatten)]
    called: Called,
    is_typing: bool,
}

/// What users are called in signals.
#[derive(Serialize)]
struct Called {
    username: String,
    name: String,
    #[serde(rename = "User")]
    user: User,
}

impl Called {
    async fn of(live: &Live, user: &UserId) -> Self {
        let name = name_of(live, user).await;
        Self {
            username: name.clone(),
            user: User::new(user, &name),
            name,
        }
    }
}

async fn tell_typing(live: &Live, change: &TypingChange) -> Vec<Telling> {
    let payload = UserTyping {
        user_id: change.user.clone(),
        called: Called::of(live, &change.user).await,
        is_typing: change.typing,
    };
    let frame = live.parser().event(NAMESPACE, Told::Typing.name(), &payload);
    vec![Telling::of(&change.user, frame)]
}

/// Whether a presence says that a member of the channel has come or gone.
async fn moved(live: &Live, presence: &Presence) -> News {
    let there = presence.state != PresenceState::Offline;
    let is_member = live.engine().summary(&presence.user, channel(live)).await.is_ok();
    if is_member && live.server().heard().is_there(&presence.user, there) {
        vec![(presence.user.clone(), there)]
    } else {
        Vec::new()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Moved<'a> {
    user_id: &'a UserId,
    #[serde(flatten)]
    called: Called,
    timestamp: &'a str,
}

async fn tell_moves(live: &Live, news: &News, timestamp: &str) -> Vec<Telling> {
    let mut tellings = Vec::with_capacity(news.len());
    for (user, there) in news {
        let payload = Moved {
            user_id: user,
            called: Called::of(live, user).await,
            timestamp,
        };
        let told = if *there { Told::Joined } else { Told::Left };
        let frame = live.parser().event(NAMESPACE, told.name(), &payload);
        tellings.push(Telling::of(user, frame));
    }
    tellings
}
