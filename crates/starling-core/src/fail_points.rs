//! Fail points at the windows in which a crash or a stall would hurt most.
//!
//! Off unless the crate `fail` is built with its `failpoints` feature. Configured as that crate does, for
//! example `FAILPOINTS='before_insert=1*off->1*return(crash)'`. Besides its own actions (sleep, pause, print)
//! `return(crash)` kills the process on the spot and `return(stop)` stops it as SIGSTOP does.

/// The windows, in the order in which a batch passes them.
pub const WINDOWS: &[&str] = &[
    "after_lease",
    "after_reserve",
    "before_insert",
    "after_insert",
    "after_publish",
    "before_release",
];

/// Defects that can be planted to show that the checker finds them: each takes one safeguard out. A defect is a
/// fail point too, so that none of it exists in a build without the feature: `FAILPOINTS='defect_no_resync=return'`.
pub mod defect {
    /// The log has no unique key (conversation, seq).
    pub const NO_SEQ_INDEX: &str = "defect_no_seq_index";
    /// The log has no unique key (conversation, sender, client_id), and retries are not looked up.
    pub const NO_IDEMPOTENCY: &str = "defect_no_idempotency";
    /// An insert is acknowledged before a majority has it.
    pub const MINORITY_WRITES: &str = "defect_minority_writes";
    /// The next seq is what coordination counts, not what follows the held head.
    pub const COUNTER_TRUSTED: &str = "defect_counter_trusted";
    /// A log that nobody writes to again is not recovered after its node's crash.
    pub const QUIET_NOT_RECOVERED: &str = "defect_quiet_not_recovered";
    /// Effects that are applied again, or late, overwrite newer ones.
    pub const EFFECTS_UNGUARDED: &str = "defect_effects_unguarded";
    /// An edit that is applied again, or late, overwrites a newer one.
    pub const EDITS_UNGUARDED: &str = "defect_edits_unguarded";
    /// Membership is checked when an operation is queued, not when it is appended.
    pub const MEMBERSHIP_AT_ENQUEUE: &str = "defect_membership_at_enqueue";
    /// Missed messages of other nodes are not made up for.
    pub const NO_RESYNC: &str = "defect_no_resync";

    /// All of them.
    pub const ALL: &[&str] = &[
        NO_SEQ_INDEX,
        NO_IDEMPOTENCY,
        MINORITY_WRITES,
        COUNTER_TRUSTED,
        QUIET_NOT_RECOVERED,
        EFFECTS_UNGUARDED,
        EDITS_UNGUARDED,
        MEMBERSHIP_AT_ENQUEUE,
        NO_RESYNC,
    ];
}

/// Whether a defect of [`defect`] is planted; never in a build without the feature `failpoints`.
#[cfg(feature = "failpoints")]
pub fn planted(defect: &str) -> bool {
    fail::fail_point!(defect, |_| true);
    false
}

/// Whether a defect of [`defect`] is planted; never in a build without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
pub const fn planted(_: &str) -> bool {
    false
}

/// Passes a window: one of [`WINDOWS`], or of an adapter's own.
#[cfg(feature = "failpoints")]
pub fn window(name: &str) {
    fail::fail_point!(name, |action| act(name, action.as_deref()));
}

/// Passes a window: one of [`WINDOWS`], or of an adapter's own.
#[cfg(not(feature = "failpoints"))]
pub fn window(_: &str) {}

#[cfg(feature = "failpoints")]
fn act(name: &str, action: Option<&str>) {
    tracing::warn!(window = name, action, "fail point struck");
    match action {
        Some("crash") => std::process::abort(),
        Some("stop") => {
            let pid = std::process::id().to_string();
            let status = std::process::Command::new("kill").args(["-STOP", &pid]).status();
            tracing::warn!(window = name, ?status, "continued after a stop");
        }
        _ => {}
    }
}
