//! The application's handle.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{
    self as protocol, Accept, AddMembers, AskMyStats, AskPresences, AskStats, AskStatus, ClientFrame,
    ClientId, Command, ConversationId, ConversationStats, ConversationSummary, Conversations, Create,
    DeleteMessage, Delivered, Dissolve, EditMessage, EntryStatus, ErrorCode, Hide, History, HistoryPage,
    Invite, InviteId, Invited, Invites, Join, Kind, Leave, List, ListInvites, ListReceipts, ListSanctions,
    Moderate, Mute, MyStats, Ping, Presence, React, Read, ReceiptsPage, RemoveMember, Reply, Revoke, Role,
    Sanctions, Send, Sent, Seq, SetPresence, SetRole, Typing, Update, UserId,
};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::builder::Config;
use crate::driver::{Driver, Op};
use crate::shared::{Phase, Shared, Status};
use crate::{Builder, Codec, Error, Event, Stats};

/// Commands that wait to be taken over by the driver, over and above those that it keeps.
const COMMANDS: usize = 16;

/// A user's connection to the cluster, over whichever node, for as long as there is a handle.
///
/// Cheap to clone; all clones are one client. Dropping the last one ends it at once; [`Self::close`] ends it
/// in an orderly way.
///
/// **Read the events.** Answers arrive on the same socket, so an application that waits for an answer and
/// lets [`Self::next_event`] be, waits for ever once the event buffer is full. Let one task read the events
/// while others send, or start the client with [`Builder::discard_events`].
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    commands: mpsc::Sender<Op>,
    events: Mutex<mpsc::Receiver<Event>>,
    shared: Arc<Shared>,
    codec: Codec,
}

impl Client {
    /// A client for any of these URLs, `ws://host:port/ws`. The first one is tried first; at every reconnect
    /// comes the turn of the next.
    pub fn builder(urls: impl IntoIterator<Item = impl Into<String>>) -> Builder {
        Builder::new(urls)
    }

    pub(crate) fn start(config: Config) -> Self {
        let (commands, ops) = mpsc::channel(COMMANDS);
        let (sink, events) = mpsc::channel(config.events);
        let shared = Arc::new(Shared::new(&config.cursors));
        let codec = config.codec;
        tokio::spawn(Driver::new(config, ops, sink, Arc::clone(&shared)).run());
        Self {
            inner: Arc::new(Inner {
                commands,
                events: Mutex::new(events),
                shared,
                codec,
            }),
        }
    }

    /// The next event. An entry counts as taken, and moves [`Self::cursors`], when this returns it.
    ///
    /// Cancellation safe: no event is lost. If several tasks call it, each event goes to one of them.
    ///
    /// # Errors
    /// Why the client has ended, when all events before that have been taken.
    pub async fn next_event(&self) -> Result<Event, Error> {
        let event = self.inner.events.lock().await.recv().await;
        match event {
            Some(event) => {
                self.inner.shared.note(&event);
                Ok(event)
            }
            None => Err(self.inner.shared.reason()),
        }
    }

    /// Says `text` in a conversation, under a new client id. Like [`Self::send_with`].
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn send(&self, conversation: &ConversationId, text: impl Into<String>) -> Result<Sent, Error> {
        self.send_with(new_send(conversation, text.into())?).await
    }

    /// Sends, and waits for a definite answer: across reconnects, "unknown", "unavailable" and rate limits the
    /// client sends again by itself, under the same client id.
    ///
    /// Cancellation: a send that the client has taken over goes on.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not stored and will not be. [`Error::Deadline`], [`Error::Closed`] and the
    /// errors that end a client leave the outcome open.
    pub async fn send_with(&self, send: Send) -> Result<Sent, Error> {
        self.enqueue(send).await?.await
    }

    /// Hands a send over, and returns when the client has it. What is handed over first is sent first, so this
    /// is how an application keeps many sends on their way in an order of its choice.
    ///
    /// Cancellation safe: before it returns, the send is not taken over.
    ///
    /// # Errors
    /// [`Error::Refused`] (`too_large`) if it does not fit into a frame, or the error that ended the client.
    pub async fn enqueue(&self, send: Send) -> Result<Outcome, Error> {
        let outcome = self.hand_over(Command::Send(send)).await?;
        Ok(Outcome {
            outcome,
            shared: Arc::clone(&self.inner.shared),
        })
    }

