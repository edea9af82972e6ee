//! Who is a member, and that nothing reaches those who are not (I10).

use std::collections::BTreeMap;

use starling_protocol::{AddMembers, Body, Command, ErrorCode, History, Join, Leave, RemoveMember, Reply};

use crate::cluster::{Cluster, eventually, message, ms, user};

#[tokio::test(start_paused = true)]
async fn a_conversation_reaches_its_members_from_its_first_entry_on() {
    let cluster = Cluster::start(2).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let group = cluster.group(&["ann", "bob"]).await;
    ann.send(&group, "first").await.unwrap();
    for client in [&ann, &bob] {
        client.has(&group, 1, 2).await;
        assert_eq!(client.cursor(&group), Some(0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_member_on_another_node_is_welcomed_with_the_entry_that_added_him() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    ann.send(&group, "before").await.unwrap();
    ann.call(Command::Add(AddMembers {
        conversation: group.clone(),
        users: vec![user("bob")],
    }))
    .await
    .unwrap();
    ann.send(&group, "after").await.unwrap();
    bob.has(&group, 3, 4).await;
    assert_eq!(bob.cursor(&group), Some(2));
    // He may read the log from 1.
    let history = History {
        after: Some(0),
        ..History::newest(group.clone())
    };
    let reply = bob.call(Command::History(history)).await.unwrap();
    assert!(matches!(reply, Reply::History(page) if page.entries.len() == 4 && !page.more));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_or_to_a_removed_member_follows_the_removal() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let removal = Command::Remove(RemoveMember {
        conversation: group.clone(),
        user: user("bob"),
    });
    // Bob sends without pause from both nodes while he is removed.
    let second = cluster.connect(0, "bob").await;
    let flood = async |client: &crate::cluster::Client, name: &str| {
        let mut ids = Vec::new();
        for index in 0..100 {
            ids.push(client.command(message(&group, &format!("{name}{index}"))).await);
            tokio::task::yield_now().await;
        }
        ids
    };
    let (one, two, removed) = tokio::join!(flood(&bob, "x"), flood(&second, "y"), ann.call(removal));
    removed.unwrap();
    for (client, ids) in [(&bob, one), (&second, two)] {
        for id in ids {
            let reply = eventually("a reply", || client.reply(id)).await;
            assert!(reply.is_ok() || reply.is_err_and(|error| error.code == ErrorCode::NotAMember));
        }
    }
    ann.send(&group, "secret").await.unwrap();
    let log = cluster.log(&group);
    let left = log
        .iter()
        .find(|entry| matches!(entry.body, Body::Left { .. }))
        .unwrap()
        .seq;
    assert!(
        log.iter()
            .filter(|entry| entry.sender == Some(user("bob")))
            .all(|entry| entry.seq < left)
    );
    bob.has(&group, 2, left).await;
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    bob.has(&group, 2, left).await;
    // He reads and resumes up to there and no further.
    let history = History {
        limit: Some(200),
        ..History::newest(group.clone())
    };
    let reply = bob.call(Command::History(history)).await.unwrap();
    assert!(matches!(reply, Reply::History(page) if page.entries.last().unwrap().seq == left));
    let again = cluster.open(0, "bob").await.unwrap();
    let synced = again.sync(BTreeMap::from([(group.clone(), 1)])).await.unwrap();
    assert_eq!(synced.conversations, 0);
    again.has(&group, 2, left).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_who_leaves_and_returns_hears_what_follows() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    bob.call(Command::Leave(Leave {
        conversation: group.clone(),
    }))
    .await
    .unwrap();
    ann.send(&group, "unheard").await.unwrap();
    ann.call(Command::Add(AddMembers {
        conversation: group.clone(),
        users: vec![user("bob")],
    }))
    .await
    .unwrap();
    ann.send(&group, "heard").await.unwrap();
    eventually("bob hears again", || {
        bob.seqs(&group).ends_with(&[4, 5]).then_some(())
    })
    .await;
    assert_eq!(bob.seqs(&group), [2, 4, 5]);
    assert_eq!(bob.cursor(&group), Some(3));
}

#[tokio::test(start_paused = true)]
async fn roles_are_enforced() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let bob = cluster.connect(0, "bob").await;
    let ann = cluster.connect(0, "ann").await;
    let stranger = cluster.connect(0, "sam").await;
    let conversation = group.clone();
    for (client, command, code) in [
        (
            &bob,
            Command::Add(AddMembers {
                conversation: group.clone(),
                users: vec![user("x")],
            }),
            ErrorCode::Forbidden,
        ),
        (
            &bob,
            Command::Remove(RemoveMember {
                conversation: group.clone(),
                user: user("eve"),
            }),
            ErrorCode::Forbidden,
        ),
        (
            &ann,
            Command::Remove(RemoveMember {
                conversation: group.clone(),
                user: user("ann"),
            }),
            ErrorCode::Forbidden,
        ),
        (
            &ann,
            Command::Leave(Leave {
                conversation: group.clone(),
            }),
            ErrorCode::LastAdmin,
        ),
        (
            &stranger,
            Command::Join(Join {
                conversation: group.clone(),
            }),
            ErrorCode::NotOpen,
        ),
        (
            &stranger,
            Command::Leave(Leave {
                conversation: group.clone(),
            }),
            ErrorCode::NotAMember,
        ),
        (&stranger, message(&group, "m"), ErrorCode::NotAMember),
        (
            &stranger,
            message(&"nowhere".parse_id(), "m"),
            ErrorCode::UnknownConversation,
        ),
        (
            &ann,
            Command::Add(AddMembers {
                conversation,
                users: vec![],
            }),
            ErrorCode::Invalid,
        ),
    ] {
        let error = client.call(command.clone()).await.unwrap_err();
        assert_eq!(error.code, code, "{command:?}: {error}");
    }
    assert_eq!(cluster.log(&group).len(), 1, "nothing is stored");
}

trait ParseId {
    fn parse_id(&self) -> starling_protocol::ConversationId;
}

impl ParseId for str {
    fn parse_id(&self) -> starling_protocol::ConversationId {
        starling_protocol::ConversationId::new(self).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_member_whose_word_was_lost_is_welcomed_all_the_same() {
    let cluster = Cluster::start(2).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    cluster.coordination.drop_messages(1_000);
    let group = cluster.group(&["ann", "bob"]).await;
    cluster.coordination.drop_messages(0);
    for client in [&ann, &bob] {
        client.has(&group, 1, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_member_whose_node_cannot_read_the_log_is_welcomed_once_it_can() {
    let cluster = Cluster::start(2).await;
    let bob = cluster.connect(1, "bob").await;
    for failures in 1..5 {
        cluster.ports[1].store.fail_reads(failures);
        let group = cluster.group(&["ann", "bob"]).await;
        let welcomed = tokio::time::Instant::now();
        bob.has(&group, 1, 1).await;
        assert!(
            welcomed.elapsed() < ms(5_000),
            "nothing but the welcome itself is needed"
        );
    }
}

/// Bob's send waits on the first node while he is removed, refused elsewhere, and added again. It must not appear then.
async fn what_is_refused_elsewhere_stays_refused(bob_has_sent_before: bool) {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(1, "ann").await, cluster.connect(0, "bob").await);
    if bob_has_sent_before {
        bob.send(&group, "before").await.unwrap();
    }
    cluster.ports[0].store.set_reachable(false);
    bob.command(message(&group, "m")).await;
    tokio::time::sleep(ms(100)).await;
    let (conversation, users) = (group.clone(), vec![user("bob")]);
    ann.call(Command::Remove(RemoveMember {
        conversation: conversation.clone(),
        user: user("bob"),
    }))
    .await
    .unwrap();
    let again = cluster.connect(1, "bob").await;
    let mut retry = message(&group, "m");
    if let Command::Send(send) = &mut retry {
        send.retry = true;
    }
    assert_eq!(again.call(retry).await.unwrap_err().code, ErrorCode::NotAMember);
    bob.session.close().await;
    ann.call(Command::Add(AddMembers { conversation, users }))
        .await
        .unwrap();
    cluster.ports[0].store.set_reachable(true);
    tokio::time::sleep(ms(20_000)).await;
    let log = cluster.log(&group);
    let stored = |entry: &&std::sync::Arc<starling_protocol::Entry>| {
        entry.client_id.as_ref().is_some_and(|id| id.as_str() == "m")
    };
    assert_eq!(log.iter().find(stored), None, "I3");
}

#[tokio::test(start_paused = true)]
async fn a_send_does_not_outlive_the_membership_under_which_it_was_judged() {
    what_is_refused_elsewhere_stays_refused(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_send_of_a_lost_connection_is_not_judged_for_the_first_time() {
    what_is_refused_elsewhere_stays_refused(false).await;
}
