//! Entries as events, in the shape that Chat Service has documented for `message.sent`.

use serde_json::{Map, Value, json};
use starling_core::ports::EventPage;
use starling_protocol::{Body, ConversationId, Entry, Seq, UserId};

use crate::timestamp::iso;

/// One event, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The same for ever, however often it is sent: `CONVERSATION:SEQ`.
    pub id: String,
    /// What has happened.
    pub kind: EventType,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Its place there: events of a conversation are in the order of these.
    pub seq: Seq,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// All of it, in JSON.
    pub body: String,
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What has happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[$doc])* $name,)*
        }

        impl EventType {
            /// All of them, as `docs/events.md` lists them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it stands in `eventType`, which is also the routing key.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

event_types! {
    /// A message.
    MessageSent = "message.sent",
    /// A message says something else now.
    MessageEdited = "message.edited",
    /// A message is taken back.
    MessageDeleted = "message.deleted",
    /// Someone reacts to a message.
    ReactionAdded = "reaction.added",
    /// Someone does so no more.
    ReactionRemoved = "reaction.removed",
    /// Users are members.
    MemberJoined = "member.joined",
    /// A member has left.
    MemberLeft = "member.left",
    /// A member was removed by another.
    MemberRemoved = "member.removed",
    /// A member has another role.
    MemberRoleChanged = "member.role_changed",
    /// A user cannot become a member any more.
    MemberBanned = "member.banned",
    /// He can again.
    MemberUnbanned = "member.unbanned",
    /// A member does not speak for a while.
    MemberMuted = "member.muted",
    /// He does again.
    MemberUnmuted = "member.unmuted",
    /// There is a conversation.
    ConversationCreated = "conversation.created",
    /// It is called something else, or the like.
    ConversationUpdated = "conversation.updated",
    /// It is deleted for all.
    ConversationDeleted = "conversation.deleted",
    /// There is an invite.
    InviteCreated = "invite.created",
    /// It is over.
    InviteRevoked = "invite.revoked",
}

/// The events of a page, in their order; `None` for an entry that is none.
pub(crate) fn events(page: &EventPage) -> impl Iterator<Item = Option<Event>> {
    page.entries.iter().map(|entry| event(entry, &page.pair))
}

fn event(entry: &Entry, pair: &[UserId]) -> Option<Event> {
    let (kind, specific) = said(entry, pair)?;
    let mut data = Map::new();
    data.insert("roomId".into(), json!(entry.conversation));
    let Value::Object(specific) = specific else {
        return None;
    };
    // What is absent is left out, but for what Chat Service has documented.
    data.extend(
        specific
            .into_iter()
            .filter(|(name, value)| !value.is_null() || name == "receiverId"),
    );
    data.insert("seq".into(), json!(entry.seq));
    data.insert("timestamp".into(), json!(entry.at));
    let id = message_id(&entry.conversation, entry.seq);
    let body = json!({
        "id": id,
        "eventType": kind.as_str(),
        "timestamp": iso(entry.at),
        "data": data,
    });
    Some(Event {
        id,
        kind,
        conversation: entry.conversation.clone(),
        seq: entry.seq,
        at: entry.at,
        body: body.to_string(),
    })
}

/// What kind of event it is, and what only events of its kind say.
fn said(entry: &Entry, pair: &[UserId]) -> Option<(EventType, Value)> {
    use EventType as Is;
    let by = &entry.sender;
    let id_of = |seq: &Seq| message_id(&entry.conversation, *seq);
    let receiver = pair.iter().find(|user| Some(*user) != by.as_ref());
    let deleted = entry
        .state
        .as_ref()
        .is_some_and(|state| state.deleted_at.is_some());
    Some(match &entry.body {
        Body::Message(content) => (
            Is::MessageSent,
            json!({
                "messageId": id_of(&entry.seq),
                "senderId": by,
                "receiverId": receiver,
                "message": content.text,
                "messageType": content.kind,
                "replyTo": content.reply_to.as_ref().map(id_of),
                "clientId": entry.client_id,
                "sequenceNumber": entry.messages,
                "lamportTimestamp": entry.lamport,
                "deleted": (deleted || content.text.is_empty()).then_some(true),
            }),
        ),
        Body::Edited { target, text } => (
            Is::MessageEdited,
            json!({
                "messageId": id_of(target),
                "senderId": by,
                "receiverId": receiver,
                "message": text,
                "deleted": text.is_empty().then_some(true),
            }),
        ),
        Body::Deleted { target } => (
            Is::MessageDeleted,
            json!({ "messageId": id_of(target), "actorId": by }),
        ),
        Body::Reacted {
            target,
            emoji,
            removed,
        } => {
            let kind = if *removed {
                Is::ReactionRemoved
            } else {
                Is::ReactionAdded
            };
            (
                kind,
                json!({ "messageId": id_of(target), "actorId": by, "emoji": emoji }),
            )
        }
        Body::Joined { users, role, invite } => (
            Is::MemberJoined,
            json!({
                "userIds": users,
                "role": role,
                "actorId": by,
                "inviteId": invite.as_ref().map(|used| &used.id),
            }),
        ),
        Body::Left { user } => {
            let kind = if by.as_ref() == Some(user) {
                Is::MemberLeft
            } else {
                Is::MemberRemoved
            };
            (kind, json!({ "userId": user, "actorId": by }))
        }
        Body::RoleChanged { user, role } => (
            Is::MemberRoleChanged,
            json!({ "userId": user, "role": role, "actorId": by }),
        ),
        Body::Banned { user, removed } => (
            Is::MemberBanned,
            json!({ "userId": user, "actorId": by, "wasMember": removed }),
        ),
        Body::Unbanned { user } => (Is::MemberUnbanned, json!({ "userId": user, "actorId": by })),
        Body::Muted { user, until } => (
            Is::MemberMuted,
            json!({ "userId": user, "actorId": by, "until": until }),
        ),
        Body::Unmuted { user } => (Is::MemberUnmuted, json!({ "userId": user, "actorId": by })),
        Body::Created {
            kind,
            name,
            description,
            avatar_url,
            open,
            members,
        } => {
            let members: Vec<_> = members
                .iter()
                .map(|member| json!({ "userId": member.user, "role": member.role }))
                .collect();
            (
                Is::ConversationCreated,
                json!({
                    "kind": kind,
                    "name": name,
                    "description": description,
                    "avatarUrl": avatar_url,
                    "open": open,
                    "members": members,
                    "actorId": by,
                }),
            )
        }
        Body::Updated(profile) => (
            Is::ConversationUpdated,
            json!({
                "name": profile.name,
                "description": profile.description,
                "avatarUrl": profile.avatar_url,
                "open": profile.open,
                "actorId": by,
            }),
        ),
        Body::Dissolved {} => (Is::ConversationDeleted, json!({ "actorId": by })),
        Body::Invited {
            invite,
            expires_at,
            max_uses,
        } => (
            Is::InviteCreated,
            json!({ "inviteId": invite, "expiresAt": expires_at, "maxUses": max_uses, "actorId": by }),
        ),
        Body::Revoked { invite } => (Is::InviteRevoked, json!({ "inviteId": invite, "actorId": by })),
        // A sealed hole is nothing that has happened.
        Body::Void {} => return None,
    })
}

/// The id of a message, as Socket.IO clients have it, too: it names its place.
fn message_id(conversation: &ConversationId, seq: Seq) -> String {
    format!("{conversation}:{seq}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use starling_protocol::{
        ClientId, Content, InviteId, InviteUse, Kind, Member, MessageState, Profile, Role,
    };

    use super::*;

    const AT: i64 = 1_728_887_400_000;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    fn entry(body: Body) -> Entry {
        Entry {
            conversation: ConversationId::new("room-123").unwrap(),
            seq: 7,
            sender: Some(user("ann")),
            client_id: Some(ClientId::new("k1").unwrap()),
            lamport: 9,
            at: AT,
            messages: 5,
            membership: 3,
            body,
            state: None,
        }
    }

    fn told(entry: Entry, pair: &[&str]) -> (EventType, Value) {
        let page = EventPage {
            entries: vec![Arc::new(entry)],
            pair: pair.iter().map(|id| user(id)).collect(),
        };
        let event = events(&page).next().unwrap().unwrap();
        let said: Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!(said["eventType"], event.kind.as_str());
        (event.kind, said)
    }

    #[test]
    fn a_message_is_told_as_chat_service_documents_it() {
        let content = Content {
            reply_to: Some(2),
            ..Content::text("Hello!")
        };
        let (_, said) = told(entry(Body::Message(content)), &["ann", "bob"]);
        assert_eq!(
            said,
            json!({
                "id": "room-123:7",
                "eventType": "message.sent",
                "timestamp": "2024-10-14T06:30:00.000Z",
                "data": {
                    "messageId": "room-123:7",
                    "roomId": "room-123",
                    "senderId": "ann",
                    "receiverId": "bob",
                    "message": "Hello!",
                    "timestamp": AT,
                    "messageType": "text",
                    "replyTo": "room-123:2",
                    "clientId": "k1",
                    "sequenceNumber": 5,
                    "lamportTimestamp": 9,
                    "seq": 7,
                },
            })
        );
    }

    #[test]
    fn nobody_in_particular_receives_what_is_said_to_many() {
        let (_, said) = told(entry(Body::Message(Content::text("hi"))), &[]);
        assert_eq!(said["data"]["receiverId"], Value::Null);
        assert!(said["data"].as_object().unwrap().contains_key("receiverId"));
        assert!(said["data"].get("deleted").is_none());
    }

    #[test]
    fn what_was_deleted_before_it_was_told_is_told_without_its_text() {
        let mut gone = entry(Body::Message(Content::text("secret")));
        gone.redact();
        gone.state = Some(MessageState {
            deleted_at: Some(AT),
            ..MessageState::default()
        });
        let (_, said) = told(gone, &[]);
        assert_eq!(
            (&said["data"]["message"], &said["data"]["deleted"]),
            (&json!(""), &json!(true))
        );
    }

    #[test]
    fn every_body_is_an_event_but_a_void() {
        let bob = || user("bob");
        let invite = || InviteId::new("mfrggzdfmztwq2lknnwg23tpobyxe43u").unwrap();
        let check = |body: Body, kind: EventType, expected: Value| {
            let (told, mut said) = told(entry(body), &[]);
            assert_eq!(told, kind);
            let data = said["data"].as_object_mut().unwrap();
            for always in ["roomId", "seq", "timestamp"] {
                assert!(data.remove(always).is_some(), "{kind:?} has {always}");
            }
            assert_eq!(Value::Object(data.clone()), expected, "{kind:?}");
        };
        let by = json!("ann");
        let (target, m) = (3, "room-123:3");
        check(
            Body::Edited {
                target,
                text: "x".into(),
            },
            EventType::MessageEdited,
            json!({"messageId": m, "senderId": by, "receiverId": null, "message": "x"}),
        );
        check(
            Body::Deleted { target },
            EventType::MessageDeleted,
            json!({"messageId": m, "actorId": by}),
        );
        for (removed, kind) in [
            (false, EventType::ReactionAdded),
            (true, EventType::ReactionRemoved),
        ] {
            let emoji = "🐦".to_owned();
            check(
                Body::Reacted {
                    target,
                    emoji,
                    removed,
                },
                kind,
                json!({"messageId": m, "actorId": by, "emoji": "🐦"}),
            );
        }
        let used = InviteUse {
            id: invite(),
            uses: 1,
        };
        check(
            Body::Joined {
                users: vec![bob()],
                role: Role::Member,
                invite: Some(used),
            },
            EventType::MemberJoined,
            json!({"userIds": ["bob"], "role": "member", "actorId": by, "inviteId": invite()}),
        );
        check(
            Body::Left { user: user("ann") },
            EventType::MemberLeft,
            json!({"userId": "ann", "actorId": by}),
        );
        check(
            Body::Left { user: bob() },
            EventType::MemberRemoved,
            json!({"userId": "bob", "actorId": by}),
        );
        check(
            Body::RoleChanged {
                user: bob(),
                role: Role::Moderator,
            },
            EventType::MemberRoleChanged,
            json!({"userId": "bob", "role": "moderator", "actorId": by}),
        );
        check(
            Body::Banned {
                user: bob(),
                removed: true,
            },
            EventType::MemberBanned,
            json!({"userId": "bob", "actorId": by, "wasMember": true}),
        );
        check(
            Body::Unbanned { user: bob() },
            EventType::MemberUnbanned,
            json!({"userId": "bob", "actorId": by}),
        );
        check(
            Body::Muted {
                user: bob(),
                until: Some(AT),
            },
            EventType::MemberMuted,
            json!({"userId": "bob", "actorId": by, "until": AT}),
        );
        check(
            Body::Unmuted { user: bob() },
            EventType::MemberUnmuted,
            json!({"userId": "bob", "actorId": by}),
        );
        let member = Member {
            user: bob(),
            role: Role::Admin,
        };
        check(
            Body::Created {
                kind: Kind::Group,
                name: None,
                description: None,
                avatar_url: None,
                open: false,
                members: vec![member],
            },
            EventType::ConversationCreated,
            json!({"kind": "group", "open": false, "members": [{"userId": "bob", "role": "admin"}], "actorId": by}),
        );
        let profile = Profile {
            name: Some("tea".into()),
            description: None,
            avatar_url: None,
            open: true,
        };
        check(
            Body::Updated(Box::new(profile)),
            EventType::ConversationUpdated,
            json!({"name": "tea", "open": true, "actorId": by}),
        );
        check(
            Body::Dissolved {},
            EventType::ConversationDeleted,
            json!({"actorId": by}),
        );
        check(
            Body::Invited {
                invite: invite(),
                expires_at: None,
                max_uses: Some(2),
            },
            EventType::InviteCreated,
            json!({"inviteId": invite(), "maxUses": 2, "actorId": by}),
        );
        check(
            Body::Revoked { invite: invite() },
            EventType::InviteRevoked,
            json!({"inviteId": invite(), "actorId": by}),
        );
        assert_eq!(event(&entry(Body::Void {}), &[]), None);
    }

    #[test]
    fn the_guide_lists_every_event() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        for kind in EventType::ALL {
            let row = format!("| `{}` |", kind.as_str());
            assert!(
                guide.contains(&row),
                "docs/events.md has no row for {}",
                kind.as_str()
            );
        }
    }
}
