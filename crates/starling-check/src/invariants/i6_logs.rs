//! I6: each log is contiguous from 1, begins with `created`, and its running marks are right.
//!
//! Voids are allowed, and counted: none is expected. Two entries in one slot are a matter of I2.

use starling_protocol::Body;

use crate::facts::Facts;
use crate::finding::{Findings, Line};
use crate::logs::Stored;

/// The findings, and the number of voids.
pub(crate) fn check(facts: &Facts<'_>) -> (Findings, u64) {
    let mut findings = Findings::default();
    let mut voids = 0;
    for (conversation, log) in facts.logs.iter() {
        let mut before: Option<&Stored<'_>> = None;
        for stored in log.entries() {
            voids += u64::from(matches!(stored.entry.body, Body::Void {}));
            if let Some(wrong) = fault(before, stored) {
                let lines = before.into_iter().chain([stored]);
                findings.add(lines.map(|stored| Line::Store(stored.place)), || {
                    format!("entry {} of {conversation} {wrong}", stored.entry.seq)
                });
            }
            before = Some(stored);
        }
    }
    for (place, conversation) in &facts.directory {
        if facts.logs.get(conversation.id.as_str()).is_none() {
            findings.add([Line::Store(*place)], || {
                format!("{} has no log", conversation.id)
            });
        }
    }
    (findings, voids)
}

fn fault(before: Option<&Stored<'_>>, stored: &Stored<'_>) -> Option<String> {
    let entry = stored.entry;
    let mark = before.map(|before| before.entry.mark()).unwrap_or_default();
    let is_created = matches!(entry.body, Body::Created { .. });
    if entry.seq == mark.seq && before.is_some() {
        return None;
    }
    if Some(entry.seq) != mark.seq.checked_add(1) {
        return Some(format!("follows {}", mark.seq));
    }
    if is_created != (entry.seq == 1) {
        return Some(if is_created {
            "is a second `created`".to_owned()
        } else {
            "is the first, and not `created`".to_owned()
        });
    }
    if entry.lamport <= mark.lamport {
        return Some(format!("has lamport {} after {}", entry.lamport, mark.lamport));
    }
    let messages = mark.messages.saturating_add(u64::from(entry.body.is_message()));
    if entry.messages != messages {
        return Some(format!(
            "counts {} messages where {messages} is right",
            entry.messages
        ));
    }
    let membership = if entry.body.changes_membership() {
        entry.seq
    } else {
        mark.membership
    };
    (entry.membership != membership).then(|| {
        format!(
            "names {} as the last change of membership, which is {membership}",
            entry.membership
        )
    })
}
