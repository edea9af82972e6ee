//! The client against a server that misbehaves in every way a cluster under faults does.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod chaos;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use starling_client::protocol::{
    Body, ClientId, Command, Content, Error as Refusal, ErrorCode, Event as ServerEvent, HistoryPage, Reply,
    Send, Seq, ServerFrame, Synced, UserId,
};
use starling_client::{Builder, Client, Codec, Error, Event, Tapped};
use tokio::time::{Instant, timeout};

use server::{Peer, Server, entry, id, sent};

const PATIENCE: Duration = Duration::from_secs(20);

fn builder(server: &Server) -> Builder {
    Client::builder([&server.url])
        .token("t")
        .without_delivered_marks()
}

fn message(text: &str) -> Send {
    Send::text(id("c"), ClientId::new(text).unwrap(), text)
}

/// The next event that is not about the connection.
async fn next(client: &Client) -> Event {
    loop {
        match timeout(PATIENCE, client.next_event())
            .await
            .expect("an event in time")
            .unwrap()
        {
            Event::Connected { .. } | Event::Live { .. } | Event::Disconnected { .. } => {}
            event => return event,
        }
    }
}

/// The seqs of the next entries.
async fn seqs(client: &Client, count: usize) -> Vec<Seq> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        if let Event::Entry(entry) = next(client).await {
            seqs.push(entry.seq);
        }
    }
    seqs
}

/// The error that ends the client.
async fn end(client: &Client) -> Error {
    loop {
        if let Err(error) = timeout(PATIENCE, client.next_event())
            .await
            .expect("an end in time")
        {
            return error;
        }
    }
}

#[tokio::test]
async fn unanswered_alterations_go_again_in_their_place_under_their_old_key() {
    let server = Server::start().await;
    let client = builder(&server).discard_events().start().unwrap();
    let (mut peer, _) = server.welcome().await;
    let c = id("c");
    let all = async {
        tokio::join!(
            client.send(&c, "a"),
            client.edit(&c, 2, "b"),
            client.react(&c, 2, "+1"),
            client.unreact(&c, 2, "+1"),
            client.delete(&c, 2),
        )
    };
    let serve = async {
        let mut first = Vec::new();
        for _ in 0..5 {
            first.push(peer.hear().await.command);
        }
        drop(peer);
        let (mut peer, _) = server.welcome().await;
        for (index, expected) in first.iter_mut().enumerate() {
            assert!(expected.key().is_some() && !expected.is_retry(), "{expected:?}");
            expected.mark_as_retry();
            let frame = peer.hear().await;
            assert_eq!(frame.command, *expected);
            peer.answer(frame.id, sent("c", index as Seq + 3)).await;
        }
        first.iter().map(Command::name).collect::<Vec<_>>()
    };
    let (results, names) = tokio::join!(all, serve);
    let (sent, edited, reacted, unreacted, deleted) = results;
    let seqs = [sent, edited, reacted, unreacted, deleted].map(|sent| sent.unwrap().seq);
    assert_eq!(seqs, [3, 4, 5, 6, 7]);
    assert_eq!(names, ["send", "edit", "react", "react", "delete"]);
}

#[tokio::test]
async fn unanswered_sends_go_again_oldest_first_marked_and_before_new_ones() {
    for codec in Codec::ALL {
        let server = Server::start().await;
        let client = builder(&server).codec(*codec).discard_events().start().unwrap();
        let (mut peer, _) = server.welcome().await;

        let mut outcomes = Vec::new();
        for text in ["a", "b", "c", "d"] {
            outcomes.push(client.enqueue(message(text)).await.unwrap());
        }
        let mut ids = Vec::new();
        for expected in ["a", "b", "c", "d"] {
            let (id, text, retry) = peer.hear_send().await;
            assert_eq!((text.as_str(), retry), (expected, false));
            ids.push(id);
        }
        peer.answer(ids[1], sent("c", 2)).await;
        // So that the answer is not lost with the connection.
        peer.ping().await;
        drop(peer);
        let away = async {
            while client.node().is_some() {
                tokio::task::yield_now().await
            }
        };
        timeout(PATIENCE, away).await.unwrap();

        outcomes.push(client.enqueue(message("e")).await.unwrap());
        let (mut peer, _) = server.welcome().await;
        let mut heard = Vec::new();
        for seq in [1, 3, 4, 5] {
            let (id, text, retry) = peer.hear_send().await;
            heard.push((text, retry));
            peer.answer(id, sent("c", seq)).await;
        }
        let heard: Vec<_> = heard
            .iter()
            .map(|(text, retry)| (text.as_str(), *retry))
            .collect();
        let expected = [("a", true), ("c", true), ("d", true), ("e", false)];
        assert_eq!(heard, expected, "{codec:?}");
        for (outcome, seq) in outcomes.into_iter().zip(1..) {
            assert_eq!(outcome.await.unwrap().seq, seq);
        }
        let stats = client.stats();
        assert_eq!((stats.connections, stats.resends, stats.uncertain), (2, 3, 3));
    }
}

