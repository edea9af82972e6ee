//! Takes conversations out of the queue and tells them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use starling_protocol::{Body, ConversationId, Kind, Seq, UserId};
use tokio::time::{Instant, sleep, timeout};

use super::Outlet;
use crate::chance::HashMap;
use crate::ports::{EventCursor, EventPage, LeaseToken, PublishError, Published, Unavailable};
use crate::shared::Shared;
use crate::time::jittered;

/// What comes within so short a time goes into the queue together.
const GATHER: Duration = Duration::from_millis(50);
/// How often the queue is looked at for what others have left.
const POLL: Duration = Duration::from_secs(1);
/// Conversations of one round.
const TAKEN: usize = 256;
/// Of these, told at the same time.
const AT_ONCE: usize = 32;
/// Entries of one page: what is held in memory is bounded by this, `AT_ONCE` and the length of a text.
const PAGE: usize = 100;
/// How long taken conversations are this node's: longer than a round.
const CLAIM: Duration = Duration::from_secs(30);
/// After so long a round begins with no further conversation.
const ROUND: Duration = Duration::from_secs(8);
/// A sink that takes longer for a page is away.
const PUBLISH: Duration = Duration::from_secs(12);
/// Between attempts with a sink or a store that is away, and with what a sink refuses: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
const REFUSED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Conversations of which it is known how often they were refused.
const REMEMBERED: usize = 10_000;

pub(super) struct Emitter {
    shared: Arc<Shared>,
    outlet: Arc<Outlet>,
    /// Rounds that came to nothing, in a row.
    failures: u32,
    /// How often each conversation was refused since it last got on.
    refusals: HashMap<ConversationId, u32>,
}

/// How a round went.
enum Round {
    /// Nothing was due.
    Idle,
    /// Something was told.
    Worked,
    /// So was this, and there is more.
    Pressed,
    /// The sink is away.
    Stuck,
}

/// How far a conversation came.
struct Progress {
    conversation: ConversationId,
    /// Everything up to here is told, or need not be.
    told: Option<Seq>,
    /// So many entries of it in this round.
    accepted: usize,
    rest: Rest,
}

/// What is left of a conversation.
enum Rest {
    Nothing,
    More,
    /// The sink is away.
    Away,
    /// The sink does not want the next entry.
    Refused,
    /// The log could not be read.
    Unread,
}

impl Emitter {
    pub(super) fn new(shared: Arc<Shared>, outlet: Arc<Outlet>) -> Self {
        Self {
            shared,
            outlet,
            failures: 0,
            refusals: HashMap::default(),
        }
    }

    /// Works until the task is dropped.
    pub(super) async fn run(mut self) {
        let outlet = self.outlet.clone();
        loop {
            let round = {
                let _at_work = outlet.at_work.lock().await;
                self.round().await
            };
            match round {
                Ok(Round::Pressed) => self.failures = 0,
                Ok(Round::Worked) => {
                    self.failures = 0;
                    sleep(GATHER).await;
                }
                Ok(Round::Idle) => {
                    self.failures = 0;
                    let _ = timeout(jittered(POLL), outlet.backlog.added()).await;
                    sleep(GATHER).await;
                }
                Ok(Round::Stuck) => self.pause().await,
                Err(unavailable) => {
                    tracing::debug!(sink = outlet.name(), %unavailable, "events wait");
                    self.pause().await;
                }
            }
        }
    }

    async fn pause(&mut self) {
        self.failures += 1;
        sleep(jittered(growing(PAUSE, self.failures))).await;
    }

