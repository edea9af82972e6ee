//! State derived from the logs: conversations, members, users. It lags behind the log and is brought up by
//! re-applying entries; every update is guarded by the seq that made it, so re-applying does no harm.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use starling_protocol::{ConversationId, InviteId, Kind, Profile, Receipt, Role, Seq, UserId};

use super::Unavailable;

/// A conversation as its `created` entry made it, and the `updated` ones since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRecord {
    /// Which.
    pub id: ConversationId,
    /// What kind it is.
    pub kind: Kind,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it is about, if that is said.
    pub description: Option<String>,
    /// Where its picture is, if it has one.
    pub avatar_url: Option<String>,
    /// Whether anyone may join by himself.
    pub open: bool,
    /// Seq of the entry that last changed the four: the guard.
    pub updated: Seq,
    /// Who made it.
    pub created_by: UserId,
    /// When, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Every entry up to here is applied to the directory and was announced to the nodes. Lags.
    pub applied: Seq,
    /// Seq of the entry that deleted it for all.
    pub dissolved: Option<Seq>,
}

impl ConversationRecord {
    /// What it is called, and who may join it.
    pub fn profile(&self) -> Profile {
        Profile {
            name: self.name.clone(),
            description: self.description.clone(),
            avatar_url: self.avatar_url.clone(),
            open: self.open,
        }
    }
}

/// The end of a mute that does not end by itself.
pub const FOR_EVER: i64 = i64::MAX;

/// What a user may not do in a conversation, be he a member or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SanctionRecord {
    /// In which conversation.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// He is banned.
    pub banned: bool,
    /// Until when he is muted, in milliseconds since the Unix epoch; [`FOR_EVER`]: until it is lifted. `None`: he is
    /// not.
    pub muted_until: Option<i64>,
    /// Seq of the entry that last changed this record.
    pub changed: Seq,
}

/// An invite that was not revoked and is not used up. It may have expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteRecord {
    /// Which: the hash of its token.
    pub id: InviteId,
    /// To which conversation.
    pub conversation: ConversationId,
    /// Who made it.
    pub created_by: UserId,
    /// When, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Until when it is good, in milliseconds since the Unix epoch, if it ends by itself.
    pub expires_at: Option<i64>,
    /// How many may join by it, if that is bounded.
    pub max_uses: Option<u32>,
    /// How many have.
    pub uses: u32,
    /// Seq of the entry that last changed this record.
    pub changed: Seq,
}

/// A present or former member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Of which conversation.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// What he or she may do (the last role, for a former member).
    pub role: Role,
    /// Seq of the entry that last began or ended the membership: its guard.
    pub changed: Seq,
    /// Seq of the entry that last set the role: its guard. A role may be set after the membership began.
    pub role_changed: Seq,
    /// Seq of the entry that ended the membership; `None` for present members.
    pub left: Option<Seq>,
    /// Everything up to here was delivered to one of the user's devices.
    pub delivered: Seq,
    /// Everything up to here the user has read, or it is his own last message. May be ahead of `delivered`: who
    /// sends need not have what was sent before.
    pub read: Seq,
    /// It is off the user's list as long as its log holds no more messages than so many.
    pub hidden: Option<u64>,
}

impl MemberRecord {
    /// The marks as other members see them: what is read counts as delivered.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            user: self.user.clone(),
            delivered: self.delivered.max(self.read),
            read: self.read,
            role: None,
        }
    }
}

/// How far a member's marks are to be raised; 0 leaves one as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarksRaised {
    /// Of which conversation.
    pub conversation: ConversationId,
    /// Whose.
    pub user: UserId,
    /// See [`MemberRecord::delivered`].
    pub delivered: Seq,
    /// See [`MemberRecord::read`].
    pub read: Seq,
}

/// In larger conversations nobody becomes a contact of anybody: it would be work for every pair of members.
pub const MEET_AT_MOST: usize = 100;

/// One guarded update, derived from an entry by the engine. Each is carried out only where the record's
/// last change is older than `seq`; where it is not, that is success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The conversation exists (inserted if absent, with `applied` as given; otherwise left alone).
    CreateConversation(ConversationRecord),
    /// The user is a member with this role; `delivered` and `read` are raised to `seq - 1` at least, since a new
    /// member is owed nothing older. What was hidden is not any more.
    SetMember {
        /// Of which conversation.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// With which role.
        role: Role,
        /// By which entry.
        seq: Seq,
    },
    /// These have become members: they and the other present members, as the effects before this one leave them,
    /// become contacts of each other. Not in a conversation of more than [`MEET_AT_MOST`] members; not two of whom
    /// one blocks the other; not two who have ended it at `at` or later (a time, since what is re-applied must not
    /// undo what people have done since: the guard is the pair's own, and not the conversation's).
    Meet {
        /// In which conversation.
        conversation: ConversationId,
        /// Who.
        users: Vec<UserId>,
        /// When, in milliseconds since the Unix epoch.
        at: i64,
    },
    /// The member has this role. The role is guarded by itself, so that a change of it does not pass for the beginning
    /// of a membership. Of one of whom there is no record nothing is kept: then the entry that made him a member is not
    /// applied either, and is applied again before this one.
    SetRole {
        /// In which conversation.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// Which role.
        role: Role,
        /// By which entry.
        seq: Seq,
    },
    /// The user is banned or muted, or is so no more; each of the two is guarded by itself.
    Sanction {
        /// In which conversation.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// What.
        sanction: Sanction,
        /// By which entry.
        seq: Seq,
    },
    /// This is what the conversation is called, and who may join it: all of it, so that what came before is of no
    /// matter.
    SetProfile {
        /// Which conversation.
        conversation: ConversationId,
        /// What it is.
        profile: Profile,
        /// By which entry.
        seq: Seq,
    },
    /// There is an invite (made if absent; otherwise left alone).
    MakeInvite(InviteRecord),
    /// So many have joined by an invite: the count is raised to this, never lowered. Counts that are carried by the
    /// entries themselves make each use count once, however often it is applied.
    UseInvite {
        /// Which.
        invite: InviteId,
        /// How many, up to the entry.
        uses: u32,
        /// By which entry.
        seq: Seq,
    },
    /// An invite is over, for good.
    RevokeInvite {
        /// Which.
        invite: InviteId,
        /// By which entry.
        seq: Seq,
    },
    /// A message is not what it was.
    AlterMessage {
        /// In which conversation.
        conversation: ConversationId,
        /// The message.
        target: Seq,
        /// By which entry.
        seq: Seq,
        /// Who made that entry.
        by: UserId,
        /// When, in milliseconds since the Unix epoch.
        at: i64,
        /// What of it changes.
        alteration: Alteration,
    },
    /// The conversation is deleted for all: nobody is a member any more, and the text of everything before this entry
    /// is gone, also of what is altered late. The entries keep their places and keys.
    Dissolve {
        /// Which.
        conversation: ConversationId,
        /// By which entry.
        seq: Seq,
        /// Who made it.
        by: UserId,
        /// When, in milliseconds since the Unix epoch.
        at: i64,
    },
    /// The user is no member any more.
    EndMember {
        /// Of which conversation.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// By which entry.
        seq: Seq,
    },
}