#[tokio::test]
async fn after_an_unknown_outcome_nothing_overtakes_the_send() {
    #[derive(Debug, Clone, Copy)]
    enum Closing {
        ByServer,
        ByClient,
    }
    for closing in [Closing::ByServer, Closing::ByClient] {
        let server = Server::start().await;
        let client = builder(&server).discard_events().start().unwrap();
        let (mut peer, _) = server.welcome().await;
        let first = client.enqueue(message("a")).await.unwrap();
        let (id, ..) = peer.hear_send().await;
        peer.refuse(id, ErrorCode::Unknown).await;
        // The answer has been heard once the connection is frozen: the next send must wait for the next one.
        peer.ping().await;
        let second = client.enqueue(message("b")).await.unwrap();
        match closing {
            Closing::ByServer => {
                assert!(peer.hears_nothing(Duration::from_millis(200)).await);
                peer.close(4003).await;
            }
            Closing::ByClient => assert_eq!(peer.hear_end().await, 1006),
        }
        let (mut peer, _) = server.welcome().await;
        for (expected, seq) in [(("a", true), 1), (("b", false), 2)] {
            let (id, text, retry) = peer.hear_send().await;
            assert_eq!((text.as_str(), retry), expected, "{closing:?}");
            peer.answer(id, sent("c", seq)).await;
        }
        assert_eq!((first.await.unwrap().seq, second.await.unwrap().seq), (1, 2));
    }
}

#[tokio::test]
async fn a_send_that_is_put_off_goes_again_on_the_same_connection_and_a_refused_one_does_not() {
    let server = Server::start().await;
    let client = builder(&server).discard_events().start().unwrap();
    let (mut peer, _) = server.welcome().await;
    let start = Instant::now();
    let first = client.enqueue(message("a")).await.unwrap();
    let (id, ..) = peer.hear_send().await;
    peer.answer(
        id,
        Err(Refusal::new(ErrorCode::RateLimited, "x").retry_after(300)),
    )
    .await;
    peer.ping().await;
    let second = client.enqueue(message("b")).await.unwrap();
    for (expected, seq) in [(("a", false), 1), (("b", false), 2)] {
        let (id, text, retry) = peer.hear_send().await;
        assert!(start.elapsed() >= Duration::from_millis(300));
        assert_eq!((text.as_str(), retry), expected);
        peer.answer(id, sent("c", seq)).await;
    }
    assert_eq!((first.await.unwrap().seq, second.await.unwrap().seq), (1, 2));
    assert_eq!(client.stats().put_off, 1);

    let refused = client.enqueue(message("c")).await.unwrap();
    let (id, ..) = peer.hear_send().await;
    peer.refuse(id, ErrorCode::NotAMember).await;
    assert_eq!(refused.await.unwrap_err().code(), Some(ErrorCode::NotAMember));
    let too_large = client.send(&id_of_c(), "x".repeat(70_000)).await.unwrap_err();
    assert_eq!(too_large.code(), Some(ErrorCode::TooLarge));
    assert!(peer.hears_nothing(Duration::from_millis(100)).await);
}

fn id_of_c() -> starling_client::protocol::ConversationId {
    id("c")
}

