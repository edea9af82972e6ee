//! What is kept of presence, in the users' records; and who shares a conversation with whom.

use async_trait::async_trait;
use rusqlite::params;
use starling_core::ports::{PresenceStore, Remembered, Unavailable};
use starling_protocol::UserId;

use crate::codec::{execute, row, unix_millis};
use crate::store::Store;

#[async_trait]
impl PresenceStore for Store {
    async fn remembered(&self, users: &[UserId]) -> Result<Vec<Remembered>, Unavailable> {
        let users = users.to_vec();
        self.read("remembered", move |db| {
            let sql = "SELECT presence_text, last_seen FROM users WHERE id = ?1";
            let remembered = users.iter().map(|user| {
                let kept = row(db, sql, [user.as_str()], |row| {
                    Ok(Remembered {
                        text: row.get("presence_text")?,
                        last_seen: row.get("last_seen")?,
                    })
                })?;
                Ok(kept.unwrap_or_default())
            });
            remembered.collect()
        })
        .await
    }

    async fn set_text(&self, user: &UserId, text: Option<&str>) -> Result<(), Unavailable> {
        let (user, text) = (user.clone(), text.map(str::to_owned));
        self.write("set_text", move |db| {
            let sql = "INSERT INTO users (id, presence_text, created_at) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (id) DO UPDATE SET presence_text = excluded.presence_text";
            execute(db, sql, params![user.as_str(), text, unix_millis()])?;
            Ok(())
        })
        .await
    }

    async fn seen(&self, users: &[UserId], at: i64) -> Result<(), Unavailable> {
        if users.is_empty() {
            return Ok(());
        }
        let users = users.to_vec();
        self.write("seen", move |db| {
            for user in &users {
                let sql = "INSERT INTO users (id, last_seen, created_at) VALUES (?1, ?2, ?3) \
                           ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen \
                           WHERE ifnull(last_seen, excluded.last_seen) <= excluded.last_seen";
                execute(db, sql, params![user.as_str(), at, unix_millis()])?;
            }
            Ok(())
        })
        .await
    }

    async fn sharing(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        let (user, others) = (user.clone(), others.to_vec());
        self.read("sharing", move |db| {
            let sql = "SELECT 1 FROM members AS own CROSS JOIN members AS theirs \
                       WHERE own.user = ?1 AND own.ended IS NULL AND theirs.conversation = own.conversation \
                       AND theirs.user = ?2 AND theirs.ended IS NULL LIMIT 1";
            let mut sharing = Vec::new();
            for other in others {
                if row(db, sql, [user.as_str(), other.as_str()], |_| Ok(()))?.is_some() {
                    sharing.push(other);
                }
            }
            Ok(sharing)
        })
        .await
    }
}
