//! What becomes of messages: edits, deletions, reactions, replies (M7, M8, M10).

use std::collections::BTreeMap;

use starling_core::memory::InsertFault;
use starling_protocol::limits::MAX_ALTERATIONS;
use starling_protocol::{
    AddMembers, Body, ClientId, Command, Content, ConversationId, Create, DeleteMessage, EditMessage, Entry,
    Error, ErrorCode, Event, History, Kind, Leave, List, MessageKind, MessageState, React, Reply, Send, Sent,
    Seq, ServerFrame, UserId,
};

use crate::cluster::{Client, Cluster, eventually, message, ms, user};

pub(crate) fn edit(id: &ConversationId, seq: Seq, text: &str) -> Command {
    Command::Edit(EditMessage {
        conversation: id.clone(),
        seq,
        text: text.into(),
        client_id: None,
        retry: false,
    })
}

pub(crate) fn delete(id: &ConversationId, seq: Seq) -> Command {
    Command::Delete(DeleteMessage {
        conversation: id.clone(),
        seq,
        client_id: None,
        retry: false,
    })
}

pub(crate) fn react(id: &ConversationId, seq: Seq, emoji: &str, removed: bool) -> Command {
    Command::React(React {
        conversation: id.clone(),
        seq,
        emoji: emoji.into(),
        removed,
        client_id: None,
        retry: false,
    })
}

fn reply(id: &ConversationId, client_id: &str, to: Seq) -> Command {
    let send = Send::text(id.clone(), ClientId::new(client_id).unwrap(), "a reply");
    Command::Send(Send {
        reply_to: Some(to),
        ..send
    })
}

async fn done(client: &Client, command: Command) -> Sent {
    match client.call(command).await.unwrap() {
        Reply::Sent(sent) => sent,
        other => panic!("not sent: {other:?}"),
    }
}

#[track_caller]
fn is(result: Result<Reply, Error>, code: ErrorCode) {
    match result {
        Err(error) => assert_eq!(error.code, code, "{error}"),
        Ok(reply) => panic!("{code} expected: {reply:?}"),
    }
}

async fn history(client: &Client, id: &ConversationId) -> Vec<std::sync::Arc<Entry>> {
    let history = History {
        after: Some(0),
        limit: Some(200),
        ..History::newest(id.clone())
    };
    match client.call(Command::History(history)).await.unwrap() {
        Reply::History(page) => page.entries,
        other => panic!("no page: {other:?}"),
    }
}

/// What became of a message, as its readers are told.
async fn state(client: &Client, id: &ConversationId, seq: Seq) -> MessageState {
    let entries = history(client, id).await;
    let entry = entries.iter().find(|entry| entry.seq == seq).unwrap();
    let state = entry.state.clone().unwrap_or_default();
    MessageState {
        alterations: 0,
        ..state
    }
}

fn users(names: &[&str]) -> Vec<UserId> {
    names.iter().map(|name| user(name)).collect()
}

/// A group of ann (its admin), bob and eve, with a message of bob's at 2.
async fn said(cluster: &Cluster) -> (ConversationId, Client, Client, Client) {
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let ann = cluster.connect(0, "ann").await;
    let bob = cluster.connect(1, "bob").await;
    let eve = cluster.connect(2, "eve").await;
    assert_eq!(bob.send(&group, "first").await.unwrap().seq, 2);
    (group, ann, bob, eve)
}

