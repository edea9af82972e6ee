//! Contacts and blocks: one record for each pair of people, so that what is both ways is so at once.
//!
//! The record's key is both ids in their order, with a line feed in between, which no id holds. Every update is a
//! pipeline that first fills in what a new record has, so that an update never depends on whether there is a record.
//! Ids stand in `$literal`: one that begins with `$` would be read as a field's name.

use async_trait::async_trait;
use bson::{Document, doc};
use mongodb::options::{Hint, ReturnDocument};
use serde::Deserialize;
use starling_core::ports::{ContactBook, ContactRecord, MEET_AT_MOST, MemberRecord, Relation, Unavailable};
use starling_protocol::{ConversationId, UserId};

use crate::Mongo;
use crate::call::CallError;
use crate::find::Find;
use crate::indexes::{BLOCKER, CONTACTS, CONVERSATION_USER, DIRECT};

/// A pair, as stored. `since` is 0 for those who are no contacts.
#[derive(Debug, Deserialize)]
pub(crate) struct PairDocument {
    users: [UserId; 2],
    since: i64,
    #[serde(default)]
    added_by: Vec<UserId>,
    #[serde(default)]
    by_phone: Vec<UserId>,
    #[serde(default)]
    blocked_by: Vec<UserId>,
}

impl PairDocument {
    fn other(&self, user: &UserId) -> UserId {
        let [a, b] = &self.users;
        if a == user { b.clone() } else { a.clone() }
    }

    fn relation(&self, user: &UserId) -> Relation {
        let other = self.other(user);
        let contact = self.since != 0;
        Relation {
            contact,
            shows_phone: contact && (self.by_phone.contains(user) || self.added_by.contains(&other)),
            blocks: self.blocked_by.contains(user),
            blocked: self.blocked_by.contains(&other),
        }
    }
}

fn ordered<'a>(a: &'a UserId, b: &'a UserId) -> [&'a str; 2] {
    if a <= b {
        [a.as_str(), b.as_str()]
    } else {
        [b.as_str(), a.as_str()]
    }
}

fn key(a: &UserId, b: &UserId) -> String {
    ordered(a, b).join("\n")
}

/// What a record has that was not there before.
fn defaults(a: &UserId, b: &UserId) -> Document {
    let [first, second] = ordered(a, b);
    let list = |field: &str| doc! { "$ifNull": [format!("${field}"), []] };
    let number = |field: &str| doc! { "$ifNull": [format!("${field}"), 0_i64] };
    doc! { "$set": {
        "users": { "$literal": [first, second] },
        "since": number("since"),
        "removed": number("removed"),
        "added_by": list("added_by"),
        "by_phone": list("by_phone"),
        "blocked_by": list("blocked_by"),
    } }
}

fn with(field: &str, user: &UserId) -> Document {
    doc! { "$setUnion": [format!("${field}"), { "$literal": [user.as_str()] }] }
}

#[async_trait]
impl ContactBook for Mongo {
    async fn add(
        &self,
        user: &UserId,
        other: &UserId,
        by_phone: bool,
        at: i64,
    ) -> Result<Relation, Unavailable> {
        self.writes("add_contact", async {
            let free = doc! { "$eq": ["$blocked_by", []] };
            let now_or_before = doc! { "$cond": [{ "$eq": ["$since", 0_i64] }, at, "$since"] };
            let mut change = doc! {
                "since": { "$cond": [&free, now_or_before, "$since"] },
                "added_by": { "$cond": [&free, with("added_by", user), "$added_by"] },
            };
            if by_phone {
                let knowing = doc! { "$cond": [&free, with("by_phone", user), "$by_phone"] };
                change.insert("by_phone", knowing);
            }
            let pair = self
                .pairs
                .find_one_and_update(
                    doc! { "_id": key(user, other) },
                    vec![defaults(user, other), doc! { "$set": change }],
                )
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await?;
            pair.map(|pair| pair.relation(user))
                .ok_or_else(|| CallError::Reply("a contact was not added".to_owned()))
        })
        .await
    }

    async fn remove(&self, user: &UserId, other: &UserId, at: i64) -> Result<(), Unavailable> {
        self.writes("remove_contact", async {
            let change = doc! {
                "$set": { "since": 0_i64, "added_by": [], "by_phone": [] },
                "$max": { "removed": at },
            };
            self.pairs
                .update_one(doc! { "_id": key(user, other) }, change)
                .await?;
            Ok(())
        })
        .await
    }

