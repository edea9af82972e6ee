//! Values of every wire type, within the protocol's bounds.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use starling_protocol::{
    Accept, AddContact, AddMembers, AskMyStats, AskPresences, AskStats, AskStatus, Auth, Availability,
    BlockedUsers, Body, ClientFrame, ClientId, Command, Contact, Contacts, Content, ConversationId,
    ConversationState, ConversationStats, ConversationSummary, Conversations, Create, DayStats,
    DeleteMessage, Delivered, DeliveryStatus, Dissolve, EditMessage, EndSession, Entry, EntryStatus, Error,
    ErrorCode, Event, Hidden, Hide, History, HistoryPage, Invite, InviteId, InviteState, InviteUse, Invited,
    Invites, Join, Kind, Leave, List, ListInvites, ListPeople, ListReceipts, ListSanctions, ListSessions, Me,
    Member, MessageKind, MessageState, Moderate, Mute, MyStats, Ping, Presence, PresenceState, Presences,
    Profile, ProfileChange, React, Read, Ready, Receipt, ReceiptsChange, ReceiptsPage, RemoveMember, Reply,
    Revoke, Role, Sanctioned, Sanctions, Send, Sent, ServerFrame, SetPresence, SetRole, SignOut,
    SignedInSession, SignedInSessions, Sync, Synced, Typing, TypingChange, Update, UserId, UserProfile,
    WhichUser,
};

pub(crate) fn user() -> impl Strategy<Value = UserId> {
    "[^\\p{Cc}]{1,32}".prop_map(|id| UserId::new(id).unwrap())
}

fn client_id() -> impl Strategy<Value = ClientId> {
    "[^\\p{Cc}]{1,32}".prop_map(|id| ClientId::new(id).unwrap())
}

fn conversation() -> impl Strategy<Value = ConversationId> {
    "[A-Za-z0-9._:-]{1,128}".prop_map(|id| ConversationId::new(id).unwrap())
}

fn invite() -> impl Strategy<Value = InviteId> {
    "[a-z2-7]{32}".prop_map(|id| InviteId::new(id).unwrap())
}

fn invite_use() -> impl Strategy<Value = InviteUse> {
    (invite(), any::<u32>()).prop_map(|(id, uses)| InviteUse { id, uses })
}

fn moderate() -> impl Strategy<Value = Moderate> {
    (conversation(), user(), option::of(client_id()), any::<bool>()).prop_map(
        |(conversation, user, client_id, retry)| Moderate {
            conversation,
            user,
            client_id,
            retry,
        },
    )
}

fn which_user() -> impl Strategy<Value = WhichUser> {
    user().prop_map(|user| WhichUser { user })
}

fn list_people() -> impl Strategy<Value = ListPeople> {
    (option::of(user()), option::of(1..=200_u32)).prop_map(|(after, limit)| ListPeople { after, limit })
}

fn user_profile() -> impl Strategy<Value = UserProfile> {
    let text = || option::of(any::<String>());
    (user(), text(), text(), text(), text(), any::<bool>()).prop_map(
        |(id, name, about, avatar_url, phone, contact)| UserProfile {
            id,
            name,
            about,
            avatar_url,
            phone,
            contact,
        },
    )
}

fn contact() -> impl Strategy<Value = Contact> {
    (user_profile(), any::<i64>()).prop_map(|(user, since)| Contact { user, since })
}

fn signed_in() -> impl Strategy<Value = SignedInSession> {
    (
        any::<String>(),
        option::of(any::<String>()),
        any::<i64>(),
        any::<i64>(),
        any::<bool>(),
    )
        .prop_map(|(id, device, created_at, used_at, current)| SignedInSession {
            id,
            device,
            created_at,
            used_at,
            current,
        })
}

/// Replies about people.
fn people_reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        user_profile().prop_map(|profile| Reply::Me(Me {
            id: profile.id,
            name: profile.name,
            about: profile.about,
            avatar_url: profile.avatar_url,
            phone: profile.phone,
        })),
        user_profile().prop_map(Reply::User),
        (vec(contact(), 0..3), option::of(user()))
            .prop_map(|(contacts, next)| Reply::Contacts(Contacts { contacts, next })),
        contact().prop_map(Reply::Contact),
        (vec(user(), 0..3), option::of(user()))
            .prop_map(|(users, next)| Reply::Blocked(BlockedUsers { users, next })),
        vec(signed_in(), 0..3).prop_map(|sessions| Reply::Sessions(SignedInSessions { sessions })),
    ]
}