#[tokio::test(start_paused = true)]
async fn only_who_sent_a_message_edits_it() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, eve) = said(&cluster).await;
    for other in [&ann, &eve] {
        is(other.call(edit(&group, 2, "forged")).await, ErrorCode::Forbidden);
    }
    assert_eq!(cluster.log(&group).len(), 2, "nothing is stored");
    let edited = done(&bob, edit(&group, 2, "better")).await;
    assert_eq!(edited.seq, 3);
    for client in [&ann, &bob, &eve] {
        client.has(&group, 2, 3).await;
        let body = Body::Edited {
            target: 2,
            text: "better".into(),
        };
        assert_eq!(client.entries(&group)[1].body, body);
        let seen = state(client, &group, 2).await;
        assert_eq!(
            (seen.changed, seen.text.as_deref(), seen.edited_at),
            (3, Some("better"), Some(edited.at))
        );
    }
    // The last one counts.
    done(&bob, edit(&group, 2, "best")).await;
    assert_eq!(state(&eve, &group, 2).await.text.as_deref(), Some("best"));
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_is_nowhere_any_more() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, eve) = said(&cluster).await;
    done(&bob, edit(&group, 2, "secret")).await;
    is(eve.call(delete(&group, 2)).await, ErrorCode::Forbidden);
    let deleted = done(&bob, delete(&group, 2)).await;
    assert_eq!(deleted.seq, 4);
    let gone = MessageState {
        changed: 4,
        deleted_at: Some(deleted.at),
        deleted_by: Some(user("bob")),
        ..MessageState::default()
    };
    assert_eq!(state(&ann, &group, 2).await, gone);

    // Not in the store, not in history, not in what a new connection is sent.
    let resumed = cluster.open(0, "ann").await.unwrap();
    resumed.sync(BTreeMap::from([(group.clone(), 1)])).await.unwrap();
    resumed.has(&group, 2, 4).await;
    for entries in [
        cluster.log(&group),
        history(&eve, &group).await,
        resumed.entries(&group),
    ] {
        let text = format!("{entries:?}");
        assert!(
            !text.contains("secret") && !text.contains("text of first"),
            "{text}"
        );
        assert_eq!(entries.last().unwrap().seq, 4, "the places stay");
    }

    // Nothing more happens to it.
    for command in [
        edit(&group, 2, "again"),
        react(&group, 2, "👍", false),
        reply(&group, "r", 2),
    ] {
        is(bob.call(command).await, ErrorCode::UnknownMessage);
    }
    let again = done(&bob, delete(&group, 2)).await;
    assert_eq!((again.seq, again.client_id), (4, None), "it is so already");
    assert_eq!(cluster.log(&group).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn moderators_delete_what_others_say() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, eve) = said(&cluster).await;
    ann.send(&group, "of the admin").await.unwrap();
    is(bob.call(delete(&group, 3)).await, ErrorCode::Forbidden);
    done(&ann, delete(&group, 2)).await;
    assert_eq!(state(&eve, &group, 2).await.deleted_by, Some(user("ann")));
}

#[tokio::test(start_paused = true)]
async fn reactions_are_counted_by_user_and_emoji() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, eve) = said(&cluster).await;
    assert_eq!(done(&eve, react(&group, 2, "👍", false)).await.seq, 3);
    assert_eq!(done(&bob, react(&group, 2, "👍", false)).await.seq, 4);
    assert_eq!(done(&bob, react(&group, 2, "🎉", false)).await.seq, 5);
    // Twice is once, and what is not there is not taken back.
    for (client, emoji, removed) in [(&eve, "👍", false), (&eve, "🎉", true), (&ann, "👍", true)] {
        let same = done(client, react(&group, 2, emoji, removed)).await;
        assert_eq!((same.seq, same.client_id), (5, None));
    }
    let expected = BTreeMap::from([
        ("👍".to_owned(), users(&["bob", "eve"])),
        ("🎉".to_owned(), users(&["bob"])),
    ]);
    assert_eq!(state(&ann, &group, 2).await.reactions, expected);
    done(&bob, react(&group, 2, "👍", true)).await;
    let expected = BTreeMap::from([
        ("👍".to_owned(), users(&["eve"])),
        ("🎉".to_owned(), users(&["bob"])),
    ]);
    assert_eq!(state(&ann, &group, 2).await.reactions, expected);
    done(&bob, react(&group, 2, "👍", false)).await;
    assert_eq!(
        state(&ann, &group, 2).await.reactions["👍"],
        users(&["bob", "eve"])
    );
}

