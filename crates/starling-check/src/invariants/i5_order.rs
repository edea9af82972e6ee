//! I5: real-time order, and the order of each client's own sends.
//!
//! **Acknowledged before made.** A send is made when it first goes out (or, where the wire was not recorded, when
//! the application asks). Whatever was acknowledged to anybody before that has a lower seq. Since what a client
//! does is recorded before, and what it learns after the fact, the recorded order is enough to conclude this.
//!
//! **First in, first out.** A client's sends to a conversation are stored in the order of their first
//! transmission: a connection keeps its order, and the next one begins with what is unanswered, oldest first.
//! It binds only the sends for which the protocol promises it:
//!
//! - A send that was ever answered with an error is left out. Sent again it is a new one.
//! - A send whose outcome the application was never told was given up, and not sent again on later connections: it
//!   may be stored late. It must come after what was sent before it, but nothing need come after it.
//! - The answer to a refusal may be lost with its connection; what is then sent again is also a new send, and
//!   nobody can see that. So a send that went out twice is not held against a later one if a refusal is plausible:
//!   the user was no member, or muted, at some place of the log between what was acknowledged a while before it was
//!   made and where it is stored; or it is a reaction or governs the conversation, which may be refused for much, and for
//!   which there may be nothing to change at first; or anybody was ever told `rate_limited`. (For the full strength of
//!   this invariant, run with limits that are not hit.)

use std::collections::{BTreeMap, HashMap};

use starling_protocol::{Body, ConversationId, ErrorCode, Seq, UserId};

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::{Call, Record, What};
use crate::logs::Stored;
use crate::sends::Send;

/// A refusal may follow from a head that is so many nanoseconds old: a primary that was deposed need not know it.
const OLD: u64 = 30_000_000_000;

pub(crate) fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    let acknowledged = acknowledged(facts);
    real_time(facts, &acknowledged, &mut findings);
    first_in_first_out(facts, &acknowledged, &mut findings);
    findings
}

fn real_time(facts: &Facts<'_>, acknowledged: &HashMap<&str, Vec<Ack>>, findings: &mut Findings) {
    for send in facts.sends.iter() {
        let Some(made) = send.made() else { continue };
        let Some(seq) = place(facts, send) else { continue };
        let Some(acks) = acknowledged.get(send.conversation) else {
            continue;
        };
        let before = acks.partition_point(|ack| facts.time(ack.record) < facts.time(made));
        let Some(floor) = before.checked_sub(1).and_then(|last| acks.get(last)) else {
            continue;
        };
        if seq > floor.seq {
            continue;
        }
        let own = send.acks.first().map(|(record, _)| *record);
        findings.add(history([Some(floor.record), Some(made), own]), || {
            format!(
                "{} of {} was acknowledged before {} of {} was made, which is stored at {seq}",
                floor.seq, send.conversation, send.client_id, send.client
            )
        });
    }
}

/// An acknowledgement, with the largest acknowledged seq up to it.
struct Ack {
    record: usize,
    seq: Seq,
}

/// Acknowledgements by conversation, in the order of time, those only that raise the largest seq.
fn acknowledged<'a>(facts: &Facts<'a>) -> HashMap<&'a str, Vec<Ack>> {
    let mut all: Vec<(usize, &str, Seq)> = Vec::new();
    for send in facts.sends.iter() {
        all.extend(send.acks.iter().map(|(n, seq)| (*n, send.conversation, *seq)));
    }
    for (n, record) in facts.in_time() {
        if let What::Ok {
            client,
            op,
            seq: Some(seq),
        } = &record.what
            && let Some(
                Call::Join { conversation }
                | Call::Accept { conversation }
                | Call::Revoke { conversation, .. }
                | Call::Leave { conversation }
                | Call::Add { conversation, .. }
                | Call::Remove { conversation, .. },
            ) = facts.calls.get(client, *op)
            && is_change_by(facts, conversation, *seq, facts.user(client))
        {
            all.push((n, conversation.as_str(), *seq));
        }
    }
    all.sort_by_key(|(n, ..)| facts.time(*n));
    let mut by_conversation: HashMap<&str, Vec<Ack>> = HashMap::new();
    for (record, conversation, seq) in all {
        let acks = by_conversation.entry(conversation).or_default();
        if acks.last().is_none_or(|last| last.seq < seq) {
            acks.push(Ack { record, seq });
        }
    }
    by_conversation
}