#[tokio::test]
async fn holes_are_filled_and_doubles_are_dropped_before_the_application_sees_them() {
    let server = Server::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tapped = Arc::clone(&seen);
    let tap = move |what: Tapped<'_>| {
        if let Tapped::Received(ServerFrame::Event(ServerEvent::Entry(entry))) = what {
            tapped.lock().push(entry.seq);
        }
    };
    let client = builder(&server).tap(tap).start().unwrap();
    let (mut peer, sync) = server.welcome().await;
    assert!(sync.cursors.is_empty());
    peer.start("c", 1).await;
    for seq in [2, 3, 3, 2, 6, 7] {
        peer.entry("c", seq).await;
    }
    assert_eq!(seqs(&client, 2).await, [2, 3]);
    let frame = peer.hear().await;
    let Command::History(history) = frame.command else {
        panic!("no history but {frame:?}")
    };
    assert_eq!(
        (history.conversation, history.after, history.before),
        (id("c"), Some(3), None)
    );
    let none = timeout(Duration::from_millis(100), client.next_event()).await;
    assert!(none.is_err(), "what is behind the hole waits");
    peer.entry("c", 8).await;
    let entries = (4..=6).map(|seq| Arc::new(entry("c", seq))).collect();
    peer.answer(frame.id, Ok(Reply::History(HistoryPage { entries, more: true })))
        .await;
    peer.entry("c", 9).await;
    assert_eq!(seqs(&client, 6).await, [4, 5, 6, 7, 8, 9]);
    let stats = client.stats();
    assert_eq!((stats.duplicates, stats.gaps), (2, 1));
    assert_eq!(*seen.lock(), [2, 3, 3, 2, 6, 7, 8, 9], "the tap sees what came");
}

#[tokio::test]
async fn the_tap_sees_all_that_passes_in_order() {
    let server = Server::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tapped = Arc::clone(&seen);
    let tap = move |what: Tapped<'_>| {
        tapped.lock().push(match what {
            Tapped::Sent(frame) => match &frame.command {
                Command::Send(send) => format!("send {} {}", send.text, send.retry),
                other => other.name().to_owned(),
            },
            Tapped::Received(ServerFrame::Event(ServerEvent::Ready(_))) => "ready".to_owned(),
            Tapped::Received(ServerFrame::Event(_)) => "event".to_owned(),
            Tapped::Received(ServerFrame::Reply { result, .. }) => format!("reply {}", result.is_ok()),
            Tapped::Disconnected { code } => format!("end {code}"),
        });
    };
    let client = builder(&server).discard_events().tap(tap).start().unwrap();
    let (mut peer, _) = server.welcome().await;
    client.live().await.unwrap();
    let outcome = client.enqueue(message("a")).await.unwrap();
    peer.hear_send().await;
    peer.close(4003).await;
    let (mut peer, _) = server.welcome().await;
    let (id, ..) = peer.hear_send().await;
    peer.answer(id, sent("c", 1)).await;
    outcome.await.unwrap();
    client.close().await;
    let first = ["ready", "sync", "reply true", "send a false", "end 4003"];
    let second = [
        "ready",
        "sync",
        "send a true",
        "reply true",
        "reply true",
        "end 1000",
    ];
    assert_eq!(*seen.lock(), [&first[..], &second[..]].concat());
}

#[tokio::test]
async fn a_stream_resumes_behind_its_cursor_and_not_where_the_server_starts() {
    let server = Server::start().await;
    let client = builder(&server)
        .cursors(BTreeMap::from([(id("c"), 5)]))
        .start()
        .unwrap();
    let (mut peer, sync) = server.welcome().await;
    assert_eq!(sync.cursors, BTreeMap::from([(id("c"), 5)]));
    peer.entry("c", 6).await;
    peer.start("d", 0).await;
    peer.entry("d", 1).await;
    assert_eq!(seqs(&client, 2).await, [6, 1]);
    assert_eq!(client.cursors(), BTreeMap::from([(id("c"), 6), (id("d"), 1)]));
    drop(peer);

    let mut peer = server.accept().await;
    peer.ready(60_000).await;
    let frame = peer.hear().await;
    let Command::Sync(sync) = frame.command else {
        panic!("no sync but {frame:?}")
    };
    assert_eq!(sync.cursors, client.cursors());
    // Earlier than asked for: doubles. Later: a hole.
    peer.start("c", 4).await;
    for seq in 5..=7 {
        peer.entry("c", seq).await;
    }
    peer.start("d", 3).await;
    peer.answer(frame.id, Ok(Reply::Synced(Synced::default()))).await;
    peer.entry("d", 4).await;
    let frame = peer.hear().await;
    let Command::History(history) = frame.command else {
        panic!("no history but {frame:?}")
    };
    assert_eq!((history.conversation, history.after), (id("d"), Some(1)));
    let entries = (2..=3).map(|seq| Arc::new(entry("d", seq))).collect();
    peer.answer(frame.id, Ok(Reply::History(HistoryPage { entries, more: true })))
        .await;
    assert_eq!(seqs(&client, 4).await, [7, 2, 3, 4]);
    assert_eq!(client.stats().duplicates, 2);
}

