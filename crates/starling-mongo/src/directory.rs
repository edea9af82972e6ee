//! The directory.

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{Hint, ReadConcern};
use serde::{Deserialize, Serialize};
use starling_core::ports::{
    ConversationRecord, Directory, Effect, InviteRecord, MarksRaised, MemberRecord, SanctionRecord,
    Unavailable,
};
use starling_protocol::{ConversationId, Kind, Role, Seq, UserId};

use crate::Mongo;
use crate::call::call_or_unavailable;
use crate::effects;
use crate::indexes::{CONVERSATION_USER, USABLE, USER_PRESENT};

/// A conversation, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConversationDocument {
    #[serde(rename = "_id")]
    id: ConversationId,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    open: bool,
    /// Absent in records of before it could change.
    #[serde(default)]
    updated: u64,
    created_by: UserId,
    created_at: i64,
    applied: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dissolved: Option<u64>,
}

impl From<ConversationDocument> for ConversationRecord {
    fn from(stored: ConversationDocument) -> Self {
        Self {
            id: stored.id,
            kind: stored.kind,
            name: stored.name,
            description: stored.description,
            avatar_url: stored.avatar_url,
            open: stored.open,
            updated: stored.updated,
            created_by: stored.created_by,
            created_at: stored.created_at,
            applied: stored.applied,
            dissolved: stored.dissolved,
        }
    }
}

/// A member, as stored. `left` is 0 for present members, so that an index can hold just them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberDocument {
    conversation: ConversationId,
    pub(crate) user: UserId,
    role: Role,
    /// Absent in records of before roles could change: the role came with the membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_changed: Option<u64>,
    changed: u64,
    left: u64,
    delivered: u64,
    /// Absent in records of before there were such marks: what was delivered counted as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hidden: Option<u64>,
}

impl From<MemberDocument> for MemberRecord {
    fn from(stored: MemberDocument) -> Self {
        Self {
            conversation: stored.conversation,
            user: stored.user,
            role: stored.role,
            role_changed: stored.role_changed.unwrap_or(stored.changed),
            changed: stored.changed,
            left: (stored.left != 0).then_some(stored.left),
            delivered: stored.delivered,
            read: stored.read.unwrap_or(stored.delivered),
            hidden: stored.hidden,
        }
    }
}

/// A user, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserDocument {
    #[serde(rename = "_id")]
    pub(crate) id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) avatar_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    /// The user has chosen the name: those in tokens do not change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    named: bool,
    created_at: i64,
}

/// What [`Directory::scan`] reads of a conversation.
#[derive(Debug, Deserialize)]
struct Mark {
    #[serde(rename = "_id")]
    id: ConversationId,
    applied: u64,
}

#[async_trait]
impl Directory for Mongo {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<ConversationRecord>, Unavailable> {
        call_or_unavailable("conversation", self.settings.read_timeout, async {
            Ok(self
                .conversations
                .find_one(doc! { "_id": id.as_str() })
                .await?
                .map(ConversationRecord::from))
        })
        .await
    }

