//! Sample data.

use std::sync::Arc;

use starling_core::ports::{ConversationRecord, Effect, MarksRaised};
use starling_protocol::{Body, ClientId, Content, ConversationId, Entry, Kind, Role, Seq, UserId};

pub(crate) fn conversation(id: &str) -> ConversationId {
    ConversationId::new(id).unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn client_id(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

/// A message of alice's with a key made of its place.
pub(crate) fn message(conversation_id: &str, seq: Seq) -> Arc<Entry> {
    keyed(conversation_id, seq, "alice", &format!("k{seq}"))
}

/// A message with this key.
pub(crate) fn keyed(conversation_id: &str, seq: Seq, sender: &str, key: &str) -> Arc<Entry> {
    Arc::new(Entry {
        sender: Some(user(sender)),
        client_id: Some(client_id(key)),
        ..system(
            conversation_id,
            seq,
            Body::Message(Content::text(format!("message {seq}"))),
        )
    })
}

/// An entry of the system.
pub(crate) fn system(conversation_id: &str, seq: Seq, body: Body) -> Entry {
    Entry {
        conversation: conversation(conversation_id),
        seq,
        sender: None,
        client_id: None,
        lamport: seq * 10,
        at: 1_700_000_000_000,
        messages: seq,
        membership: 1,
        body,
        state: None,
    }
}

pub(crate) fn record(id: &str) -> ConversationRecord {
    ConversationRecord {
        id: conversation(id),
        kind: Kind::Group,
        name: Some("tea".into()),
        description: None,
        avatar_url: None,
        open: true,
        updated: 1,
        created_by: user("alice"),
        created_at: 1_700_000_000_000,
        applied: 1,
        dissolved: None,
    }
}

pub(crate) fn set_member(conversation_id: &str, user_id: &str, role: Role, seq: Seq) -> Effect {
    Effect::SetMember {
        conversation: conversation(conversation_id),
        user: user(user_id),
        role,
        seq,
    }
}

pub(crate) fn end_member(conversation_id: &str, user_id: &str, seq: Seq) -> Effect {
    Effect::EndMember {
        conversation: conversation(conversation_id),
        user: user(user_id),
        seq,
    }
}

pub(crate) fn raised(conversation_id: &str, user_id: &str, delivered: Seq, read: Seq) -> MarksRaised {
    MarksRaised {
        conversation: conversation(conversation_id),
        user: user(user_id),
        delivered,
        read,
    }
}

/// The seqs of entries, in their order.
pub(crate) fn seqs(entries: &[Arc<Entry>]) -> Vec<Seq> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// The places of entries, sorted.
pub(crate) fn places(entries: &[Arc<Entry>]) -> Vec<(String, Seq)> {
    let mut places: Vec<_> = entries
        .iter()
        .map(|entry| (entry.conversation.to_string(), entry.seq))
        .collect();
    places.sort();
    places
}
