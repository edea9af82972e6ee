//! Sample data, for the cases and for tests of one adapter alone.

use std::sync::Arc;

use starling_core::ports::{ConversationRecord, Effect, InviteRecord, MarksRaised, Sanction};
use starling_protocol::{
    Body, ClientId, Content, ConversationId, Entry, InviteId, Kind, Profile, Role, Seq, UserId,
};

/// An id.
pub fn conversation(id: &str) -> ConversationId {
    ConversationId::new(id).unwrap()
}

/// An id.
pub fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

/// An id.
pub fn client_id(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

/// A message of alice's with a key made of its place.
pub fn message(conversation_id: &str, seq: Seq) -> Arc<Entry> {
    keyed(conversation_id, seq, "alice", &format!("k{seq}"))
}

/// A message with this key.
pub fn keyed(conversation_id: &str, seq: Seq, sender: &str, key: &str) -> Arc<Entry> {
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
pub fn system(conversation_id: &str, seq: Seq, body: Body) -> Entry {
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

/// A group.
pub fn record(id: &str) -> ConversationRecord {
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

/// The user is a member.
pub fn set_member(conversation_id: &str, user_id: &str, role: Role, seq: Seq) -> Effect {
    Effect::SetMember {
        conversation: conversation(conversation_id),
        user: user(user_id),
        role,
        seq,
    }
}

/// The user is no member.
pub fn end_member(conversation_id: &str, user_id: &str, seq: Seq) -> Effect {
    Effect::EndMember {
        conversation: conversation(conversation_id),
        user: user(user_id),
        seq,
    }
}

/// Marks to raise.
pub fn raised(conversation_id: &str, user_id: &str, delivered: Seq, read: Seq) -> MarksRaised {
    MarksRaised {
        conversation: conversation(conversation_id),
        user: user(user_id),
        delivered,
        read,
    }
}

/// The member has this role.
pub fn set_role(conversation_id: &str, user_id: &str, role: Role, seq: Seq) -> Effect {
    Effect::SetRole {
        conversation: conversation(conversation_id),
        user: user(user_id),
        role,
        seq,
    }
}

/// The user is banned or muted, or is not.
pub fn sanction(conversation_id: &str, user_id: &str, sanction: Sanction, seq: Seq) -> Effect {
    Effect::Sanction {
        conversation: conversation(conversation_id),
        user: user(user_id),
        sanction,
        seq,
    }
}

/// The conversation is called this.
pub fn set_profile(conversation_id: &str, name: Option<&str>, seq: Seq) -> Effect {
    let profile = Profile {
        name: name.map(str::to_owned),
        description: Some(format!("as of {seq}")),
        avatar_url: None,
        open: seq.is_multiple_of(2),
    };
    Effect::SetProfile {
        conversation: conversation(conversation_id),
        profile,
        seq,
    }
}

/// The id of an invite.
pub fn invite_id(number: u32) -> InviteId {
    let letters = number.to_string().replace(['0', '1', '8', '9'], "a");
    InviteId::new(format!("{letters:a>32}")).unwrap()
}

/// An invite that nobody has used.
pub fn invite(conversation_id: &str, number: u32, max_uses: Option<u32>, seq: Seq) -> InviteRecord {
    InviteRecord {
        id: invite_id(number),
        conversation: conversation(conversation_id),
        created_by: user("alice"),
        created_at: 1_700_000_000_000,
        expires_at: None,
        max_uses,
        uses: 0,
        changed: seq,
    }
}

/// So many have joined by it.
pub fn use_invite(number: u32, uses: u32, seq: Seq) -> Effect {
    let invite = invite_id(number);
    Effect::UseInvite { invite, uses, seq }
}

/// It is over.
pub fn revoke_invite(number: u32, seq: Seq) -> Effect {
    let invite = invite_id(number);
    Effect::RevokeInvite { invite, seq }
}

/// The seqs of entries, in their order.
pub fn seqs(entries: &[Arc<Entry>]) -> Vec<Seq> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// The places of entries, sorted.
pub fn places(entries: &[Arc<Entry>]) -> Vec<(String, Seq)> {
    let mut places: Vec<_> = entries
        .iter()
        .map(|entry| (entry.conversation.to_string(), entry.seq))
        .collect();
    places.sort();
    places
}
