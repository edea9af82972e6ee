//! Redis: hints in both directions. Nothing here may be needed to keep a promise.

use crate::config::Seq;
use crate::store::LOG;

/// Past every head.
const BEYOND: Seq = LOG as Seq + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Redis {
    pub(crate) lock: Lock,
    /// `None` where the key is missing.
    pub(crate) marks: Option<Marks>,
    /// Whether the nodes are on the conversation's route.
    pub(crate) routed: bool,
    /// The highest head that was ever committed: a replica that is behind holds this or an older one.
    pub(crate) committed: Seq,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Marks {
    pub(crate) counter: Seq,
    /// `None`: places were reserved since the keys were lost, but nothing was committed.
    pub(crate) head: Option<Seq>,
}

impl Marks {
    pub(crate) fn clean(head: Seq) -> Self {
        Self {
            counter: head,
            head: Some(head),
        }
    }
}

/// Tokens are distinct for each claim, so a lock is either that of a node's present claim or of one that nobody
/// will use again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lock {
    Free,
    Node(u8),
    Nobody,
}

impl Redis {
    pub(crate) fn new() -> Self {
        Self {
            lock: Lock::Free,
            marks: Some(Marks::clean(1)),
            routed: true,
            committed: 1,
        }
    }

    pub(crate) fn is_open_to(&self, node: usize) -> bool {
        match self.lock {
            Lock::Free => true,
            Lock::Node(holder) => usize::from(holder) == node,
            Lock::Nobody => false,
        }
    }

    pub(crate) fn is_held_by(&self, node: usize) -> bool {
        self.lock == Lock::Node(node as u8)
    }

    /// `reserve.lua`, granted: the marks as they were before.
    pub(crate) fn reserve(&mut self, lock: Lock, want: usize) -> Option<Marks> {
        let before = self.marks;
        self.lock = lock;
        self.advance(want);
        before
    }

    pub(crate) fn advance(&mut self, want: usize) {
        let marks = self.marks.get_or_insert(Marks {
            counter: 0,
            head: None,
        });
        marks.counter = (marks.counter + want as Seq).min(BEYOND);
    }

    /// A counter that is ahead of the head stays ahead until both are set, so it does not matter by how much.
    pub(crate) fn forget_how_far_ahead(&mut self) {
        if let Some(marks) = &mut self.marks
            && marks.head.is_none_or(|head| marks.counter > head)
        {
            marks.counter = BEYOND;
        }
    }

    /// `commit.lua`, with the token in force: the marks are set.
    pub(crate) fn commit(&mut self, head: Seq) {
        self.marks = Some(Marks::clean(head));
        self.committed = self.committed.max(head);
    }

    /// The claim of a node will not be used again.
    pub(crate) fn disown(&mut self, node: usize) {
        if self.is_held_by(node) {
            self.lock = Lock::Nobody;
        }
    }

    pub(crate) fn release(&mut self, node: usize) {
        if self.is_held_by(node) {
            self.lock = Lock::Free;
        }
    }

    pub(crate) fn flush(&mut self) {
        self.lock = Lock::Free;
        self.marks = None;
        self.routed = false;
    }
}
