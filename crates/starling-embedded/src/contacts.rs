//! Contacts and blocks: one record for each pair of people.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use starling_core::ports::{ContactBook, ContactRecord, Relation, Unavailable};
use starling_core::records::{Pair, Side};
use starling_protocol::{ConversationId, UserId};

use crate::codec::{Work, execute, limit as rows_limit, optional_spelled, row, rows, user as user_of};
use crate::store::Store;

#[async_trait]
impl ContactBook for Store {
    async fn add(
        &self,
        user: &UserId,
        other: &UserId,
        by_phone: bool,
        at: i64,
    ) -> Result<Relation, Unavailable> {
        let (user, other) = (user.clone(), other.clone());
        self.write("add_contact", move |db| {
            let pair = change(db, &user, &other, |pair| {
                pair.add(&user, by_phone, at);
                true
            })?;
            Ok(pair.relation(&user))
        })
        .await
    }

    async fn remove(&self, user: &UserId, other: &UserId, at: i64) -> Result<(), Unavailable> {
        let (user, other) = (user.clone(), other.clone());
        self.write("remove_contact", move |db| {
            if let Some(mut pair) = load(db, &user, &other)? {
                pair.remove(at);
                save(db, &pair)?;
            }
            Ok(())
        })
        .await
    }

    async fn relation(&self, user: &UserId, other: &UserId) -> Result<Relation, Unavailable> {
        let (user, other) = (user.clone(), other.clone());
        self.read("relation", move |db| {
            let pair = load(db, &user, &other)?;
            Ok(pair.map_or_else(Relation::default, |pair| pair.relation(&user)))
        })
        .await
    }

    async fn contacts(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ContactRecord>, Unavailable> {
        let (user, after) = (user.clone(), after.cloned());
        self.read("contacts", move |db| {
            let pairs = pairs_of(db, &user, after.as_ref(), "since IS NOT NULL", limit)?;
            let contacts = pairs.into_iter().filter_map(|pair| {
                Some(ContactRecord {
                    user: pair.other(&user).clone(),
                    since: pair.since?,
                    shows_phone: pair.relation(&user).shows_phone,
                })
            });
            Ok(contacts.collect())
        })
        .await
    }

    async fn block(
        &self,
        user: &UserId,
        other: &UserId,
        direct: &ConversationId,
        at: i64,
    ) -> Result<(), Unavailable> {
        let (user, other, direct) = (user.clone(), other.clone(), direct.clone());
        self.write("block", move |db| {
            change(db, &user, &other, |pair| {
                pair.block(&user, &direct, at);
                true
            })?;
            Ok(())
        })
        .await
    }

    async fn unblock(&self, user: &UserId, other: &UserId) -> Result<(), Unavailable> {
        let (user, other) = (user.clone(), other.clone());
        self.write("unblock", move |db| {
            if let Some(mut pair) = load(db, &user, &other)? {
                pair.unblock(&user);
                save(db, &pair)?;
            }
            Ok(())
        })
        .await
    }

    async fn blocked_by(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        let (user, after) = (user.clone(), after.cloned());
        self.read("blocked_by", move |db| {
            // The user's own bit, be he the first of the two or the second.
            let blocks = "(blocked_by & CASE low WHEN :user THEN 1 ELSE 2 END) != 0";
            let pairs = pairs_of(db, &user, after.as_ref(), blocks, limit)?;
            Ok(pairs.iter().map(|pair| pair.other(&user).clone()).collect())
        })
        .await
    }

    async fn barred_from(&self, direct: &ConversationId) -> Result<Vec<UserId>, Unavailable> {
        let direct = direct.clone();
        self.read("barred_from", move |db| {
            let pair = row(
                db,
                "SELECT * FROM pairs WHERE direct = ?1",
                [direct.as_str()],
                decode,
            )?;
            Ok(pair.map_or_else(Vec::new, |pair| pair.barred()))
        })
        .await
    }
}

/// Changes a pair's record, and makes it where there is none.
pub(crate) fn change(
    db: &Connection,
    a: &UserId,
    b: &UserId,
    change: impl FnOnce(&mut Pair) -> bool,
) -> Work<Pair> {
    let mut pair = load(db, a, b)?.unwrap_or_else(|| Pair::unknown(a, b));
    if change(&mut pair) {
        save(db, &pair)?;
    }
    Ok(pair)
}

fn load(db: &Connection, a: &UserId, b: &UserId) -> Work<Option<Pair>> {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let sql = "SELECT * FROM pairs WHERE low = ?1 AND high = ?2";
    row(db, sql, [low.as_str(), high.as_str()], decode)
}

pub(crate) fn save(db: &Connection, pair: &Pair) -> Work<()> {
    let bits = |of: fn(&Side) -> bool| u8::from(of(&pair.sides[0])) | u8::from(of(&pair.sides[1])) << 1;
    let sql = "INSERT INTO pairs (low, high, since, removed, added_by, by_phone, blocked_by, direct) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (low, high) DO UPDATE SET since = excluded.since, \
               removed = excluded.removed, added_by = excluded.added_by, by_phone = excluded.by_phone, \
               blocked_by = excluded.blocked_by, direct = excluded.direct";
    let values = params![
        pair.users[0].as_str(),
        pair.users[1].as_str(),
        pair.since,
        pair.removed,
        bits(|side| side.added),
        bits(|side| side.by_phone),
        bits(|side| side.blocks),
        pair.direct.as_ref().map(ConversationId::as_str),
    ];
    execute(db, sql, values)?;
    Ok(())
}

pub(crate) fn decode(row: &Row<'_>) -> Work<Pair> {
    let bits = |column: &str| row.get::<_, u8>(column);
    let (added, by_phone, blocks) = (bits("added_by")?, bits("by_phone")?, bits("blocked_by")?);
    let side = |bit: u8| Side {
        added: added & bit != 0,
        by_phone: by_phone & bit != 0,
        blocks: blocks & bit != 0,
    };
    Ok(Pair {
        users: [user_of(row, "low")?, user_of(row, "high")?],
        sides: [side(1), side(2)],
        since: row.get("since")?,
        removed: row.get("removed")?,
        direct: optional_spelled(row, "direct")?,
    })
}

/// A page of a user's pairs for which `condition` holds, by the other's id.
fn pairs_of(
    db: &Connection,
    user: &UserId,
    after: Option<&UserId>,
    condition: &str,
    limit: usize,
) -> Work<Vec<Pair>> {
    let sql = format!(
        "SELECT * FROM (\
           SELECT *, low AS other FROM pairs WHERE high = :user AND low > :after AND {condition} \
           UNION ALL \
           SELECT *, high AS other FROM pairs WHERE low = :user AND high > :after AND {condition}\
         ) ORDER BY other LIMIT :limit"
    );
    let parameters = rusqlite::named_params! {
        ":user": user.as_str(),
        ":after": after.map_or("", UserId::as_str),
        ":limit": rows_limit(limit),
    };
    rows(db, &sql, parameters, decode)
}