/// What becomes of a user's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sanction {
    /// He is banned, or not.
    Ban(bool),
    /// He is muted until this time, or not.
    Mute(Option<i64>),
}

/// What of a message changes. Each part of it is guarded by itself: an edit by later edits, a reaction by later
/// reactions of the same user with the same emoji, and a deletion is for ever. So alterations have the same result in
/// whatever order they are carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// It says this now. If it is deleted, the entry at `seq` loses its text, too.
    Edit {
        /// The text.
        text: String,
    },
    /// It is taken back: its text is gone from its entry, and from those that edited it.
    Delete,
    /// `by` reacts to it, or does not any more.
    React {
        /// With what.
        emoji: String,
        /// Whether it is taken back.
        removed: bool,
    },
}

/// Conversations, members and users. Reads are from the primary at majority; writes return once a majority
/// holds them.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// One conversation.
    ///
    /// # Errors
    /// [`Unavailable`] if the primary or the majority cannot be reached; likewise for all other methods.
    async fn conversation(&self, id: &ConversationId) -> Result<Option<ConversationRecord>, Unavailable>;

    /// Many conversations, in no order; unknown ones are left out.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn conversations(&self, ids: &[ConversationId]) -> Result<Vec<ConversationRecord>, Unavailable>;

    /// A page of all conversations by id, after `after`, with their `applied` marks.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn scan(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<(ConversationId, Seq)>, Unavailable>;

    /// All members of a conversation, former ones included.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn members(&self, conversation: &ConversationId) -> Result<Vec<MemberRecord>, Unavailable>;

    /// A page of a conversation's present members, by user, after `after`.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn members_after(
        &self,
        conversation: &ConversationId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable>;

    /// The present members of several conversations, by conversation and then by user; the first `limit` of them. So
    /// where there are that many, those of the last conversation may not be all.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn members_of(
        &self,
        conversations: &[ConversationId],
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable>;

    /// One member, present or former.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn member(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<MemberRecord>, Unavailable>;

    /// All bans and mutes of a conversation, those that were lifted included.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn sanctions(&self, conversation: &ConversationId) -> Result<Vec<SanctionRecord>, Unavailable>;

    /// The bans and mutes of one user in a conversation, those that were lifted included, if there were any.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn sanction(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<SanctionRecord>, Unavailable>;

    /// The invites of a conversation that are not revoked and not used up, by id.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn invites(&self, conversation: &ConversationId) -> Result<Vec<InviteRecord>, Unavailable>;

    /// A page of a user's present memberships, by conversation id, after `after`.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn memberships(
        &self,
        user: &UserId,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable>;

    /// Carries out guarded updates, in order.
    ///
    /// # Errors
    /// [`Unavailable`]: some may be carried out; carrying all out again does no harm.
    async fn apply(&self, effects: &[Effect]) -> Result<(), Unavailable>;

    /// Raises `applied` marks; never lowers one. May be lost.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn mark_applied(&self, marks: &[(ConversationId, Seq)]) -> Result<(), Unavailable>;

    /// Raises marks of members, present or former: a return may be stored and not be applied yet. Never lowers one;
    /// ignores those of whom there is no record.
    ///
    /// # Errors
    /// [`Unavailable`]: some may be raised; raising all again does no harm.
    async fn raise_marks(&self, marks: &[MarksRaised]) -> Result<(), Unavailable>;

    /// Takes the conversation off a present member's list until its log holds more than so many messages.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn hide(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        messages: u64,
    ) -> Result<(), Unavailable>;

    /// How many present members there are.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn count_members(&self, conversation: &ConversationId) -> Result<u64, Unavailable>;

    /// Makes the user on first sight; keeps a name that is given.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn saw_user(&self, user: &UserId, name: Option<&str>) -> Result<(), Unavailable>;

    /// Whether a majority answers within the adapter's time limit.
    ///
    /// # Errors
    /// [`Unavailable`] if not.
    async fn ping(&self) -> Result<(), Unavailable>;
}