    /// Changes what one of this user's messages says. Like [`Self::send`], under a new client id.
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn edit(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        text: impl Into<String>,
    ) -> Result<Sent, Error> {
        self.change(Command::Edit(EditMessage {
            conversation: conversation.clone(),
            seq,
            text: text.into(),
            client_id: Some(new_client_id()?),
            retry: false,
        }))
        .await
    }

    /// Takes a message back: one of this user's or, as a moderator or admin, anyone's. Like [`Self::send`], under a new
    /// client id. Where it is deleted already, the answer names no client id.
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn delete(&self, conversation: &ConversationId, seq: Seq) -> Result<Sent, Error> {
        self.change(Command::Delete(DeleteMessage {
            conversation: conversation.clone(),
            seq,
            client_id: Some(new_client_id()?),
            retry: false,
        }))
        .await
    }

    /// Reacts to a message. Like [`Self::send`], under a new client id. Where this user reacts so already, the answer
    /// names no client id.
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn react(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        emoji: impl Into<String>,
    ) -> Result<Sent, Error> {
        self.reaction(conversation, seq, emoji.into(), false).await
    }

    /// Takes a reaction of this user back. Like [`Self::react`].
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn unreact(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        emoji: impl Into<String>,
    ) -> Result<Sent, Error> {
        self.reaction(conversation, seq, emoji.into(), true).await
    }

    async fn reaction(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        emoji: String,
        removed: bool,
    ) -> Result<Sent, Error> {
        self.change(Command::React(React {
            conversation: conversation.clone(),
            seq,
            emoji,
            removed,
            client_id: Some(new_client_id()?),
            retry: false,
        }))
        .await
    }

    /// Makes a conversation. A `create` of anything but a direct conversation gets a client id if it has none,
    /// so that a retry finds the first one's.
    ///
    /// # Errors
    /// As for all commands: [`Error::Refused`] with the server's code; [`Error::Deadline`]; or the error that
    /// ended the client.
    pub async fn create(&self, mut create: Create) -> Result<ConversationSummary, Error> {
        if create.client_id.is_none() && create.kind != Kind::Direct {
            create.client_id = Some(new_client_id()?);
        }
        match self.request(Command::Create(create)).await? {
            Reply::Conversation(summary) => Ok(summary),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes a group of this user and others, without a name.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn create_group(&self, members: Vec<UserId>) -> Result<ConversationSummary, Error> {
        let create = Create::of(Kind::Group, members);
        self.create(create).await
    }

    /// Makes, or finds, the direct conversation with another user.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn create_direct(&self, other: UserId) -> Result<ConversationSummary, Error> {
        let create = Create::of(Kind::Direct, vec![other]);
        self.create(create).await
    }

    /// Joins an open conversation. Sent again after a reconnect, like all commands: what it asks for is a
    /// state, so that asking twice does no harm.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn join(&self, conversation: &ConversationId) -> Result<Sent, Error> {
        self.change(Command::Join(Join {
            conversation: conversation.clone(),
        }))
        .await
    }