#[tokio::test]
async fn a_conversation_that_was_not_announced_leads_to_a_new_sync() {
    let server = Server::start().await;
    let client = builder(&server).start().unwrap();
    let (mut peer, _) = server.welcome().await;
    peer.entry("c", 3).await;
    let frame = peer.hear().await;
    assert!(matches!(frame.command, Command::Sync(_)), "{frame:?}");
    peer.start("c", 2).await;
    peer.entry("c", 3).await;
    assert_eq!(seqs(&client, 1).await, [3]);
}

#[tokio::test]
async fn a_removal_while_away_is_read_from_the_log_and_told() {
    let server = Server::start().await;
    let client = builder(&server)
        .cursors(BTreeMap::from([(id("c"), 1)]))
        .start()
        .unwrap();
    let mut peer = server.accept().await;
    peer.ready(60_000).await;
    let frame = peer.hear().await;
    let refused = BTreeMap::from([(id("c"), Refusal::new(ErrorCode::NotAMember, "x"))]);
    peer.answer(
        frame.id,
        Ok(Reply::Synced(Synced {
            conversations: 0,
            refused,
        })),
    )
    .await;
    let frame = peer.hear().await;
    assert!(matches!(frame.command, Command::History(_)), "{frame:?}");
    let mut left = entry("c", 3);
    left.body = Body::Left {
        user: UserId::new("me").unwrap(),
    };
    let entries = vec![Arc::new(entry("c", 2)), Arc::new(left)];
    peer.answer(frame.id, Ok(Reply::History(HistoryPage { entries, more: false })))
        .await;
    assert_eq!(seqs(&client, 2).await, [2, 3]);
    assert_eq!(next(&client).await, Event::Removed(id("c")));
    drop(peer);
    let (_peer, sync) = server.welcome().await;
    assert!(sync.cursors.is_empty());
}

