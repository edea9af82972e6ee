//! Starling's wire types: what clients and nodes say to one another, and nothing else.
//!
//! Architecture invariant: no I/O, no clock, no async. Whatever [`Codec::decode_client`] returns has been
//! checked against [`limits`]; a command that is made by other means is checked with [`Command::check`].
//!
//! A client sends a [`ClientFrame`] (`{"id":7,"send":{…}}`) and gets exactly one reply for each id; the
//! server's [`ServerFrame`] is such a reply or an event without id. The same shapes travel as JSON text or
//! MessagePack binary, see [`Codec`].

mod check;
mod close;
mod codec;
mod command;
mod entry;
mod error;
mod event;
mod frame;
mod id;
pub mod limits;
mod moderation;
#[cfg(feature = "openapi")]
mod openapi;
mod paging;
mod people;
mod presence;
mod receipt;
mod reply;
mod stats;

pub use close::{CloseCode, Reconnect};
pub use codec::{Codec, DecodeError, Encoded};
pub use command::{
    AddMembers, AskMyStats, AskPresences, AskStats, AskStatus, Auth, Command, Create, DeleteMessage,
    Delivered, Dissolve, EditMessage, Hide, History, Join, Leave, List, ListReceipts, Ping, React, Read,
    RemoveMember, Send, SetPresence, Sync, Typing,
};
pub use entry::{
    Body, Content, Entry, HeadMark, InviteUse, Kind, Member, MessageKind, MessageState, Role, Seq,
};
pub use error::{Error, ErrorCode};
pub use event::{ConversationState, Event, Hidden, Ready, TypingChange};
pub use frame::{ClientFrame, FrameError, ServerFrame};
pub use id::{ClientId, ConversationId, InvalidId, InviteId, UserId};
pub use moderation::{
    Accept, Invite, InviteState, Invited, Invites, ListInvites, ListSanctions, Moderate, Mute, Profile,
    Revoke, Sanctioned, Sanctions, SetRole, Update,
};
pub use paging::{MessagesPage, MessagesWanted};
pub use people::{
    AddContact, BlockedUsers, CodeRequest, CodeSent, Contact, Contacts, EndSession, ListPeople, ListSessions,
    Me, ProfileChange, Refresh, SignIn, SignOut, SignedInSession, SignedInSessions, Tokens, UserProfile,
    WhichUser,
};
pub use presence::{Availability, Presence, PresenceState, Presences};
pub use receipt::{DeliveryStatus, EntryStatus, Receipt, ReceiptsChange, ReceiptsPage};
pub use reply::{ConversationSummary, Conversations, HistoryPage, Reply, Sent, Synced};
pub use stats::{ClusterStats, ConversationStats, DayStats, MyStats};
