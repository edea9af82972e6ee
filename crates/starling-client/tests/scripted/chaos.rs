//! Seeded misbehaviour: a server with a log that drops, doubles, withholds and lies about outcomes, and clients
//! that must come out with the whole log and each of their messages in it once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_client::protocol::{
    Body, ClientId, Command, Content, Entry, Error, ErrorCode, Event as ServerEvent, HistoryPage, Reply,
    Send, Sent, Seq, ServerFrame, Synced,
};
use starling_client::{Client, Event};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::server::{Peer, Server, id, state};

const CLIENTS: usize = 3;
const MESSAGES: usize = 100;
const TOTAL: Seq = (CLIENTS * MESSAGES) as Seq;

/// The log that all connections share.
struct Log {
    entries: Mutex<Vec<Arc<Entry>>>,
    head: watch::Sender<usize>,
    rng: Mutex<StdRng>,
    /// Sends that came again and were not marked as retries.
    unmarked: AtomicUsize,
}

impl Log {
    fn chance(&self, one_in: u32) -> bool {
        self.rng.lock().random_ratio(1, one_in)
    }

    /// Stores a send once, whatever happens to its answer.
    fn append(&self, send: &Send) -> Seq {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries
            .iter()
            .find(|entry| entry.client_id.as_ref() == Some(&send.client_id))
        {
            self.unmarked
                .fetch_add(usize::from(!send.retry), Ordering::Relaxed);
            return entry.seq;
        }
        let seq = entries.len() as Seq + 1;
        let mut entry = crate::server::entry("c", seq);
        entry.client_id = Some(send.client_id.clone());
        entry.body = Body::Message(Content::text(send.text.clone()));
        entries.push(Arc::new(entry));
        self.head.send_replace(entries.len());
        seq
    }

    fn page(&self, after: Seq, limit: usize) -> HistoryPage {
        let entries = self.entries.lock();
        let rest = &entries[(after as usize).min(entries.len())..];
        HistoryPage {
            entries: rest.iter().take(limit).cloned().collect(),
            more: rest.len() > limit,
        }
    }
}

