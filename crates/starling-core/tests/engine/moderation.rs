//! Roles, bans, mutes, invites: what they do to those who are connected, and what holds when nodes fail meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use starling_core::ports::{Directory, EntryLog, FOR_EVER};
use starling_protocol::{
    Accept, AddMembers, Body, ClientId, Command, ConversationId, Create, Entry, Error, ErrorCode, History,
    Invite, Invited, Join, Kind, Leave, ListInvites, ListSanctions, Moderate, Mute, Profile, RemoveMember,
    Reply, Revoke, Role, SetRole, Update,
};

use crate::cluster::{Client, Cluster, all, eventually, message, ms, user};

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
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

fn moderate(id: &ConversationId, whom: &str) -> Moderate {
    Moderate {
        conversation: id.clone(),
        user: user(whom),
        client_id: None,
        retry: false,
    }
}

fn ban(id: &ConversationId, whom: &str) -> Command {
    Command::Ban(moderate(id, whom))
}

fn mute(id: &ConversationId, whom: &str, until: Option<i64>) -> Command {
    Command::Mute(Mute {
        conversation: id.clone(),
        user: user(whom),
        until,
        client_id: None,
        retry: false,
    })
}

fn join(id: &ConversationId) -> Command {
    Command::Join(Join {
        conversation: id.clone(),
    })
}

fn leave(id: &ConversationId) -> Command {
    Command::Leave(Leave {
        conversation: id.clone(),
    })
}

fn accept(token: &str) -> Command {
    Command::Accept(Accept { token: token.into() })
}

fn update(id: &ConversationId) -> Update {
    Update {
        conversation: id.clone(),
        name: None,
        description: None,
        avatar_url: None,
        open: None,
        client_id: None,
        retry: false,
    }
}

fn invite(id: &ConversationId, max_uses: Option<u32>, client_id: &str) -> Invite {
    Invite {
        conversation: id.clone(),
        expires_at: None,
        max_uses,
        client_id: Some(ClientId::new(client_id).unwrap()),
        retry: false,
    }
}

async fn invited(client: &Client, invite: Invite) -> Invited {
    match client.call(Command::Invite(invite)).await.unwrap() {
        Reply::Invited(invited) => invited,
        other => panic!("not an invite: {other:?}"),
    }
}

