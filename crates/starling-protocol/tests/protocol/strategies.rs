//! Values of every wire type, within the protocol's bounds.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use starling_protocol::{
    AddMembers, AskPresences, AskStatus, Auth, Availability, Body, ClientFrame, ClientId, Command, Content,
    ConversationId, ConversationState, ConversationSummary, Conversations, Create, DeleteMessage, Delivered,
    DeliveryStatus, EditMessage, Entry, EntryStatus, Error, ErrorCode, Event, History, HistoryPage, Join,
    Kind, Leave, List, ListReceipts, Member, MessageKind, MessageState, Ping, Presence, PresenceState,
    Presences, React, Read, Ready, Receipt, ReceiptsChange, ReceiptsPage, RemoveMember, Reply, Role, Send,
    Sent, ServerFrame, SetPresence, Sync, Synced, Typing, TypingChange, UserId,
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
    prop_oneof![Just(Kind::Direct), Just(Kind::Group)]
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
            any::<bool>(),
            option::of(client_id()),
        )
            .prop_map(|(kind, members, name, open, client_id)| {
                Command::Create(Create {
                    kind,
                    members,
                    name,
                    open,
                    client_id,
                })
            })
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
        "history" => (
            conversation(),
            option::of(any::<u64>()),
            option::of(any::<u64>()),
            option::of(1..=200_u32),
        )
            .prop_map(|(conversation, before, after, limit)| {
                Command::History(History {
                    conversation,
                    before,
                    after,
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
        (
            kind(),
            option::of(any::<String>()),
            any::<bool>(),
            vec(member(), 0..5)
        )
            .prop_map(|(kind, name, open, members)| Body::Created {
                kind,
                name,
                open,
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
        (vec(user(), 0..5), role()).prop_map(|(users, role)| Body::Joined { users, role }),
        user().prop_map(|user| Body::Left { user }),
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
        option::of(any::<String>()),
        any::<bool>(),
        role(),
        marks,
        option::of(entry()),
    )
        .prop_map(
            |(id, kind, name, open, role, (head, delivered, read, unread), last)| ConversationSummary {
                id,
                kind,
                name,
                open,
                role,
                head,
                delivered,
                read,
                unread,
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
    (user(), any::<u64>(), any::<u64>()).prop_map(|(user, delivered, read)| Receipt {
        user,
        delivered,
        read,
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
        vec(presence(), 0..4).prop_map(|presences| Reply::Presences(Presences { presences })),
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
