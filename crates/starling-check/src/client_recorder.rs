//! One client's part of a history: raw frames in, records out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use starling_protocol::{
    self as protocol, ClientFrame, Command, ConversationId, ErrorCode, Event, Invited, Reply, Seq,
    ServerFrame, UserId,
};

use crate::Digest;
use crate::history::{Call, ClientName, Marks, Via, What};
use crate::recorder::Recorder;

/// Records what one client does and hears. Raw frames are to be given in the order in which they pass, by one
/// task at a time; calls may come from any.
#[derive(Debug)]
pub struct ClientRecorder {
    recorder: Arc<Recorder>,
    client: ClientName,
    user: UserId,
    next_op: AtomicU64,
    wire: Mutex<Wire>,
}

/// What has to be remembered of a connection to make sense of its frames.
#[derive(Debug, Default)]
struct Wire {
    /// 0 before the first connection.
    epoch: u64,
    connected: bool,
    /// Commands without a reply, by the frame's id.
    asked: HashMap<u64, Asked>,
    /// The `sync` that is under way. A later one takes the place of an earlier one.
    sync: Option<u64>,
}

#[derive(Debug)]
enum Asked {
    Send,
    Mark {
        conversation: ConversationId,
        seq: Seq,
        read: bool,
    },
}

impl ClientRecorder {
    pub(crate) fn new(recorder: Arc<Recorder>, client: &str, user: &UserId) -> Self {
        Self {
            recorder,
            client: client.into(),
            user: user.clone(),
            next_op: AtomicU64::new(1),
            wire: Mutex::default(),
        }
    }

    /// A node has taken the connection. [`Self::received`] does this by itself where it is given `ready`.
    pub fn connected(&self, node: &str) {
        let mut wire = self.wire.lock();
        *wire = Wire {
            epoch: wire.epoch + 1,
            connected: true,
            ..Wire::default()
        };
        self.recorder.record(What::Connected {
            client: self.client(),
            user: self.user.clone(),
            epoch: wire.epoch,
            node: node.into(),
        });
    }

    /// A frame is about to go out.
    pub fn sent(&self, frame: &ClientFrame) {
        let mut wire = self.wire.lock();
        let epoch = wire.epoch;
        if let Some((conversation, client_id)) = frame.command.key() {
            wire.asked.insert(frame.id, Asked::Send);
            self.recorder.record(What::Sent {
                client: self.client(),
                epoch,
                frame: frame.id,
                conversation: conversation.clone(),
                client_id: client_id.clone(),
                retry: frame.command.is_retry(),
            });
        }
        match &frame.command {
            Command::Sync(sync) => {
                wire.sync = Some(frame.id);
                self.recorder.record(What::Sync {
                    client: self.client(),
                    epoch,
                    cursors: sync.cursors.clone(),
                });
            }
            Command::Delivered(mark) => {
                let asked = Asked::Mark {
                    conversation: mark.conversation.clone(),
                    seq: mark.seq,
                    read: false,
                };
                wire.asked.insert(frame.id, asked);
            }
            Command::Read(mark) => {
                let asked = Asked::Mark {
                    conversation: mark.conversation.clone(),
                    seq: mark.seq,
                    read: true,
                };
                wire.asked.insert(frame.id, asked);
            }
            _ => {}
        }
    }

