//! Each safeguard taken out is missed, by the property that it is there for.

use starling_core::defect;
use starling_model::Ask::{Add, Message, Remove};
use starling_model::Kind::{
    Apply, Counter, Crash, Cut, Election, Flush, GiveUp, Lag, Publish, Recover, Redis, Unknown,
};
use starling_model::properties::{APPLIED, CONTIGUOUS, DELIVERED, IN_ORDER, MEMBERS, ONCE, REFUSED, STORED};
use starling_model::{Ask, Config, Defect, Kind, explore};

/// Explores without a safeguard; a shortest violation must be one of `property`.
fn check(defect: Defect, ann: &[Ask], bob: &[Ask], faults: &[Kind], property: &str) {
    let config = Config::new(defect.name(), ann, bob).faults(faults.len() as u8, faults);
    let sound = explore(&config);
    assert!(sound.violated.is_empty(), "nothing is missing yet: {sound}");
    let explored = explore(&config.without(defect));
    println!("{explored}");
    let shortest = explored.violated.iter().map(|(_, path)| path.len()).min();
    let found = explored.violated.iter().find(|(name, _)| *name == property);
    assert_eq!(found.map(|(_, path)| path.len()), shortest, "{explored}");
    assert!(shortest.is_some(), "not found: {explored}");
}

#[test]
fn the_names_are_those_of_the_engine() {
    // An edit is an effect like any other here, and guarded like any other.
    let all = defect::ALL
        .iter()
        .filter(|defect| **defect != defect::EDITS_UNGUARDED);
    assert!(Defect::IN_ENGINE.map(Defect::name).iter().eq(all));
}

#[test]
fn no_seq_index() {
    check(Defect::NoSeqIndex, &[Message], &[Message], &[Redis], ONCE);
}

#[test]
fn no_idempotency() {
    check(Defect::NoIdempotency, &[], &[Message], &[Cut], ONCE);
}

#[test]
fn minority_writes() {
    check(Defect::MinorityWrites, &[], &[Message], &[Election], STORED);
}

#[test]
fn counter_trusted() {
    check(Defect::CounterTrusted, &[], &[Message], &[Counter], CONTIGUOUS);
}

#[test]
fn counter_trusted_after_a_flush_of_it() {
    check(
        Defect::CounterTrusted,
        &[Message],
        &[Message],
        &[Crash, Flush],
        CONTIGUOUS,
    );
}

#[test]
fn quiet_not_recovered() {
    check(Defect::QuietNotRecovered, &[Remove], &[], &[Crash], APPLIED);
}

#[test]
fn effects_unguarded() {
    check(Defect::EffectsUnguarded, &[Remove, Add], &[], &[Recover], APPLIED);
}

#[test]
fn membership_at_enqueue() {
    check(Defect::MembershipAtEnqueue, &[Remove], &[Message], &[], MEMBERS);
}

#[test]
fn no_resync() {
    check(Defect::NoResync, &[Message], &[], &[Publish], DELIVERED);
}

/// Found in the engine by this model: a node stores a removal, fails to apply it, and commits as if it had. The
/// next holder finds clean marks and marks all as applied. The first one then has nothing left to make good.
#[test]
fn found_marks_while_suspect() {
    check(
        Defect::MarksWhileSuspect,
        &[Remove, Message],
        &[],
        &[Apply, Cut],
        APPLIED,
    );
}

/// Found in the engine: a node that could not reach Redis appends behind a removal that a crashed node has stored
/// and not applied, and marks both as applied.
#[test]
fn found_others_taken_as_applied() {
    check(
        Defect::OthersTakenAsApplied,
        &[Remove, Message],
        &[],
        &[Crash, Redis],
        APPLIED,
    );
}

/// Found in the engine: a retry is looked up and absent; its first try lands, then the removal; the retry is
/// refused by the state after both.
#[test]
fn found_retry_refused_unseen() {
    check(
        Defect::RetryRefusedUnseen,
        &[Remove],
        &[Message],
        &[Cut, Crash],
        REFUSED,
    );
}

/// Found in the engine: a retry joins its first try, which waits in a queue still and was never looked up, while
/// a second try on another node was stored before the removal.
#[test]
fn found_retry_forgotten() {
    check(
        Defect::RetryForgotten,
        &[Remove],
        &[Message],
        &[Cut, Crash],
        REFUSED,
    );
}

/// Found in the engine: what is given up ends the connections that asked for it, and what they sent behind it is
/// not appended; but not if they had ended before, for another reason.
#[test]
fn found_give_up_forgotten() {
    check(
        Defect::GiveUpForgotten,
        &[],
        &[Message, Message],
        &[Cut, Cut, GiveUp],
        IN_ORDER,
    );
}

/// Found in the engine: a recovery reads from a new primary that has not caught up, and marks as applied what it
/// was not given.
#[test]
fn found_short_reads() {
    check(Defect::ShortReads, &[Remove], &[Message], &[Lag, Crash], APPLIED);
}

/// The same reads, taken for proof that an operation is absent.
#[test]
fn found_short_lookups() {
    check(Defect::ShortReads, &[Remove], &[Message], &[Lag, Cut], REFUSED);
}

/// An answer that is lost in the middle of a batch does none of this harm by itself.
#[test]
fn an_unknown_outcome_alone_is_no_defect() {
    let config = Config::new("unknown", &[Remove, Message], &[Message]).faults(1, &[Unknown]);
    let explored = explore(&config);
    assert!(explored.violated.is_empty(), "{explored}");
}
