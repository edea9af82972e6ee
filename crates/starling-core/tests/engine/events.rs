//! Systems outside are told what is stored: all of it, at least once, in order, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use starling_core::EventsFrom;
use starling_core::Settings;
use starling_core::memory::{InsertFault, Latency, MemorySink};
use starling_core::ports::{ConversationRecord, Directory, Effect, EntryLog};
use starling_protocol::{
    Body, ClientId, Command, Content, ConversationId, Create, Entry, Kind, RemoveMember, Reply, Seq,
};
use tokio::time::{Instant, sleep};

use crate::cluster::{Client, Cluster, all, eventually, message, ms, settings, user};

/// Waits until a sink was told all of a log, each entry for the first time in its place, and as it is stored.
async fn told_all(cluster: &Cluster, sink: &MemorySink, id: &ConversationId) -> Vec<Seq> {
    let log = cluster.log(id);
    eventually(&format!("{id} is told"), || {
        let told = sink.seqs(id);
        let mut next = 1;
        for seq in &told {
            assert!(*seq <= next, "{seq} is told before {next}: {told:?}");
            next = next.max(seq + 1);
        }
        (next > log.len() as Seq).then_some(())
    })
    .await;
    for page in sink.pages() {
        for entry in page.entries.iter().filter(|entry| entry.conversation == *id) {
            let stored = &log[entry.seq as usize - 1];
            assert_eq!((&entry.body, &entry.client_id), (&stored.body, &stored.client_id));
        }
    }
    sink.seqs(id)
}

async fn send_many(client: &Client, id: &ConversationId, name: &str, count: usize) {
    let sends =
        (0..count).map(|number| async move { client.send(id, &format!("{name}{number}")).await.unwrap() });
    all(sends).await;
}

