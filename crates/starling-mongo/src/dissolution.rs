//! What remains of a conversation that was deleted for all: places and keys, and no text.
//!
//! A log may be long, and a call may not take long: texts go in pieces, and `purged` in the conversation's record says
//! how far they are gone. A call whose time is up has done a part; whoever carries it out again goes on from there.

use bson::{Document, doc};
use serde::Deserialize;
use starling_protocol::{ConversationId, UserId};

use crate::Mongo;
use crate::call::CallError;
use crate::effects::update;
use crate::indexes::{CONVERSATION_SEQ, CONVERSATION_USER};

/// Entries that lose their text in one command.
const PIECE: i64 = 5_000;

/// The deletion of one conversation.
pub(crate) struct Dissolution<'a> {
    pub(crate) conversation: &'a ConversationId,
    pub(crate) seq: i64,
    pub(crate) by: &'a UserId,
    pub(crate) at: i64,
}

/// How far the texts are gone.
#[derive(Debug, Deserialize)]
struct Purged {
    #[serde(default)]
    purged: i64,
}

impl Dissolution<'_> {
    pub(crate) async fn carry_out(&self, mongo: &Mongo) -> Result<(), CallError> {
        let id = self.conversation.as_str();
        let dissolved = doc! { "q": { "_id": id }, "u": { "$min": { "dissolved": self.seq } } };
        update(mongo, "conversations", vec![dissolved]).await?;
        // Former members' records, too, keep out what is older.
        let ended = doc! { "$cond": [{ "$eq": ["$left", 0_i64] }, self.seq, "$left"] };
        let ended = doc! {
            "q": { "conversation": id, "changed": { "$lt": self.seq } },
            "u": [{ "$set": { "left": ended, "changed": self.seq } }],
            "multi": true,
            "hint": CONVERSATION_USER,
        };
        update(mongo, "members", vec![ended]).await?;
        let record = mongo.conversations.clone_with_type::<Purged>();
        let found = record.find_one(doc! { "_id": id }).await?;
        let mut purged = found.map_or(0, |record| record.purged);
        while purged < self.seq - 1 {
            let to = (purged + PIECE).min(self.seq - 1);
            update(mongo, "entries", self.piece(purged, to)).await?;
            let mark = doc! { "q": { "_id": id }, "u": { "$max": { "purged": to } } };
            update(mongo, "conversations", vec![mark]).await?;
            purged = to;
        }
        Ok(())
    }

    /// Messages are marked as deleted, so that an edit that is applied late does not bring a text back.
    fn piece(&self, after: i64, to: i64) -> Vec<Document> {
        let places =
            || doc! { "conversation": self.conversation.as_str(), "seq": { "$gt": after, "$lte": to } };
        let with = |body: &str| {
            let mut query = places();
            query.insert(body, doc! { "$exists": true });
            query
        };
        let deleted = doc! { "seq": self.seq, "at": self.at, "by": { "$literal": self.by.as_str() } };
        let blank = doc! {
            "body.message.text": "",
            "state.changed": { "$max": ["$state.changed", self.seq] },
            "state.deleted": { "$ifNull": ["$state.deleted", deleted] },
        };
        let statement = |query: Document, change: Vec<Document>| {
            doc! { "q": query, "u": change, "multi": true, "hint": CONVERSATION_SEQ }
        };
        vec![
            statement(
                with("body.message"),
                vec![doc! { "$set": blank }, doc! { "$unset": "state.edit" }],
            ),
            statement(
                with("body.edited"),
                vec![doc! { "$set": { "body.edited.text": "" } }],
            ),
        ]
    }
}
