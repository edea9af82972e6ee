//! The directory.

use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{Row, params};
use starling_core::ports::{
    ConversationRecord, Directory, Effect, InviteRecord, MarksRaised, MemberRecord, SanctionRecord,
    Unavailable,
};
use starling_protocol::{ConversationId, Seq, UserId};

use crate::codec::{
    Work, conversation, execute, limit as rows_limit, number, optional_unsigned, row, rows, spelled,
    unix_millis, unsigned, user,
};
use crate::effects;
use crate::store::Store;

#[async_trait]
impl Directory for Store {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<ConversationRecord>, Unavailable> {
        let id = id.clone();
        self.read("conversation", move |db| {
            row(
                db,
                "SELECT * FROM conversations WHERE id = ?1",
                [id.as_str()],
                conversation_record,
            )
        })
        .await
    }

    async fn conversations(&self, ids: &[ConversationId]) -> Result<Vec<ConversationRecord>, Unavailable> {
        let ids = ids.to_vec();
        self.read("conversations", move |db| {
            let sql = "SELECT * FROM conversations WHERE id = ?1";
            let found = ids
                .iter()
                .filter_map(|id| row(db, sql, [id.as_str()], conversation_record).transpose());
            found.collect()
        })
        .await
    }

    async fn scan(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<(ConversationId, Seq)>, Unavailable> {
        let after = text(after.map(ConversationId::as_str));
        self.read("scan", move |db| {
            let sql = "SELECT id, applied FROM conversations WHERE id > ?1 ORDER BY id LIMIT ?2";
            rows(db, sql, params![after, rows_limit(limit)], |row| {
                Ok((conversation(row, "id")?, unsigned(row, "applied")?))
            })
        })
        .await
    }

    async fn members(&self, conversation: &ConversationId) -> Result<Vec<MemberRecord>, Unavailable> {
        let id = conversation.clone();
        self.read("members", move |db| {
            let sql = "SELECT * FROM members WHERE conversation = ?1 ORDER BY user";
            rows(db, sql, [id.as_str()], member_record)
        })
        .await
    }

    async fn members_after(
        &self,
        conversation: &ConversationId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        let (id, after) = (conversation.clone(), text(after.map(UserId::as_str)));
        self.read("members_after", move |db| {
            let sql = "SELECT * FROM members WHERE conversation = ?1 AND user > ?2 AND ended IS NULL \
                       ORDER BY user LIMIT ?3";
            rows(
                db,
                sql,
                params![id.as_str(), after, rows_limit(limit)],
                member_record,
            )
        })
        .await
    }

    async fn members_of(
        &self,
        conversations: &[ConversationId],
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        let ids: BTreeSet<_> = conversations.iter().cloned().collect();
        self.read("members_of", move |db| {
            let sql =
                "SELECT * FROM members WHERE conversation = ?1 AND ended IS NULL ORDER BY user LIMIT ?2";
            let mut found = Vec::new();
            for id in ids {
                let left = rows_limit(limit - found.len());
                found.extend(rows(db, sql, params![id.as_str(), left], member_record)?);
            }
            Ok(found)
        })
        .await
    }

    async fn member(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<MemberRecord>, Unavailable> {
        let (id, user) = (conversation.clone(), user.clone());
        self.read("member", move |db| effects::member(db, &id, &user))
            .await
    }

    async fn sanctions(&self, conversation: &ConversationId) -> Result<Vec<SanctionRecord>, Unavailable> {
        let id = conversation.clone();
        self.read("sanctions", move |db| {
            let sql = "SELECT * FROM sanctions WHERE conversation = ?1 ORDER BY user";
            rows(db, sql, [id.as_str()], |row| {
                Ok(effects::sanctions(row)?.record(&id, &user(row, "user")?))
            })
        })
        .await
    }

    async fn sanction(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<SanctionRecord>, Unavailable> {
        let (id, user) = (conversation.clone(), user.clone());
        self.read("sanction", move |db| {
            let sql = "SELECT * FROM sanctions WHERE conversation = ?1 AND user = ?2";
            let found = row(db, sql, [id.as_str(), user.as_str()], effects::sanctions)?;
            Ok(found.map(|sanctions| sanctions.record(&id, &user)))
        })
        .await
    }

    async fn invites(&self, conversation: &ConversationId) -> Result<Vec<InviteRecord>, Unavailable> {
        let id = conversation.clone();
        self.read("invites", move |db| {
            let sql = "SELECT * FROM invites WHERE conversation = ?1 ORDER BY id";
            let invites = rows(db, sql, [id.as_str()], effects::invite)?;
            let open = invites.into_iter().filter(|invite| invite.is_open());
            Ok(open.map(|invite| invite.record).collect())
        })
        .await
    }

    async fn memberships(
        &self,
        user: &UserId,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        let (user, after) = (user.clone(), text(after.map(ConversationId::as_str)));
        self.read("memberships", move |db| {
            let sql = "SELECT * FROM members WHERE user = ?1 AND conversation > ?2 AND ended IS NULL \
                       ORDER BY conversation LIMIT ?3";
            rows(
                db,
                sql,
                params![user.as_str(), after, rows_limit(limit)],
                member_record,
            )
        })
        .await
    }

    async fn apply(&self, effects: &[Effect]) -> Result<(), Unavailable> {
        effects::apply(self, effects).await
    }

    async fn mark_applied(&self, marks: &[(ConversationId, Seq)]) -> Result<(), Unavailable> {
        if marks.is_empty() {
            return Ok(());
        }
        let marks = marks.to_vec();
        self.write("mark_applied", move |db| {
            for (id, seq) in &marks {
                let sql = "UPDATE conversations SET applied = ?2 WHERE id = ?1 AND applied < ?2";
                execute(db, sql, params![id.as_str(), number(*seq)?])?;
            }
            Ok(())
        })
        .await
    }

    async fn raise_marks(&self, marks: &[MarksRaised]) -> Result<(), Unavailable> {
        if marks.is_empty() {
            return Ok(());
        }
        let marks = marks.to_vec();
        self.write("raise_marks", move |db| {
            for raised in &marks {
                effects::change_known(db, &raised.conversation, &raised.user, |member| {
                    member.raise(raised)
                })?;
            }
            Ok(())
        })
        .await
    }

    async fn hide(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        messages: u64,
    ) -> Result<(), Unavailable> {
        let (id, user) = (conversation.clone(), user.clone());
        self.write("hide", move |db| {
            effects::change_known(db, &id, &user, |member| member.hide(messages))
        })
        .await
    }

    async fn count_members(&self, conversation: &ConversationId) -> Result<u64, Unavailable> {
        let id = conversation.clone();
        self.read("count_members", move |db| {
            let sql = "SELECT count(*) AS members FROM members WHERE conversation = ?1 AND ended IS NULL";
            let count = row(db, sql, [id.as_str()], |row| unsigned(row, "members"))?;
            Ok(count.unwrap_or(0))
        })
        .await
    }

    /// Reads first: users connect far more often than they are new or renamed, and a read waits for no commit.
    async fn saw_user(&self, user: &UserId, name: Option<&str>) -> Result<(), Unavailable> {
        let (id, name) = (user.to_string(), name.map(str::to_owned));
        let asked = (id.clone(), name.clone());
        let is_known = self
            .read("known_user", move |db| {
                let sql = "SELECT 1 FROM users WHERE id = ?1 AND (?2 IS NULL OR named = 1 OR name = ?2)";
                Ok(row(db, sql, params![asked.0, asked.1], |_| Ok(()))?.is_some())
            })
            .await?;
        if is_known {
            return Ok(());
        }
        self.write("saw_user", move |db| {
            let sql = "INSERT INTO users (id, name, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE \
                       SET name = excluded.name WHERE excluded.name IS NOT NULL AND named = 0";
            execute(db, sql, params![id, name, unix_millis()])?;
            Ok(())
        })
        .await
    }

    /// The way that writes take, without a write.
    async fn ping(&self) -> Result<(), Unavailable> {
        self.write("ping", |_| Ok(())).await
    }
}

/// What stands before all ids, where a page begins at the first one.
fn text(after: Option<&str>) -> String {
    after.unwrap_or_default().to_owned()
}

pub(crate) fn conversation_record(row: &Row<'_>) -> Work<ConversationRecord> {
    Ok(ConversationRecord {
        id: conversation(row, "id")?,
        kind: spelled(row, "kind")?,
        name: row.get("name")?,
        description: row.get("description")?,
        avatar_url: row.get("avatar_url")?,
        open: row.get("open")?,
        updated: unsigned(row, "updated")?,
        created_by: user(row, "created_by")?,
        created_at: row.get("created_at")?,
        applied: unsigned(row, "applied")?,
        dissolved: optional_unsigned(row, "dissolved")?,
    })
}

pub(crate) fn member_record(row: &Row<'_>) -> Work<MemberRecord> {
    Ok(MemberRecord {
        conversation: conversation(row, "conversation")?,
        user: user(row, "user")?,
        role: spelled(row, "role")?,
        changed: unsigned(row, "changed")?,
        role_changed: unsigned(row, "role_changed")?,
        left: optional_unsigned(row, "ended")?,
        delivered: unsigned(row, "delivered")?,
        read: unsigned(row, "read")?,
        hidden: optional_unsigned(row, "hidden")?,
    })
}
