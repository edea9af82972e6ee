//! What clients ask for. Unknown fields are refused: a misspelt option must not be ignored in silence.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Accept, AddContact, Availability, ClientId, ConversationId, EndSession, Invite, Kind, ListInvites,
    ListPeople, ListSanctions, ListSessions, MessageKind, Moderate, Mute, ProfileChange, Revoke, Seq,
    SetRole, SignOut, Update, UserId, WhichUser,
};

/// A request; its tag is the key beside `id` in the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Who I am; only as the first frame of a connection that brought no token.
    Auth(Auth),
    /// Stream my conversations to me, from these cursors on, and go live.
    Sync(Sync),
    /// Make a conversation.
    Create(Create),
    /// Become a member of an open conversation.
    Join(Join),
    /// End my membership.
    Leave(Leave),
    /// Make others members.
    Add(AddMembers),
    /// End another's membership.
    Remove(RemoveMember),
    /// Take a conversation off my list until something new is said.
    Hide(Hide),
    /// Delete a conversation for all.
    Dissolve(Dissolve),
    /// Become a member by an invite.
    Accept(Accept),
    /// Give a member another role.
    Role(SetRole),
    /// Keep a user out.
    Ban(Moderate),
    /// Let a user in again.
    Unban(Moderate),
    /// Keep a member from speaking.
    Mute(Mute),
    /// Let a member speak again.
    Unmute(Moderate),
    /// Who is banned or muted?
    Sanctions(ListSanctions),
    /// Change what the conversation is called, and who may join it.
    Update(Update),
    /// Make a link by which others join.
    Invite(Invite),
    /// Which links are there?
    Invites(ListInvites),
    /// End a link.
    Revoke(Revoke),
    /// Say something.
    Send(Send),
    /// Change what I said.
    Edit(EditMessage),
    /// Take back what I said, or as a moderator what another said.
    Delete(DeleteMessage),
    /// React to a message, or take that back.
    React(React),
    /// A page of a conversation's log.
    History(History),
    /// I have everything up to here.
    Delivered(Delivered),
    /// I have read everything up to here.
    Read(Read),
    /// A page of the members' marks.
    Receipts(ListReceipts),
    /// What became of one entry.
    Status(AskStatus),
    /// I am typing, or stopped.
    Typing(Typing),
    /// I am there, or away, and this is what I say about it.
    Presence(SetPresence),
    /// Who of these is there?
    Presences(AskPresences),
    /// How much was said in a conversation, by how many, and when.
    Stats(AskStats),
    /// How much was said in my conversations, and how much of it by me?
    MyStats(AskMyStats),
    /// A page of my conversations.
    List(List),
    /// My profile, with these changes.
    Me(ProfileChange),
    /// Another's profile, as far as it concerns me.
    User(WhichUser),
    /// A page of my contacts.
    Contacts(ListPeople),
    /// Make someone a contact of mine, and me one of his.
    AddContact(AddContact),
    /// End that, for both.
    RemoveContact(WhichUser),
    /// A page of those whom I block.
    Blocked(ListPeople),
    /// Keep someone from our direct conversation.
    Block(WhichUser),
    /// Let him in again.
    Unblock(WhichUser),
    /// Where have I signed in?
    Sessions(ListSessions),
    /// Sign out there.
    EndSession(EndSession),
    /// Sign out here, or everywhere.
    SignOut(SignOut),
    /// Are you there?
    Ping(Ping),
}

/// Names every command once: the tag on the wire, the variant, the payload.
macro_rules! for_each_command {
    ($apply:ident) => {
        $apply! {
            "auth" Auth(crate::Auth),
            "sync" Sync(crate::Sync),
            "create" Create(crate::Create),
            "join" Join(crate::Join),
            "leave" Leave(crate::Leave),
            "add" Add(crate::AddMembers),
            "remove" Remove(crate::RemoveMember),
            "hide" Hide(crate::Hide),
            "dissolve" Dissolve(crate::Dissolve),
            "accept" Accept(crate::Accept),
            "role" Role(crate::SetRole),
            "ban" Ban(crate::Moderate),
            "unban" Unban(crate::Moderate),
            "mute" Mute(crate::Mute),
            "unmute" Unmute(crate::Moderate),
            "sanctions" Sanctions(crate::ListSanctions),
            "update" Update(crate::Update),
            "invite" Invite(crate::Invite),
            "invites" Invites(crate::ListInvites),
            "revoke" Revoke(crate::Revoke),
            "send" Send(crate::Send),
            "edit" Edit(crate::EditMessage),
            "delete" Delete(crate::DeleteMessage),
            "react" React(crate::React),
            "history" History(crate::History),
            "delivered" Delivered(crate::Delivered),
            "read" Read(crate::Read),
            "receipts" Receipts(crate::ListReceipts),
            "status" Status(crate::AskStatus),
            "typing" Typing(crate::Typing),
            "presence" Presence(crate::SetPresence),
            "presences" Presences(crate::AskPresences),
            "stats" Stats(crate::AskStats),
            "my_stats" MyStats(crate::AskMyStats),
            "list" List(crate::List),
            "me" Me(crate::ProfileChange),
            "user" User(crate::WhichUser),
            "contacts" Contacts(crate::ListPeople),
            "add_contact" AddContact(crate::AddContact),
            "remove_contact" RemoveContact(crate::WhichUser),
            "blocked" Blocked(crate::ListPeople),
            "block" Block(crate::WhichUser),
            "unblock" Unblock(crate::WhichUser),
            "sessions" Sessions(crate::ListSessions),
            "end_session" EndSession(crate::EndSession),
            "sign_out" SignOut(crate::SignOut),
            "ping" Ping(crate::Ping),
        }
    };
}
pub(crate) use for_each_command;

