//! All that a store holds, record by record: the way from one store to another.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use starling_protocol::{ConversationId, Entry, Seq, UserId};

use super::{ConversationRecord, MemberRecord, Unavailable};
use crate::records::{Altered, Invite, Pair, Sanctions};

/// The records of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// See [`Record::Conversation`].
    Conversations,
    /// See [`Record::Entry`].
    Entries,
    /// See [`Record::Member`].
    Members,
    /// See [`Record::Sanctions`].
    Sanctions,
    /// See [`Record::Invite`].
    Invites,
    /// See [`Record::User`].
    Users,
    /// See [`Record::Phone`].
    Phones,
    /// See [`Record::SignIn`].
    SignIns,
    /// See [`Record::Pair`].
    Pairs,
}

impl Part {
    /// All of them, in the order in which they are taken from one store to another.
    pub const ALL: [Self; 9] = [
        Self::Conversations,
        Self::Entries,
        Self::Members,
        Self::Sanctions,
        Self::Invites,
        Self::Users,
        Self::Phones,
        Self::SignIns,
        Self::Pairs,
    ];
}

/// One record, as every store can make and take it, its guards included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A conversation.
    Conversation {
        /// As the directory has it.
        record: ConversationRecord,
        /// How far the texts of a conversation that is deleted for all are gone.
        purged: Seq,
    },
    /// An entry.
    Entry {
        /// Without its `state`.
        entry: Box<Entry>,
        /// What became of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        altered: Option<Box<Altered>>,
    },
    /// A member, present or former.
    Member(MemberRecord),
    /// What a user may not do in a conversation.
    Sanctions {
        /// In which.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// What.
        sanctions: Sanctions,
    },
    /// An invite, be it over or not.
    Invite(Invite),
    /// A user.
    User(UserRecord),
    /// A phone number's user.
    Phone {
        /// In international form.
        phone: String,
        /// Whose.
        user: UserId,
        /// Since when, in milliseconds since the Unix epoch.
        created_at: i64,
    },
    /// A sign-in that is in force.
    SignIn(SignInArchived),
    /// What two people are to each other.
    Pair(Pair),
}

impl Record {
    /// Of which sort it is.
    pub fn part(&self) -> Part {
        match self {
            Self::Conversation { .. } => Part::Conversations,
            Self::Entry { .. } => Part::Entries,
            Self::Member(_) => Part::Members,
            Self::Sanctions { .. } => Part::Sanctions,
            Self::Invite(_) => Part::Invites,
            Self::User(_) => Part::Users,
            Self::Phone { .. } => Part::Phones,
            Self::SignIn(_) => Part::SignIns,
            Self::Pair(_) => Part::Pairs,
        }
    }

    /// What it is called among those of its sort: a name, and where that does not do a second one. By these they are in
    /// order, byte by byte.
    pub fn key(&self) -> (&str, Key<'_>) {
        match self {
            Self::Conversation { record, .. } => (record.id.as_str(), Key::None),
            Self::Entry { entry, .. } => (entry.conversation.as_str(), Key::Seq(entry.seq)),
            Self::Member(member) => (member.conversation.as_str(), Key::Name(member.user.as_str())),
            Self::Sanctions {
                conversation, user, ..
            } => (conversation.as_str(), Key::Name(user.as_str())),
            Self::Invite(invite) => (invite.record.id.as_str(), Key::None),
            Self::User(user) => (user.id.as_str(), Key::None),
            Self::Phone { phone, .. } => (phone, Key::None),
            Self::SignIn(sign_in) => (&sign_in.id, Key::None),
            Self::Pair(pair) => (pair.users[0].as_str(), Key::Name(pair.users[1].as_str())),
        }
    }
}

/// The second half of a record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key<'a> {
    /// There is none.
    None,
    /// A place.
    Seq(Seq),
    /// A name.
    Name(&'a str),
}

/// All that is kept of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// Who.
    pub id: UserId,
    /// What the user is called.
    pub name: Option<String>,
    /// The user has chosen the name: those in tokens do not change it.
    pub named: bool,
    /// What the user says about himself.
    pub about: Option<String>,
    /// Where there is a picture.
    pub avatar_url: Option<String>,
    /// What the user signs in with.
    pub phone: Option<String>,
    /// Since when, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// What the user says about what he is doing.
    pub presence_text: Option<String>,
    /// When his last connection ended, in milliseconds since the Unix epoch.
    pub last_seen: Option<i64>,
}

/// A sign-in. What is secret of it is in digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInArchived {
    /// Which.
    pub id: String,
    /// Whose.
    pub user: UserId,
    /// What the device is called.
    pub device: Option<String>,
    /// In milliseconds since the Unix epoch.
    pub created_at: i64,
    /// When tokens were last taken, likewise.
    pub used_at: i64,
    /// When it ends by itself unless it is used, likewise.
    pub expires_at: i64,
    /// Of the refresh token that is in force.
    pub current: [u8; 32],
    /// Of the one before, and the salt of the one in force.
    pub previous: Option<([u8; 32], [u8; 32])>,
}

/// Taking a store's content out, and putting it into another one. No node works on either meanwhile.
#[async_trait]
pub trait Archive: Send + Sync {
    /// A page of the records of one sort, by [`Record::key`], after one of them. Sign-ins only if they are in force and
    /// last beyond `until`, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Unavailable`]; likewise for all other methods.
    async fn page(
        &self,
        part: Part,
        until: i64,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable>;

    /// How many records of one sort there are, about: for people who wait.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn count(&self, part: Part) -> Result<u64, Unavailable>;

    /// Puts records there as they are, each in the place of one with the same key. All are of one sort.
    ///
    /// # Errors
    /// [`Unavailable`]: some may be there; doing it again does no harm.
    async fn put(&self, records: &[Record]) -> Result<(), Unavailable>;
}
