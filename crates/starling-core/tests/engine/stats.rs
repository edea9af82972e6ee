//! Statistics are what is stored.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{AskStats, Command, ErrorCode, Leave, Reply};

use crate::cluster::{Cluster, message};

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
