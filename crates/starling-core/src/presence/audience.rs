//! Who may see whose presence: those who share a conversation.
//!
//! People who see one another for another reason (contacts) come in here, at [`seen_by`] and [`news`].

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use starling_protocol::{Presence, UserId};

use super::PresenceNews;
use crate::chance::HashSet;
use crate::ports::Unavailable;
use crate::session::Session;
use crate::shared::Shared;

/// Conversations of a user through which his presence is told.
const MAX_CONVERSATIONS: usize = 1_000;
/// A conversation that more sessions of one node follow tells of no presence there: its members come and go all
/// the time, and each would be told to all.
const MAX_FOLLOWERS: usize = 500;
/// Users whose conversations are read at the same time.
const AT_ONCE: usize = 8;

/// Which of `others` this user may see: himself, and whom he shares a conversation with.
pub(super) async fn seen_by(
    shared: &Shared,
    user: &UserId,
    others: &[UserId],
) -> Result<HashSet<UserId>, Unavailable> {
    let sharing = shared.ports.presence_store.sharing(user, others).await?;
    Ok(sharing.into_iter().chain([user.clone()]).collect())
}

/// What is to be told of these presences, and where. Nothing of those whom nobody may see.
pub(super) async fn news(
    shared: &Shared,
    presences: Vec<Presence>,
) -> Result<Vec<PresenceNews>, Unavailable> {
    let directory = &shared.ports.directory;
    let news = futures::stream::iter(presences).map(|presence| async move {
        let memberships = directory
            .memberships(&presence.user, None, MAX_CONVERSATIONS)
            .await?;
        Ok::<_, Unavailable>(PresenceNews {
            presence,
            conversations: memberships
                .into_iter()
                .map(|member| member.conversation)
                .collect(),
            users: Vec::new(),
        })
    });
    let news: Vec<_> = news.buffered(AT_ONCE).try_collect().await?;
    Ok(news
        .into_iter()
        .filter(|news| !news.conversations.is_empty() || !news.users.is_empty())
        .collect())
}

/// The sessions of this node that are to be told, each once.
pub(super) fn here(shared: &Shared, news: &PresenceNews) -> Vec<Arc<Session>> {
    let mut seen = HashSet::default();
    let mut audience = Vec::new();
    let following = news
        .conversations
        .iter()
        .flat_map(|id| shared.delivery.followers(id, MAX_FOLLOWERS));
    let named = news.users.iter().flat_map(|user| shared.sessions.of(user));
    for session in following.chain(named) {
        if *session.user() != news.presence.user && seen.insert(session.connection().clone()) {
            audience.push(session);
        }
    }
    audience
}
