//! I7: after the faults, everybody has what the log has.
//!
//! Every client that was connected at the end stands at the head of each conversation of which its user is a
//! member, and was given, over all its connections, every entry from the first one on that it was due (see
//! [`i8_gaps`](super::i8_gaps) for what it was not due). That these were the stored ones is decided by I2. The
//! directory's `head` and `applied`, where given, are at the head as well: so the store is to be read when the
//! nodes have had the few seconds that they take to apply what is stored.
//!
//! What the store tells of a message that was edited, deleted, or reacted to is what the log's entries make of it, which
//! those who have all entries know; of what is deleted no text is left.

use std::collections::BTreeMap;

use starling_protocol::{Body, Content, MessageState};

use crate::facts::Facts;
use crate::finding::{Findings, Line};
use crate::history::What;
use crate::invariants::i8_gaps::Readers;
use crate::logs::Log;

/// The findings, and how many clients were connected at the end.
pub(crate) fn check<'a>(facts: &Facts<'a>, readers: &Readers<'a>) -> (Findings, u64) {
    let mut findings = Findings::default();
    let mut finished = BTreeMap::new();
    for (n, record) in facts.in_time() {
        if let What::Finished { client, cursors } = &record.what {
            finished.insert(client.as_ref(), (n, cursors));
        }
    }
    for (client, (n, cursors)) in &finished {
        let user = facts.user(client);
        for (conversation, log) in facts.logs.iter() {
            let member = log.members.includes(user, log.head());
            let id = log.entries().first().map(|stored| &stored.entry.conversation);
            let cursor = id.and_then(|id| cursors.get(id)).copied();
            let head = log.head();
            if member && cursor != Some(head) {
                findings.add(at_head(*n, log), || match cursor {
                    Some(cursor) => {
                        format!("{client} ended at {cursor} of {conversation}, whose head is {head}")
                    }
                    None => format!("{client} ended without {conversation}, of which {user} is a member"),
                });
                continue;
            }
            let Some(cursor) = cursor else { continue };
            let Some(reader) = readers.get(client, conversation) else {
                // It claims to have what it was never given.
                if cursor > 0 {
                    findings.add([Line::History(*n)], || {
                        format!("{client} ended at {cursor} of {conversation}, of which it was given nothing")
                    });
                }
                continue;
            };
            let reach = reader.reach();
            if reach < cursor {
                let missing = log.slot(reach.saturating_add(1)).first();
                let missing = missing.map(|stored| Line::Store(stored.place));
                findings.add([Line::History(*n)].into_iter().chain(missing), || {
                    format!(
                        "{client} ended at {cursor} of {conversation}, but was never given {}",
                        reach.saturating_add(1)
                    )
                });
            }
        }
    }
    directory(facts, &mut findings);
    messages(facts, &mut findings);
    (findings, finished.len() as u64)
}

fn at_head(finished: usize, log: &Log<'_>) -> impl Iterator<Item = Line> {
    let head = log.entries().last().map(|stored| Line::Store(stored.place));
    [Line::History(finished)].into_iter().chain(head)
}

fn directory(facts: &Facts<'_>, findings: &mut Findings) {
    for (place, conversation) in &facts.directory {
        let log = facts.logs.get(conversation.id.as_str());
        let head = log.map_or(0, Log::head);
        for (name, mark) in [("head", conversation.head), ("applied", conversation.applied)] {
            let Some(mark) = mark.filter(|mark| *mark != head) else {
                continue;
            };
            let last = log.and_then(|log| log.entries().last());
            let lines = [Line::Store(*place)].into_iter();
            let lines = lines.chain(last.map(|stored| Line::Store(stored.place)));
            findings.add(lines, || {
                format!(
                    "the directory has {name} {mark} for {}, whose head is {head}",
                    conversation.id
                )
            });
        }
    }
}

fn messages(facts: &Facts<'_>, findings: &mut Findings) {
    for (conversation, log) in facts.logs.iter() {
        for stored in log.entries() {
            let entry = stored.entry;
            let told = entry.state.clone().map(|state| MessageState {
                alterations: 0,
                ..state
            });
            let due = log.altered.state(entry.seq);
            if told != due {
                findings.add([Line::Store(stored.place)], || {
                    format!(
                        "of the message {} of {conversation} the store tells {told:?}, the log {due:?}",
                        entry.seq
                    )
                });
            }
            if let Body::Message(Content { text, .. }) | Body::Edited { text, .. } = &entry.body
                && !text.is_empty()
                && log.altered.is_deleted(entry.seq)
            {
                findings.add([Line::Store(stored.place)], || {
                    format!(
                        "{} of {conversation} still has the text that was deleted",
                        entry.seq
                    )
                });
            }
        }
    }
}
