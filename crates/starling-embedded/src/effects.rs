//! The guarded updates of the directory and of messages, in the order given. The guards are
//! [`starling_core::records`]'.

use rusqlite::{Connection, Row, params};
use starling_core::ports::{
    Alteration, ConversationRecord, Effect, InviteRecord, MEET_AT_MOST, MemberRecord, Unavailable,
};
use starling_core::records::{Change, Invite, Sanctions};
use starling_protocol::{ConversationId, InviteId, Seq, UserId};

use crate::codec::{
    Work, bound, conversation, execute, limit as rows_limit, number, row, rows, spelled, spelling, unsigned,
    user,
};
use crate::contacts;
use crate::directory::{conversation_record, member_record};
use crate::entry_row::{altered, redact, set_altered};
use crate::store::Store;

/// Entries that lose their text in one piece of work: a log may be long, and others wait to write.
const PIECE: Seq = 500;

/// Carries effects out: all in one piece of work, but for the texts of a conversation that is deleted for all. How far
/// they are gone is kept; whoever carries the effect out again goes on from there.
pub(crate) async fn apply(store: &Store, effects: &[Effect]) -> Result<(), Unavailable> {
    if effects.is_empty() {
        return Ok(());
    }
    let owned = effects.to_vec();
    store
        .write("apply", move |db| {
            owned.iter().try_for_each(|effect| carry_out(db, effect))
        })
        .await?;
    for effect in effects {
        if let Effect::Dissolve {
            conversation,
            seq,
            by,
            at,
        } = effect
        {
            purge(store, conversation, *seq, by, *at).await?;
        }
    }
    Ok(())
}

fn carry_out(db: &Connection, effect: &Effect) -> Work<()> {
    match effect {
        Effect::CreateConversation(record) => create_conversation(db, record),
        Effect::SetMember {
            conversation,
            user,
            role,
            seq,
        } => change_made(db, conversation, user, |member| member.begin(*role, *seq)),
        Effect::EndMember {
            conversation,
            user,
            seq,
        } => change_made(db, conversation, user, |member| member.end(*seq)),
        Effect::SetRole {
            conversation,
            user,
            role,
            seq,
        } => change_known(db, conversation, user, |member| member.set_role(*role, *seq)),
        Effect::Sanction {
            conversation,
            user,
            sanction,
            seq,
        } => change_sanctions(db, conversation, user, |sanctions| {
            sanctions.apply(*sanction, *seq)
        }),
        Effect::SetProfile {
            conversation,
            profile,
            seq,
        } => change_conversation(db, conversation, |record| record.set_profile(profile, *seq)),
        Effect::MakeInvite(record) => make_invite(db, record),
        Effect::UseInvite { invite, uses, seq } => {
            change_invite(db, invite, |invite| invite.count(*uses, *seq))
        }
        Effect::RevokeInvite { invite, seq } => change_invite(db, invite, |invite| invite.revoke(*seq)),
        Effect::Meet {
            conversation,
            users,
            at,
        } => meet(db, conversation, users, *at),
        Effect::AlterMessage {
            conversation,
            target,
            seq,
            by,
            at,
            alteration,
        } => {
            let change = Change {
                seq: *seq,
                by,
                at: *at,
                alteration,
            };
            alter(db, conversation, *target, &change)
        }
        Effect::Dissolve {
            conversation, seq, ..
        } => dissolve(db, conversation, *seq),
    }
}

pub(crate) fn create_conversation(db: &Connection, record: &ConversationRecord) -> Work<()> {
    let sql = "INSERT INTO conversations (id, kind, name, description, avatar_url, open, updated, created_by, \
               created_at, applied, dissolved) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
               ON CONFLICT (id) DO NOTHING";
    let values = params![
        record.id.as_str(),
        spelling(&record.kind)?,
        record.name,
        record.description,
        record.avatar_url,
        record.open,
        number(record.updated)?,
        record.created_by.as_str(),
        record.created_at,
        number(record.applied)?,
        record.dissolved.map(number).transpose()?,
    ];
    execute(db, sql, values)?;
    Ok(())
}

fn change_conversation(
    db: &Connection,
    id: &ConversationId,
    change: impl FnOnce(&mut ConversationRecord) -> bool,
) -> Work<()> {
    let sql = "SELECT * FROM conversations WHERE id = ?1";
    let Some(mut record) = row(db, sql, [id.as_str()], conversation_record)? else {
        return Ok(());
    };
    if change(&mut record) {
        let sql = "UPDATE conversations SET name = ?2, description = ?3, avatar_url = ?4, open = ?5, updated = ?6 \
                   WHERE id = ?1";
        let values = params![
            id.as_str(),
            record.name,
            record.description,
            record.avatar_url,
            record.open,
            number(record.updated)?,
        ];
        execute(db, sql, values)?;
    }
    Ok(())
}

