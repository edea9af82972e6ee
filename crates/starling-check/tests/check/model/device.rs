//! A client of the model, with both ends of its connection.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use starling_check::history::Call;
use starling_check::{ClientRecorder, Recorder};
use starling_protocol::{
    Body, ClientFrame, ClientId, Command, ConversationId, ConversationState, ConversationSummary, Delivered,
    Error, ErrorCode, Event, Kind, Read, Ready, Reply, Role, Send, Seq, ServerFrame, Sync, UserId,
};

use super::conversation::Conversation;

pub(super) struct Device {
    pub(super) recorder: ClientRecorder,
    pub(super) user: UserId,
    pub(super) connected: bool,
    /// Up to where it has applied each conversation.
    pub(super) cursors: BTreeMap<ConversationId, Seq>,
    former: BTreeSet<ConversationId>,
    /// Sends without a definite answer, oldest first.
    pub(super) pending: Vec<Pending>,
    /// Marks that the application asked for, by frame.
    marks: HashMap<u64, u64>,
    next_frame: u64,

    /// What the server knows: whether it has been told to stream, and how far each stream is.
    pub(super) live: bool,
    pub(super) streams: BTreeMap<ConversationId, Seq>,

    /// On the way to the server.
    pub(super) inbox: VecDeque<ClientFrame>,
    /// On the way to the client.
    pub(super) outbox: VecDeque<Out>,
}

pub(super) struct Pending {
    pub(super) op: u64,
    send: Send,
    frame: Option<u64>,
}

pub(super) enum Out {
    Frame(Box<ServerFrame>),
    Close(u16),
}

impl Device {
    pub(super) fn new(recorder: &Arc<Recorder>, name: &str) -> Self {
        let user = UserId::new(name.split('/').next().unwrap()).unwrap();
        Self {
            recorder: recorder.client(name, &user),
            user,
            connected: false,
            cursors: BTreeMap::new(),
            former: BTreeSet::new(),
            pending: Vec::new(),
            marks: HashMap::new(),
            next_frame: 1,
            live: false,
            streams: BTreeMap::new(),
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
        }
    }

    pub(super) fn transmit(&mut self, command: Command) -> u64 {
        let id = self.next_frame;
        self.next_frame += 1;
        let frame = ClientFrame { id, command };
        self.recorder.sent(&frame);
        self.inbox.push_back(frame);
        id
    }

    /// Resumes, and sends again what is unanswered, oldest first.
    pub(super) fn connect(&mut self) {
        self.connected = true;
        self.recorder.received(&ServerFrame::Event(Event::Ready(Ready {
            user: self.user.clone(),
            node: "node".into(),
            connection: "x".into(),
            heartbeat_ms: 25_000,
        })));
        self.sync();
        for index in 0..self.pending.len() {
            self.pending[index].send.retry = self.pending[index].frame.is_some();
            self.transmit_pending(index);
        }
    }

    fn transmit_pending(&mut self, index: usize) {
        let send = self.pending[index].send.clone();
        self.pending[index].frame = Some(self.transmit(Command::Send(send)));
    }

    pub(super) fn sync(&mut self) {
        let mut cursors = self.cursors.clone();
        cursors.retain(|id, _| !self.former.contains(id));
        self.transmit(Command::Sync(Sync { cursors }));
    }

    pub(super) fn disconnect(&mut self, code: u16) {
        self.recorder.disconnected(code);
        self.connected = false;
        self.live = false;
        self.streams.clear();
        self.inbox.clear();
        self.outbox.clear();
        self.marks.clear();
    }

    pub(super) fn speak(&mut self, conversation: ConversationId, client_id: ClientId) {
        let op = self.recorder.invoke(Call::Send {
            conversation: conversation.clone(),
            client_id: client_id.clone(),
        });
        let send = Send::text(conversation, client_id.clone(), format!("{client_id} says hello"));
        self.pending.push(Pending {
            op,
            send,
            frame: None,
        });
        if self.connected {
            self.transmit_pending(self.pending.len() - 1);
        }
    }

