//! The last entries of conversations.

use bytes::Bytes;
use starling_core::ports::{AfterCommit, Commit, Leases, RecentEntries};
use starling_protocol::{ConversationId, Seq};

use crate::server::Deployment;
use crate::support::{Node, conversation, on_both, patient_settings};

on_both! {
    what_is_not_an_entry_is_not_taken_for_one,
    the_list_is_bounded_and_expires,
}

fn batch(node: &Node, id: &ConversationId, first: Seq, head: Seq) -> Commit {
    Commit {
        conversation: id.clone(),
        token: None,
        head,
        then: AfterCommit::Release,
        payload: Bytes::from_static(b"head "),
        entries: (first..=head).map(entry).collect(),
        takes_back: false,
        own: node.incarnation.clone(),
        handover: Bytes::new(),
    }
}

/// With what a careless reader could stumble over.
fn entry(seq: Seq) -> Bytes {
    let mut bytes = vec![0xff, b' ', 0];
    bytes.extend(seq.to_be_bytes());
    bytes.into()
}

async fn commit(node: &Node, id: &ConversationId, first: Seq, head: Seq) {
    node.redis
        .commit(batch(node, id, first, head).into())
        .await
        .unwrap();
}

/// The seqs that are kept, each with its own entry.
async fn kept(node: &Node, id: &ConversationId, limit: usize) -> Vec<Seq> {
    let kept = node.redis.recent(id, limit).await.unwrap();
    assert!(kept.iter().all(|(seq, bytes)| *bytes == entry(*seq)), "{kept:?}");
    kept.into_iter().map(|(seq, _)| seq).collect()
}

async fn what_is_not_an_entry_is_not_taken_for_one(deployment: &Deployment) {
    let (node, id) = (Node::start(deployment).await, conversation());
    commit(&node, &id, 14, 15).await;
    deployment.cli(&["RPUSH", &format!("recent:{{{id}}}"), "nonsense"]);
    assert_eq!(kept(&node, &id, 10).await, [14, 15]);
    commit(&node, &id, 16, 16).await;
    assert_eq!(kept(&node, &id, 10).await, [16]);
}

async fn the_list_is_bounded_and_expires(deployment: &Deployment) {
    let (node, id) = (Node::start(deployment).await, conversation());
    let ttl = || {
        let ttl = deployment.cli(&["TTL", &format!("recent:{{{id}}}")]);
        let ttl: u64 = ttl.parse().unwrap();
        assert!((604_700..=604_800).contains(&ttl), "{ttl}");
    };
    for first in (1..=1_024).step_by(256) {
        commit(&node, &id, first, first + 255).await;
        ttl();
    }
    assert_eq!(kept(&node, &id, 5_000).await, (25..=1_024).collect::<Vec<_>>());
    let entries: Vec<_> = (1..=1_200).map(|seq| (seq, entry(seq))).collect();
    node.redis.keep_recent(&id, &entries).await.unwrap();
    ttl();
    assert_eq!(kept(&node, &id, 5_000).await, (201..=1_200).collect::<Vec<_>>());

    let mut settings = patient_settings(deployment);
    settings.recent_max_entries = 0;
    let (none, id) = (Node::start_with(settings).await, conversation());
    commit(&none, &id, 1, 3).await;
    none.redis.keep_recent(&id, &entries).await.unwrap();
    assert!(kept(&none, &id, 10).await.is_empty());
    assert!(kept(&node, &id, 10).await.is_empty());
}
