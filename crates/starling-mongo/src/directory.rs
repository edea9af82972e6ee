//! The directory.

use async_trait::async_trait;
use bson::{Document, doc};
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
use crate::find::Find;
use crate::indexes::{CONVERSATION_USER, ID, USABLE, USER_PRESENT};

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

impl From<Mark> for (ConversationId, Seq) {
    fn from(mark: Mark) -> Self {
        (mark.id, mark.applied)
    }
}

#[async_trait]
impl Directory for Mongo {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<ConversationRecord>, Unavailable> {
        self.reads("conversation", async {
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
        let ids: Vec<&str> = ids.iter().map(ConversationId::as_str).collect();
        let all = Find::by(ID, doc! { "_id": { "$in": ids } });
        self.reads("conversations", all.in_(&self.conversations)).await
    }

    async fn scan(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<(ConversationId, Seq)>, Unavailable> {
        let after = after.map_or_else(Document::new, |id| doc! { "_id": { "$gt": id.as_str() } });
        let page = Find::by(ID, after)
            .only(doc! { "applied": 1 })
            .sorted(doc! { "_id": 1 })
            .at_most(limit);
        let conversations = self.conversations.clone_with_type::<Mark>();
        self.reads("scan", page.in_(&conversations)).await
    }

    async fn members(&self, conversation: &ConversationId) -> Result<Vec<MemberRecord>, Unavailable> {
        let all = Find::by(CONVERSATION_USER, doc! { "conversation": conversation.as_str() });
        self.reads("members", all.in_(&self.members)).await
    }

    async fn members_after(
        &self,
        conversation: &ConversationId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        let mut present = doc! { "conversation": conversation.as_str(), "left": 0_i64 };
        if let Some(after) = after {
            present.insert("user", doc! { "$gt": after.as_str() });
        }
        let page = Find::by(CONVERSATION_USER, present)
            .sorted(doc! { "user": 1 })
            .at_most(limit);
        self.reads("members_after", page.in_(&self.members)).await
    }

    async fn members_of(
        &self,
        conversations: &[ConversationId],
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        if conversations.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = conversations.iter().map(ConversationId::as_str).collect();
        let present = doc! { "conversation": { "$in": ids }, "left": 0_i64 };
        let page = Find::by(CONVERSATION_USER, present)
            .sorted(doc! { "conversation": 1, "user": 1 })
            .at_most(limit);
        self.reads("members_of", page.in_(&self.members)).await
    }

    async fn member(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<MemberRecord>, Unavailable> {
        self.reads("member", async {
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
        let all = Find::by(CONVERSATION_USER, doc! { "conversation": conversation.as_str() });
        self.reads("sanctions", all.in_(&self.sanctions)).await
    }

    async fn sanction(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<SanctionRecord>, Unavailable> {
        self.reads("sanction", async {
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
        let usable = doc! { "conversation": conversation.as_str(), "usable": true };
        let all = Find::by(USABLE, usable).sorted(doc! { "_id": 1 });
        self.reads("invites", all.in_(&self.invites)).await
    }

    async fn memberships(
        &self,
        user: &UserId,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        let mut present = doc! { "user": user.as_str(), "left": 0_i64 };
        if let Some(after) = after {
            present.insert("conversation", doc! { "$gt": after.as_str() });
        }
        let page = Find::by(USER_PRESENT, present)
            .sorted(doc! { "conversation": 1 })
            .at_most(limit);
        self.reads("memberships", page.in_(&self.members)).await
    }

    async fn apply(&self, effects: &[Effect]) -> Result<(), Unavailable> {
        if effects.is_empty() {
            return Ok(());
        }
        self.writes("apply", effects::apply(self, effects)).await
    }

    async fn mark_applied(&self, marks: &[(ConversationId, Seq)]) -> Result<(), Unavailable> {
        if marks.is_empty() {
            return Ok(());
        }
        self.writes("mark_applied", effects::mark_applied(self, marks))
            .await
    }

    async fn raise_marks(&self, marks: &[MarksRaised]) -> Result<(), Unavailable> {
        if marks.is_empty() {
            return Ok(());
        }
        let work = effects::raise_marks(self, marks);
        self.writes("raise_marks", work).await
    }

    async fn hide(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        messages: u64,
    ) -> Result<(), Unavailable> {
        let work = effects::hide(self, conversation, user, messages);
        self.writes("hide", work).await
    }

    async fn count_members(&self, conversation: &ConversationId) -> Result<u64, Unavailable> {
        self.reads("count_members", async {
            let filter = doc! { "conversation": conversation.as_str(), "left": 0_i64 };
            let hint = Hint::Name(CONVERSATION_USER.to_owned());
            Ok(self.members.count_documents(filter).hint(hint).await?)
        })
        .await
    }

    /// Reads first: users connect far more often than they are new or renamed, and a read is cheaper than a write
    /// that changes nothing but waits for the majority all the same.
    async fn saw_user(&self, user: &UserId, name: Option<&str>) -> Result<(), Unavailable> {
        self.writes("saw_user", async {
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

const DUPLICATE_KEY: i32 = 11000;

pub(crate) fn is_duplicate_key(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        _ => false,
    }
}