    /// Marks what it has of the conversation with this index.
    pub(super) fn mark(&mut self, index: usize, through_application: bool, read: bool) {
        let (conversation, seq) = self.cursors.iter().nth(index).unwrap();
        let (conversation, seq) = (conversation.clone(), *seq);
        let id = conversation.clone();
        let (call, command) = if read {
            let call = Call::MarkRead { conversation, seq };
            (
                call,
                Command::Read(Read {
                    conversation: id,
                    seq,
                }),
            )
        } else {
            let call = Call::Delivered { conversation, seq };
            (
                call,
                Command::Delivered(Delivered {
                    conversation: id,
                    seq,
                }),
            )
        };
        let op = through_application.then(|| self.recorder.invoke(call));
        let frame = self.transmit(command);
        self.marks.extend(op.map(|op| (frame, op)));
    }

    /// The server's side: a stream starts.
    pub(super) fn start(&mut self, conversation: &Conversation, cursor: Seq) {
        self.streams.insert(conversation.id.clone(), cursor);
        let summary = ConversationSummary {
            id: conversation.id.clone(),
            kind: Kind::Group,
            name: None,
            description: None,
            avatar_url: None,
            open: true,
            role: Role::Member,
            head: conversation.head(),
            delivered: 0,
            read: 0,
            unread: 0,
            hidden: false,
            last: None,
        };
        self.say(ServerFrame::Event(Event::Conversation(ConversationState {
            cursor,
            conversation: summary,
        })));
    }

    pub(super) fn say(&mut self, frame: ServerFrame) {
        self.outbox.push_back(Out::Frame(Box::new(frame)));
    }

    /// Whether the server has closed. What comes after that it drops, so that nothing overtakes what is undecided.
    pub(super) fn is_closing(&self) -> bool {
        self.outbox.iter().any(|out| matches!(out, Out::Close(_)))
    }

    /// The client's side: the next frame. Whether there was any.
    pub(super) fn hear(&mut self) -> bool {
        match self.outbox.pop_front() {
            None => return false,
            Some(Out::Close(code)) => self.disconnect(code),
            Some(Out::Frame(frame)) => {
                self.recorder.received(&frame);
                match *frame {
                    ServerFrame::Reply { id, result } => self.answered(id, result),
                    ServerFrame::Event(Event::Conversation(state)) => {
                        let id = state.conversation.id;
                        self.former.remove(&id);
                        let cursor = self.cursors.entry(id).or_default();
                        *cursor = state.cursor.max(*cursor);
                    }
                    ServerFrame::Event(Event::Entry(entry)) => {
                        let cursor = self.cursors.get_mut(&entry.conversation).unwrap();
                        if entry.seq == *cursor + 1 {
                            *cursor = entry.seq;
                            if entry.body.ends_membership_of(&self.user) {
                                self.former.insert(entry.conversation.clone());
                            }
                            if matches!(&entry.body, Body::Joined { users, .. } if users.contains(&self.user))
                            {
                                self.former.remove(&entry.conversation);
                            }
                        }
                    }
                    ServerFrame::Event(_) => {}
                }
            }
        }
        true
    }

    fn answered(&mut self, id: u64, result: Result<Reply, Error>) {
        if let Some(op) = self.marks.remove(&id) {
            match result {
                Ok(_) => self.recorder.ok(op, None),
                Err(error) => self.recorder.fail(op, error.code),
            }
            return;
        }
        let Some(index) = self.pending.iter().position(|pending| pending.frame == Some(id)) else {
            return;
        };
        let op = self.pending[index].op;
        match result {
            Ok(Reply::Sent(sent)) => {
                self.pending.remove(index);
                self.recorder.ok(op, Some(sent.seq));
            }
            Err(error) if error.code == ErrorCode::RateLimited => self.transmit_pending(index),
            // The connection ends with this, and the next one begins with sending it again.
            Err(error) if error.code == ErrorCode::Unknown => {}
            Err(error) => {
                self.pending.remove(index);
                self.recorder.fail(op, error.code);
            }
            Ok(other) => panic!("an answer to another question: {other:?}"),
        }
    }
}
