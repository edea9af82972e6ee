//! What is kept of presence, in the users' documents; and who shares a conversation with whom.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use serde::Deserialize;
use starling_core::ports::{PresenceStore, Remembered, Unavailable};
use starling_protocol::UserId;

use crate::Mongo;
use crate::call::CallError;
use crate::effects::update;
use crate::find::Find;
use crate::indexes::USER_PRESENT;

/// What is read of a user.
#[derive(Debug, Deserialize)]
struct Kept {
    #[serde(rename = "_id")]
    id: UserId,
    #[serde(default)]
    presence_text: Option<String>,
    #[serde(default)]
    last_seen: Option<i64>,
}

/// What is read of a membership.
#[derive(Debug, Deserialize)]
struct Membership {
    conversation: String,
    user: UserId,
}

#[async_trait]
impl PresenceStore for Mongo {
    async fn remembered(&self, users: &[UserId]) -> Result<Vec<Remembered>, Unavailable> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        self.reads("remembered", async {
            let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
            let cursor = self
                .users
                .clone_with_type::<Kept>()
                .find(doc! { "_id": { "$in": ids } })
                .projection(doc! { "presence_text": 1, "last_seen": 1 })
                .await?;
            let kept: Vec<Kept> = cursor.try_collect().await?;
            let mut kept: HashMap<_, _> = kept
                .into_iter()
                .map(|kept| {
                    let remembered = Remembered {
                        text: kept.presence_text,
                        last_seen: kept.last_seen,
                    };
                    (kept.id, remembered)
                })
                .collect();
            Ok(users
                .iter()
                .map(|user| kept.remove(user).unwrap_or_default())
                .collect())
        })
        .await
    }

    async fn set_text(&self, user: &UserId, text: Option<&str>) -> Result<(), Unavailable> {
        let change = match text {
            Some(text) => doc! { "$set": { "presence_text": text } },
            None => doc! { "$unset": { "presence_text": 1 } },
        };
        let work = update(self, "users", vec![statement(user, change)]);
        self.writes("set_text", work).await
    }

    async fn seen(&self, users: &[UserId], at: i64) -> Result<(), Unavailable> {
        if users.is_empty() {
            return Ok(());
        }
        let change = doc! { "$max": { "last_seen": at } };
        let statements = users.iter().map(|user| statement(user, change.clone()));
        let work = update(self, "users", statements.collect());
        self.writes("seen", work).await
    }

    async fn sharing(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        self.reads("sharing", async {
            let own: HashSet<_> = self
                .memberships_of(&[user.as_str()])
                .await?
                .into_iter()
                .map(|membership| membership.conversation)
                .collect();
            let asked: Vec<&str> = others.iter().map(UserId::as_str).collect();
            if own.is_empty() || asked.is_empty() {
                return Ok(Vec::new());
            }
            let theirs = self.memberships_of(&asked).await?;
            let sharing: HashSet<_> = theirs
                .into_iter()
                .filter(|membership| own.contains(&membership.conversation))
                .map(|membership| membership.user)
                .collect();
            Ok(sharing.into_iter().collect())
        })
        .await
    }
}

impl Mongo {
    async fn memberships_of(&self, users: &[&str]) -> Result<Vec<Membership>, CallError> {
        let all = Find::by(USER_PRESENT, doc! { "user": { "$in": users }, "left": 0_i64 })
            .only(doc! { "_id": 0, "conversation": 1, "user": 1 });
        all.in_(&self.members.clone_with_type::<Membership>()).await
    }
}

/// Changes a user, and makes one who was never noted.
fn statement(user: &UserId, mut change: Document) -> Document {
    let now = bson::DateTime::now().timestamp_millis();
    change.insert("$setOnInsert", doc! { "created_at": now });
    doc! { "q": { "_id": user.as_str() }, "u": change, "upsert": true }
}
