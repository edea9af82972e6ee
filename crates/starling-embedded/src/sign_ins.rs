//! Sign-ins: a record for each, with the digests of the refresh token in force and of the one before.
//!
//! A record goes once nothing of it can be used any more: whoever begins one removes those.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use starling_core::ports::{
    Digest, Replacement, Rotation, SignInArchived, SignInId, SignInRecord, SignIns, Unavailable,
};
use starling_core::records::SignInState;
use starling_protocol::UserId;

use crate::codec::{Work, execute, limit as rows_limit, row, rows, unix_millis, user as user_of};
use crate::store::Store;

/// How long a record stays after its end, in milliseconds: longer than any access token lives.
const KEPT: i64 = 24 * 3600 * 1_000;
/// Records that are removed at a time.
const SWEPT: i64 = 100;

#[async_trait]
impl SignIns for Store {
    async fn begin(&self, record: &SignInRecord, digest: &Digest) -> Result<(), Unavailable> {
        let begun = SignInState::begun(record.clone(), *digest);
        self.write("begin_sign_in", move |db| {
            let sql = "DELETE FROM sign_ins WHERE id IN \
                       (SELECT id FROM sign_ins WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
            execute(db, sql, params![unix_millis() - KEPT, SWEPT])?;
            save(db, &begun)
        })
        .await
    }

    async fn rotate(
        &self,
        id: &SignInId,
        shown: &Digest,
        replacement: &Replacement,
    ) -> Result<Rotation, Unavailable> {
        let (id, shown, replacement) = (id.clone(), *shown, *replacement);
        self.write("rotate_sign_in", move |db| {
            let Some(mut state) = load(db, &id)? else {
                return Ok(Rotation::Over);
            };
            let rotation = state.rotate(&shown, &replacement);
            if let Rotation::Rotated(_) = rotation {
                save(db, &state)?;
            }
            Ok(rotation)
        })
        .await
    }

    async fn end(&self, user: &UserId, id: &SignInId) -> Result<bool, Unavailable> {
        let (user, id) = (user.clone(), id.clone());
        self.write("end_sign_in", move |db| {
            let state = load(db, &id)?.filter(|state| state.record.user == user);
            let Some(mut state) = state else { return Ok(false) };
            end(db, &mut state)?;
            Ok(true)
        })
        .await
    }

    async fn end_all(&self, user: &UserId) -> Result<(), Unavailable> {
        let user = user.clone();
        self.write("end_sign_ins", move |db| {
            let sql = "SELECT * FROM sign_ins WHERE user = ?1 AND ended_at IS NULL";
            let mut states = rows(db, sql, [user.as_str()], decode)?;
            states.iter_mut().try_for_each(|state| end(db, state))
        })
        .await
    }

    async fn of_user(&self, user: &UserId, limit: usize) -> Result<Vec<SignInRecord>, Unavailable> {
        let user = user.clone();
        self.read("sign_ins_of_user", move |db| {
            let sql = "SELECT * FROM sign_ins WHERE user = ?1 AND ended_at IS NULL AND expires_at > ?2 \
                       ORDER BY created_at DESC LIMIT ?3";
            let of_user = params![user.as_str(), unix_millis(), rows_limit(limit)];
            rows(db, sql, of_user, |row| Ok(decode(row)?.record))
        })
        .await
    }

    async fn ended_since(&self, since: i64, limit: usize) -> Result<Vec<(SignInId, i64)>, Unavailable> {
        self.read("ended_since", move |db| {
            let sql = "SELECT id, ended_at FROM sign_ins WHERE ended_at >= ?1 ORDER BY ended_at LIMIT ?2";
            rows(db, sql, params![since, rows_limit(limit)], |row| {
                Ok((id_of(row)?, row.get("ended_at")?))
            })
        })
        .await
    }

    async fn is_in_force(&self, id: &SignInId) -> Result<bool, Unavailable> {
        let id = id.clone();
        self.read("is_in_force", move |db| {
            Ok(load(db, &id)?.is_some_and(|state| state.is_in_force(unix_millis())))
        })
        .await
    }
}

/// Ends it, and keeps the record for as long as tokens of it may be shown.
fn end(db: &Connection, state: &mut SignInState) -> Work<()> {
    if state.ended.is_none() {
        state.end(unix_millis());
        state.record.expires_at = unix_millis();
        save(db, state)?;
    }
    Ok(())
}

/// One that was taken from another store.
pub(crate) fn of_archive(archived: &SignInArchived) -> SignInState {
    SignInState {
        record: SignInRecord {
            id: SignInId::from_wire(&archived.id),
            user: archived.user.clone(),
            device: archived.device.clone(),
            created_at: archived.created_at,
            used_at: archived.used_at,
            expires_at: archived.expires_at,
        },
        current: archived.current,
        previous: archived.previous,
        ended: None,
    }
}

fn load(db: &Connection, id: &SignInId) -> Work<Option<SignInState>> {
    row(db, "SELECT * FROM sign_ins WHERE id = ?1", [id.as_str()], decode)
}

pub(crate) fn save(db: &Connection, state: &SignInState) -> Work<()> {
    let sql = "INSERT OR REPLACE INTO sign_ins (id, user, device, created_at, used_at, expires_at, ended_at, digest, \
               previous, salt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let record = &state.record;
    let values = params![
        record.id.as_str(),
        record.user.as_str(),
        record.device,
        record.created_at,
        record.used_at,
        record.expires_at,
        state.ended,
        state.current,
        state.previous.map(|(previous, _)| previous),
        state.previous.map(|(_, salt)| salt),
    ];
    execute(db, sql, values)?;
    Ok(())
}

pub(crate) fn decode(row: &Row<'_>) -> Work<SignInState> {
    let (previous, salt): (Option<Digest>, Option<Digest>) = (row.get("previous")?, row.get("salt")?);
    Ok(SignInState {
        record: SignInRecord {
            id: id_of(row)?,
            user: user_of(row, "user")?,
            device: row.get("device")?,
            created_at: row.get("created_at")?,
            used_at: row.get("used_at")?,
            expires_at: row.get("expires_at")?,
        },
        current: row.get("digest")?,
        previous: previous.zip(salt),
        ended: row.get("ended_at")?,
    })
}

fn id_of(row: &Row<'_>) -> Work<SignInId> {
    let id: String = row.get("id")?;
    Ok(SignInId::from_wire(&id))
}
