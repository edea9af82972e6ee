//! Streams: how a session gets from its cursors to live, without a gap and without a double.
//!
//! Open the conversation's hub (its entries arrive on this node from then on), read the log up to where the
//! hub stands, then step over under the hub's lock. Whatever arrives while the log is read waits in the hub's
//! ring, which all sessions share. The idea is Centrifuge's recovery: subscribe, read, merge by position.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use starling_protocol::{
    ConversationId, ConversationState, ConversationSummary, Error, ErrorCode, Reply, Seq, Sync, Synced,
};
use tokio::time::sleep;

use super::Session;
use crate::SharedFrame;
use crate::delivery::{Attach, ends};
use crate::ports::{MemberRecord, Unavailable};
use crate::sequencer::PAGE;
use crate::shared::Shared;
use crate::standing::{self, Listed, Standing};
use crate::time::jittered;

/// What waits for a client without cursors is sent from here on at most; the rest is history.
const WAITING_AT_MOST: Seq = 1_000;
/// How long to wait for a hub that lags behind a client.
const HUB_LAG: Duration = Duration::from_millis(5);
/// A primary that was just elected may not have caught up with what a client has seen: a cursor past the head is
/// refused only after this many looks.
const AHEAD_LOOKS: u32 = 5;
const AHEAD_PAUSE: Duration = Duration::from_millis(300);
/// Between two attempts to start the stream of a new member, at first and at most.
const WELCOME_PAUSE: Duration = Duration::from_millis(50);
const WELCOME_PAUSE_AT_MOST: Duration = Duration::from_secs(2);
/// Memberships that are looked up and opened together.
const CHUNK: usize = 200;

/// How a stream began.
enum Start {
    Live,
    /// It ended with the membership, which was delivered.
    Ended,
    Refused(Error),
}

/// After which entry a stream starts.
#[derive(Clone, Copy)]
enum After {
    /// The client has everything up to here.
    Named(Seq),
    /// It did not say what it has.
    Chosen(Seq),
}

/// A stream that does not flow yet, and is forgotten if it comes to nothing: its membership ends, the store fails, or
/// a later `sync` takes the place of the one that starts it.
struct Starting<'a> {
    session: &'a Arc<Session>,
    id: &'a ConversationId,
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.session.forget_stream(self.id);
        self.session.shared.delivery.detach(self.id, self.session);
    }
}

impl After {
    fn seq(self) -> Seq {
        match self {
            Self::Named(seq) | Self::Chosen(seq) => seq,
        }
    }
}

