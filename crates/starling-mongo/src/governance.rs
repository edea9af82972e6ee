//! What governs conversations: bans and mutes, what a conversation is called, invites. As documents, and the guarded
//! updates that make them.
//!
//! Each part of a sanction is guarded by the seq of the entry that last set it. Of an invite nothing needs a guard: it is
//! made once, its uses only grow, and it is revoked for ever, so updates have the same result in whatever order.

use bson::{Document, doc};
use serde::{Deserialize, Serialize};
use starling_core::ports::{InviteRecord, Sanction, SanctionRecord};
use starling_core::{defect, planted};
use starling_protocol::{ConversationId, InviteId, Profile, UserId};

use crate::effects::is_older;

/// A user's bans and mutes in a conversation, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SanctionDocument {
    pub(crate) conversation: ConversationId,
    pub(crate) user: UserId,
    pub(crate) banned: bool,
    pub(crate) banned_at: u64,
    /// 0: he is not muted.
    pub(crate) muted_until: i64,
    pub(crate) muted_at: u64,
}

impl From<SanctionDocument> for SanctionRecord {
    fn from(stored: SanctionDocument) -> Self {
        Self {
            conversation: stored.conversation,
            user: stored.user,
            banned: stored.banned,
            muted_until: (stored.muted_until != 0).then_some(stored.muted_until),
            changed: stored.banned_at.max(stored.muted_at),
        }
    }
}

/// An invite, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InviteDocument {
    #[serde(rename = "_id")]
    id: InviteId,
    conversation: ConversationId,
    created_by: UserId,
    created_at: i64,
    /// 0: it does not end by itself.
    expires_at: i64,
    /// 0: any number.
    max_uses: u32,
    uses: u32,
    pub(crate) revoked: bool,
    /// Neither revoked nor used up, so that an index can hold just these.
    usable: bool,
    changed: u64,
}

impl From<InviteDocument> for InviteRecord {
    fn from(stored: InviteDocument) -> Self {
        Self {
            id: stored.id,
            conversation: stored.conversation,
            created_by: stored.created_by,
            created_at: stored.created_at,
            expires_at: (stored.expires_at != 0).then_some(stored.expires_at),
            max_uses: (stored.max_uses != 0).then_some(stored.max_uses),
            uses: stored.uses,
            changed: stored.changed,
        }
    }
}

pub(crate) fn sanction(
    conversation: &ConversationId,
    user: &UserId,
    sanction: Sanction,
    seq: i64,
) -> Document {
    let or_nothing = |field: &str| doc! { "$ifNull": [format!("${field}"), 0_i64] };
    let (guard, change) = match sanction {
        Sanction::Ban(banned) => (
            or_nothing("banned_at"),
            doc! {
                "banned": banned,
                "banned_at": seq,
                "muted_until": or_nothing("muted_until"),
                "muted_at": or_nothing("muted_at"),
            },
        ),
        Sanction::Mute(until) => (
            or_nothing("muted_at"),
            doc! {
                "banned": { "$ifNull": ["$banned", false] },
                "banned_at": or_nothing("banned_at"),
                "muted_until": until.unwrap_or(0),
                "muted_at": seq,
            },
        ),
    };
    let changed = doc! { "$mergeObjects": ["$$ROOT", change] };
    doc! {
        "q": { "conversation": conversation.as_str(), "user": user.as_str() },
        "u": [{ "$replaceWith": { "$cond": [is_older(guard, seq), changed, "$$ROOT"] } }],
        "upsert": true,
    }
}

/// The record is there: it is made before the log's first entry.
pub(crate) fn set_profile(conversation: &ConversationId, profile: &Profile, seq: i64) -> Document {
    let mut query = doc! { "_id": conversation.as_str() };
    if !planted(defect::EFFECTS_UNGUARDED) {
        query.insert("updated", doc! { "$not": { "$gte": seq } });
    }
    let mut set = doc! { "open": profile.open, "updated": seq };
    let mut unset = Document::new();
    let texts = [
        ("name", &profile.name),
        ("description", &profile.description),
        ("avatar_url", &profile.avatar_url),
    ];
    for (field, text) in texts {
        match text {
            Some(text) => set.insert(field, text),
            None => unset.insert(field, ""),
        };
    }
    let mut update = doc! { "$set": set };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    doc! { "q": query, "u": update }
}

pub(crate) fn make_invite(record: &InviteRecord, seq: i64) -> Document {
    let fields = doc! {
        "conversation": record.conversation.as_str(),
        "created_by": record.created_by.as_str(),
        "created_at": record.created_at,
        "expires_at": record.expires_at.unwrap_or(0),
        "max_uses": i64::from(record.max_uses.unwrap_or(0)),
        "uses": i64::from(record.uses),
        "revoked": false,
        "usable": true,
        "changed": seq,
    };
    doc! { "q": { "_id": record.id.as_str() }, "u": { "$setOnInsert": fields }, "upsert": true }
}

pub(crate) fn use_invite(invite: &InviteId, uses: u32, seq: i64) -> Document {
    let has_room = doc! { "$or": [{ "$eq": ["$max_uses", 0] }, { "$lt": ["$uses", "$max_uses"] }] };
    doc! {
        "q": { "_id": invite.as_str() },
        "u": [
            { "$set": {
                "uses": { "$max": ["$uses", i64::from(uses)] },
                "changed": { "$max": ["$changed", seq] },
            } },
            { "$set": { "usable": { "$and": [{ "$not": ["$revoked"] }, has_room] } } },
        ],
    }
}

pub(crate) fn revoke_invite(invite: &InviteId, seq: i64) -> Document {
    doc! {
        "q": { "_id": invite.as_str() },
        "u": [{ "$set": {
            "revoked": true,
            "usable": false,
            "changed": { "$max": ["$changed", seq] },
        } }],
    }
}
