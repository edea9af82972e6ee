//! How an entry is stored.
//!
//! The body is stored as the protocol's own encoding of it, a sub-document with the variant as its only field:
//! a log is kept for ever, and so is the protocol's decoding. The tests pin the stored form of every variant.

use bson::oid::ObjectId;
use bson::raw::RawDocumentBuf;
use serde::{Deserialize, Serialize};
use starling_protocol::{Body, ClientId, ConversationId, Entry, UserId};

use crate::message_state::StoredState;

/// An entry on its way in.
#[derive(Debug, Serialize)]
struct EntryDocument<'a> {
    #[serde(rename = "_id")]
    id: ObjectId,
    conversation: &'a ConversationId,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a ClientId>,
    lamport: u64,
    at: i64,
    messages: u64,
    membership: u64,
    body: &'a Body,
}

/// Encodes an entry. A number beyond 2^63 - 1, which BSON cannot hold, is an error.
pub(crate) fn encode(entry: &Entry) -> Result<RawDocumentBuf, bson::error::Error> {
    bson::serialize_to_raw_document_buf(&EntryDocument {
        id: ObjectId::new(),
        conversation: &entry.conversation,
        seq: entry.seq,
        sender: entry.sender.as_ref(),
        client_id: entry.client_id.as_ref(),
        lamport: entry.lamport,
        at: entry.at,
        messages: entry.messages,
        membership: entry.membership,
        body: &entry.body,
    })
}

/// An entry on its way out. A negative number where there cannot be one is a decoding error.
#[derive(Debug, Deserialize)]
pub(crate) struct StoredEntry {
    conversation: ConversationId,
    seq: u64,
    #[serde(default)]
    sender: Option<UserId>,
    #[serde(default)]
    client_id: Option<ClientId>,
    lamport: u64,
    at: i64,
    messages: u64,
    membership: u64,
    body: Body,
    #[serde(default)]
    state: Option<StoredState>,
}

