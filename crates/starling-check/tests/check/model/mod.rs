//! A tiny Starling in memory that makes correct histories: one seed, one history with its store.
//!
//! It is correct by being simple: one thread, one step at a time, every step at a random device. Connections have two
//! queues, so that replies, streams and commands are under way at the same time and are lost with the connection.

mod conversation;
mod device;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_check::store::StoreRecord;
use starling_check::{Record, Recorder};
use starling_protocol::{
    ClientId, Command, Entry, Error, ErrorCode, History, HistoryPage, Reply, Role, UserId,
};

use conversation::Conversation;
use device::Device;

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
            65..86 => drop(self.hear(d)),
            86..91 => self.change(d),
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

    fn mark(&mut self, d: usize) {
        let (through_application, read) = (self.rng.random_bool(0.3), self.rng.random_bool(0.4));
        let device = &mut self.devices[d];
        if !device.cursors.is_empty() {
            let index = self.rng.random_range(0..device.cursors.len());
            device.mark(index, through_application, read);
        }
    }

    fn read(&mut self, d: usize) {
        let c = self.rng.random_range(0..self.conversations.len());
        let conversation = &self.conversations[c];
        let after = self.rng.random_range(0..conversation.head());
        self.devices[d].transmit(Command::History(History {
            after: Some(after),
            ..History::newest(conversation.id.clone())
        }));
    }
}

fn refused(code: ErrorCode) -> Error {
    Error::new(code, "as the model wants")
}

fn page(entries: Vec<Arc<Entry>>) -> Reply {
    Reply::History(HistoryPage { entries, more: false })
}

fn role_of(index: usize) -> Role {
    if index == 0 { Role::Admin } else { Role::Member }
}
