//! Histories that were right until something was done to them. Each must turn exactly its invariant red, or besides it
//! those only that cannot help it, and the excerpt must show the guilty line.

mod clients;
mod governance;
mod logs;
mod marks;
mod sends;

use std::collections::BTreeSet;

use starling_check::history::{Call, Record, What};
use starling_check::store::{StoreRecord, StoredConversation};
use starling_check::{Digest, Invariant, check};
use starling_protocol::{Entry, Seq};

use crate::model::{self, Run};

/// What a doctor has done: the line that is to blame.
enum Guilty {
    /// Of the history, by index.
    History(usize),
    /// Of the store, by index.
    Store(usize),
}

/// Doctors run after run until it has worked on some of them.
fn doctor(red: Invariant, besides: &[Invariant], treat: impl Fn(&mut Run) -> Option<Guilty>) {
    let mut treated = 0;
    for seed in 0..60 {
        let mut run = model::run(seed);
        let Some(guilty) = treat(&mut run) else {
            continue;
        };
        let report = check(&run.history, &run.store);
        let violated: BTreeSet<_> = report.violated().collect();
        let shown = report.excerpts();
        assert!(
            violated.contains(&red),
            "seed {seed}: {red} is not red but {violated:?}\n{shown}"
        );
        let allowed = |other: &Invariant| *other == red || besides.contains(other);
        assert!(violated.iter().all(allowed), "seed {seed}: {violated:?}\n{shown}");

        let line = match guilty {
            Guilty::History(n) => format!("history:{} {}", n + 1, json(&run.history[n])),
            Guilty::Store(n) => format!("store:{} {}", n + 1, json(&run.store[n])),
        };
        let excerpt = report.verdict(red).unwrap().excerpt.as_ref().unwrap();
        let shows = |shown: &String| match shown.strip_suffix('…') {
            Some(beginning) => line.starts_with(beginning),
            None => *shown == line,
        };
        assert!(
            excerpt.lines.iter().any(shows),
            "seed {seed}: {line} is not in\n{shown}"
        );
        assert!(excerpt.lines.len() <= 6, "{shown}");
        assert!(report.table().lines().count() <= 12);
        treated += 1;
        if treated == 12 {
            return;
        }
    }
    assert!(treated >= 4, "only {treated} runs could be doctored");
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// All records of one send.
struct Told {
    client: String,
    conversation: String,
    client_id: String,
    invoke: usize,
    sent: Vec<usize>,
    answered: Vec<usize>,
    /// The outcome that the application was told, and the seq of an `ok`.
    outcome: Option<(usize, Option<Seq>)>,
}

/// All sends of a history, by their calls.
fn sends(history: &[Record]) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for (n, record) in history.iter().enumerate() {
        match &record.what {
            What::Invoke {
                client,
                call:
                    Call::Send {
                        conversation,
                        client_id,
                    },
                ..
            } => all.push(Told {
                client: client.to_string(),
                conversation: conversation.to_string(),
                client_id: client_id.to_string(),
                invoke: n,
                sent: Vec::new(),
                answered: Vec::new(),
                outcome: None,
            }),
            What::Sent {
                client_id: sent_id, ..
            } => {
                let send = all
                    .iter_mut()
                    .find(|send| send.client_id == sent_id.as_str())
                    .unwrap();
                send.sent.push(n);
            }
            What::Answered { client, frame, .. } => {
                let is_it = |sent: &&usize| matches!(&history[**sent].what, What::Sent { client: by, frame: id, .. } if by == client && id == frame);
                if let Some(send) = all
                    .iter_mut()
                    .find(|send| send.sent.iter().any(|sent| is_it(&sent)))
                {
                    send.answered.push(n);
                }
            }
            What::Ok { client, op, .. } | What::Fail { client, op, .. } | What::Info { client, op, .. } => {
                let seq = match &record.what {
                    What::Ok { seq, .. } => *seq,
                    _ => None,
                };
                let is_it = |send: &&mut Told| matches!(&history[send.invoke].what, What::Invoke { client: by, op: number, .. } if by == client && number == op);
                if let Some(send) = all.iter_mut().find(is_it) {
                    send.outcome = Some((n, seq));
                }
            }
            _ => {}
        }
    }
    all
}

impl Told {
    /// The seq that the application was told.
    fn ok(&self) -> Option<Seq> {
        self.outcome.and_then(|(_, seq)| seq)
    }

    /// Went out once, and was acknowledged.
    fn is_plain(&self) -> bool {
        self.sent.len() == 1 && self.answered.len() == 1 && self.ok().is_some()
    }
}

/// The entry in a slot, and its place in the store.
fn slot<'a>(store: &'a [StoreRecord], conversation: &str, seq: Seq) -> Option<(usize, &'a Entry)> {
    entries(store).find(|(_, entry)| entry.conversation.as_str() == conversation && entry.seq == seq)
}

fn entries(store: &[StoreRecord]) -> impl Iterator<Item = (usize, &Entry)> {
    store
        .iter()
        .enumerate()
        .filter_map(|(place, record)| match record {
            StoreRecord::Entry(entry) => Some((place, entry)),
            StoreRecord::Conversation(_) => None,
        })
}

fn directory(store: &mut [StoreRecord]) -> impl Iterator<Item = (usize, &mut StoredConversation)> {
    store
        .iter_mut()
        .enumerate()
        .filter_map(|(place, record)| match record {
            StoreRecord::Conversation(conversation) => Some((place, conversation)),
            StoreRecord::Entry(_) => None,
        })
}

fn head(store: &[StoreRecord], conversation: &str) -> Seq {
    let seqs = entries(store).filter(|(_, entry)| entry.conversation.as_str() == conversation);
    seqs.map(|(_, entry)| entry.seq).max().unwrap()
}

/// Changes an entry in the store, and what everybody saw of it.
fn rewrite(run: &mut Run, place: usize, change: impl Fn(&mut Entry)) {
    let StoreRecord::Entry(entry) = &mut run.store[place] else {
        panic!("no entry at {place}")
    };
    let before = Digest::of(entry);
    change(entry);
    for record in &mut run.history {
        if let What::Entry {
            digest,
            sender,
            client_id,
            ..
        } = &mut record.what
            && *digest == before
        {
            *digest = Digest::of(entry);
            sender.clone_from(&entry.sender);
            client_id.clone_from(&entry.client_id);
        }
    }
}
