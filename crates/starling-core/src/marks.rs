//! Marks that are written lazily: how far a log is applied, how far a member has it and has read it.

use std::sync::Arc;

use parking_lot::Mutex;
use starling_protocol::{ConversationId, Entry, Seq, UserId};

use crate::chance::HashMap;
use crate::ports::MarksRaised;
use crate::shared::Shared;

/// Marks of one command.
const CHUNK: usize = 500;

/// Marks on their way into the directory. Losing them costs work (re-applying, re-sending), never an entry.
#[derive(Default)]
pub(crate) struct Marks {
    applied: Mutex<HashMap<ConversationId, Seq>>,
    members: Mutex<HashMap<(ConversationId, UserId), Noted>>,
}

/// What a member's marks are to be raised to.
#[derive(Clone, Copy, Default)]
struct Noted {
    delivered: Seq,
    read: Seq,
    /// The head that the delivered mark was checked against.
    head: Seq,
    /// Whether others wait to see it.
    urgency: Urgency,
}

/// How soon a mark is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Urgency {
    /// With the next slow round: what everyone sees by the message itself.
    #[default]
    Late,
    /// With the next round.
    Soon,
}

/// What a member's device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Delivered,
    /// Implies delivered.
    Read,
}

impl Marks {
    /// Everything up to `seq` is applied and announced.
    pub(crate) fn applied(&self, conversation: &ConversationId, seq: Seq) {
        let mut applied = self.applied.lock();
        match applied.get_mut(conversation) {
            Some(mark) => *mark = seq.max(*mark),
            None => {
                applied.insert(conversation.clone(), seq);
            }
        }
    }

    /// The user says this of everything up to `seq` of a log whose head is `head`.
    pub(crate) fn marked(&self, conversation: ConversationId, user: UserId, mark: Mark, seq: Seq, head: Seq) {
        debug_assert!(seq <= head, "I9: no mark passes the head");
        let read = if mark == Mark::Read { seq } else { 0 };
        let noted = Noted {
            delivered: seq,
            read,
            head,
            urgency: Urgency::Soon,
        };
        self.note((conversation, user), noted);
    }

    /// These are stored: whoever says something has read what is his own. (Whether he has what was said by others
    /// before it, only his devices know.)
    pub(crate) fn said(&self, entries: &[Arc<Entry>]) {
        for entry in entries.iter().filter(|entry| entry.body.is_message()) {
            if let Some(sender) = &entry.sender {
                let noted = Noted {
                    read: entry.seq,
                    ..Noted::default()
                };
                self.note((entry.conversation.clone(), sender.clone()), noted);
            }
        }
    }

    fn note(&self, member: (ConversationId, UserId), new: Noted) {
        let mut members = self.members.lock();
        let noted = members.entry(member).or_default();
        if new.delivered >= noted.delivered && new.head > 0 {
            noted.head = new.head;
        }
        noted.delivered = noted.delivered.max(new.delivered);
        noted.read = noted.read.max(new.read);
        noted.urgency = noted.urgency.max(new.urgency);
    }

    /// Writes members' marks of this urgency at least, moves the offline index, and has the receipts announced.
    /// What cannot be written is kept for the next time; `false` if there was such.
    pub(crate) async fn flush_members(&self, shared: &Shared, urgency: Urgency) -> bool {
        let due: Vec<_> = self
            .members
            .lock()
            .extract_if(|_, noted| noted.urgency >= urgency)
            .collect();
        let mut written = true;
        for chunk in due.chunks(CHUNK) {
            let raised: Vec<_> = chunk
                .iter()
                .map(|((conversation, user), noted)| MarksRaised {
                    conversation: conversation.clone(),
                    user: user.clone(),
                    delivered: noted.delivered,
                    read: noted.read,
                })
                .collect();
            if shared.ports.directory.raise_marks(&raised).await.is_err() {
                for (member, noted) in chunk {
                    self.note(member.clone(), *noted);
                }
                written = false;
                continue;
            }
            // Only now: what others were told must not go back when this node dies (I9).
            for ((conversation, user), _) in chunk {
                shared.receipts.moved(conversation, user);
            }
            let offline = &shared.ports.offline;
            let moves =
                chunk
                    .iter()
                    .filter(|(_, noted)| noted.delivered > 0)
                    .map(|((conversation, user), noted)| {
                        offline.delivered(user, conversation, noted.delivered, noted.head)
                    });
            for moved in futures::future::join_all(moves).await {
                if moved.is_err() {
                    // The stored mark decides; the index only points.
                    break;
                }
            }
        }
        written
    }

    /// Writes the `applied` marks that have gathered, and before them the members' marks that follow from the same
    /// entries: whoever recovers a conversation starts from `applied`. What cannot be written is kept.
    pub(crate) async fn flush_applied(&self, shared: &Shared) {
        let applied: Vec<_> = std::mem::take(&mut *self.applied.lock()).into_iter().collect();
        let members_written = self.flush_members(shared, Urgency::Late).await;
        for chunk in applied.chunks(CHUNK) {
            if !members_written || shared.ports.directory.mark_applied(chunk).await.is_err() {
                for (conversation, seq) in chunk {
                    self.applied(conversation, *seq);
                }
            }
        }
    }
}
