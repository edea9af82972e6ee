//! Counting what there is. Each of these reads much; none of them is asked by what is said.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use rusqlite::params;
use starling_core::ports::{DAY_MS, Statistics, Tally, Totals, Unavailable};
use starling_protocol::{ConversationId, UserId};

use crate::codec::{limit as rows_limit, row, rows, unsigned};
use crate::store::Store;

#[async_trait]
impl Statistics for Store {
    async fn totals(&self) -> Result<Totals, Unavailable> {
        self.read("totals", |db| {
            // One seek for each log: there is a record of every one.
            let sql = "SELECT count(*) FILTER (WHERE dissolved IS NULL) AS conversations, \
                       ifnull(sum((SELECT messages FROM entries WHERE conversation = conversations.id \
                       ORDER BY seq DESC LIMIT 1)), 0) AS messages, \
                       (SELECT count(*) FROM users) AS users FROM conversations";
            let totals = row(db, sql, [], |row| {
                Ok(Totals {
                    conversations: unsigned(row, "conversations")?,
                    messages: unsigned(row, "messages")?,
                    users: unsigned(row, "users")?,
                })
            })?;
            Ok(totals.unwrap_or_default())
        })
        .await
    }

    async fn tally_newest(&self, entries: usize) -> Result<Tally, Unavailable> {
        self.read("tally_newest", move |db| {
            let sql =
                "SELECT at, message, sender FROM entries INDEXED BY entries_at ORDER BY at DESC LIMIT ?1";
            let newest = rows(db, sql, [rows_limit(entries)], |row| {
                Ok((
                    row.get("at")?,
                    row.get::<_, bool>("message")?,
                    row.get::<_, Option<String>>("sender")?,
                ))
            })?;
            let messages = || newest.iter().filter(|(_, is_message, _)| *is_message);
            let senders: BTreeSet<_> = messages().map(|(_, _, sender)| sender).collect();
            Ok(Tally {
                senders: senders.len() as u64,
                days: days(messages().map(|(at, ..)| *at)),
            })
        })
        .await
    }

    async fn sent_by(
        &self,
        user: &UserId,
        conversations: &[ConversationId],
        entries: usize,
    ) -> Result<Vec<(i64, u64)>, Unavailable> {
        let (user, conversations) = (user.clone(), conversations.to_vec());
        self.read("sent_by", move |db| {
            let sql = "SELECT at, message FROM entries INDEXED BY entries_client_id \
                       WHERE conversation = ?1 AND sender = ?2 AND client_id IS NOT NULL LIMIT ?3";
            let mut own: Vec<(i64, bool)> = Vec::new();
            for id in &conversations {
                let left = rows_limit(entries - own.len());
                let found = rows(db, sql, params![id.as_str(), user.as_str(), left], |row| {
                    Ok((row.get("at")?, row.get("message")?))
                })?;
                own.extend(found);
            }
            Ok(days(
                own.into_iter()
                    .filter(|(_, is_message)| *is_message)
                    .map(|(at, _)| at),
            ))
        })
        .await
    }
}

/// How many on each day, the newest first.
fn days(times: impl Iterator<Item = i64>) -> Vec<(i64, u64)> {
    let mut days = BTreeMap::<i64, u64>::new();
    for at in times {
        *days.entry(at.div_euclid(DAY_MS) * DAY_MS).or_default() += 1;
    }
    days.into_iter().rev().collect()
}