    async fn conversations(&self, ids: &[ConversationId]) -> Result<Vec<ConversationRecord>, Unavailable> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        call_or_unavailable("conversations", self.settings.read_timeout, async {
            let ids: Vec<&str> = ids.iter().map(ConversationId::as_str).collect();
            let cursor = self
                .conversations
                .find(doc! { "_id": { "$in": ids } })
                .batch_size(BATCH)
                .await?;
            Ok(cursor.map_ok(ConversationRecord::from).try_collect().await?)
        })
        .await
    }

    async fn scan(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<(ConversationId, Seq)>, Unavailable> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        call_or_unavailable("scan", self.settings.read_timeout, async {
            let filter = after.map_or_else(Document::new, |id| doc! { "_id": { "$gt": id.as_str() } });
            let cursor = self
                .conversations
                .clone_with_type::<Mark>()
                .find(filter)
                .projection(doc! { "applied": 1 })
                .sort(doc! { "_id": 1 })
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .batch_size(BATCH)
                .await?;
            Ok(cursor
                .map_ok(|mark| (mark.id, mark.applied))
                .try_collect()
                .await?)
        })
        .await
    }

    async fn members(&self, conversation: &ConversationId) -> Result<Vec<MemberRecord>, Unavailable> {
        call_or_unavailable("members", self.settings.read_timeout, async {
            let cursor = self
                .members
                .find(doc! { "conversation": conversation.as_str() })
                .hint(Hint::Name(CONVERSATION_USER.to_owned()))
                .batch_size(BATCH)
                .await?;
            Ok(cursor.map_ok(MemberRecord::from).try_collect().await?)
        })
        .await
    }

    async fn members_after(
        &self,
        conversation: &ConversationId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        call_or_unavailable("members_after", self.settings.read_timeout, async {
            let mut filter = doc! { "conversation": conversation.as_str(), "left": 0_i64 };
            if let Some(after) = after {
                filter.insert("user", doc! { "$gt": after.as_str() });
            }
            let cursor = self
                .members
                .find(filter)
                .sort(doc! { "user": 1 })
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .batch_size(BATCH)
                .hint(Hint::Name(CONVERSATION_USER.to_owned()))
                .await?;
            Ok(cursor.map_ok(MemberRecord::from).try_collect().await?)
        })
        .await
    }

    async fn members_of(
        &self,
        conversations: &[ConversationId],
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        if conversations.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        call_or_unavailable("members_of", self.settings.read_timeout, async {
            let ids: Vec<&str> = conversations.iter().map(ConversationId::as_str).collect();
            let cursor = self
                .members
                .find(doc! { "conversation": { "$in": ids }, "left": 0_i64 })
                .sort(doc! { "conversation": 1, "user": 1 })
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .batch_size(BATCH)
                .hint(Hint::Name(CONVERSATION_USER.to_owned()))
                .await?;
            Ok(cursor.map_ok(MemberRecord::from).try_collect().await?)
        })
        .await
    }

    async fn member(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<MemberRecord>, Unavailable> {
        call_or_unavailable("member", self.settings.read_timeout, async {
            let filter = doc! { "conversation": conversation.as_str(), "user": user.as_str() };
            let hint = Hint::Name(CONVERSATION_USER.to_owned());
            Ok(self
                .members
                .find_one(filter)
                .hint(hint)
                .await?
                .map(MemberRecord::from))
        })
        .await
    }

    async fn sanctions(&self, conversation: &ConversationId) -> Result<Vec<SanctionRecord>, Unavailable> {
        call_or_unavailable("sanctions", self.settings.read_timeout, async {
            let cursor = self
                .sanctions
                .find(doc! { "conversation": conversation.as_str() })
                .hint(Hint::Name(CONVERSATION_USER.to_owned()))
                .batch_size(BATCH)
                .await?;
            Ok(cursor.map_ok(SanctionRecord::from).try_collect().await?)
        })
        .await
    }

    async fn sanction(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<SanctionRecord>, Unavailable> {
        call_or_unavailable("sanction", self.settings.read_timeout, async {
            let found = self
                .sanctions
                .find_one(doc! { "conversation": conversation.as_str(), "user": user.as_str() })
                .hint(Hint::Name(CONVERSATION_USER.to_owned()))
                .await?;
            Ok(found.map(SanctionRecord::from))
        })
        .await
    }

    async fn invites(&self, conversation: &ConversationId) -> Result<Vec<InviteRecord>, Unavailable> {
        call_or_unavailable("invites", self.settings.read_timeout, async {
            let cursor = self
                .invites
                .find(doc! { "conversation": conversation.as_str(), "usable": true })
                .sort(doc! { "_id": 1 })
                .hint(Hint::Name(USABLE.to_owned()))
                .batch_size(BATCH)
                .await?;
            Ok(cursor.map_ok(InviteRecord::from).try_collect().await?)
        })
        .await
    }

    async fn memberships(
        &self,
        user: &UserId,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        call_or_unavailable("memberships", self.settings.read_timeout, async {
            let mut filter = doc! { "user": user.as_str(), "left": 0_i64 };
            if let Some(after) = after {
                filter.insert("conversation", doc! { "$gt": after.as_str() });
            }
            let cursor = self
                .members
                .find(filter)
                .sort(doc! { "conversation": 1 })
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .batch_size(BATCH)
                .hint(Hint::Name(USER_PRESENT.to_owned()))
                .await?;
            Ok(cursor.map_ok(MemberRecord::from).try_collect().await?)
        })
        .await
    }

    async fn apply(&self, effects: &[Effect]) -> Result<(), Unavailable> {
        if effects.is_empty() {
            return Ok(());
        }
        call_or_unavailable(
            "apply",
            self.settings.write_timeout,
            effects::apply(self, effects),
        )
        .await
    }

    async fn mark_applied(&self, marks: &[(ConversationId, Seq)]) -> Result<(), Unavailable> {
        if marks.is_empty() {
            return Ok(());
        }
        call_or_unavailable(
            "mark_applied",
            self.settings.write_timeout,
            effects::mark_applied(self, marks),
        )
        .await
    }

    async fn raise_marks(&self, marks: &[MarksRaised]) -> Result<(), Unavailable> {
        if marks.is_empty() {
            return Ok(());
        }
        let work = effects::raise_marks(self, marks);
        call_or_unavailable("raise_marks", self.settings.write_timeout, work).await
    }

    async fn hide(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        messages: u64,
    ) -> Result<(), Unavailable> {
        let work = effects::hide(self, conversation, user, messages);
        call_or_unavailable("hide", self.settings.write_timeout, work).await
    }

    async fn count_members(&self, conversation: &ConversationId) -> Result<u64, Unavailable> {
        call_or_unavailable("count_members", self.settings.read_timeout, async {
            let filter = doc! { "conversation": conversation.as_str(), "left": 0_i64 };
            let hint = Hint::Name(CONVERSATION_USER.to_owned());
            Ok(self.members.count_documents(filter).hint(hint).await?)
        })
        .await
    }

    /// Reads first: users connect far more often than they are new or renamed, and a read is cheaper than a write
    /// that changes nothing but waits for the majority all the same.
    async fn saw_user(&self, user: &UserId, name: Option<&str>) -> Result<(), Unavailable> {
        call_or_unavailable("saw_user", self.settings.write_timeout, async {
            let this_user = doc! { "_id": user.as_str() };
            if let Some(known) = self.users.find_one(this_user.clone()).await?
                && (name.is_none() || known.named || name == known.name.as_deref())
            {
                return Ok(());
            }
            let mut update =
                doc! { "$setOnInsert": { "created_at": bson::DateTime::now().timestamp_millis() } };
            if let Some(name) = name {
                update.insert("$set", doc! { "name": name });
            }
            // Where the user chooses a name meanwhile, that is a collision with the upsert.
            let mut not_named = this_user;
            not_named.insert("named", doc! { "$ne": true });
            match self.users.update_one(not_named, update).upsert(true).await {
                Err(error) if !is_duplicate_key(&error) => Err(error.into()),
                // A collision: another node has just made the user.
                _ => Ok(()),
            }
        })
        .await
    }

    /// A linearizable read: the primary writes a no-op to its log and waits until a majority has it, so the answer
    /// is about now. A write with nothing to change would only wait for what was written before, and a real write
    /// would leave documents; a primary that lost its majority says so itself only after the election timeout
    /// (10 s by default). It takes up to 100 ms, since the no-op waits for the next flush of the journal.
    async fn ping(&self) -> Result<(), Unavailable> {
        let limit = self.settings.ping_timeout;
        call_or_unavailable("ping", limit, async {
            self.users
                .clone_with_type::<Document>()
                .find_one(doc! { "_id": "" })
                .read_concern(ReadConcern::linearizable())
                .max_time(limit)
                .await?;
            Ok(())
        })
        .await
    }
}

/// Large enough that an ordinary result comes in the first reply.
const BATCH: u32 = 10_000;

const DUPLICATE_KEY: i32 = 11000;

pub(crate) fn is_duplicate_key(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        _ => false,
    }
}
