//! The log's contract.

use std::sync::Arc;

use starling_core::ports::{DAY_MS, InsertError, MessageRange, RangeEnd};
use starling_protocol::{Body, Content, Entry, Kind, Member, Role, Seq};

use crate::StorePorts;
use crate::sample::{client_id, conversation, keyed, message, places, seqs, system, user};

pub async fn every_body_comes_back_as_it_went_in(log: &dyn StorePorts) {
    let created = Body::Created {
        kind: Kind::Group,
        name: Some("tea & $cakes".into()),
        description: None,
        avatar_url: None,
        open: true,
        members: vec![
            Member {
                user: user("alice"),
                role: Role::Admin,
            },
            Member {
                user: user("$bob.x"),
                role: Role::Moderator,
            },
        ],
    };
    let bodies = [
        created,
        Body::Message(Content::text("héllo \0 \u{1f426}")),
        Body::Joined {
            users: vec![user("carol")],
            role: Role::Member,
            invite: None,
        },
        Body::Left { user: user("carol") },
        Body::Void {},
        Body::Created {
            kind: Kind::Direct,
            name: None,
            description: None,
            avatar_url: None,
            open: false,
            members: vec![],
        },
    ];
    let mut entries: Vec<Arc<Entry>> = (1..)
        .zip(bodies)
        .map(|(seq, body)| Arc::new(system("c", seq, body)))
        .collect();
    let largest = i64::MAX as u64;
    let extreme = system("c", 7, Body::Void {});
    entries.push(Arc::new(Entry {
        lamport: largest,
        at: -1,
        messages: 0,
        membership: 0,
        ..extreme
    }));
    entries.push(keyed("c", 8, "$alice", "$k"));
    log.insert(&entries).await.unwrap();
    assert_eq!(log.read(&conversation("c"), 0, 100, 100).await.unwrap(), entries);
    assert_eq!(
        log.head(&conversation("c")).await.unwrap(),
        entries.last().cloned()
    );
}

pub async fn a_collision_stores_what_is_before_it_and_nothing_from_it_on(log: &dyn StorePorts) {
    log.insert(&[message("a", 1), keyed("a", 2, "bob", "b1")])
        .await
        .unwrap();
    let check = async |batch: &[Arc<Entry>], index: usize| {
        let id = &batch[0].conversation;
        let mut expected = log.read(id, 0, Seq::MAX, 100).await.unwrap();
        assert_eq!(log.insert(batch).await, Err(InsertError::Duplicate { index }));
        expected.extend_from_slice(&batch[..index]);
        assert_eq!(log.read(id, 0, Seq::MAX, 100).await.unwrap(), expected);
    };
    // The place is taken, by an entry with another key.
    check(
        &[
            keyed("a", 3, "bob", "b2"),
            keyed("a", 2, "bob", "b3"),
            keyed("a", 4, "bob", "b4"),
        ],
        1,
    )
    .await;
    // The key is taken, at another place.
    check(
        &[
            keyed("a", 4, "bob", "b5"),
            keyed("a", 5, "bob", "b6"),
            keyed("a", 6, "bob", "b1"),
        ],
        2,
    )
    .await;
    // Both, and at the very beginning.
    check(&[message("a", 1)], 0).await;
    // The same key twice in a batch, and the same place.
    check(
        &[
            keyed("b", 1, "bob", "x"),
            keyed("b", 2, "bob", "x"),
            keyed("b", 3, "bob", "y"),
        ],
        1,
    )
    .await;
    check(&[keyed("d", 1, "bob", "x"), keyed("d", 1, "bob", "y")], 1).await;
}

pub async fn keys_are_unique_by_conversation_and_sender_and_the_system_has_none(log: &dyn StorePorts) {
    let batch = [
        keyed("a", 1, "alice", "k"),
        keyed("a", 2, "bob", "k"),
        keyed("b", 1, "alice", "k"),
        Arc::new(system("a", 3, Body::Void {})),
        Arc::new(system("a", 4, Body::Void {})),
        Arc::new(Entry {
            sender: Some(user("alice")),
            ..system("a", 5, Body::Void {})
        }),
        Arc::new(Entry {
            sender: Some(user("alice")),
            ..system("a", 6, Body::Void {})
        }),
    ];
    log.insert(&batch).await.unwrap();
    assert_eq!(log.read(&conversation("a"), 0, 10, 10).await.unwrap().len(), 6);
}

