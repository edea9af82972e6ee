//! How far sinks of events were told.

use async_trait::async_trait;
use rusqlite::{Row, params};
use starling_core::ports::{EventCursor, EventCursors, Unavailable};
use starling_protocol::{ConversationId, Seq};

use crate::codec::{
    Work, conversation, execute, limit as rows_limit, number, optional_unsigned, row, rows, spelled,
};
use crate::store::Store;

#[async_trait]
impl EventCursors for Store {
    async fn told_since(&self, sink: &'static str, now: i64) -> Result<i64, Unavailable> {
        self.write("told_since", move |db| {
            let sql = "INSERT INTO event_sinks (name, since) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
            execute(db, sql, params![sink, now])?;
            let sql = "SELECT since FROM event_sinks WHERE name = ?1";
            let since = row(db, sql, [sink], |row| Ok(row.get("since")?))?;
            Ok(since.unwrap_or(now))
        })
        .await
    }

    async fn cursors(
        &self,
        sink: &'static str,
        conversations: &[ConversationId],
    ) -> Result<Vec<EventCursor>, Unavailable> {
        let ids = conversations.to_vec();
        self.read("cursors", move |db| {
            let sql = "SELECT id, kind, created_at, told.seq AS told FROM conversations LEFT JOIN told \
                       ON told.sink = ?1 AND told.conversation = id WHERE id = ?2";
            let found = ids
                .iter()
                .filter_map(|id| row(db, sql, params![sink, id.as_str()], cursor).transpose());
            found.collect()
        })
        .await
    }

    async fn scan_cursors(
        &self,
        sink: &'static str,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<EventCursor>, Unavailable> {
        // Before all ids, where there is none.
        let after = after.map_or_else(String::new, ToString::to_string);
        self.read("scan_cursors", move |db| {
            let sql = "SELECT id, kind, created_at, told.seq AS told FROM conversations LEFT JOIN told \
                       ON told.sink = ?1 AND told.conversation = id WHERE id > ?2 ORDER BY id LIMIT ?3";
            rows(db, sql, params![sink, after, rows_limit(limit)], cursor)
        })
        .await
    }

    async fn raise_cursors(
        &self,
        sink: &'static str,
        cursors: &[(ConversationId, Seq)],
    ) -> Result<(), Unavailable> {
        if cursors.is_empty() {
            return Ok(());
        }
        let cursors = cursors.to_vec();
        self.write("raise_cursors", move |db| {
            for (id, seq) in &cursors {
                let sql = "INSERT INTO told (sink, conversation, seq) \
                           SELECT ?1, id, ?3 FROM conversations WHERE id = ?2 \
                           ON CONFLICT (sink, conversation) DO UPDATE SET seq = excluded.seq \
                           WHERE seq < excluded.seq";
                execute(db, sql, params![sink, id.as_str(), number(*seq)?])?;
            }
            Ok(())
        })
        .await
    }
}

fn cursor(row: &Row<'_>) -> Work<EventCursor> {
    Ok(EventCursor {
        conversation: conversation(row, "id")?,
        kind: spelled(row, "kind")?,
        created_at: row.get("created_at")?,
        told: optional_unsigned(row, "told")?,
    })
}
