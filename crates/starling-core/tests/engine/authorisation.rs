//! Who may do what: every command that names a conversation, by every role, in open and closed conversations.

use starling_core::Engine;
use starling_protocol::{
    Accept, AddMembers, AskStats, AskStatus, Body, ClientId, Command, ConversationId, Create, DeleteMessage,
    Delivered, Dissolve, EditMessage, ErrorCode, Hide, History, Invite, InviteId, Join, Kind, Leave,
    ListInvites, ListReceipts, ListSanctions, MessageKind, Moderate, Mute, React, Read, RemoveMember, Reply,
    Revoke, Role, Send, Seq, SetRole, Typing, Update,
};

use crate::cluster::{Cluster, user};

/// In the order of the columns.
const ACTORS: [&str; 6] = ["stranger", "banned", "muted", "member", "moderator", "admin"];

/// What a command answers with: `None` is success.
type Expected = Option<ErrorCode>;

const OK: Expected = None;
const NO: Expected = Some(ErrorCode::Forbidden);
const OUT: Expected = Some(ErrorCode::NotAMember);
const BAN: Expected = Some(ErrorCode::Banned);
const MUT: Expected = Some(ErrorCode::Muted);
const SHUT: Expected = Some(ErrorCode::NotOpen);
const WHO: Expected = Some(ErrorCode::UnknownUser);

/// What all members may, all but muted ones, moderators and admins, and admins alone.
const MEMBERS: [Expected; 6] = [OUT, OUT, OK, OK, OK, OK];
const SPEAKERS: [Expected; 6] = [OUT, OUT, MUT, OK, OK, OK];
const MODERATORS: [Expected; 6] = [OUT, OUT, NO, NO, OK, OK];
const ADMINS: [Expected; 6] = [OUT, OUT, NO, NO, NO, OK];
const NOBODY: [Expected; 6] = [OUT, OUT, NO, NO, NO, NO];

/// Commands that name no conversation are everyone's; `auth` and `sync` belong to connections. Those about people are
/// about the user himself: `persons.rs` has their table.
const OF_NO_CONVERSATION: [&str; 19] = [
    "auth",
    "sync",
    "create",
    "my_stats",
    "list",
    "presence",
    "presences",
    "ping",
    "me",
    "user",
    "contacts",
    "add_contact",
    "remove_contact",
    "blocked",
    "block",
    "unblock",
    "sessions",
    "end_session",
    "sign_out",
];

/// One conversation with someone of each kind in it.
struct Scene {
    id: ConversationId,
    /// The actor's own message, or another's where he has none.
    own: Seq,
    others: Seq,
    token: String,
    invite: InviteId,
}

