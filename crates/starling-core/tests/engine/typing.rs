//! Typing: across nodes, never to the typist, never for ever (P2).

use starling_protocol::{
    Command, ConversationId, ErrorCode, Event, Moderate, Mute, RemoveMember, ServerFrame, Typing,
};

use crate::cluster::{Client, Cluster, eventually, ms, user};

fn typing(id: &ConversationId, typing: bool) -> Command {
    Command::Typing(Typing {
        conversation: id.clone(),
        typing,
    })
}

/// What a client was told of others' typing, in order.
fn told(client: &Client) -> Vec<(String, bool)> {
    let frames = client.frames.lock();
    let told = frames.iter().filter_map(|frame| match frame {
        ServerFrame::Event(Event::Typing(change)) => Some((change.user.to_string(), change.typing)),
        _ => None,
    });
    told.collect()
}

async fn is_told(client: &Client, expected: &[(&str, bool)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, typing)| ((*name).to_owned(), *typing))
        .collect();
    eventually(&format!("told {expected:?}"), || {
        (told(client) == expected).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn others_on_all_nodes_hear_of_it_and_the_typist_does_not() {
    let cluster = Cluster::start(3).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let ann = [cluster.connect(0, "ann").await, cluster.connect(1, "ann").await];
    let others = [cluster.connect(1, "bob").await, cluster.connect(2, "eve").await];
    let zoe = cluster.connect(0, "zoe").await;
    ann[0].call(typing(&group, true)).await.unwrap();
    for other in &others {
        is_told(other, &[("ann", true)]).await;
    }
    ann[0].call(typing(&group, false)).await.unwrap();
    for other in &others {
        is_told(other, &[("ann", true), ("ann", false)]).await;
    }
    tokio::time::sleep(ms(40_000)).await;
    assert_eq!(told(&ann[0]).len() + told(&ann[1]).len() + told(&zoe).len(), 0);
    assert_eq!(told(&others[0]).len(), 2);
    let refused = zoe.call(typing(&group, true)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotAMember);
}

#[tokio::test(start_paused = true)]
async fn it_ends_by_itself_unless_it_is_said_again() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    for _ in 0..10 {
        ann.call(typing(&group, true)).await.unwrap();
        tokio::time::sleep(ms(5_000)).await;
    }
    is_told(&bob, &[("ann", true)]).await;
    tokio::time::sleep(ms(24_000)).await;
    assert_eq!(told(&bob).len(), 1, "said 29 s ago");
    tokio::time::sleep(ms(3_000)).await;
    is_told(&bob, &[("ann", true), ("ann", false)]).await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_message_the_connection_and_the_membership() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["bob", "ann", "eve"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let eve = cluster.connect(0, "eve").await;
    let mut expected = Vec::new();
    let mut next = async |user: &'static str, typing: bool| {
        expected.push((user, typing));
        is_told(&bob, &expected).await;
    };
    ann.call(typing(&group, true)).await.unwrap();
    next("ann", true).await;
    ann.send(&group, "a").await.unwrap();
    next("ann", false).await;
    eve.call(typing(&group, true)).await.unwrap();
    next("eve", true).await;
    let remove = RemoveMember {
        conversation: group.clone(),
        user: user("eve"),
    };
    bob.call(Command::Remove(remove)).await.unwrap();
    next("eve", false).await;
    ann.call(typing(&group, true)).await.unwrap();
    next("ann", true).await;
    let told_eve = told(&eve).len();
    ann.session.close().await;
    next("ann", false).await;
    assert_eq!(told(&eve).len(), told_eve, "she is no member");
}

#[tokio::test(start_paused = true)]
async fn a_dead_nodes_typist_does_not_type_for_ever() {
    let mut cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(1, "ann").await, cluster.connect(0, "bob").await);
    ann.call(typing(&group, true)).await.unwrap();
    is_told(&bob, &[("ann", true)]).await;
    cluster.ports[1].kill();
    drop(cluster.nodes.pop());
    tokio::time::sleep(ms(32_000)).await;
    is_told(&bob, &[("ann", true), ("ann", false)]).await;
}

#[tokio::test(start_paused = true)]
async fn who_begins_too_often_is_not_heard() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    for _ in 0..100 {
        ann.call(typing(&group, true)).await.unwrap();
        ann.call(typing(&group, false)).await.unwrap();
    }
    tokio::time::sleep(ms(1_000)).await;
    let told = told(&bob);
    assert!((20..=24).contains(&told.len()), "{} events", told.len());
    assert_eq!(
        told.last(),
        Some(&("ann".to_owned(), false)),
        "none is left typing"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_a_muted_member() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["bob", "ann"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    ann.call(typing(&group, true)).await.unwrap();
    is_told(&bob, &[("ann", true)]).await;
    let mute = |until| {
        Command::Mute(Mute {
            conversation: group.clone(),
            user: user("ann"),
            until,
            client_id: None,
            retry: false,
        })
    };
    bob.call(mute(None)).await.unwrap();
    is_told(&bob, &[("ann", true), ("ann", false)]).await;
    for _ in 0..3 {
        ann.call(typing(&group, true)).await.unwrap();
        ann.call(typing(&group, false)).await.unwrap();
    }
    // Also where he is not connected.
    cluster.nodes[1]
        .execute(&user("ann"), typing(&group, true))
        .await
        .unwrap();
    tokio::time::sleep(ms(10_000)).await;
    assert_eq!(told(&bob).len(), 2);

    let unmute = Moderate {
        conversation: group.clone(),
        user: user("ann"),
        client_id: None,
        retry: false,
    };
    bob.call(Command::Unmute(unmute)).await.unwrap();
    ann.call(typing(&group, true)).await.unwrap();
    is_told(&bob, &[("ann", true), ("ann", false), ("ann", true)]).await;
}
