//! Commands without a definite answer. Pure: no socket, and time comes from outside.
//!
//! A *send* is here whatever has a key: an edit, a deletion and a reaction, too.
//!
//! Constraints: what was under way when a connection ended goes out again before anything newer, oldest first
//! (I5); a send is given up only by a definite answer or by its deadline (I3).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use starling_protocol::{self as protocol, ClientFrame, Command, ConversationId, ErrorCode, Reply};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::Error;
use crate::backoff;
use crate::shared::Counters;

/// After the rate limit was hit, sends go one at a time for so long: of several under way, a later one could
/// slip through where an earlier one was put off.
const CAREFUL: Duration = Duration::from_secs(10);

/// Where a command's outcome goes.
pub(crate) type Respond = oneshot::Sender<Result<Reply, Error>>;

/// What an answer asks of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is settled, or will be tried again on this connection.
    GoOn,
    /// Nothing new may go out on this connection: the outcome of a send is unknown and nothing may overtake
    /// it, or the token is not valid any more. Connect anew and send again.
    ConnectAnew,
}

/// All unanswered commands of one client.
#[derive(Debug)]
pub(crate) struct Pending {
    commands: BTreeMap<u64, Unanswered>,
    /// Those that wait to be sent.
    queue: BTreeSet<u64>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// Conversations whose sends wait, and until when.
    pauses: HashMap<ConversationId, Instant>,
    /// All sends wait until then: the rate limit is the user's.
    limited: Option<Instant>,
    careful: Option<Instant>,
    /// A search of the queue found nothing to send before this.
    quiet_until: Option<Quiet>,
    under_way: usize,
    window: usize,
    room: usize,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Unanswered {
    command: Command,
    respond: Respond,
    deadline: Option<Instant>,
    /// For commands without a key: not before this.
    pause: Option<Instant>,
    state: State,
    /// How often it was put off in a row.
    put_off: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Never sent.
    New,
    UnderWay,
    /// Sent, and definitely not carried out; or not a send.
    Again,
    /// Sent, and perhaps stored.
    Uncertain,
    UncertainUnderWay,
}

#[derive(Debug, Clone, Copy)]
enum Quiet {
    Until(Instant),
    UntilChanged,
}

impl Pending {
    /// At most `window` commands are under way at a time, and at most `room` are taken from the application.
    pub(crate) fn new(window: usize, room: usize, counters: Arc<Counters>) -> Self {
        Self {
            commands: BTreeMap::new(),
            queue: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            pauses: HashMap::new(),
            limited: None,
            careful: None,
            quiet_until: None,
            under_way: 0,
            window: window.max(1),
            room: room.max(1),
            counters,
        }
    }

    /// Whether one more may be taken from the application.
    pub(crate) fn has_room(&self) -> bool {
        self.commands.len() < self.room
    }

    /// Takes a command. `id` must be higher than all before: it is the order, and the id on the wire.
    pub(crate) fn push(&mut self, id: u64, command: Command, respond: Respond, deadline: Option<Instant>) {
        debug_assert!(self.commands.last_key_value().is_none_or(|(last, _)| *last < id));
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
        let unanswered = Unanswered {
            command,
            respond,
            deadline,
            pause: None,
            state: State::New,
            put_off: 0,
        };
        self.commands.insert(id, unanswered);
        self.enqueue(id);
    }

    /// The next frame to send now. Call until there is none.
    pub(crate) fn next(&mut self, now: Instant) -> Option<ClientFrame> {
        match self.quiet_until {
            Some(Quiet::UntilChanged) => return None,
            Some(Quiet::Until(time)) if now < time => return None,
            _ => self.quiet_until = None,
        }
        let window = if self.careful.is_some_and(|until| now < until) {
            1
        } else {
            self.window
        };
        if self.under_way >= window {
            return None;
        }
        self.pauses.retain(|_, until| now < *until);
        let mut wake: Option<Instant> = None;
        let found = self.queue.iter().copied().find(|id| {
            let until = self
                .commands
                .get(id)
                .and_then(|unanswered| match unanswered.command.key() {
                    Some((conversation, _)) => self.pauses.get(conversation).copied().max(self.limited),
                    None => unanswered.pause,
                });
            match until.filter(|until| now < *until) {
                Some(until) => {
                    wake = Some(wake.map_or(until, |wake| wake.min(until)));
                    false
                }
                None => true,
            }
        });
        let Some(id) = found else {
            self.quiet_until = Some(wake.map_or(Quiet::UntilChanged, Quiet::Until));
            return None;
        };
        self.queue.remove(&id);
        self.under_way += 1;
        let unanswered = self.commands.get_mut(&id)?;
        let first = unanswered.state == State::New;
        unanswered.state = match unanswered.state {
            State::Uncertain | State::UncertainUnderWay => State::UncertainUnderWay,
            _ => State::UnderWay,
        };
        if unanswered.command.key().is_some() {
            if !first {
                Counters::add(&self.counters.resends);
            }
            if unanswered.state == State::UncertainUnderWay {
                Counters::add(&self.counters.uncertain);
                unanswered.command.mark_as_retry();
            }
        }
        Some(ClientFrame {
            id,
            command: unanswered.command.clone(),
        })
    }

