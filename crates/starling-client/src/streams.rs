//! Each conversation's place in its log: the one thing that decides what the application sees. Pure, no I/O.
//!
//! Constraints: an entry is passed on exactly when its seq is the cursor + 1 (I4, I8). What is not above the
//! cursor is dropped; what is above it waits, bounded, while the hole before it is filled from the log.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use starling_protocol::limits::{MAX_CURSORS, MAX_FRAME_BYTES};
use starling_protocol::{
    self as protocol, Body, ConversationId, ConversationState, Entry, ErrorCode, HistoryPage, Seq, Sync,
    UserId,
};

use crate::Event;
use crate::shared::Counters;

/// Entries of one conversation that wait behind a hole. Beyond these the log is read again.
const MAX_HELD: usize = 256;

/// What a stream needs from the server to go on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// The log of this conversation after its cursor, now.
    Fill(ConversationId),
    /// The same after a pause: the last answer brought nothing.
    FillLater(ConversationId),
    /// After a pause, a `sync` for this conversation: the server did not start its stream.
    Sync(ConversationId),
}

/// All conversations of one client.
#[derive(Debug)]
pub(crate) struct Streams {
    by_id: HashMap<ConversationId, Stream>,
    me: Option<UserId>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Stream {
    /// The last entry that was passed on.
    cursor: Seq,
    /// The highest seq that is known to exist. Above the cursor while a hole is being filled.
    seen: Seq,
    /// Entries above the hole.
    held: BTreeMap<Seq, Arc<Entry>>,
    filling: Filling,
    membership: Membership,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Filling {
    #[default]
    No,
    /// Until the cursor reaches what has been seen.
    ToSeen,
    /// Until the log that this user may read ends: the server no longer streams it.
    ToEnd,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Membership {
    #[default]
    Member,
    Former,
}

impl Streams {
    /// Streams that go on after `cursors`.
    pub(crate) fn new(cursors: BTreeMap<ConversationId, Seq>, counters: Arc<Counters>) -> Self {
        let by_id = cursors
            .into_iter()
            .map(|(id, cursor)| (id, Stream::at(cursor)))
            .collect();
        Self {
            by_id,
            me: None,
            counters,
        }
    }

    /// Says whose streams these are, so that a removal is recognised.
    pub(crate) fn belong_to(&mut self, me: UserId) {
        self.me = Some(me);
    }

    /// The command that resumes all streams. Cursors beyond what a command may hold are left out: the
    /// server then starts those conversations elsewhere, and the hole is filled like any other.
    pub(crate) fn sync_all(&self) -> Sync {
        let members = |(_, stream): &(&ConversationId, &Stream)| stream.membership == Membership::Member;
        sync_of(self.by_id.iter().filter(members))
    }

    /// The command that resumes these. Streams that run already are not touched by it, and what is unknown to
    /// us needs no cursor.
    pub(crate) fn sync_some(&self, ids: &BTreeSet<ConversationId>) -> Sync {
        sync_of(ids.iter().filter_map(|id| self.by_id.get_key_value(id)))
    }

    /// The cursor of a conversation; 0 for one that is not known.
    pub(crate) fn cursor(&self, id: &ConversationId) -> Seq {
        self.by_id.get(id).map_or(0, |stream| stream.cursor)
    }

    /// The connection ended: what was asked will not be answered, and the next `sync` asks anew.
    pub(crate) fn disconnected(&mut self) {
        for stream in self.by_id.values_mut() {
            stream.held.clear();
            stream.seen = stream.cursor;
            stream.filling = Filling::No;
        }
    }

    /// An entry of the live stream.
    pub(crate) fn entry(&mut self, entry: Arc<Entry>, out: &mut VecDeque<Event>) -> Option<Need> {
        let stream = match self.by_id.get_mut(&entry.conversation) {
            Some(stream) => stream,
            // The first entry explains itself.
            None if entry.seq == 1 => self.by_id.entry(entry.conversation.clone()).or_default(),
            None => {
                Counters::add(&self.counters.gaps);
                return Some(Need::Sync(entry.conversation.clone()));
            }
        };
        if entry.seq <= stream.cursor {
            Counters::add(&self.counters.duplicates);
            return None;
        }
        if entry.seq > stream.cursor + 1 {
            let conversation = entry.conversation.clone();
            stream.hold(entry, &self.counters);
            return stream.fill(conversation, Filling::ToSeen, &self.counters);
        }
        stream.pass(entry, self.me.as_ref(), out);
        stream.release(self.me.as_ref(), out);
        None
    }

    /// A conversation's stream starts. Where we have a cursor it is kept: entries up to it will be dropped as
    /// duplicates, and a start beyond it is a hole.
    pub(crate) fn start(&mut self, mut state: ConversationState, out: &mut VecDeque<Event>) -> Option<Need> {
        let id = state.conversation.id.clone();
        let start = state.cursor;
        let stream = self.by_id.entry(id.clone()).or_insert_with(|| Stream::at(start));
        stream.membership = Membership::Member;
        stream.seen = stream.seen.max(start);
        state.cursor = stream.cursor;
        out.push_back(Event::Conversation(state));
        (start > stream.cursor)
            .then(|| stream.fill(id, Filling::ToSeen, &self.counters))
            .flatten()
    }

    /// The server would not follow our cursor.
    pub(crate) fn refused(&mut self, id: &ConversationId, error: &protocol::Error) -> Option<Need> {
        let stream = self.by_id.get_mut(id)?;
        match error.code {
            // Read what this user may still read: it ends with the removal.
            ErrorCode::NotAMember | ErrorCode::UnknownConversation | ErrorCode::ConversationDeleted => {
                stream.fill(id.clone(), Filling::ToEnd, &self.counters)
            }
            // `cursor_ahead` too: a store that has just failed over may have to catch up with what we have seen.
            _ => Some(Need::Sync(id.clone())),
        }
    }

    /// A page of the log after the cursor.
    pub(crate) fn page(
        &mut self,
        id: &ConversationId,
        page: HistoryPage,
        out: &mut VecDeque<Event>,
    ) -> Option<Need> {
        let stream = self
            .by_id
            .get_mut(id)
            .filter(|stream| stream.filling != Filling::No)?;
        let before = stream.cursor;
        for entry in page.entries {
            // Live entries may have overtaken the page. A page with a hole in it is not believed past the hole.
            if entry.seq == stream.cursor + 1 {
                stream.pass(entry, self.me.as_ref(), out);
            }
        }
        stream.release(self.me.as_ref(), out);
        let to_end = stream.filling == Filling::ToEnd;
        if stream.cursor >= stream.seen && !(to_end && page.more) {
            stream.filling = Filling::No;
            if to_end {
                stream.removed(id, out);
            }
            return None;
        }
        let progress = stream.cursor > before;
        Some(if progress {
            Need::Fill(id.clone())
        } else {
            Need::FillLater(id.clone())
        })
    }

    /// A page of the log was refused.
    pub(crate) fn no_page(
        &mut self,
        id: &ConversationId,
        error: &protocol::Error,
        out: &mut VecDeque<Event>,
    ) -> Option<Need> {
        let stream = self
            .by_id
            .get_mut(id)
            .filter(|stream| stream.filling != Filling::No)?;
        match error.code {
            ErrorCode::NotAMember
            | ErrorCode::UnknownConversation
            | ErrorCode::ConversationDeleted
            | ErrorCode::Forbidden => {
                stream.held.clear();
                stream.seen = stream.cursor;
                stream.filling = Filling::No;
                stream.removed(id, out);
                None
            }
            _ => Some(Need::FillLater(id.clone())),
        }
    }
}

impl Stream {
    fn at(cursor: Seq) -> Self {
        Self {
            cursor,
            seen: cursor,
            ..Self::default()
        }
    }

    /// The only place where a cursor moves.
    fn pass(&mut self, entry: Arc<Entry>, me: Option<&UserId>, out: &mut VecDeque<Event>) {
        debug_assert_eq!(entry.seq, self.cursor + 1, "I4");
        self.cursor = entry.seq;
        self.seen = self.seen.max(self.cursor);
        let id = entry.conversation.clone();
        let change = me.and_then(|me| change_of(&entry.body, me));
        out.push_back(Event::Entry(entry));
        match change {
            Some(Membership::Former) => self.removed(&id, out),
            Some(Membership::Member) => self.membership = Membership::Member,
            None => {}
        }
    }

    /// Passes on what waited behind a hole that is now filled.
    fn release(&mut self, me: Option<&UserId>, out: &mut VecDeque<Event>) {
        while let Some(first) = self.held.first_entry() {
            if *first.key() > self.cursor + 1 {
                break;
            }
            let entry = first.remove();
            if entry.seq > self.cursor {
                self.pass(entry, me, out);
            }
        }
    }

    fn hold(&mut self, entry: Arc<Entry>, counters: &Counters) {
        self.seen = self.seen.max(entry.seq);
        if self.held.insert(entry.seq, entry).is_some() {
            Counters::add(&counters.duplicates);
        }
        // The highest go first: the log gives them again once the hole is closed.
        if self.held.len() > MAX_HELD {
            self.held.pop_last();
        }
    }

    /// Starts to fill a hole, unless that is under way.
    fn fill(&mut self, id: ConversationId, filling: Filling, counters: &Counters) -> Option<Need> {
        if self.filling != Filling::No {
            return None;
        }
        self.filling = filling;
        if filling == Filling::ToSeen {
            Counters::add(&counters.gaps);
        }
        Some(Need::Fill(id))
    }

    fn removed(&mut self, id: &ConversationId, out: &mut VecDeque<Event>) {
        if self.membership == Membership::Member {
            self.membership = Membership::Former;
            out.push_back(Event::Removed(id.clone()));
        }
    }
}

fn sync_of<'a>(streams: impl Iterator<Item = (&'a ConversationId, &'a Stream)>) -> Sync {
    let mut bytes = 0;
    let cursors = streams
        .take(MAX_CURSORS)
        .take_while(|(id, _)| {
            // The key, a number of up to 20 digits, and punctuation.
            bytes += id.as_str().len() + 24;
            bytes < MAX_FRAME_BYTES - 1024
        })
        .map(|(id, stream)| (id.clone(), stream.cursor))
        .collect();
    Sync { cursors }
}

/// What an entry makes of this user's membership.
fn change_of(body: &Body, me: &UserId) -> Option<Membership> {
    match body {
        body if body.ends_membership_of(me) => Some(Membership::Former),
        Body::Joined { users, .. } if users.contains(me) => Some(Membership::Member),
        Body::Created { members, .. } if members.iter().any(|member| member.user == *me) => {
            Some(Membership::Member)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::{Content, ConversationSummary, Kind, Role};

    use super::*;

    fn id(name: &str) -> ConversationId {
        ConversationId::new(name).unwrap()
    }

    fn entry_of(conversation: &str, seq: Seq, body: Body) -> Arc<Entry> {
        Arc::new(Entry {
            conversation: id(conversation),
            seq,
            sender: None,
            client_id: None,
            lamport: seq,
            at: 0,
            messages: seq,
            membership: 1,
            body,
            state: None,
        })
    }

    fn entry(seq: Seq) -> Arc<Entry> {
        entry_of("c", seq, Body::Message(Content::text("x")))
    }

    fn page(seqs: impl IntoIterator<Item = Seq>, more: bool) -> HistoryPage {
        HistoryPage {
            entries: seqs.into_iter().map(entry).collect(),
            more,
        }
    }

    fn state(conversation: &str, cursor: Seq) -> ConversationState {
        ConversationState {
            cursor,
            conversation: ConversationSummary {
                id: id(conversation),
                kind: Kind::Group,
                name: None,
                description: None,
                avatar_url: None,
                open: false,
                role: Role::Member,
                head: cursor,
                delivered: 0,
                read: 0,
                unread: 0,
                hidden: false,
                last: None,
            },
        }
    }

    /// What the server says, in short.
    enum Says {
        Start(Seq),
        Entry(Seq),
        Page(Vec<Seq>, bool),
        NoPage(ErrorCode),
        Refused(ErrorCode),
    }
    use Says::{Entry as E, NoPage, Page, Refused, Start};

    struct Fixture {
        streams: Streams,
        out: VecDeque<Event>,
        counters: Arc<Counters>,
    }

    fn fixture(cursor: Option<Seq>) -> Fixture {
        let counters = Arc::new(Counters::default());
        let cursors = cursor.map(|cursor| (id("c"), cursor)).into_iter().collect();
        let mut streams = Streams::new(cursors, Arc::clone(&counters));
        streams.belong_to(UserId::new("me").unwrap());
        Fixture {
            streams,
            out: VecDeque::new(),
            counters,
        }
    }

    impl Fixture {
        fn hear(&mut self, says: &Says) -> Option<Need> {
            let Self { streams, out, .. } = self;
            match says {
                Start(cursor) => streams.start(state("c", *cursor), out),
                E(seq) => streams.entry(entry(*seq), out),
                Page(seqs, more) => streams.page(&id("c"), page(seqs.iter().copied(), *more), out),
                NoPage(code) => streams.no_page(&id("c"), &protocol::Error::new(*code, ""), out),
                Refused(code) => streams.refused(&id("c"), &protocol::Error::new(*code, "")),
            }
        }

        fn seqs(&self) -> Vec<Seq> {
            let seq = |event: &Event| match event {
                Event::Entry(entry) => Some(entry.seq),
                _ => None,
            };
            self.out.iter().filter_map(seq).collect()
        }
    }

    fn fill() -> Option<Need> {
        Some(Need::Fill(id("c")))
    }

    fn later() -> Option<Need> {
        Some(Need::FillLater(id("c")))
    }

    #[test]
    fn entries_pass_in_order_without_gap_or_double() {
        let check =
            |cursor: Option<Seq>, says: &[(Says, Option<Need>)], seqs: &[Seq], duplicates: u64, gaps: u64| {
                let mut fixture = fixture(cursor);
                for (step, (says, need)) in says.iter().enumerate() {
                    assert_eq!(fixture.hear(says), *need, "step {step} towards {seqs:?}");
                }
                assert_eq!(fixture.seqs(), seqs);
                assert_eq!(
                    Counters::get(&fixture.counters.duplicates),
                    duplicates,
                    "duplicates of {seqs:?}"
                );
                assert_eq!(Counters::get(&fixture.counters.gaps), gaps, "gaps of {seqs:?}");
            };
        // No cursor: the server's start is adopted.
        check(
            None,
            &[(Start(7), None), (E(8), None), (E(9), None)],
            &[8, 9],
            0,
            0,
        );
        // A lower start than ours: duplicates are dropped.
        check(
            Some(5),
            &[(Start(3), None), (E(4), None), (E(5), None), (E(6), None)],
            &[6],
            2,
            0,
        );
        // Doubles of the live stream.
        check(
            Some(0),
            &[(Start(0), None), (E(1), None), (E(1), None), (E(2), None)],
            &[1, 2],
            1,
            0,
        );
        // A hole: what follows waits, one page closes it.
        check(
            Some(1),
            &[
                (E(2), None),
                (E(5), fill()),
                (E(6), None),
                (Page(vec![3, 4, 5], true), None),
                (E(7), None),
            ],
            &[2, 3, 4, 5, 6, 7],
            0,
            1,
        );
        // A start beyond our cursor is a hole too, and takes two pages.
        check(
            Some(1),
            &[
                (Start(6), fill()),
                (E(7), None),
                (Page(vec![2, 3], true), fill()),
                (Page(vec![4, 5, 6], false), None),
            ],
            &[2, 3, 4, 5, 6, 7],
            0,
            1,
        );
        // A page that is overtaken by the live stream.
        check(
            Some(1),
            &[
                (E(3), fill()),
                (E(2), None),
                (E(4), None),
                (Page(vec![2, 3], true), None),
            ],
            &[2, 3, 4],
            0,
            1,
        );
        // A page that brings nothing, and one with a hole in it, are asked for again.
        check(
            Some(1),
            &[
                (E(5), fill()),
                (Page(vec![], false), later()),
                (Page(vec![2, 4], false), fill()),
                (NoPage(ErrorCode::Unavailable), later()),
                (Page(vec![3, 4, 5], false), None),
            ],
            &[2, 3, 4, 5],
            0,
            1,
        );
        // Never announced: not passed on, unless it is the very first entry.
        check(
            None,
            &[(E(3), Some(Need::Sync(id("c")))), (Start(2), None), (E(3), None)],
            &[3],
            0,
            1,
        );
        check(None, &[(E(1), None), (E(2), None)], &[1, 2], 0, 0);
        // A page that nobody asked for.
        check(Some(1), &[(Page(vec![2], false), None), (E(2), None)], &[2], 0, 0);
        // A double of one that waits.
        check(
            Some(0),
            &[(E(3), fill()), (E(3), None), (Page(vec![1, 2, 3], false), None)],
            &[1, 2, 3],
            1,
            1,
        );
    }

    #[test]
    fn what_waits_behind_a_hole_is_bounded() {
        let mut fixture = fixture(Some(0));
        let last = 2 * MAX_HELD as Seq;
        for seq in 2..=last {
            fixture.hear(&E(seq));
        }
        assert_eq!(fixture.streams.by_id[&id("c")].held.len(), MAX_HELD);
        assert_eq!(
            fixture.hear(&Page(vec![1], true)),
            fill(),
            "what was let go of is read again"
        );
        let rest: Vec<_> = (MAX_HELD as Seq + 2..=last).collect();
        assert_eq!(fixture.hear(&Page(rest, false)), None);
        assert_eq!(fixture.seqs(), (1..=last).collect::<Vec<_>>());
    }

    #[test]
    fn a_removal_is_told_once_and_after_its_entry() {
        let left = |seq| {
            entry_of(
                "c",
                seq,
                Body::Left {
                    user: UserId::new("me").unwrap(),
                },
            )
        };
        let removed = |fixture: &Fixture| {
            let of = |event: &Event| matches!(event, Event::Removed(_));
            (
                fixture.out.iter().filter(|event| of(event)).count(),
                fixture.out.back().is_some_and(of),
            )
        };

        let mut live = fixture(Some(1));
        live.streams.entry(left(2), &mut live.out);
        assert_eq!(removed(&live), (1, true));
        assert!(
            live.streams.sync_all().cursors.is_empty(),
            "a former member does not ask for the stream"
        );
        let joined = Body::Joined {
            users: vec![UserId::new("me").unwrap()],
            role: Role::Member,
            invite: None,
        };
        live.streams.start(state("c", 2), &mut live.out);
        live.streams.entry(entry_of("c", 3, joined), &mut live.out);
        assert_eq!(live.streams.sync_all().cursors[&id("c")], 3, "a member again");

        // Removed while away: the rest is read from the log.
        let mut away = fixture(Some(1));
        assert_eq!(away.hear(&Refused(ErrorCode::NotAMember)), fill());
        let last = HistoryPage {
            entries: vec![entry(2), left(3)],
            more: false,
        };
        assert_eq!(away.streams.page(&id("c"), last, &mut away.out), None);
        assert_eq!(away.seqs(), [2, 3]);
        assert_eq!(removed(&away), (1, true));

        // Nothing to do with membership.
        for code in [ErrorCode::Unavailable, ErrorCode::CursorAhead] {
            assert_eq!(fixture(Some(1)).hear(&Refused(code)), Some(Need::Sync(id("c"))));
        }

        // Not even the log may be read.
        let mut gone = fixture(Some(1));
        assert_eq!(gone.hear(&Refused(ErrorCode::UnknownConversation)), fill());
        assert_eq!(gone.hear(&NoPage(ErrorCode::UnknownConversation)), None);
        assert_eq!(removed(&gone), (1, true));
    }

    #[test]
    fn a_disconnect_forgets_holes_and_keeps_cursors() {
        let mut fixture = fixture(Some(1));
        assert_eq!(fixture.hear(&E(4)), fill());
        fixture.streams.disconnected();
        assert_eq!(
            fixture.hear(&Page(vec![2], false)),
            None,
            "an answer to a question of the old connection"
        );
        assert_eq!(fixture.streams.cursor(&id("c")), 1);
        assert_eq!(fixture.hear(&Start(1)), None);
        assert_eq!(fixture.hear(&E(2)), None);
        assert_eq!(fixture.seqs(), [2]);
    }

    #[test]
    fn a_sync_fits_into_a_frame() {
        let check = |conversations: usize, bytes: usize| {
            let name = |n: usize| id(&format!("{n:0bytes$}"));
            let cursors = (0..conversations).map(|n| (name(n), Seq::MAX)).collect();
            let sync = Streams::new(cursors, Arc::default()).sync_all();
            let frame = protocol::ClientFrame {
                id: u64::MAX,
                command: protocol::Command::Sync(sync.clone()),
            };
            for codec in protocol::Codec::ALL {
                let bytes = codec.encode(&frame).as_bytes().len();
                assert!(bytes <= MAX_FRAME_BYTES, "{bytes} bytes of {codec:?}");
            }
            sync.cursors.len()
        };
        assert_eq!(check(10, 36), 10);
        assert_eq!(check(3_000, 36), MAX_CURSORS);
        assert!(check(1_000, 128) > 400);
    }
}