fn profile() -> impl Strategy<Value = Profile> {
    let text = || option::of(any::<String>());
    (text(), text(), text(), any::<bool>()).prop_map(|(name, description, avatar_url, open)| Profile {
        name,
        description,
        avatar_url,
        open,
    })
}

/// Text with at least one character that is not white space, escapes and astral planes included.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|mut text| {
        text.push('.');
        text
    })
}

fn emoji() -> impl Strategy<Value = String> {
    proptest::sample::select(&["👍", "+1", ":tada:", "👩‍🚀"][..]).prop_map(str::to_owned)
}

fn content() -> impl Strategy<Value = Content> {
    let kinds = [
        MessageKind::Text,
        MessageKind::Image,
        MessageKind::File,
        MessageKind::System,
    ];
    (
        text(),
        proptest::sample::select(kinds.to_vec()),
        option::of(any::<u64>()),
    )
        .prop_map(|(text, kind, reply_to)| Content { text, kind, reply_to })
}

fn message_state() -> impl Strategy<Value = MessageState> {
    let deleted = option::of((any::<i64>(), user()));
    let reactions = btree_map(emoji(), vec(user(), 1..3), 0..3);
    (
        any::<u64>(),
        option::of(text()),
        option::of(any::<i64>()),
        deleted,
        reactions,
    )
        .prop_map(|(changed, text, edited_at, deleted, reactions)| {
            let (deleted_at, deleted_by) = deleted.unzip();
            MessageState {
                changed,
                text,
                edited_at,
                deleted_at,
                deleted_by,
                reactions,
                alterations: 0,
            }
        })
}

fn kind() -> impl Strategy<Value = Kind> {
    let kinds = [
        Kind::Direct,
        Kind::Group,
        Kind::Class,
        Kind::Department,
        Kind::Club,
        Kind::Channel,
    ];
    proptest::sample::select(kinds.to_vec())
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Admin)]
}

fn member() -> impl Strategy<Value = Member> {
    (user(), role()).prop_map(|(user, role)| Member { user, role })
}