    /// The server's answer. One to a command that was given up in the meantime changes nothing.
    pub(crate) fn answer(
        &mut self,
        id: u64,
        result: Result<Reply, protocol::Error>,
        now: Instant,
        chance: f64,
    ) -> Answer {
        let Some(unanswered) = self
            .commands
            .get_mut(&id)
            .filter(|unanswered| unanswered.is_under_way())
        else {
            return Answer::GoOn;
        };
        let error = match result {
            Ok(reply) => {
                self.settle(id, Ok(reply));
                return Answer::GoOn;
            }
            Err(error) => error,
        };
        let pause = |put_off| {
            let asked = error.retry_after_ms.map(Duration::from_millis);
            now + asked.unwrap_or_else(|| backoff::retry(put_off, chance))
        };
        let is_keyed = unanswered.command.key().is_some();
        match error.code {
            ErrorCode::Unknown | ErrorCode::Internal if is_keyed => {
                unanswered.state = State::Uncertain;
                self.back_into_queue(id);
                return Answer::ConnectAnew;
            }
            // The connection ends with this; a new token may help.
            ErrorCode::Unauthenticated => {
                unanswered.state = unanswered.state.refused();
                self.back_into_queue(id);
                return Answer::ConnectAnew;
            }
            ErrorCode::RateLimited
            | ErrorCode::Unavailable
            | ErrorCode::TooManyConnections
            | ErrorCode::Unknown
            | ErrorCode::Internal => {
                let until = pause(unanswered.put_off);
                unanswered.put_off += 1;
                unanswered.state = unanswered.state.refused();
                match unanswered.command.key() {
                    Some((conversation, _)) => {
                        Counters::add(&self.counters.put_off);
                        if error.code == ErrorCode::RateLimited {
                            self.limited = self.limited.max(Some(until));
                            self.careful = Some(until + CAREFUL);
                        } else {
                            self.pauses.insert(conversation.clone(), until);
                        }
                    }
                    None => unanswered.pause = Some(until),
                }
                self.back_into_queue(id);
            }
            _ => self.settle(id, Err(Error::Refused(error))),
        }
        Answer::GoOn
    }

    /// The connection ended: what was under way may have been carried out, and goes out again first.
    pub(crate) fn disconnected(&mut self) {
        for (id, unanswered) in &mut self.commands {
            if unanswered.is_under_way() {
                unanswered.state = State::Uncertain;
                self.queue.insert(*id);
            }
        }
        self.under_way = 0;
        self.quiet_until = None;
    }

    /// Gives up what has passed its deadline.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((deadline, id)) = self.deadlines.first().copied() {
            if now < deadline {
                break;
            }
            let sent = self
                .commands
                .get(&id)
                .is_some_and(|unanswered| unanswered.state.may_be_stored());
            self.settle(id, Err(Error::Deadline { sent }));
        }
    }

    /// When [`Self::next`] has something again, if nothing else happens.
    pub(crate) fn quiet_until(&self) -> Option<Instant> {
        match self.quiet_until {
            Some(Quiet::Until(time)) => Some(time),
            _ => None,
        }
    }

    /// When [`Self::expire`] has something to give up.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Gives up all.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.queue.clear();
        self.deadlines.clear();
        self.under_way = 0;
        for (_, unanswered) in std::mem::take(&mut self.commands) {
            // Nobody may be waiting any more, which is not our concern.
            let _ = unanswered.respond.send(Err(error.clone()));
        }
    }

    fn enqueue(&mut self, id: u64) {
        self.queue.insert(id);
        self.quiet_until = None;
    }

    fn back_into_queue(&mut self, id: u64) {
        self.under_way -= 1;
        self.enqueue(id);
    }

    fn settle(&mut self, id: u64, result: Result<Reply, Error>) {
        let Some(unanswered) = self.commands.remove(&id) else {
            return;
        };
        self.queue.remove(&id);
        if unanswered.is_under_way() {
            self.under_way -= 1;
        }
        if let Some(deadline) = unanswered.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        let _ = unanswered.respond.send(result);
    }
}

