//! The document's examples: real values of the real types, so that they are always valid.

use std::sync::Arc;

use starling_protocol::{
    Accept, BlockedUsers, Body, ClientId, ClusterStats, CodeSent, Contact, Contacts, Content, ConversationId,
    ConversationStats, ConversationSummary, Conversations, Create, DayStats, DeliveryStatus, Entry,
    EntryStatus, HistoryPage, InviteId, InviteState, Invited, Invites, Kind, Me, Member, MessagesPage,
    MyStats, Presence, PresenceState, Presences, Receipt, ReceiptsPage, Role, Sanctioned, Sanctions, Sent,
    SignedInSession, SignedInSessions, Tokens, UserId, UserProfile,
};

use crate::conversations::ConversationDetails;
use crate::probes::{
    Dependency, HealthReport, HealthStatus, ReadinessReport, ReadyStatus, RedisReport, RedisStatus,
};

const AT: i64 = 1_767_225_600_000;
const SESSION: &str = "0198c8a4b3f07d0e9a4f6f1d2c3b4a5a";

pub(crate) fn create() -> Create {
    Create {
        name: Some("Camp fire".into()),
        description: Some("What is said at night.".into()),
        client_id: client_id("camp-fire-1"),
        ..Create::of(Kind::Group, users(&["bob"]))
    }
}

pub(crate) fn sent() -> Option<Sent> {
    Some(Sent {
        conversation: conversation()?,
        seq: 2,
        lamport: 2,
        at: AT,
        client_id: client_id("5f0c9e0a"),
    })
}

pub(crate) fn change() -> Option<Sent> {
    Some(Sent {
        conversation: conversation()?,
        seq: 3,
        lamport: 3,
        at: AT,
        client_id: None,
    })
}

pub(crate) fn summary() -> Option<ConversationSummary> {
    Some(ConversationSummary {
        id: conversation()?,
        kind: Kind::Group,
        name: Some("Camp fire".into()),
        description: Some("What is said at night.".into()),
        avatar_url: None,
        open: false,
        role: Role::Admin,
        head: 2,
        delivered: 1,
        read: 1,
        unread: 1,
        hidden: false,
        last: Some(Arc::new(message()?)),
    })
}

pub(crate) fn messages() -> Option<MessagesPage> {
    Some(MessagesPage {
        messages: vec![Arc::new(message()?)],
        as_of: 1,
        more: false,
    })
}

pub(crate) fn stats() -> Option<ConversationStats> {
    Some(ConversationStats {
        conversation: conversation()?,
        messages: 1,
        members: 2,
        counted: 1,
        senders: 1,
        days: vec![DayStats { day: AT, messages: 1 }],
    })
}

pub(crate) fn my_stats() -> MyStats {
    MyStats {
        conversations: 3,
        messages: 40,
        unread: 2,
        sent: 1,
        days: vec![DayStats { day: AT, messages: 1 }],
    }
}

pub(crate) fn cluster_stats() -> ClusterStats {
    ClusterStats {
        conversations: 12,
        messages: 1_000,
        users: 30,
        counted: 1_000,
        senders: 25,
        days: vec![DayStats {
            day: AT,
            messages: 1_000,
        }],
    }
}

pub(crate) fn details() -> Option<ConversationDetails> {
    Some(ConversationDetails {
        conversation: summary()?,
        members: members(),
    })
}

pub(crate) fn conversations() -> Option<Conversations> {
    Some(Conversations {
        conversations: vec![summary()?],
        next: None,
    })
}

pub(crate) fn history() -> Option<HistoryPage> {
    let created = Entry {
        seq: 1,
        client_id: None,
        lamport: 1,
        messages: 0,
        body: Body::Created {
            kind: Kind::Group,
            name: Some("Camp fire".into()),
            description: None,
            avatar_url: None,
            open: false,
            members: members(),
        },
        ..message()?
    };
    Some(HistoryPage {
        entries: vec![Arc::new(created), Arc::new(message()?)],
        more: false,
    })
}

pub(crate) fn invited() -> Option<Invited> {
    Some(Invited {
        invite: invite_id()?,
        token: Some(accept().token),
        sent: change()?,
    })
}

pub(crate) fn invites() -> Option<Invites> {
    Some(Invites {
        invites: vec![InviteState {
            invite: invite_id()?,
            by: users(&["alice"]).pop()?,
            at: AT,
            expires_at: None,
            max_uses: Some(10),
            uses: 1,
        }],
    })
}

pub(crate) fn accept() -> Accept {
    let secret = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydcmrtgq2q";
    Accept {
        token: format!("0198c8a4b3f07d0e9a4f6f1d2c3b4a59.{secret}"),
    }
}

pub(crate) fn sanctions() -> Sanctions {
    let sanctioned = users(&["bob", "mallory"]).into_iter().zip([false, true]);
    Sanctions {
        users: sanctioned
            .map(|(user, banned)| Sanctioned {
                user,
                banned,
                muted: !banned,
                muted_until: (!banned).then_some(AT),
            })
            .collect(),
        next: None,
    }
}

pub(crate) fn receipts() -> ReceiptsPage {
    let members = users(&["alice", "bob"])
        .into_iter()
        .zip([(4, 4, Role::Admin), (3, 2, Role::Member)])
        .map(|(user, (delivered, read, role))| Receipt {
            user,
            delivered,
            read,
            role: Some(role),
        })
        .collect();
    ReceiptsPage { members, next: None }
}

