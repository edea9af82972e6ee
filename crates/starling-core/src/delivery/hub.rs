//! One conversation on one node: where its stream stands, what it said lately, which sessions listen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use starling_protocol::{Body, Entry, HeadMark, ReceiptsChange, Seq, TypingChange};
use tokio::time::Instant;

use super::told::Told;
use crate::SharedFrame;
use crate::session::Session;

/// Lately delivered entries that a hub keeps, for sessions that are about to go live and for the sequencer.
const RING_ENTRIES: usize = 512;
const RING_BYTES: usize = 256 << 10;
/// Entries that arrived before their predecessors; beyond this they are dropped and read from the log.
const EARLY: usize = 2_048;

/// The stream of one conversation.
pub(crate) struct Hub {
    /// Where the stream stands: everything up to here is delivered to `sessions`. `None` until the head is read.
    mark: Option<HeadMark>,
    /// The last entries up to `mark`, contiguous.
    ring: VecDeque<Arc<SharedFrame>>,
    ring_bytes: usize,
    early: BTreeMap<Seq, Arc<Entry>>,
    sessions: Vec<Arc<Session>>,
    /// Sessions that are told of the conversation, and read its log still.
    starting: Vec<Arc<Session>>,
    /// What the sessions were told of members' marks, so that none is told twice or goes back (I9).
    told: Told,
    pub(crate) filling: bool,
    pub(crate) active: Instant,
}