/// Authenticates a connection that brought no token in its handshake.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// A JWT, without the word `Bearer`.
    pub token: String,
}

impl fmt::Debug for Auth {
    /// Tokens must not find their way into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// Starts the stream of the user's conversations, or mends it.
///
/// For each conversation a `conversation` event says where its stream starts, then its entries follow in
/// order. A conversation named in `cursors` starts after that cursor; any other starts with what waits in the
/// offline queue, or at its head. The reply comes when all are live.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// For each conversation the seq of the last entry that the client has applied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cursors: BTreeMap<ConversationId, Seq>,
}

/// Makes a conversation, or finds the one that the same request made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// What kind it is.
    pub kind: Kind,
    /// The other members; exactly one for a direct conversation.
    #[serde(default)]
    pub members: Vec<UserId>,
    /// A name to show: 1 to 200 characters. Not for direct conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 200))]
    pub name: Option<String>,
    /// What it is about: 1 to 2,000 characters. Not for direct conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 2000))]
    pub description: Option<String>,
    /// Where its picture is: an `https` URL without user and password, of at most 2,048 bytes. Not for direct
    /// conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 2048))]
    pub avatar_url: Option<String>,
    /// Whether anyone may join by himself; absent: a channel's yes, any other's no. Not for direct conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Makes a retry find the first one's conversation. A direct conversation needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

impl Create {
    /// A conversation of which nothing else is said.
    pub fn of(kind: Kind, members: Vec<UserId>) -> Self {
        Self {
            kind,
            members,
            name: None,
            description: None,
            avatar_url: None,
            open: None,
            client_id: None,
        }
    }
}

/// Becomes a member of an open conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Which.
    pub conversation: ConversationId,
}

/// Ends one's own membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// Which.
    pub conversation: ConversationId,
}

/// Makes others members. Those who are members already stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddMembers {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Who.
    pub users: Vec<UserId>,
}

/// Ends another's membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveMember {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
}

/// Takes a conversation off the user's list until something new is said in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hide {
    /// Which.
    pub conversation: ConversationId,
}

/// Deletes a conversation for all its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dissolve {
    /// Which.
    pub conversation: ConversationId,
}

/// Asks how much was said in a conversation, by how many, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskStats {
    /// Which.
    pub conversation: ConversationId,
    /// 1 to 366 days on which something was said, the newest ones; 30 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// Asks what the user's conversations hold, and what he has sent in them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskMyStats {
    /// 1 to 366 days on which he has sent something, the newest ones; 30 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// Says something in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// Where.
    pub conversation: ConversationId,
    /// Idempotency key: however often and wherever it is sent again, one entry is stored.
    pub client_id: ClientId,
    /// 1 to 5,000 characters.
    pub text: String,
    /// What kind of message it is; `system` is for moderators and admins.
    #[serde(default, skip_serializing_if = "MessageKind::is_text")]
    pub kind: MessageKind,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The sender's Lamport stamp, at most 2^20 ahead of the conversation's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lamport: Option<u64>,
    /// Set when this was sent before and not answered: the node looks for the first one before it appends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
    /// If given, must be the authenticated user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserId>,
}

impl Send {
    /// A text, sent for the first time.
    pub fn text(conversation: ConversationId, client_id: ClientId, text: impl Into<String>) -> Self {
        Self {
            conversation,
            client_id,
            text: text.into(),
            kind: MessageKind::Text,
            reply_to: None,
            lamport: None,
            retry: false,
            sender: None,
        }
    }
}

