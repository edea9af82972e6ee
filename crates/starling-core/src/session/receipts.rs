//! Marks and receipts: what a member says of a log, and what he may know of the others'.

use starling_protocol::limits::{DEFAULT_RECEIPTS_LIMIT, MAX_RECEIPTS_MEMBERS};
use starling_protocol::{
    AskStatus, ConversationId, DeliveryStatus, EntryStatus, Error, ErrorCode, ListReceipts, Receipt,
    ReceiptsPage, Reply, Seq, UserId,
};

use crate::marks::Mark;
use crate::ports::Unavailable;
use crate::shared::Shared;
use crate::standing::{self, Seen, Standing};

/// Notes a mark of a user who is known to follow the conversation on this node, where that is enough to judge it.
/// `None`: the log has to be asked.
pub(super) fn mark_streamed(
    shared: &Shared,
    user: &UserId,
    mark: Mark,
    id: &ConversationId,
    seq: Seq,
) -> Option<()> {
    let head = shared.delivery.mark(id).filter(|head| seq <= head.seq)?;
    shared.marks.marked(id.clone(), user.clone(), mark, seq, head.seq);
    Some(())
}

/// Notes a mark. It is written a moment later.
///
/// # Errors
/// `cursor_ahead`, `not_a_member`, `unknown_conversation`, `unavailable`.
pub(super) async fn mark(
    shared: &Shared,
    user: &UserId,
    mark: Mark,
    id: ConversationId,
    seq: Seq,
) -> Result<Reply, Error> {
    let head = seen_by_member(shared, user, &id).await?.head.seq;
    if seq > head {
        return Err(ahead("mark", head));
    }
    shared.marks.marked(id, user.clone(), mark, seq, head);
    Ok(Reply::Done {})
}

/// A page of the members' marks and roles.
///
/// # Errors
/// `not_a_member`, `unknown_conversation`, `unavailable`.
pub(super) async fn list(shared: &Shared, user: &UserId, ask: ListReceipts) -> Result<Reply, Error> {
    seen_by_member(shared, user, &ask.conversation).await?;
    let limit = ask.limit.unwrap_or(DEFAULT_RECEIPTS_LIMIT) as usize;
    let directory = &shared.ports.directory;
    let mut members = directory
        .members_after(&ask.conversation, ask.after.as_ref(), limit + 1)
        .await?;
    let more = members.len() > limit;
    members.truncate(limit);
    let next = members.last().filter(|_| more).map(|last| last.user.clone());
    let members = members
        .iter()
        .map(|member| Receipt {
            role: Some(member.role),
            ..member.receipt()
        })
        .collect();
    Ok(Reply::Receipts(ReceiptsPage { members, next }))
}

/// What became of one entry.
///
/// # Errors
/// `cursor_ahead` for an entry that there is not; `forbidden` where there are too many members; `not_a_member`,
/// `unknown_conversation`, `unavailable`.
pub(super) async fn status(shared: &Shared, user: &UserId, ask: AskStatus) -> Result<Reply, Error> {
    let AskStatus {
        conversation: id,
        seq,
    } = ask;
    let head = seen_by_member(shared, user, &id).await?.head.seq;
    if seq > head {
        return Err(ahead("entry", head));
    }
    let ports = &shared.ports;
    let place = [(id.clone(), seq)];
    let entry = ports.log.at(&place).await?.pop();
    let entry = entry.ok_or_else(|| Unavailable::new("store", "its reads lag behind"))?;
    let members = ports
        .directory
        .members_after(&id, None, MAX_RECEIPTS_MEMBERS + 1)
        .await?;
    if members.len() > MAX_RECEIPTS_MEMBERS {
        return Err(Error::new(
            ErrorCode::Forbidden,
            format!("a conversation of more than {MAX_RECEIPTS_MEMBERS} members does not tell who has what"),
        ));
    }
    let mut status = EntryStatus {
        conversation: id,
        seq,
        status: DeliveryStatus::Read,
        pending: Vec::new(),
        delivered: Vec::new(),
        read: Vec::new(),
    };
    let others = members
        .iter()
        .filter(|member| member.changed <= seq && entry.sender.as_ref() != Some(&member.user));
    for mark in others.map(|member| member.receipt()) {
        match mark {
            mark if mark.read >= seq => status.read.push(mark.user),
            mark if mark.delivered >= seq => status.delivered.push(mark.user),
            mark => status.pending.push(mark.user),
        }
    }
    if !status.pending.is_empty() {
        status.status = DeliveryStatus::Pending;
    } else if !status.delivered.is_empty() {
        status.status = DeliveryStatus::Delivered;
    }
    Ok(Reply::Status(status))
}

async fn seen_by_member(shared: &Shared, user: &UserId, id: &ConversationId) -> Result<Seen, Error> {
    let seen = standing::look(&shared.ports, id, user).await?;
    match seen.standing {
        Standing::Member { .. } => Ok(seen),
        Standing::Former { .. } | Standing::Stranger => Err(standing::not_a_member()),
    }
}

fn ahead(what: &str, head: Seq) -> Error {
    Error::new(
        ErrorCode::CursorAhead,
        format!("the {what} is past the conversation's head, {head}"),
    )
}
