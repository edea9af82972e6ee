//! Marks that are written lazily: how far a log is applied, how far a member has it.

use parking_lot::Mutex;
use starling_protocol::{ConversationId, Seq, UserId};

use crate::chance::HashMap;
use crate::shared::Shared;

/// Marks of one command.
const CHUNK: usize = 500;

/// Marks on their way into the directory. Losing them costs work (re-applying, re-sending), never an entry.
#[derive(Default)]
pub(crate) struct Marks {
    applied: Mutex<HashMap<ConversationId, Seq>>,
    delivered: Mutex<HashMap<(ConversationId, UserId), Delivered>>,
}

#[derive(Clone, Copy)]
struct Delivered {
    mark: Seq,
    head: Seq,
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

    /// The user has everything up to `mark` of a log whose head is `head`.
    pub(crate) fn delivered(&self, conversation: ConversationId, user: UserId, mark: Seq, head: Seq) {
        let mut delivered = self.delivered.lock();
        let noted = delivered
            .entry((conversation, user))
            .or_insert(Delivered { mark, head });
        if mark >= noted.mark {
            *noted = Delivered { mark, head };
        }
    }

    /// Writes the `applied` marks that have gathered; what cannot be written is kept for the next time.
    pub(crate) async fn flush_applied(&self, shared: &Shared) {
        let applied: Vec<_> = std::mem::take(&mut *self.applied.lock()).into_iter().collect();
        for chunk in applied.chunks(CHUNK) {
            if shared.ports.directory.mark_applied(chunk).await.is_err() {
                for (conversation, seq) in chunk {
                    self.applied(conversation, *seq);
                }
            }
        }
    }

    /// The same for `delivered` marks, which also move the offline index.
    pub(crate) async fn flush_delivered(&self, shared: &Shared) {
        let delivered: Vec<_> = std::mem::take(&mut *self.delivered.lock()).into_iter().collect();
        for chunk in delivered.chunks(CHUNK) {
            let marks: Vec<_> = chunk
                .iter()
                .map(|((conversation, user), noted)| (conversation.clone(), user.clone(), noted.mark))
                .collect();
            if shared.ports.directory.mark_delivered(&marks).await.is_err() {
                for ((conversation, user), noted) in chunk {
                    self.delivered(conversation.clone(), user.clone(), noted.mark, noted.head);
                }
                continue;
            }
            let offline = &shared.ports.offline;
            let moves = chunk.iter().map(|((conversation, user), noted)| {
                offline.delivered(user, conversation, noted.mark, noted.head)
            });
            for moved in futures::future::join_all(moves).await {
                if moved.is_err() {
                    // The stored mark decides; the index only points.
                    break;
                }
            }
        }
    }
}