pub async fn what_cannot_be_stored_leaves_nothing_behind(log: &dyn StorePorts) {
    log.insert(&[]).await.unwrap();
    let too_large = Entry {
        lamport: u64::MAX,
        ..system("a", 2, Body::Void {})
    };
    let outcome = log.insert(&[message("a", 1), Arc::new(too_large)]).await;
    assert!(matches!(outcome, Err(InsertError::Unknown(_))), "{outcome:?}");
    assert_eq!(log.head(&conversation("a")).await.unwrap(), None);
}

pub async fn a_batch_of_many_megabytes_is_one_command(log: &dyn StorePorts) {
    let text = "x".repeat(20_000);
    let mut batch: Vec<Arc<Entry>> = (1..=700)
        .map(|seq| Arc::new(system("a", seq, Body::Message(Content::text(text.clone())))))
        .collect();
    log.insert(&batch).await.unwrap();
    assert_eq!(log.read(&conversation("a"), 0, 1000, 1000).await.unwrap(), batch);
    batch.remove(0);
    assert_eq!(log.insert(&batch).await, Err(InsertError::Duplicate { index: 0 }));
}

pub async fn pages_are_bounded_and_in_order(log: &dyn StorePorts) {
    let batch: Vec<_> = (1..=300).rev().map(|seq| message("a", seq)).collect();
    log.insert(&batch).await.unwrap();
    log.insert(&[message("b", 1)]).await.unwrap();
    let a = conversation("a");
    let read = async |after, to, limit| seqs(&log.read(&a, after, to, limit).await.unwrap());
    assert_eq!(read(0, 3, 10).await, [1, 2, 3]);
    assert_eq!(read(10, 20, 4).await, [11, 12, 13, 14]);
    assert_eq!(read(298, Seq::MAX, 10).await, [299, 300]);
    assert_eq!(read(0, Seq::MAX, usize::MAX).await, (1..=300).collect::<Vec<_>>());
    for (after, to, limit) in [
        (5, 5, 10),
        (6, 5, 10),
        (300, 400, 10),
        (0, 10, 0),
        (Seq::MAX, Seq::MAX, 1),
    ] {
        assert!(read(after, to, limit).await.is_empty(), "{after} {to} {limit}");
    }
    let read_back = async |before, limit| seqs(&log.read_back(&a, before, limit).await.unwrap());
    assert_eq!(read_back(Seq::MAX, 3).await, [298, 299, 300]);
    assert_eq!(read_back(4, 10).await, [1, 2, 3]);
    assert_eq!(read_back(100, 2).await, [98, 99]);
    for (before, limit) in [(0, 10), (1, 10), (50, 0)] {
        assert!(read_back(before, limit).await.is_empty(), "{before} {limit}");
    }
}

pub async fn many_logs_are_asked_at_once(log: &dyn StorePorts) {
    let ids: Vec<String> = (0..1_200).map(|n| format!("c{n}")).collect();
    let batch: Vec<_> = ids
        .iter()
        .flat_map(|id| (1..=3).map(move |seq| message(id, seq)))
        .collect();
    log.insert(&batch).await.unwrap();
    let mut asked: Vec<_> = ids.iter().map(|id| conversation(id)).collect();
    asked.push(conversation("empty"));
    let heads = log.heads(&asked).await.unwrap();
    assert_eq!(heads.len(), 1_200);
    assert!(heads.iter().all(|head| head.seq == 3));
    assert_eq!(log.heads(&[]).await.unwrap(), []);
    assert_eq!(log.heads(&[conversation("empty")]).await.unwrap(), []);

    let mut wanted: Vec<_> = ids.iter().map(|id| (conversation(id), 2)).collect();
    wanted.extend([
        (conversation("c1"), 3),
        (conversation("c1"), 4),
        (conversation("empty"), 1),
    ]);
    let found = log.at(&wanted).await.unwrap();
    assert_eq!(found.len(), 1_201);
    assert_eq!(
        places(&log.at(&wanted[1200..]).await.unwrap()),
        [("c1".to_owned(), 3)]
    );
    assert_eq!(log.at(&[]).await.unwrap(), []);
    assert_eq!(log.at(&[(conversation("c1"), Seq::MAX)]).await.unwrap(), []);
}

pub async fn entries_are_found_by_their_keys(log: &dyn StorePorts) {
    log.insert(&[
        keyed("a", 1, "alice", "x"),
        keyed("a", 2, "bob", "x"),
        keyed("a", 3, "bob", "y"),
    ])
    .await
    .unwrap();
    log.insert(&[keyed("b", 1, "alice", "z")]).await.unwrap();
    let find = async |keys: &[(&str, &str)]| {
        let keys: Vec<_> = keys
            .iter()
            .map(|(sender, key)| (user(sender), client_id(key)))
            .collect();
        let mut found = seqs(&log.find(&conversation("a"), &keys).await.unwrap());
        found.sort_unstable();
        found
    };
    assert_eq!(find(&[("alice", "x")]).await, [1]);
    assert_eq!(
        find(&[("bob", "x"), ("bob", "y"), ("alice", "x")]).await,
        [1, 2, 3]
    );
    // Neither another conversation's key, nor one sender's key with another's name.
    assert!(
        find(&[("alice", "z"), ("alice", "y"), ("carol", "x")])
            .await
            .is_empty()
    );
    assert!(find(&[]).await.is_empty());
}