    async fn round(&mut self) -> Result<Round, Unavailable> {
        let (shared, outlet) = (self.shared.clone(), self.outlet.clone());
        outlet.put_backlog().await?;
        if shared.is_draining() {
            return Ok(Round::Idle);
        }
        let since = outlet.since(&shared).await?;
        let claim = shared.claim();
        let taken = outlet
            .ports
            .queue
            .take(outlet.name(), &claim, TAKEN, CLAIM)
            .await?;
        metrics::gauge!("starling_events_waiting", "sink" => outlet.name()).set(taken.waiting as f64);
        if taken.conversations.is_empty() {
            return Ok(Round::Idle);
        }
        let telling = Telling {
            shared: &shared,
            outlet: &outlet,
            since,
            until: Instant::now() + ROUND,
            away: AtomicBool::new(false),
        };
        let progress = match telling.tell_all(&taken.conversations).await {
            Ok(progress) => progress,
            Err(unavailable) => {
                // Others need not wait until the claim is over.
                let back: Vec<_> = taken
                    .conversations
                    .into_iter()
                    .map(|id| (id, Some(PAUSE.0)))
                    .collect();
                let _ = outlet.ports.queue.give_back(outlet.name(), &claim, &back).await;
                return Err(unavailable);
            }
        };
        self.keep(&claim, &progress).await
    }

    /// Keeps what a round has come to: cursors first, so that nobody who takes a conversation next repeats it.
    async fn keep(&mut self, claim: &LeaseToken, progress: &[Progress]) -> Result<Round, Unavailable> {
        let (outlet, name) = (self.outlet.clone(), self.outlet.name());
        let raised: Vec<_> = progress
            .iter()
            .filter_map(|progress| Some((progress.conversation.clone(), progress.told?)))
            .collect();
        let raised = if raised.is_empty() {
            Ok(())
        } else {
            outlet.ports.cursors.raise_cursors(name, &raised).await
        };
        let accepted: usize = progress.iter().map(|progress| progress.accepted).sum();
        metrics::counter!("starling_events_published_total", "sink" => name).increment(accepted as u64);
        let mut back = Vec::with_capacity(progress.len());
        for progress in progress {
            let again = match progress.rest {
                _ if raised.is_err() => Some(PAUSE.0),
                Rest::Nothing => None,
                Rest::More => Some(Duration::ZERO),
                Rest::Away | Rest::Unread => Some(PAUSE.0),
                Rest::Refused => Some(self.refused(progress)),
            };
            if matches!(progress.rest, Rest::Nothing | Rest::More) {
                self.refusals.remove(&progress.conversation);
            }
            back.push((progress.conversation.clone(), again));
        }
        outlet.ports.queue.give_back(name, claim, &back).await?;
        raised?;
        let came_on = |rest: &Rest| matches!(rest, Rest::Nothing | Rest::More);
        let more = |progress: &Progress| matches!(progress.rest, Rest::More);
        Ok(
            if !progress.iter().any(|progress| came_on(&progress.rest)) && accepted == 0 {
                Round::Stuck
            } else if progress.len() == TAKEN || progress.iter().any(more) {
                Round::Pressed
            } else {
                Round::Worked
            },
        )
    }

    /// When to come again with what was refused.
    fn refused(&mut self, progress: &Progress) -> Duration {
        if progress.accepted > 0 {
            self.refusals.remove(&progress.conversation);
        }
        let known = self.refusals.get(&progress.conversation).copied();
        let times = known.unwrap_or(0) + 1;
        if known.is_some() || self.refusals.len() < REMEMBERED {
            self.refusals.insert(progress.conversation.clone(), times);
        }
        growing(REFUSED, times)
    }
}

/// One round's work.
struct Telling<'a> {
    shared: &'a Shared,
    outlet: &'a Outlet,
    since: i64,
    until: Instant,
    away: AtomicBool,
}

