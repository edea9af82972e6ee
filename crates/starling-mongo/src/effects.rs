//! Writes to the directory: many guarded updates in one command.
//!
//! The guard of a member's update stands in the update, not in the filter: `{conversation, user}` alone selects the
//! record, and a pipeline either makes the new record or leaves it as it is. With the guard in the filter, an upsert
//! that finds the record already further on would try to insert a second one and fail on the unique index, and that
//! error would have to be told from the same error of two upserts racing; this way neither occurs, and re-applying
//! changes nothing and writes nothing.
//!
//! All of these are idempotent, so a command that fails is sent once more; the driver retries its own writes, but
//! not commands that are handed to it.

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use mongodb::options::Hint;
use starling_core::ports::{Alteration, ConversationRecord, Effect, MarksRaised};
use starling_core::{defect, planted};
use starling_protocol::{ConversationId, Role, Seq, UserId};

use crate::Mongo;
use crate::call::CallError;
use crate::contacts;
use crate::dissolution::Dissolution;
use crate::governance;
use crate::indexes::CONVERSATION_SEQ;
use crate::message_state::{Altering, Edits, blank, deleted_among};

/// Statements in one command: far below the server's 100,000, and below 16 MB with ids at their longest.
const STATEMENTS: usize = 1_000;
/// Alterations in one command: the same with texts at their longest.
const ALTERATIONS: usize = 256;

/// Carries effects out: conversations first, then members in the order given, what governs them, and who meets whom.
/// Effects on different records do not depend on each other, so a command for each collection does where the order of
/// all would take one for every change of collection.
pub(crate) async fn apply(mongo: &Mongo, effects: &[Effect]) -> Result<(), CallError> {
    let mut conversations = Vec::new();
    let mut members = Vec::new();
    let mut sanctions = Vec::new();
    let mut invites = Vec::new();
    let mut meetings = Vec::new();
    let mut messages = Vec::new();
    let mut dissolutions = Vec::new();
    for effect in effects {
        match effect {
            Effect::CreateConversation(record) => conversations.push(create_conversation(record)?),
            Effect::SetMember {
                conversation,
                user,
                role,
                seq,
            } => {
                members.push(set_member(conversation, user, *role, *seq)?);
            }
            Effect::SetRole {
                conversation,
                user,
                role,
                seq,
            } => members.push(set_role(conversation, user, *role, *seq)?),
            Effect::Sanction {
                conversation,
                user,
                sanction,
                seq,
            } => sanctions.push(governance::sanction(conversation, user, *sanction, number(*seq)?)),
            Effect::SetProfile {
                conversation,
                profile,
                seq,
            } => conversations.push(governance::set_profile(conversation, profile, number(*seq)?)),
            Effect::MakeInvite(record) => {
                invites.push(governance::make_invite(record, number(record.changed)?));
            }
            Effect::UseInvite { invite, uses, seq } => {
                invites.push(governance::use_invite(invite, *uses, number(*seq)?));
            }
            Effect::RevokeInvite { invite, seq } => {
                invites.push(governance::revoke_invite(invite, number(*seq)?));
            }
            Effect::Meet {
                conversation,
                users,
                at,
            } => meetings.push((conversation, users, *at)),
            Effect::AlterMessage {
                conversation,
                target,
                seq,
                by,
                at,
                alteration,
            } => messages.push(Altering {
                conversation,
                target: number(*target)?,
                seq: number(*seq)?,
                by,
                at: *at,
                alteration,
            }),
            Effect::Dissolve {
                conversation,
                seq,
                by,
                at,
            } => dissolutions.push(Dissolution {
                conversation,
                seq: number(*seq)?,
                by,
                at: *at,
            }),
            Effect::EndMember {
                conversation,
                user,
                seq,
            } => members.push(end_member(conversation, user, *seq)?),
        }
    }
    update(mongo, "conversations", conversations).await?;
    update(mongo, "members", members).await?;
    update(mongo, "sanctions", sanctions).await?;
    update(mongo, "invites", invites).await?;
    // Who is present depends on what was carried out before.
    for (conversation, users, at) in meetings {
        let pairs = contacts::meet(mongo, conversation, users, at).await?;
        update(mongo, "pairs", pairs).await?;
    }
    for chunk in messages.chunks(ALTERATIONS) {
        alter(mongo, chunk).await?;
    }
    for dissolution in dissolutions {
        dissolution.carry_out(mongo).await?;
    }
    Ok(())
}

