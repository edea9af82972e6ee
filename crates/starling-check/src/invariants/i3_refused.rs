//! I3: what was refused is neither in the store nor did anybody see it.
//!
//! Only a definite refusal to the application counts: a send that was put off, or of which nothing is known, may
//! well be stored.

use std::collections::HashMap;

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::What;
use crate::sends::Key;

pub(crate) fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    let mut refused: HashMap<Key<'_>, [Option<usize>; 2]> = HashMap::new();
    for send in facts.sends.iter().filter(|send| send.failed.is_some()) {
        let records = [send.made(), send.failed];
        refused.insert((send.conversation, send.sender, send.client_id), records);
        let log = facts.logs.get(send.conversation);
        if let Some(stored) = log.and_then(|log| log.named(send.sender, send.client_id)) {
            let lines = history(records).chain([Line::Store(stored.place)]);
            findings.add(lines, || {
                format!(
                    "the send {} of {} was refused, and is stored at {} of {}",
                    send.client_id, send.client, stored.entry.seq, send.conversation
                )
            });
        }
    }
    if refused.is_empty() {
        return findings;
    }
    for (n, record) in facts.in_time() {
        if let What::Entry {
            client,
            conversation,
            seq,
            sender: Some(sender),
            client_id: Some(client_id),
            ..
        } = &record.what
            && let Some(records) = refused.get(&(conversation.as_str(), sender.as_str(), client_id.as_str()))
        {
            findings.add(history(*records).chain([Line::History(n)]), || {
                format!(
                    "the send {client_id} of {sender} was refused, and {client} saw it at {seq} of {conversation}"
                )
            });
        }
    }
    findings
}
