//! Users and their phone numbers.

use async_trait::async_trait;
use rusqlite::{Row, params};
use starling_core::people::Phone;
use starling_core::ports::{Accounts, Profile, ProfileUpdate, Unavailable};
use starling_protocol::UserId;

use crate::codec::{Work, execute, row, unix_millis, user as user_of};
use crate::error::WorkError;
use crate::store::Store;

#[async_trait]
impl Accounts for Store {
    async fn register(
        &self,
        phone: &Phone,
        fresh: &UserId,
        name: Option<&str>,
    ) -> Result<(UserId, bool), Unavailable> {
        let (phone, fresh, name) = (phone.as_str().to_owned(), fresh.clone(), name.map(str::to_owned));
        self.write("register", move |db| {
            let sql = "SELECT user FROM phones WHERE phone = ?1";
            if let Some(user) = row(db, sql, [&phone], |row| user_of(row, "user"))? {
                return Ok((user, false));
            }
            let now = unix_millis();
            let sql = "INSERT INTO phones (phone, user, created_at) VALUES (?1, ?2, ?3)";
            execute(db, sql, params![phone, fresh.as_str(), now])?;
            let sql = "INSERT INTO users (id, name, phone, created_at) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT (id) DO UPDATE SET phone = excluded.phone";
            execute(db, sql, params![fresh.as_str(), name, phone, now])?;
            Ok((fresh, true))
        })
        .await
    }

    async fn user_of(&self, phone: &Phone) -> Result<Option<UserId>, Unavailable> {
        let phone = phone.as_str().to_owned();
        self.read("user_of", move |db| {
            let sql = "SELECT user FROM phones WHERE phone = ?1";
            row(db, sql, [phone], |row| user_of(row, "user"))
        })
        .await
    }

    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, Unavailable> {
        let users = users.to_vec();
        self.read("profiles", move |db| {
            let found = users.iter().filter_map(|id| {
                row(db, "SELECT * FROM users WHERE id = ?1", [id.as_str()], profile).transpose()
            });
            found.collect()
        })
        .await
    }

    async fn update_profile(&self, user: &UserId, update: &ProfileUpdate) -> Result<Profile, Unavailable> {
        let (user, update) = (user.clone(), update.clone());
        self.write("update_profile", move |db| {
            let sql = "INSERT INTO users (id, created_at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
            execute(db, sql, params![user.as_str(), unix_millis()])?;
            // An empty text takes the field away; no text leaves it.
            let sql = "UPDATE users SET \
                       name = CASE WHEN ?2 IS NULL THEN name ELSE nullif(?2, '') END, \
                       about = CASE WHEN ?3 IS NULL THEN about ELSE nullif(?3, '') END, \
                       avatar_url = CASE WHEN ?4 IS NULL THEN avatar_url ELSE nullif(?4, '') END, \
                       named = named OR ?2 IS NOT NULL \
                       WHERE id = ?1";
            execute(
                db,
                sql,
                params![user.as_str(), update.name, update.about, update.avatar_url],
            )?;
            let changed = row(db, "SELECT * FROM users WHERE id = ?1", [user.as_str()], profile)?;
            changed.ok_or_else(|| WorkError::Stored("a profile was not changed".to_owned()))
        })
        .await
    }
}

fn profile(row: &Row<'_>) -> Work<Profile> {
    let phone: Option<String> = row.get("phone")?;
    Ok(Profile {
        user: user_of(row, "id")?,
        name: row.get("name")?,
        about: row.get("about")?,
        avatar_url: row.get("avatar_url")?,
        phone: phone.map(|phone| Phone::from_stored(&phone)),
    })
}