    async fn relation(&self, user: &UserId, other: &UserId) -> Result<Relation, Unavailable> {
        self.reads("relation", async {
            let pair = self.pairs.find_one(doc! { "_id": key(user, other) }).await?;
            Ok(pair.map_or_else(Relation::default, |pair| pair.relation(user)))
        })
        .await
    }

    async fn contacts(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ContactRecord>, Unavailable> {
        self.reads("contacts", async {
            let filter = doc! { "users": user.as_str(), "since": { "$gt": 0_i64 } };
            let pairs = self.pairs_page(filter, user, after, limit, CONTACTS).await?;
            let contacts = pairs.into_iter().map(|pair| ContactRecord {
                user: pair.other(user),
                since: pair.since,
                shows_phone: pair.relation(user).shows_phone,
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
        self.writes("block", async {
            let change = doc! { "$set": {
                "since": 0_i64,
                "removed": { "$max": ["$removed", at] },
                "added_by": [],
                "by_phone": [],
                "blocked_by": with("blocked_by", user),
                "direct": { "$literal": direct.as_str() },
            } };
            self.pairs
                .update_one(
                    doc! { "_id": key(user, other) },
                    vec![defaults(user, other), change],
                )
                .upsert(true)
                .await?;
            Ok(())
        })
        .await
    }

    async fn unblock(&self, user: &UserId, other: &UserId) -> Result<(), Unavailable> {
        self.writes("unblock", async {
            let change = doc! { "$pull": { "blocked_by": user.as_str() } };
            self.pairs
                .update_one(doc! { "_id": key(user, other) }, change)
                .await?;
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
        self.reads("blocked_by", async {
            let filter = doc! { "blocked_by": user.as_str(), "direct": { "$exists": true } };
            let pairs = self.pairs_page(filter, user, after, limit, BLOCKER).await?;
            Ok(pairs.into_iter().map(|pair| pair.other(user)).collect())
        })
        .await
    }

    async fn barred_from(&self, direct: &ConversationId) -> Result<Vec<UserId>, Unavailable> {
        self.reads("barred_from", async {
            let pair = self
                .pairs
                .find_one(doc! { "direct": direct.as_str() })
                .hint(Hint::Name(DIRECT.to_owned()))
                .await?;
            Ok(pair.map_or_else(Vec::new, |pair| {
                pair.blocked_by
                    .iter()
                    .map(|blocker| pair.other(blocker))
                    .collect()
            }))
        })
        .await
    }
}

impl Mongo {
    /// Pairs of a user by their key, after the one with `after`.
    async fn pairs_page(
        &self,
        mut filter: Document,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
        index: &str,
    ) -> Result<Vec<PairDocument>, CallError> {
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gt": key(user, after) });
        }
        let page = Find::by(index, filter).sorted(doc! { "_id": 1 }).at_most(limit);
        page.in_(&self.pairs).await
    }
}

/// The statements that make new members of a conversation and the other present ones contacts: none where there are
/// too many members.
pub(crate) async fn meet(
    mongo: &Mongo,
    conversation: &ConversationId,
    users: &[UserId],
    at: i64,
) -> Result<Vec<Document>, CallError> {
    let present = doc! { "conversation": conversation.as_str(), "left": 0_i64 };
    let present: Vec<MemberRecord> = Find::by(CONVERSATION_USER, present)
        .at_most(MEET_AT_MOST + 1)
        .in_(&mongo.members)
        .await?;
    let present: Vec<UserId> = present.into_iter().map(|member| member.user).collect();
    if present.len() > MEET_AT_MOST {
        return Ok(Vec::new());
    }
    let newcomers: Vec<_> = users.iter().filter(|user| present.contains(user)).collect();
    let mut statements = Vec::new();
    for (index, user) in newcomers.iter().enumerate() {
        // Two newcomers are one pair.
        let others = present.iter().filter(|other| *other != *user);
        for other in others.filter(|other| !newcomers[..index].contains(other)) {
            statements.push(become_contacts(user, other, at));
        }
    }
    Ok(statements)
}

fn become_contacts(a: &UserId, b: &UserId, at: i64) -> Document {
    let may = doc! { "$and": [
        { "$eq": ["$since", 0_i64] },
        { "$lt": ["$removed", at] },
        { "$eq": ["$blocked_by", []] },
    ] };
    let change = doc! { "$set": { "since": { "$cond": [may, at, "$since"] } } };
    doc! { "q": { "_id": key(a, b) }, "u": [defaults(a, b), change], "upsert": true }
}