#[tokio::test(start_paused = true)]
async fn reactions_of_many_at_once_are_all_there() {
    let cluster = Cluster::start(3).await;
    let names: Vec<_> = (0..60).map(|n| format!("u{n:02}")).collect();
    let everyone: Vec<_> = ["ann"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let group = cluster.group(&everyone).await;
    let ann = cluster.connect(0, "ann").await;
    ann.send(&group, "first").await.unwrap();
    let mut clients = Vec::new();
    for (number, name) in names.iter().enumerate() {
        clients.push(cluster.connect(number % 3, name).await);
    }
    let before = cluster.store.counts().inserts;
    crate::cluster::all(
        clients
            .iter()
            .map(|client| done(client, react(&group, 2, "👍", false))),
    )
    .await;
    assert_eq!(
        state(&ann, &group, 2).await.reactions["👍"],
        users(&names.iter().map(String::as_str).collect::<Vec<_>>())
    );
    assert!(cluster.store.counts().inserts < before + 40, "in batches");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_cannot_be_altered_or_replied_to() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, _eve) = said(&cluster).await;
    done(&bob, react(&group, 2, "👍", false)).await;
    // 1 is the creation, 3 a reaction, 4 and beyond are not there.
    for seq in [1, 3, 4, 5, Seq::MAX] {
        for command in [
            edit(&group, seq, "text"),
            delete(&group, seq),
            react(&group, seq, "👍", false),
            reply(&group, "r", seq),
        ] {
            is(ann.call(command).await, ErrorCode::UnknownMessage);
        }
    }
    is(ann.call(reply(&group, "r", 0)).await, ErrorCode::UnknownMessage);
    assert_eq!(cluster.log(&group).len(), 3);
    let sent = done(&ann, reply(&group, "r", 2)).await;
    let said = Content {
        text: "a reply".into(),
        reply_to: Some(2),
        kind: MessageKind::Text,
    };
    assert_eq!(
        cluster.log(&group)[sent.seq as usize - 1].body,
        Body::Message(said)
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_is_no_member_alters_nothing() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, eve) = said(&cluster).await;
    bob.call(Command::Leave(Leave {
        conversation: group.clone(),
    }))
    .await
    .unwrap();
    let stranger = cluster.connect(0, "sam").await;
    for client in [&bob, &stranger] {
        for command in [
            edit(&group, 2, "text"),
            delete(&group, 2),
            react(&group, 2, "👍", false),
        ] {
            is(client.call(command).await, ErrorCode::NotAMember);
        }
    }
    assert_eq!(cluster.log(&group).len(), 3);
    // The message is still there for the others, and for him once he is back.
    done(&eve, react(&group, 2, "👍", false)).await;
    ann.call(Command::Add(AddMembers {
        conversation: group.clone(),
        users: vec![user("bob")],
    }))
    .await
    .unwrap();
    eventually("bob is back", || bob.seqs(&group).contains(&5).then_some(())).await;
    assert_eq!(done(&bob, edit(&group, 2, "back")).await.seq, 6);
}

#[tokio::test(start_paused = true)]
async fn only_moderators_speak_for_the_system() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, _eve) = said(&cluster).await;
    let of_kind = |client_id: &str, kind| {
        let send = Send::text(group.clone(), ClientId::new(client_id).unwrap(), "text");
        Command::Send(Send { kind, ..send })
    };
    is(
        bob.call(of_kind("m1", MessageKind::System)).await,
        ErrorCode::Forbidden,
    );
    done(&ann, of_kind("m2", MessageKind::System)).await;
    done(&bob, of_kind("m3", MessageKind::Image)).await;
    done(&bob, of_kind("m4", MessageKind::File)).await;
    let kinds: Vec<_> = cluster
        .log(&group)
        .iter()
        .filter_map(|entry| match &entry.body {
            Body::Message(content) => Some(content.kind),
            _ => None,
        })
        .collect();
    use MessageKind::{File, Image, System, Text};
    assert_eq!(kinds, [Text, System, Image, File]);
}

