//! Runs that the exhaustive model (`starling-model`) has shown to break a promise.

use std::time::Duration;

use starling_core::memory::Latency;
use starling_core::ports::{EntryLog, Incarnation, LeaseToken};
use starling_protocol::{
    Body, ClientId, Command, Content, ConversationId, Entry, ErrorCode, RemoveMember, Send,
};
use tokio::time::sleep;

use crate::cluster::{Cluster, eventually, message, ms, user};

fn removal(group: &ConversationId) -> Command {
    Command::Remove(RemoveMember {
        conversation: group.clone(),
        user: user("bob"),
    })
}

fn retry(group: &ConversationId, client_id: &str) -> Command {
    match message(group, client_id) {
        Command::Send(send) => Command::Send(Send { retry: true, ..send }),
        other => other,
    }
}

/// The entry that follows the log's last one.
fn next(cluster: &Cluster, group: &ConversationId, sender: &str, client_id: &str, body: Body) -> Entry {
    let head = cluster.log(group).last().unwrap().clone();
    let seq = head.seq + 1;
    Entry {
        seq,
        lamport: head.lamport + 1,
        messages: head.messages + u64::from(body.is_message()),
        membership: if body.changes_membership() {
            seq
        } else {
            head.membership
        },
        sender: Some(user(sender)),
        client_id: Some(ClientId::new(client_id).unwrap()),
        body,
        ..(*head).clone()
    }
}

async fn bob_is_removed_in_the_directory(cluster: &Cluster, group: &ConversationId) {
    eventually("bob's membership has ended", || {
        let members = cluster.store.member_records(group);
        let bob = members.into_iter().find(|member| member.user == user("bob"));
        bob.unwrap().left
    })
    .await;
}

fn position(cluster: &Cluster, group: &ConversationId, client_id: &str) -> Option<usize> {
    let log = cluster.log(group);
    log.iter().position(|entry| {
        entry
            .client_id
            .as_ref()
            .is_some_and(|id| id.as_str() == client_id)
    })
}

#[tokio::test(start_paused = true)]
async fn what_a_node_stores_but_cannot_apply_is_applied_by_the_next_one() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let (ann, eve) = (cluster.connect(0, "ann").await, cluster.connect(1, "eve").await);
    // Both know the conversation, and take over from each other without reading.
    eve.send(&group, "a").await.unwrap();
    ann.send(&group, "b").await.unwrap();
    cluster.ports[0].store.cut_apply(0);
    cluster.ports[0].store.fail_reads(1_000_000);
    ann.call(removal(&group)).await.unwrap();
    eve.send(&group, "c").await.unwrap();
    // The second node writes its mark long before the first one reaches the store again.
    sleep(Duration::from_secs(10)).await;
    cluster.ports[0].store.clear_faults();
    bob_is_removed_in_the_directory(&cluster, &group).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_left_is_not_marked_as_applied_by_who_appends_behind_it() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let eve = cluster.connect(1, "eve").await;
    eve.send(&group, "a").await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let body = Body::Left { user: user("bob") };
    let orphan = next(&cluster, &group, "ann", "orphan", body);
    cluster.store.insert(&[orphan.into()]).await.unwrap();
    // No lease to be had for a moment; by the time the batch is stored, coordination answers again.
    cluster.store.set_latency(Latency::Fixed(ms(400)));
    cluster.ports[1].coordination.set_reachable(false);
    let b = eve.command(message(&group, "b")).await;
    sleep(ms(50)).await;
    cluster.ports[1].coordination.set_reachable(true);
    eventually("an answer", || eve.reply(b)).await.unwrap();
    bob_is_removed_in_the_directory(&cluster, &group).await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_not_refused_by_a_lookup_that_a_new_primary_cannot_answer() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(1, "ann").await;
    // Stored by a node that died before it answered.
    let body = Body::Message(Content::text("m"));
    let stored = next(&cluster, &group, "bob", "m", body);
    cluster.store.insert(&[stored.into()]).await.unwrap();
    ann.call(removal(&group)).await.unwrap();
    let bob = cluster.open(1, "bob").await.unwrap();
    cluster.store.fail_over(0, 20, ms(300));
    let answer = bob.call(retry(&group, "m")).await;
    assert!(
        !matches!(&answer, Err(error) if error.code == ErrorCode::NotAMember),
        "I3: it is stored"
    );
}

/// Keeps a conversation's lease from everyone until it is aborted.
fn hold_lease(cluster: &Cluster, group: &ConversationId) -> tokio::task::JoinHandle<()> {
    let (leases, group) = (cluster.ports[1].ports.leases.clone(), group.clone());
    let token = LeaseToken {
        incarnation: Incarnation::fresh(),
        claim: 1,
    };
    tokio::spawn(async move {
        loop {
            let _ = leases.reserve(&group, &token, 0).await;
            sleep(ms(100)).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_what_was_given_up_whatever_ended_the_connection() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let before = cluster.connect(0, "bob").await;
    cluster.ports[0].store.set_reachable(false);
    before.command(message(&group, "1")).await;
    sleep(Duration::from_secs(5)).await;
    // He comes back to the same node, which does not know yet that he was gone, and to the same queue.
    let bob = cluster.open(0, "bob").await.unwrap();
    bob.command(retry(&group, "1")).await;
    bob.command(message(&group, "2")).await;
    sleep(Duration::from_secs(1)).await;
    let lease = hold_lease(&cluster, &group);
    sleep(Duration::from_secs(1)).await;
    cluster.ports[0].store.set_reachable(true);
    sleep(Duration::from_secs(1)).await;
    before.session.close().await;
    bob.session.close().await;
    // The first one's time is up, the second one's is not.
    sleep(Duration::from_secs(8)).await;
    lease.abort();
    sleep(Duration::from_secs(2)).await;
    let bob = cluster.connect(1, "bob").await;
    for client_id in ["1", "2"] {
        let sent = bob.call(retry(&group, client_id)).await;
        assert!(sent.is_ok(), "{sent:?}");
    }
    let (first, second) = (position(&cluster, &group, "1"), position(&cluster, &group, "2"));
    assert!(first.is_some() && first < second, "I5: {first:?} and {second:?}");
}