/// Any command with this tag. Panics for a tag it does not know, so that a new command fails the tests here.
pub(crate) fn command(tag: &str) -> BoxedStrategy<Command> {
    match tag {
        "auth" => "[!-~]{1,64}"
            .prop_map(|token| Command::Auth(Auth { token }))
            .boxed(),
        "sync" => btree_map(conversation(), any::<u64>(), 0..5)
            .prop_map(|cursors| Command::Sync(Sync { cursors }))
            .boxed(),
        "create" => (
            kind(),
            vec(user(), 0..5),
            option::of("[^\\p{Cc}\\s]{1,50}"),
            option::of("[^\\p{Cc}\\s]{1,300}\n\t"),
            option::of("https://[a-z]{1,20}/[a-z]{0,40}"),
            option::of(any::<bool>()),
            option::of(client_id()),
        )
            .prop_map(
                |(kind, members, name, description, avatar_url, open, client_id)| {
                    Command::Create(Create {
                        kind,
                        members,
                        name,
                        description,
                        avatar_url,
                        open,
                        client_id,
                    })
                },
            )
            .boxed(),
        "join" => conversation()
            .prop_map(|conversation| Command::Join(Join { conversation }))
            .boxed(),
        "leave" => conversation()
            .prop_map(|conversation| Command::Leave(Leave { conversation }))
            .boxed(),
        "add" => (conversation(), vec(user(), 1..5))
            .prop_map(|(conversation, users)| Command::Add(AddMembers { conversation, users }))
            .boxed(),
        "remove" => (conversation(), user())
            .prop_map(|(conversation, user)| Command::Remove(RemoveMember { conversation, user }))
            .boxed(),
        "accept" => "[a-z.]{1,256}"
            .prop_map(|token| Command::Accept(Accept { token }))
            .boxed(),
        "role" => (
            conversation(),
            user(),
            role(),
            option::of(client_id()),
            any::<bool>(),
        )
            .prop_map(|(conversation, user, role, client_id, retry)| {
                Command::Role(SetRole {
                    conversation,
                    user,
                    role,
                    client_id,
                    retry,
                })
            })
            .boxed(),
        "ban" => moderate().prop_map(Command::Ban).boxed(),
        "unban" => moderate().prop_map(Command::Unban).boxed(),
        "unmute" => moderate().prop_map(Command::Unmute).boxed(),
        "mute" => (moderate(), option::of(1..=i64::MAX))
            .prop_map(|(moderate, until)| {
                Command::Mute(Mute {
                    conversation: moderate.conversation,
                    user: moderate.user,
                    until,
                    client_id: moderate.client_id,
                    retry: moderate.retry,
                })
            })
            .boxed(),
        "sanctions" => (conversation(), option::of(user()), option::of(1..=200_u32))
            .prop_map(|(conversation, after, limit)| {
                Command::Sanctions(ListSanctions {
                    conversation,
                    after,
                    limit,
                })
            })
            .boxed(),
        "update" => (
            conversation(),
            option::of("[^\\p{Cc}\\s]{1,200}|"),
            option::of("[^\\p{Cc}\\s]{1,300}\n\t|"),
            option::of("https://[a-z]{1,20}/[a-z]{0,40}|"),
            any::<bool>(),
            option::of(client_id()),
            any::<bool>(),
        )
            .prop_map(
                |(conversation, name, description, avatar_url, open, client_id, retry)| {
                    Command::Update(Update {
                        conversation,
                        name,
                        description,
                        avatar_url,
                        open: Some(open),
                        client_id,
                        retry,
                    })
                },
            )
            .boxed(),
        "invite" => (
            conversation(),
            option::of(1..=i64::MAX),
            option::of(1..=u32::MAX),
            option::of(client_id()),
            any::<bool>(),
        )
            .prop_map(|(conversation, expires_at, max_uses, client_id, retry)| {
                Command::Invite(Invite {
                    conversation,
                    expires_at,
                    max_uses,
                    client_id,
                    retry,
                })
            })
            .boxed(),
        "invites" => conversation()
            .prop_map(|conversation| Command::Invites(ListInvites { conversation }))
            .boxed(),
        "revoke" => (conversation(), invite())
            .prop_map(|(conversation, invite)| Command::Revoke(Revoke { conversation, invite }))
            .boxed(),
        "send" => (
            conversation(),
            client_id(),
            content(),
            option::of(any::<u64>()),
            any::<bool>(),
            option::of(user()),
        )
            .prop_map(|(conversation, client_id, content, lamport, retry, sender)| {
                let Content { text, kind, reply_to } = content;
                Command::Send(Send {
                    conversation,
                    client_id,
                    text,
                    kind,
                    reply_to,
                    lamport,
                    retry,
                    sender,
                })
            })
            .boxed(),
        "edit" => (
            conversation(),
            any::<u64>(),
            text(),
            option::of(client_id()),
            any::<bool>(),
        )
            .prop_map(|(conversation, seq, text, client_id, retry)| {
                Command::Edit(EditMessage {
                    conversation,
                    seq,
                    text,
                    client_id,
                    retry,
                })
            })
            .boxed(),
        "delete" => (
            conversation(),
            any::<u64>(),
            option::of(client_id()),
            any::<bool>(),
        )
            .prop_map(|(conversation, seq, client_id, retry)| {
                Command::Delete(DeleteMessage {
                    conversation,
                    seq,
                    client_id,
                    retry,
                })
            })
            .boxed(),
        "react" => (
            (conversation(), any::<u64>(), emoji()),
            any::<bool>(),
            option::of(client_id()),
            any::<bool>(),
        )
            .prop_map(|((conversation, seq, emoji), removed, client_id, retry)| {
                Command::React(React {
                    conversation,
                    seq,
                    emoji,
                    removed,
                    client_id,
                    retry,
                })
            })
            .boxed(),
        "hide" => conversation()
            .prop_map(|conversation| Command::Hide(Hide { conversation }))
            .boxed(),
        "dissolve" => conversation()
            .prop_map(|conversation| Command::Dissolve(Dissolve { conversation }))
            .boxed(),
        "stats" => (conversation(), option::of(1..=366_u32))
            .prop_map(|(conversation, days)| Command::Stats(AskStats { conversation, days }))
            .boxed(),
        "my_stats" => option::of(1..=366_u32)
            .prop_map(|days| Command::MyStats(AskMyStats { days }))
            .boxed(),
        "history" => (
            conversation(),
            option::of((0..3_u8, 1..=u64::MAX)),
            any::<bool>(),
            option::of(1..=200_u32),
        )
            .prop_map(|(conversation, cursor, messages, limit)| {
                let cursor = |which| cursor.filter(|(kind, _)| *kind == which).map(|(_, seq)| seq);
                Command::History(History {
                    conversation,
                    before: cursor(0),
                    after: cursor(1),
                    around: cursor(2),
                    messages,
                    limit,
                })
            })
            .boxed(),
        "delivered" => (conversation(), any::<u64>())
            .prop_map(|(conversation, seq)| Command::Delivered(Delivered { conversation, seq }))
            .boxed(),
        "read" => (conversation(), any::<u64>())
            .prop_map(|(conversation, seq)| Command::Read(Read { conversation, seq }))
            .boxed(),
        "receipts" => (conversation(), option::of(user()), option::of(1..=200_u32))
            .prop_map(|(conversation, after, limit)| {
                Command::Receipts(ListReceipts {
                    conversation,
                    after,
                    limit,
                })
            })
            .boxed(),
        "status" => (conversation(), 1..=u64::MAX)
            .prop_map(|(conversation, seq)| Command::Status(AskStatus { conversation, seq }))
            .boxed(),
        "typing" => (conversation(), any::<bool>())
            .prop_map(|(conversation, typing)| Command::Typing(Typing { conversation, typing }))
            .boxed(),
        "presence" => (availability(), option::of("[^\\p{Cc}\\s]{1,140}|"))
            .prop_map(|(state, text)| {
                Command::Presence(SetPresence {
                    state: Some(state),
                    text,
                })
            })
            .boxed(),
        "presences" => vec(user(), 1..5)
            .prop_map(|users| Command::Presences(AskPresences { users }))
            .boxed(),
        "list" => (option::of(conversation()), option::of(1..=200_u32))
            .prop_map(|(after, limit)| Command::List(List { after, limit }))
            .boxed(),
        "me" => (
            option::of("[^\\p{Cc}\\s]{1,100}"),
            option::of("[^\\p{Cc}]{0,500}"),
            option::of("https://[a-z]{1,20}/[a-z]{0,40}|"),
        )
            .prop_map(|(name, about, avatar_url)| {
                Command::Me(ProfileChange {
                    name,
                    about,
                    avatar_url,
                })
            })
            .boxed(),
        "user" => which_user().prop_map(Command::User).boxed(),
        "contacts" => list_people().prop_map(Command::Contacts).boxed(),
        "add_contact" => prop_oneof![
            "\\+[0-9 ]{2,31}".prop_map(|phone| (Some(phone), None)),
            user().prop_map(|user| (None, Some(user))),
        ]
        .prop_map(|(phone, user)| Command::AddContact(AddContact { phone, user }))
        .boxed(),
        "remove_contact" => which_user().prop_map(Command::RemoveContact).boxed(),
        "blocked" => list_people().prop_map(Command::Blocked).boxed(),
        "block" => which_user().prop_map(Command::Block).boxed(),
        "unblock" => which_user().prop_map(Command::Unblock).boxed(),
        "sessions" => Just(Command::Sessions(ListSessions {})).boxed(),
        "end_session" => "[0-9a-f]{32}"
            .prop_map(|session| Command::EndSession(EndSession { session }))
            .boxed(),
        "sign_out" => any::<bool>()
            .prop_map(|everywhere| Command::SignOut(SignOut { everywhere }))
            .boxed(),
        "ping" => Just(Command::Ping(Ping {})).boxed(),
        other => panic!("no strategy for the command {other:?}: add one"),
    }
}

pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let commands = Command::NAMES.iter().map(|tag| command(tag)).collect::<Vec<_>>();
    (any::<u64>(), proptest::strategy::Union::new(commands))
        .prop_map(|(id, command)| ClientFrame { id, command })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (kind(), profile(), vec(member(), 0..5)).prop_map(|(kind, profile, members)| Body::Created {
            kind,
            name: profile.name,
            description: profile.description,
            avatar_url: profile.avatar_url,
            open: profile.open,
            members
        }),
        content().prop_map(Body::Message),
        (any::<u64>(), text()).prop_map(|(target, text)| Body::Edited { target, text }),
        any::<u64>().prop_map(|target| Body::Deleted { target }),
        (any::<u64>(), emoji(), any::<bool>()).prop_map(|(target, emoji, removed)| Body::Reacted {
            target,
            emoji,
            removed
        }),
        (vec(user(), 0..5), role(), option::of(invite_use()))
            .prop_map(|(users, role, invite)| { Body::Joined { users, role, invite } }),
        user().prop_map(|user| Body::Left { user }),
        Just(Body::Dissolved {}),
        (user(), role()).prop_map(|(user, role)| Body::RoleChanged { user, role }),
        (user(), any::<bool>()).prop_map(|(user, removed)| Body::Banned { user, removed }),
        user().prop_map(|user| Body::Unbanned { user }),
        (user(), option::of(any::<i64>())).prop_map(|(user, until)| Body::Muted { user, until }),
        user().prop_map(|user| Body::Unmuted { user }),
        profile().prop_map(|profile| Body::Updated(Box::new(profile))),
        (invite(), option::of(any::<i64>()), option::of(any::<u32>())).prop_map(
            |(invite, expires_at, max_uses)| Body::Invited {
                invite,
                expires_at,
                max_uses
            }
        ),
        invite().prop_map(|invite| Body::Revoked { invite }),
        Just(Body::Void {}),
    ]
}

