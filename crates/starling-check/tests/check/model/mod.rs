//! A tiny Starling in memory that makes correct histories: one seed, one history with its store.
//!
//! It is correct by being simple: one thread, one step at a time, every step at a random device. Connections have two
//! queues, so that replies, streams and commands are under way at the same time and are lost with the connection.

mod conversation;
mod device;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_check::history::Call;
use starling_check::store::StoreRecord;
use starling_check::{Record, Recorder};
use starling_protocol::{
    Body, ClientId, Command, ConversationId, Error, ErrorCode, Event, History, HistoryPage, Reply, Role, Seq,
    ServerFrame, Synced, UserId,
};

use conversation::Conversation;
use device::{Device, Out};

/// A history and the store that goes with it.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) history: Vec<Record>,
    pub(crate) store: Vec<StoreRecord>,
}

/// The user who is never a member of anything.
pub(crate) const OUTSIDER: &str = "u9";

const STEPS: usize = 2_500;

/// Makes a run.
pub(crate) fn run(seed: u64) -> Run {
    let mut world = World::new(seed);
    for step in 0..STEPS {
        match step {
            500 => world.recorder.fault_start("kill", Some("node-1")),
            900 => world.recorder.fault_stop("kill", 2, None),
            1_200 => world.recorder.fault_start("flush", None),
            1_300 => world.recorder.fault_stop("flush", 1, None),
            _ => {}
        }
        world.step();
    }
    world.finish()
}

