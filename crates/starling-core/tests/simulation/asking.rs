//! What a client asks for, from the wish to its outcome. Everything stays open until it is answered, and is sent
//! again on the next connection, oldest first, a send with its old client_id.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use starling_check::ClientRecorder;
use starling_check::history::Call;
use starling_protocol::{
    Accept, AddMembers, ClientFrame, ClientId, Command, ConversationId, Create, DeleteMessage, Delivered,
    EditMessage, Entry, Error, ErrorCode, Invite, InviteId, Invited, Join, Kind, Leave, Moderate, Mute,
    React, Read, RemoveMember, Reply, Revoke, Role, Send, Seq, SetRole, Update, UserId,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::connection::Connection;

/// A wish.
pub(crate) enum Ask {
    Say(ConversationId),
    /// One of the client's last messages, counted back.
    Edit(ConversationId, usize),
    Delete(ConversationId, usize),
    /// To one of the last messages that the client has, counted back.
    React {
        conversation: ConversationId,
        back: usize,
        removed: bool,
    },
    Join(ConversationId),
    Leave(ConversationId),
    Add(ConversationId, UserId),
    Remove(ConversationId, UserId),
    /// Mark all that the client has as delivered.
    Mark(ConversationId),
    /// Mark all that the client has as read.
    Read(ConversationId),
    Role(ConversationId, UserId, Role),
    Ban(ConversationId, UserId),
    Unban(ConversationId, UserId),
    /// For so long, or until it is lifted.
    Mute(ConversationId, UserId, Option<Duration>),
    Unmute(ConversationId, UserId),
    /// Give it another name, and say whether it is open.
    Update(ConversationId, Option<bool>),
    Invite {
        conversation: ConversationId,
        max_uses: Option<u32>,
        made: oneshot::Sender<Invited>,
    },
    /// Join by an invite's token.
    Accept(String),
    Revoke(ConversationId, InviteId),
    Make {
        members: Vec<UserId>,
        kind: Kind,
        open: bool,
        made: oneshot::Sender<ConversationId>,
    },
}

/// What one client has asked for.
pub(crate) struct Asking {
    name: String,
    recorder: Arc<ClientRecorder>,
    next_frame: u64,
    next_key: u64,
    /// Oldest first.
    unanswered: VecDeque<Unanswered>,
    lamports: HashMap<ConversationId, u64>,
    /// When the latest entry that was heard was made.
    clock: i64,
    /// The last messages that the client has, and whether they are its user's own.
    heard: HashMap<ConversationId, VecDeque<(Seq, bool)>>,
}

/// So many of a conversation's last messages.
const HEARD: usize = 12;
const EMOJI: [&str; 3] = ["👍", "🎉", "👀"];

struct Unanswered {
    op: u64,
    command: Command,
    made: Option<Made>,
    /// Of its last transmission, and when that was.
    frame: u64,
    since: Instant,
}

/// Who waits for what was made.
enum Made {
    Conversation(oneshot::Sender<ConversationId>),
    Invite(oneshot::Sender<Invited>),
}

impl Asking {
    pub(crate) fn new(name: &str, recorder: Arc<ClientRecorder>) -> Self {
        Self {
            name: name.to_owned(),
            recorder,
            next_frame: 1,
            next_key: 1,
            unanswered: VecDeque::new(),
            lamports: HashMap::new(),
            clock: 0,
            heard: HashMap::new(),
        }
    }

    /// A frame with an id of its own.
    pub(crate) fn frame(&mut self, command: Command) -> ClientFrame {
        let id = self.next_frame;
        self.next_frame += 1;
        ClientFrame { id, command }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Since when the client has waited for an answer.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.unanswered.iter().map(|asked| asked.since).min()
    }

    /// Does what is wished for.
    pub(crate) fn ask(
        &mut self,
        connection: &Connection,
        ask: Ask,
        cursor: impl Fn(&ConversationId) -> Option<Seq>,
    ) {
        let mut made = None;
        let command = match ask {
            Ask::Say(conversation) => self.say(conversation),
            Ask::Edit(conversation, back) => match self.message(&conversation, back, true) {
                Some(seq) => {
                    let key = self.key();
                    Command::Edit(EditMessage {
                        conversation,
                        seq,
                        text: format!("text of {key}"),
                        client_id: Some(key),
                        retry: false,
                    })
                }
                None => return,
            },
            Ask::Delete(conversation, back) => match self.message(&conversation, back, true) {
                Some(seq) => Command::Delete(DeleteMessage {
                    conversation,
                    seq,
                    client_id: Some(self.key()),
                    retry: false,
                }),
                None => return,
            },
            Ask::React {
                conversation,
                back,
                removed,
            } => match self.message(&conversation, back, false) {
                Some(seq) => Command::React(React {
                    conversation,
                    seq,
                    emoji: EMOJI[back % EMOJI.len()].into(),
                    removed,
                    client_id: Some(self.key()),
                    retry: false,
                }),
                None => return,
            },
            Ask::Join(conversation) => Command::Join(Join { conversation }),
            Ask::Leave(conversation) => Command::Leave(Leave { conversation }),
            Ask::Add(conversation, user) => Command::Add(AddMembers {
                conversation,
                users: vec![user],
            }),
            Ask::Remove(conversation, user) => Command::Remove(RemoveMember { conversation, user }),
            Ask::Mark(conversation) => match cursor(&conversation) {
                Some(seq) => Command::Delivered(Delivered { conversation, seq }),
                None => return,
            },
            Ask::Read(conversation) => match cursor(&conversation) {
                Some(seq) => Command::Read(Read { conversation, seq }),
                None => return,
            },
            Ask::Role(conversation, user, role) => Command::Role(SetRole {
                conversation,
                user,
                role,
                client_id: Some(self.key()),
                retry: false,
            }),
            Ask::Ban(conversation, user) => Command::Ban(self.moderate(conversation, user)),
            Ask::Unban(conversation, user) => Command::Unban(self.moderate(conversation, user)),
            Ask::Mute(conversation, user, lasts) => Command::Mute(Mute {
                conversation,
                user,
                until: lasts.map(|lasts| self.clock + lasts.as_millis() as i64),
                client_id: Some(self.key()),
                retry: false,
            }),
            Ask::Unmute(conversation, user) => Command::Unmute(self.moderate(conversation, user)),
            Ask::Update(conversation, open) => {
                let key = self.key();
                Command::Update(Update {
                    conversation,
                    name: Some(format!("name of {key}")),
                    description: None,
                    avatar_url: None,
                    open,
                    client_id: Some(key),
                    retry: false,
                })
            }
            Ask::Invite {
                conversation,
                max_uses,
                made: to,
            } => {
                made = Some(Made::Invite(to));
                Command::Invite(Invite {
                    conversation,
                    expires_at: None,
                    max_uses,
                    client_id: Some(self.key()),
                    retry: false,
                })
            }
            Ask::Accept(token) => Command::Accept(Accept { token }),
            Ask::Revoke(conversation, invite) => Command::Revoke(Revoke { conversation, invite }),
            Ask::Make {
                members,
                kind,
                open,
                made: to,
            } => {
                made = Some(Made::Conversation(to));
                Command::Create(Create {
                    open: Some(open),
                    client_id: Some(self.key()),
                    ..Create::of(kind, members)
                })
            }
        };
        self.unanswered.push_back(Unanswered {
            op: self.recorder.invoke(call(&command)),
            command,
            made,
            frame: 0,
            since: Instant::now(),
        });
        self.transmit(connection, self.unanswered.len() - 1);
    }

    fn key(&mut self) -> ClientId {
        let key = format!("{}.{}", self.name, self.next_key);
        self.next_key += 1;
        ClientId::new(key).unwrap()
    }

    fn moderate(&mut self, conversation: ConversationId, user: UserId) -> Moderate {
        Moderate {
            conversation,
            user,
            client_id: Some(self.key()),
            retry: false,
        }
    }

    fn say(&mut self, conversation: ConversationId) -> Command {
        let client_id = self.key();
        let text = format!("text of {client_id}");
        Command::Send(Send {
            lamport: self.lamports.get(&conversation).copied(),
            ..Send::text(conversation, client_id, text)
        })
    }

    /// Sends again what is unanswered, oldest first.
    pub(crate) fn again(&mut self, connection: &Connection) {
        for index in 0..self.unanswered.len() {
            self.unanswered[index].command.mark_as_retry();
            self.transmit(connection, index);
        }
    }

    fn transmit(&mut self, connection: &Connection, index: usize) {
        let frame = self.frame(self.unanswered[index].command.clone());
        let asked = &mut self.unanswered[index];
        (asked.frame, asked.since) = (frame.id, Instant::now());
        self.recorder.sent(&frame);
        connection.send(frame);
    }

    /// An entry has come.
    pub(crate) fn heard(&mut self, user: &UserId, entry: &Entry) {
        let lamport = self.lamports.entry(entry.conversation.clone()).or_default();
        *lamport = entry.lamport.max(*lamport);
        self.clock = entry.at.max(self.clock);
        if entry.body.is_message() {
            let heard = self.heard.entry(entry.conversation.clone()).or_default();
            heard.push_front((entry.seq, entry.sender.as_ref() == Some(user)));
            heard.truncate(HEARD);
        }
    }

    fn message(&self, conversation: &ConversationId, back: usize, own: bool) -> Option<Seq> {
        let heard = self.heard.get(conversation)?.iter();
        let mut heard = heard.filter(|(_, is_own)| *is_own || !own);
        heard.nth(back).map(|(seq, _)| *seq)
    }

    /// A reply has come.
    pub(crate) fn answered(&mut self, frame: u64, result: &Result<Reply, Error>) {
        let Some(index) = self.unanswered.iter().position(|asked| asked.frame == frame) else {
            return;
        };
        let op = self.unanswered[index].op;
        match result {
            // Without a client_id nothing was stored: it was so already.
            Ok(Reply::Sent(sent)) => self.recorder.ok(op, sent.client_id.as_ref().map(|_| sent.seq)),
            Ok(Reply::Conversation(summary)) => {
                self.recorder.ok(op, None);
                if let Some(Made::Conversation(made)) = self.unanswered[index].made.take() {
                    let _ = made.send(summary.id.clone());
                }
            }
            Ok(Reply::Invited(invited)) => {
                self.recorder.ok(op, Some(invited.sent.seq));
                if let Some(Made::Invite(made)) = self.unanswered[index].made.take() {
                    let _ = made.send(invited.clone());
                }
            }
            Ok(_) => self.recorder.ok(op, None),
            // The connection will be closed, and it will be sent again.
            Err(error) if leaves_open(error) => return,
            Err(error) => self.recorder.fail(op, error.code),
        }
        self.unanswered.remove(index);
    }
}

fn leaves_open(error: &Error) -> bool {
    matches!(
        error.code,
        ErrorCode::Unknown | ErrorCode::Unavailable | ErrorCode::Internal
    )
}

/// How a history names it.
fn call(command: &Command) -> Call {
    if let Some((conversation, client_id)) = command.key() {
        return Call::Send {
            conversation: conversation.clone(),
            client_id: client_id.clone(),
        };
    }
    match command.clone() {
        Command::Join(Join { conversation }) => Call::Join { conversation },
        Command::Leave(Leave { conversation }) => Call::Leave { conversation },
        Command::Add(AddMembers { conversation, users }) => Call::Add { conversation, users },
        Command::Remove(RemoveMember { conversation, user }) => Call::Remove { conversation, user },
        Command::Delivered(Delivered { conversation, seq }) => Call::Delivered { conversation, seq },
        Command::Read(Read { conversation, seq }) => Call::MarkRead { conversation, seq },
        Command::Accept(Accept { token }) => {
            let (conversation, _) = token.rsplit_once('.').unwrap();
            let conversation = ConversationId::new(conversation).unwrap();
            Call::Accept { conversation }
        }
        Command::Revoke(Revoke { conversation, invite }) => Call::Revoke { conversation, invite },
        Command::Create(Create { client_id, .. }) => Call::Create { client_id },
        other => unreachable!("no wish is a {}", other.name()),
    }
}