pub(crate) fn status() -> Option<EntryStatus> {
    Some(EntryStatus {
        conversation: conversation()?,
        seq: 2,
        status: DeliveryStatus::Delivered,
        pending: vec![],
        delivered: users(&["carol"]),
        read: users(&["bob"]),
    })
}

pub(crate) fn presences() -> Presences {
    let states = [(PresenceState::Online, None), (PresenceState::Offline, Some(AT))];
    let presences = users(&["bob", "carol"]).into_iter().zip(states);
    Presences {
        presences: presences
            .map(|(user, (state, last_seen))| Presence {
                text: last_seen.map(|_| "Back on Monday".into()),
                user,
                state,
                last_seen,
            })
            .collect(),
    }
}

pub(crate) const PHONE: &str = "+4915123456789";

pub(crate) fn code_sent() -> CodeSent {
    CodeSent {
        expires_in: 300,
        code: None,
    }
}

pub(crate) fn tokens() -> Option<Tokens> {
    Some(Tokens {
        user: users(&["u-0198c8a4b3f07d0e9a4f6f1d2c3b4a59"]).pop()?,
        session: SESSION.into(),
        access_token: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl".into(),
        expires_in: 900,
        refresh_token: format!("{SESSION}.{}", "Zm9v".repeat(16)),
        refresh_expires_in: 2_592_000,
        new_user: true,
    })
}

pub(crate) fn sessions() -> SignedInSessions {
    SignedInSessions {
        sessions: vec![SignedInSession {
            id: SESSION.into(),
            device: Some("Alice's phone".into()),
            created_at: AT,
            used_at: AT,
            current: true,
        }],
    }
}

pub(crate) fn me() -> Option<Me> {
    Some(Me {
        id: users(&["alice"]).pop()?,
        name: Some("Alice".into()),
        about: Some("At the camp fire.".into()),
        avatar_url: Some("https://pictures.example.org/alice.png".into()),
        phone: Some(PHONE.into()),
    })
}

pub(crate) fn user() -> Option<UserProfile> {
    Some(UserProfile {
        id: users(&["bob"]).pop()?,
        name: Some("Bob".into()),
        about: None,
        avatar_url: None,
        phone: Some(PHONE.into()),
        contact: true,
    })
}

pub(crate) fn contact() -> Option<Contact> {
    Some(Contact {
        user: user()?,
        since: AT,
    })
}

pub(crate) fn contacts() -> Option<Contacts> {
    Some(Contacts {
        contacts: vec![contact()?],
        next: None,
    })
}

pub(crate) fn blocked() -> BlockedUsers {
    BlockedUsers {
        users: users(&["mallory"]),
        next: None,
    }
}

pub(crate) fn healthy() -> HealthReport {
    let up = || Dependency::from(Ok(()));
    HealthReport {
        service: "starling".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        node: "node1".into(),
        status: HealthStatus::Ok,
        redis: up(),
        mongodb: up(),
        echo: up(),
    }
}

pub(crate) fn degraded() -> HealthReport {
    let mongodb = Dependency::from(Err("mongodb is unavailable: no primary".to_owned()));
    HealthReport {
        status: HealthStatus::Degraded,
        mongodb,
        ..healthy()
    }
}

pub(crate) fn redis_connected() -> RedisReport {
    RedisReport {
        success: true,
        status: RedisStatus::Connected,
        reason: None,
        node: "node-1".into(),
    }
}

pub(crate) fn redis_disconnected() -> RedisReport {
    RedisReport {
        success: false,
        status: RedisStatus::Disconnected,
        reason: Some("redis is unavailable: connection refused".into()),
        ..redis_connected()
    }
}

pub(crate) fn draining() -> ReadinessReport {
    ReadinessReport {
        status: ReadyStatus::Draining,
        reasons: vec!["draining".into()],
    }
}

pub(crate) fn not_ready() -> ReadinessReport {
    ReadinessReport {
        status: ReadyStatus::NotReady,
        reasons: vec!["mongodb: mongodb is unavailable: no primary".into()],
    }
}

fn message() -> Option<Entry> {
    Some(Entry {
        conversation: conversation()?,
        seq: 2,
        sender: users(&["alice"]).pop(),
        client_id: client_id("5f0c9e0a"),
        lamport: 2,
        at: AT,
        messages: 1,
        membership: 1,
        body: Body::Message(Content::text("Hello!")),
        state: None,
    })
}

fn members() -> Vec<Member> {
    let roles = [Role::Admin, Role::Member];
    users(&["alice", "bob"])
        .into_iter()
        .zip(roles)
        .map(|(user, role)| Member { user, role })
        .collect()
}

fn conversation() -> Option<ConversationId> {
    ConversationId::new("0198c8a4b3f07d0e9a4f6f1d2c3b4a59").ok()
}

fn invite_id() -> Option<InviteId> {
    InviteId::new("mfrggzdfmztwq2lknnwg23tpobyxe43u").ok()
}

fn client_id(id: &str) -> Option<ClientId> {
    ClientId::new(id).ok()
}

fn users(names: &[&str]) -> Vec<UserId> {
    names.iter().filter_map(|name| UserId::new(name).ok()).collect()
}
