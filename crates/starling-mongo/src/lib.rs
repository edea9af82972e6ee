//! The store of a Starling cluster: the log and the directory in MongoDB (a replica set or a sharded cluster).
//!
//! [`Mongo`] implements the ports [`EntryLog`](starling_core::ports::EntryLog),
//! [`Directory`](starling_core::ports::Directory), [`PresenceStore`](starling_core::ports::PresenceStore),
//! [`Statistics`](starling_core::ports::Statistics), [`EventCursors`](starling_core::ports::EventCursors), and those
//! of [`starling_core::people`] that decide. What it relies on:
//!
//! - Every write that is acknowledged is held, journaled, by a majority (`w: majority, j: true`), and every read
//!   is from the primary at read concern majority: what was read is never rolled back. Such a read may be *old*:
//!   a primary that was deposed unknowingly, or one that was elected a moment ago and has not yet learned that
//!   what it holds is committed, may miss an acknowledged entry. That is harmless, since the unique indexes decide.
//! - Every call ends within a limit of [`MongoSettings`], whatever the servers do. The driver has no time limit
//!   of its own for operations, so each one is dropped when its time is up. Its connection is closed then, never
//!   used again; what was sent may still be carried out: the outcome is unknown.
//! - The driver retries a write once after a network error or a change of primary; the server recognises the
//!   statements that it has carried out by the session's transaction number and does not do them twice. The
//!   driver sets `TCP_NODELAY` on all its sockets.
//!
//! # Collections
//!
//! | Collection | Document | Indexes besides `_id` |
//! |---|---|---|
//! | `entries` | `_id` ObjectId · `conversation` · `seq` · `sender`? · `client_id`? · `lamport` · `at` (ms) · `messages` · `membership` · `body` `{variant: {…}}` | `conversation_seq` unique {conversation, seq}; `conversation_sender_client_id` unique {conversation, sender, client_id} where `client_id` exists |
//! | `conversations` | `_id` conversation id · `kind` · `name`? · `description`? · `avatar_url`? · `open` · `updated` · `created_by` · `created_at` (ms) · `applied` · `dissolved`? · `purged`? · `told`? `{sink: seq}` | |
//! | `members` | `_id` ObjectId · `conversation` · `user` · `role` · `role_changed` · `changed` · `left` (0: present) · `delivered` · `read` · `hidden`? | `conversation_user` unique {conversation, user}; `user_present` {user, conversation} where `left` is 0 |
//! | `sanctions` | `_id` ObjectId · `conversation` · `user` · `banned` · `banned_at` (seq) · `muted_until` (ms; 0: not muted) · `muted_at` (seq) | `conversation_user` unique {conversation, user} |
//! | `invites` | `_id` invite id (hash of its token) · `conversation` · `created_by` · `created_at` (ms) · `expires_at` (ms; 0: never) · `max_uses` (0: any number) · `uses` · `revoked` · `usable` · `changed` (seq) | `usable` {conversation, _id} where `usable` |
//! | `users` | `_id` user id · `name`? · `about`? · `avatar_url`? · `phone`? · `named`? · `created_at` (ms) · `presence_text`? · `last_seen`? (ms) | |
//! | `phones` | `_id` E.164 · `user` · `created_at` (ms) | |
//! | `sign_ins` | `_id` sign-in id · `user` · `device`? · `created_at` · `used_at` (ms) · `expires_at` (date) · `ended_at` (ms; 0: in force) · `current` · `previous`? (SHA-256) · `salt`? | `user_in_force` {user, created_at ↓} where `ended_at` is 0; `ended` {ended_at} where it is not; `expired` {expires_at}, TTL |
//! | `event_sinks` | `_id` name of the sink · `since` (ms) | |
//! | `pairs` | `_id` both user ids, in order · `users` · `since` (ms; 0: no contacts) · `removed` (ms) · `added_by` · `by_phone` · `blocked_by` · `direct`? | `contacts` {users, _id} where `since` > 0; `blocker` {blocked_by, _id} and `direct` unique {direct} where `direct` exists |
//!
//! Numbers are 64 bit integers. On a sharded cluster `entries`, `members` and `sanctions` take the shard key
//! `{conversation: 1}`: every unique index begins with it, and all but two queries name a conversation (`memberships`
//! and `sharing` ask every shard). A hashed key would not do, since unique indexes must begin with the shard key itself.
//! `conversations`, `invites`, `users`, `phones`, `sign_ins` and `event_sinks` may be sharded by `_id`; `pairs` may not, since `direct` is unique.
//!
//! # Metrics
//!
//! `starling_mongo_seconds{operation}` (histogram; failed calls included) and
//! `starling_mongo_errors_total{operation}` (calls that ended as unavailable or unknown; a collision is no error).

mod accounts;
mod archive;
mod call;
mod connect;
mod contacts;
mod directory;
mod dissolution;
mod effects;
mod entry_document;
mod entry_log;
mod error;
mod event_cursors;
mod find;
mod governance;
mod indexes;
mod message_state;
mod numbers;
mod presence;
mod replica_set;
mod settings;
mod sign_ins;
mod statistics;

pub use connect::Mongo;
pub use error::MongoError;
pub use replica_set::{ReplicaSet, ReplicaSetOutcome, init_replica_set};
pub use settings::MongoSettings;
