//! Conversations that are deleted, for one or for all.

use std::collections::BTreeMap;
use std::time::Duration;

use starling_core::ports::Directory;
use starling_protocol::{
    AddMembers, AskStats, Body, ClientId, Command, ConversationId, Conversations, Create, Delivered,
    Dissolve, EditMessage, ErrorCode, Event, Hidden, Hide, History, Join, Kind, Leave, List, ListReceipts,
    Reply, Send, ServerFrame,
};
use tokio::time::sleep;

use crate::cluster::{Client, Cluster, eventually, message, user};

fn hide(id: &ConversationId) -> Command {
    Command::Hide(Hide {
        conversation: id.clone(),
    })
}

fn dissolve(id: &ConversationId) -> Command {
    Command::Dissolve(Dissolve {
        conversation: id.clone(),
    })
}

fn edit(id: &ConversationId, seq: u64, text: &str) -> Command {
    Command::Edit(EditMessage {
        conversation: id.clone(),
        seq,
        text: text.into(),
        client_id: None,
        retry: false,
    })
}

async fn page(client: &Client, list: List) -> Conversations {
    match client.call(Command::List(list)).await.unwrap() {
        Reply::Conversations(page) => page,
        other => panic!("no list: {other:?}"),
    }
}

/// The listed conversations with their unread counts.
async fn listed(client: &Client) -> Vec<(ConversationId, u64)> {
    let page = page(client, List::default()).await;
    page.conversations
        .into_iter()
        .map(|listed| (listed.id, listed.unread))
        .collect()
}

async fn refusal(client: &Client, command: Command) -> ErrorCode {
    client.call(command).await.unwrap_err().code
}