/// Whether a session is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attach {
    /// It hears everything from here on.
    Attached,
    /// It must read up to this seq first.
    Behind(Seq),
    /// It claims to be ahead of the stream, which stands here.
    Ahead(Seq),
    /// Its user's membership ended, at this seq, in what was just delivered to it.
    Ended(Seq),
    /// There is no open hub.
    Closed,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            mark: None,
            ring: VecDeque::new(),
            ring_bytes: 0,
            early: BTreeMap::new(),
            sessions: Vec::new(),
            starting: Vec::new(),
            told: Told::default(),
            filling: false,
            active: Instant::now(),
        }
    }

    pub(crate) fn mark(&self) -> Option<HeadMark> {
        self.mark
    }

    pub(crate) fn has_sessions(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Starts the stream after `head`; what has arrived meanwhile follows.
    pub(crate) fn open(&mut self, head: HeadMark) {
        if self.mark.is_none() {
            self.mark = Some(head);
            self.early = self.early.split_off(&(head.seq + 1));
            self.offer(&[]);
        }
    }

    /// Takes entries in, in order and each once; what is early waits. `true`: something before it is missing.
    pub(crate) fn offer(&mut self, entries: &[Arc<Entry>]) -> bool {
        self.active = Instant::now();
        let Some(mark) = self.mark else {
            entries.iter().for_each(|entry| self.keep_early(entry));
            return false;
        };
        let mut run = Vec::with_capacity(entries.len());
        let mut next = mark.seq + 1;
        for entry in entries {
            if entry.seq == next {
                run.push(entry.clone());
                next += 1;
            } else if entry.seq > next {
                self.keep_early(entry);
            }
        }
        while let Some(first) = self.early.first_entry().filter(|first| *first.key() <= next) {
            let entry = first.remove();
            if entry.seq == next {
                run.push(entry);
                next += 1;
            }
        }
        self.deliver(&run);
        !self.early.is_empty()
    }

    fn keep_early(&mut self, entry: &Arc<Entry>) {
        if self.early.len() < EARLY {
            self.early.insert(entry.seq, entry.clone());
        }
    }

    /// Hands a run to the sessions: in pieces that end with a removal, since nothing after it reaches the removed
    /// member (I10).
    fn deliver(&mut self, run: &[Arc<Entry>]) {
        for piece in run.split_inclusive(|entry| entry.body.ends_memberships()) {
            let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
                continue;
            };
            debug_assert!(
                self.mark.is_some_and(|mark| mark.seq + 1 == first.seq),
                "I4: in order, none skipped"
            );
            self.mark = Some(last.mark());
            let frames: Vec<_> = piece.iter().cloned().map(SharedFrame::entry).collect();
            for session in &self.sessions {
                session.outbox().push_all(&frames);
            }
            let deliveries = self.sessions.len() * frames.len();
            metrics::counter!("starling_deliveries_total").increment(deliveries as u64);
            self.sessions.retain(|session| {
                let left = ends(last, session);
                if left {
                    session.end_stream(&last.conversation, last.seq);
                }
                !left
            });
            self.remember(frames);
        }
    }

    fn remember(&mut self, frames: Vec<Arc<SharedFrame>>) {
        for frame in frames {
            if let Some(Body::Deleted { target }) = frame.entry_ref().map(|entry| &entry.body) {
                self.redact(*target);
            }
            self.ring_bytes += frame.weight();
            self.ring.push_back(frame);
        }
        while self.ring.len() > RING_ENTRIES || (self.ring_bytes > RING_BYTES && self.ring.len() > 1) {
            let Some(old) = self.ring.pop_front() else { break };
            // The weight of a frame changes once it is encoded; the sum is an estimate.
            self.ring_bytes = self.ring_bytes.saturating_sub(old.weight());
        }
    }

    /// Takes the text of a message, and of what edits it, out of the ring: whoever comes later is not told it.
    fn redact(&mut self, message: Seq) {
        for frame in &mut self.ring {
            let Some(entry) = frame.entry_ref() else { continue };
            let is_edit = matches!(entry.body, Body::Edited { target, .. } if target == message);
            if entry.seq == message || is_edit {
                let mut entry = Entry::clone(entry);
                entry.redact();
                *frame = SharedFrame::entry(Arc::new(entry));
            }
        }
    }

    /// A session is about to be told of the conversation. Its people's presence concerns it from here on: it may ask
    /// for that as soon as it is told, long before it has read its way to [`attach`](Self::attach).
    pub(crate) fn expect(&mut self, session: &Arc<Session>) {
        self.starting.push(session.clone());
    }

    /// Makes a session live that has everything up to `position`, if the ring holds what it lacks and its outbox has
    /// room for that.
    pub(crate) fn attach(&mut self, session: &Arc<Session>, position: Seq) -> Attach {
        let Some(mark) = self.mark else {
            return Attach::Closed;
        };
        if position > mark.seq {
            return Attach::Ahead(mark.seq);
        }
        let missing = usize::try_from(mark.seq - position).unwrap_or(usize::MAX);
        if missing > self.ring.len() {
            return Attach::Behind(mark.seq);
        }
        let missing = self.ring.range(self.ring.len() - missing..);
        // Pushing here waits for nobody: what does not fit is read at the reader's own pace.
        let weight = missing.clone().map(|frame| frame.weight()).sum();
        if weight > 0 && !session.outbox().is_roomy_with(weight) {
            return Attach::Behind(mark.seq);
        }
        for frame in missing {
            session.outbox().push(frame.clone());
            if let Some(entry) = frame.entry_ref().filter(|entry| ends(entry, session)) {
                return Attach::Ended(entry.seq);
            }
        }
        if !self
            .sessions
            .iter()
            .any(|attached| Arc::ptr_eq(attached, session))
        {
            self.sessions.push(session.clone());
        }
        self.starting.retain(|starting| !Arc::ptr_eq(starting, session));
        Attach::Attached
    }

    /// Tells the sessions which marks have moved. They are members as of where the stream stands (I10).
    pub(crate) fn tell_receipts(&mut self, change: ReceiptsChange) {
        if let Some(news) = self.told.news(change) {
            self.tell(&SharedFrame::receipts(news));
        }
    }

    /// Tells the sessions of all other users that one types.
    pub(crate) fn tell_typing(&self, change: TypingChange) {
        let typist = change.user.clone();
        let frame = SharedFrame::typing(change);
        for session in self.sessions.iter().filter(|session| *session.user() != typist) {
            session.outbox().push_if_roomy(&frame);
        }
    }

    /// The sessions, those included that are about to be live, unless there are more than `limit`.
    pub(crate) fn followers(&self, limit: usize) -> Vec<Arc<Session>> {
        if self.sessions.len() + self.starting.len() > limit {
            return Vec::new();
        }
        self.sessions.iter().chain(&self.starting).cloned().collect()
    }

    fn tell(&self, frame: &Arc<SharedFrame>) {
        for session in &self.sessions {
            session.outbox().push_if_roomy(frame);
        }
    }

    pub(crate) fn detach(&mut self, session: &Session) {
        for sessions in [&mut self.sessions, &mut self.starting] {
            sessions.retain(|attached| !std::ptr::eq(attached.as_ref(), session));
        }
    }

    /// The entries after `seq`, if the ring goes back that far; otherwise none.
    pub(crate) fn recent_after(&self, seq: Seq) -> Vec<Arc<Entry>> {
        let Some(mark) = self.mark.filter(|mark| mark.seq > seq) else {
            return Vec::new();
        };
        let missing = usize::try_from(mark.seq - seq).unwrap_or(usize::MAX);
        if missing > self.ring.len() {
            return Vec::new();
        }
        self.ring
            .range(self.ring.len() - missing..)
            .filter_map(|frame| frame.entry_ref().cloned())
            .collect()
    }
}

/// Whether an entry ends the membership of a session's user.
pub(crate) fn ends(entry: &Entry, session: &Session) -> bool {
    entry.body.ends_membership_of(session.user())
}
