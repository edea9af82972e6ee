//! The log: what a conversation is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ClientId, ConversationId, InviteId, Profile, UserId};

/// An entry's place in its conversation's log, from 1. A cursor of 0 stands before the first entry.
pub type Seq = u64;

/// One slot of a conversation's log.
///
/// Besides what it says it carries the running marks of the log up to and including itself, so that the last
/// entry alone is enough to append the next one, and the difference of two entries' `messages` is an exact
/// unread count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Entry {
    /// The conversation whose log this is.
    pub conversation: ConversationId,
    /// The slot, contiguous from 1 (I6).
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub seq: Seq,
    /// Who made it; absent for entries of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserId>,
    /// The sender's idempotency key; absent for entries of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Lamport stamp: max(conversation's clock, sender's stamp) + 1, strictly increasing with `seq`.
    pub lamport: u64,
    /// When the node sequenced it, in milliseconds since the Unix epoch. Display only: order is `seq`.
    pub at: i64,
    /// How many messages the log holds up to and including this entry.
    pub messages: u64,
    /// The seq of the last change of who is a member, or of what one may do, up to and including this entry.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub membership: Seq,
    /// What it says.
    pub body: Body,
    /// For a message that was read from the log: what became of it since. Absent where nothing did; entries that
    /// come live need not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MessageState>,
}

impl Entry {
    /// Takes out what a deletion takes out of a message and of what edits it: the text, and what became of it.
    pub fn redact(&mut self) {
        self.body.redact();
        self.state = None;
    }

    /// The running marks that the next entry is built on.
    pub fn mark(&self) -> HeadMark {
        HeadMark {
            seq: self.seq,
            lamport: self.lamport,
            messages: self.messages,
            membership: self.membership,
        }
    }
}

/// The running marks of a log at its head: all that is needed to append the next entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadMark {
    /// Seq of the head; 0 for an empty log.
    pub seq: Seq,
    /// The conversation's Lamport clock.
    pub lamport: u64,
    /// Messages up to the head.
    pub messages: u64,
    /// Seq of the last membership change.
    pub membership: Seq,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The first entry of every log. Its sender is the creator.
    Created {
        /// What kind of conversation it is.
        kind: Kind,
        /// Its name, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What it is about, if that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Where its picture is, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        avatar_url: Option<String>,
        /// Whether anyone may join by himself.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        open: bool,
        /// The members that it starts with, the creator among them.
        members: Vec<Member>,
    },
    /// Something for everyone in the conversation.
    Message(Content),
    /// The sender's message at `target` says this from here on.
    Edited {
        /// The message.
        #[cfg_attr(feature = "openapi", schema(value_type = u64))]
        target: Seq,
        /// 1 to 5,000 characters; empty once the message was deleted.
        text: String,
    },
    /// The message at `target` is taken back: its text is gone from the log, its place stays.
    Deleted {
        /// The message.
        #[cfg_attr(feature = "openapi", schema(value_type = u64))]
        target: Seq,
    },
    /// The sender reacts to the message at `target`, or takes that back.
    Reacted {
        /// The message.
        #[cfg_attr(feature = "openapi", schema(value_type = u64))]
        target: Seq,
        /// With what: 1 to 32 bytes without control characters or white space.
        emoji: String,
        /// Whether it is taken back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        removed: bool,
    },
    /// These users are members from here on: added by the sender, or joined where the sender is among them.
    Joined {
        /// The new members.
        users: Vec<UserId>,
        /// The role that they have.
        role: Role,
        /// The invite by which the sender has joined.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invite: Option<InviteUse>,
    },
    /// This user is no member from here on: removed by the sender, or left where the sender is the user.
    Left {
        /// The former member.
        user: UserId,
    },
    /// This member has this role from here on.
    RoleChanged {
        /// Who.
        user: UserId,
        /// What he or she may do.
        role: Role,
    },
    /// This user cannot become a member from here on; a member is none any more.
    Banned {
        /// Who.
        user: UserId,
        /// Whether that ends a membership.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        removed: bool,
    },
    /// This user may become a member again.
    Unbanned {
        /// Who.
        user: UserId,
    },
    /// This member does not speak from here on.
    Muted {
        /// Who.
        user: UserId,
        /// Until when, in milliseconds since the Unix epoch; absent: until it is lifted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<i64>,
    },
    /// This user may speak again.
    Unmuted {
        /// Who.
        user: UserId,
    },
    /// This is what the conversation is called, and who may join it, from here on. Boxed: most entries are messages, and
    /// need not be as large.
    Updated(Box<Profile>),
    /// There is an invite from here on.
    Invited {
        /// Its name.
        invite: InviteId,
        /// Until when it is good, in milliseconds since the Unix epoch, if it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<i64>,
        /// How many may join by it, if that is bounded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_uses: Option<u32>,
    },
    /// The invite is over.
    Revoked {
        /// Its name.
        invite: InviteId,
    },
    /// The conversation is deleted for all, and this is the last entry of its log. What was said in it is gone.
    Dissolved {},
    /// A hole that was found and sealed by the system. Applications skip it.
    Void {},
}

