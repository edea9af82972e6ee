//! Looks through all conversations for what a sink was not told and nobody has in mind: a node died before it said so,
//! coordination has lost its keys, a sink is new.

use std::sync::Arc;
use std::time::Duration;

use starling_protocol::{ConversationId, Entry};
use tokio::time::sleep;

use super::Outlet;
use crate::chance::HashMap;
use crate::ports::Unavailable;
use crate::shared::Shared;
use crate::time::jittered;

/// Conversations of one page.
const PAGE: usize = 200;
/// Between two pages when something may have been lost.
const HURRY: Duration = Duration::from_millis(200);

/// Goes round until the task is dropped: slowly, and quickly once round when something may have been lost.
pub(super) async fn rotate(shared: Arc<Shared>, outlet: Arc<Outlet>) {
    let mut losses = shared.registration.losses();
    // Rounds that are quick. The first one is: nobody knows what was left when the last node ended.
    let mut quick: u32 = 1;
    let (mut after, mut lag): (Option<ConversationId>, u64) = (None, 0);
    loop {
        let pause = if quick > 0 {
            HURRY
        } else {
            shared.settings.rotation_interval
        };
        tokio::select! {
            () = sleep(jittered(pause)) => {}
            Ok(()) = losses.changed() => {
                quick = quick_rounds(after.as_ref());
                // What others have under way need not be found here.
                sleep(jittered(HURRY)).await;
            }
        }
        if outlet.backlog.has_overflowed() {
            quick = quick_rounds(after.as_ref());
        }
        match look_at_page(&shared, &outlet, after.as_ref()).await {
            Ok(page) => {
                lag += page.lag;
                after = page.last;
                if after.is_none() {
                    metrics::gauge!("starling_events_lag_entries", "sink" => outlet.name()).set(lag as f64);
                    (quick, lag) = (quick.saturating_sub(1), 0);
                }
            }
            Err(unavailable) => tracing::debug!(%unavailable, "rotation for events paused"),
        }
    }
}

/// How many rounds find everything from here on: this one, and where it is under way another one for what it has passed. It
/// does not begin anew: where something is lost again and again it would never come to its end.
fn quick_rounds(after: Option<&ConversationId>) -> u32 {
    if after.is_some() { 2 } else { 1 }
}

struct Page {
    /// Entries that are not told.
    lag: u64,
    /// The id to go on after, `None` at the end.
    last: Option<ConversationId>,
}

async fn look_at_page(
    shared: &Shared,
    outlet: &Outlet,
    after: Option<&ConversationId>,
) -> Result<Page, Unavailable> {
    let since = outlet.since(shared).await?;
    let name = outlet.name();
    let cursors = outlet.ports.cursors.scan_cursors(name, after, PAGE).await?;
    let ids: Vec<_> = cursors.iter().map(|cursor| cursor.conversation.clone()).collect();
    let heads = shared.ports.log.heads(&ids).await?;
    let heads: HashMap<&ConversationId, &Entry> = heads
        .iter()
        .map(|head| (&head.conversation, head.as_ref()))
        .collect();
    let mut page = Page {
        lag: 0,
        last: (ids.len() == PAGE).then(|| ids.last().cloned()).flatten(),
    };
    let mut behind = Vec::new();
    for cursor in &cursors {
        if let Some(head) = heads.get(&cursor.conversation)
            && Outlet::is_behind(cursor, head, since)
        {
            // Of one that was never told it is not known how much of it is owed.
            page.lag += cursor.told.map_or(1, |told| head.seq - told);
            behind.push(cursor.conversation.clone());
        }
    }
    if !behind.is_empty() {
        outlet.ports.queue.put(name, &behind).await?;
    }
    Ok(page)
}
