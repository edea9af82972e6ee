//! How an entry is stored.

use rusqlite::{Connection, Row, params};
use starling_core::records::Altered;
use starling_protocol::{Body, Entry};

use crate::codec::{Work, bound, execute, number, optional_spelled, row, unsigned};

/// The columns of an entry, for queries.
pub(crate) const COLUMNS: &str =
    "conversation, seq, sender, client_id, lamport, at, messages, membership, body, altered";

/// An entry on its way in, with all that can fail about it behind it.
pub(crate) struct NewRow {
    conversation: String,
    seq: i64,
    sender: Option<String>,
    client_id: Option<String>,
    lamport: i64,
    at: i64,
    messages: i64,
    membership: i64,
    is_message: bool,
    body: String,
}

impl NewRow {
    pub(crate) fn of(entry: &Entry) -> Work<Self> {
        Ok(Self {
            conversation: entry.conversation.to_string(),
            seq: number(entry.seq)?,
            sender: entry.sender.as_ref().map(ToString::to_string),
            client_id: entry.client_id.as_ref().map(|id| id.as_str().to_owned()),
            lamport: number(entry.lamport)?,
            at: entry.at,
            messages: number(entry.messages)?,
            membership: number(entry.membership)?,
            is_message: entry.body.is_message(),
            body: serde_json::to_string(&entry.body)?,
        })
    }

    pub(crate) fn insert(&self, db: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO entries (conversation, seq, sender, client_id, lamport, at, messages, membership, \
                   message, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        db.prepare_cached(sql)?.execute(params![
            self.conversation,
            self.seq,
            self.sender,
            self.client_id,
            self.lamport,
            self.at,
            self.messages,
            self.membership,
            self.is_message,
            self.body,
        ])?;
        Ok(())
    }
}

/// What became of an entry, from [`COLUMNS`].
pub(crate) fn altered_of(row: &Row<'_>) -> Work<Option<Altered>> {
    json(row, "altered")
}

/// An entry on its way out, from [`COLUMNS`].
pub(crate) fn entry(row: &Row<'_>) -> Work<Entry> {
    let altered = altered_of(row)?;
    Ok(Entry {
        conversation: crate::codec::conversation(row, "conversation")?,
        seq: unsigned(row, "seq")?,
        sender: optional_spelled(row, "sender")?,
        client_id: optional_spelled(row, "client_id")?,
        lamport: unsigned(row, "lamport")?,
        at: row.get("at")?,
        messages: unsigned(row, "messages")?,
        membership: unsigned(row, "membership")?,
        body: serde_json::from_str(row.get_ref("body")?.as_str().map_err(rusqlite::Error::from)?)?,
        state: altered.map(|altered| altered.state()),
    })
}

/// What became of a message; `None` where there is no such entry.
pub(crate) fn altered(db: &Connection, conversation: &str, seq: u64) -> Work<Option<Altered>> {
    let sql = "SELECT altered FROM entries WHERE conversation = ?1 AND seq = ?2";
    row(db, sql, params![conversation, bound(seq)], |row| {
        Ok(json(row, "altered")?.unwrap_or_default())
    })
}

pub(crate) fn set_altered(db: &Connection, conversation: &str, seq: u64, altered: &Altered) -> Work<()> {
    let sql = "UPDATE entries SET altered = ?3 WHERE conversation = ?1 AND seq = ?2";
    execute(
        db,
        sql,
        params![conversation, bound(seq), serde_json::to_string(altered)?],
    )?;
    Ok(())
}

/// Takes the text out of an entry, if there is such an entry and a text in it.
pub(crate) fn redact(db: &Connection, conversation: &str, seq: u64) -> Work<()> {
    let sql = "SELECT body FROM entries WHERE conversation = ?1 AND seq = ?2";
    let body: Option<Option<Body>> = row(db, sql, params![conversation, bound(seq)], |row| {
        json(row, "body")
    })?;
    if let Some(mut body) = body.flatten()
        && body.redact()
    {
        let sql = "UPDATE entries SET body = ?3 WHERE conversation = ?1 AND seq = ?2";
        execute(
            db,
            sql,
            params![conversation, bound(seq), serde_json::to_string(&body)?],
        )?;
    }
    Ok(())
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Work<Option<T>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}
