//! Users and their phone numbers.

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};
use starling_core::people::Phone;
use starling_core::ports::{Accounts, Profile, ProfileUpdate, Unavailable};
use starling_protocol::UserId;

use crate::Mongo;
use crate::call::CallError;
use crate::directory::{UserDocument, is_duplicate_key};

/// A phone number's user, as stored. The number is the key: it has one user for ever.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PhoneDocument {
    #[serde(rename = "_id")]
    phone: String,
    user: UserId,
    created_at: i64,
}

impl From<UserDocument> for Profile {
    fn from(stored: UserDocument) -> Self {
        Self {
            user: stored.id,
            name: stored.name,
            about: stored.about,
            avatar_url: stored.avatar_url,
            phone: stored.phone.map(|phone| Phone::from_stored(&phone)),
        }
    }
}

#[async_trait]
impl Accounts for Mongo {
    /// The number's record decides, and comes first; the user's record follows from it, and is made again by whoever
    /// signs in next where a node died in between.
    async fn register(
        &self,
        phone: &Phone,
        fresh: &UserId,
        name: Option<&str>,
    ) -> Result<(UserId, bool), Unavailable> {
        self.writes("register", async {
            let now = bson::DateTime::now().timestamp_millis();
            let this_phone = doc! { "_id": phone.as_str() };
            let first = doc! { "$setOnInsert": { "user": fresh.as_str(), "created_at": now } };
            let registered = self
                .phones
                .find_one_and_update(this_phone.clone(), first)
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await;
            let registered = match registered {
                // Another node has just made it.
                Err(error) if is_duplicate_key(&error) => self.phones.find_one(this_phone).await?,
                other => other?,
            };
            let user = registered
                .map(|stored| stored.user)
                .ok_or_else(|| CallError::Reply("a number was not registered".to_owned()))?;
            let mut made = doc! { "created_at": now };
            if let Some(name) = name {
                made.insert("name", name);
            }
            let update = doc! { "$setOnInsert": made, "$set": { "phone": phone.as_str() } };
            self.users
                .update_one(doc! { "_id": user.as_str() }, update)
                .upsert(true)
                .await?;
            let is_new = user == *fresh;
            Ok((user, is_new))
        })
        .await
    }

    async fn user_of(&self, phone: &Phone) -> Result<Option<UserId>, Unavailable> {
        self.reads("user_of", async {
            let stored = self.phones.find_one(doc! { "_id": phone.as_str() }).await?;
            Ok(stored.map(|stored| stored.user))
        })
        .await
    }

    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, Unavailable> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        self.reads("profiles", async {
            let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
            let cursor = self.users.find(doc! { "_id": { "$in": ids } }).await?;
            Ok(cursor.map_ok(Profile::from).try_collect().await?)
        })
        .await
    }

    async fn update_profile(&self, user: &UserId, update: &ProfileUpdate) -> Result<Profile, Unavailable> {
        self.writes("update_profile", async {
            let (mut set, mut unset) = (Document::new(), Document::new());
            for (field, new) in [
                ("name", &update.name),
                ("about", &update.about),
                ("avatar_url", &update.avatar_url),
            ] {
                match new.as_deref() {
                    Some("") => drop(unset.insert(field, "")),
                    Some(new) => drop(set.insert(field, new)),
                    None => {}
                }
            }
            if update.name.is_some() {
                set.insert("named", true);
            }
            let made = doc! { "created_at": bson::DateTime::now().timestamp_millis() };
            let mut change = doc! { "$setOnInsert": made };
            for (operator, fields) in [("$set", set), ("$unset", unset)] {
                if !fields.is_empty() {
                    change.insert(operator, fields);
                }
            }
            let changed = self
                .users
                .find_one_and_update(doc! { "_id": user.as_str() }, change)
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await?;
            changed
                .map(Profile::from)
                .ok_or_else(|| CallError::Reply("a profile was not changed".to_owned()))
        })
        .await
    }
}