struct World {
    rng: StdRng,
    clock: Arc<AtomicU64>,
    recorder: Arc<Recorder>,
    conversations: Vec<Conversation>,
    devices: Vec<Device>,
    sends: u64,
    /// No more ends of connections, and no more errors but one.
    calm: bool,
    /// Whether somebody was told `rate_limited` and certainly heard it: that limits were hit must be known.
    limited: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let ticking = Arc::clone(&clock);
        let recorder =
            Recorder::in_memory_with_clock(move || Duration::from_micros(ticking.load(Ordering::Relaxed)));
        let user = |n: usize| UserId::new(format!("u{n}")).unwrap();
        let group = |name: &str, members: &[usize]| {
            Conversation::new(name, &members.iter().map(|n| user(*n)).collect::<Vec<_>>())
        };
        let names = [
            "u0", "u0/phone", "u1", "u2", "u2/phone", "u3", "u4", OUTSIDER, "u1/watch",
        ];
        let devices = names.map(|name| Device::new(&recorder, name));
        Self {
            rng: StdRng::seed_from_u64(seed),
            clock,
            recorder,
            conversations: vec![
                group("c0", &[0, 1, 2, 3, 4]),
                group("c1", &[1, 0, 2]),
                group("c2", &[2, 3]),
            ],
            devices: devices.into(),
            sends: 0,
            calm: false,
            limited: false,
        }
    }

    fn step(&mut self) {
        self.clock
            .fetch_add(self.rng.random_range(1_000..60_000), Ordering::Relaxed);
        let d = self.rng.random_range(0..self.devices.len());
        if !self.devices[d].connected {
            match self.rng.random_range(0..10) {
                0..5 => self.devices[d].connect(),
                5 => self.speak(d),
                6 => self.give_up(d),
                _ => {}
            }
            return;
        }
        match self.rng.random_range(0..100) {
            0..15 => self.speak(d),
            15..40 => drop(self.serve(d)),
            40..65 => drop(self.pump(d)),
            65..88 => drop(self.hear(d)),
            88..91 => self.change(d),
            91..93 => self.mark(d),
            93 => self.read(d),
            94 => self.devices[d].sync(),
            95 => self.give_up(d),
            96 => self.cut(d),
            _ => {
                for _ in 0..20 {
                    self.serve(d);
                    self.pump(d);
                    self.hear(d);
                }
            }
        }
    }

    /// Says a last word in each conversation, lets everything arrive, and looks at the store.
    fn finish(mut self) -> Run {
        self.calm = true;
        self.recorder.healed();
        self.settle();
        for c in 0..self.conversations.len() {
            let first = self.conversations[c].creator.clone();
            let d = self
                .devices
                .iter()
                .position(|device| device.user == first)
                .unwrap();
            self.speak_in(d, c);
        }
        self.settle();
        for device in self.devices.iter().filter(|device| device.connected) {
            device.recorder.finished(device.cursors.clone());
        }
        Run {
            history: self.recorder.records(),
            store: self.conversations.iter().flat_map(Conversation::stored).collect(),
        }
    }

    /// Everybody but the last device connects, and everything under way arrives.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.clock.fetch_add(100, Ordering::Relaxed);
            let mut quiet = true;
            for d in 0..self.devices.len() {
                if !self.devices[d].connected && d + 1 < self.devices.len() {
                    self.devices[d].connect();
                    quiet = false;
                }
                quiet &= !(self.serve(d) | self.pump(d) | self.hear(d));
            }
            if quiet {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn speak(&mut self, d: usize) {
        let c = self.rng.random_range(0..self.conversations.len());
        self.speak_in(d, c);
    }

    fn speak_in(&mut self, d: usize, c: usize) {
        self.sends += 1;
        let client_id = ClientId::new(format!("s{}", self.sends)).unwrap();
        self.devices[d].speak(self.conversations[c].id.clone(), client_id);
    }

    fn give_up(&mut self, d: usize) {
        let device = &mut self.devices[d];
        if !device.pending.is_empty() {
            let index = self.rng.random_range(0..device.pending.len());
            let pending = device.pending.remove(index);
            device.recorder.info(pending.op, "deadline");
        }
    }

    /// The connection breaks: some of what is under way still arrives.
    fn cut(&mut self, d: usize) {
        for _ in 0..self.rng.random_range(0..10) {
            self.serve(d);
        }
        for _ in 0..self.rng.random_range(0..10) {
            self.hear(d);
        }
        self.devices[d].disconnect(1006);
    }

    /// The client hears what comes next. Whether there was anything.
    fn hear(&mut self, d: usize) -> bool {
        self.devices[d].hear()
    }

    /// The server carries out the device's next command. Whether there was any.
    fn serve(&mut self, d: usize) -> bool {
        let Some(frame) = self.devices[d].inbox.pop_front() else {
            return false;
        };
        if self.devices[d].is_closing() {
            return true;
        }
        let user = self.devices[d].user.clone();
        let result = match frame.command {
            Command::Sync(sync) => Ok(Reply::Synced(self.stream(d, &sync.cursors))),
            Command::Send(send) => {
                let chance = match (self.calm, self.limited) {
                    (false, _) => self.rng.random_range(0..100),
                    (true, false) => 0,
                    (true, true) => 100,
                };
                self.limited |= self.calm;
                let conversation = self.conversation(&send.conversation);
                match chance {
                    0 | 1 => Err(refused(ErrorCode::RateLimited)),
                    2 => Err(refused(ErrorCode::Unknown)),
                    3 => {
                        // Whether it was stored or refused, nobody is told.
                        let _ = conversation.send(&user, &send);
                        Err(refused(ErrorCode::Unknown))
                    }
                    _ => conversation.send(&user, &send).map(Reply::Sent),
                }
            }
            Command::Delivered(mark) => {
                let conversation = self.conversation(&mark.conversation);
                conversation.mark(&user, mark.seq).map(|()| Reply::Done {})
            }
            Command::History(history) => {
                let conversation = self.conversation(&history.conversation);
                conversation.page(&user, history.after.unwrap_or_default())
            }
            other => panic!("the model knows no {other:?}"),
        };
        let undecided = matches!(&result, Err(error) if error.code == ErrorCode::Unknown);
        let device = &mut self.devices[d];
        device.say(ServerFrame::Reply { id: frame.id, result });
        if undecided {
            device.outbox.push_back(Out::Close(4003));
        }
        true
    }

    fn stream(&mut self, d: usize, cursors: &std::collections::BTreeMap<ConversationId, Seq>) -> Synced {
        let device = &mut self.devices[d];
        device.live = true;
        for conversation in &self.conversations {
            let named = cursors.get(&conversation.id).copied();
            if conversation.members.contains_key(&device.user) {
                let waiting = conversation.delivered.get(&device.user).copied();
                match named {
                    None if device.streams.contains_key(&conversation.id) => {}
                    None if self.rng.random_bool(0.5) => {
                        device.start(conversation, waiting.unwrap_or_else(|| conversation.head()));
                    }
                    None => device.start(conversation, conversation.head()),
                    Some(cursor) => device.start(conversation, cursor),
                }
            } else if let (Some(cursor), Some(left)) = (named, conversation.left(&device.user)) {
                device.streams.remove(&conversation.id);
                for entry in conversation.between(cursor, left) {
                    device.say(ServerFrame::Event(Event::Entry(entry)));
                }
            }
        }
        Synced::default()
    }

    /// The next entry of one of the device's streams goes out. Whether there was any.
    fn pump(&mut self, d: usize) -> bool {
        let device = &mut self.devices[d];
        let behind: Vec<_> = self
            .conversations
            .iter()
            .filter(|conversation| {
                let position = device.streams.get(&conversation.id);
                position.is_some_and(|position| *position < conversation.head())
            })
            .collect();
        if behind.is_empty() {
            return false;
        }
        let conversation = behind[self.rng.random_range(0..behind.len())];
        let position = device.streams.get_mut(&conversation.id).unwrap();
        *position += 1;
        let entry = conversation.entry(*position);
        let gone = matches!(&entry.body, Body::Left { user } if *user == device.user)
            && !conversation.members.contains_key(&device.user);
        device.say(ServerFrame::Event(Event::Entry(entry)));
        if gone {
            device.streams.remove(&conversation.id);
        }
        true
    }

    /// A change of membership, at once, whose reply may be lost.
    fn change(&mut self, d: usize) {
        let c = self.rng.random_range(0..self.conversations.len());
        let conversation = &mut self.conversations[c];
        let device = &self.devices[d];
        let (id, user) = (conversation.id.clone(), device.user.clone());
        let other = UserId::new(format!("u{}", self.rng.random_range(0..5))).unwrap();
        if user.as_str() == OUTSIDER {
            return;
        }
        let is_creator = user == conversation.creator;
        let is_member = conversation.members.contains_key(&user);
        let (call, result) = match self.rng.random_range(0..4) {
            0 => {
                let joined = conversation.join(&user, std::slice::from_ref(&user));
                (Call::Join { conversation: id }, Ok(joined))
            }
            1 => {
                let left = match (is_creator, is_member) {
                    (true, _) => Err(ErrorCode::Forbidden),
                    (false, false) => Err(ErrorCode::NotAMember),
                    (false, true) => Ok(conversation.leave(&user, &user)),
                };
                (Call::Leave { conversation: id }, left)
            }
            2 => {
                let users = vec![other, user.clone()];
                let added = if is_member {
                    Ok(conversation.join(&user, &users))
                } else {
                    Err(ErrorCode::NotAMember)
                };
                let call = Call::Add {
                    conversation: id,
                    users,
                };
                (call, added)
            }
            _ => {
                let removed = if is_creator && other != user {
                    Ok(conversation.leave(&user, &other))
                } else {
                    Err(ErrorCode::Forbidden)
                };
                let call = Call::Remove {
                    conversation: id,
                    user: other,
                };
                (call, removed)
            }
        };
        let op = device.recorder.invoke(call);
        match result {
            Err(code) => device.recorder.fail(op, code),
            Ok(_) if self.rng.random_bool(0.1) => device.recorder.info(op, "the reply is lost"),
            Ok(seq) => device.recorder.ok(op, Some(seq)),
        }
        self.welcome(c);
    }

    /// Who has become a member, and listens, is given the stream.
    fn welcome(&mut self, c: usize) {
        let conversation = &self.conversations[c];
        let entry = conversation.entry(conversation.head());
        if let Body::Joined { users, .. } = &entry.body {
            for device in self
                .devices
                .iter_mut()
                .filter(|device| users.contains(&device.user))
            {
                if device.live && !device.streams.contains_key(&conversation.id) {
                    device.start(conversation, entry.seq - 1);
                }
            }
        }
    }

    fn mark(&mut self, d: usize) {
        let through_application = self.rng.random_bool(0.3);
        let device = &mut self.devices[d];
        if !device.cursors.is_empty() {
            let index = self.rng.random_range(0..device.cursors.len());
            device.mark(index, through_application);
        }
    }

    fn read(&mut self, d: usize) {
        let c = self.rng.random_range(0..self.conversations.len());
        let conversation = &self.conversations[c];
        let after = self.rng.random_range(0..conversation.head());
        self.devices[d].transmit(Command::History(History {
            conversation: conversation.id.clone(),
            before: None,
            after: Some(after),
            limit: None,
        }));
    }

    fn conversation(&mut self, id: &ConversationId) -> &mut Conversation {
        self.conversations.iter_mut().find(|one| one.id == *id).unwrap()
    }
}

fn refused(code: ErrorCode) -> Error {
    Error::new(code, "as the model wants")
}

fn page(entries: Vec<Arc<starling_protocol::Entry>>) -> Reply {
    Reply::History(HistoryPage { entries, more: false })
}

fn role_of(index: usize) -> Role {
    if index == 0 { Role::Admin } else { Role::Member }
}
