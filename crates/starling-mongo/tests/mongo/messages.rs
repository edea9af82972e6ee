//! What is left of a deleted message in its documents, where no reader looks.

use std::sync::Arc;

use bson::{Document, doc};
use mongodb::Client;
use starling_contract::sample::{conversation, keyed, user};
use starling_core::ports::{Alteration, Directory, Effect, EntryLog};
use starling_mongo::Mongo;
use starling_protocol::{Body, Entry, Seq};

use crate::server::{empty_settings, shared};

/// The last entry; each from 2 on edits the message at 1.
const LAST: Seq = 9;

fn alter(seq: Seq, by: &str, alteration: Alteration) -> Effect {
    Effect::AlterMessage {
        conversation: conversation("c"),
        target: 1,
        seq,
        by: user(by),
        at: i64::try_from(seq).unwrap() * 10,
        alteration,
    }
}

fn edit(seq: Seq) -> Effect {
    let text = format!("$text {seq}");
    alter(seq, "alice", Alteration::Edit { text })
}

fn delete(seq: Seq, by: &str) -> Effect {
    alter(seq, by, Alteration::Delete)
}

async fn said(log: &Mongo) {
    let mut batch = vec![keyed("c", 1, "alice", "k1")];
    batch.extend((2..=LAST).map(|seq| {
        let text = format!("$text {seq}");
        let mut entry = Entry::clone(&keyed("c", seq, "alice", &format!("k{seq}")));
        entry.body = Body::Edited { target: 1, text };
        Arc::new(entry)
    }));
    log.insert(&batch).await.unwrap();
}

#[tokio::test]
async fn no_text_is_left_of_what_is_deleted_be_an_edit_applied_after_it() {
    for order in [
        vec![edit(2), edit(3), delete(4, "bob"), delete(5, "alice")],
        vec![delete(5, "alice"), edit(3), delete(4, "bob"), edit(2)],
    ] {
        let settings = empty_settings(shared().await);
        let client = Client::with_uri_str(&settings.uri).await.unwrap();
        let log = Mongo::connect(settings).await.unwrap();
        said(&log).await;
        for effect in &order {
            log.apply(std::slice::from_ref(effect)).await.unwrap();
        }
        let entries = client
            .database(log.database_name())
            .collection::<Document>("entries");
        for seq in 1..=3 {
            let stored = entries.find_one(doc! { "seq": seq }).await.unwrap().unwrap();
            let text = stored.to_string();
            assert!(!text.contains("$text") && !text.contains("message 1"), "{text}");
        }
    }
}