#[tokio::test(start_paused = true)]
async fn everything_is_told_once_while_nothing_fails() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(3, settings(), &sink).await;
    let mut groups = Vec::new();
    for _ in 0..5 {
        groups.push(cluster.group(&["ann", "bob", "eve"]).await);
    }
    let clients = [
        cluster.connect(0, "ann").await,
        cluster.connect(1, "bob").await,
        cluster.connect(2, "eve").await,
    ];
    for round in 0..20 {
        let sends = groups.iter().flat_map(|id| {
            clients
                .iter()
                .enumerate()
                .map(move |(sender, client)| async move {
                    client.send(id, &format!("{round}/{sender}")).await.unwrap();
                })
        });
        all(sends).await;
    }
    for id in &groups {
        let told = told_all(&cluster, &sink, id).await;
        assert_eq!(told, (1..=61).collect::<Vec<_>>(), "each once");
    }
    // What is said in a quiet cluster is told soon.
    let (began, id) = (Instant::now(), &groups[0]);
    clients[0].send(id, "soon").await.unwrap();
    eventually("it is told", || sink.seqs(id).contains(&62).then_some(())).await;
    assert!(began.elapsed() < ms(300), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_direct_conversation_is_told_with_its_two() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(1, settings(), &sink).await;
    let create = Create::of(Kind::Direct, vec![user("bob")]);
    let direct = match cluster.nodes[0]
        .execute(&user("ann"), Command::Create(create))
        .await
    {
        Ok(Reply::Conversation(summary)) => summary.id,
        other => panic!("{other:?}"),
    };
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    for id in [&direct, &group] {
        ann.send(id, "hello").await.unwrap();
        told_all(&cluster, &sink, id).await;
    }
    for page in sink.pages() {
        let mut pair = page.pair.clone();
        pair.sort();
        let expected = if page.entries[0].conversation == direct {
            vec![user("ann"), user("bob")]
        } else {
            Vec::new()
        };
        assert_eq!(pair, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_that_is_not_stored() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    cluster.store.fail_inserts([
        InsertFault::UnknownLost,
        InsertFault::UnknownLate(ms(40)),
        InsertFault::Pass,
        InsertFault::UnknownPrefix(1),
        InsertFault::Torn(1, ms(20)),
    ]);
    tokio::join!(send_many(&ann, &id, "a", 30), send_many(&bob, &id, "b", 30));
    let removal = Command::Remove(RemoveMember {
        conversation: id.clone(),
        user: user("bob"),
    });
    ann.call(removal).await.unwrap();
    bob.send(&id, "refused").await.unwrap_err();
    told_all(&cluster, &sink, &id).await;
    let told: Vec<_> = sink.pages().into_iter().flat_map(|page| page.entries).collect();
    assert!(
        told.iter()
            .all(|entry| entry.client_id != Some(ClientId::new("refused").unwrap()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_away_holds_nobody_up_and_is_told_later() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    told_all(&cluster, &sink, &id).await;
    sink.set_reachable(false);
    let began = Instant::now();
    // More than goes on one page.
    for number in 0..350 {
        ann.send(&id, &format!("{number}")).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    sleep(Duration::from_secs(600)).await;
    assert_eq!(sink.seqs(&id), [1]);
    sink.set_reachable(true);
    let told = told_all(&cluster, &sink, &id).await;
    assert_eq!(told, (1..=351).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_was_confirmed_and_not_kept_is_repeated_in_order() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    for round in 0..5 {
        sink.lose_replies(1);
        send_many(&ann, &id, &format!("{round}/"), 10).await;
        told_all(&cluster, &sink, &id).await;
    }
    assert!(sink.seqs(&id).len() > 51, "something was repeated");
}

#[tokio::test(start_paused = true)]
async fn the_store_fails_between_telling_and_keeping() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    sink.set_latency(Latency::Fixed(ms(500)));
    send_many(&ann, &id, "a", 10).await;
    // While a page is on its way.
    sleep(ms(300)).await;
    cluster.store.set_reachable(false);
    sleep(Duration::from_secs(5)).await;
    cluster.store.set_reachable(true);
    told_all(&cluster, &sink, &id).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_dies_while_it_tells() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    told_all(&cluster, &sink, &id).await;
    let ann = cluster.connect(0, "ann").await;
    sink.set_latency(Latency::Fixed(ms(500)));
    send_many(&ann, &id, "a", 10).await;
    sleep(ms(200)).await;
    cluster.ports[0].kill();
    cluster.nodes[0].start_draining();
    told_all(&cluster, &sink, &id).await;
    eventually("the cursor is kept", || {
        (cluster.store.told("memory", &id) == Some(11)).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_dies_before_it_says_what_it_has_stored() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    told_all(&cluster, &sink, &id).await;
    // Nobody writes to it again.
    let head = cluster.log(&id).last().unwrap().clone();
    let orphan = Entry {
        seq: head.seq + 1,
        lamport: head.lamport + 1,
        messages: head.messages + 1,
        client_id: Some(ClientId::new("orphan").unwrap()),
        body: Body::Message(Content::text("orphan")),
        ..(*head).clone()
    };
    cluster.store.insert(&[orphan.into()]).await.unwrap();
    told_all(&cluster, &sink, &id).await;
}

#[tokio::test(start_paused = true)]
async fn coordination_loses_all_that_it_has_in_mind() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let mut groups = Vec::new();
    for _ in 0..10 {
        groups.push(cluster.group(&["ann", "bob"]).await);
    }
    let ann = cluster.connect(0, "ann").await;
    sink.set_reachable(false);
    for id in &groups {
        ann.send(id, "a").await.unwrap();
    }
    sleep(Duration::from_secs(2)).await;
    cluster.coordination.flush();
    sink.set_reachable(true);
    for id in &groups {
        told_all(&cluster, &sink, id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn coordination_away_only_delays() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    cluster.coordination.set_reachable(false);
    send_many(&ann, &id, "a", 10).await;
    sleep(Duration::from_secs(20)).await;
    cluster.coordination.set_reachable(true);
    told_all(&cluster, &sink, &id).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_holds_up_its_conversation_alone() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let (stuck, other) = (
        cluster.group(&["ann", "bob"]).await,
        cluster.group(&["ann", "bob"]).await,
    );
    sink.refuse(Some((stuck.clone(), 4)));
    let ann = cluster.connect(0, "ann").await;
    for number in 0..10 {
        ann.send(&stuck, &format!("s{number}")).await.unwrap();
        ann.send(&other, &format!("o{number}")).await.unwrap();
    }
    told_all(&cluster, &sink, &other).await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!(sink.seqs(&stuck), [1, 2, 3]);
    // It is not tried all the time.
    let tries = sink.pages().len();
    assert!(tries < 60, "{tries} pages");
    sink.refuse(None);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(
        told_all(&cluster, &sink, &stuck).await,
        (1..=11).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_drains_leaves_nothing_to_be_repeated() {
    let sink = MemorySink::new();
    let cluster = Cluster::start_telling(2, settings(), &sink).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    sink.set_latency(Latency::Fixed(ms(200)));
    send_many(&ann, &id, "a", 10).await;
    cluster.nodes[0].drain().await;
    let log = cluster.log(&id).len() as Seq;
    assert_eq!(
        told_all(&cluster, &sink, &id).await,
        (1..=log).collect::<Vec<_>>()
    );
}

const LONG_AGO: i64 = 1_000_000_000_000;
const OLD: Seq = 250;

/// A conversation that is older than any sink.
async fn old_conversation(cluster: &Cluster) -> ConversationId {
    let id = ConversationId::new("old").unwrap();
    let entry = |seq: Seq| {
        let body = if seq == 1 {
            let members = ["ann", "bob"].map(|name| starling_protocol::Member {
                user: user(name),
                role: starling_protocol::Role::Member,
            });
            Body::Created {
                kind: Kind::Group,
                name: None,
                description: None,
                avatar_url: None,
                open: false,
                members: members.into(),
            }
        } else {
            Body::Message(Content::text("old"))
        };
        Arc::new(Entry {
            conversation: id.clone(),
            seq,
            sender: Some(user("ann")),
            client_id: Some(ClientId::new(format!("old{seq}")).unwrap()),
            lamport: seq,
            at: LONG_AGO,
            messages: seq - 1,
            membership: 1,
            body,
            state: None,
        })
    };
    let entries: Vec<_> = (1..=OLD).map(entry).collect();
    let record = ConversationRecord {
        id: id.clone(),
        kind: Kind::Group,
        name: None,
        description: None,
        avatar_url: None,
        open: false,
        updated: 1,
        created_by: user("ann"),
        created_at: LONG_AGO,
        applied: OLD,
        dissolved: None,
    };
    let member = |name| Effect::SetMember {
        conversation: id.clone(),
        user: user(name),
        role: starling_protocol::Role::Member,
        seq: 1,
    };
    let effects = [Effect::CreateConversation(record), member("ann"), member("bob")];
    cluster.store.apply(&effects).await.unwrap();
    cluster.store.insert(&entries).await.unwrap();
    id
}

#[tokio::test(start_paused = true)]
async fn a_new_sink_is_told_what_is_stored_from_then_on() {
    let sink = MemorySink::new();
    let mut cluster = Cluster::empty();
    let id = old_conversation(&cluster).await;
    cluster.start_node_that_tells(&settings(), &sink).await;
    sleep(Duration::from_secs(60)).await;
    assert!(sink.pages().is_empty(), "the old is not told");
    let ann = cluster.connect(0, "ann").await;
    sink.set_reachable(false);
    for number in 0..150 {
        ann.send(&id, &format!("{number}")).await.unwrap();
    }
    sleep(Duration::from_secs(30)).await;
    sink.set_reachable(true);
    let expected: Vec<_> = (OLD + 1..=OLD + 150).collect();
    eventually("the new is told", || (sink.seqs(&id) == expected).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_sink_is_told_everything_where_that_is_wanted() {
    let sink = MemorySink::new();
    let mut cluster = Cluster::empty();
    let id = old_conversation(&cluster).await;
    let settings = Settings {
        events_from: EventsFrom::Beginning,
        ..settings()
    };
    cluster.start_node_that_tells(&settings, &sink).await;
    assert_eq!(
        told_all(&cluster, &sink, &id).await,
        (1..=OLD).collect::<Vec<_>>()
    );
    // Asked only once: another node with another setting changes nothing.
    let now = crate::cluster::settings();
    cluster.start_node_that_tells(&now, &sink).await;
    let ann = cluster.connect(1, "ann").await;
    ann.sync(BTreeMap::new()).await.unwrap();
    ann.call(message(&id, "new")).await.unwrap();
    assert_eq!(told_all(&cluster, &sink, &id).await.len() as Seq, OLD + 1);
}