/// A line of the table: what is asked, and what each actor is answered.
type Line = (&'static str, fn(&Scene) -> Command, [Expected; 6]);

fn moderate(scene: &Scene, whom: &str) -> Moderate {
    Moderate {
        conversation: scene.id.clone(),
        user: user(whom),
        client_id: None,
        retry: false,
    }
}

fn ban(scene: &Scene, whom: &str) -> Command {
    Command::Ban(moderate(scene, whom))
}

fn mute(scene: &Scene, whom: &str) -> Command {
    Command::Mute(Mute {
        conversation: scene.id.clone(),
        user: user(whom),
        until: None,
        client_id: None,
        retry: false,
    })
}

fn remove(scene: &Scene, whom: &str) -> Command {
    Command::Remove(RemoveMember {
        conversation: scene.id.clone(),
        user: user(whom),
    })
}

fn add(scene: &Scene, whom: &str) -> Command {
    Command::Add(AddMembers {
        conversation: scene.id.clone(),
        users: vec![user(whom)],
    })
}

fn set_role(id: &ConversationId, whom: &str, role: Role) -> Command {
    Command::Role(SetRole {
        conversation: id.clone(),
        user: user(whom),
        role,
        client_id: None,
        retry: false,
    })
}

fn send(id: &ConversationId, kind: MessageKind) -> Command {
    let client_id = ClientId::new("key").unwrap();
    Command::Send(Send {
        kind,
        ..Send::text(id.clone(), client_id, "text")
    })
}

fn edit(scene: &Scene, seq: Seq) -> Command {
    Command::Edit(EditMessage {
        conversation: scene.id.clone(),
        seq,
        text: "other text".into(),
        client_id: None,
        retry: false,
    })
}

fn delete(scene: &Scene, seq: Seq) -> Command {
    Command::Delete(DeleteMessage {
        conversation: scene.id.clone(),
        seq,
        client_id: None,
        retry: false,
    })
}

/// The table, for a conversation that is open or is not.
fn table(open: bool) -> Vec<Line> {
    let joins = if open { OK } else { SHUT };
    vec![
        ("send", |s| send(&s.id, MessageKind::Text), SPEAKERS),
        (
            "send a notice",
            |s| send(&s.id, MessageKind::System),
            [OUT, OUT, MUT, NO, OK, OK],
        ),
        ("edit one's own", |s| edit(s, s.own), SPEAKERS),
        (
            "edit another's",
            |s| edit(s, s.others),
            [OUT, OUT, MUT, NO, NO, NO],
        ),
        ("delete one's own", |s| delete(s, s.own), MEMBERS),
        ("delete another's", |s| delete(s, s.others), MODERATORS),
        (
            "react",
            |s| {
                Command::React(React {
                    conversation: s.id.clone(),
                    seq: s.others,
                    emoji: "+1".into(),
                    removed: false,
                    client_id: None,
                    retry: false,
                })
            },
            SPEAKERS,
        ),
        (
            "history",
            |s| Command::History(History::newest(s.id.clone())),
            // Who was a member reads up to the entry that ended it.
            [OUT, OK, OK, OK, OK, OK],
        ),
        (
            "stats",
            |s| {
                Command::Stats(AskStats {
                    conversation: s.id.clone(),
                    days: None,
                })
            },
            MEMBERS,
        ),
        (
            "hide",
            |s| {
                Command::Hide(Hide {
                    conversation: s.id.clone(),
                })
            },
            MEMBERS,
        ),
        (
            "dissolve",
            |s| {
                Command::Dissolve(Dissolve {
                    conversation: s.id.clone(),
                })
            },
            ADMINS,
        ),
        (
            "delivered",
            |s| {
                Command::Delivered(Delivered {
                    conversation: s.id.clone(),
                    seq: 1,
                })
            },
            MEMBERS,
        ),
        (
            "read",
            |s| {
                Command::Read(Read {
                    conversation: s.id.clone(),
                    seq: 1,
                })
            },
            MEMBERS,
        ),
        (
            "receipts",
            |s| {
                Command::Receipts(ListReceipts {
                    conversation: s.id.clone(),
                    after: None,
                    limit: None,
                })
            },
            MEMBERS,
        ),
        (
            "status",
            |s| {
                Command::Status(AskStatus {
                    conversation: s.id.clone(),
                    seq: s.others,
                })
            },
            MEMBERS,
        ),
        (
            "typing",
            |s| {
                Command::Typing(Typing {
                    conversation: s.id.clone(),
                    typing: true,
                })
            },
            MEMBERS,
        ),
        (
            "join",
            |s| {
                Command::Join(Join {
                    conversation: s.id.clone(),
                })
            },
            [joins, BAN, OK, OK, OK, OK],
        ),
        (
            "accept",
            |s| {
                Command::Accept(Accept {
                    token: s.token.clone(),
                })
            },
            [OK, BAN, OK, OK, OK, OK],
        ),
        (
            "leave",
            |s| {
                Command::Leave(Leave {
                    conversation: s.id.clone(),
                })
            },
            MEMBERS,
        ),
        ("add", |s| add(s, "newcomer"), MODERATORS),
        (
            "add one who is banned",
            |s| add(s, "banned"),
            [OUT, OUT, NO, NO, BAN, BAN],
        ),
        ("remove a member", |s| remove(s, "other member"), MODERATORS),
        ("remove a moderator", |s| remove(s, "other moderator"), ADMINS),
        ("remove an admin", |s| remove(s, "founder"), ADMINS),
        (
            "role",
            |s| set_role(&s.id, "other member", Role::Moderator),
            ADMINS,
        ),
        (
            "role of another admin",
            |s| set_role(&s.id, "founder", Role::Member),
            ADMINS,
        ),
        (
            "role of a stranger",
            |s| set_role(&s.id, "newcomer", Role::Admin),
            [OUT, OUT, NO, NO, NO, WHO],
        ),
        ("ban a member", |s| ban(s, "other member"), MODERATORS),
        ("ban a stranger", |s| ban(s, "newcomer"), MODERATORS),
        ("ban a moderator", |s| ban(s, "other moderator"), ADMINS),
        ("ban an admin", |s| ban(s, "founder"), NOBODY),
        ("unban", |s| Command::Unban(moderate(s, "banned")), MODERATORS),
        ("mute a member", |s| mute(s, "other member"), MODERATORS),
        (
            "mute a stranger",
            |s| mute(s, "newcomer"),
            [OUT, OUT, NO, NO, WHO, WHO],
        ),
        ("mute a moderator", |s| mute(s, "other moderator"), ADMINS),
        ("mute an admin", |s| mute(s, "founder"), NOBODY),
        ("unmute", |s| Command::Unmute(moderate(s, "muted")), MODERATORS),
        (
            "sanctions",
            |s| {
                Command::Sanctions(ListSanctions {
                    conversation: s.id.clone(),
                    after: None,
                    limit: None,
                })
            },
            MODERATORS,
        ),
        (
            "update",
            |s| {
                Command::Update(Update {
                    conversation: s.id.clone(),
                    name: Some("another".into()),
                    description: None,
                    avatar_url: None,
                    open: None,
                    client_id: None,
                    retry: false,
                })
            },
            MODERATORS,
        ),
        (
            "invite",
            |s| {
                Command::Invite(Invite {
                    conversation: s.id.clone(),
                    expires_at: None,
                    max_uses: None,
                    client_id: None,
                    retry: false,
                })
            },
            MODERATORS,
        ),
        (
            "invites",
            |s| {
                Command::Invites(ListInvites {
                    conversation: s.id.clone(),
                })
            },
            MODERATORS,
        ),
        (
            "revoke",
            |s| {
                Command::Revoke(Revoke {
                    conversation: s.id.clone(),
                    invite: s.invite.clone(),
                })
            },
            MODERATORS,
        ),
    ]
}

async fn done(node: &Engine, who: &str, command: Command) -> Reply {
    let name = command.name();
    match node.execute(&user(who), command).await {
        Ok(reply) => reply,
        Err(error) => panic!("{name} by {who}: {error}"),
    }
}

async fn stage(node: &Engine, kind: Kind, open: bool, actor: &str) -> Scene {
    let members = ["banned", "muted", "member", "moderator", "admin"];
    let create = Create {
        open: Some(open),
        ..Create::of(
            kind,
            members
                .into_iter()
                .chain(["other member", "other moderator"])
                .map(user)
                .collect(),
        )
    };
    let Reply::Conversation(summary) = done(node, "founder", Command::Create(create)).await else {
        panic!("not a conversation");
    };
    let id = summary.id;
    let seq = async |who: &str| match done(node, who, send(&id, MessageKind::Text)).await {
        Reply::Sent(sent) => sent.seq,
        other => panic!("not sent: {other:?}"),
    };
    let others = seq("founder").await;
    let own = if members.contains(&actor) {
        seq(actor).await
    } else {
        others
    };
    let invite = Invite {
        conversation: id.clone(),
        expires_at: None,
        max_uses: None,
        client_id: None,
        retry: false,
    };
    let Reply::Invited(invited) = done(node, "founder", Command::Invite(invite)).await else {
        panic!("not an invite");
    };
    let scene = Scene {
        id,
        own,
        others,
        token: invited.token.unwrap(),
        invite: invited.invite,
    };
    for (who, role) in [
        ("moderator", Role::Moderator),
        ("other moderator", Role::Moderator),
        ("admin", Role::Admin),
    ] {
        done(node, "founder", set_role(&scene.id, who, role)).await;
    }
    done(node, "founder", mute(&scene, "muted")).await;
    done(node, "founder", ban(&scene, "banned")).await;
    scene
}

/// Of each command a key of one's own, since each actor sends several of the same.
fn fresh(command: Command) -> Command {
    match command {
        Command::Send(send) => Command::Send(Send {
            client_id: ClientId::new("another key").unwrap(),
            ..send
        }),
        other => other,
    }
}

async fn check(open: bool) {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let mut wrong = Vec::new();
    for (what, command, expected) in table(open) {
        for (actor, expected) in ACTORS.into_iter().zip(expected) {
            let scene = stage(node, Kind::Club, open, actor).await;
            let head = cluster.store.head_seq(&scene.id);
            let found = node.execute(&user(actor), fresh(command(&scene))).await;
            let found = found.err().map(|error| error.code);
            if found != expected {
                wrong.push(format!("{what} by {actor}: {found:?} and not {expected:?}"));
            }
            if expected.is_some() {
                assert_eq!(cluster.store.head_seq(&scene.id), head, "{what} by {actor}");
            }
        }
    }
    assert!(wrong.is_empty(), "open: {open}\n{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn each_role_may_in_an_open_conversation_what_the_table_says() {
    check(true).await;
}

#[tokio::test(start_paused = true)]
async fn each_role_may_in_a_closed_conversation_what_the_table_says() {
    check(false).await;
}

#[tokio::test(start_paused = true)]
async fn every_command_has_its_line() {
    let cluster = Cluster::start(1).await;
    let scene = stage(&cluster.nodes[0], Kind::Group, true, "member").await;
    let mut named: Vec<_> = table(true)
        .iter()
        .map(|(_, command, _)| command(&scene).name())
        .chain(OF_NO_CONVERSATION)
        .collect();
    named.sort_unstable();
    named.dedup();
    let mut all = Command::NAMES.to_vec();
    all.sort_unstable();
    assert_eq!(named, all);
}

#[tokio::test(start_paused = true)]
async fn a_direct_conversation_is_governed_by_nobody() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let create = Create::of(Kind::Direct, vec![user("other member")]);
    let Reply::Conversation(summary) = done(node, "member", Command::Create(create)).await else {
        panic!("not a conversation");
    };
    let mut scene = stage(node, Kind::Group, true, "member").await;
    scene.id = summary.id;
    let governs = [
        "leave", "add", "remove", "role", "ban", "unban", "mute", "unmute", "update", "invite", "revoke",
    ];
    for (what, command, _) in table(true) {
        let command = command(&scene);
        if governs.contains(&command.name()) {
            let refused = node.execute(&user("member"), command).await.unwrap_err();
            assert_eq!(refused.code, ErrorCode::Forbidden, "{what}");
        }
    }
    let log = cluster.log(&scene.id);
    assert!(matches!(log[..], [ref only] if matches!(only.body, Body::Created { .. })));
}

#[tokio::test(start_paused = true)]
async fn nobody_bans_or_mutes_himself() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let scene = stage(node, Kind::Channel, true, "admin").await;
    let refused = async |who: &str, command: Command| {
        let error = node.execute(&user(who), command).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden, "{who}: {error}");
    };
    for who in ["moderator", "admin"] {
        refused(who, ban(&scene, who)).await;
        refused(who, mute(&scene, who)).await;
    }
    // A moderator who is muted does not help himself.
    done(node, "admin", mute(&scene, "moderator")).await;
    refused("moderator", Command::Unmute(moderate(&scene, "moderator"))).await;
    done(
        node,
        "other moderator",
        Command::Unmute(moderate(&scene, "moderator")),
    )
    .await;
}
