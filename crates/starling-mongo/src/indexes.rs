//! The indexes, created at start where they are missing.

use bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};
use starling_core::{defect, planted};

/// The fence of the log, and the way to heads and pages.
pub(crate) const CONVERSATION_SEQ: &str = "conversation_seq";
/// The idempotency keys. Partial: entries of the system have none.
pub(crate) const CONVERSATION_SENDER_CLIENT_ID: &str = "conversation_sender_client_id";
/// One record per member.
pub(crate) const CONVERSATION_USER: &str = "conversation_user";
/// The conversations of a user. Partial: it holds present members only.
pub(crate) const USER_PRESENT: &str = "user_present";

/// Creates what is missing; returns once a majority holds it. An index of the same name with another definition
/// is an error: it is not for a starting node to rebuild indexes under its peers.
pub(crate) async fn create_indexes(database: &Database) -> Result<(), Error> {
    let index = |name: &str, unique: bool, keys: Document, partial: Option<Document>| {
        let options = IndexOptions::builder()
            .name(name.to_owned())
            .unique(unique)
            .partial_filter_expression(partial)
            .build();
        IndexModel::builder().keys(keys).options(options).build()
    };
    let entries = [
        index(
            CONVERSATION_SEQ,
            !planted(defect::NO_SEQ_INDEX),
            doc! { "conversation": 1, "seq": 1 },
            None,
        ),
        index(
            CONVERSATION_SENDER_CLIENT_ID,
            !planted(defect::NO_IDEMPOTENCY),
            doc! { "conversation": 1, "sender": 1, "client_id": 1 },
            Some(doc! { "client_id": { "$exists": true } }),
        ),
    ];
    let user_present = IndexOptions::builder()
        .name(USER_PRESENT.to_owned())
        .partial_filter_expression(doc! { "left": 0_i64 })
        .build();
    let members = [
        index(
            CONVERSATION_USER,
            true,
            doc! { "conversation": 1, "user": 1 },
            None,
        ),
        IndexModel::builder()
            .keys(doc! { "user": 1, "conversation": 1 })
            .options(user_present)
            .build(),
    ];
    for (collection, models) in [("entries", entries), ("members", members)] {
        let collection = database.collection::<Document>(collection);
        collection.create_indexes(models).await?;
    }
    Ok(())
}
