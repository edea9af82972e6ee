//! The indexes, created at start where they are missing.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};
use starling_core::{defect, planted};

/// The fence of the log, and the way to heads and pages.
/// The one that every collection has.
pub(crate) const ID: &str = "_id_";
pub(crate) const CONVERSATION_SEQ: &str = "conversation_seq";
/// The idempotency keys. Partial: entries of the system have none.
pub(crate) const CONVERSATION_SENDER_CLIENT_ID: &str = "conversation_sender_client_id";
/// One record per member.
pub(crate) const CONVERSATION_USER: &str = "conversation_user";
/// The conversations of a user. Partial: it holds present members only.
pub(crate) const USER_PRESENT: &str = "user_present";

/// The invites of a conversation. Partial: it holds those that are not revoked and not used up.
pub(crate) const USABLE: &str = "usable";
/// The sign-ins of a user. Partial: it holds those that were not ended.
pub(crate) const USER_IN_FORCE: &str = "user_in_force";
/// Sign-ins by when they were ended. Partial: it holds no others.
pub(crate) const ENDED: &str = "ended";
/// Removes what is over.
const EXPIRED: &str = "expired";
/// The contacts of a user. Partial: it holds pairs that are contacts only.
pub(crate) const CONTACTS: &str = "contacts";
/// Whom a user blocks. Partial: it holds pairs of whom one has blocked the other.
pub(crate) const BLOCKER: &str = "blocker";
/// Who is barred from a direct conversation. Partial likewise.
pub(crate) const DIRECT: &str = "direct";

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
    let sanctions = [index(
        CONVERSATION_USER,
        true,
        doc! { "conversation": 1, "user": 1 },
        None,
    )];
    let invites = [index(
        USABLE,
        false,
        doc! { "conversation": 1, "_id": 1 },
        Some(doc! { "usable": true }),
    )];
    let expired = IndexOptions::builder()
        .name(EXPIRED.to_owned())
        .expire_after(Duration::ZERO)
        .build();
    let sign_ins = [
        index(
            USER_IN_FORCE,
            false,
            doc! { "user": 1, "created_at": -1 },
            Some(doc! { "ended_at": 0_i64 }),
        ),
        index(
            ENDED,
            false,
            doc! { "ended_at": 1 },
            Some(doc! { "ended_at": { "$gt": 0_i64 } }),
        ),
        IndexModel::builder()
            .keys(doc! { "expires_at": 1 })
            .options(expired)
            .build(),
    ];
    let has_direct = || Some(doc! { "direct": { "$exists": true } });
    let pairs = [
        index(
            CONTACTS,
            false,
            doc! { "users": 1, "_id": 1 },
            Some(doc! { "since": { "$gt": 0_i64 } }),
        ),
        index(BLOCKER, false, doc! { "blocked_by": 1, "_id": 1 }, has_direct()),
        index(DIRECT, true, doc! { "direct": 1 }, has_direct()),
    ];
    for (collection, models) in [
        ("entries", entries.to_vec()),
        ("members", members.to_vec()),
        ("sanctions", sanctions.to_vec()),
        ("invites", invites.to_vec()),
        ("sign_ins", sign_ins.to_vec()),
        ("pairs", pairs.to_vec()),
    ] {
        let collection = database.collection::<Document>(collection);
        collection.create_indexes(models).await?;
    }
    Ok(())
}
