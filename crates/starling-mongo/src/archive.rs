//! Taking everything out, and putting everything in.
//!
//! Documents are read as they are stored, with the guards that readers of the ports never see, and written whole.

use async_trait::async_trait;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use starling_core::ports::{Archive, Key, Part, Record, SignInArchived, Unavailable, UserRecord};
use starling_core::records::{Altered, Invite, Pair, Sanctions, Side};
use starling_protocol::{Entry, UserId};

use crate::Mongo;
use crate::call::CallError;
use crate::directory::{ConversationDocument, MemberDocument};
use crate::effects::{constant, number, update};
use crate::entry_document::{StoredEntry, encode};
use crate::governance::{InviteDocument, SanctionDocument};

/// Records in one command: below 16 MB with texts at their longest, with all that became of them.
const CHUNK: usize = 100;

#[async_trait]
impl Archive for Mongo {
    async fn page(
        &self,
        part: Part,
        until: i64,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let (collection, a, b) = place(part);
        self.reads("archive_page", async {
            let mut found = Vec::new();
            for mut filter in after_key(part, after)? {
                let left = limit - found.len();
                if left == 0 {
                    break;
                }
                let mut sort = doc! { a: 1 };
                if let Some(b) = b {
                    sort.insert(b, 1);
                }
                if part == Part::SignIns {
                    filter.insert("ended_at", 0_i64);
                    filter.insert("expires_at", doc! { "$gt": DateTime::from_millis(until) });
                }
                let cursor = self
                    .database
                    .collection::<Document>(collection)
                    .find(filter)
                    .sort(sort)
                    .limit(i64::try_from(left).unwrap_or(i64::MAX))
                    .await?;
                let documents: Vec<Document> = cursor.try_collect().await?;
                for document in documents {
                    found.push(record(part, document)?);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn count(&self, part: Part) -> Result<u64, Unavailable> {
        self.reads("archive_count", async {
            let collection = self.database.collection::<Document>(place(part).0);
            Ok(collection.estimated_document_count().await?)
        })
        .await
    }

    async fn put(&self, records: &[Record]) -> Result<(), Unavailable> {
        for chunk in records.chunks(CHUNK) {
            let Some(part) = chunk.first().map(Record::part) else {
                break;
            };
            self.writes("archive_put", async {
                let statements = chunk.iter().map(statement).collect::<Result<_, CallError>>()?;
                update(self, place(part).0, statements).await
            })
            .await?;
        }
        Ok(())
    }
}

/// A sort's collection, and its key's fields.
fn place(part: Part) -> (&'static str, &'static str, Option<&'static str>) {
    match part {
        Part::Conversations => ("conversations", "_id", None),
        Part::Entries => ("entries", "conversation", Some("seq")),
        Part::Members => ("members", "conversation", Some("user")),
        Part::Sanctions => ("sanctions", "conversation", Some("user")),
        Part::Invites => ("invites", "_id", None),
        Part::Users => ("users", "_id", None),
        Part::Phones => ("phones", "_id", None),
        Part::SignIns => ("sign_ins", "_id", None),
        // Both ids with a line feed in between, which comes before all that ids hold.
        Part::Pairs => ("pairs", "_id", None),
    }
}

/// What comes after a key: the rest of its first half, and then the next ones. Two queries, since one with an `$or` in
/// it would have to be sorted.
fn after_key(part: Part, after: Option<&Record>) -> Result<Vec<Document>, CallError> {
    let (_, a, b) = place(part);
    let Some((first, second)) = after.map(Record::key) else {
        return Ok(vec![Document::new()]);
    };
    Ok(match (second, b) {
        (Key::Name(second), None) => vec![doc! { a: { "$gt": format!("{first}\n{second}") } }],
        (Key::Seq(seq), Some(b)) => vec![
            doc! { a: first, b: { "$gt": number(seq)? } },
            doc! { a: { "$gt": first } },
        ],
        (Key::Name(second), Some(b)) => {
            vec![
                doc! { a: first, b: { "$gt": second } },
                doc! { a: { "$gt": first } },
            ]
        }
        _ => vec![doc! { a: { "$gt": first } }],
    })
}

fn decode<T: DeserializeOwned>(document: Document) -> Result<T, CallError> {
    bson::deserialize_from_document(document).map_err(|error| CallError::Reply(error.to_string()))
}

fn record(part: Part, document: Document) -> Result<Record, CallError> {
    let integer = |field: &str| document.get_i64(field).unwrap_or(0);
    let text = |field: &str| document.get_str(field).ok().map(str::to_owned);
    let id = |text: Option<String>| {
        let id = UserId::new(text.unwrap_or_default());
        id.map_err(|error| CallError::Reply(error.to_string()))
    };
    Ok(match part {
        Part::Conversations => Record::Conversation {
            purged: u64::try_from(integer("purged")).unwrap_or(0),
            record: decode::<ConversationDocument>(document)?.into(),
        },
        Part::Entries => {
            let altered = document.get_document("state").ok().cloned();
            let mut entry = Entry::from(decode::<StoredEntry>(document)?);
            entry.state = None;
            Record::Entry {
                entry: Box::new(entry),
                altered: altered.map(decode::<Altered>).transpose()?.map(Box::new),
            }
        }
        Part::Members => Record::Member(decode::<MemberDocument>(document)?.into()),
        Part::Sanctions => {
            let stored: SanctionDocument = decode(document)?;
            let sanctions = Sanctions {
                banned: (stored.banned_at, stored.banned),
                muted: (
                    stored.muted_at,
                    Some(stored.muted_until).filter(|until| *until != 0),
                ),
            };
            Record::Sanctions {
                conversation: stored.conversation,
                user: stored.user,
                sanctions,
            }
        }
        Part::Invites => {
            let stored: InviteDocument = decode(document)?;
            Record::Invite(Invite {
                revoked: stored.revoked,
                record: stored.into(),
            })
        }
        Part::Users => Record::User(UserRecord {
            id: id(text("_id"))?,
            name: text("name"),
            named: document.get_bool("named").unwrap_or(false),
            about: text("about"),
            avatar_url: text("avatar_url"),
            phone: text("phone"),
            created_at: integer("created_at"),
            presence_text: text("presence_text"),
            last_seen: document.get_i64("last_seen").ok(),
        }),
        Part::Phones => Record::Phone {
            phone: text("_id").unwrap_or_default(),
            user: id(text("user"))?,
            created_at: integer("created_at"),
        },
        Part::SignIns => {
            let digest = |field: &str| {
                let bytes = document.get_binary_generic(field).ok()?;
                <[u8; 32]>::try_from(bytes.as_slice()).ok()
            };
            let current =
                digest("current").ok_or_else(|| CallError::Reply("a sign-in without a digest".into()))?;
            let expires_at = document.get_datetime("expires_at");
            Record::SignIn(SignInArchived {
                id: text("_id").unwrap_or_default(),
                user: id(text("user"))?,
                device: text("device"),
                created_at: integer("created_at"),
                used_at: integer("used_at"),
                expires_at: expires_at.map_or(0, |at| at.timestamp_millis()),
                current,
                previous: digest("previous").zip(digest("salt")),
            })
        }
        Part::Pairs => {
            let names = |field: &str| -> Vec<String> {
                let array = document.get_array(field).map(Vec::as_slice).unwrap_or_default();
                array.iter().filter_map(Bson::as_str).map(str::to_owned).collect()
            };
            let (added, by_phone, blocked) = (names("added_by"), names("by_phone"), names("blocked_by"));
            let [low, high] = <[String; 2]>::try_from(names("users"))
                .map_err(|users| CallError::Reply(format!("a pair of {}", users.len())))?;
            let side = |user: &String| Side {
                added: added.contains(user),
                by_phone: by_phone.contains(user),
                blocks: blocked.contains(user),
            };
            let direct = text("direct")
                .map(starling_protocol::ConversationId::new)
                .transpose();
            Record::Pair(Pair {
                sides: [side(&low), side(&high)],
                users: [id(Some(low))?, id(Some(high))?],
                since: Some(integer("since")).filter(|since| *since != 0),
                removed: integer("removed"),
                direct: direct.map_err(|error| CallError::Reply(error.to_string()))?,
            })
        }
    })
}

/// The statement that puts a record in the place of whatever has its key.
fn statement(record: &Record) -> Result<Document, CallError> {
    let (query, replacement) = match record {
        Record::Conversation { record, purged } => {
            let mut fields = doc! {
                "kind": constant(&record.kind)?,
                "open": record.open,
                "updated": number(record.updated)?,
                "created_by": record.created_by.as_str(),
                "created_at": record.created_at,
                "applied": number(record.applied)?,
            };
            insert_text(&mut fields, "name", record.name.as_deref());
            insert_text(&mut fields, "description", record.description.as_deref());
            insert_text(&mut fields, "avatar_url", record.avatar_url.as_deref());
            if let Some(dissolved) = record.dissolved {
                fields.insert("dissolved", number(dissolved)?);
            }
            if *purged > 0 {
                fields.insert("purged", number(*purged)?);
            }
            (doc! { "_id": record.id.as_str() }, fields)
        }
        Record::Entry { entry, altered } => {
            let encoded = encode(entry).and_then(Document::try_from);
            let mut fields = encoded.map_err(|error| CallError::Reply(error.to_string()))?;
            fields.remove("_id");
            if let Some(altered) = altered {
                let state =
                    bson::serialize_to_bson(altered).map_err(|error| CallError::Reply(error.to_string()))?;
                fields.insert("state", state);
            }
            let place = doc! { "conversation": entry.conversation.as_str(), "seq": number(entry.seq)? };
            (place, fields)
        }
        Record::Member(member) => {
            let key = doc! { "conversation": member.conversation.as_str(), "user": member.user.as_str() };
            let mut fields = key.clone();
            fields.extend(doc! {
                "role": constant(&member.role)?,
                "role_changed": number(member.role_changed)?,
                "changed": number(member.changed)?,
                "left": number(member.left.unwrap_or(0))?,
                "delivered": number(member.delivered)?,
                "read": number(member.read)?,
            });
            if let Some(hidden) = member.hidden {
                fields.insert("hidden", number(hidden)?);
            }
            (key, fields)
        }
        Record::Sanctions {
            conversation,
            user,
            sanctions,
        } => {
            let key = doc! { "conversation": conversation.as_str(), "user": user.as_str() };
            let mut fields = key.clone();
            fields.extend(doc! {
                "banned": sanctions.banned.1,
                "banned_at": number(sanctions.banned.0)?,
                "muted_until": sanctions.muted.1.unwrap_or(0),
                "muted_at": number(sanctions.muted.0)?,
            });
            (key, fields)
        }
        Record::Invite(invite) => {
            let record = &invite.record;
            let fields = doc! {
                "conversation": record.conversation.as_str(),
                "created_by": record.created_by.as_str(),
                "created_at": record.created_at,
                "expires_at": record.expires_at.unwrap_or(0),
                "max_uses": i64::from(record.max_uses.unwrap_or(0)),
                "uses": i64::from(record.uses),
                "revoked": invite.revoked,
                "usable": invite.is_open(),
                "changed": number(record.changed)?,
            };
            (doc! { "_id": record.id.as_str() }, fields)
        }
        Record::User(user) => {
            let mut fields = doc! { "created_at": user.created_at };
            insert_text(&mut fields, "name", user.name.as_deref());
            insert_text(&mut fields, "about", user.about.as_deref());
            insert_text(&mut fields, "avatar_url", user.avatar_url.as_deref());
            insert_text(&mut fields, "phone", user.phone.as_deref());
            insert_text(&mut fields, "presence_text", user.presence_text.as_deref());
            if user.named {
                fields.insert("named", true);
            }
            if let Some(last_seen) = user.last_seen {
                fields.insert("last_seen", last_seen);
            }
            (doc! { "_id": user.id.as_str() }, fields)
        }
        Record::Phone {
            phone,
            user,
            created_at,
        } => {
            let fields = doc! { "user": user.as_str(), "created_at": created_at };
            (doc! { "_id": phone }, fields)
        }
        Record::SignIn(archived) => {
            let mut fields = doc! {
                "user": archived.user.as_str(),
                "created_at": archived.created_at,
                "used_at": archived.used_at,
                "expires_at": DateTime::from_millis(archived.expires_at),
                "ended_at": 0_i64,
                "current": binary(&archived.current),
            };
            insert_text(&mut fields, "device", archived.device.as_deref());
            if let Some((previous, salt)) = &archived.previous {
                fields.insert("previous", binary(previous));
                fields.insert("salt", binary(salt));
            }
            (doc! { "_id": archived.id.as_str() }, fields)
        }
        Record::Pair(pair) => {
            let [low, high] = pair.users.each_ref().map(UserId::as_str);
            let by = |of: fn(&Side) -> bool| -> Vec<&str> {
                let sides = [low, high].into_iter().zip(&pair.sides);
                sides.filter(|(_, side)| of(side)).map(|(user, _)| user).collect()
            };
            let mut fields = doc! {
                "users": [low, high],
                "since": pair.since.unwrap_or(0),
                "removed": pair.removed,
                "added_by": by(|side| side.added),
                "by_phone": by(|side| side.by_phone),
                "blocked_by": by(|side| side.blocks),
            };
            insert_text(&mut fields, "direct", pair.direct.as_ref().map(|id| id.as_str()));
            (doc! { "_id": format!("{low}\n{high}") }, fields)
        }
    };
    Ok(doc! { "q": query, "u": replacement, "upsert": true })
}

fn insert_text(fields: &mut Document, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        fields.insert(name, text);
    }
}

fn binary(digest: &[u8; 32]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: digest.to_vec(),
    }
}
