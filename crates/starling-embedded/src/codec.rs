//! Values in columns.

use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;
use starling_protocol::{ConversationId, UserId};

use crate::error::WorkError;

pub(crate) type Work<T> = Result<T, WorkError>;

/// A number that is stored.
pub(crate) fn number(value: u64) -> Work<i64> {
    i64::try_from(value).map_err(|_| WorkError::Number(value))
}

/// A number in a condition. Nothing that is stored is larger, so the largest stands for all beyond it.
pub(crate) fn bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// How many rows at most.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A number that is never negative.
pub(crate) fn unsigned(row: &Row<'_>, column: &str) -> Work<u64> {
    unsigned_of(row.get(column)?)
}

pub(crate) fn optional_unsigned(row: &Row<'_>, column: &str) -> Work<Option<u64>> {
    row.get::<_, Option<i64>>(column)?.map(unsigned_of).transpose()
}

fn unsigned_of(value: i64) -> Work<u64> {
    u64::try_from(value).map_err(|_| WorkError::Stored(format!("{value} where there cannot be one")))
}

/// The stored spelling of a unit variant or an id, which is the protocol's.
pub(crate) fn spelling(value: &impl Serialize) -> Work<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(text) => Ok(text),
        other => Err(WorkError::Stored(format!("{other} is no text"))),
    }
}

pub(crate) fn spelled<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Work<T> {
    let text: String = row.get(column)?;
    Ok(serde_json::from_value(serde_json::Value::String(text))?)
}

pub(crate) fn optional_spelled<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Work<Option<T>> {
    let text: Option<String> = row.get(column)?;
    let value = text.map(|text| serde_json::from_value(serde_json::Value::String(text)));
    Ok(value.transpose()?)
}

pub(crate) fn user(row: &Row<'_>, column: &str) -> Work<UserId> {
    spelled(row, column)
}

pub(crate) fn conversation(row: &Row<'_>, column: &str) -> Work<ConversationId> {
    spelled(row, column)
}

/// The wall clock, in milliseconds since the Unix epoch.
pub(crate) fn unix_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// All rows of a query.
pub(crate) fn rows<T>(
    db: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    decode: impl Fn(&Row<'_>) -> Work<T>,
) -> Work<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(parameters)?;
    let mut decoded = Vec::new();
    while let Some(row) = found.next()? {
        decoded.push(decode(row)?);
    }
    Ok(decoded)
}

/// The row of a query, if there is one.
pub(crate) fn row<T>(
    db: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    decode: impl Fn(&Row<'_>) -> Work<T>,
) -> Work<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(parameters)?;
    found.next()?.map(decode).transpose()
}

/// Carries a statement out; says how many rows it has changed.
pub(crate) fn execute(
    db: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Work<usize> {
    Ok(db.prepare_cached(sql)?.execute(parameters)?)
}