#[tokio::test(start_paused = true)]
async fn what_is_hidden_is_off_the_list_until_something_new_is_said() {
    let cluster = Cluster::start(2).await;
    let id = cluster.group(&["ann", "bob", "eve"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    ann.send(&id, "1").await.unwrap();
    // Her own mark is written a moment later.
    sleep(Duration::from_secs(2)).await;
    bob.call(hide(&id)).await.unwrap();
    assert_eq!(listed(&bob).await, []);
    assert_eq!(listed(&ann).await, [(id.clone(), 0)], "the others keep it");
    // It is still his: streamed, readable, and shown as what it is.
    let again = cluster.connect(0, "bob").await;
    let hidden = again.frames.lock().iter().any(
        |frame| matches!(frame, ServerFrame::Event(Event::Conversation(state)) if state.conversation.hidden),
    );
    assert!(hidden);
    again
        .call(Command::History(History::newest(id.clone())))
        .await
        .unwrap();
    // A change of membership is nothing that was said.
    ann.call(Command::Add(AddMembers {
        conversation: id.clone(),
        users: vec![user("zoe")],
    }))
    .await
    .unwrap();
    assert_eq!(listed(&bob).await, []);
    ann.send(&id, "2").await.unwrap();
    assert_eq!(
        listed(&bob).await,
        [(id.clone(), 2)],
        "nothing of what he missed is lost"
    );
    bob.call(hide(&id)).await.unwrap();
    assert_eq!(listed(&bob).await, []);
    // Who leaves and is added again begins anew.
    bob.call(Command::Leave(Leave {
        conversation: id.clone(),
    }))
    .await
    .unwrap();
    ann.call(Command::Add(AddMembers {
        conversation: id.clone(),
        users: vec![user("bob")],
    }))
    .await
    .unwrap();
    assert_eq!(listed(&bob).await, [(id.clone(), 0)]);
    let mallory = cluster.connect(0, "mallory").await;
    assert_eq!(refusal(&mallory, hide(&id)).await, ErrorCode::NotAMember);
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_user_hear_what_he_hides_and_nobody_else_does() {
    let cluster = Cluster::start(2).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(1, "ann").await;
    let devices = [
        cluster.connect(0, "bob").await,
        cluster.connect(0, "bob").await,
        cluster.connect(1, "bob").await,
    ];
    let unsynced = cluster.open(1, "bob").await.unwrap();
    ann.send(&id, "1").await.unwrap();
    let told = |client: &Client| {
        let frames = client.frames.lock();
        let told = frames.iter().filter_map(|frame| match frame {
            ServerFrame::Event(Event::Hidden(hidden)) => Some(hidden.clone()),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let expected = [Hidden {
        conversation: id.clone(),
        messages: 1,
    }];
    devices[0].call(hide(&id)).await.unwrap();
    for device in &devices {
        eventually("he is told", || (told(device) == expected).then_some(())).await;
    }
    // A request without a connection tells them, too.
    cluster.nodes[0].execute(&user("bob"), hide(&id)).await.unwrap();
    for device in &devices {
        eventually("he is told again", || (told(device).len() == 2).then_some(())).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!((told(&ann).len(), told(&unsynced).len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_nothing_but_hidden_ones_leads_on() {
    let cluster = Cluster::start(1).await;
    let ann = cluster.connect(0, "ann").await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(cluster.group(&["ann"]).await);
    }
    ids.sort();
    for id in &ids[..6] {
        ann.call(hide(id)).await.unwrap();
    }
    let list = List {
        after: None,
        limit: Some(2),
    };
    let page = page(&ann, list).await;
    assert_eq!(page.conversations.len(), 1);
    assert_eq!((&page.conversations[0].id, page.next), (&ids[6], None));
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_an_admin_deletes_is_gone_for_all() {
    let cluster = Cluster::start(2).await;
    let id = cluster.group(&["ann", "bob", "eve"]).await;
    let direct = Create::of(Kind::Direct, vec![user("bob")]);
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let Reply::Conversation(direct) = ann.call(Command::Create(direct)).await.unwrap() else {
        panic!("no conversation")
    };
    ann.send(&id, "one").await.unwrap();
    bob.send(&id, "two").await.unwrap();
    bob.call(edit(&id, 3, "text of three")).await.unwrap();
    assert_eq!(refusal(&bob, dissolve(&id)).await, ErrorCode::Forbidden);
    assert_eq!(refusal(&ann, dissolve(&direct.id)).await, ErrorCode::Forbidden);
    let before = cluster.log(&id);

    ann.call(dissolve(&id)).await.unwrap();
    for client in [&ann, &bob] {
        let first = client.cursor(&id).unwrap() + 1;
        client.has(&id, first, 5).await;
        assert_eq!(client.entries(&id).last().unwrap().body, Body::Dissolved {});
        assert!(listed(client).await.iter().all(|(listed, _)| *listed != id));
        let conversation = id.clone();
        for command in [
            message(&id, "late"),
            dissolve(&id),
            hide(&id),
            edit(&id, 3, "late"),
            Command::Join(Join {
                conversation: id.clone(),
            }),
            Command::History(History::newest(id.clone())),
            Command::Receipts(ListReceipts {
                conversation: id.clone(),
                after: None,
                limit: None,
            }),
            Command::Stats(AskStats {
                conversation: id.clone(),
                days: None,
            }),
            Command::Delivered(Delivered { conversation, seq: 1 }),
        ] {
            let name = command.name();
            assert_eq!(
                refusal(client, command).await,
                ErrorCode::ConversationDeleted,
                "{name}"
            );
        }
    }
    let eve = cluster.connect(1, "eve").await;
    assert_eq!(listed(&eve).await, []);
    let synced = eve.sync(BTreeMap::from([(id.clone(), 1)])).await.unwrap();
    assert_eq!(synced.refused[&id].code, ErrorCode::ConversationDeleted);
    assert!(eve.seqs(&id).is_empty(), "nothing of it is sent any more");

    // The places and keys are there, the texts are not.
    let after = cluster.log(&id);
    assert_eq!(after.len(), 5);
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(
            (old.seq, &old.sender, &old.client_id),
            (new.seq, &new.sender, &new.client_id)
        );
    }
    assert!(!format!("{after:?}").contains("text of"), "{after:?}");
    assert_eq!(cluster.store.record(&id).unwrap().dissolved, Some(5));
    assert!(
        cluster
            .store
            .member_records(&id)
            .iter()
            .all(|member| member.left == Some(5))
    );
    // What was acknowledged stays acknowledged.
    let again = Send {
        retry: true,
        ..Send::text(id.clone(), ClientId::new("two").unwrap(), "text of two")
    };
    let Reply::Sent(sent) = bob.call(Command::Send(again)).await.unwrap() else {
        panic!("not sent")
    };
    assert_eq!(sent.seq, 3);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_its_node_cannot_carry_out_is_carried_out_by_another() {
    let cluster = Cluster::start(2).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    ann.send(&id, "one").await.unwrap();
    cluster.ports[0].store.cut_apply(0);
    cluster.ports[0].store.fail_reads(1_000_000);
    ann.call(dissolve(&id)).await.unwrap();
    cluster.ports[0].kill();
    // Before anything is carried out, the log alone says so.
    let bob = cluster.connect(1, "bob").await;
    assert_eq!(
        refusal(&bob, message(&id, "late")).await,
        ErrorCode::ConversationDeleted
    );
    assert_eq!(listed(&bob).await, []);
    eventually("it is carried out", || cluster.store.record(&id)?.dissolved).await;
    eventually("the texts are gone", || {
        (!format!("{:?}", cluster.log(&id)).contains("text of")).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_is_applied_late_brings_no_text_back() {
    let cluster = Cluster::start(2).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    bob.send(&id, "one").await.unwrap();
    cluster.ports[1].store.delay_apply(Duration::from_secs(20));
    bob.call(edit(&id, 2, "text of an edit")).await.unwrap();
    ann.call(dissolve(&id)).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert!(!format!("{:?}", cluster.log(&id)).contains("text of"));
    assert_eq!(cluster.store.count_members(&id).await.unwrap(), 0);
}
