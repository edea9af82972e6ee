//! Bounds on everything that comes from outside. Each is part of the protocol and documented with it.

/// Bytes of one WebSocket message from a client.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Unicode scalar values of a message's text; at least one must not be white space.
pub const MAX_TEXT_CHARS: usize = 5_000;
/// Bytes of the emoji of a reaction.
pub const MAX_EMOJI_BYTES: usize = 32;
/// Edits of one message and reactions to it, those that were taken back included.
pub const MAX_ALTERATIONS: usize = 1_000;
/// Bytes of a user id (an opaque string without control characters).
pub const MAX_USER_ID_BYTES: usize = 128;
/// Bytes of a client id (an opaque string without control characters).
pub const MAX_CLIENT_ID_BYTES: usize = 128;
/// Bytes of a conversation id.
pub const MAX_CONVERSATION_ID_BYTES: usize = 128;
/// Unicode scalar values of a conversation's name.
pub const MAX_NAME_CHARS: usize = 200;
/// Unicode scalar values of what a conversation is about.
pub const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// Bytes of an invite's id.
pub const INVITE_ID_BYTES: usize = 32;
/// Bytes of an invite's token.
pub const MAX_INVITE_TOKEN_BYTES: usize = 256;
/// Invites of a conversation that are in force at a time.
pub const MAX_INVITES: usize = 50;
/// Users in one page of sanctions.
pub const MAX_SANCTIONS_LIMIT: u32 = 200;
/// Users in a page of sanctions that names no limit.
pub const DEFAULT_SANCTIONS_LIMIT: u32 = 50;
/// Users named in one `create` or `add`.
pub const MAX_MEMBERS_PER_COMMAND: usize = 500;
/// Cursors in one `sync`.
pub const MAX_CURSORS: usize = 1_000;
/// Entries in one page of history.
pub const MAX_HISTORY_LIMIT: u32 = 200;
/// Entries in a page of history that names no limit.
pub const DEFAULT_HISTORY_LIMIT: u32 = 50;
/// Conversations in one page of the list.
pub const MAX_LIST_LIMIT: u32 = 200;
/// Conversations in a page of the list that names no limit.
pub const DEFAULT_LIST_LIMIT: u32 = 50;
/// Members in one page of receipts.
pub const MAX_RECEIPTS_LIMIT: u32 = 200;
/// Members in a page of receipts that names no limit.
pub const DEFAULT_RECEIPTS_LIMIT: u32 = 50;
/// Members of a conversation that tells of receipts; a larger one only keeps the marks.
pub const MAX_RECEIPTS_MEMBERS: usize = 1_000;
/// Unicode scalar values of what a user says about himself.
pub const MAX_PRESENCE_TEXT_CHARS: usize = 140;
/// Users in one `presences`.
pub const MAX_PRESENCES: usize = 100;
/// How far a client's Lamport stamp may be ahead of its conversation's clock.
pub const MAX_LAMPORT_LEAD: u64 = 1 << 20;
/// Bytes of an access token.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Unicode scalar values of a person's name.
pub const MAX_PROFILE_NAME_CHARS: usize = 100;
/// Unicode scalar values of what a person says about himself.
pub const MAX_ABOUT_CHARS: usize = 500;
/// Bytes of the URL of an avatar.
pub const MAX_AVATAR_URL_BYTES: usize = 2_048;
/// Bytes of a phone number as it is typed.
pub const MAX_PHONE_BYTES: usize = 32;
/// Unicode scalar values of a device's name.
pub const MAX_DEVICE_CHARS: usize = 100;
/// Contacts in one page.
pub const MAX_CONTACTS_LIMIT: u32 = 200;
/// Contacts in a page that names no limit.
pub const DEFAULT_CONTACTS_LIMIT: u32 = 50;
/// Messages in one page of messages by number.
pub const MAX_MESSAGES_LIMIT: u32 = 100;
/// Messages in a page of messages that names no limit.
pub const DEFAULT_MESSAGES_LIMIT: u32 = 50;
/// Days in statistics.
pub const MAX_STATS_DAYS: u32 = 366;
/// Days in statistics that name no number.
pub const DEFAULT_STATS_DAYS: u32 = 30;
/// The newest messages of a conversation, from which its statistics are counted.
pub const MAX_STATS_MESSAGES: u64 = 200_000;
