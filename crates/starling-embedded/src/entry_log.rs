//! The log.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, named_params, params};
use starling_core::ports::{DAY_MS, EntryLog, InsertError, MessageRange, RangeEnd, Tally, Unavailable};
use starling_protocol::{ClientId, ConversationId, Entry, Seq, UserId};

use crate::codec::{Work, bound, limit as rows_limit, row, rows, unsigned};
use crate::entry_row::{COLUMNS, NewRow, entry};
use crate::store::Store;

#[async_trait]
impl EntryLog for Store {
    async fn insert(&self, entries: &[Arc<Entry>]) -> Result<(), InsertError> {
        if entries.is_empty() {
            return Ok(());
        }
        // Encoded before the writer has it: what cannot be stored must leave nothing behind.
        let new: Result<Vec<_>, _> = entries.iter().map(|entry| NewRow::of(entry)).collect();
        let new = new.map_err(|error| InsertError::Unknown(error.to_string()))?;
        let inserted = self.write("insert", move |db| insert(db, &new)).await;
        match inserted {
            Ok(None) => Ok(()),
            Ok(Some(index)) => Err(InsertError::Duplicate { index }),
            Err(unavailable) => Err(InsertError::Unknown(unavailable.reason)),
        }
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Arc<Entry>>, Unavailable> {
        let conversation = conversation.clone();
        self.read("head", move |db| head(db, &conversation)).await
    }

    async fn heads(&self, conversations: &[ConversationId]) -> Result<Vec<Arc<Entry>>, Unavailable> {
        let conversations = conversations.to_vec();
        self.read("heads", move |db| {
            let heads = conversations.iter().filter_map(|id| head(db, id).transpose());
            heads.collect()
        })
        .await
    }

    async fn read(
        &self,
        conversation: &ConversationId,
        after: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        if after >= to || limit == 0 {
            return Ok(Vec::new());
        }
        let conversation = conversation.clone();
        Store::read(self, "read", move |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM entries WHERE conversation = ?1 AND seq > ?2 AND seq <= ?3 \
                 ORDER BY seq LIMIT ?4"
            );
            let range = params![conversation.as_str(), bound(after), bound(to), rows_limit(limit)];
            rows(db, &sql, range, |row| entry(row).map(Arc::new))
        })
        .await
    }

    async fn read_back(
        &self,
        conversation: &ConversationId,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        if before <= 1 || limit == 0 {
            return Ok(Vec::new());
        }
        let conversation = conversation.clone();
        Store::read(self, "read_back", move |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM entries WHERE conversation = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
            );
            let range = params![conversation.as_str(), bound(before), rows_limit(limit)];
            let mut page = rows(db, &sql, range, |row| entry(row).map(Arc::new))?;
            page.reverse();
            Ok(page)
        })
        .await
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        range: &MessageRange,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        if range.after >= range.to || limit == 0 {
            return Ok(Vec::new());
        }
        let (conversation, range) = (conversation.clone(), range.clone());
        Store::read(self, "messages", move |db| {
            messages(db, &conversation, &range, limit)
        })
        .await
    }

    async fn tally(
        &self,
        conversation: &ConversationId,
        after: u64,
        to: u64,
        days: usize,
    ) -> Result<Tally, Unavailable> {
        if after >= to {
            return Ok(Tally::default());
        }
        let conversation = conversation.clone();
        Store::read(self, "tally", move |db| tally(db, &conversation, after, to, days)).await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        let (conversation, keys) = (conversation.clone(), keys.to_vec());
        Store::read(self, "find", move |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM entries WHERE conversation = ?1 AND sender = ?2 AND client_id = ?3"
            );
            let found = keys.iter().filter_map(|(sender, client_id)| {
                let key = params![conversation.as_str(), sender.as_str(), client_id.as_str()];
                row(db, &sql, key, |row| entry(row).map(Arc::new)).transpose()
            });
            found.collect()
        })
        .await
    }

    async fn at(&self, places: &[(ConversationId, Seq)]) -> Result<Vec<Arc<Entry>>, Unavailable> {
        let places = places.to_vec();
        Store::read(self, "at", move |db| {
            let sql = format!("SELECT {COLUMNS} FROM entries WHERE conversation = ?1 AND seq = ?2");
            let found = places.iter().filter_map(|(conversation, seq)| {
                let place = params![conversation.as_str(), bound(*seq)];
                row(db, &sql, place, |row| entry(row).map(Arc::new)).transpose()
            });
            found.collect()
        })
        .await
    }
}

/// Inserts up to the first collision; says where that is.
fn insert(db: &Connection, new: &[NewRow]) -> Work<Option<usize>> {
    for (index, row) in new.iter().enumerate() {
        match row.insert(db) {
            Ok(()) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Ok(Some(index));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn head(db: &Connection, conversation: &ConversationId) -> Work<Option<Arc<Entry>>> {
    let sql = format!("SELECT {COLUMNS} FROM entries WHERE conversation = ?1 ORDER BY seq DESC LIMIT 1");
    row(db, &sql, [conversation.as_str()], |row| entry(row).map(Arc::new))
}

fn messages(
    db: &Connection,
    conversation: &ConversationId,
    range: &MessageRange,
    limit: usize,
) -> Work<Vec<Arc<Entry>>> {
    let order = match range.end {
        RangeEnd::Lowest => "ASC",
        RangeEnd::Highest => "DESC",
    };
    let by_sender = match range.sender {
        Some(_) => "AND sender = :sender",
        // The parameter is named all the same.
        None => "AND :sender IS NULL",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM entries INDEXED BY entries_messages WHERE conversation = :conversation \
         AND messages > :after AND messages <= :to AND message = 1 {by_sender} \
         ORDER BY messages {order} LIMIT :limit OFFSET :skip"
    );
    let parameters = named_params! {
        ":conversation": conversation.as_str(),
        ":after": bound(range.after),
        ":to": bound(range.to),
        ":sender": range.sender.as_ref().map(UserId::as_str),
        ":limit": rows_limit(limit),
        ":skip": rows_limit(range.skip),
    };
    let mut page = rows(db, &sql, parameters, |row| entry(row).map(Arc::new))?;
    if range.end == RangeEnd::Highest {
        page.reverse();
    }
    Ok(page)
}

fn tally(db: &Connection, conversation: &ConversationId, after: u64, to: u64, days: usize) -> Work<Tally> {
    const RANGE: &str = "FROM entries INDEXED BY entries_messages WHERE conversation = ?1 AND messages > ?2 \
                         AND messages <= ?3 AND message = 1";
    let (id, after, to) = (conversation.as_str(), bound(after), bound(to));
    let sql = format!("SELECT count(DISTINCT sender) AS senders {RANGE}");
    let senders = row(db, &sql, params![id, after, to], |row| unsigned(row, "senders"))?;
    // The remainder is negative before 1970.
    let sql = format!(
        "SELECT at - ((at % {DAY_MS}) + {DAY_MS}) % {DAY_MS} AS day, count(*) AS messages {RANGE} \
         GROUP BY day ORDER BY day DESC LIMIT ?4"
    );
    let days = rows(db, &sql, params![id, after, to, rows_limit(days)], |row| {
        Ok((row.get("day")?, unsigned(row, "messages")?))
    })?;
    Ok(Tally {
        senders: senders.unwrap_or(0),
        days,
    })
}