pub(crate) fn member(db: &Connection, id: &ConversationId, user: &UserId) -> Work<Option<MemberRecord>> {
    let sql = "SELECT * FROM members WHERE conversation = ?1 AND user = ?2";
    row(db, sql, [id.as_str(), user.as_str()], member_record)
}

pub(crate) fn save_member(db: &Connection, member: &MemberRecord) -> Work<()> {
    let sql = "INSERT INTO members (conversation, user, role, changed, role_changed, ended, delivered, read, hidden) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (conversation, user) DO UPDATE SET \
               role = excluded.role, changed = excluded.changed, role_changed = excluded.role_changed, \
               ended = excluded.ended, delivered = excluded.delivered, read = excluded.read, hidden = excluded.hidden";
    let values = params![
        member.conversation.as_str(),
        member.user.as_str(),
        spelling(&member.role)?,
        number(member.changed)?,
        number(member.role_changed)?,
        member.left.map(number).transpose()?,
        number(member.delivered)?,
        number(member.read)?,
        member.hidden.map(number).transpose()?,
    ];
    execute(db, sql, values)?;
    Ok(())
}

/// Changes a member's record; nothing where there is none.
pub(crate) fn change_known(
    db: &Connection,
    id: &ConversationId,
    user: &UserId,
    change: impl FnOnce(&mut MemberRecord) -> bool,
) -> Work<()> {
    if let Some(mut member) = member(db, id, user)?
        && change(&mut member)
    {
        save_member(db, &member)?;
    }
    Ok(())
}

/// Changes a member's record, and makes it where there is none.
fn change_made(
    db: &Connection,
    id: &ConversationId,
    user: &UserId,
    change: impl FnOnce(&mut MemberRecord) -> bool,
) -> Work<()> {
    let known = member(db, id, user)?;
    let mut member = known.unwrap_or_else(|| MemberRecord::unknown(id.clone(), user.clone()));
    if change(&mut member) {
        save_member(db, &member)?;
    }
    Ok(())
}

pub(crate) fn sanctions(row: &Row<'_>) -> Work<Sanctions> {
    Ok(Sanctions {
        banned: (unsigned(row, "banned_at")?, row.get("banned")?),
        muted: (unsigned(row, "muted_at")?, row.get("muted_until")?),
    })
}

fn change_sanctions(
    db: &Connection,
    id: &ConversationId,
    user: &UserId,
    change: impl FnOnce(&mut Sanctions) -> bool,
) -> Work<()> {
    let sql = "SELECT * FROM sanctions WHERE conversation = ?1 AND user = ?2";
    let mut changed = row(db, sql, [id.as_str(), user.as_str()], sanctions)?.unwrap_or_default();
    if change(&mut changed) {
        save_sanctions(db, id, user, &changed)?;
    }
    Ok(())
}

pub(crate) fn save_sanctions(
    db: &Connection,
    id: &ConversationId,
    user: &UserId,
    sanctions: &Sanctions,
) -> Work<()> {
    let sql = "INSERT OR REPLACE INTO sanctions (conversation, user, banned, banned_at, muted_until, muted_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let ((banned_at, banned), (muted_at, muted_until)) = (sanctions.banned, sanctions.muted);
    let values = params![
        id.as_str(),
        user.as_str(),
        banned,
        number(banned_at)?,
        muted_until,
        number(muted_at)?,
    ];
    execute(db, sql, values)?;
    Ok(())
}

pub(crate) fn invite(row: &Row<'_>) -> Work<Invite> {
    Ok(Invite {
        record: InviteRecord {
            id: spelled(row, "id")?,
            conversation: conversation(row, "conversation")?,
            created_by: user(row, "created_by")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            max_uses: row.get("max_uses")?,
            uses: row.get("uses")?,
            changed: unsigned(row, "changed")?,
        },
        revoked: row.get("revoked")?,
    })
}

pub(crate) fn make_invite(db: &Connection, record: &InviteRecord) -> Work<()> {
    let sql = "INSERT INTO invites (id, conversation, created_by, created_at, expires_at, max_uses, uses, revoked, \
               changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8) ON CONFLICT (id) DO NOTHING";
    let values = params![
        record.id.as_str(),
        record.conversation.as_str(),
        record.created_by.as_str(),
        record.created_at,
        record.expires_at,
        record.max_uses,
        record.uses,
        number(record.changed)?,
    ];
    execute(db, sql, values)?;
    Ok(())
}