pub async fn messages_are_found_by_number(log: &dyn StorePorts) {
    // Seq 1 is no message, nor is every third after it: seqs 2 3 5 6 8 9 are messages 1 to 6.
    let mut count = 0;
    let entries: Vec<_> = (1..=9)
        .map(|seq| {
            let is_message = seq % 3 != 1;
            count += u64::from(is_message);
            let sender = if seq % 3 == 2 { "ann" } else { "bob" };
            let entry = match is_message {
                true => Entry::clone(&keyed("a", seq, sender, &format!("k{seq}"))),
                false => system("a", seq, Body::Void {}),
            };
            Arc::new(Entry {
                messages: count,
                ..entry
            })
        })
        .collect();
    log.insert(&entries).await.unwrap();
    let id = conversation("a");
    for (after, to, sender, end, skip, limit, expected) in [
        (0, 6, None, RangeEnd::Lowest, 0, 10, &[2, 3, 5, 6, 8, 9][..]),
        (0, 6, None, RangeEnd::Lowest, 1, 2, &[3, 5]),
        (0, 6, None, RangeEnd::Highest, 0, 2, &[8, 9]),
        (0, 6, None, RangeEnd::Highest, 1, 2, &[6, 8]),
        (0, 1, None, RangeEnd::Highest, 0, 10, &[2]),
        (1, 2, None, RangeEnd::Lowest, 0, 10, &[3]),
        (2, 4, None, RangeEnd::Highest, 0, 10, &[5, 6]),
        (0, 6, Some("bob"), RangeEnd::Highest, 0, 2, &[6, 9]),
        (0, 6, Some("bob"), RangeEnd::Lowest, 1, 2, &[6, 9]),
        (0, 6, Some("eve"), RangeEnd::Lowest, 0, 2, &[]),
        (4, 4, None, RangeEnd::Lowest, 0, 10, &[]),
        (0, u64::MAX, None, RangeEnd::Lowest, 0, 0, &[]),
        (5, u64::MAX, None, RangeEnd::Lowest, 0, 5, &[9]),
    ] {
        let range = MessageRange {
            after,
            to,
            sender: sender.map(user),
            end,
            skip,
        };
        let found = log.messages(&id, &range, limit).await.unwrap();
        assert_eq!(seqs(&found), expected, "{range:?}, {limit}");
    }
}

pub async fn a_tally_counts_what_is_stored(log: &dyn StorePorts) {
    const DAY: i64 = DAY_MS;
    let day = 20_000 * DAY;
    // The clocks of nodes differ: the days are in no order.
    let entries: Vec<_> = [
        (day, "ann"),
        (day + DAY - 1, "bob"),
        (day + DAY, "ann"),
        (day - 1, "ann"),
        (day + DAY, "bob"),
        (day + 3 * DAY, "eve"),
    ]
    .into_iter()
    .zip(1..)
    .map(|((at, sender), seq)| {
        Arc::new(Entry {
            at,
            ..Entry::clone(&keyed("a", seq, sender, &format!("k{seq}")))
        })
    })
    .collect();
    log.insert(&entries).await.unwrap();
    log.insert(&[keyed("b", 1, "zoe", "k")]).await.unwrap();
    let id = conversation("a");
    for (after, to, days, expected) in [
        (0, 6, 30, (3, vec![(3, 1), (1, 2), (0, 2), (-1, 1)])),
        (0, 6, 2, (3, vec![(3, 1), (1, 2)])),
        (0, 2, 30, (2, vec![(0, 2)])),
        (3, 4, 30, (1, vec![(-1, 1)])),
        (6, 6, 30, (0, vec![])),
        (6, 9, 30, (0, vec![])),
    ] {
        let tally = log.tally(&id, after, to, days).await.unwrap();
        let by_day: Vec<_> = expected
            .1
            .into_iter()
            .map(|(n, count)| (day + n * DAY, count))
            .collect();
        assert_eq!(
            (tally.senders, tally.days),
            (expected.0, by_day),
            "{after}..={to}, {days}"
        );
    }
}
