//! Each fault, and what of the ports' contracts is told to the moment; the rest is in `starling-contract`.

mod bus;
mod faults;
mod leases;
mod replicas;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use starling_protocol::{Body, ClientId, Content, ConversationId, Entry, Seq, UserId};
use tokio::sync::mpsc;

use super::{MemoryCoordination, MemoryNode};
use crate::ports::{Bus, BusEvent, Incarnation};

fn conversation(id: &str) -> ConversationId {
    ConversationId::new(id).unwrap()
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn client_id(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A message of alice's in conversation `c`.
fn message(c: &str, seq: Seq, client: &str) -> Arc<Entry> {
    Arc::new(Entry {
        conversation: conversation(c),
        seq,
        sender: Some(user("alice")),
        client_id: Some(client_id(client)),
        lamport: seq,
        at: 0,
        messages: seq,
        membership: 1,
        body: Body::Message(Content::text(client)),
        state: None,
    })
}

/// A node that listens, with room for so many events.
async fn listening(coordination: &MemoryCoordination, room: usize) -> Listener {
    let (node, incarnation) = (coordination.node(), Incarnation::fresh());
    let (into, events) = mpsc::channel(room);
    node.listen(&incarnation, into).await.unwrap();
    Listener {
        node,
        incarnation,
        events,
    }
}

struct Listener {
    node: MemoryNode,
    incarnation: Incarnation,
    events: mpsc::Receiver<BusEvent>,
}

impl Listener {
    /// What was heard so far: payloads as text, notices as `missed: …`.
    async fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Ok(event) = tokio::time::timeout(ms(1), self.events.recv()).await {
            heard.push(match event {
                Some(BusEvent::Message(payload)) => String::from_utf8(payload.to_vec()).unwrap(),
                Some(BusEvent::Missed { reason }) => format!("missed: {reason}"),
                None => break,
            });
        }
        heard
    }
}
