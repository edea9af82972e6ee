//! Pages of history: which entries, for whom, and from where.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_protocol::{
    AskStats, Command, ConversationId, DeleteMessage, EditMessage, Entry, Error, ErrorCode, History,
    HistoryPage, Kind, MessagesWanted, React, RemoveMember, Reply, Seq,
};

use crate::cluster::{Client, Cluster, message, ms, user};

async fn page(client: &Client, history: History) -> Result<HistoryPage, Error> {
    match client.call(Command::History(history)).await? {
        Reply::History(page) => Ok(page),
        other => panic!("no page: {other:?}"),
    }
}

async fn newest(client: &Client, id: &ConversationId, limit: u32) -> Vec<Entry> {
    let history = History {
        limit: Some(limit),
        ..History::newest(id.clone())
    };
    let page = page(client, history).await.unwrap();
    page.entries.iter().map(|entry| Entry::clone(entry)).collect()
}

fn seqs(page: &HistoryPage) -> Vec<Seq> {
    page.entries.iter().map(|entry| entry.seq).collect()
}

fn react(id: &ConversationId, seq: Seq, emoji: &str, removed: bool) -> Command {
    Command::React(React {
        conversation: id.clone(),
        seq,
        emoji: emoji.into(),
        removed,
        client_id: None,
        retry: false,
    })
}

fn delete(id: &ConversationId, seq: Seq) -> Command {
    Command::Delete(DeleteMessage {
        conversation: id.clone(),
        seq,
        client_id: None,
        retry: false,
    })
}

fn edit(id: &ConversationId, seq: Seq, text: &str) -> Command {
    Command::Edit(EditMessage {
        conversation: id.clone(),
        seq,
        text: text.into(),
        client_id: None,
        retry: false,
    })
}

/// 1 created, 2 to 5 messages, 6 and 7 reactions, 8 and 9 messages.
async fn mixed(cluster: &Cluster) -> (ConversationId, Client) {
    let id = cluster.group(&["ann", "bob"]).await;
    // Without a stream: nothing is read but what is asked for.
    let ann = cluster.open(0, "ann").await.unwrap();
    for key in ["2", "3", "4", "5"] {
        ann.send(&id, key).await.unwrap();
    }
    ann.call(react(&id, 2, "+1", false)).await.unwrap();
    ann.call(react(&id, 3, "+1", false)).await.unwrap();
    for key in ["8", "9"] {
        ann.send(&id, key).await.unwrap();
    }
    (id, ann)
}

#[tokio::test(start_paused = true)]
async fn a_page_goes_back_forth_or_around_with_or_without_what_is_no_message() {
    let cluster = Cluster::start(1).await;
    let (id, ann) = mixed(&cluster).await;
    let whole = History::newest(id.clone());
    let messages = History {
        messages: true,
        ..whole.clone()
    };
    let before = |history: &History, seq, limit| History {
        before: Some(seq),
        limit: Some(limit),
        ..history.clone()
    };
    let after = |history: &History, seq, limit| History {
        after: Some(seq),
        limit: Some(limit),
        ..history.clone()
    };
    let around = |history: &History, seq, limit| History {
        around: Some(seq),
        limit: Some(limit),
        ..history.clone()
    };
    for (history, expected, more) in [
        (messages.clone(), vec![2, 3, 4, 5, 8, 9], false),
        (before(&messages, 9, 2), vec![5, 8], true),
        (before(&messages, 8, 9), vec![2, 3, 4, 5], false),
        (before(&messages, 7, 2), vec![4, 5], true),
        (before(&messages, 2, 2), vec![], false),
        (before(&messages, Seq::MAX, 1), vec![9], true),
        (after(&messages, 0, 2), vec![2, 3], true),
        (after(&messages, 5, 9), vec![8, 9], false),
        (after(&messages, 9, 9), vec![], false),
        (after(&messages, Seq::MAX, 9), vec![], false),
        (around(&whole, 5, 1), vec![5], true),
        (around(&whole, 5, 4), vec![3, 4, 5, 6], true),
        (around(&whole, 5, 5), vec![3, 4, 5, 6, 7], true),
        (around(&whole, 1, 4), vec![1, 2], true),
        (around(&whole, 9, 4), vec![7, 8, 9], false),
        (around(&messages, 6, 4), vec![4, 5, 8, 9], false),
        (around(&messages, 5, 3), vec![4, 5, 8], true),
        (around(&messages, 1, 4), vec![2, 3], true),
    ] {
        let page = page(&ann, history.clone()).await.unwrap();
        assert_eq!((seqs(&page), page.more), (expected, more), "{history:?}");
    }
    let ahead = page(&ann, around(&whole, 10, 4)).await.unwrap_err();
    assert_eq!(ahead.code, ErrorCode::CursorAhead);
    for history in [
        History {
            before: Some(1),
            ..around(&whole, 1, 1)
        },
        around(&whole, 0, 1),
    ] {
        assert_eq!(page(&ann, history).await.unwrap_err().code, ErrorCode::Invalid);
    }
}