    /// Leaves a conversation. If the answer to the first attempt was lost, a retry may be refused with
    /// `not_a_member`: then it is done.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn leave(&self, conversation: &ConversationId) -> Result<Sent, Error> {
        self.change(Command::Leave(Leave {
            conversation: conversation.clone(),
        }))
        .await
    }

    /// Makes users members.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn add(&self, conversation: &ConversationId, users: Vec<UserId>) -> Result<Sent, Error> {
        self.change(Command::Add(AddMembers {
            conversation: conversation.clone(),
            users,
        }))
        .await
    }

    /// Ends a user's membership. If the answer to the first attempt was lost, a retry may be refused since the
    /// user is no member any more: then it is done.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn remove(&self, conversation: &ConversationId, user: UserId) -> Result<Sent, Error> {
        self.change(Command::Remove(RemoveMember {
            conversation: conversation.clone(),
            user,
        }))
        .await
    }

    /// Becomes a member by an invite's token.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn accept(&self, token: impl Into<String>) -> Result<Sent, Error> {
        let token = token.into();
        self.change(Command::Accept(Accept { token })).await
    }

    /// Gives a member another role, under a new client id: a retry does not undo what others have done since.
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn set_role(
        &self,
        conversation: &ConversationId,
        user: UserId,
        role: Role,
    ) -> Result<Sent, Error> {
        self.change(Command::Role(SetRole {
            conversation: conversation.clone(),
            user,
            role,
            client_id: Some(new_client_id()?),
            retry: false,
        }))
        .await
    }

    /// Bans a user, and ends his membership if he has one. Under a new client id, like [`Self::set_role`].
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn ban(&self, conversation: &ConversationId, user: UserId) -> Result<Sent, Error> {
        self.change(Command::Ban(moderate(conversation, user)?)).await
    }

    /// Lifts a ban. Like [`Self::ban`].
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn unban(&self, conversation: &ConversationId, user: UserId) -> Result<Sent, Error> {
        self.change(Command::Unban(moderate(conversation, user)?)).await
    }

    /// Keeps a member from speaking, until a time in milliseconds since the Unix epoch or until it is lifted. Like
    /// [`Self::ban`].
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn mute(
        &self,
        conversation: &ConversationId,
        user: UserId,
        until: Option<i64>,
    ) -> Result<Sent, Error> {
        self.change(Command::Mute(Mute {
            conversation: conversation.clone(),
            user,
            until,
            client_id: Some(new_client_id()?),
            retry: false,
        }))
        .await
    }

    /// Lets a member speak again. Like [`Self::ban`].
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn unmute(&self, conversation: &ConversationId, user: UserId) -> Result<Sent, Error> {
        self.change(Command::Unmute(moderate(conversation, user)?)).await
    }

    /// A page of those who are banned or muted.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn sanctions(&self, ask: ListSanctions) -> Result<Sanctions, Error> {
        match self.request(Command::Sanctions(ask)).await? {
            Reply::Sanctions(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Changes what a conversation is called, and who may join it. Gets a client id if it has none.
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn update(&self, mut update: Update) -> Result<Sent, Error> {
        if update.client_id.is_none() {
            update.client_id = Some(new_client_id()?);
        }
        self.change(Command::Update(update)).await
    }

    /// Makes an invite. Gets a client id if it has none, so that a retry makes no second one and is told the same
    /// token; but see `invite` in docs/protocol.md for where it has none.
    ///
    /// # Errors
    /// Like [`Self::send_with`].
    pub async fn invite(&self, mut invite: Invite) -> Result<Invited, Error> {
        if invite.client_id.is_none() {
            invite.client_id = Some(new_client_id()?);
        }
        match self.request(Command::Invite(invite)).await? {
            Reply::Invited(invited) => Ok(invited),
            other => Err(unexpected(&other)),
        }
    }

    /// The invites of a conversation that are in force.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn invites(&self, conversation: &ConversationId) -> Result<Invites, Error> {
        let conversation = conversation.clone();
        match self
            .request(Command::Invites(ListInvites { conversation }))
            .await?
        {
            Reply::Invites(invites) => Ok(invites),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends an invite for good.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn revoke(&self, conversation: &ConversationId, invite: InviteId) -> Result<Sent, Error> {
        let conversation = conversation.clone();
        self.change(Command::Revoke(Revoke { conversation, invite }))
            .await
    }

    /// A page of a conversation's log, apart from the stream of events.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn history(&self, history: History) -> Result<HistoryPage, Error> {
        match self.request(Command::History(history)).await? {
            Reply::History(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes a conversation off this user's list until something new is said in it.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn hide(&self, conversation: &ConversationId) -> Result<(), Error> {
        let conversation = conversation.clone();
        match self.request(Command::Hide(Hide { conversation })).await? {
            Reply::Done {} => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Deletes a conversation for all. If the answer to the first attempt was lost, a retry may be refused with
    /// `conversation_deleted`: then it is done.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn dissolve(&self, conversation: &ConversationId) -> Result<Sent, Error> {
        let conversation = conversation.clone();
        self.change(Command::Dissolve(Dissolve { conversation })).await
    }

    /// How much was said in a conversation, by how many, and when.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn conversation_stats(
        &self,
        conversation: &ConversationId,
        days: Option<u32>,
    ) -> Result<ConversationStats, Error> {
        let conversation = conversation.clone();
        match self
            .request(Command::Stats(AskStats { conversation, days }))
            .await?
        {
            Reply::Stats(stats) => Ok(stats),
            other => Err(unexpected(&other)),
        }
    }

    /// How much was said in this user's conversations, and how much of it by himself.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn my_stats(&self, days: Option<u32>) -> Result<MyStats, Error> {
        match self.request(Command::MyStats(AskMyStats { days })).await? {
            Reply::MyStats(stats) => Ok(stats),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of this user's conversations.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn list(&self, list: List) -> Result<Conversations, Error> {
        match self.request(Command::List(list)).await? {
            Reply::Conversations(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Marks everything up to `seq` as delivered to this user. The client does so by itself, unless it was
    /// built [`without`](Builder::without_delivered_marks).
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn delivered(&self, conversation: &ConversationId, seq: Seq) -> Result<(), Error> {
        let mark = Delivered {
            conversation: conversation.clone(),
            seq,
        };
        self.done(Command::Delivered(mark)).await
    }

    pub(crate) async fn done(&self, command: Command) -> Result<(), Error> {
        match self.request(command).await? {
            Reply::Done {} => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Marks everything up to `seq` as read by this user. Never done by the client itself: only the application
    /// knows what somebody has looked at.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn read(&self, conversation: &ConversationId, seq: Seq) -> Result<(), Error> {
        let mark = Read {
            conversation: conversation.clone(),
            seq,
        };
        self.done(Command::Read(mark)).await
    }

    /// A page of the marks of a conversation's members.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn receipts(&self, ask: ListReceipts) -> Result<ReceiptsPage, Error> {
        match self.request(Command::Receipts(ask)).await? {
            Reply::Receipts(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// What became of one entry, and with whom.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn status(&self, conversation: &ConversationId, seq: Seq) -> Result<EntryStatus, Error> {
        let ask = AskStatus {
            conversation: conversation.clone(),
            seq,
        };
        match self.request(Command::Status(ask)).await? {
            Reply::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// Tells the other members that this user types, or has stopped. Say so again every few seconds while he does:
    /// it ends by itself.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn typing(&self, conversation: &ConversationId, typing: bool) -> Result<(), Error> {
        let typing = Typing {
            conversation: conversation.clone(),
            typing,
        };
        self.done(Command::Typing(typing)).await
    }

    /// Changes what others see of this user. The state is the connection's: after a reconnect it is `online` again.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn set_presence(&self, set: SetPresence) -> Result<(), Error> {
        self.done(Command::Presence(set)).await
    }

    /// Who of these is there; those whom this user may not see are left out.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn presences(&self, users: Vec<UserId>) -> Result<Vec<Presence>, Error> {
        match self.request(Command::Presences(AskPresences { users })).await? {
            Reply::Presences(found) => Ok(found.presences),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks the node for its clock, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn ping(&self) -> Result<i64, Error> {
        match self.request(Command::Ping(Ping {})).await? {
            Reply::Pong { at } => Ok(at),
            other => Err(unexpected(&other)),
        }
    }

    /// Any command but `auth` and `sync`, which the client carries out by itself.
    ///
    /// # Errors
    /// [`Error::Config`] for those two, otherwise as for [`Self::create`].
    pub async fn request(&self, command: Command) -> Result<Reply, Error> {
        if matches!(command, Command::Auth(_) | Command::Sync(_)) {
            return Err(Error::Config(
                "the client authenticates and resumes by itself".into(),
            ));
        }
        let outcome = self.hand_over(command).await?;
        outcome.await.unwrap_or_else(|_| Err(self.inner.shared.reason()))
    }

    /// For each conversation the seq of the last entry that the application has taken. A client that is built
    /// with them goes on behind these.
    pub fn cursors(&self) -> BTreeMap<ConversationId, Seq> {
        self.inner.shared.cursors()
    }

    /// What the client has been through.
    pub fn stats(&self) -> Stats {
        self.inner.shared.stats()
    }

    /// The node that serves this client now.
    pub fn node(&self) -> Option<String> {
        self.inner.shared.status.borrow().node.clone()
    }

    /// Whose client this is; known from the first connection on.
    pub fn user(&self) -> Option<UserId> {
        self.inner.shared.status.borrow().user.clone()
    }

    /// Waits until a node has taken the client. Returns at once if one has it now. Cancellation safe.
    ///
    /// # Errors
    /// Why the client has ended.
    pub async fn connected(&self) -> Result<(), Error> {
        self.reach(Phase::Ready).await
    }

    /// Waits until all conversations are live. What was missed comes as events before that, so somebody must be
    /// reading them. Cancellation safe.
    ///
    /// # Errors
    /// Why the client has ended.
    pub async fn live(&self) -> Result<(), Error> {
        self.reach(Phase::Live).await
    }

    /// Drops the connection without a goodbye, as a network that breaks would, and connects to the next URL.
    pub fn drop_connection(&self) {
        self.inner.shared.drop_connection.notify_one();
    }

    /// Ends the client for all handles: unanswered commands fail with [`Error::Closed`], the server is told
    /// goodbye (for at most a second). Events that have arrived can still be taken. Cancellation safe: the
    /// client ends all the same.
    pub async fn close(&self) {
        self.inner.shared.close.send_replace(true);
        let _ = self.reach(Phase::Ended).await;
    }

    async fn reach(&self, phase: Phase) -> Result<(), Error> {
        let mut status = self.inner.shared.status.subscribe();
        let reached = |status: &Status| status.phase >= phase;
        match status.wait_for(reached).await.map(|status| status.phase) {
            Ok(Phase::Ended) | Err(_) => Err(self.inner.shared.reason()),
            Ok(_) => Ok(()),
        }
    }

    async fn change(&self, command: Command) -> Result<Sent, Error> {
        match self.request(command).await? {
            Reply::Sent(sent) => Ok(sent),
            other => Err(unexpected(&other)),
        }
    }

    async fn hand_over(&self, command: Command) -> Result<oneshot::Receiver<Result<Reply, Error>>, Error> {
        // The server would close the connection, and the retry would do it again.
        let frame = ClientFrame {
            id: u64::MAX,
            command,
        };
        if self.inner.codec.encode(&frame).as_bytes().len() > MAX_FRAME_BYTES {
            let message = format!("a frame holds at most {MAX_FRAME_BYTES} bytes");
            return Err(Error::Refused(protocol::Error::new(ErrorCode::TooLarge, message)));
        }
        let (respond, outcome) = oneshot::channel();
        let op = Op {
            command: frame.command,
            respond,
        };
        self.inner
            .commands
            .send(op)
            .await
            .map_err(|_| self.inner.shared.reason())?;
        Ok(outcome)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.inner.shared.status.borrow();
        f.debug_struct("Client")
            .field("user", &status.user)
            .field("node", &status.node)
            .finish_non_exhaustive()
    }
}

/// A send's definite answer, some time; see [`Client::enqueue`]. Dropping it does not take the send back.
#[derive(Debug)]
#[must_use = "without the answer it is not known whether the send was stored"]
pub struct Outcome {
    outcome: oneshot::Receiver<Result<Reply, Error>>,
    shared: Arc<Shared>,
}

impl Future for Outcome {
    type Output = Result<Sent, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.outcome).poll(cx)) {
            Ok(Ok(Reply::Sent(sent))) => Ok(sent),
            Ok(Ok(other)) => Err(unexpected(&other)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.shared.reason()),
        })
    }
}

/// A send with a new client id.
///
/// # Errors
/// None in practice: the id that is made is a valid one.
fn new_send(conversation: &ConversationId, text: String) -> Result<Send, Error> {
    Ok(Send::text(conversation.clone(), new_client_id()?, text))
}

/// A ban, or the end of one or of a mute, under a new client id.
fn moderate(conversation: &ConversationId, user: UserId) -> Result<Moderate, Error> {
    Ok(Moderate {
        conversation: conversation.clone(),
        user,
        client_id: Some(new_client_id()?),
        retry: false,
    })
}

/// A client id that nobody else has.
fn new_client_id() -> Result<ClientId, Error> {
    ClientId::new(uuid::Uuid::new_v4().to_string()).map_err(|error| Error::Config(error.to_string()))
}

pub(crate) fn unexpected(reply: &Reply) -> Error {
    Error::Protocol(format!("an answer to another question: {reply:?}"))
}