impl From<StoredEntry> for Entry {
    fn from(stored: StoredEntry) -> Self {
        Self {
            conversation: stored.conversation,
            seq: stored.seq,
            sender: stored.sender,
            client_id: stored.client_id,
            lamport: stored.lamport,
            at: stored.at,
            messages: stored.messages,
            membership: stored.membership,
            body: stored.body,
            state: stored.state.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::{Bson, Document, doc};
    use starling_protocol::{Content, InviteId, InviteUse, Kind, Member, Profile, Role};

    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    fn entry(body: Body) -> Entry {
        Entry {
            conversation: ConversationId::new("c1").unwrap(),
            seq: 7,
            sender: Some(user("alice")),
            client_id: Some(ClientId::new("k1").unwrap()),
            lamport: 1 << 40,
            at: 1_700_000_000_123,
            messages: 5,
            membership: 3,
            body,
            state: None,
        }
    }

    fn decode(document: &Document) -> Result<Entry, bson::error::Error> {
        bson::deserialize_from_document::<StoredEntry>(document.clone()).map(Entry::from)
    }

    #[test]
    fn the_stored_form_of_every_body_is_pinned() {
        let check = |body: Body, expected: Document| {
            let entry = entry(body);
            let mut document = Document::try_from(encode(&entry).unwrap()).unwrap();
            assert_eq!(decode(&document).unwrap(), entry);
            assert!(matches!(document.remove("_id"), Some(Bson::ObjectId(_))));
            let expected = doc! {
                "conversation": "c1", "seq": 7_i64, "sender": "alice", "client_id": "k1", "lamport": 1_i64 << 40,
                "at": 1_700_000_000_123_i64, "messages": 5_i64, "membership": 3_i64, "body": expected,
            };
            assert_eq!(document, expected);
        };
        check(
            Body::Created {
                kind: Kind::Group,
                name: Some("tea".into()),
                description: Some("at five".into()),
                avatar_url: Some("https://pictures.example.org/tea.png".into()),
                open: true,
                members: vec![
                    Member {
                        user: user("alice"),
                        role: Role::Admin,
                    },
                    Member {
                        user: user("bob"),
                        role: Role::Moderator,
                    },
                ],
            },
            doc! { "created": { "kind": "group", "name": "tea", "description": "at five",
                "avatar_url": "https://pictures.example.org/tea.png", "open": true, "members": [
                { "user": "alice", "role": "admin" }, { "user": "bob", "role": "moderator" },
            ] } },
        );
        check(
            Body::Created {
                kind: Kind::Direct,
                name: None,
                description: None,
                avatar_url: None,
                open: false,
                members: vec![],
            },
            doc! { "created": { "kind": "direct", "members": [] } },
        );
        check(
            Body::Message(Content::text("$héllo\0\u{1f426}")),
            doc! { "message": { "text": "$héllo\0\u{1f426}" } },
        );
        check(
            Body::Joined {
                users: vec![user("bob"), user("$eve.x")],
                role: Role::Member,
                invite: None,
            },
            doc! { "joined": { "users": ["bob", "$eve.x"], "role": "member" } },
        );
        let invite = || InviteId::new("mfrggzdfmztwq2lknnwg23tpobyxe43u").unwrap();
        check(
            Body::Joined {
                users: vec![user("bob")],
                role: Role::Member,
                invite: Some(InviteUse {
                    id: invite(),
                    uses: 2,
                }),
            },
            doc! { "joined": { "users": ["bob"], "role": "member", "invite": {
                "id": "mfrggzdfmztwq2lknnwg23tpobyxe43u", "uses": 2_i64,
            } } },
        );
        check(
            Body::RoleChanged {
                user: user("bob"),
                role: Role::Moderator,
            },
            doc! { "role_changed": { "user": "bob", "role": "moderator" } },
        );
        check(
            Body::Banned {
                user: user("bob"),
                removed: true,
            },
            doc! { "banned": { "user": "bob", "removed": true } },
        );
        check(
            Body::Unbanned { user: user("bob") },
            doc! { "unbanned": { "user": "bob" } },
        );
        check(
            Body::Muted {
                user: user("bob"),
                until: Some(1_700_000_000_123),
            },
            doc! { "muted": { "user": "bob", "until": 1_700_000_000_123_i64 } },
        );
        check(
            Body::Unmuted { user: user("bob") },
            doc! { "unmuted": { "user": "bob" } },
        );
        check(
            Body::Updated(Box::new(Profile {
                name: Some("tea".into()),
                description: None,
                avatar_url: None,
                open: true,
            })),
            doc! { "updated": { "name": "tea", "open": true } },
        );
        check(
            Body::Invited {
                invite: invite(),
                expires_at: None,
                max_uses: Some(5),
            },
            doc! { "invited": { "invite": "mfrggzdfmztwq2lknnwg23tpobyxe43u", "max_uses": 5_i64 } },
        );
        check(
            Body::Revoked { invite: invite() },
            doc! { "revoked": { "invite": "mfrggzdfmztwq2lknnwg23tpobyxe43u" } },
        );
        check(
            Body::Left { user: user("bob") },
            doc! { "left": { "user": "bob" } },
        );
        check(Body::Void {}, doc! { "void": {} });
    }

    #[test]
    fn entries_of_the_system_have_no_sender_and_no_key() {
        let entry = Entry {
            sender: None,
            client_id: None,
            ..entry(Body::Void {})
        };
        let document = Document::try_from(encode(&entry).unwrap()).unwrap();
        assert!(!document.contains_key("sender") && !document.contains_key("client_id"));
        assert_eq!(decode(&document).unwrap(), entry);
    }

    #[test]
    fn numbers_that_bson_cannot_hold_are_errors_both_ways() {
        let largest = Entry {
            lamport: i64::MAX as u64,
            ..entry(Body::Void {})
        };
        let mut document = Document::try_from(encode(&largest).unwrap()).unwrap();
        assert_eq!(decode(&document).unwrap(), largest);
        assert!(
            encode(&Entry {
                lamport: i64::MAX as u64 + 1,
                ..largest
            })
            .is_err()
        );
        document.insert("seq", -1_i64);
        assert!(decode(&document).is_err());
    }
}