fn entry() -> impl Strategy<Value = Arc<Entry>> {
    let marks = (
        any::<u64>(),
        any::<u64>(),
        any::<i64>(),
        any::<u64>(),
        any::<u64>(),
    );
    (
        conversation(),
        option::of(user()),
        option::of(client_id()),
        marks,
        body(),
        option::of(message_state()),
    )
        .prop_map(
            |(conversation, sender, client_id, (seq, lamport, at, messages, membership), body, state)| {
                Arc::new(Entry {
                    conversation,
                    seq,
                    sender,
                    client_id,
                    lamport,
                    at,
                    messages,
                    membership,
                    body,
                    state,
                })
            },
        )
}

fn summary() -> impl Strategy<Value = ConversationSummary> {
    let marks = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    (
        conversation(),
        kind(),
        profile(),
        role(),
        marks,
        option::of(entry()),
    )
        .prop_map(
            |(id, kind, profile, role, (head, delivered, read, unread), last)| ConversationSummary {
                id,
                kind,
                name: profile.name,
                description: profile.description,
                avatar_url: profile.avatar_url,
                open: profile.open,
                role,
                head,
                delivered,
                read,
                unread,
                hidden: head % 2 == 1,
                last,
            },
        )
}

fn error() -> impl Strategy<Value = Error> {
    (
        proptest::sample::select(ErrorCode::ALL),
        any::<String>(),
        option::of(any::<u64>()),
    )
        .prop_map(|(code, message, retry_after_ms)| Error {
            code,
            message,
            retry_after_ms,
        })
}

fn availability() -> impl Strategy<Value = Availability> {
    prop_oneof![Just(Availability::Online), Just(Availability::Away)]
}

fn presence() -> impl Strategy<Value = Presence> {
    let state = prop_oneof![
        Just(PresenceState::Online),
        Just(PresenceState::Away),
        Just(PresenceState::Offline)
    ];
    (
        user(),
        state,
        option::of(any::<String>()),
        option::of(any::<i64>()),
    )
        .prop_map(|(user, state, text, last_seen)| Presence {
            user,
            state,
            text,
            last_seen,
        })
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let role = proptest::option::of(role());
    (user(), any::<u64>(), any::<u64>(), role).prop_map(|(user, delivered, read, role)| Receipt {
        user,
        delivered,
        read,
        role,
    })
}

fn status() -> impl Strategy<Value = EntryStatus> {
    let status = prop_oneof![
        Just(DeliveryStatus::Pending),
        Just(DeliveryStatus::Delivered),
        Just(DeliveryStatus::Read)
    ];
    let users = || vec(user(), 0..3);
    (conversation(), any::<u64>(), status, users(), users(), users()).prop_map(
        |(conversation, seq, status, pending, delivered, read)| EntryStatus {
            conversation,
            seq,
            status,
            pending,
            delivered,
            read,
        },
    )
}

fn invited() -> impl Strategy<Value = Invited> {
    (
        invite(),
        option::of("[a-z.]{1,99}"),
        conversation(),
        any::<u64>(),
        any::<i64>(),
    )
        .prop_map(|(invite, token, conversation, seq, at)| Invited {
            invite,
            token,
            sent: Sent {
                conversation,
                seq,
                lamport: seq,
                at,
                client_id: None,
            },
        })
}

fn invite_state() -> impl Strategy<Value = InviteState> {
    let bounds = (option::of(any::<i64>()), option::of(any::<u32>()), any::<u32>());
    (invite(), user(), any::<i64>(), bounds).prop_map(|(invite, by, at, (expires_at, max_uses, uses))| {
        InviteState {
            invite,
            by,
            at,
            expires_at,
            max_uses,
            uses,
        }
    })
}

