//! The last message of a conversation, as lists and snapshots show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_protocol::{
    Body, Command, Content, ConversationId, ConversationSummary, Entry, Event, List, Reply, ServerFrame,
};

use crate::cluster::{Client, Cluster};
use crate::messages::{delete, edit, react};

async fn listed(client: &Client) -> BTreeMap<ConversationId, ConversationSummary> {
    match client.call(Command::List(List::default())).await.unwrap() {
        Reply::Conversations(page) => page
            .conversations
            .into_iter()
            .map(|summary| (summary.id.clone(), summary))
            .collect(),
        other => panic!("no list: {other:?}"),
    }
}

async fn last(client: &Client, id: &ConversationId) -> Option<Arc<Entry>> {
    listed(client).await.remove(id).unwrap().last
}

fn text(entry: Option<Arc<Entry>>) -> (u64, String) {
    match entry.as_deref() {
        Some(Entry {
            seq,
            body: Body::Message(Content { text, .. }),
            ..
        }) => (*seq, text.clone()),
        other => panic!("not a message: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_a_message_whatever_came_after_it() {
    let cluster = Cluster::start(2).await;
    let ann = cluster.connect(0, "ann").await;
    let silent = cluster.group(&["ann", "bob"]).await;
    assert_eq!(last(&ann, &silent).await, None, "nothing was said");

    let group = cluster.group(&["ann", "bob"]).await;
    ann.send(&group, "first").await.unwrap();
    ann.send(&group, "second").await.unwrap();
    assert_eq!(text(last(&ann, &group).await), (3, "text of second".into()));
    // What comes after it, near and far.
    for n in 0..20 {
        ann.call(react(&group, 2, &format!("e{n}"), false)).await.unwrap();
        assert_eq!(
            text(last(&ann, &group).await),
            (3, "text of second".into()),
            "{n}"
        );
    }
    let summary = cluster.nodes[1]
        .summary(&crate::cluster::user("bob"), &group)
        .await
        .unwrap();
    assert_eq!(summary.head, 23);
    assert_eq!(text(summary.last), (3, "text of second".into()));
    assert_eq!(last(&ann, &silent).await, None);
}

#[tokio::test(start_paused = true)]
async fn it_shows_what_became_of_it() {
    let cluster = Cluster::start(2).await;
    let ann = cluster.connect(0, "ann").await;
    let group = cluster.group(&["ann", "bob"]).await;
    ann.send(&group, "first").await.unwrap();
    ann.call(edit(&group, 2, "better")).await.unwrap();
    let edited = last(&ann, &group).await.unwrap();
    let state = edited.state.as_ref().unwrap();
    assert_eq!(
        (edited.seq, state.text.as_deref(), state.changed),
        (2, Some("better"), 3)
    );
    ann.call(react(&group, 2, "+1", false)).await.unwrap();
    let reacted = last(&ann, &group).await.unwrap();
    assert!(reacted.state.as_ref().unwrap().reactions.contains_key("+1"));

    ann.call(delete(&group, 2)).await.unwrap();
    let bob = cluster.connect(1, "bob").await;
    let snapshot = bob.frames.lock().iter().find_map(|frame| match frame {
        ServerFrame::Event(Event::Conversation(state)) => Some(state.conversation.clone()),
        _ => None,
    });
    for shown in [last(&ann, &group).await, snapshot.unwrap().last] {
        let state = shown.as_ref().and_then(|entry| entry.state.clone()).unwrap();
        assert!(state.deleted_at.is_some() && state.text.is_none(), "{state:?}");
        assert_eq!(text(shown), (2, String::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn each_conversation_of_a_long_list_has_its_own() {
    let cluster = Cluster::start(1).await;
    let ann = cluster.connect(0, "ann").await;
    let mut expected = BTreeMap::new();
    for n in 0..12_u64 {
        let group = cluster.group(&["ann", "bob"]).await;
        for message in 0..=n % 3 {
            ann.send(&group, &format!("{n} {message}")).await.unwrap();
        }
        for reaction in 0..n {
            ann.call(react(&group, 2, &format!("e{reaction}"), false))
                .await
                .unwrap();
        }
        expected.insert(group, (2 + n % 3, format!("text of {n} {}", n % 3)));
    }
    let found: BTreeMap<_, _> = listed(&ann)
        .await
        .into_iter()
        .map(|(id, summary)| (id, text(summary.last)))
        .collect();
    assert_eq!(found, expected);
}
