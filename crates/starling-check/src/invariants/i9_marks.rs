//! I9: a member's marks never go back and never pass the head.
//!
//! In the end no stored mark is past its log's head, and none is lower than what was acknowledged to the member.
//! Nodes write marks a moment after they acknowledge them, and a node that dies in that moment takes them along
//! (documented: it costs sending again, never an entry). So an acknowledged mark binds only if its connection shows
//! that the node lived on: it lasted [`SETTLED_AFTER`] longer, or it was there at the end and the mark is from before
//! the faults were over. Nor does it bind where the membership that it belongs to has ended. What is read counts as
//! delivered.
//!
//! Members are told only of marks that are stored. So no mark that anybody was told of is past the head, or higher than
//! what is stored in the end; and while a stream lasts, none that is told of goes back.

use std::collections::HashMap;

use starling_protocol::Seq;

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::{Call, Marks, What};
use crate::logs::Log;

/// In nanoseconds: longer than any fault keeps a node from writing.
const SETTLED_AFTER: u64 = 30_000_000_000;

/// An acknowledged mark.
struct Mark<'a> {
    record: usize,
    connection: (&'a str, u64),
    conversation: &'a str,
    kind: Kind,
    seq: Seq,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Delivered,
    Read,
}

impl Kind {
    fn of(read: bool) -> Self {
        if read { Self::Read } else { Self::Delivered }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

pub(crate) fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    let binding = binding(facts);
    let told = told(facts, &mut findings);
    for (place, conversation) in &facts.directory {
        let id = conversation.id.as_str();
        let log = facts.logs.get(id);
        let head = log.map_or(0, Log::head);
        for member in &conversation.members {
            let user = member.user.as_str();
            let memberships = log.map(|log| log.members.of(user)).unwrap_or_default();
            let since = memberships.last().filter(|last| last.until.is_none());
            for kind in [Kind::Delivered, Kind::Read] {
                let word = kind.word();
                let (mark, counts) = match kind {
                    Kind::Delivered => (member.delivered, member.delivered.max(member.read)),
                    Kind::Read => (member.read, member.read),
                };
                if mark > head {
                    findings.add([Line::Store(*place)], || {
                        format!("{user} has {id} {word} up to {mark}, past its head {head}")
                    });
                }
                if let Some((record, seq)) = binding.get(&(id, user, kind))
                    && since.is_some_and(|since| *seq >= since.from)
                    && mark < *seq
                {
                    findings.add([Line::History(*record), Line::Store(*place)], || {
                        format!(
                            "{seq} of {id} was acknowledged as {word} to {user}, and the mark is at {mark}"
                        )
                    });
                }
                if let Some((record, seq)) = told.get(&(id, user, kind))
                    && counts < *seq
                {
                    findings.add([Line::History(*record), Line::Store(*place)], || {
                        format!("others were told that {user} has {id} {word} up to {seq}, and the mark is at {counts}")
                    });
                }
            }
        }
    }
    findings
}

/// The highest mark, and the record that says so, by conversation, user and kind.
type Highest<'a> = HashMap<(&'a str, &'a str, Kind), (usize, Seq)>;

fn raise<'a>(highest: &mut Highest<'a>, key: (&'a str, &'a str, Kind), record: usize, seq: Seq) {
    let known = highest.entry(key).or_insert((record, seq));
    if seq > known.1 {
        *known = (record, seq);
    }
}

/// What one stream has told of marks: by user, each with the record that said so.
#[derive(Default)]
struct Told<'a> {
    epoch: u64,
    members: HashMap<&'a str, (usize, Seq, Seq)>,
}

/// The highest marks that anybody was told of.
fn told<'a>(facts: &Facts<'a>, findings: &mut Findings) -> Highest<'a> {
    let mut streams: HashMap<(&str, &str), Told<'_>> = HashMap::new();
    let mut highest = Highest::new();
    for (n, record) in facts.in_time() {
        match &record.what {
            What::Stream {
                client, conversation, ..
            } => {
                streams.remove(&(client.as_ref(), conversation.as_str()));
            }
            What::Receipts {
                client,
                epoch,
                conversation,
                members,
            } => {
                let id = conversation.as_str();
                let head = facts.logs.get(id).map_or(0, Log::head);
                let told = streams.entry((client.as_ref(), id)).or_default();
                if told.epoch != *epoch {
                    (told.epoch, told.members) = (*epoch, HashMap::new());
                }
                for Marks(user, delivered, read) in members {
                    let user = user.as_str();
                    if *delivered.max(read) > head {
                        findings.add([Line::History(n)], || {
                            format!(
                                "{client} was told that {user} has {id} up to {}, past its head {head}",
                                delivered.max(read)
                            )
                        });
                    }
                    let new = (n, *delivered, *read);
                    let (before, was_delivered, was_read) = told.members.insert(user, new).unwrap_or(new);
                    if *delivered < was_delivered || *read < was_read {
                        findings.add(history([Some(before), Some(n)]), || {
                            format!(
                                "{client} was told that {user} has {id} up to {was_delivered} and read it up to \
                                 {was_read}, and then {delivered} and {read}"
                            )
                        });
                    }
                    raise(&mut highest, (id, user, Kind::Delivered), n, *delivered);
                    raise(&mut highest, (id, user, Kind::Read), n, *read);
                }
            }
            _ => {}
        }
    }
    highest
}

/// The highest marks that bind.
fn binding<'a>(facts: &Facts<'a>) -> Highest<'a> {
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
                read,
            } => marks.push(Mark {
                record: n,
                connection: (client, *epoch),
                conversation: conversation.as_str(),
                kind: Kind::of(*read),
                seq: *seq,
            }),
            What::Ok { client, op, .. } => {
                let (conversation, seq, kind) = match facts.calls.get(client, *op) {
                    Some(Call::Delivered { conversation, seq }) => (conversation, seq, Kind::Delivered),
                    Some(Call::MarkRead { conversation, seq }) => (conversation, seq, Kind::Read),
                    _ => continue,
                };
                let epoch = epochs.get(client.as_ref()).copied().unwrap_or_default();
                marks.push(Mark {
                    record: n,
                    connection: (client, epoch),
                    conversation: conversation.as_str(),
                    kind,
                    seq: *seq,
                });
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
    let mut binding = Highest::new();
    for mark in marks.iter().filter(|mark| binds(mark)) {
        let user = facts.user(mark.connection.0);
        raise(
            &mut binding,
            (mark.conversation, user, Kind::Delivered),
            mark.record,
            mark.seq,
        );
        if mark.kind == Kind::Read {
            raise(
                &mut binding,
                (mark.conversation, user, Kind::Read),
                mark.record,
                mark.seq,
            );
        }
    }
    binding
}
