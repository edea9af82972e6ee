//! The invariants, one file each. Every one is a function from the facts to what it found against them.

pub(crate) mod i10_members;
pub(crate) mod i1_stored;
pub(crate) mod i2_unique;
pub(crate) mod i3_refused;
pub(crate) mod i4_streams;
pub(crate) mod i5_order;
pub(crate) mod i6_logs;
pub(crate) mod i7_convergence;
pub(crate) mod i8_gaps;
pub(crate) mod i9_marks;

use serde::Serialize;

/// What Starling promises, by the numbers of its design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Invariant {
    /// What is acknowledged is stored, at the acknowledged seq, for ever.
    I1,
    /// A place in a log, and a sender's client id, each name one entry.
    I2,
    /// What is refused is never visible.
    I3,
    /// Streams are contiguous and in order, and nothing comes twice.
    I4,
    /// What is acknowledged before something else is made comes before it; one client's sends keep their order.
    I5,
    /// Logs are contiguous from a `created` on, with their running marks right.
    I6,
    /// After the faults every connected client, and the directory, have what the log has.
    I7,
    /// No reader is led past a gap that is not explained.
    I8,
    /// Delivered and read marks never go back and never pass the head.
    I9,
    /// Nothing reaches one who is not a member, or comes from one who may not do it.
    I10,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
    ];

    /// What it promises, in a few words.
    pub fn promise(self) -> &'static str {
        match self {
            Self::I1 => "what is acknowledged is stored, where it says, for ever",
            Self::I2 => "a place and a client id each name one entry",
            Self::I3 => "what is refused is never visible",
            Self::I4 => "streams have no gap, no double, and are in order",
            Self::I5 => "acknowledged before made means stored before; a client's sends keep their order",
            Self::I6 => "logs are contiguous from `created` on, their marks right",
            Self::I7 => "in the end everybody has what the log has",
            Self::I8 => "no reader is led past a gap",
            Self::I9 => "marks never go back and never pass the head",
            Self::I10 => "nothing reaches a non-member, or comes from one who may not do it",
        }
    }
}

impl std::fmt::Display for Invariant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}