#[tokio::test(start_paused = true)]
async fn no_page_of_a_removed_member_goes_past_the_removal() {
    let cluster = Cluster::start(2).await;
    let (id, ann) = mixed(&cluster).await;
    let bob = cluster.connect(1, "bob").await;
    ann.call(Command::Remove(RemoveMember {
        conversation: id.clone(),
        user: user("bob"),
    }))
    .await
    .unwrap();
    for key in ["11", "12"] {
        ann.send(&id, key).await.unwrap();
    }
    let whole = History::newest(id.clone());
    for messages in [false, true] {
        for history in [
            whole.clone(),
            History {
                before: Some(Seq::MAX),
                ..whole.clone()
            },
            History {
                after: Some(3),
                ..whole.clone()
            },
            History {
                around: Some(8),
                ..whole.clone()
            },
            History {
                around: Some(10),
                ..whole.clone()
            },
        ] {
            let history = History { messages, ..history };
            let page = page(&bob, history.clone()).await.unwrap();
            let last = if messages { 9 } else { 10 };
            assert_eq!(
                (seqs(&page).last(), page.more && history.after.is_some()),
                (Some(&last), false),
                "{history:?}"
            );
        }
        let around = History {
            around: Some(11),
            messages,
            ..whole.clone()
        };
        assert_eq!(page(&bob, around).await.unwrap_err().code, ErrorCode::CursorAhead);
    }
    let wanted = MessagesWanted {
        as_of: Some(8),
        ..MessagesWanted::default()
    };
    let counted = cluster.nodes[0]
        .messages(&user("bob"), &id, &wanted)
        .await
        .unwrap();
    assert_eq!((counted.as_of, counted.messages.last().unwrap().seq), (6, 9));
    let eve = cluster.nodes[0]
        .messages(&user("eve"), &id, &wanted)
        .await
        .unwrap_err();
    assert_eq!(eve.code, ErrorCode::NotAMember);
}

/// How many reads of the log a newest page takes.
async fn reads(cluster: &Cluster, client: &Client, id: &ConversationId) -> usize {
    let before = cluster.store.counts().read_backs;
    newest(client, id, 5).await;
    cluster.store.counts().read_backs - before
}

