//! What is modelled: who asks for what, on how many nodes, with which faults, and what is missing.

use crate::Defect;

/// An operation, by its place in [`Config::ops`].
pub type OpId = u8;

/// A place in the log; 0 is before the first.
pub type Seq = u8;

/// The clients: ann is an admin and stays one, bob is the member who may be removed and added.
pub(crate) const ANN: usize = 0;
pub(crate) const BOB: usize = 1;
pub(crate) const CLIENTS: usize = 2;

/// What an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The first entry of the log; it is there from the beginning.
    Create,
    /// A message of the sender. Sent again, marked as a retry, until it is answered.
    Message,
    /// End bob's membership. Not sent again: its key is new with every try.
    Remove,
    /// Make bob a member. Likewise.
    Add,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    pub(crate) sender: usize,
    pub(crate) ask: Ask,
}

/// Kinds of faults. A configuration allows so many of each, and so many in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A node dies and starts anew, knowing nothing.
    Crash,
    /// A client's connection ends; it connects to some node and sends again what is unanswered.
    Cut,
    /// An insert is not answered in time, whatever becomes of it.
    Unknown,
    /// A lease ends while its holder is at work.
    Expire,
    /// Redis loses everything.
    Flush,
    /// Redis fails over to a replica that is behind: an older pair of equal marks, no lease.
    FailOver,
    /// Redis' counter is set back, or ahead.
    Counter,
    /// A call to Redis fails, carried out or not.
    Redis,
    /// A guarded update of the directory fails.
    Apply,
    /// What is published reaches nobody.
    Publish,
    /// An operation's time is up.
    GiveUp,
    /// Somebody has a conversation recovered that needs it or not.
    Recover,
    /// A primary is elected that lacks what no majority had.
    Election,
    /// A primary is elected that does not know yet how much a majority has.
    Lag,
    /// An idle actor goes away.
    Retire,
}

pub(crate) const KINDS: usize = Kind::Retire as usize + 1;

/// A configuration: the bounds of one exploration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name.
    pub name: &'static str,
    /// What is missing.
    pub defect: Option<Defect>,
    pub(crate) nodes: usize,
    pub(crate) ops: Vec<Op>,
    pub(crate) scripts: [Vec<OpId>; CLIENTS],
    pub(crate) homes: [usize; CLIENTS],
    pub(crate) max_batch: usize,
    pub(crate) faults: u8,
    pub(crate) allowed: [u8; KINDS],
    /// Whether a refusal must hold even if the membership is regained.
    pub(crate) strict_refusals: bool,
    /// Whether what is inserted has a majority only in a step of its own.
    pub(crate) slow_majority: bool,
}

impl Config {
    /// Two nodes, ann on the first with her operations and bob on the second with his, and no faults.
    pub fn new(name: &'static str, ann: &[Ask], bob: &[Ask]) -> Self {
        let mut ops = vec![Op {
            sender: ANN,
            ask: Ask::Create,
        }];
        let mut script = |sender: usize, asks: &[Ask]| {
            asks.iter()
                .map(|ask| {
                    ops.push(Op { sender, ask: *ask });
                    (ops.len() - 1) as OpId
                })
                .collect()
        };
        let scripts = [script(ANN, ann), script(BOB, bob)];
        Self {
            name,
            defect: None,
            nodes: 2,
            ops,
            scripts,
            homes: [0, 1],
            max_batch: 2,
            faults: 0,
            allowed: [0; KINDS],
            strict_refusals: false,
            slow_majority: false,
        }
    }

    /// So many faults in all, each kind at most as often as it is named.
    #[must_use]
    pub fn faults(mut self, most: u8, kinds: &[Kind]) -> Self {
        self.faults = most;
        for kind in kinds {
            self.allowed[*kind as usize] += 1;
        }
        self.slow_majority |= kinds.contains(&Kind::Election);
        self
    }

    /// So many nodes.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// The nodes that ann and bob are connected to at first.
    #[must_use]
    pub fn homes(mut self, ann: usize, bob: usize) -> Self {
        self.homes = [ann, bob];
        self
    }

    /// So many entries in one batch at most.
    #[must_use]
    pub fn max_batch(mut self, most: usize) -> Self {
        self.max_batch = most;
        self
    }

    /// A refusal must hold even if the membership is regained. (It need not; see the crate's documentation.)
    #[must_use]
    pub fn strict_refusals(mut self) -> Self {
        self.strict_refusals = true;
        self
    }

    /// Without one safeguard.
    #[must_use]
    pub fn without(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    pub(crate) fn lacks(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    pub(crate) fn op(&self, op: OpId) -> Op {
        self.ops[usize::from(op)]
    }

    /// What an operation makes of bob's membership.
    pub(crate) fn membership(&self, op: OpId) -> Option<bool> {
        match self.op(op).ask {
            Ask::Create | Ask::Add => Some(true),
            Ask::Remove => Some(false),
            Ask::Message => None,
        }
    }
}
