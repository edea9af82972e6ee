//! A change that someone asked for, on its way into a log.

use std::sync::Arc;

use starling_protocol::{
    ClientId, Content, ConversationId, Entry, Error, HeadMark, InviteId, Kind, Member, Profile, Role, Seq,
    UserId,
};
use tokio::time::Instant;

use super::state::State;
use crate::{Outbox, defect, planted};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Create {
        kind: Kind,
        profile: Profile,
        members: Vec<Member>,
    },
    Message(Content),
    Edit {
        target: Seq,
        text: String,
    },
    Delete {
        target: Seq,
    },
    React {
        target: Seq,
        emoji: String,
        removed: bool,
    },
    Join {
        invite: Option<InviteId>,
    },
    Leave,
    Add {
        users: Vec<UserId>,
    },
    Remove {
        user: UserId,
    },
    Dissolve,
    Role {
        user: UserId,
        role: Role,
    },
    Ban {
        user: UserId,
    },
    Unban {
        user: UserId,
    },
    Mute {
        user: UserId,
        until: Option<i64>,
    },
    Unmute {
        user: UserId,
    },
    Update(ProfileChange),
    Invite {
        invite: InviteId,
        expires_at: Option<i64>,
        max_uses: Option<u32>,
    },
    Revoke {
        invite: InviteId,
    },
}

/// What of a conversation's profile changes: what is `None` stays, an empty text is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ProfileChange {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) open: Option<bool>,
}

impl Change {
    /// The message that it is about, besides itself.
    pub(crate) fn target(&self) -> Option<Seq> {
        match self {
            Self::Message(message) => message.reply_to,
            Self::Edit { target, .. } | Self::Delete { target } | Self::React { target, .. } => Some(*target),
            _ => None,
        }
    }

    /// Whether it is for members, and leaves them as they are.
    pub(crate) fn keeps_members(&self) -> bool {
        matches!(
            self,
            Self::Message(_) | Self::Edit { .. } | Self::Delete { .. } | Self::React { .. }
        )
    }
}

/// How it ended well.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It is this entry, stored for ever.
    Stored(Arc<Entry>),
    /// The conversation is already as asked for; nothing was appended. Its marks at that time.
    Unchanged(ConversationId, HeadMark),
}

/// Takes the outcome, once. Runs in the actor: must not block.
pub(crate) type Answer = Box<dyn FnOnce(Result<Outcome, Error>) + Send + Sync>;

/// A change on its way. Answered exactly once by whoever takes it apart.
pub(crate) struct Operation {
    pub(crate) conversation: ConversationId,
    pub(crate) sender: UserId,
    pub(crate) client_id: ClientId,
    pub(crate) change: Change,
    /// The sender's Lamport stamp.
    pub(crate) lamport: u64,
    /// It was sent before, perhaps to another node, which may still be about to append it.
    pub(crate) again: bool,
    /// Look for it in the log before appending.
    pub(crate) look_up: bool,
    /// The message that it is about, once it was looked up; `None` then: there is none.
    pub(crate) target: Option<Arc<Entry>>,
    /// Whether it was looked up, at the head that it is to be judged at.
    pub(crate) is_target_known: bool,
    /// The membership under which it was first judged, by the seq that began it; 0: none.
    pub(crate) under: Option<Seq>,
    /// The connection that it came by; its operations are stored in the order received (I5).
    pub(crate) origin: Option<Arc<Outbox>>,
    pub(crate) deadline: Instant,
    /// The highest slot that an insert with an unknown outcome tried to put it in.
    pub(crate) tried: Option<Seq>,
    /// When it was last looked up and not found, every slot up to here was known to be taken.
    pub(crate) absent_as_of: Seq,
    pub(crate) answers: Vec<Answer>,
}

/// What makes an operation the same as another (I2), within its conversation.
pub(crate) type Key = (UserId, ClientId);

impl Operation {
    pub(crate) fn key(&self) -> Key {
        (self.sender.clone(), self.client_id.clone())
    }

    pub(crate) fn answer(self, result: &Result<Outcome, Error>) {
        for answer in self.answers {
            answer(result.clone());
        }
    }

    /// Whether `self` came by the same connection as `other`.
    pub(crate) fn same_origin(&self, other: &Option<Arc<Outbox>>) -> bool {
        matches!((&self.origin, other), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
    }

    /// Whether an earlier operation of its connection was given up: appending this one would overtake it.
    pub(crate) fn is_overtaking(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.is_undecided())
    }

    /// Whether its sender has become a member since it was first judged, for the first time or again. Sent again
    /// elsewhere it may have been refused meanwhile: then it must not appear (I3).
    pub(crate) fn outlived_its_membership(&self, state: &State) -> bool {
        let judged = self.under.is_some_and(|under| under != state.since(&self.sender));
        judged && !planted(defect::MEMBERSHIP_AT_ENQUEUE)
    }

    /// Whether the connection that it came by is over: whoever sent it sends it again by another.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.origin
            .as_ref()
            .is_some_and(|origin| origin.closed().is_some())
    }

    /// Whether no insert of it can be stored or still land: it was never tried, or every slot that it was tried
    /// in holds another entry. Where other nodes may have tried it, that is every slot up to `head`, the log's
    /// head, known at majority: beyond it they hold what this node holds, and judge the same.
    pub(crate) fn is_absent_for_good(&self, head: Seq) -> bool {
        let tried = self.tried.max(self.again.then_some(head));
        tried.is_none_or(|tried| tried <= self.absent_as_of)
    }

    /// Rough bytes in a batch.
    pub(crate) fn weight(&self) -> usize {
        256 + match &self.change {
            Change::Message(Content { text, .. }) | Change::Edit { text, .. } => text.len(),
            Change::Delete { .. } => 0,
            Change::React { emoji, .. } => emoji.len(),
            Change::Create { members, profile, .. } => {
                let texts = [&profile.name, &profile.description, &profile.avatar_url];
                let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
                texts + members.len() * 160
            }
            Change::Add { users } => users.len() * 132,
            Change::Update(asked) => {
                let texts = [&asked.name, &asked.description, &asked.avatar_url];
                texts.into_iter().flatten().map(String::len).sum()
            }
            Change::Join { .. }
            | Change::Leave
            | Change::Remove { .. }
            | Change::Dissolve
            | Change::Role { .. }
            | Change::Ban { .. }
            | Change::Unban { .. }
            | Change::Mute { .. }
            | Change::Unmute { .. }
            | Change::Invite { .. }
            | Change::Revoke { .. } => 132,
        }
    }
}
