//! Marks, receipts, unread counts (I9, P3).

use starling_protocol::{
    AddMembers, AskStatus, Command, ConversationId, Delivered, DeliveryStatus, EntryStatus, ErrorCode, Event,
    List, ListReceipts, Read, Receipt, ReceiptsChange, RemoveMember, Reply, Role, Seq, ServerFrame,
};

use crate::cluster::{Client, Cluster, eventually, message, ms, user};

fn read(id: &ConversationId, seq: Seq) -> Command {
    Command::Read(Read {
        conversation: id.clone(),
        seq,
    })
}

fn delivered(id: &ConversationId, seq: Seq) -> Command {
    Command::Delivered(Delivered {
        conversation: id.clone(),
        seq,
    })
}

fn events(client: &Client) -> Vec<ReceiptsChange> {
    let frames = client.frames.lock();
    let events = frames.iter().filter_map(|frame| match frame {
        ServerFrame::Event(Event::Receipts(change)) => Some(change.clone()),
        _ => None,
    });
    events.collect()
}

/// A member's marks as a client was told last.
fn told(client: &Client, name: &str) -> (Seq, Seq) {
    let members = events(client).into_iter().flat_map(|change| change.members);
    let marks = members.filter(|member| member.user == user(name));
    marks
        .last()
        .map_or((0, 0), |member| (member.delivered, member.read))
}

fn told_of_all(client: &Client) -> (Seq, Seq) {
    events(client)
        .last()
        .map_or((0, 0), |change| (change.delivered, change.read))
}

async fn status(client: &Client, id: &ConversationId, seq: Seq) -> EntryStatus {
    let ask = AskStatus {
        conversation: id.clone(),
        seq,
    };
    match client.call(Command::Status(ask)).await.unwrap() {
        Reply::Status(status) => status,
        other => panic!("no status: {other:?}"),
    }
}

async fn unread(client: &Client, id: &ConversationId) -> u64 {
    let Reply::Conversations(page) = client.call(Command::List(List::default())).await.unwrap() else {
        panic!("no list")
    };
    let listed = page.conversations.iter().find(|listed| listed.id == *id);
    listed.unwrap().unread
}

#[tokio::test(start_paused = true)]
async fn a_sender_sees_a_message_delivered_and_read_on_other_nodes() {
    let cluster = Cluster::start(3).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let clients = [
        cluster.connect(0, "ann").await,
        cluster.connect(1, "bob").await,
        cluster.connect(2, "eve").await,
    ];
    let [ann, bob, eve] = &clients;
    ann.send(&group, "a").await.unwrap();
    assert_eq!(status(ann, &group, 2).await.status, DeliveryStatus::Pending);
    bob.call(delivered(&group, 2)).await.unwrap();
    eve.call(read(&group, 2)).await.unwrap();
    eventually("delivered", || (told_of_all(ann) == (2, 0)).then_some(())).await;
    let now = status(ann, &group, 2).await;
    assert_eq!(
        (now.status, now.delivered, now.read),
        (DeliveryStatus::Delivered, vec![user("bob")], vec![user("eve")])
    );
    bob.call(read(&group, 2)).await.unwrap();
    for client in &clients {
        eventually("read", || (told_of_all(client) == (2, 2)).then_some(())).await;
        assert_eq!(told(client, "bob"), (2, 2));
        assert_eq!(told(client, "eve"), (2, 2));
        assert_eq!(told(client, "ann"), (2, 2), "whoever says something has read it");
    }
    assert_eq!(status(ann, &group, 2).await.status, DeliveryStatus::Read);
}

#[tokio::test(start_paused = true)]
async fn unread_counts_messages_after_the_read_mark_whatever_is_delivered() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    for index in 0..4 {
        ann.send(&group, &format!("{index}")).await.unwrap();
    }
    let add = AddMembers {
        conversation: group.clone(),
        users: vec![user("eve")],
    };
    ann.call(Command::Add(add)).await.unwrap();
    ann.send(&group, "last").await.unwrap();
    bob.has(&group, 2, 7).await;
    bob.call(delivered(&group, 7)).await.unwrap();
    tokio::time::sleep(ms(3_000)).await;
    assert_eq!(unread(&bob, &group).await, 5);
    assert_eq!(unread(&ann, &group).await, 0, "what is one's own is read");
    bob.call(read(&group, 4)).await.unwrap();
    tokio::time::sleep(ms(3_000)).await;
    assert_eq!(unread(&bob, &group).await, 2, "a change of members is no message");
    bob.send(&group, "an answer").await.unwrap();
    tokio::time::sleep(ms(3_000)).await;
    assert_eq!(unread(&bob, &group).await, 0);
    // Joined after all but one of them.
    let eve = cluster.connect(1, "eve").await;
    assert_eq!(unread(&eve, &group).await, 2);
}