impl Body {
    /// Takes out what a deletion takes out: the text. Says whether there was one.
    pub fn redact(&mut self) -> bool {
        match self {
            Self::Message(Content { text, .. }) | Self::Edited { text, .. } if !text.is_empty() => {
                text.clear();
                true
            }
            _ => false,
        }
    }

    /// Whether it changes who is a member, or what one may do: what later entries are judged by.
    pub fn changes_membership(&self) -> bool {
        match self {
            Self::Created { .. }
            | Self::Joined { .. }
            | Self::Left { .. }
            | Self::Dissolved {}
            | Self::RoleChanged { .. }
            | Self::Banned { .. }
            | Self::Unbanned { .. }
            | Self::Muted { .. }
            | Self::Unmuted { .. }
            | Self::Updated(_)
            | Self::Invited { .. }
            | Self::Revoked { .. } => true,
            Self::Message(_)
            | Self::Edited { .. }
            | Self::Deleted { .. }
            | Self::Reacted { .. }
            | Self::Void {} => false,
        }
    }

    /// Whether it ends a membership, or all.
    pub fn ends_memberships(&self) -> bool {
        *self == Self::Dissolved {} || self.ends_membership().is_some()
    }

    /// Whether it ends the membership of this user, if there is one.
    pub fn ends_membership_of(&self, user: &UserId) -> bool {
        *self == Self::Dissolved {} || self.ends_membership() == Some(user)
    }

    /// Whose membership it ends, if it ends that of one user.
    pub fn ends_membership(&self) -> Option<&UserId> {
        match self {
            Self::Left { user } | Self::Banned { user, removed: true } => Some(user),
            _ => None,
        }
    }

    /// Whether it is a message, which counts as unread.
    pub fn is_message(&self) -> bool {
        matches!(self, Self::Message(_))
    }

    /// The message that it changes, if it changes one.
    pub fn target(&self) -> Option<Seq> {
        match self {
            Self::Edited { target, .. } | Self::Deleted { target } | Self::Reacted { target, .. } => {
                Some(*target)
            }
            _ => None,
        }
    }
}

/// What someone says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Content {
    /// 1 to 5,000 characters; empty once it was deleted.
    pub text: String,
    /// What kind of message it is.
    #[serde(default, skip_serializing_if = "MessageKind::is_text")]
    pub kind: MessageKind,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub reply_to: Option<Seq>,
}

impl Content {
    /// A text that replies to nothing.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

/// What kind of message it is: how a client shows its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// For people to read.
    #[default]
    Text,
    /// Where a picture is.
    Image,
    /// Where a file is.
    File,
    /// A notice of the application rather than of a person. Moderators and admins send it.
    System,
}

impl MessageKind {
    pub(crate) fn is_text(&self) -> bool {
        *self == Self::Text
    }
}

/// What became of a message after it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageState {
    /// Seq of the last entry that is taken into account here.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub changed: Seq,
    /// What it says now, if it was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it was last edited, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<i64>,
    /// When it was deleted, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<i64>,
    /// Who deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<UserId>,
    /// Who reacts to it, and with what: by emoji, then by user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reactions: BTreeMap<String, Vec<UserId>>,
    /// How many edits, and reactions by user and emoji, are stored with it. Not told to clients.
    #[serde(skip)]
    pub alterations: usize,
}

/// What kind of conversation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Two people; exists once for each pair and keeps its two members.
    Direct,
    /// Any number of people.
    #[default]
    Group,
    /// Those who learn together. Not open, unless it is said.
    Class,
    /// Those who work together. Not open, unless it is said.
    Department,
    /// Those who share an interest. Not open, unless it is said.
    Club,
    /// For a community: open, unless it is said otherwise.
    Channel,
}

impl Kind {
    /// Whether anyone may join by himself where its creator does not say.
    pub fn is_open_by_default(self) -> bool {
        self == Self::Channel
    }
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and sends.
    Member,
    /// Also adds, removes, bans and mutes members, makes invites, and changes the conversation's name and the like.
    Moderator,
    /// Also gives roles, and removes, bans and mutes moderators.
    Admin,
}

/// One use of an invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteUse {
    /// Which invite.
    pub id: InviteId,
    /// How many have joined by it, this one included.
    pub uses: u32,
}

/// A member with a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What he or she may do.
    pub role: Role,
}