fn refused(outcome: Result<Reply, Error>, code: ErrorCode) {
    match outcome {
        Err(error) if error.code == code => {}
        other => panic!("not {code}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_admin_hands_over_before_he_goes() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    refused(ann.call(leave(&group)).await, ErrorCode::LastAdmin);
    refused(
        ann.call(set_role(&group, "ann", Role::Member)).await,
        ErrorCode::LastAdmin,
    );
    ann.call(set_role(&group, "bob", Role::Admin)).await.unwrap();
    // Both go at once: one of them is the last.
    let (one, two) = tokio::join!(ann.call(leave(&group)), bob.call(leave(&group)));
    let stays = match (&one, &two) {
        (Ok(_), Err(error)) => (&bob, error),
        (Err(error), Ok(_)) => (&ann, error),
        both => panic!("{both:?}"),
    };
    assert_eq!(stays.1.code, ErrorCode::LastAdmin);
    // Alone he may go, and not step down.
    let name = stays.0.session.user().to_string();
    let remove = Command::Remove(RemoveMember {
        conversation: group.clone(),
        user: user("eve"),
    });
    stays.0.call(remove).await.unwrap();
    refused(
        stays.0.call(set_role(&group, &name, Role::Moderator)).await,
        ErrorCode::LastAdmin,
    );
    stays.0.call(leave(&group)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_role_is_in_force_on_every_node_and_leaves_the_membership_as_it_is() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let add = Command::Add(AddMembers {
        conversation: group.clone(),
        users: vec![user("eve")],
    });
    refused(bob.call(add.clone()).await, ErrorCode::Forbidden);
    ann.send(&group, "a").await.unwrap();
    let of_bob = || {
        let members = cluster.store.member_records(&group);
        members
            .into_iter()
            .find(|member| member.user == user("bob"))
            .unwrap()
    };
    let before = of_bob();
    ann.call(set_role(&group, "bob", Role::Moderator)).await.unwrap();
    let after = of_bob();
    assert_eq!((after.role, after.role_changed), (Role::Moderator, 3));
    assert_eq!(
        (after.changed, after.delivered, after.read, after.left),
        (before.changed, before.delivered, before.read, None),
        "the membership, and what he is owed, are as they were"
    );
    bob.call(add).await.unwrap();
    for client in [&ann, &bob] {
        client.has(&group, client.cursor(&group).unwrap() + 1, 4).await;
    }
    let state = cluster.nodes[1].conversation(&user("bob"), &group).await.unwrap();
    assert_eq!(state.0.role, Role::Moderator);
}

#[tokio::test(start_paused = true)]
async fn a_banned_member_receives_the_ban_and_nothing_after_it_and_stays_out() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let open = Update {
        open: Some(true),
        ..update(&group)
    };
    ann.call(Command::Update(open)).await.unwrap();
    let token = invited(&ann, invite(&group, None, "i")).await.token.unwrap();
    ann.call(ban(&group, "bob")).await.unwrap();
    ann.send(&group, "secret").await.unwrap();
    ann.has(&group, 2, 5).await;
    bob.has(&group, 2, 4).await;
    refused(bob.call(message(&group, "m")).await, ErrorCode::NotAMember);
    refused(bob.call(join(&group)).await, ErrorCode::Banned);
    refused(bob.call(accept(&token)).await, ErrorCode::Banned);
    let add = Command::Add(AddMembers {
        conversation: group.clone(),
        users: vec![user("eve"), user("bob")],
    });
    refused(ann.call(add).await, ErrorCode::Banned);
    let history = |after| {
        Command::History(History {
            after: Some(after),
            ..History::newest(group.clone())
        })
    };
    match bob.call(history(0)).await.unwrap() {
        Reply::History(page) => assert_eq!(page.entries.last().unwrap().seq, 4),
        other => panic!("{other:?}"),
    }
    // Resuming elsewhere brings no more.
    let again = cluster.open(0, "bob").await.unwrap();
    again.sync(BTreeMap::from([(group.clone(), 2)])).await.unwrap();
    again.has(&group, 3, 4).await;

    ann.call(Command::Unban(moderate(&group, "bob"))).await.unwrap();
    bob.call(join(&group)).await.unwrap();
    ann.send(&group, "welcome back").await.unwrap();
    eventually("bob hears again", || {
        bob.seqs(&group).ends_with(&[7, 8]).then_some(())
    })
    .await;
    assert_eq!(bob.seqs(&group), [2, 3, 4, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_is_banned_does_not_become_a_former_member() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann"]).await;
    let (ann, sam) = (cluster.connect(0, "ann").await, cluster.connect(0, "sam").await);
    ann.send(&group, "secret").await.unwrap();
    ann.call(ban(&group, "sam")).await.unwrap();
    let history = Command::History(History::newest(group.clone()));
    refused(sam.call(history).await, ErrorCode::NotAMember);
    let synced = sam.sync(BTreeMap::from([(group.clone(), 0)])).await.unwrap();
    assert_eq!(synced.refused[&group].code, ErrorCode::NotAMember);
    assert_eq!(sam.seqs(&group), [] as [u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_muted_member_reads_and_does_not_speak_until_his_time_is_over() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    bob.send(&group, "before").await.unwrap();
    ann.call(mute(&group, "bob", None)).await.unwrap();
    refused(bob.call(message(&group, "m")).await, ErrorCode::Muted);
    // Leaving and coming back is no way around it.
    let open = Update {
        open: Some(true),
        ..update(&group)
    };
    ann.call(Command::Update(open)).await.unwrap();
    bob.call(leave(&group)).await.unwrap();
    bob.call(join(&group)).await.unwrap();
    refused(bob.call(message(&group, "m")).await, ErrorCode::Muted);
    ann.send(&group, "listen").await.unwrap();
    eventually("he reads", || bob.seqs(&group).ends_with(&[7]).then_some(())).await;
    ann.call(Command::Unmute(moderate(&group, "bob"))).await.unwrap();
    bob.send(&group, "after").await.unwrap();

    refused(
        ann.call(mute(&group, "bob", Some(now() - 1))).await,
        ErrorCode::Invalid,
    );
    let until = now() + 1_500;
    ann.call(mute(&group, "bob", Some(until))).await.unwrap();
    let sanctions = Command::Sanctions(ListSanctions {
        conversation: group.clone(),
        after: None,
        limit: None,
    });
    match ann.call(sanctions.clone()).await.unwrap() {
        Reply::Sanctions(page) if now() < until => {
            assert_eq!(page.users.len(), 1, "{page:?}");
            assert_eq!(
                (page.users[0].muted, page.users[0].muted_until),
                (true, Some(until))
            );
        }
        _ => {}
    }
    // The end is of the wall clock, which no test can hold.
    while now() <= until {
        std::thread::yield_now();
    }
    bob.send(&group, "at last").await.unwrap();
    assert_eq!(
        ann.call(sanctions).await.unwrap(),
        Reply::Sanctions(starling_protocol::Sanctions::default())
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_muted_member_follows_the_mute() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let flood = async {
        let mut ids = Vec::new();
        for index in 0..200 {
            ids.push(bob.command(message(&group, &format!("m{index}"))).await);
            tokio::task::yield_now().await;
        }
        ids
    };
    let (ids, muted) = tokio::join!(flood, async {
        tokio::time::sleep(ms(5)).await;
        ann.call(mute(&group, "bob", None)).await
    });
    muted.unwrap();
    let mut stored = 0;
    for id in ids {
        match eventually("a reply", || bob.reply(id)).await {
            Ok(_) => stored += 1,
            Err(error) => assert_eq!(error.code, ErrorCode::Muted, "{error}"),
        }
    }
    let log = cluster.log(&group);
    let end = log
        .iter()
        .position(|entry| matches!(entry.body, Body::Muted { .. }))
        .unwrap();
    assert!(log[end..].iter().all(|entry| entry.sender != Some(user("bob"))));
    assert_eq!(log.len(), stored + 2);
}

#[tokio::test(start_paused = true)]
async fn each_kind_is_open_or_not_and_can_be_made_the_other() {
    let cluster = Cluster::start(1).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(0, "bob").await);
    for (kind, is_open) in [
        (Kind::Group, false),
        (Kind::Class, false),
        (Kind::Department, false),
        (Kind::Club, false),
        (Kind::Channel, true),
    ] {
        let create = |open| {
            Command::Create(Create {
                name: Some("name".into()),
                open,
                ..Create::of(kind, vec![])
            })
        };
        let Reply::Conversation(made) = ann.call(create(None)).await.unwrap() else {
            panic!("not a conversation");
        };
        assert_eq!((made.kind, made.open, made.role), (kind, is_open, Role::Admin));
        let Reply::Conversation(other) = ann.call(create(Some(!is_open))).await.unwrap() else {
            panic!("not a conversation");
        };
        assert_eq!(other.open, !is_open);
        let joined = bob.call(join(&made.id)).await;
        if is_open {
            joined.unwrap();
        } else {
            refused(joined, ErrorCode::NotOpen);
        }
        let changed = Update {
            name: Some(" Tea & cake ".into()),
            description: Some("Every\nafternoon".into()),
            avatar_url: Some("https://pictures.example.org/tea.png".into()),
            open: Some(!is_open),
            ..update(&made.id)
        };
        ann.call(Command::Update(changed.clone())).await.unwrap();
        let head = cluster.store.head_seq(&made.id);
        ann.call(Command::Update(changed)).await.unwrap();
        assert_eq!(cluster.store.head_seq(&made.id), head, "it is so already");
        let (seen, _) = cluster.nodes[0]
            .conversation(&user("ann"), &made.id)
            .await
            .unwrap();
        assert_eq!(
            (seen.name.as_deref(), seen.description.as_deref(), seen.open),
            (Some("Tea & cake"), Some("Every\nafternoon"), !is_open)
        );
        let bare = Update {
            description: Some(String::new()),
            ..update(&made.id)
        };
        ann.call(Command::Update(bare)).await.unwrap();
        let body = cluster.log(&made.id).last().unwrap().body.clone();
        assert_eq!(
            body,
            Body::Updated(Box::new(Profile {
                name: Some("Tea & cake".into()),
                description: None,
                avatar_url: Some("https://pictures.example.org/tea.png".into()),
                open: !is_open,
            }))
        );
    }
    let http = Update {
        avatar_url: Some("http://pictures.example.org/tea.png".into()),
        ..update(&cluster.group(&["ann"]).await)
    };
    refused(ann.call(Command::Update(http)).await, ErrorCode::Invalid);
}

#[tokio::test(start_paused = true)]
async fn an_invite_lets_in_as_many_as_it_says_each_once_under_retries() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann"]).await;
    let ann = cluster.connect(0, "ann").await;
    let made = invited(&ann, invite(&group, Some(3), "i")).await;
    let token = made.token.clone().unwrap();
    // Without a secret that the nodes share only the first answer has the token, and nothing else has it.
    let again = Invite {
        retry: true,
        ..invite(&group, Some(3), "i")
    };
    let again = invited(&ann, again).await;
    assert_eq!((&again.invite, again.token), (&made.invite, None));
    let (_, secret) = token.rsplit_once('.').unwrap();
    assert!(secret.len() >= 52, "256 bits");
    assert!(!format!("{:?}", cluster.log(&group)).contains(secret));

    let names: Vec<_> = (0..6).map(|number| format!("user{number}")).collect();
    // Inserts whose outcome is not known, and everyone asks twice.
    cluster.store.lose_replies(5);
    let asked = names.iter().flat_map(|name| [(0, name), (1, name)]);
    let asked = asked.map(async |(node, name): (usize, &String)| {
        cluster.nodes[node].execute(&user(name), accept(&token)).await
    });
    let answers = all(asked).await;
    for answer in answers {
        if let Err(error) = answer {
            let expected = [
                ErrorCode::UnknownInvite,
                ErrorCode::Unknown,
                ErrorCode::Unavailable,
            ];
            assert!(expected.contains(&error.code), "{error}");
        }
    }
    for name in &names {
        // Those who do not know what became of it ask again.
        let _ = cluster.nodes[1].execute(&user(name), accept(&token)).await;
    }
    let log = cluster.log(&group);
    let uses: Vec<_> = log
        .iter()
        .filter_map(|entry| match &entry.body {
            Body::Joined { invite, .. } => invite.as_ref().map(|used| used.uses),
            _ => None,
        })
        .collect();
    assert_eq!(uses, [1, 2, 3]);
    let joined = log
        .iter()
        .filter(|entry| matches!(entry.body, Body::Joined { .. }));
    let joined: std::collections::BTreeSet<_> = joined.map(|entry| entry.sender.clone()).collect();
    assert_eq!(joined.len(), 3);
    let listed = Command::Invites(ListInvites {
        conversation: group.clone(),
    });
    // What could not be applied at once is made good.
    let none = Reply::Invites(starling_protocol::Invites::default());
    for _ in 0..1_000 {
        if ann.call(listed.clone()).await == Ok(none.clone()) {
            break;
        }
        tokio::time::sleep(ms(20)).await;
    }
    assert_eq!(ann.call(listed).await, Ok(none));
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_told_the_same_token_and_nobody_else_is() {
    let cluster = crate::people::cluster().await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    ann.call(set_role(&group, "bob", Role::Moderator)).await.unwrap();
    let made = invited(&ann, invite(&group, None, "k")).await;
    let head = cluster.store.head_seq(&group);
    // At another node, by another connection.
    let elsewhere = cluster.connect(1, "ann").await;
    let retry = Invite {
        retry: true,
        ..invite(&group, None, "k")
    };
    let again = invited(&elsewhere, retry).await;
    assert_eq!(again, made);
    assert_eq!(cluster.store.head_seq(&group), head, "one invite");

    let others = [
        invited(&ann, invite(&group, None, "l")).await,
        invited(&bob, invite(&group, None, "k")).await,
    ];
    let token = made.token.unwrap();
    for other in others {
        assert_ne!(other.token.unwrap(), token);
        assert_ne!(other.invite, made.invite);
    }
    let (_, secret) = token.rsplit_once('.').unwrap();
    assert!(!format!("{:?}", cluster.log(&group)).contains(secret));
    let eve = cluster.connect(1, "eve").await;
    eve.call(accept(&token)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_is_revoked_or_too_old_or_made_up_lets_nobody_in() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let revoked = invited(&ann, invite(&group, None, "a")).await;
    let open = invited(&ann, invite(&group, None, "b")).await;
    let until = now() + 1_500;
    let short = Invite {
        expires_at: Some(until),
        ..invite(&group, None, "c")
    };
    let short = invited(&ann, short).await;
    let revoke = Command::Revoke(Revoke {
        conversation: group.clone(),
        invite: revoked.invite,
    });
    ann.call(revoke.clone()).await.unwrap();
    let head = cluster.store.head_seq(&group);
    ann.call(revoke).await.unwrap();
    assert_eq!(cluster.store.head_seq(&group), head, "it is so already");
    while now() <= until {
        std::thread::yield_now();
    }
    let elsewhere = cluster.group(&["ann"]).await;
    let open_token = open.token.unwrap();
    let foreign = open_token.replace(group.as_str(), elsewhere.as_str());
    for token in [
        revoked.token.unwrap().as_str(),
        &short.token.unwrap(),
        &foreign,
        &format!("{group}.guess"),
        "guess",
    ] {
        refused(bob.call(accept(token)).await, ErrorCode::UnknownInvite);
    }
    refused(
        bob.call(accept("nowhere.x")).await,
        ErrorCode::UnknownConversation,
    );
    refused(bob.call(join(&group)).await, ErrorCode::NotOpen);
    match bob.call(accept(&open_token)).await.unwrap() {
        Reply::Sent(sent) => assert_eq!(sent.conversation, group),
        other => panic!("{other:?}"),
    }
    bob.has(&group, 6, 6).await;
    let past = Invite {
        expires_at: Some(now() - 1),
        ..invite(&group, None, "d")
    };
    refused(ann.call(Command::Invite(past)).await, ErrorCode::Invalid);
}

/// What the directory says of the group once all that is stored is applied.
async fn derived(cluster: &Cluster, group: &ConversationId) -> String {
    let record = cluster.store.record(group).map(|record| record.profile());
    let members: Vec<_> = cluster
        .store
        .member_records(group)
        .into_iter()
        .map(|member| {
            (
                member.user,
                member.role,
                member.role_changed,
                member.changed,
                member.left,
            )
        })
        .collect();
    let sanctions = cluster.store.sanctions(group).await.unwrap();
    let invites = cluster.store.invites(group).await.unwrap();
    format!("{record:?} {members:?} {sanctions:?} {invites:?}")
}

/// Every kind of change, once.
async fn changes(cluster: &Cluster, group: &ConversationId, ann: &Client) -> Vec<Command> {
    let token = invited(ann, invite(group, Some(2), "first")).await.token.unwrap();
    let eve = cluster.connect(1, "eve").await;
    eve.call(accept(&token)).await.unwrap();
    let revoked = invited(ann, invite(group, None, "second")).await.invite;
    vec![
        set_role(group, "bob", Role::Moderator),
        mute(group, "bob", None),
        mute(group, "zoe", Some(FOR_EVER - 1)),
        Command::Unmute(moderate(group, "zoe")),
        ban(group, "zoe"),
        ban(group, "sam"),
        Command::Unban(moderate(group, "sam")),
        Command::Update(Update {
            name: Some("tea".into()),
            ..update(group)
        }),
        Command::Revoke(Revoke {
            conversation: group.clone(),
            invite: revoked,
        }),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_and_not_applied_is_made_good_whatever_it_is() {
    let cluster = Cluster::start(2).await;
    let sound = cluster.group(&["ann", "bob", "zoe"]).await;
    let hurt = cluster.group(&["ann", "bob", "zoe"]).await;
    let ann = cluster.connect(0, "ann").await;
    for (group, is_hurt) in [(&sound, false), (&hurt, true)] {
        for command in changes(&cluster, group, &ann).await {
            if is_hurt {
                // The first time nothing of it is carried out, or a part.
                cluster.ports[0]
                    .store
                    .cut_apply(usize::from(matches!(command, Command::Ban(_))));
            }
            ann.call(command).await.unwrap();
        }
    }
    let neutral = |text: String, group: &ConversationId| {
        let invites = text.find("InviteRecord").unwrap_or(text.len());
        text[..invites].replace(group.as_str(), "")
    };
    let expected = neutral(derived(&cluster, &sound).await, &sound);
    for _ in 0..1_000 {
        if neutral(derived(&cluster, &hurt).await, &hurt) == expected {
            break;
        }
        tokio::time::sleep(ms(20)).await;
    }
    assert_eq!(neutral(derived(&cluster, &hurt).await, &hurt), expected);
    let uses = cluster.store.invites(&hurt).await.unwrap();
    assert_eq!(uses.len(), 1);
    assert_eq!((uses[0].uses, uses[0].max_uses), (1, Some(2)));
}

/// An entry that a node stored before it died, and neither applied nor announced.
async fn orphan(cluster: &Cluster, group: &ConversationId, body: Body) {
    let head: Arc<Entry> = cluster.log(group).last().unwrap().clone();
    let orphan = Entry {
        seq: head.seq + 1,
        lamport: head.lamport + 1,
        membership: head.seq + 1,
        sender: Some(user("ann")),
        client_id: Some(ClientId::new(format!("orphan{}", head.seq)).unwrap()),
        body,
        ..(*head).clone()
    };
    cluster.store.insert(&[orphan.into()]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_has_stored_is_what_the_others_judge_by() {
    let bob = || user("bob");
    let cases: [(Body, &str, Command, Option<ErrorCode>); 5] = {
        let anywhere: ConversationId = ConversationId::new("x").unwrap();
        [
            (
                Body::Muted {
                    user: bob(),
                    until: None,
                },
                "bob",
                message(&anywhere, "m"),
                Some(ErrorCode::Muted),
            ),
            (
                Body::Banned {
                    user: bob(),
                    removed: true,
                },
                "bob",
                join(&anywhere),
                Some(ErrorCode::Banned),
            ),
            (
                Body::RoleChanged {
                    user: bob(),
                    role: Role::Moderator,
                },
                "bob",
                mute(&anywhere, "zoe", None),
                None,
            ),
            (
                Body::Updated(Box::new(Profile {
                    open: true,
                    ..Profile::default()
                })),
                "sam",
                join(&anywhere),
                None,
            ),
            (
                Body::Left { user: bob() },
                "bob",
                join(&anywhere),
                Some(ErrorCode::NotOpen),
            ),
        ]
    };
    for (body, who, mut command, expected) in cases {
        let cluster = Cluster::start(2).await;
        let group = cluster.group(&["ann", "bob", "zoe"]).await;
        let (ann, client) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
        // The second node has the state of before, and no word of what follows.
        client.send(&group, "a").await.unwrap();
        ann.send(&group, "b").await.unwrap();
        let about = format!("{body:?}");
        orphan(&cluster, &group, body).await;
        match &mut command {
            Command::Send(send) => send.conversation = group.clone(),
            Command::Join(join) => join.conversation = group.clone(),
            Command::Mute(mute) => mute.conversation = group.clone(),
            _ => {}
        }
        let answer = cluster.nodes[1].execute(&user(who), command).await;
        assert_eq!(answer.err().map(|error| error.code), expected, "{about}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_never_seen_the_conversation_judges_by_the_directory() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob", "eve", "zoe"]).await;
    let ann = cluster.connect(0, "ann").await;
    for command in [
        set_role(&group, "eve", Role::Moderator),
        mute(&group, "bob", None),
        ban(&group, "zoe"),
        Command::Update(Update {
            open: Some(true),
            ..update(&group)
        }),
    ] {
        ann.call(command).await.unwrap();
    }
    let token = invited(&ann, invite(&group, Some(1), "i")).await.token.unwrap();
    // Long enough for the marks: all of it is in the directory now.
    tokio::time::sleep(ms(10_000)).await;
    let other = &cluster.nodes[1];
    let call = async |who: &str, command: Command| {
        let answer = other.execute(&user(who), command).await;
        answer.err().map(|error| error.code)
    };
    assert_eq!(call("bob", message(&group, "m")).await, Some(ErrorCode::Muted));
    assert_eq!(call("zoe", join(&group)).await, Some(ErrorCode::Banned));
    assert_eq!(call("sam", join(&group)).await, None);
    assert_eq!(call("eve", ban(&group, "sam")).await, None);
    assert_eq!(call("kim", accept(&token)).await, None);
    assert_eq!(call("lee", accept(&token)).await, Some(ErrorCode::UnknownInvite));
}