/// Takes a conversation off a member's list.
pub(crate) async fn hide(
    mongo: &Mongo,
    conversation: &ConversationId,
    user: &UserId,
    messages: u64,
) -> Result<(), CallError> {
    let statement = doc! {
        "q": { "conversation": conversation.as_str(), "user": user.as_str(), "left": 0_i64 },
        "u": { "$max": { "hidden": number(messages)? } },
    };
    update(mongo, "members", vec![statement]).await
}

/// Alters messages. Then takes the text out of whatever edited those of them that are deleted: of edits that were
/// there before, and of one that is applied after the deletion.
async fn alter(mongo: &Mongo, messages: &[Altering<'_>]) -> Result<(), CallError> {
    let statements = messages.iter().map(Altering::statement).collect();
    update(mongo, "entries", statements).await?;
    let with_text = messages
        .iter()
        .filter(|message| !matches!(message.alteration, Alteration::React { .. }));
    let places: Vec<_> = with_text
        .map(|message| (message.conversation, message.target))
        .collect();
    if places.is_empty() {
        return Ok(());
    }
    let cursor = mongo
        .entries
        .clone_with_type::<Edits>()
        .find(deleted_among(&places))
        .projection(doc! { "_id": 0, "conversation": 1, "state.edits": 1 })
        .hint(Hint::Name(CONVERSATION_SEQ.to_owned()))
        .await?;
    let deleted: Vec<Edits> = cursor.try_collect().await?;
    let blanks = deleted.iter().flat_map(|message| {
        let edits = message.state.edits.iter();
        edits.map(|seq| blank(&message.conversation, *seq))
    });
    update(mongo, "entries", blanks.collect()).await
}

/// Raises `applied`. It may be lost, and could do without a majority; but nobody waits for it, and a mark that no
/// majority has yet would be missed by the reads that decide whether to recover.
pub(crate) async fn mark_applied(mongo: &Mongo, marks: &[(ConversationId, Seq)]) -> Result<(), CallError> {
    let statements = marks.iter().map(|(conversation, seq)| {
        Ok(doc! { "q": { "_id": conversation.as_str() }, "u": { "$max": { "applied": number(*seq)? } } })
    });
    update(
        mongo,
        "conversations",
        statements.collect::<Result<_, CallError>>()?,
    )
    .await
}

/// Raises the marks of present members. For a majority to hold: a device that was told that its mark is kept
/// does not send it again, and what others are told of it must not go back.
pub(crate) async fn raise_marks(mongo: &Mongo, marks: &[MarksRaised]) -> Result<(), CallError> {
    let statements = marks.iter().map(|raised| {
        let (conversation, user) = (raised.conversation.as_str(), raised.user.as_str());
        let query = doc! { "conversation": conversation, "user": user };
        let mut marks = doc! { "delivered": number(raised.delivered)? };
        // A mark that is not there stays so: it is taken for the other one.
        if raised.read > 0 {
            marks.insert("read", number(raised.read)?);
        }
        Ok(doc! { "q": query, "u": { "$max": marks } })
    });
    update(mongo, "members", statements.collect::<Result<_, CallError>>()?).await
}

fn create_conversation(record: &ConversationRecord) -> Result<Document, CallError> {
    let mut fields = doc! {
        "kind": constant(&record.kind)?,
        "open": record.open,
        "updated": number(record.updated)?,
        "created_by": record.created_by.as_str(),
        "created_at": record.created_at,
        "applied": number(record.applied)?,
    };
    let texts = [
        ("name", &record.name),
        ("description", &record.description),
        ("avatar_url", &record.avatar_url),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            fields.insert(field, text);
        }
    }
    Ok(doc! { "q": { "_id": record.id.as_str() }, "u": { "$setOnInsert": fields }, "upsert": true })
}

fn set_member(
    conversation: &ConversationId,
    user: &UserId,
    role: Role,
    seq: Seq,
) -> Result<Document, CallError> {
    let owed_from = number(seq.saturating_sub(1))?;
    let at = number(seq)?;
    let change = doc! {
        "role": { "$cond": [is_older(role_changed(), at), constant(&role)?, "$role"] },
        "role_changed": { "$max": [role_changed(), at] },
        "left": 0_i64,
        "hidden": Bson::Null,
        "delivered": { "$max": ["$delivered", owed_from] },
        "read": { "$max": [{ "$ifNull": ["$read", "$delivered"] }, owed_from] },
    };
    guarded(conversation, user, seq, change)
}

