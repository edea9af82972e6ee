//! The last entries of conversations.

use bytes::Bytes;
use starling_core::ports::{AfterCommit, Commit};
use starling_protocol::{ConversationId, Seq};

use super::support::{Node, conversation};
use crate::Service;

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
    node.ports
        .commit(batch(node, id, first, head).into())
        .await
        .unwrap();
}

/// The seqs that are kept, each with its own entry.
async fn kept(node: &Node, id: &ConversationId, limit: usize) -> Vec<Seq> {
    let kept = node.ports.recent(id, limit).await.unwrap();
    assert!(kept.iter().all(|(seq, bytes)| *bytes == entry(*seq)), "{kept:?}");
    kept.into_iter().map(|(seq, _)| seq).collect()
}

pub async fn commits_keep_what_follows(service: &dyn Service) {
    let (node, id) = (Node::start(service).await, conversation());
    assert!(kept(&node, &id, 10).await.is_empty());
    for (first, head, expected) in [
        (5, 7, vec![5, 6, 7]),
        (8, 8, vec![5, 6, 7, 8]),
        // Once more, and late: they are there.
        (8, 8, vec![5, 6, 7, 8]),
        (6, 7, vec![5, 6, 7, 8]),
        // Nine was not heard of.
        (10, 11, vec![10, 11]),
        // As by a counter that was set back.
        (11, 13, vec![11, 12, 13]),
    ] {
        commit(&node, &id, first, head).await;
        assert_eq!(kept(&node, &id, 10).await, expected, "{first}..={head}");
    }
    assert_eq!(kept(&node, &id, 2).await, [12, 13]);
    // A commit without a batch leaves them alone.
    let mut nothing = batch(&node, &id, 14, 14);
    nothing.entries.clear();
    node.ports.commit(nothing.into()).await.unwrap();
    assert_eq!(kept(&node, &id, 10).await, [11, 12, 13]);
    // What takes something back leaves nothing from before it.
    let mut deletion = batch(&node, &id, 14, 15);
    deletion.takes_back = true;
    node.ports.commit(deletion.into()).await.unwrap();
    assert_eq!(kept(&node, &id, 10).await, [14, 15]);
}

pub async fn what_is_read_takes_the_place_of_less(service: &dyn Service) {
    let (node, id) = (Node::start(service).await, conversation());
    let put = async |range: std::ops::RangeInclusive<Seq>| {
        let entries: Vec<_> = range.map(|seq| (seq, entry(seq))).collect();
        node.ports.keep_recent(&id, &entries).await.unwrap();
        kept(&node, &id, 100).await
    };
    assert_eq!(put(3..=5).await, [3, 4, 5]);
    assert_eq!(put(1..=5).await, [1, 2, 3, 4, 5]);
    commit(&node, &id, 6, 6).await;
    assert_eq!(put(2..=5).await, [1, 2, 3, 4, 5, 6], "what goes further stays");
    assert_eq!(put(6..=7).await, [6, 7]);
    node.ports.keep_recent(&id, &[]).await.unwrap();
    assert_eq!(kept(&node, &id, 100).await, [6, 7]);
}

pub async fn the_list_is_bounded(service: &dyn Service) {
    let (node, id) = (Node::start(service).await, conversation());
    for first in (1..=1_024).step_by(256) {
        commit(&node, &id, first, first + 255).await;
    }
    assert_eq!(kept(&node, &id, 5_000).await, (25..=1_024).collect::<Vec<_>>());
    let entries: Vec<_> = (1..=1_200).map(|seq| (seq, entry(seq))).collect();
    node.ports.keep_recent(&id, &entries).await.unwrap();
    assert_eq!(kept(&node, &id, 5_000).await, (201..=1_200).collect::<Vec<_>>());
}

pub async fn the_batch_is_published_behind_the_payload(service: &dyn Service) {
    let (a, mut b, id) = (
        Node::start(service).await,
        Node::start(service).await,
        conversation(),
    );
    for node in [&a, &b] {
        node.ports
            .join_routes(std::slice::from_ref(&id), &node.incarnation)
            .await
            .unwrap();
    }
    commit(&a, &id, 1, 2).await;
    let parts = [Bytes::from_static(b"head "), entry(1), entry(2)];
    assert_eq!(b.payload().await, parts.concat());
}
