//! I2: (conversation, seq) and (conversation, sender, client id) each name one entry.
//!
//! In the store, in what was acknowledged, and in what clients saw: every entry that came to a client must be the
//! stored one, in every field, but for the text of what was deleted since. So no two clients saw different entries in
//! one slot, and nobody saw one that is gone.

use std::collections::HashMap;

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::What;
use crate::logs::{Stored, key};

pub(crate) fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    stored(facts, &mut findings);
    acknowledged(facts, &mut findings);
    seen(facts, &mut findings);
    findings
}

fn stored(facts: &Facts<'_>, findings: &mut Findings) {
    for (conversation, log) in facts.logs.iter() {
        for pair in log.entries().windows(2) {
            if pair[0].entry.seq == pair[1].entry.seq {
                findings.add(pair.iter().map(|stored| Line::Store(stored.place)), || {
                    format!(
                        "the store has two entries at {} of {conversation}",
                        pair[0].entry.seq
                    )
                });
            }
        }
        let mut first = HashMap::new();
        for stored in log.entries() {
            let Some(key) = key(stored.entry) else { continue };
            let other = *first.entry(key).or_insert(stored.place);
            if other != stored.place {
                findings.add([Line::Store(other), Line::Store(stored.place)], || {
                    format!("the store has {}'s {} twice in {conversation}", key.0, key.1)
                });
            }
        }
    }
}

fn acknowledged(facts: &Facts<'_>, findings: &mut Findings) {
    for send in facts.sends.iter() {
        let Some((first, seq)) = send.acks.first() else {
            continue;
        };
        if let Some((other, other_seq)) = send.acks.iter().find(|(_, other)| other != seq) {
            findings.add(history([send.made(), Some(*first), Some(*other)]), || {
                format!(
                    "the send {} of {} to {} was acknowledged at {seq} and at {other_seq}",
                    send.client_id, send.client, send.conversation
                )
            });
        }
    }
}

fn seen(facts: &Facts<'_>, findings: &mut Findings) {
    for (n, record) in facts.in_time() {
        let What::Entry {
            client,
            conversation,
            seq,
            digest,
            ..
        } = &record.what
        else {
            continue;
        };
        let log = facts.logs.get(conversation.as_str());
        let slot = log.map(|log| log.slot(*seq)).unwrap_or_default();
        let is_deleted = log.is_some_and(|log| log.altered.is_deleted(*seq));
        let is_it = |stored: &Stored<'_>| {
            stored.digest == *digest || (is_deleted && stored.digest.is_same_but_for_text(*digest))
        };
        if slot.iter().any(is_it) {
            continue;
        }
        let there = slot.first().map(|stored| Line::Store(stored.place));
        findings.add([Line::History(n)].into_iter().chain(there), || {
            let instead = match slot.first() {
                Some(stored) => format!("another entry, {}", stored.digest),
                None => "none".to_owned(),
            };
            format!("{client} was given entry {seq} of {conversation} as {digest}; the store has {instead}")
        });
    }
}
