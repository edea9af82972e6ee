//! A replica set as its clients see it: what the primary has, and what a majority of its members has.
//!
//! A write is made on the primary, whose unique keys decide about it, and is majority-committed a moment later.
//! Reads see what is committed. A fail-over keeps all that is committed, and of the rest perhaps a part.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_protocol::{ClientId, ConversationId, Entry, Seq, UserId};
use tokio::time::Instant;

use super::effects::Tables;
use super::store::StoreCounts;
use crate::ports::{Alteration, Effect, MarksRaised};
use crate::records::{Altered, Change};
use crate::{defect, planted};

/// All data of the store, in two states.
pub(super) struct Replicas {
    primary: Data,
    majority: Data,
    /// All writes, in order.
    oplog: Vec<Logged>,
    /// So many of them are in `majority`: the primary knows that they are committed.
    committed: usize,
    /// So many of them ever were: no fail-over takes them back.
    durable: usize,
    /// Grows with every fail-over: whoever waits for a majority in an old term is not told.
    term: u64,
    lag: (Duration, Duration),
    series: StdRng,
    stalled_until: Instant,
    pub(super) counts: StoreCounts,
}

/// One change, as the oplog has it: it depends on nothing but the state before it.
pub(super) enum Write {
    Entry(Arc<Entry>),
    Effect(Effect),
    Applied(ConversationId, Seq),
    Marks(MarksRaised),
    Hidden(ConversationId, UserId, u64),
    Told(&'static str, ConversationId, Seq),
    ToldSince(&'static str, i64),
    User(UserId, Option<String>),
    PresenceText(UserId, Option<String>),
    LastSeen(UserId, i64),
}

struct Logged {
    write: Write,
    /// When a majority has it.
    committed_at: Instant,
}

/// What a write waits for.
#[derive(Clone, Copy)]
pub(super) struct Receipt {
    pub(super) committed_at: Instant,
    pub(super) term: u64,
}

#[derive(Default)]
pub(super) struct Data {
    /// By seq and, where the unique key is missing, by how many had that seq before.
    logs: HashMap<ConversationId, BTreeMap<(Seq, usize), Arc<Entry>>>,
    keys: HashMap<Key, Seq>,
    pub(super) tables: Tables,
    /// What became of messages.
    altered: HashMap<(ConversationId, Seq), Altered>,
}

type Key = (ConversationId, Option<UserId>, ClientId);

impl Replicas {
    pub(super) fn new() -> Self {
        Self {
            primary: Data::default(),
            majority: Data::default(),
            oplog: Vec::new(),
            committed: 0,
            durable: 0,
            term: 0,
            lag: (Duration::ZERO, Duration::ZERO),
            series: StdRng::seed_from_u64(0),
            stalled_until: Instant::now(),
            counts: StoreCounts::default(),
        }
    }

    pub(super) fn set_lag(&mut self, min: Duration, max: Duration, seed: u64) {
        self.lag = (min, max.max(min));
        self.series = StdRng::seed_from_u64(seed);
    }

    pub(super) fn stall(&mut self, time: Duration) {
        self.stalled_until = Instant::now() + time;
    }

    /// What a majority has by now.
    pub(super) fn majority(&mut self) -> &Data {
        let now = Instant::now();
        while let Some(logged) = self.oplog.get(self.committed)
            && logged.committed_at <= now
        {
            self.majority.make(&logged.write);
            self.committed += 1;
        }
        self.durable = self.durable.max(self.committed);
        &self.majority
    }

    pub(super) fn primary(&self) -> &Data {
        &self.primary
    }

    /// Stores in order up to the first collision, and says where that is.
    pub(super) fn insert(&mut self, entries: &[Arc<Entry>]) -> Result<(), usize> {
        if entries.is_empty() {
            return Ok(());
        }
        self.counts.inserts += 1;
        for (index, entry) in entries.iter().enumerate() {
            if self.primary.collides(entry) {
                self.counts.duplicates += 1;
                return Err(index);
            }
            self.write(Write::Entry(Arc::clone(entry)));
            self.counts.entries += 1;
        }
        Ok(())
    }

    /// Makes a change on the primary.
    pub(super) fn write(&mut self, write: Write) {
        self.primary.make(&write);
        let lag = self.series.random_range(self.lag.0..=self.lag.1);
        let before = self.oplog.last().map(|last| last.committed_at);
        let soonest = self.stalled_until.max(Instant::now()) + lag;
        self.oplog.push(Logged {
            write,
            committed_at: before.map_or(soonest, |before| before.max(soonest)),
        });
    }

    /// For whoever waits until all that the primary has is committed.
    pub(super) fn receipt(&self) -> Receipt {
        let last = self.oplog.last().map(|last| last.committed_at);
        Receipt {
            committed_at: last.unwrap_or_else(Instant::now),
            term: self.term,
        }
    }

    pub(super) fn term(&self) -> u64 {
        self.term
    }

    /// A secondary takes over that has the first `kept` of the uncommitted writes; the others are rolled back.
    /// For `catch_up` it does not know that the last `behind` of the committed ones, and those, are committed.
    pub(super) fn fail_over(&mut self, kept: usize, behind: usize, catch_up: Duration) {
        self.majority();
        let end = (self.durable + kept).min(self.oplog.len());
        let lost = self.oplog.drain(end..);
        self.counts.rolled_back += lost
            .filter(|logged| matches!(logged.write, Write::Entry(_)))
            .count();
        self.committed = self.committed.min(self.durable.saturating_sub(behind));
        let known_at = Instant::now() + catch_up;
        for logged in &mut self.oplog[self.committed..] {
            logged.committed_at = known_at;
        }
        self.primary = Data::of(&self.oplog);
        self.majority = Data::of(&self.oplog[..self.committed]);
        self.stalled_until = known_at;
        self.term += 1;
    }
}

impl Data {
    fn of(oplog: &[Logged]) -> Self {
        let mut data = Self::default();
        oplog.iter().for_each(|logged| data.make(&logged.write));
        data
    }

    fn make(&mut self, write: &Write) {
        match write {
            Write::Entry(entry) => self.store(entry),
            Write::Effect(Effect::AlterMessage {
                conversation,
                target,
                seq,
                by,
                at,
                alteration,
            }) => {
                let change = Change {
                    seq: *seq,
                    by,
                    at: *at,
                    alteration,
                };
                self.alter(conversation, *target, &change);
            }
            Write::Effect(
                effect @ Effect::Dissolve {
                    conversation,
                    seq,
                    by,
                    at,
                },
            ) => {
                self.tables.apply(effect);
                self.purge(conversation, *seq, by, *at);
            }
            Write::Effect(effect) => self.tables.apply(effect),
            Write::Applied(conversation, seq) => self.tables.mark_applied(conversation, *seq),
            Write::Hidden(conversation, user, messages) => self.tables.hide(conversation, user, *messages),
            Write::Told(sink, conversation, seq) => self.tables.tell(sink, conversation, *seq),
            Write::ToldSince(sink, at) => self.tables.tell_since(sink, *at),
            Write::Marks(raised) => self.tables.raise_marks(raised),
            Write::PresenceText(user, text) => self.tables.set_presence_text(user, text.as_deref()),
            Write::LastSeen(user, at) => self.tables.saw_last(user, *at),
            Write::User(user, name) => self.tables.saw_user(user, name.as_deref()),
        }
    }

    /// Takes the text out of all entries before one, and marks messages so that none finds its way back.
    fn purge(&mut self, conversation: &ConversationId, before: Seq, by: &UserId, at: i64) {
        let change = Change {
            seq: before,
            by,
            at,
            alteration: &Alteration::Delete,
        };
        let entries: Vec<_> = self.between(conversation, 0, before).collect();
        for entry in entries {
            self.redact(conversation, entry.seq);
            if entry.body.is_message() {
                self.alter(conversation, entry.seq, &change);
            }
        }
    }

    /// Takes the text out of an entry.
    fn redact(&mut self, conversation: &ConversationId, seq: Seq) {
        self.amend(conversation, seq, |entry| entry.redact());
    }

    /// Alters a message, and lets readers see it.
    fn alter(&mut self, conversation: &ConversationId, target: Seq, change: &Change<'_>) {
        let altered = self.altered.entry((conversation.clone(), target)).or_default();
        altered.alter(change);
        let (state, redacted) = (altered.state(), altered.redacted(target));
        for seq in redacted {
            self.redact(conversation, seq);
        }
        self.amend(conversation, target, |entry| entry.state = Some(state));
    }

    fn amend(&mut self, conversation: &ConversationId, seq: Seq, change: impl FnOnce(&mut Entry)) {
        let log = self.logs.get_mut(conversation);
        if let Some(entry) = log.and_then(|log| log.get_mut(&(seq, 0))) {
            change(Arc::make_mut(entry));
        }
    }

    fn collides(&self, entry: &Entry) -> bool {
        let known = key_of(entry).is_some_and(|key| self.keys.contains_key(&key));
        let taken = self.at(&entry.conversation, entry.seq).is_some();
        (known && !planted(defect::NO_IDEMPOTENCY)) || (taken && !planted(defect::NO_SEQ_INDEX))
    }

    fn store(&mut self, entry: &Arc<Entry>) {
        if let Some(key) = key_of(entry) {
            self.keys.entry(key).or_insert(entry.seq);
        }
        let log = self.logs.entry(entry.conversation.clone()).or_default();
        let before = log.range((entry.seq, 0)..=(entry.seq, usize::MAX)).count();
        log.insert((entry.seq, before), Arc::clone(entry));
    }

    pub(super) fn conversations(&self) -> impl Iterator<Item = &ConversationId> {
        self.logs.keys()
    }

    pub(super) fn head(&self, conversation: &ConversationId) -> Option<Arc<Entry>> {
        self.logs.get(conversation)?.values().next_back().cloned()
    }

    pub(super) fn at(&self, conversation: &ConversationId, seq: Seq) -> Option<Arc<Entry>> {
        self.logs.get(conversation)?.get(&(seq, 0)).cloned()
    }

    /// Entries with `after < seq < before`, ascending.
    pub(super) fn between(
        &self,
        conversation: &ConversationId,
        after: Seq,
        before: Seq,
    ) -> impl DoubleEndedIterator<Item = Arc<Entry>> {
        let log = self
            .logs
            .get(conversation)
            .filter(|_| after < before.saturating_sub(1));
        log.into_iter()
            .flat_map(move |log| log.range((after + 1, 0)..(before, 0)))
            .map(|(_, entry)| Arc::clone(entry))
    }

    pub(super) fn find(
        &self,
        conversation: &ConversationId,
        (sender, client_id): &(UserId, ClientId),
    ) -> Option<Arc<Entry>> {
        let key = (conversation.clone(), Some(sender.clone()), client_id.clone());
        self.at(conversation, *self.keys.get(&key)?)
    }
}

fn key_of(entry: &Entry) -> Option<Key> {
    let client_id = entry.client_id.clone()?;
    Some((entry.conversation.clone(), entry.sender.clone(), client_id))
}