pub(crate) fn change_invite(db: &Connection, id: &InviteId, change: impl FnOnce(&mut Invite)) -> Work<()> {
    let sql = "SELECT * FROM invites WHERE id = ?1";
    if let Some(mut changed) = row(db, sql, [id.as_str()], invite)? {
        change(&mut changed);
        let sql = "UPDATE invites SET uses = ?2, revoked = ?3, changed = ?4 WHERE id = ?1";
        let changed_at = number(changed.record.changed)?;
        execute(
            db,
            sql,
            params![id.as_str(), changed.record.uses, changed.revoked, changed_at],
        )?;
    }
    Ok(())
}

fn meet(db: &Connection, id: &ConversationId, users: &[UserId], at: i64) -> Work<()> {
    let sql = "SELECT user FROM members WHERE conversation = ?1 AND ended IS NULL LIMIT ?2";
    let present = rows(
        db,
        sql,
        params![id.as_str(), rows_limit(MEET_AT_MOST + 1)],
        |row| user(row, "user"),
    )?;
    if present.len() > MEET_AT_MOST {
        return Ok(());
    }
    for newcomer in users.iter().filter(|user| present.contains(user)) {
        for other in present.iter().filter(|other| *other != newcomer) {
            contacts::change(db, newcomer, other, |pair| pair.meet(at))?;
        }
    }
    Ok(())
}

/// Alters a message; nothing where there is none. Then takes the text out of whatever edited it if it is deleted: of
/// edits that were there before, and of one that is applied after the deletion.
fn alter(db: &Connection, id: &ConversationId, target: Seq, change: &Change<'_>) -> Work<()> {
    let Some(mut message) = altered(db, id.as_str(), target)? else {
        return Ok(());
    };
    message.alter(change);
    set_altered(db, id.as_str(), target, &message)?;
    if !matches!(change.alteration, Alteration::React { .. }) {
        for seq in message.redacted(target) {
            redact(db, id.as_str(), seq)?;
        }
    }
    Ok(())
}

fn dissolve(db: &Connection, id: &ConversationId, seq: Seq) -> Work<()> {
    let sql = "UPDATE conversations SET dissolved = ?2 WHERE id = ?1 AND ifnull(dissolved, ?2) >= ?2";
    execute(db, sql, params![id.as_str(), number(seq)?])?;
    let sql = "SELECT * FROM members WHERE conversation = ?1 AND changed < ?2";
    for mut member in rows(db, sql, params![id.as_str(), number(seq)?], member_record)? {
        if member.dissolve(seq) {
            save_member(db, &member)?;
        }
    }
    Ok(())
}

/// Takes the text out of all entries before one. Messages are marked as deleted, so that an edit that is applied late
/// does not bring a text back.
async fn purge(
    store: &Store,
    id: &ConversationId,
    before: Seq,
    by: &UserId,
    at: i64,
) -> Result<(), Unavailable> {
    loop {
        let (id, by) = (id.clone(), by.clone());
        let is_done = store
            .write("purge", move |db| {
                let change = Change {
                    seq: before,
                    by: &by,
                    at,
                    alteration: &Alteration::Delete,
                };
                purge_piece(db, &id, &change)
            })
            .await?;
        if is_done {
            return Ok(());
        }
    }
}

fn purge_piece(db: &Connection, id: &ConversationId, change: &Change<'_>) -> Work<bool> {
    let sql = "SELECT purged FROM conversations WHERE id = ?1";
    let known = row(db, sql, [id.as_str()], |row| unsigned(row, "purged"))?;
    let last = change.seq.saturating_sub(1);
    let Some(purged) = known.filter(|purged| *purged < last) else {
        return Ok(true);
    };
    let to = purged.saturating_add(PIECE).min(last);
    let sql = "SELECT seq, message FROM entries WHERE conversation = ?1 AND seq > ?2 AND seq <= ?3";
    let piece = rows(db, sql, params![id.as_str(), bound(purged), bound(to)], |row| {
        Ok((unsigned(row, "seq")?, row.get::<_, bool>("message")?))
    })?;
    for (seq, is_message) in piece {
        redact(db, id.as_str(), seq)?;
        if is_message && let Some(mut message) = altered(db, id.as_str(), seq)? {
            message.alter(change);
            set_altered(db, id.as_str(), seq, &message)?;
        }
    }
    let sql = "UPDATE conversations SET purged = ?2 WHERE id = ?1";
    execute(db, sql, params![id.as_str(), number(to)?])?;
    Ok(to >= last)
}