#[tokio::test(start_paused = true)]
async fn whom_the_other_blocks_alters_nothing_there() {
    let cluster = Cluster::start(2).await;
    let ann = cluster.connect(0, "ann").await;
    let bob = cluster.connect(1, "bob").await;
    let create = Create::of(Kind::Direct, vec![user("bob")]);
    let Reply::Conversation(direct) = ann.call(Command::Create(create)).await.unwrap() else {
        panic!("no conversation")
    };
    ann.send(&direct.id, "m").await.unwrap();
    let people = cluster.nodes[1].people();
    people.block(&user("bob"), &user("ann")).await.unwrap();
    tokio::time::sleep(ms(6_000)).await;
    for command in [edit(&direct.id, 2, "text"), react(&direct.id, 2, "👍", false)] {
        is(ann.call(command).await, ErrorCode::Forbidden);
    }
    // What she has said she may take back, and he says what he likes.
    done(&bob, react(&direct.id, 2, "👎", false)).await;
    done(&ann, delete(&direct.id, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn an_alteration_that_is_sent_again_is_the_first_one() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, _eve) = said(&cluster).await;
    let elsewhere = cluster.connect(2, "bob").await;
    let commands = [
        edit(&group, 2, "better"),
        react(&group, 2, "👍", false),
        react(&group, 2, "👍", true),
        delete(&group, 2),
    ];
    for (number, mut command) in commands.into_iter().enumerate() {
        let key = ClientId::new(format!("k{number}")).ok();
        match &mut command {
            Command::Edit(edit) => edit.client_id = key.clone(),
            Command::Delete(delete) => delete.client_id = key.clone(),
            Command::React(react) => react.client_id = key.clone(),
            other => panic!("{other:?}"),
        }
        // Stored, and the answer is lost.
        cluster.ports[1].store.fail_inserts([InsertFault::UnknownStored]);
        let first = done(&bob, command.clone()).await;
        command.mark_as_retry();
        let again = done(&elsewhere, command).await;
        assert_eq!((again.seq, &again.client_id), (first.seq, &key));
        assert_eq!(first.seq, number as Seq + 3);
    }
    ann.has(&group, 2, 6).await;
}

#[tokio::test(start_paused = true)]
async fn alterations_keep_the_order_in_which_a_connection_sent_them() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, _eve) = said(&cluster).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(bob.command(message(&group, &format!("m{n}"))).await);
        ids.push(bob.command(edit(&group, 2, &format!("text {n}"))).await);
    }
    let mut seqs = Vec::new();
    for id in ids {
        match eventually("an answer", || bob.reply(id)).await.unwrap() {
            Reply::Sent(sent) => seqs.push(sent.seq),
            other => panic!("not sent: {other:?}"),
        }
    }
    assert_eq!(seqs, (3..43).collect::<Vec<_>>());
    ann.has(&group, 2, 42).await;
    assert_eq!(state(&ann, &group, 2).await.text.as_deref(), Some("text 19"));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_stored_and_not_applied_is_made_good() {
    let cluster = Cluster::start(3).await;
    let (group, _ann, bob, eve) = said(&cluster).await;
    // The node dies when the entry is stored, before it has applied it.
    cluster.ports[1].store.cut_apply(0);
    bob.command(delete(&group, 2)).await;
    eventually("the entry is stored", || {
        (cluster.store.head_seq(&group) == 3).then_some(())
    })
    .await;
    cluster.ports[1].kill();
    eve.has(&group, 2, 3).await;
    eventually("the text is gone", || {
        let log = cluster.store.entries(&group);
        let blank = log[1].body == Body::Message(Content::text(""));
        (blank
            && log[1]
                .state
                .as_ref()
                .is_some_and(|state| state.deleted_at.is_some()))
        .then_some(())
    })
    .await;
    is(
        cluster
            .connect(0, "bob")
            .await
            .call(edit(&group, 2, "late"))
            .await,
        ErrorCode::UnknownMessage,
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_was_away_is_sent_all_of_it() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, eve) = said(&cluster).await;
    eve.session.close().await;
    done(&bob, edit(&group, 2, "better")).await;
    done(&ann, react(&group, 2, "👍", false)).await;
    ann.send(&group, "second").await.unwrap();
    done(&ann, delete(&group, 5)).await;
    let back = cluster.open(1, "eve").await.unwrap();
    back.sync(BTreeMap::from([(group.clone(), 2)])).await.unwrap();
    back.has(&group, 3, 6).await;
    let bodies: Vec<_> = back
        .entries(&group)
        .iter()
        .map(|entry| entry.body.clone())
        .collect();
    let expected = [
        Body::Edited {
            target: 2,
            text: "better".into(),
        },
        Body::Reacted {
            target: 2,
            emoji: "👍".into(),
            removed: false,
        },
        Body::Message(Content::text("")),
        Body::Deleted { target: 5 },
    ];
    assert_eq!(bodies, expected);
}