impl Session {
    /// Starts all streams in a task of their own, since it waits for a slow reader. A later `sync` replaces one
    /// that is under way.
    pub(super) fn sync(self: &Arc<Self>, id: u64, sync: Sync) {
        let (session, waits) = (self.clone(), self.waiting_syncs.clone());
        let mut syncing = self.syncing.lock();
        let before = syncing.take();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.abort();
            }
            let starting = session.starting.lock().await;
            drop(waits);
            // Until this one is through, not all is streamed.
            let resumed = session.has_synced.swap(false, Ordering::AcqRel);
            let result = session.stream_all(sync.cursors, resumed).await;
            match &result {
                Ok(synced) => {
                    let ahead = synced
                        .refused
                        .iter()
                        .filter(|(_, error)| error.code == ErrorCode::CursorAhead);
                    *session.ahead.lock() = ahead.map(|(id, _)| id.clone()).collect();
                    session.has_synced.store(true, Ordering::Release);
                }
                // The client asks again; until then nothing may start that does not know its cursors.
                Err(_) => session.live.store(false, Ordering::Release),
            }
            drop(starting);
            session.reply(id, result.map(Reply::Synced).map_err(Error::from));
        });
        *syncing = Some(task.abort_handle());
    }

    fn will_sync(&self) -> bool {
        Arc::strong_count(&self.waiting_syncs) > 1
    }

    async fn stream_all(
        self: &Arc<Self>,
        mut cursors: BTreeMap<ConversationId, Seq>,
        resumed: bool,
    ) -> Result<Synced, Unavailable> {
        let shared = &self.shared;
        // Live before memberships are read: whoever adds this user now either is seen by this read, or sees
        // this session and welcomes it.
        self.live.store(true, Ordering::Release);
        let waiting: HashMap<_, _> = shared
            .ports
            .offline
            .pending(&self.user)
            .await
            .unwrap_or_default()
            .into_iter()
            .collect();
        let mut synced = Synced::default();
        let mut after = None;
        loop {
            let page = shared
                .ports
                .directory
                .memberships(&self.user, after.as_ref(), CHUNK)
                .await?;
            self.stream_page(&page, &mut cursors, resumed, &waiting, &mut synced)
                .await?;
            match page.last() {
                Some(last) if page.len() == CHUNK => after = Some(last.conversation.clone()),
                _ => break,
            }
        }
        // What is left are conversations that the directory does not list: former ones, or none of his.
        for (id, cursor) in cursors {
            match self.stream_unlisted(&id, After::Named(cursor)).await? {
                Start::Live => synced.conversations += 1,
                Start::Ended => {}
                Start::Refused(error) => {
                    synced.refused.insert(id, error);
                }
            }
        }
        Ok(synced)
    }

    async fn stream_page(
        self: &Arc<Self>,
        page: &[MemberRecord],
        cursors: &mut BTreeMap<ConversationId, Seq>,
        resumed: bool,
        waiting: &HashMap<ConversationId, Seq>,
        synced: &mut Synced,
    ) -> Result<(), Unavailable> {
        let shared = &self.shared;
        let ids: Vec<_> = page.iter().map(|member| member.conversation.clone()).collect();
        shared.delivery.open(shared, &ids).await?;
        for Listed {
            summary,
            changed,
            membership,
        } in standing::list(&shared.ports, page).await?
        {
            let id = summary.id.clone();
            let given = cursors.remove(&id);
            let cursor = match given {
                Some(cursor) => After::Named(cursor),
                None if self.streams.lock().contains_key(&id) => {
                    // Streamed already, and the client did not ask to mend it.
                    synced.conversations += 1;
                    continue;
                }
                // All that there was is streamed: the membership is new.
                None if resumed && !self.ahead.lock().contains(&id) => {
                    After::Chosen(changed.saturating_sub(1))
                }
                None if waiting.contains_key(&id) => After::Chosen(
                    summary
                        .delivered
                        .max(summary.head.saturating_sub(WAITING_AT_MOST)),
                ),
                None => After::Chosen(summary.head),
            };
            // The directory may not know of a removal up to the head yet; entries after it tell of themselves.
            // A cursor past the head that was just read comes from a client that has heard more, or lies.
            let start = if membership > changed || cursor.seq() > summary.head {
                self.stream_unlisted(&id, cursor).await?
            } else {
                self.stream(summary, cursor.seq()).await?
            };
            match start {
                Start::Live => synced.conversations += 1,
                Start::Ended => {}
                Start::Refused(error) => {
                    synced.refused.insert(id, error);
                }
            }
        }
        Ok(())
    }

    /// Welcomes the user to memberships whose streams are missing here: word of a new one can be lost, as any
    /// message between nodes can.
    pub(crate) async fn look_for_streams(self: &Arc<Self>) -> Result<(), Unavailable> {
        let shared = &self.shared;
        let mut after = None;
        while self.is_live() {
            let page = shared
                .ports
                .directory
                .memberships(&self.user, after.as_ref(), CHUNK)
                .await?;
            for member in &page {
                welcome(shared, self, &member.conversation, member.changed);
            }
            match page.last() {
                Some(last) if page.len() == CHUNK => after = Some(last.conversation.clone()),
                _ => break,
            }
        }
        Ok(())
    }

    /// Streams a conversation in which the user was a member when its head was read: entries after `cursor`,
    /// then live.
    async fn stream(
        self: &Arc<Self>,
        summary: ConversationSummary,
        cursor: Seq,
    ) -> Result<Start, Unavailable> {
        let id = summary.id.clone();
        self.streams.lock().insert(id.clone(), summary.delivered);
        let starting = Starting {
            session: self,
            id: &id,
        };
        self.shared.delivery.detach(&id, self);
        self.shared.delivery.expect(&id, self);
        // Whoever closes first sees the other, here as in `catch_up`.
        if self.closed.load(Ordering::Acquire) {
            return Ok(Start::Ended);
        }
        self.outbox.push(SharedFrame::conversation(ConversationState {
            cursor,
            conversation: summary,
        }));
        let start = self.catch_up(&id, cursor).await;
        if matches!(start, Ok(Start::Live)) {
            std::mem::forget(starting);
        }
        start
    }

    /// Reads until the session can step over to the hub. Every entry on the way is looked at: one of them may
    /// end the membership.
    async fn catch_up(
        self: &Arc<Self>,
        id: &ConversationId,
        mut position: Seq,
    ) -> Result<Start, Unavailable> {
        let shared = &self.shared;
        loop {
            match shared.delivery.attach(id, self, position) {
                Attach::Attached => {
                    // Whoever closes first sees the other: close() detaches what is in `streams`.
                    if self.closed.load(Ordering::Acquire) {
                        return Ok(Start::Ended);
                    }
                    return Ok(Start::Live);
                }
                Attach::Ended(left) if self.is_member_again(id, left).await? => position = left,
                Attach::Ended(left) => {
                    self.end_stream(id, left);
                    return Ok(Start::Ended);
                }
                Attach::Closed => shared.delivery.open(shared, std::slice::from_ref(id)).await?,
                Attach::Ahead(_) => {
                    // The hub lags behind what the client has had from another node.
                    shared.delivery.heard_head(shared, id, position);
                    sleep(HUB_LAG).await;
                }
                Attach::Behind(to) => match self.push_range(id, position, to).await? {
                    Some(reached) => position = reached,
                    None => return Ok(Start::Ended),
                },
            }
            if self.outbox.closed().is_some() {
                return Ok(Start::Ended);
            }
        }
    }

    /// Pushes the entries after `after` up to `to`, a page of them, when the reader has room. The seq reached;
    /// `None` if the user's membership ended on the way.
    async fn push_range(&self, id: &ConversationId, after: Seq, to: Seq) -> Result<Option<Seq>, Unavailable> {
        let page = self
            .shared
            .ports
            .log
            .read(id, after, to, PAGE.min(WAITING_AT_MOST as usize))
            .await?;
        let mut reached = after;
        for entry in page {
            if !self.outbox.until_roomy().await {
                break;
            }
            reached = entry.seq;
            let end = ends(&entry, self);
            self.outbox.push(SharedFrame::entry(entry));
            if end && !self.is_member_again(id, reached).await? {
                self.end_stream(id, reached);
                return Ok(None);
            }
        }
        Ok(Some(reached))
    }

    /// Whether a membership that ended at `left` has begun again since.
    async fn is_member_again(&self, id: &ConversationId, left: Seq) -> Result<bool, Unavailable> {
        match standing::look(&self.shared.ports, id, &self.user).await {
            Ok(seen) if seen.head.seq < left => Err(Unavailable::new("store", "its reads lag behind")),
            Ok(seen) => Ok(match seen.standing {
                Standing::Member { .. } => true,
                Standing::Former { left: last } => last > left,
                Standing::Stranger => false,
            }),
            Err(error) if error.code == ErrorCode::ConversationDeleted => Ok(false),
            Err(error) => Err(Unavailable::new("store", error)),
        }
    }

    /// A conversation of which it has to be found out who the user is to it: a former one is streamed up to the
    /// entry that ended the membership.
    ///
    /// Errors for want of the store end the whole `sync`: what of it has begun is begun anew by the next one.
    async fn stream_unlisted(
        self: &Arc<Self>,
        id: &ConversationId,
        cursor: After,
    ) -> Result<Start, Unavailable> {
        let shared = &self.shared;
        let mut looks = 0;
        let seen = loop {
            let seen = match standing::look(&shared.ports, id, &self.user).await {
                Ok(seen) => seen,
                Err(error) => return refused(error),
            };
            let end = match seen.standing {
                Standing::Former { left } => left,
                Standing::Member { .. } => seen.head.seq,
                Standing::Stranger => return refused(standing::not_a_member()),
            };
            if cursor.seq() <= end {
                break seen;
            }
            looks += 1;
            if looks == AHEAD_LOOKS {
                return refused(ahead(end));
            }
            sleep(AHEAD_PAUSE).await;
        };
        match seen.standing {
            Standing::Stranger => refused(standing::not_a_member()),
            Standing::Member { .. } => match standing::summary_of(&shared.ports, seen).await {
                Ok(summary) => self.stream(summary, cursor.seq()).await,
                Err(error) => refused(error),
            },
            Standing::Former { left } => match cursor {
                After::Named(cursor) => self.push_former(id, cursor, left).await,
                // Nobody asked for what he missed in a conversation that is not his any more.
                After::Chosen(_) => Ok(Start::Ended),
            },
        }
    }

    async fn push_former(&self, id: &ConversationId, cursor: Seq, left: Seq) -> Result<Start, Unavailable> {
        // A hub that lags behind the log may stream it still.
        self.forget_stream(id);
        self.shared.delivery.detach(id, self);
        // What a stream has sent while this was asked for.
        let sent = self.ended.lock().remove(id).unwrap_or(0);
        let mut position = cursor.max(sent);
        while position < left {
            let page = self.shared.ports.log.read(id, position, left, PAGE).await?;
            let Some(last) = page.last() else { break };
            position = last.seq;
            for entry in page {
                if !self.outbox.until_roomy().await {
                    return Ok(Start::Ended);
                }
                self.outbox.push(SharedFrame::entry(entry));
            }
        }
        Ok(Start::Ended)
    }
}