#[tokio::test]
async fn close_codes_decide_about_the_next_attempt() {
    let check = async |code: u16, next: Option<Duration>| {
        let server = Server::start().await;
        let other = Server::start().await;
        let client = Client::builder([&server.url, &other.url])
            .token("t")
            .start()
            .unwrap();
        let (peer, _) = server.welcome().await;
        client.live().await.unwrap();
        let start = Instant::now();
        let (_, error) = tokio::join!(peer.close(code), async {
            match next {
                Some(pause) => {
                    // The next URL, not the same one.
                    let _peer = other.welcome().await;
                    assert!(start.elapsed() >= pause, "{code}: after {:?}", start.elapsed());
                    client.live().await.unwrap();
                    None
                }
                None => Some(end(&client).await),
            }
        });
        let expected = next.is_none().then(|| Error::Ended {
            code,
            reason: "as the test wants".into(),
        });
        assert_eq!(error, expected, "{code}");
        if let Some(error) = error {
            assert_eq!(client.send(&id("c"), "x").await.unwrap_err(), error);
            assert_eq!(client.live().await.unwrap_err(), error);
            assert!(other.is_left_alone(Duration::from_millis(200)).await);
        }
    };
    for code in [1000, 1001, 4000, 4001, 4002, 4003] {
        check(code, Some(Duration::ZERO)).await;
    }
    for code in [1011, 4100, 4101] {
        check(code, Some(Duration::from_millis(250))).await;
    }
    for code in [1008, 4200, 4201, 4202, 4203] {
        check(code, None).await;
    }
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_passed_over_at_once() {
    let gone = Server::start().await.url;
    let busy = Server::start().await;
    let good = Server::start().await;
    let start = Instant::now();
    let client = Client::builder([&gone, &busy.url, &good.url]).start().unwrap();
    busy.refuse("503 Service Unavailable").await;
    let (peer, _) = good.welcome().await;
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(peer.token, None);
    client.live().await.unwrap();
    assert_eq!(client.node().as_deref(), Some("scripted"));
    assert_eq!(client.user(), Some(UserId::new("me").unwrap()));
}

#[tokio::test]
async fn a_refused_token_ends_the_client_unless_there_is_a_new_one() {
    let server = Server::start().await;
    let client = builder(&server).start().unwrap();
    server.refuse("401 Unauthorized").await;
    assert_eq!(end(&client).await, Error::Unauthenticated);

    // Refused in the handshake, then expired, then nothing new any more.
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let client = Client::builder([&server.url])
        .token_provider(move || {
            let call = counted.fetch_add(1, Ordering::Relaxed);
            async move { Ok(format!("token {}", call.min(2))) }
        })
        .start()
        .unwrap();
    server.refuse("401 Unauthorized").await;
    let (peer, _) = server.welcome().await;
    assert_eq!(peer.token.as_deref(), Some("token 1"));
    peer.close(1001).await;
    let (peer, _) = server.welcome().await;
    assert_eq!(peer.token.as_deref(), Some("token 1"), "good until it is refused");
    peer.close(4201).await;
    let (peer, _) = server.welcome().await;
    assert_eq!(peer.token.as_deref(), Some("token 2"));
    peer.close(4201).await;
    assert_eq!(end(&client).await, Error::Unauthenticated);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn an_application_that_does_not_read_stops_the_socket_and_not_the_sends() {
    const ENTRIES: Seq = 4_000;
    let server = Server::start().await;
    let client = builder(&server).event_buffer(4).start().unwrap();
    let (mut peer, _) = server.welcome().await;
    peer.start("c", 0).await;
    let mut written = 0;
    let flood = async {
        for seq in 1..=ENTRIES {
            let mut large = entry("c", seq);
            large.body = Body::Message(Content::text("x".repeat(5_000)));
            peer.say(ServerFrame::Event(ServerEvent::Entry(large.into())))
                .await;
            written = seq;
        }
    };
    assert!(
        timeout(Duration::from_secs(1), flood).await.is_err(),
        "twenty megabytes were taken unread"
    );
    let _outcome = client.enqueue(message("a")).await.unwrap();
    assert_eq!(peer.hear_send().await.1, "a");
    assert_eq!(client.cursors(), BTreeMap::new(), "received is not taken");

    let (read, ()) = tokio::join!(seqs(&client, 2_000), async {
        // The entry under way when the flood was cut off may or may not be in the socket's buffer.
        for seq in written + 1..=ENTRIES {
            peer.entry("c", seq).await;
        }
    });
    assert_eq!(read, (1..=2_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn delivered_marks_follow_the_application_and_are_coalesced() {
    let server = Server::start().await;
    let client = Client::builder([&server.url]).start().unwrap();
    let (mut peer, _) = server.welcome().await;
    peer.start("c", 0).await;
    for seq in 1..=20 {
        peer.entry("c", seq).await;
    }
    assert!(
        peer.hears_nothing(Duration::from_millis(100)).await,
        "nothing is taken yet"
    );
    let mut marks = Vec::new();
    seqs(&client, 10).await;
    seqs(&client, 10).await;
    while marks.last() != Some(&20) {
        let frame = peer.hear().await;
        let Command::Delivered(mark) = frame.command else {
            panic!("no mark but {frame:?}")
        };
        marks.push(mark.seq);
        peer.answer(frame.id, Ok(Reply::Done {})).await;
    }
    assert!(marks.len() <= 2, "{marks:?}");
    assert!(peer.hears_nothing(Duration::from_millis(100)).await);
}

#[tokio::test]
async fn silence_ends_a_connection_and_pings_keep_it() {
    let server = Server::start().await;
    let client = builder(&server).start().unwrap();
    let mut peer = server.accept().await;
    let start = Instant::now();
    // Three such silences end it.
    peer.ready(1_000).await;
    peer.sync().await;
    let mut silent = Instant::now();
    while start.elapsed() < Duration::from_millis(3_500) {
        silent = Instant::now();
        peer.ping().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(client.stats().connections, 1);
    assert_eq!(peer.hear_end().await, 1006);
    assert!(
        silent.elapsed() >= Duration::from_secs(2),
        "{:?}",
        silent.elapsed()
    );
    server.welcome().await;
}

#[tokio::test]
async fn a_deadline_is_kept_with_and_without_a_connection() {
    let gone = Server::start().await.url;
    let client = Client::builder([gone])
        .deadline(Duration::from_millis(100))
        .start()
        .unwrap();
    let error = timeout(PATIENCE, client.send(&id("c"), "x"))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error, Error::Deadline { sent: false });

    let server = Server::start().await;
    let client = builder(&server)
        .deadline(Duration::from_millis(100))
        .discard_events()
        .start()
        .unwrap();
    let (mut peer, _) = server.welcome().await;
    let outcome = client.enqueue(message("a")).await.unwrap();
    let (id, ..) = peer.hear_send().await;
    assert_eq!(
        timeout(PATIENCE, outcome).await.unwrap().unwrap_err(),
        Error::Deadline { sent: true }
    );
    peer.answer(id, sent("c", 1)).await;
    drop(peer);
    let (mut peer, _) = server.welcome().await;
    assert!(
        peer.hears_nothing(Duration::from_millis(100)).await,
        "given up is given up"
    );
}

#[tokio::test]
async fn requests_are_answered_and_sent_again_like_sends() {
    let server = Server::start().await;
    let client = builder(&server).discard_events().start().unwrap();
    let (mut peer, _) = server.welcome().await;
    let (page, ()) = tokio::join!(
        client.history(starling_client::protocol::History::newest(id("c"))),
        async {
            let frame = peer.hear().await;
            peer.refuse(frame.id, ErrorCode::Unavailable).await;
            let again = peer.hear().await;
            assert_eq!(again, frame);
            drop(peer);
            let (mut peer, _) = server.welcome().await;
            assert_eq!(peer.hear().await, frame);
            peer.answer(
                frame.id,
                Ok(Reply::History(HistoryPage {
                    entries: vec![],
                    more: false,
                })),
            )
            .await;
        }
    );
    assert_eq!(
        page.unwrap(),
        HistoryPage {
            entries: vec![],
            more: false
        }
    );
    assert!(matches!(
        client.request(Command::Sync(Default::default())).await,
        Err(Error::Config(_))
    ));
}

#[tokio::test]
async fn a_client_ends_when_it_is_closed_or_dropped() {
    let server = Server::start().await;
    let start = async || {
        let client = builder(&server).start().unwrap();
        let (peer, _): (Peer, _) = server.welcome().await;
        client.live().await.unwrap();
        (client, peer)
    };

    let (client, mut peer) = start().await;
    let outcome = client.enqueue(message("a")).await.unwrap();
    let (code, ()) = tokio::join!(peer.hear_end(), client.close());
    assert_eq!(code, 1000);
    assert_eq!(outcome.await.unwrap_err(), Error::Closed);
    assert_eq!(end(&client).await, Error::Closed);
    assert_eq!(client.ping().await.unwrap_err(), Error::Closed);

    let (client, mut peer) = start().await;
    let clone = client.clone();
    drop(client);
    peer.ping().await;
    drop(clone);
    assert_eq!(peer.hear_end().await, 1000);

    let (client, mut peer) = start().await;
    client.drop_connection();
    assert_eq!(peer.hear_end().await, 1006);
    let _peer = server.welcome().await;
    client.live().await.unwrap();
}

#[tokio::test]
async fn a_server_that_speaks_something_else_ends_the_client() {
    let server = Server::start().await;
    let client = builder(&server).start().unwrap();
    let (mut peer, _) = server.welcome().await;
    peer.raw(r#"{"typing":{"user":"a"}}"#).await;
    peer.ping().await;
    peer.raw(r#"{"entry":{"seq":"seven"}}"#).await;
    assert!(matches!(end(&client).await, Error::Protocol(_)));
}