impl Unanswered {
    fn is_under_way(&self) -> bool {
        matches!(self.state, State::UnderWay | State::UncertainUnderWay)
    }
}

impl State {
    /// This attempt was not carried out. An earlier one whose outcome is not known may have been.
    fn refused(self) -> Self {
        match self {
            Self::Uncertain | Self::UncertainUnderWay => Self::Uncertain,
            _ => Self::Again,
        }
    }

    fn may_be_stored(self) -> bool {
        !matches!(self, Self::New | Self::Again)
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::{ClientId, Ping, Send};
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    type Outcome = oneshot::Receiver<Result<Reply, Error>>;

    struct Fixture {
        pending: Pending,
        now: Instant,
        outcomes: BTreeMap<u64, Outcome>,
    }

    fn fixture(window: usize) -> Fixture {
        let pending = Pending::new(window, 100, Arc::default());
        Fixture {
            pending,
            now: Instant::now(),
            outcomes: BTreeMap::new(),
        }
    }

    fn error(code: ErrorCode) -> Result<Reply, protocol::Error> {
        Err(protocol::Error::new(code, "x"))
    }

    impl Fixture {
        fn push(&mut self, id: u64, command: Command, deadline: Option<Instant>) {
            let (respond, outcome) = oneshot::channel();
            self.outcomes.insert(id, outcome);
            self.pending.push(id, command, respond, deadline);
        }

        fn send(&mut self, id: u64, conversation: &str) {
            let conversation = ConversationId::new(conversation).unwrap();
            let send = Send::text(conversation, ClientId::new(id.to_string()).unwrap(), "x");
            self.push(id, Command::Send(send), None);
        }

        /// Ids that go out now; negative where they are marked as retries.
        fn sent(&mut self) -> Vec<i64> {
            let mut sent = Vec::new();
            while let Some(frame) = self.pending.next(self.now) {
                let retry = matches!(&frame.command, Command::Send(send) if send.retry);
                sent.push(if retry {
                    -(frame.id as i64)
                } else {
                    frame.id as i64
                });
            }
            sent
        }

        fn answer(&mut self, id: u64, result: Result<Reply, protocol::Error>) -> Answer {
            self.pending.answer(id, result, self.now, 1.0)
        }

        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }

        fn outcome(&mut self, id: u64) -> Option<Result<Reply, Error>> {
            match self.outcomes.get_mut(&id).unwrap().try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Closed) => panic!("{id} was dropped without an answer"),
            }
        }
    }

    #[test]
    fn after_a_disconnect_the_unanswered_go_first_oldest_first_and_marked() {
        let mut f = fixture(3);
        for id in 1..=5 {
            f.send(id, "c");
        }
        assert_eq!(f.sent(), [1, 2, 3], "the window");
        assert_eq!(f.answer(2, Ok(Reply::Done {})), Answer::GoOn);
        assert_eq!(f.sent(), [4]);
        f.pending.disconnected();
        f.send(6, "c");
        assert_eq!(f.sent(), [-1, -3, -4]);
        for id in [1, 3, 4] {
            f.answer(id, Ok(Reply::Done {}));
        }
        assert_eq!(f.sent(), [5, 6], "what was never sent is no retry");
        assert!((1..=4).all(|id| f.outcome(id) == Some(Ok(Reply::Done {}))));
        assert_eq!(f.outcome(5), None);
        assert_eq!(Counters::get(&f.pending.counters.resends), 3);
    }

    #[test]
    fn each_answer_has_its_consequence() {
        use ErrorCode as E;
        let check = |code: ErrorCode, answer: Answer, sent_again: &[i64]| {
            let mut f = fixture(10);
            f.send(1, "c");
            assert_eq!(f.sent(), [1]);
            assert_eq!(f.answer(1, error(code)), answer, "{code}");
            let refused = sent_again
                .is_empty()
                .then(|| Err(Error::Refused(error(code).unwrap_err())));
            assert_eq!(f.outcome(1), refused, "{code}");
            if answer == Answer::ConnectAnew {
                f.pending.disconnected();
            }
            f.pass(10_000);
            assert_eq!(f.sent(), sent_again, "{code}");
        };
        for &code in ErrorCode::ALL {
            match code {
                E::Unknown | E::Internal => check(code, Answer::ConnectAnew, &[-1]),
                E::Unauthenticated => check(code, Answer::ConnectAnew, &[1]),
                E::RateLimited | E::Unavailable | E::TooManyConnections => check(code, Answer::GoOn, &[1]),
                _ => check(code, Answer::GoOn, &[]),
            }
        }
    }

    #[test]
    fn a_send_that_is_put_off_holds_back_those_behind_it() {
        // Unavailable: its conversation waits, others do not.
        let mut f = fixture(10);
        f.send(1, "c");
        assert_eq!(f.sent(), [1]);
        let unavailable = protocol::Error::new(ErrorCode::Unavailable, "x").retry_after(500);
        f.answer(1, Err(unavailable));
        f.send(2, "c");
        f.send(3, "d");
        assert_eq!(f.sent(), [3]);
        assert_eq!(f.pending.quiet_until(), Some(f.now + Duration::from_millis(500)));
        f.pass(500);
        assert_eq!(f.sent(), [1, 2]);

        // Rate limited: all sends wait and then go one at a time, other commands do not.
        let mut f = fixture(10);
        f.send(1, "c");
        f.send(2, "d");
        assert_eq!(f.sent(), [1, 2]);
        for id in [1, 2] {
            f.answer(
                id,
                Err(protocol::Error::new(ErrorCode::RateLimited, "x").retry_after(100)),
            );
        }
        f.push(3, Command::Ping(Ping {}), None);
        assert_eq!(f.sent(), [3]);
        f.answer(3, Ok(Reply::Done {}));
        f.pass(100);
        assert_eq!(f.sent(), [1]);
        f.answer(1, Ok(Reply::Done {}));
        assert_eq!(f.sent(), [2]);
    }

    #[test]
    fn an_uncertain_send_stays_one_until_it_is_settled() {
        let mut f = fixture(10);
        f.send(1, "c");
        assert_eq!(f.sent(), [1]);
        f.pending.disconnected();
        assert_eq!(f.sent(), [-1]);
        f.answer(1, error(ErrorCode::Unavailable));
        f.pass(10_000);
        assert_eq!(f.sent(), [-1]);
        f.pending.disconnected();
        f.pending.disconnected();
        assert_eq!(f.sent(), [-1]);
        assert_eq!(f.answer(1, error(ErrorCode::NotAMember)), Answer::GoOn);
        assert_eq!(
            f.outcome(1).unwrap().unwrap_err().code(),
            Some(ErrorCode::NotAMember)
        );
    }

    #[test]
    fn a_deadline_says_whether_the_command_was_sent() {
        let mut f = fixture(1);
        let deadline = Some(f.now + Duration::from_millis(100));
        f.push(1, Command::Ping(Ping {}), deadline);
        f.push(2, Command::Ping(Ping {}), deadline);
        f.push(3, Command::Ping(Ping {}), None);
        assert_eq!(f.sent(), [1]);
        assert_eq!(f.pending.next_deadline(), deadline);
        f.pass(100);
        f.pending.expire(f.now);
        assert_eq!(f.outcome(1), Some(Err(Error::Deadline { sent: true })));
        assert_eq!(f.outcome(2), Some(Err(Error::Deadline { sent: false })));
        assert_eq!(f.sent(), [3], "its place in the window is free");
        assert_eq!(f.answer(1, Ok(Reply::Done {})), Answer::GoOn, "too late");
        f.pending.fail(&Error::Closed);
        assert_eq!(f.outcome(3), Some(Err(Error::Closed)));
        assert!(f.pending.has_room() && f.pending.next_deadline().is_none());
    }
}