fn refused(error: Error) -> Result<Start, Unavailable> {
    match error.code {
        ErrorCode::Unavailable => Err(Unavailable::new("store", error)),
        _ => Ok(Start::Refused(error)),
    }
}

fn ahead(head: Seq) -> Error {
    Error::new(
        ErrorCode::CursorAhead,
        format!("the cursor is past the conversation's head, {head}"),
    )
}

/// A live session's user has become a member at `seq`: its stream starts with the entry that says so.
pub(crate) fn welcome(shared: &Arc<Shared>, session: &Arc<Session>, id: &ConversationId, seq: Seq) {
    if !session.is_live() || session.streams.lock().contains_key(id) {
        return;
    }
    {
        let mut welcoming = session.welcoming.lock();
        if welcoming.contains(id) {
            return;
        }
        welcoming.push(id.clone());
    }
    let (shared, session, id) = (shared.clone(), session.clone(), id.clone());
    tokio::spawn(async move {
        let mut pause = WELCOME_PAUSE;
        while let Err(error) = start(&shared, &session, &id, seq).await {
            tracing::debug!(conversation = %id, user = %session.user, %error, "not welcomed");
            if error.code != ErrorCode::Unavailable || !session.is_live() {
                break;
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(WELCOME_PAUSE_AT_MOST);
        }
        session.welcoming.lock().retain(|welcoming| *welcoming != id);
    });
}

async fn start(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    id: &ConversationId,
    seq: Seq,
) -> Result<(), Error> {
    let _starting = session.starting.lock().await;
    // A sync that was under way may have started it, and one that waits, or that the client was told to send, may
    // name a cursor for it.
    let syncs = session.will_sync() || !session.is_live() || session.ahead.lock().contains(id);
    if syncs || session.streams.lock().contains_key(id) {
        return Ok(());
    }
    shared.delivery.open(shared, std::slice::from_ref(id)).await?;
    let seen = standing::look(&shared.ports, id, &session.user).await?;
    let known = shared.delivery.mark(id).map_or(seq, |mark| mark.seq.max(seq));
    if seen.head.seq < known {
        return Err(Unavailable::new("store", "its reads lag behind").into());
    }
    // Not from `seq`, which may be of a membership that has ended since.
    let Standing::Member { since, .. } = seen.standing else {
        return Ok(());
    };
    let summary = standing::summary_of(&shared.ports, seen).await?;
    session.stream(summary, since - 1).await?;
    Ok(())
}