fn sanctioned() -> impl Strategy<Value = Sanctioned> {
    (user(), any::<bool>(), any::<bool>(), option::of(any::<i64>())).prop_map(
        |(user, banned, muted, muted_until)| Sanctioned {
            user,
            banned,
            muted,
            muted_until,
        },
    )
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (
            conversation(),
            any::<u64>(),
            any::<u64>(),
            any::<i64>(),
            option::of(client_id())
        )
            .prop_map(|(conversation, seq, lamport, at, client_id)| {
                Reply::Sent(Sent {
                    conversation,
                    seq,
                    lamport,
                    at,
                    client_id,
                })
            }),
        summary().prop_map(Reply::Conversation),
        (any::<u64>(), btree_map(conversation(), error(), 0..3)).prop_map(|(conversations, refused)| {
            Reply::Synced(Synced {
                conversations,
                refused,
            })
        }),
        (vec(entry(), 0..4), any::<bool>())
            .prop_map(|(entries, more)| Reply::History(HistoryPage { entries, more })),
        (vec(summary(), 0..3), option::of(conversation()))
            .prop_map(|(conversations, next)| Reply::Conversations(Conversations { conversations, next })),
        (vec(receipt(), 0..4), option::of(user()))
            .prop_map(|(members, next)| Reply::Receipts(ReceiptsPage { members, next })),
        status().prop_map(Reply::Status),
        (
            conversation(),
            (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()),
            vec((any::<i64>(), any::<u64>()), 0..4),
        )
            .prop_map(|(conversation, (messages, members, counted, senders), days)| {
                let days = days.into_iter().map(|(day, messages)| DayStats { day, messages });
                Reply::Stats(ConversationStats {
                    conversation,
                    messages,
                    members,
                    counted,
                    senders,
                    days: days.collect(),
                })
            }),
        invited().prop_map(Reply::Invited),
        vec(invite_state(), 0..3).prop_map(|invites| Reply::Invites(Invites { invites })),
        (vec(sanctioned(), 0..3), option::of(user()))
            .prop_map(|(users, next)| Reply::Sanctions(Sanctions { users, next })),
        vec(presence(), 0..4).prop_map(|presences| Reply::Presences(Presences { presences })),
        people_reply(),
        (
            (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()),
            vec((any::<i64>(), any::<u64>()), 0..4),
        )
            .prop_map(|((conversations, messages, unread, sent), days)| {
                let days = days.into_iter().map(|(day, messages)| DayStats { day, messages });
                Reply::MyStats(MyStats {
                    conversations,
                    messages,
                    unread,
                    sent,
                    days: days.collect(),
                })
            }),
        Just(Reply::Done {}),
        any::<i64>().prop_map(|at| Reply::Pong { at }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (user(), any::<String>(), any::<String>(), any::<u64>()).prop_map(
            |(user, node, connection, heartbeat_ms)| {
                Event::Ready(Ready {
                    user,
                    node,
                    connection,
                    heartbeat_ms,
                })
            }
        ),
        (any::<u64>(), summary()).prop_map(|(cursor, conversation)| {
            Event::Conversation(ConversationState { cursor, conversation })
        }),
        entry().prop_map(Event::Entry),
        (conversation(), user(), any::<bool>()).prop_map(|(conversation, user, typing)| {
            Event::Typing(TypingChange {
                conversation,
                user,
                typing,
            })
        }),
        presence().prop_map(Event::Presence),
        (conversation(), any::<u64>(), any::<u64>(), vec(receipt(), 0..4)).prop_map(
            |(conversation, delivered, read, members)| {
                Event::Receipts(ReceiptsChange {
                    conversation,
                    delivered,
                    read,
                    members,
                })
            }
        ),
        (conversation(), any::<u64>()).prop_map(|(conversation, messages)| Event::Hidden(Hidden {
            conversation,
            messages
        })),
        error().prop_map(Event::Error),
    ]
}

pub(crate) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        (any::<u64>(), reply()).prop_map(|(id, reply)| ServerFrame::Reply {
            id,
            result: Ok(reply)
        }),
        (any::<u64>(), error()).prop_map(|(id, error)| ServerFrame::Reply {
            id,
            result: Err(error)
        }),
        event().prop_map(ServerFrame::Event),
    ]
}