#[tokio::test(start_paused = true)]
async fn only_messages_are_unread() {
    let cluster = Cluster::start(3).await;
    let (group, ann, bob, eve) = said(&cluster).await;
    done(&bob, edit(&group, 2, "better")).await;
    done(&ann, react(&group, 2, "👍", false)).await;
    done(&ann, reply(&group, "r", 2)).await;
    done(&ann, delete(&group, 5)).await;
    let Reply::Conversations(page) = eve.call(Command::List(List::default())).await.unwrap() else {
        panic!("no list")
    };
    let listed = &page.conversations[0];
    assert_eq!((listed.head, listed.unread), (6, 2));
}

#[tokio::test(start_paused = true)]
async fn the_last_entry_of_a_list_says_nothing_that_was_deleted() {
    let cluster = Cluster::start(3).await;
    let (group, _ann, bob, eve) = said(&cluster).await;
    done(&bob, edit(&group, 2, "secret")).await;
    let Reply::Conversations(before) = eve.call(Command::List(List::default())).await.unwrap() else {
        panic!("no list")
    };
    assert!(
        format!("{before:?}").contains("secret"),
        "what the message says now"
    );
    done(&bob, delete(&group, 2)).await;
    let later = cluster.connect(0, "eve").await;
    let Reply::Conversations(after) = later.call(Command::List(List::default())).await.unwrap() else {
        panic!("no list")
    };
    let snapshot: Vec<_> = later
        .frames
        .lock()
        .iter()
        .filter(|frame| matches!(frame, ServerFrame::Event(Event::Conversation(_))))
        .cloned()
        .collect();
    assert_eq!(snapshot.len(), 1);
    let told = format!("{after:?} {snapshot:?}");
    assert!(
        !told.contains("secret") && !told.contains("text of first"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_is_altered_only_so_often() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann"]).await;
    let ann = cluster.connect(0, "ann").await;
    ann.send(&group, "first").await.unwrap();
    for n in 0..MAX_ALTERATIONS / 2 {
        done(&ann, edit(&group, 2, &format!("text {n}"))).await;
        done(&ann, react(&group, 2, &format!("e{n}"), false)).await;
    }
    for command in [edit(&group, 2, "more"), react(&group, 2, "more", false)] {
        is(ann.call(command).await, ErrorCode::Forbidden);
    }
    // Those that were taken back count, and to take back is always possible.
    done(&ann, react(&group, 2, "e0", true)).await;
    is(
        ann.call(react(&group, 2, "e0", false)).await,
        ErrorCode::Forbidden,
    );
    done(&ann, delete(&group, 2)).await;
}