#[tokio::test(start_paused = true)]
async fn the_newest_page_comes_from_what_commits_kept_and_else_from_the_log() {
    let cluster = Cluster::start(2).await;
    let (id, ann) = mixed(&cluster).await;
    let bob = cluster.open(1, "bob").await.unwrap();
    tokio::time::sleep(ms(5_000)).await;
    let kept = reads(&cluster, &bob, &id).await;
    let page = newest(&bob, &id, 5).await;

    cluster.coordination.flush();
    assert_eq!(
        reads(&cluster, &bob, &id).await,
        kept + 1,
        "it is read from the log"
    );
    assert_eq!(newest(&bob, &id, 5).await, page);
    tokio::time::sleep(ms(100)).await;
    assert_eq!(reads(&cluster, &bob, &id).await, kept, "and kept again");
    assert_eq!(newest(&bob, &id, 5).await, page);

    // A list that begins too late, one that ends too early, and one with a gap before its end.
    cluster.coordination.flush();
    ann.send(&id, "10").await.unwrap();
    tokio::time::sleep(ms(50)).await;
    assert_eq!(reads(&cluster, &bob, &id).await, kept + 1);
    tokio::time::sleep(ms(50)).await;
    let old = cluster.coordination.snapshot();
    ann.send(&id, "11").await.unwrap();
    tokio::time::sleep(ms(50)).await;
    cluster.coordination.restore(&old);
    let page = newest(&bob, &id, 5).await;
    assert_eq!(
        page.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [7, 8, 9, 10, 11]
    );
    cluster.coordination.restore(&old);
    ann.send(&id, "12").await.unwrap();
    let page = newest(&bob, &id, 5).await;
    assert_eq!(
        page.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [8, 9, 10, 11, 12]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deletion_while_coordination_is_away_is_in_every_page_after_it() {
    let cluster = Cluster::start(2).await;
    let (id, ann) = mixed(&cluster).await;
    let bob = cluster.connect(1, "bob").await;
    assert!(
        newest(&bob, &id, 50)
            .await
            .iter()
            .any(|entry| format!("{entry:?}").contains("text of 9"))
    );
    let full = cluster.coordination.snapshot();
    cluster.coordination.set_reachable(false);
    ann.call(edit(&id, 8, "better")).await.unwrap();
    ann.call(delete(&id, 9)).await.unwrap();
    let without = newest(&bob, &id, 50).await;
    let check = |page: &[Entry]| {
        assert!(!format!("{page:?}").contains("text of 9"), "{page:?}");
        assert_eq!(page[7].state.as_ref().unwrap().text.as_deref(), Some("better"));
        assert_eq!(page[8].state.as_ref().unwrap().deleted_by, Some(user("ann")));
    };
    check(&without);
    cluster.coordination.set_reachable(true);
    for _ in 0..3 {
        // The list as it was before the deletion, which nobody has told of it.
        cluster.coordination.restore(&full);
        assert_eq!(newest(&bob, &id, 50).await, without);
        tokio::time::sleep(ms(200)).await;
        assert_eq!(newest(&bob, &id, 50).await, without);
    }
    cluster.coordination.restore(&full);
    ann.send(&id, "12").await.unwrap();
    check(&newest(&bob, &id, 50).await);
}

/// Whatever happens to what is kept, and however messages change, a page from it is a page of the log.
#[tokio::test(start_paused = true)]
async fn a_page_from_what_is_kept_is_the_page_of_the_log() {
    let mut hits = 0;
    for seed in 0..8 {
        let mut rng = StdRng::seed_from_u64(seed);
        let cluster = Cluster::start(2).await;
        let id = cluster.group(&["ann", "bob"]).await;
        let clients = [cluster.connect(0, "ann").await, cluster.connect(1, "bob").await];
        let mut old = cluster.coordination.snapshot();
        let mut reachable = true;
        for step in 0..60 {
            let client = &clients[rng.random_range(0..2)];
            let target = rng.random_range(1..=cluster.store.head_seq(&id));
            let emoji = if rng.random() { "+1" } else { "-1" };
            // Some are refused: of the other's messages, of what is none, of what is deleted.
            let _ = match rng.random_range(0..10) {
                0..4 => client.send(&id, &format!("{seed}.{step}")).await.map(drop),
                4 => client
                    .call(edit(&id, target, &format!("edit {step}")))
                    .await
                    .map(drop),
                5 => client.call(delete(&id, target)).await.map(drop),
                6 => client
                    .call(react(&id, target, emoji, rng.random()))
                    .await
                    .map(drop),
                7 => {
                    reachable = !reachable;
                    cluster.coordination.set_reachable(reachable);
                    Ok(())
                }
                8 => {
                    old = cluster.coordination.snapshot();
                    Ok(())
                }
                _ if rng.random() => {
                    cluster.coordination.restore(&old);
                    Ok(())
                }
                _ => {
                    cluster.coordination.flush();
                    Ok(())
                }
            };
            if rng.random() {
                tokio::time::sleep(ms(rng.random_range(0..400))).await;
            }
            let limit = rng.random_range(1..30);
            let start = cluster.store.counts().read_backs;
            let page = newest(client, &id, limit).await;
            let middle = cluster.store.counts().read_backs;
            let from_log = History {
                before: Some(Seq::MAX),
                ..History::newest(id.clone())
            };
            self::page(client, from_log).await.unwrap();
            hits += usize::from(middle - start < cluster.store.counts().read_backs - middle);
            let log = cluster.log(&id);
            let skipped = log.len().saturating_sub(limit as usize);
            let expected: Vec<_> = log[skipped..].iter().map(|entry| Entry::clone(entry)).collect();
            assert_eq!(page, expected, "seed {seed}, step {step}");
        }
        cluster.coordination.set_reachable(true);
    }
    assert!(hits > 50, "only {hits} pages came from what was kept");
}

#[tokio::test(start_paused = true)]
async fn an_open_conversation_may_be_read_from_outside() {
    let cluster = Cluster::start(1).await;
    let (ann, engine) = (cluster.connect(0, "ann").await, &cluster.nodes[0]);
    let id = ConversationId::new("plaza").unwrap();
    let wanted = MessagesWanted::default();
    let unknown = engine.open_messages(&id, &wanted).await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::UnknownConversation);
    engine
        .open_room(&user("ann"), id.clone(), Kind::Channel)
        .await
        .unwrap();
    for key in ["1", "2", "3"] {
        ann.call(message(&id, key)).await.unwrap();
    }
    let page = engine.open_messages(&id, &wanted).await.unwrap();
    assert_eq!((page.messages.len(), page.as_of), (3, 3));
    let ask = || AskStats {
        conversation: id.clone(),
        days: None,
    };
    let stats = engine.open_stats(ask()).await.unwrap();
    assert_eq!((stats.messages, stats.senders, stats.members), (3, 1, 1));
    // Those that only members may join say nothing.
    let group = cluster.group(&["ann", "bob"]).await;
    let closed = engine.open_messages(&group, &wanted).await.unwrap_err();
    assert_eq!(closed.code, ErrorCode::Forbidden);
    let closed = AskStats {
        conversation: group,
        days: None,
    };
    let closed = engine.open_stats(closed).await.unwrap_err();
    assert_eq!(closed.code, ErrorCode::Forbidden);
}
