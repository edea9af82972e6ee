//! Statistics are what is stored.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{AskMyStats, AskStats, Body, Command, Dissolve, ErrorCode, Leave, Reply};

use crate::cluster::{Cluster, message, user};

#[tokio::test(start_paused = true)]
async fn statistics_count_what_is_stored() {
    let cluster = Cluster::start(2).await;
    let id = cluster.group(&["ann", "bob", "eve"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let ask = || {
        Command::Stats(AskStats {
            conversation: id.clone(),
            days: None,
        })
    };
    for round in 0..5 {
        for (client, name) in [(&ann, "ann"), (&bob, "bob")] {
            for n in 0..round {
                // Some more than once: a double is no message.
                let send = message(&id, &format!("{name}{n}"));
                client.call(send).await.unwrap();
            }
        }
        let Reply::Stats(stats) = ann.call(ask()).await.unwrap() else {
            panic!("no statistics")
        };
        let (mut senders, mut days) = (BTreeSet::new(), BTreeMap::<i64, u64>::new());
        for entry in cluster.log(&id).iter().filter(|entry| entry.body.is_message()) {
            senders.insert(entry.sender.clone());
            *days.entry(entry.at / 86_400_000 * 86_400_000).or_default() += 1;
        }
        assert_eq!(stats.messages, days.values().sum::<u64>());
        assert_eq!(
            (stats.counted, stats.senders),
            (stats.messages, senders.len() as u64)
        );
        assert_eq!(stats.members, 3);
        let told: BTreeMap<_, _> = stats.days.iter().map(|day| (day.day, day.messages)).collect();
        assert_eq!(told, days);
    }
    bob.call(Command::Leave(Leave {
        conversation: id.clone(),
    }))
    .await
    .unwrap();
    assert_eq!(bob.call(ask()).await.unwrap_err().code, ErrorCode::NotAMember);
    let Reply::Stats(stats) = ann.call(ask()).await.unwrap() else {
        panic!("no statistics")
    };
    assert_eq!(stats.members, 2);
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_a_user_and_of_all_are_those_of_what_is_stored() {
    let cluster = Cluster::start(2).await;
    let names = ["ann", "bob", "eve"];
    let groups = [
        cluster.group(&names).await,
        cluster.group(&["ann", "bob"]).await,
        cluster.group(&["eve"]).await,
    ];
    let clients = [
        cluster.connect(0, "ann").await,
        cluster.connect(1, "bob").await,
        cluster.connect(0, "eve").await,
    ];
    for (client, group, count) in [(0, 0, 2), (1, 0, 3), (2, 0, 1), (0, 1, 4), (1, 1, 1), (2, 2, 5)] {
        for n in 0..count {
            clients[client]
                .send(&groups[group], &format!("{n}"))
                .await
                .unwrap();
        }
    }
    clients[0]
        .call(crate::messages::delete(&groups[0], 2))
        .await
        .unwrap();
    let messages = |of: Option<&str>| {
        let of = of.map(user);
        let stored = groups.iter().flat_map(|id| cluster.log(id));
        stored
            .filter(|entry| entry.body.is_message() && (of.is_none() || entry.sender == of))
            .count() as u64
    };

    for (client, name) in clients.iter().zip(names) {
        let Reply::MyStats(mine) = client
            .call(Command::MyStats(AskMyStats { days: None }))
            .await
            .unwrap()
        else {
            panic!("no statistics")
        };
        let own: Vec<_> = groups
            .iter()
            .map(|id| cluster.log(id))
            .filter(|log| match &log[0].body {
                Body::Created { members, .. } => members.iter().any(|member| member.user == user(name)),
                _ => false,
            })
            .collect();
        let said = own.iter().flatten().filter(|entry| entry.body.is_message());
        assert_eq!(mine.conversations, own.len() as u64, "{name}");
        assert_eq!(mine.messages, said.count() as u64, "{name}");
        assert_eq!(mine.sent, messages(Some(name)), "{name}");
        assert_eq!(mine.days.iter().map(|day| day.messages).sum::<u64>(), mine.sent);
    }

    let all = cluster.nodes[1].cluster_stats(None).await.unwrap();
    assert_eq!((all.conversations, all.messages), (3, messages(None)));
    assert_eq!((all.counted, all.senders), (all.messages, 3));
    assert_eq!(all.users, cluster.store.users().len() as u64);
    assert_eq!(all.days.iter().map(|day| day.messages).sum::<u64>(), all.messages);

    // What is deleted for all is no conversation any more; what was said in it was said.
    clients[2]
        .call(Command::Dissolve(Dissolve {
            conversation: groups[2].clone(),
        }))
        .await
        .unwrap();
    let after = cluster.nodes[0].cluster_stats(None).await.unwrap();
    assert_eq!((after.conversations, after.messages), (2, all.messages));

    // An administrator need not be a member; what there is not he does not see either.
    let ops = user("ops");
    let one = cluster.nodes[0]
        .conversation_stats(&ops, groups[1].clone(), Some(1))
        .await
        .unwrap();
    let counted = cluster
        .log(&groups[1])
        .iter()
        .filter(|entry| entry.body.is_message())
        .count();
    assert_eq!(one.messages, counted as u64);
    let gone = cluster.nodes[0]
        .conversation_stats(&ops, groups[2].clone(), None)
        .await;
    assert_eq!(gone.unwrap_err().code, ErrorCode::ConversationDeleted);
    for days in [0, 367] {
        let refused = cluster.nodes[0].cluster_stats(Some(days)).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::Invalid);
    }
}