/// Whether a change of membership by this user is stored there. Where nothing had to be changed, the seq that was
/// acknowledged names no entry of his.
fn is_change_by(facts: &Facts<'_>, conversation: &ConversationId, seq: Seq, user: &str) -> bool {
    let log = facts.logs.get(conversation.as_str());
    let slot = log.map(|log| log.slot(seq)).unwrap_or_default();
    slot.iter().any(|stored| {
        let sender = stored.entry.sender.as_ref().map(UserId::as_str);
        stored.entry.body.changes_membership() && sender == Some(user)
    })
}

fn first_in_first_out(facts: &Facts<'_>, acknowledged: &HashMap<&str, Vec<Ack>>, findings: &mut Findings) {
    let limits = limits_were_hit(facts);
    let mut queues: BTreeMap<(&str, &str), Vec<(usize, &Send<'_>)>> = BTreeMap::new();
    for send in facts.sends.iter() {
        if let Some(first) = send.first_sent
            && send.error.is_none()
            && send.failed.is_none()
        {
            let queue = queues.entry((send.client, send.conversation)).or_default();
            queue.push((first, send));
        }
    }
    for ((client, conversation), mut queue) in queues {
        queue.sort_by_key(|(first, _)| facts.time(*first));
        let mut last: Option<(usize, &Send<'_>, Stored<'_>)> = None;
        for (first, send) in queue {
            let log = facts.logs.get(conversation);
            let Some(stored) = log.and_then(|log| log.named(send.sender, send.client_id)) else {
                continue;
            };
            if let Some((earlier, other, above)) = &last
                && stored.entry.seq < above.entry.seq
            {
                let lines = history([Some(*earlier), Some(first)]);
                let stored = [Line::Store(stored.place), Line::Store(above.place)];
                findings.add(lines.chain(stored), || {
                    format!(
                        "{client} sent {} to {conversation} before {}, and they are stored the other way round",
                        other.client_id, send.client_id
                    )
                });
                continue;
            }
            let settled = !send.acks.is_empty();
            let certain =
                !send.resent || !(limits || may_have_been_refused(facts, acknowledged, send, stored));
            if settled && certain {
                last = Some((first, send, *stored));
            }
        }
    }
}

fn limits_were_hit(facts: &Facts<'_>) -> bool {
    let is_limit = |record: &Record| {
        matches!(
            record.what,
            What::Answered {
                code: Some(ErrorCode::RateLimited),
                ..
            }
        )
    };
    facts.records.iter().any(is_limit)
}

/// Whether there was a time when a send could be refused that was, sent again, not.
fn may_have_been_refused(
    facts: &Facts<'_>,
    acknowledged: &HashMap<&str, Vec<Ack>>,
    send: &Send<'_>,
    stored: &Stored<'_>,
) -> bool {
    let made = send.made().map_or(0, |made| facts.records[made].at);
    let known = acknowledged.get(send.conversation).map_or(&[][..], Vec::as_slice);
    let before = known.partition_point(|ack| facts.records[ack.record].at.saturating_add(OLD) < made);
    let floor = before.checked_sub(1).and_then(|last| known.get(last));
    // Nobody knows of a conversation before it has its first entry.
    let floor = floor.map_or(1, |floor| floor.seq.max(1));
    let log = facts.logs.get(send.conversation);
    let may_speak = log.is_some_and(|log| {
        log.members
            .may_speak_between(send.sender, floor, stored.entry.seq)
    });
    let body = &stored.entry.body;
    !may_speak || body.changes_membership() || matches!(body, Body::Reacted { .. })
}

/// Where a send is stored or, if it is not, was acknowledged.
fn place(facts: &Facts<'_>, send: &Send<'_>) -> Option<Seq> {
    let log = facts.logs.get(send.conversation);
    let stored = log.and_then(|log| log.named(send.sender, send.client_id));
    stored
        .map(|stored| stored.entry.seq)
        .or_else(|| send.acks.first().map(|(_, seq)| *seq))
}