/// One connection: serves until it decides to break.
async fn serve(mut peer: Peer, log: Arc<Log>) {
    let mut head = log.head.subscribe();
    let mut next = Seq::MAX;
    peer.ready(60_000).await;
    loop {
        if log.chance(60) {
            return;
        }
        let available = log.entries.lock().len() as Seq;
        let frame = if next <= available {
            next += 1;
            let entry = Arc::clone(&log.entries.lock()[next as usize - 2]);
            // Not the last one of all: nothing would follow to show the hole.
            let times = if entry.seq < TOTAL && log.chance(15) {
                0
            } else {
                1 + usize::from(log.chance(15))
            };
            for _ in 0..times {
                if peer
                    .try_say(ServerFrame::Event(ServerEvent::Entry(Arc::clone(&entry))))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            continue;
        } else {
            tokio::select! {
                _ = head.changed() => continue,
                frame = peer.try_hear() => match frame {
                    Ok(frame) => frame,
                    Err(_) => return,
                },
            }
        };
        let result = match frame.command {
            Command::Sync(sync) => {
                let asked = sync.cursors.get(&id("c")).copied().unwrap_or(0);
                // Sometimes too early, sometimes too late.
                let start = match log.rng.lock().random_range(0..6) {
                    0 => asked.saturating_sub(5),
                    1 if sync.cursors.contains_key(&id("c")) => (asked + 7).min(available.max(asked)),
                    _ => asked,
                };
                next = start + 1;
                if peer
                    .try_say(ServerFrame::Event(ServerEvent::Conversation(state("c", start))))
                    .await
                    .is_err()
                {
                    return;
                }
                Ok(Reply::Synced(Synced::default()))
            }
            Command::Send(send) => match log.rng.lock().random_range(0..20) {
                0 => Err(Error::new(ErrorCode::Unavailable, "x").retry_after(20)),
                1 => Err(Error::new(ErrorCode::RateLimited, "x").retry_after(20)),
                2 => Err(Error::new(ErrorCode::Unknown, "not stored")),
                3 => {
                    log.append(&send);
                    Err(Error::new(ErrorCode::Unknown, "stored"))
                }
                _ => {
                    let seq = log.append(&send);
                    let client_id = Some(send.client_id);
                    Ok(Reply::Sent(Sent {
                        conversation: id("c"),
                        seq,
                        lamport: seq,
                        at: 0,
                        client_id,
                    }))
                }
            },
            Command::History(_) if log.chance(5) => Err(Error::new(ErrorCode::Unavailable, "x")),
            Command::History(history) => Ok(Reply::History(log.page(history.after.unwrap_or(0), 10))),
            Command::Delivered(_) => Ok(Reply::Done {}),
            other => panic!("unexpected {other:?}"),
        };
        let unknown = matches!(&result, Err(error) if error.code == ErrorCode::Unknown);
        let reply = ServerFrame::Reply { id: frame.id, result };
        if peer.try_say(reply).await.is_err() {
            return;
        }
        if unknown {
            peer.close(4003).await;
            return;
        }
    }
}

/// Reads until the client has the whole log.
async fn read(client: Client) -> Vec<(Seq, ClientId)> {
    let mut log = Vec::new();
    while (log.len() as Seq) < TOTAL {
        if let Event::Entry(entry) = client.next_event().await.unwrap() {
            log.push((entry.seq, entry.client_id.clone().unwrap()));
        }
    }
    log
}

async fn run(seed: u64) {
    let server = Server::start().await;
    let url = server.url.clone();
    let log = Arc::new(Log {
        entries: Mutex::default(),
        head: watch::Sender::new(0),
        rng: Mutex::new(StdRng::seed_from_u64(seed)),
        unmarked: AtomicUsize::new(0),
    });
    let shared = Arc::clone(&log);
    let accepting = tokio::spawn(async move {
        loop {
            tokio::spawn(serve(server.accept().await, Arc::clone(&shared)));
        }
    });

    let users = (0..CLIENTS).map(|user| {
        let client = Client::builder([&url])
            .cursors(BTreeMap::from([(id("c"), 0)]))
            .event_buffer(8)
            .start()
            .unwrap();
        let reader = tokio::spawn(read(client.clone()));
        async move {
            let mut outcomes = Vec::new();
            for n in 0..MESSAGES {
                let client_id = ClientId::new(format!("{user}/{n}")).unwrap();
                let send = Send::text(id("c"), client_id.clone(), "x");
                outcomes.push((client_id, client.enqueue(send).await.unwrap()));
            }
            let mut acknowledged = BTreeMap::new();
            for (client_id, outcome) in outcomes {
                acknowledged.insert(client_id, outcome.await.unwrap().seq);
            }
            (acknowledged, reader.await.unwrap(), client.stats())
        }
    });
    let users = timeout(Duration::from_secs(180), join_all(users))
        .await
        .expect("all is said and read in time");
    accepting.abort();

    let truth: Vec<_> = log
        .entries
        .lock()
        .iter()
        .map(|entry| (entry.seq, entry.client_id.clone().unwrap()))
        .collect();
    assert_eq!(truth.len() as Seq, TOTAL);
    assert_eq!(log.unmarked.load(Ordering::Relaxed), 0);
    let (mut gaps, mut duplicates, mut uncertain) = (0, 0, 0);
    for (acknowledged, read, stats) in users {
        assert_eq!(read, truth, "a client's log is the log");
        for (client_id, seq) in acknowledged {
            assert_eq!(
                truth[seq as usize - 1],
                (seq, client_id),
                "acknowledged where it is"
            );
        }
        gaps += stats.gaps;
        duplicates += stats.duplicates;
        uncertain += stats.uncertain;
    }
    assert!(
        gaps > 0 && duplicates > 0 && uncertain > 0,
        "the server behaved too well"
    );
}

#[tokio::test]
async fn every_client_ends_with_the_whole_log_whatever_the_server_does() {
    join_all((0..8).map(run)).await;
}