/// Names once the commands that may have a key, besides `send`, which has one: each has a `conversation`, a `client_id`
/// and a `retry`.
macro_rules! if_keyed {
    ($self:expr, $command:ident => $then:expr, else $otherwise:expr) => {
        match $self {
            Self::Edit($command) => $then,
            Self::Delete($command) => $then,
            Self::React($command) => $then,
            Self::Role($command) => $then,
            Self::Ban($command) | Self::Unban($command) | Self::Unmute($command) => $then,
            Self::Mute($command) => $then,
            Self::Update($command) => $then,
            Self::Invite($command) => $then,
            _ => $otherwise,
        }
    };
}

impl Command {
    /// Whether it asks for an entry in a conversation's log, and for nothing else: such commands take their turn
    /// there, and are answered with [`crate::Reply::Sent`].
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Send(_)
                | Self::Edit(_)
                | Self::Delete(_)
                | Self::React(_)
                | Self::Join(_)
                | Self::Leave(_)
                | Self::Add(_)
                | Self::Remove(_)
                | Self::Dissolve(_)
                | Self::Accept(_)
                | Self::Role(_)
                | Self::Ban(_)
                | Self::Unban(_)
                | Self::Mute(_)
                | Self::Unmute(_)
                | Self::Update(_)
                | Self::Revoke(_)
        )
    }

    /// Where it is stored and under which idempotency key, if it is stored in a log and has a key.
    pub fn key(&self) -> Option<(&ConversationId, &ClientId)> {
        if let Self::Send(send) = self {
            return Some((&send.conversation, &send.client_id));
        }
        if_keyed!(self, command => Some((&command.conversation, command.client_id.as_ref()?)), else None)
    }

    /// Whether it says that it was sent before.
    pub fn is_retry(&self) -> bool {
        if let Self::Send(send) = self {
            return send.retry;
        }
        if_keyed!(self, command => command.retry, else false)
    }

    /// Says that it was sent before, if it has a key to be found by.
    pub fn mark_as_retry(&mut self) {
        let is_keyed = self.key().is_some();
        if let Self::Send(send) = self {
            send.retry = true;
        } else {
            if_keyed!(self, command => command.retry |= is_keyed, else ());
        }
    }
}

/// Changes the text of one's own message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditMessage {
    /// In which conversation.
    pub conversation: ConversationId,
    /// The message.
    pub seq: Seq,
    /// What it says from now on: 1 to 5,000 characters.
    pub text: String,
    /// Idempotency key, as that of a send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Set when this was sent before, with the same key, and not answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
}

/// Takes a message back: one's own, or as a moderator or admin anyone's. Its text is gone, its place stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteMessage {
    /// In which conversation.
    pub conversation: ConversationId,
    /// The message.
    pub seq: Seq,
    /// Idempotency key, as that of a send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Set when this was sent before, with the same key, and not answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
}

/// Reacts to a message. Each user reacts to a message at most once with the same emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct React {
    /// In which conversation.
    pub conversation: ConversationId,
    /// The message.
    pub seq: Seq,
    /// With what: 1 to 32 bytes without control characters or white space.
    pub emoji: String,
    /// Whether the reaction is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Idempotency key, as that of a send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Set when this was sent before, with the same key, and not answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
}

/// Asks for a page of a conversation's log, oldest first in the page.
///
/// With `after`, the entries that follow it; with `before`, the ones that precede it; with `around`, it and those on
/// both sides of it; with none of them the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Only entries with a lower seq, nearest first cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// Only entries with a higher seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// This entry, half of the page before it and half after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Seq>,
    /// Whether only messages are wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub messages: bool,
    /// 1 to 200 entries, 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl History {
    /// The newest page of all that there is.
    pub fn newest(conversation: ConversationId) -> Self {
        Self {
            conversation,
            before: None,
            after: None,
            around: None,
            messages: false,
            limit: None,
        }
    }
}

/// Marks everything up to `seq` as delivered to this user. Never goes back; a mark past the head is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The last entry that the client has.
    pub seq: Seq,
}

/// Marks everything up to `seq` as read by this user, and as delivered. Never goes back; a mark past the head is
/// refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The last entry that the user has seen.
    pub seq: Seq,
}

/// Asks for a page of the members' marks, by user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListReceipts {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The last user of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// 1 to 200 members, 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Asks what became of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskStatus {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Which entry.
    pub seq: Seq,
}

/// Tells the others that the user is typing, or has stopped. Not stored; ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typing {
    /// Where.
    pub conversation: ConversationId,
    /// Whether he types.
    pub typing: bool,
}

/// Changes what others see of the user. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetPresence {
    /// What this connection says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Availability>,
    /// What the user says about himself, on all devices: 1 to 140 characters; empty takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 140))]
    pub text: Option<String>,
}

/// Asks who is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AskPresences {
    /// 1 to 100 users.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 100))]
    pub users: Vec<UserId>,
}

/// Asks for a page of the user's conversations, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The last conversation of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ConversationId>,
    /// 1 to 200 conversations, 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Asks for a sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {}