#[tokio::test(start_paused = true)]
async fn marks_never_go_back_and_never_pass_the_head() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    let bob = [cluster.connect(0, "bob").await, cluster.connect(1, "bob").await];
    for index in 0..20 {
        ann.send(&group, &format!("{index}")).await.unwrap();
    }
    bob[1].has(&group, 2, 21).await;
    for (device, seq) in [(0, 15), (1, 9), (1, 20), (0, 3), (0, 17)] {
        bob[device].call(read(&group, seq)).await.unwrap();
        tokio::time::sleep(ms(170)).await;
    }
    let past = bob[0].call(read(&group, 22)).await.unwrap_err();
    assert_eq!(past.code, ErrorCode::CursorAhead);
    tokio::time::sleep(ms(2_000)).await;
    let record = &cluster.store.member_records(&group)[1];
    assert_eq!((record.delivered, record.read), (20, 20));
    let marks: Vec<_> = events(&ann)
        .into_iter()
        .flat_map(|change| change.members)
        .filter(|member| member.user == user("bob"))
        .map(|member| (member.delivered, member.read))
        .collect();
    assert!(marks.is_sorted() && marks.last() == Some(&(20, 20)), "{marks:?}");
}

#[tokio::test(start_paused = true)]
async fn many_marks_are_one_event_in_a_round() {
    let cluster = Cluster::start(3).await;
    let names: Vec<_> = (0..60).map(|number| format!("u{number:02}")).collect();
    let group = cluster
        .group(&names.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    let mut clients = Vec::new();
    for (number, name) in names.iter().enumerate() {
        clients.push(cluster.connect(number % 3, name).await);
    }
    let start = tokio::time::Instant::now();
    for round in 0..10 {
        let sent = clients[0].send(&group, &format!("{round}")).await.unwrap();
        for client in &clients {
            eventually("it is there", || {
                client.seqs(&group).contains(&sent.seq).then_some(())
            })
            .await;
            client.command(read(&group, sent.seq)).await;
        }
    }
    for client in &clients {
        eventually("all have read all", || {
            (told_of_all(client) == (11, 11)).then_some(())
        })
        .await;
    }
    let rounds = start.elapsed().as_millis() as usize / 250 + 2;
    for client in &clients {
        let events = events(client);
        assert!(
            !events.is_empty() && events.len() <= rounds,
            "{} events in {rounds} rounds",
            events.len()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_but_members_hears_of_marks() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let (eve, zoe) = (cluster.connect(1, "eve").await, cluster.connect(1, "zoe").await);
    let remove = RemoveMember {
        conversation: group.clone(),
        user: user("eve"),
    };
    ann.call(Command::Remove(remove)).await.unwrap();
    eve.has(&group, 2, 2).await;
    let before = events(&eve).len();
    let seq = ann.send(&group, "a").await.unwrap().seq;
    bob.call(read(&group, seq)).await.unwrap();
    eventually("ann is told", || (told(&ann, "bob").1 == seq).then_some(())).await;
    tokio::time::sleep(ms(1_000)).await;
    assert_eq!((events(&eve).len(), events(&zoe).len()), (before, 0));
    let list = ListReceipts {
        conversation: group.clone(),
        after: None,
        limit: None,
    };
    for stranger in [&eve, &zoe] {
        for command in [
            read(&group, 1),
            Command::Receipts(list.clone()),
            Command::Status(AskStatus {
                conversation: group.clone(),
                seq: 1,
            }),
        ] {
            let refused = stranger.call(command).await.unwrap_err();
            assert_eq!(refused.code, ErrorCode::NotAMember);
        }
    }
    let Reply::Receipts(page) = bob.call(Command::Receipts(list)).await.unwrap() else {
        panic!("no receipts")
    };
    let member = |name: &str, role| Receipt {
        user: user(name),
        delivered: seq,
        read: seq,
        role: Some(role),
    };
    assert_eq!(
        page.members,
        [member("ann", Role::Admin), member("bob", Role::Member)]
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_came_later_do_not_count() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(0, "bob").await);
    ann.send(&group, "a").await.unwrap();
    let add = AddMembers {
        conversation: group.clone(),
        users: vec![user("eve")],
    };
    ann.call(Command::Add(add)).await.unwrap();
    bob.call(read(&group, 3)).await.unwrap();
    eventually("read", || (told_of_all(&ann) == (2, 2)).then_some(())).await;
    let now = status(&ann, &group, 2).await;
    assert_eq!((now.status, now.read), (DeliveryStatus::Read, vec![user("bob")]));
}

/// What is stored is applied by whoever recovers it, the sender's own mark included.
#[tokio::test(start_paused = true)]
async fn ones_own_message_is_read_even_if_its_node_dies_right_after_storing_it() {
    let mut cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(1, "ann").await;
    tokio::time::sleep(ms(5_000)).await;
    ann.command(message(&group, "a")).await;
    eventually("stored", || (cluster.store.head_seq(&group) == 2).then_some(())).await;
    cluster.ports[1].kill();
    drop(cluster.nodes.pop());
    let again = cluster.connect(0, "ann").await;
    eventually("marked", || {
        (cluster.store.member_records(&group)[0].read == 2).then_some(())
    })
    .await;
    assert_eq!(unread(&again, &group).await, 0);
}