impl Telling<'_> {
    async fn tell_all(&self, taken: &[ConversationId]) -> Result<Vec<Progress>, Unavailable> {
        let cursors = self
            .outlet
            .ports
            .cursors
            .cursors(self.outlet.name(), taken)
            .await?;
        let mut pairs = self.pairs(&cursors).await?;
        let mut cursors: HashMap<_, _> = cursors
            .into_iter()
            .map(|cursor| (cursor.conversation.clone(), cursor))
            .collect();
        let each: Vec<_> = taken
            .iter()
            .map(|id| {
                (
                    id.clone(),
                    cursors.remove(id),
                    pairs.remove(id).unwrap_or_default(),
                )
            })
            .collect();
        let told = stream::iter(each).map(async |(conversation, cursor, pair)| {
            let mut progress = Progress {
                conversation,
                told: None,
                accepted: 0,
                rest: Rest::Nothing,
            };
            // There is no log without a record: what is unknown has nothing to tell.
            if let Some(cursor) = cursor
                && let Err(unavailable) = self.tell(&cursor, pair, &mut progress).await
            {
                tracing::debug!(conversation = %cursor.conversation, %unavailable, "events wait for the log");
                self.count_retry("store");
                progress.rest = Rest::Unread;
            }
            progress
        });
        Ok(told.buffer_unordered(AT_ONCE).collect().await)
    }

    /// Tells one page of a conversation.
    async fn tell(
        &self,
        cursor: &EventCursor,
        pair: Vec<UserId>,
        progress: &mut Progress,
    ) -> Result<(), Unavailable> {
        if self.away.load(Ordering::Relaxed) {
            progress.rest = Rest::Away;
            return Ok(());
        }
        if Instant::now() >= self.until {
            progress.rest = Rest::More;
            return Ok(());
        }
        let told = self.outlet.told(self.shared, cursor, self.since).await?;
        let known = cursor.told == Some(told);
        progress.told = (!known).then_some(told);
        let log = &self.shared.ports.log;
        let mut entries = log.read(&cursor.conversation, told, Seq::MAX, PAGE).await?;
        let read = entries.len();
        let contiguous = entries
            .iter()
            .zip(told + 1..)
            .take_while(|(entry, seq)| entry.seq == *seq)
            .count();
        entries.truncate(contiguous);
        if contiguous < read {
            return Err(Unavailable::new("log", "a gap is read that no log has (I6)"));
        }
        if entries.is_empty() {
            return Ok(());
        }
        let page = EventPage { entries, pair };
        let published = timeout(PUBLISH, self.outlet.sink.publish(&page)).await;
        let published = published.unwrap_or_else(|_| Published {
            accepted: 0,
            failure: Some(PublishError::Away("no answer in time".into())),
        });
        progress.accepted = published.accepted.min(contiguous);
        if let Some(last) = page.entries[..progress.accepted].last() {
            progress.told = Some(last.seq);
        }
        progress.rest = match published.failure {
            Some(failure) => self.failed(&cursor.conversation, &failure),
            // A short page ends at the head; what is appended behind it puts the conversation in again.
            None if progress.accepted == contiguous && read < PAGE => Rest::Nothing,
            None => Rest::More,
        };
        Ok(())
    }

    fn failed(&self, conversation: &ConversationId, failure: &PublishError) -> Rest {
        let sink = self.outlet.name();
        match failure {
            PublishError::Away(reason) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(sink, reason, "events wait: the sink is away");
                }
                self.count_retry("away");
                Rest::Away
            }
            PublishError::Refused(reason) => {
                tracing::warn!(sink, %conversation, reason, "events of a conversation wait: the sink refuses one");
                self.count_retry("refused");
                Rest::Refused
            }
        }
    }

    fn count_retry(&self, reason: &'static str) {
        let sink = self.outlet.name();
        metrics::counter!("starling_events_retried_total", "sink" => sink, "reason" => reason).increment(1);
    }

    /// The two of each direct conversation: its first entry names them, and they stay.
    async fn pairs(
        &self,
        cursors: &[EventCursor],
    ) -> Result<HashMap<ConversationId, Vec<UserId>>, Unavailable> {
        let firsts: Vec<_> = cursors
            .iter()
            .filter(|cursor| cursor.kind == Kind::Direct)
            .map(|cursor| (cursor.conversation.clone(), 1))
            .collect();
        if firsts.is_empty() {
            return Ok(HashMap::default());
        }
        let firsts = self.shared.ports.log.at(&firsts).await?;
        let pairs = firsts.iter().filter_map(|first| match &first.body {
            Body::Created { members, .. } => {
                let users = members.iter().map(|member| member.user.clone()).collect();
                Some((first.conversation.clone(), users))
            }
            _ => None,
        });
        Ok(pairs.collect())
    }
}

/// Doubled with every failure.
fn growing((first, longest): (Duration, Duration), failures: u32) -> Duration {
    (first * (1 << failures.saturating_sub(1).min(16))).min(longest)
}