    /// A frame has come, be it a double or out of order.
    pub fn received(&self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Event(Event::Ready(ready)) => self.connected(&ready.node),
            ServerFrame::Event(Event::Conversation(state)) => self.recorder.record(What::Stream {
                client: self.client(),
                epoch: self.wire.lock().epoch,
                conversation: state.conversation.id.clone(),
                cursor: state.cursor,
            }),
            ServerFrame::Event(Event::Entry(entry)) => {
                let wire = self.wire.lock();
                let via = if wire.sync.is_some() { Via::Sync } else { Via::Live };
                self.entry(wire.epoch, entry, via);
            }
            ServerFrame::Event(Event::Receipts(change)) => {
                let marks = |one: &protocol::Receipt| Marks(one.user.clone(), one.delivered, one.read);
                self.recorder.record(What::Receipts {
                    client: self.client(),
                    epoch: self.wire.lock().epoch,
                    conversation: change.conversation.clone(),
                    members: change.members.iter().map(marks).collect(),
                });
            }
            ServerFrame::Event(
                Event::Typing(_) | Event::Presence(_) | Event::Hidden(_) | Event::Error(_),
            ) => {}
            ServerFrame::Reply { id, result } => self.reply(*id, result),
        }
    }

    /// The connection has ended. Nothing is recorded where there was none.
    pub fn disconnected(&self, code: u16) {
        let mut wire = self.wire.lock();
        if std::mem::take(&mut wire.connected) {
            self.recorder.record(What::Disconnected {
                client: self.client(),
                epoch: wire.epoch,
                code,
            });
        }
    }

    /// The application is about to ask for something. The result names it in [`Self::ok`], [`Self::fail`] or
    /// [`Self::info`], of which one should follow; without one the outcome counts as unknown.
    pub fn invoke(&self, call: Call) -> u64 {
        let op = self.next_op.fetch_add(1, Ordering::Relaxed);
        self.recorder.record(What::Invoke {
            client: self.client(),
            op,
            call,
        });
        op
    }

    /// It is done; `seq`: where it is stored, for what is stored in a log.
    pub fn ok(&self, op: u64, seq: Option<Seq>) {
        self.recorder.record(What::Ok {
            client: self.client(),
            op,
            seq,
        });
    }

    /// It is refused for good. Not for `unknown`, `unavailable` and `internal`, which leave it open.
    pub fn fail(&self, op: u64, code: ErrorCode) {
        self.recorder.record(What::Fail {
            client: self.client(),
            op,
            code,
        });
    }

    /// Whether it is done is not known, and nobody asks any more.
    pub fn info(&self, op: u64, reason: &str) {
        self.recorder.record(What::Info {
            client: self.client(),
            op,
            reason: reason.into(),
        });
    }

    /// The run is over, the client is connected, and this is how far it has each conversation.
    pub fn finished(&self, cursors: BTreeMap<ConversationId, Seq>) {
        self.recorder.record(What::Finished {
            client: self.client(),
            cursors,
        });
    }

    fn reply(&self, id: u64, result: &Result<Reply, protocol::Error>) {
        let mut wire = self.wire.lock();
        let epoch = wire.epoch;
        if wire.sync == Some(id) {
            wire.sync = None;
            if let Ok(Reply::Synced(synced)) = result {
                let code = |(id, error): (&ConversationId, &protocol::Error)| (id.clone(), error.code);
                self.recorder.record(What::Synced {
                    client: self.client(),
                    epoch,
                    refused: synced.refused.iter().map(code).collect(),
                });
            }
        }
        if let Ok(Reply::History(page)) = result {
            for entry in &page.entries {
                self.entry(epoch, entry, Via::History);
            }
        }
        match wire.asked.remove(&id) {
            Some(Asked::Send) => {
                let (seq, code) = match result {
                    Ok(Reply::Sent(sent) | Reply::Invited(Invited { sent, .. }))
                        if sent.client_id.is_some() =>
                    {
                        (Some(sent.seq), None)
                    }
                    // It was so already, and nothing was stored. Another kind of reply says nothing about the send.
                    Ok(_) => return,
                    Err(error) => (None, Some(error.code)),
                };
                self.recorder.record(What::Answered {
                    client: self.client(),
                    epoch,
                    frame: id,
                    seq,
                    code,
                });
            }
            Some(Asked::Mark {
                conversation,
                seq,
                read,
            }) if result.is_ok() => self.recorder.record(What::Marked {
                client: self.client(),
                epoch,
                conversation,
                seq,
                read,
            }),
            _ => {}
        }
    }

    fn entry(&self, epoch: u64, entry: &protocol::Entry, via: Via) {
        self.recorder.record(What::Entry {
            client: self.client(),
            epoch,
            conversation: entry.conversation.clone(),
            seq: entry.seq,
            sender: entry.sender.clone(),
            client_id: entry.client_id.clone(),
            kind: (&entry.body).into(),
            via,
            digest: Digest::of(entry),
        });
    }

    fn client(&self) -> ClientName {
        Arc::clone(&self.client)
    }
}
