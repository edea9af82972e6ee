//! The newest page of a log from what commits have kept of it in coordination.
//!
//! Coordination may have lost what it kept, or missed what was stored while nobody could reach it. Nothing tells a
//! reader so; he finds out by himself, from three facts:
//!
//! - An entry is kept only after a majority has it, and (conversation, seq) names one entry for ever (I1, I2). So what
//!   is kept is never ahead of the log, and what is contiguous is a piece of it.
//! - The reader has the log's head from the store, read in the same request. A piece that holds this very entry reaches
//!   at least as far as what the request must show.
//! - Whatever becomes of a message is an entry behind it. So a piece of the log that reaches its head holds every edit,
//!   deletion and reaction of the messages in it, and what it shows follows from nothing but itself.
//!
//! What fails one of these tests is read from the log. An alteration that was acknowledged while coordination was away
//! leaves a piece that does not reach the head; it is not shown, however long it stays.

use std::sync::Arc;

use bytes::Bytes;
use starling_protocol::{Body, Entry, MessageState, Seq};

use crate::chance::{HashMap, HashSet};
use crate::ports::Unavailable;
use crate::shared::Shared;

/// More than a page is asked for: a busy conversation goes on while its head is on its way here.
const SLACK: usize = 32;

/// The last entries of a log up to `head`, at most `limit`, with what became of them.
///
/// # Errors
/// [`Unavailable`] if the store is, and what is kept does not do.
pub(crate) async fn newest(
    shared: &Arc<Shared>,
    head: &Arc<Entry>,
    limit: usize,
) -> Result<Vec<Arc<Entry>>, Unavailable> {
    let kept = match shared.coordination_is_down() {
        true => None,
        false => match shared
            .ports
            .recent
            .recent(&head.conversation, limit + SLACK)
            .await
        {
            Ok(kept) => Some(kept),
            Err(unavailable) => {
                tracing::debug!(%unavailable, "recent entries are read from the log");
                shared.coordination_failed();
                None
            }
        },
    };
    let page = kept.as_deref().and_then(|kept| page_of(kept, head, limit));
    let result = if page.is_some() { "hit" } else { "miss" };
    metrics::counter!("starling_recent_pages_total", "result" => result).increment(1);
    if let Some(page) = page {
        return Ok(page);
    }
    let page = shared
        .ports
        .log
        .read_back(&head.conversation, head.seq + 1, limit)
        .await?;
    if kept.is_some() && page.last().is_some_and(|last| last.seq == head.seq) {
        let (shared, id) = (shared.clone(), head.conversation.clone());
        let entries: Vec<_> = page.iter().map(|entry| (entry.seq, encode(entry))).collect();
        tokio::spawn(async move {
            // Whoever reads next reads the log, too.
            let _ = shared.ports.recent.keep_recent(&id, &entries).await;
        });
    }
    Ok(page)
}

/// An entry as it was stored, which says nothing of what became of it.
fn encode(entry: &Entry) -> Bytes {
    let stored = Entry {
        state: None,
        ..entry.clone()
    };
    rmp_serde::to_vec_named(&stored).unwrap_or_default().into()
}

/// The page, if what is kept is a piece of the log that reaches its head and is long enough.
fn page_of(kept: &[(Seq, Bytes)], head: &Entry, limit: usize) -> Option<Vec<Arc<Entry>>> {
    let entries = kept.iter().map(|(seq, bytes)| {
        let entry: Entry = rmp_serde::from_slice(bytes).ok()?;
        (entry.seq == *seq && entry.conversation == head.conversation).then_some(entry)
    });
    let mut entries = entries.collect::<Option<Vec<_>>>()?;
    let first = entries.first()?.seq;
    let is_contiguous = entries.iter().zip(first..).all(|(entry, seq)| entry.seq == seq);
    let at = usize::try_from(head.seq.checked_sub(first)?).ok()?;
    let is_long_enough = at + 1 >= limit || first == 1;
    // A log of another life of the store may have had the same name.
    let is_this_log = entries.get(at).is_some_and(|entry| is_same(entry, head));
    if !(is_contiguous && is_long_enough && is_this_log) {
        return None;
    }
    tell_what_became(&mut entries);
    entries.truncate(at + 1);
    entries.drain(..entries.len().saturating_sub(limit));
    Some(entries.into_iter().map(Arc::new).collect())
}

fn is_same(kept: &Entry, stored: &Entry) -> bool {
    kept.mark() == stored.mark()
        && kept.at == stored.at
        && kept.sender == stored.sender
        && kept.client_id == stored.client_id
}

/// Makes the state of each message from the entries behind it, and takes out the text of what is deleted.
fn tell_what_became(entries: &mut [Entry]) {
    let mut states: HashMap<Seq, MessageState> = HashMap::default();
    let mut reactions = HashSet::default();
    for entry in entries.iter() {
        let (Some(target), Some(sender)) = (entry.body.target(), &entry.sender) else {
            continue;
        };
        let state = states.entry(target).or_default();
        state.changed = entry.seq;
        state.alterations += match &entry.body {
            Body::Edited { .. } => 1,
            // Of a user with an emoji the last one counts.
            Body::Reacted { emoji, .. } => {
                usize::from(reactions.insert((target, emoji.clone(), sender.clone())))
            }
            _ => 0,
        };
        match &entry.body {
            Body::Edited { text, .. } if state.deleted_at.is_none() => {
                (state.text, state.edited_at) = (Some(text.clone()), Some(entry.at));
            }
            Body::Deleted { .. } if state.deleted_at.is_none() => {
                (state.text, state.edited_at) = (None, None);
                (state.deleted_at, state.deleted_by) = (Some(entry.at), Some(sender.clone()));
            }
            Body::Reacted { emoji, removed, .. } => {
                let users = state.reactions.entry(emoji.clone()).or_default();
                users.retain(|user| user != sender);
                if !removed {
                    users.push(sender.clone());
                    users.sort();
                }
                state.reactions.retain(|_, users| !users.is_empty());
            }
            _ => {}
        }
    }
    for entry in entries {
        let message = entry.body.target().unwrap_or(entry.seq);
        let Some(state) = states.get(&message) else {
            continue;
        };
        if state.deleted_at.is_some() && !matches!(entry.body, Body::Deleted { .. }) {
            entry.redact();
        }
        if entry.body.is_message() {
            entry.state = Some(state.clone());
        }
    }
}
