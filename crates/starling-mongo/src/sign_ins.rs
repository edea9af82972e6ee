//! Sign-ins: a record for each, with the digests of the refresh token in force and of the one before.
//!
//! `ended_at` is 0 while it is in force, so that an index can hold just those, and is set by the server's clock: nodes
//! ask what was ended since they last asked, and one clock must order that. A record goes by itself once nothing of it
//! can be used any more.

use async_trait::async_trait;
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, Document, doc};
use mongodb::options::{Hint, ReturnDocument};
use serde::{Deserialize, Serialize};
use starling_core::ports::{Digest, Replacement, Rotation, SignInId, SignInRecord, SignIns, Unavailable};
use starling_protocol::UserId;

use crate::Mongo;
use crate::find::Find;
use crate::indexes::{ENDED, USER_IN_FORCE};

/// How long a record stays after its end, in milliseconds: longer than any access token lives.
const KEPT: i64 = 24 * 3600 * 1_000;

/// A sign-in, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignInDocument {
    #[serde(rename = "_id")]
    id: String,
    user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    created_at: i64,
    used_at: i64,
    expires_at: DateTime,
    ended_at: i64,
    current: Binary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Binary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Binary>,
}

/// What [`SignIns::ended_since`] reads.
#[derive(Debug, Deserialize)]
struct End {
    #[serde(rename = "_id")]
    id: String,
    ended_at: i64,
}

impl From<End> for (SignInId, i64) {
    fn from(end: End) -> Self {
        (SignInId::from_wire(&end.id), end.ended_at)
    }
}

impl SignInDocument {
    fn is_in_force(&self, now: i64) -> bool {
        self.ended_at == 0 && self.expires_at.timestamp_millis() > now
    }

    /// What to say to whoever shows a token that is not in force.
    fn judge(self, shown: &Binary, replacement: &Replacement) -> Rotation {
        if !self.is_in_force(replacement.at) {
            return Rotation::Over;
        }
        let grace = i64::try_from(replacement.grace.as_millis()).unwrap_or(i64::MAX);
        let lately = replacement.at - self.used_at <= grace;
        let salt = self.salt.and_then(|salt| Digest::try_from(salt.bytes).ok());
        match salt {
            Some(salt) if lately && self.previous.as_ref() == Some(shown) => Rotation::Repeated {
                user: self.user,
                salt,
            },
            _ => Rotation::Stale(self.user),
        }
    }
}

impl From<SignInDocument> for SignInRecord {
    fn from(stored: SignInDocument) -> Self {
        Self {
            id: SignInId::from_wire(&stored.id),
            user: stored.user,
            device: stored.device,
            created_at: stored.created_at,
            used_at: stored.used_at,
            expires_at: stored.expires_at.timestamp_millis(),
        }
    }
}

#[async_trait]
impl SignIns for Mongo {
    async fn begin(&self, record: &SignInRecord, digest: &Digest) -> Result<(), Unavailable> {
        self.writes("begin_sign_in", async {
            let stored = SignInDocument {
                id: record.id.to_string(),
                user: record.user.clone(),
                device: record.device.clone(),
                created_at: record.created_at,
                used_at: record.used_at,
                expires_at: DateTime::from_millis(record.expires_at),
                ended_at: 0,
                current: binary(digest),
                previous: None,
                salt: None,
            };
            self.sign_ins.insert_one(stored).await?;
            Ok(())
        })
        .await
    }

    async fn rotate(
        &self,
        id: &SignInId,
        shown: &Digest,
        replacement: &Replacement,
    ) -> Result<Rotation, Unavailable> {
        self.writes("rotate_sign_in", async {
            let shown = binary(shown);
            let in_force = doc! {
                "_id": id.as_str(),
                "current": &shown,
                "ended_at": 0_i64,
                "expires_at": { "$gt": DateTime::from_millis(replacement.at) },
            };
            let change = doc! { "$set": {
                "current": binary(&replacement.digest),
                "previous": &shown,
                "salt": binary(&replacement.salt),
                "used_at": replacement.at,
                "expires_at": DateTime::from_millis(replacement.expires_at),
            } };
            let replaced = self
                .sign_ins
                .find_one_and_update(in_force, change)
                .return_document(ReturnDocument::After)
                .await?;
            if let Some(replaced) = replaced {
                return Ok(Rotation::Rotated(replaced.user));
            }
            let stored = self.sign_ins.find_one(doc! { "_id": id.as_str() }).await?;
            Ok(stored.map_or(Rotation::Over, |stored| stored.judge(&shown, replacement)))
        })
        .await
    }

    async fn end(&self, user: &UserId, id: &SignInId) -> Result<bool, Unavailable> {
        self.writes("end_sign_in", async {
            let this = doc! { "_id": id.as_str(), "user": user.as_str() };
            let updated = self.sign_ins.update_one(this, ending()).await?;
            Ok(updated.matched_count > 0)
        })
        .await
    }

    async fn end_all(&self, user: &UserId) -> Result<(), Unavailable> {
        self.writes("end_sign_ins", async {
            let all = doc! { "user": user.as_str(), "ended_at": 0_i64 };
            let hint = Hint::Name(USER_IN_FORCE.to_owned());
            self.sign_ins.update_many(all, ending()).hint(hint).await?;
            Ok(())
        })
        .await
    }

    async fn of_user(&self, user: &UserId, limit: usize) -> Result<Vec<SignInRecord>, Unavailable> {
        self.reads("sign_ins_of_user", async {
            let in_force = doc! {
                "user": user.as_str(),
                "ended_at": 0_i64,
                "expires_at": { "$gt": DateTime::now() },
            };
            let page = Find::by(USER_IN_FORCE, in_force)
                .sorted(doc! { "created_at": -1 })
                .at_most(limit);
            page.in_(&self.sign_ins).await
        })
        .await
    }

    async fn ended_since(&self, since: i64, limit: usize) -> Result<Vec<(SignInId, i64)>, Unavailable> {
        self.reads("ended_since", async {
            let page = Find::by(ENDED, doc! { "ended_at": { "$gte": since.max(1) } })
                .only(doc! { "ended_at": 1 })
                .sorted(doc! { "ended_at": 1 })
                .at_most(limit);
            page.in_(&self.sign_ins.clone_with_type::<End>()).await
        })
        .await
    }

    async fn is_in_force(&self, id: &SignInId) -> Result<bool, Unavailable> {
        self.reads("is_in_force", async {
            let stored = self.sign_ins.find_one(doc! { "_id": id.as_str() }).await?;
            let now = DateTime::now().timestamp_millis();
            Ok(stored.is_some_and(|stored| stored.is_in_force(now)))
        })
        .await
    }
}

/// Ends it, unless it is over: the moment of the first end stays.
fn ending() -> Vec<Document> {
    let in_force = doc! { "$eq": ["$ended_at", 0_i64] };
    let gone = doc! { "$add": ["$$NOW", KEPT] };
    vec![doc! { "$set": {
        "ended_at": { "$cond": [&in_force, { "$toLong": "$$NOW" }, "$ended_at"] },
        "expires_at": { "$cond": [&in_force, gone, "$expires_at"] },
    } }]
}

fn binary(digest: &Digest) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: digest.to_vec(),
    }
}
