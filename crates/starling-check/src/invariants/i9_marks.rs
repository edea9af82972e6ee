//! I9: a member's marks never go back and never pass the head.
//!
//! In the end no stored mark is past its log's head, and none is lower than what was acknowledged to the member.
//! Nodes write marks a moment after they acknowledge them, and a node that dies in that moment takes them along
//! (documented: it costs sending again, never an entry). So an acknowledged mark binds only if its connection shows
//! that the node lived on: it lasted [`SETTLED_AFTER`] longer, or it was there at the end and the mark is from before
//! the faults were over. Nor does it bind where the membership that it belongs to has ended.

use std::collections::HashMap;

use starling_protocol::Seq;

use crate::facts::Facts;
use crate::finding::{Findings, Line};
use crate::history::{Call, What};
use crate::logs::Log;

/// In nanoseconds: longer than any fault keeps a node from writing.
const SETTLED_AFTER: u64 = 30_000_000_000;

/// An acknowledged mark.
struct Mark<'a> {
    record: usize,
    connection: (&'a str, u64),
    conversation: &'a str,
    seq: Seq,
}

pub(crate) fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    let binding = binding(facts);
    for (place, conversation) in &facts.directory {
        let id = conversation.id.as_str();
        let log = facts.logs.get(id);
        let head = log.map_or(0, Log::head);
        for member in &conversation.members {
            let (user, delivered) = (member.user.as_str(), member.delivered);
            if member.read > head {
                findings.add([Line::Store(*place)], || {
                    format!("{user} has {id} read up to {}, past its head {head}", member.read)
                });
            }
            if delivered > head {
                findings.add([Line::Store(*place)], || {
                    format!("{user} has {id} delivered up to {delivered}, past its head {head}")
                });
            }
            let memberships = log.map(|log| log.members.of(user)).unwrap_or_default();
            let since = memberships.last().filter(|last| last.until.is_none());
            if let Some((record, seq)) = binding.get(&(id, user))
                && since.is_some_and(|since| *seq >= since.from)
                && delivered < *seq
            {
                findings.add([Line::History(*record), Line::Store(*place)], || {
                    format!("{seq} of {id} was acknowledged as delivered to {user}, and the mark is at {delivered}")
                });
            }
        }
    }
    findings
}

/// By conversation and user the largest mark that binds, and its record.
fn binding<'a>(facts: &Facts<'a>) -> HashMap<(&'a str, &'a str), (usize, Seq)> {
    let mut marks: Vec<Mark<'_>> = Vec::new();
    let mut epochs: HashMap<&str, u64> = HashMap::new();
    let mut ends: HashMap<(&str, u64), u64> = HashMap::new();
    let mut healed = 0;
    let mut end = 0;
    for (n, record) in facts.in_time() {
        end = record.at;
        match &record.what {
            What::Connected { client, epoch, .. } => {
                epochs.insert(client, *epoch);
            }
            What::Disconnected { client, epoch, .. } => {
                ends.insert((client, *epoch), record.at);
            }
            What::Healed {} => healed = record.at,
            What::Marked {
                client,
                epoch,
                conversation,
                seq,
            } => marks.push(Mark {
                record: n,
                connection: (client, *epoch),
                conversation: conversation.as_str(),
                seq: *seq,
            }),
            What::Ok { client, op, .. } => {
                if let Some(Call::Delivered { conversation, seq }) = facts.calls.get(client, *op) {
                    let epoch = epochs.get(client.as_ref()).copied().unwrap_or_default();
                    marks.push(Mark {
                        record: n,
                        connection: (client, epoch),
                        conversation: conversation.as_str(),
                        seq: *seq,
                    });
                }
            }
            _ => {}
        }
    }
    let binds = |mark: &Mark<'_>| {
        let at = facts.records[mark.record].at;
        match ends.get(&mark.connection) {
            Some(closed) => closed.saturating_sub(at) >= SETTLED_AFTER,
            None => end.saturating_sub(at) >= SETTLED_AFTER || at < healed,
        }
    };
    let mut binding: HashMap<(&str, &str), (usize, Seq)> = HashMap::new();
    for mark in marks.iter().filter(|mark| binds(mark)) {
        let key = (mark.conversation, facts.user(mark.connection.0));
        let largest = binding.entry(key).or_insert((mark.record, mark.seq));
        if mark.seq > largest.1 {
            *largest = (mark.record, mark.seq);
        }
    }
    binding
}