/// Where there is no record yet, one is left that keeps older changes out.
fn end_member(conversation: &ConversationId, user: &UserId, seq: Seq) -> Result<Document, CallError> {
    let change = doc! {
        "role": { "$ifNull": ["$role", constant(&Role::Member)?] },
        "role_changed": role_changed(),
        "left": number(seq)?,
        "delivered": { "$ifNull": ["$delivered", 0_i64] },
        "read": { "$ifNull": ["$read", { "$ifNull": ["$delivered", 0_i64] }] },
    };
    guarded(conversation, user, seq, change)
}

/// Where there is no record yet, none is made: it would be that of a membership that nobody has begun.
fn set_role(
    conversation: &ConversationId,
    user: &UserId,
    role: Role,
    seq: Seq,
) -> Result<Document, CallError> {
    let seq = number(seq)?;
    let change = doc! { "role": constant(&role)?, "role_changed": seq };
    let changed = doc! { "$mergeObjects": ["$$ROOT", change] };
    Ok(doc! {
        "q": { "conversation": conversation.as_str(), "user": user.as_str() },
        "u": [{ "$replaceWith": { "$cond": [is_older(role_changed(), seq), changed, "$$ROOT"] } }],
    })
}

/// In records of before roles could change, the role came with the membership.
fn role_changed() -> Document {
    doc! { "$ifNull": ["$role_changed", { "$ifNull": ["$changed", 0_i64] }] }
}

/// Whether what was changed at `changed` is older than what the entry at `seq` makes of it.
pub(crate) fn is_older(changed: Document, seq: i64) -> Document {
    if planted(defect::EFFECTS_UNGUARDED) {
        return doc! { "$literal": true };
    }
    doc! { "$lt": [changed, seq] }
}

fn guarded(
    conversation: &ConversationId,
    user: &UserId,
    seq: Seq,
    mut change: Document,
) -> Result<Document, CallError> {
    let seq = number(seq)?;
    change.insert("changed", seq);
    let is_older = is_older(doc! { "$ifNull": ["$changed", 0_i64] }, seq);
    let changed = doc! { "$mergeObjects": ["$$ROOT", change] };
    Ok(doc! {
        "q": { "conversation": conversation.as_str(), "user": user.as_str() },
        "u": [{ "$replaceWith": { "$cond": [is_older, changed, "$$ROOT"] } }],
        "upsert": true,
    })
}

pub(crate) async fn update(
    mongo: &Mongo,
    collection: &str,
    statements: Vec<Document>,
) -> Result<(), CallError> {
    for chunk in statements.chunks(STATEMENTS) {
        let command = doc! {
            "update": collection,
            "updates": chunk,
            "ordered": true,
            "writeConcern": mongo.majority(),
        };
        match run(mongo, command.clone()).await {
            // The server has waited for the majority as long as it may.
            Err(error @ UpdateError::NoMajority(_)) => return Err(error.into()),
            Err(UpdateError::Failed(error)) => {
                tracing::debug!(collection, ?error, "sending an update again");
                run(mongo, command).await?;
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Why an update did not simply succeed.
enum UpdateError {
    Failed(CallError),
    /// All statements are carried out, on the primary at least.
    NoMajority(i32),
}

impl From<UpdateError> for CallError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Failed(error) => error,
            UpdateError::NoMajority(code) => {
                Self::Reply(format!("no majority has the update (error {code})"))
            }
        }
    }
}

async fn run(mongo: &Mongo, command: Document) -> Result<(), UpdateError> {
    let reply = mongo
        .database
        .run_command(command)
        .await
        .map_err(|error| UpdateError::Failed(error.into()))?;
    let code = |error: &Document| error.get_i32("code").unwrap_or(0);
    if let Ok([error, ..]) = reply.get_array("writeErrors").map(Vec::as_slice) {
        let reason = format!("an update failed (error {})", error.as_document().map_or(0, code));
        return Err(UpdateError::Failed(CallError::Reply(reason)));
    }
    match reply.get_document("writeConcernError") {
        Ok(error) => Err(UpdateError::NoMajority(code(error))),
        Err(_) => Ok(()),
    }
}

pub(crate) fn number(seq: Seq) -> Result<i64, CallError> {
    i64::try_from(seq).map_err(|_| CallError::Reply(format!("the number {seq} cannot be stored")))
}

/// The stored spelling of a unit variant, which is the protocol's.
pub(crate) fn constant(value: &impl serde::Serialize) -> Result<Bson, CallError> {
    bson::serialize_to_bson(value).map_err(|error| CallError::Reply(error.to_string()))
}
