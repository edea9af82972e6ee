//! Safeguards that can be taken out of the model, to show that the checker would miss them.

/// One safeguard that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The log has no unique key (conversation, seq).
    NoSeqIndex,
    /// The log has no unique key (conversation, sender, client id), and retries are not looked up.
    NoIdempotency,
    /// An insert is acknowledged before a majority has it.
    MinorityWrites,
    /// The next seq is what coordination counts, not what follows the held head.
    CounterTrusted,
    /// A log that nobody writes to again is not recovered after its node's crash.
    QuietNotRecovered,
    /// Effects that are applied again, or late, overwrite newer ones.
    EffectsUnguarded,
    /// Membership is checked when an operation is queued, not when it is appended.
    MembershipAtEnqueue,
    /// Missed messages of other nodes are not made up for.
    NoResync,
    /// A batch whose effects are not applied sets the marks as a clean one does. (The engine did so until this
    /// model showed it.)
    MarksWhileSuspect,
    /// What a node has stored counts as applied up to its head, although entries of others that it has not
    /// applied may stand below. (Likewise.)
    OthersTakenAsApplied,
    /// A send that is marked as a retry is refused by a state that is newer than its lookup. (Likewise.)
    RetryRefusedUnseen,
    /// A retry that meets its first try in a queue is not looked up. (Likewise.)
    RetryForgotten,
    /// Giving an operation up stops what came behind it only by a connection that still stands. (Likewise.)
    GiveUpForgotten,
    /// Reads of a primary that has not caught up are taken for the whole. (Likewise.)
    ShortReads,
}

impl Defect {
    /// Those that can be planted in the engine too, by the same names.
    pub const IN_ENGINE: [Self; 8] = [
        Self::NoSeqIndex,
        Self::NoIdempotency,
        Self::MinorityWrites,
        Self::CounterTrusted,
        Self::QuietNotRecovered,
        Self::EffectsUnguarded,
        Self::MembershipAtEnqueue,
        Self::NoResync,
    ];

    /// Those that this model has found in the engine.
    pub const FOUND: [Self; 6] = [
        Self::MarksWhileSuspect,
        Self::OthersTakenAsApplied,
        Self::RetryRefusedUnseen,
        Self::RetryForgotten,
        Self::GiveUpForgotten,
        Self::ShortReads,
    ];

    /// Its name, as in `starling_core::defect` where it exists there.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSeqIndex => "defect_no_seq_index",
            Self::NoIdempotency => "defect_no_idempotency",
            Self::MinorityWrites => "defect_minority_writes",
            Self::CounterTrusted => "defect_counter_trusted",
            Self::QuietNotRecovered => "defect_quiet_not_recovered",
            Self::EffectsUnguarded => "defect_effects_unguarded",
            Self::MembershipAtEnqueue => "defect_membership_at_enqueue",
            Self::NoResync => "defect_no_resync",
            Self::MarksWhileSuspect => "marks_while_suspect",
            Self::OthersTakenAsApplied => "others_taken_as_applied",
            Self::RetryRefusedUnseen => "retry_refused_unseen",
            Self::RetryForgotten => "retry_forgotten",
            Self::GiveUpForgotten => "give_up_forgotten",
            Self::ShortReads => "short_reads",
        }
    }
}
