//! A recorded client: what its application asked for and was told, and every frame below it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use starling_check::history::Call;
use starling_check::{ClientRecorder, Recorder};
use starling_client::protocol::{
    ClientId, Codec, Command, ConversationId, ConversationSummary, Create, ErrorCode, History, HistoryPage,
    InviteId, Invited, Reply, Send, Seq, UserId,
};
use starling_client::{Client, Error, Tapped};
use starling_cluster::Cluster;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

/// Sends of one client without an answer, while a fault lasts: when there are as many, it makes no more.
const UNANSWERED: u32 = 12;
/// Commands of one client on their way at the same time.
const WINDOW: usize = 8;

/// One device of one user.
pub(crate) struct Participant {
    name: String,
    user: UserId,
    client: Client,
    recorder: Arc<ClientRecorder>,
    reading: watch::Sender<bool>,
    room: Arc<Semaphore>,
    marks_itself: bool,
}

impl Participant {
    /// Connects to this URL, and reads all events from then on. A name is a user's, and what follows a slash tells
    /// one of the user's devices from another.
    pub(crate) async fn connect(
        cluster: &Cluster,
        url: String,
        recorder: &Arc<Recorder>,
        number: usize,
        name: &str,
    ) -> Result<Self> {
        let user = UserId::new(name.split('/').next().unwrap_or(name))?;
        let token = cluster.token(user.as_str())?;
        let recorder = Arc::new(recorder.client(name, &user));
        let tap = Arc::clone(&recorder);
        // Every third tells by itself what it has read; for the others the client does.
        let marks_itself = number.is_multiple_of(3);
        let mut builder = Client::builder([url])
            .token(token)
            .codec(Codec::ALL[number % Codec::ALL.len()])
            .window(WINDOW)
            .tap(move |tapped| match tapped {
                Tapped::Sent(frame) => tap.sent(frame),
                Tapped::Received(frame) => tap.received(frame),
                Tapped::Disconnected { code } => tap.disconnected(code),
            });
        if marks_itself {
            builder = builder.without_delivered_marks();
        }
        let client = builder.connect().await?;
        let reading = watch::Sender::new(true);
        tokio::spawn(read(client.clone(), reading.subscribe()));
        Ok(Self {
            name: name.to_owned(),
            user,
            client,
            recorder,
            reading,
            room: Arc::new(Semaphore::new(UNANSWERED as usize)),
            marks_itself,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn marks_itself(&self) -> bool {
        self.marks_itself
    }

    /// Whether the application takes events. If it does not, the client soon stops reading its socket.
    pub(crate) fn set_reading(&self, reading: bool) {
        self.reading.send_replace(reading);
    }

    /// Hands a message over, and goes on without waiting for its answer, unless too many are without one. Call it
    /// from one task, so that what is made first is sent first. `acknowledged` is called with when the send was made,
    /// or why it was refused.
    pub(crate) async fn send(
        &self,
        id: &ConversationId,
        client_id: ClientId,
        text: String,
        acknowledged: impl FnOnce(Result<Instant, ErrorCode>) + std::marker::Send + 'static,
    ) {
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
            return;
        };
        let call = Call::Send {
            conversation: id.clone(),
            client_id: client_id.clone(),
        };
        let send = Send::text(id.clone(), client_id, text);
        let made = Instant::now();
        let op = self.recorder.invoke(call);
        let handed_over = self.client.enqueue(send).await;
        let recorder = Arc::clone(&self.recorder);
        tokio::spawn(async move {
            let answer = match handed_over {
                Ok(outcome) => outcome.await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(sent) => {
                    recorder.ok(op, Some(sent.seq));
                    acknowledged(Ok(made));
                }
                Err(Error::Refused(error)) => {
                    recorder.fail(op, error.code);
                    acknowledged(Err(error.code));
                }
                Err(error) => recorder.info(op, &error.to_string()),
            }
            drop(room);
        });
    }

    /// Waits until all sends have their answers, and tells how many have none when the time is up.
    pub(super) async fn answered(&self, within: Duration) -> usize {
        let all = timeout(within, self.room.acquire_many(UNANSWERED)).await;
        if all.is_ok() { 0 } else { self.unanswered() }
    }

    /// How many sends have no answer now.
    pub(super) fn unanswered(&self) -> usize {
        (UNANSWERED as usize).saturating_sub(self.room.available_permits())
    }

    pub(crate) async fn create(&self, create: Create) -> Result<ConversationId> {
        let op = self.recorder.invoke(Call::Create {
            client_id: create.client_id.clone(),
        });
        let created: Result<ConversationSummary, Error> = self.client.create(create).await;
        conclude(&self.recorder, op, created.as_ref().map(|_| None));
        Ok(created?.id)
    }

    pub(crate) async fn join(&self, id: &ConversationId) -> bool {
        let op = self.recorder.invoke(Call::Join {
            conversation: id.clone(),
        });
        let joined = self.client.join(id).await;
        conclude(&self.recorder, op, joined.as_ref().map(|sent| Some(sent.seq)));
        joined.is_ok()
    }

    pub(crate) async fn leave(&self, id: &ConversationId) -> bool {
        let op = self.recorder.invoke(Call::Leave {
            conversation: id.clone(),
        });
        let left = self.client.leave(id).await;
        self.conclude_ending(op, &left);
        left.is_ok()
    }

    pub(crate) async fn remove(&self, id: &ConversationId, user: UserId) {
        let op = self.recorder.invoke(Call::Remove {
            conversation: id.clone(),
            user: user.clone(),
        });
        let removed = self.client.remove(id, user).await;
        self.conclude_ending(op, &removed);
    }

    /// Becomes a member by an invite's token.
    pub(crate) async fn accept(&self, id: &ConversationId, token: &str) -> bool {
        let op = self.recorder.invoke(Call::Accept {
            conversation: id.clone(),
        });
        let accepted = self.client.accept(token).await;
        conclude(&self.recorder, op, accepted.as_ref().map(|sent| Some(sent.seq)));
        accepted.is_ok()
    }

    pub(crate) async fn add(&self, id: &ConversationId, user: UserId) {
        let users = vec![user];
        let op = self.recorder.invoke(Call::Add {
            conversation: id.clone(),
            users: users.clone(),
        });
        let added = self.client.add(id, users).await;
        conclude(&self.recorder, op, added.as_ref().map(|sent| Some(sent.seq)));
    }

    pub(crate) async fn revoke(&self, id: &ConversationId, invite: InviteId) {
        let op = self.recorder.invoke(Call::Revoke {
            conversation: id.clone(),
            invite: invite.clone(),
        });
        let revoked = self.client.revoke(id, invite).await;
        conclude(&self.recorder, op, revoked.as_ref().map(|sent| Some(sent.seq)));
    }

    /// Edits or deletes a message, reacts to it, or governs the conversation: what has a key. The reply, unless it is
    /// refused.
    pub(crate) async fn ask(&self, command: Command) -> Option<Reply> {
        let (conversation, client_id) = command.key()?;
        let op = self.recorder.invoke(Call::Send {
            conversation: conversation.clone(),
            client_id: client_id.clone(),
        });
        let reply = self.client.request(command).await;
        // Without a client id nothing was stored: it was so already.
        let stored = |reply: &Reply| match reply {
            Reply::Sent(sent) | Reply::Invited(Invited { sent, .. }) => {
                sent.client_id.as_ref().map(|_| sent.seq)
            }
            _ => None,
        };
        conclude(&self.recorder, op, reply.as_ref().map(stored));
        reply.ok()
    }

    /// A page of history, the newest or one from the middle.
    pub(crate) async fn read(&self, id: &ConversationId, after: Option<Seq>) -> Option<HistoryPage> {
        let op = self.recorder.invoke(Call::Read {
            conversation: id.clone(),
        });
        let history = History {
            after,
            limit: Some(20),
            ..History::newest(id.clone())
        };
        let page = self.client.history(history).await;
        conclude(&self.recorder, op, page.as_ref().map(|_| None));
        page.ok()
    }

    pub(crate) async fn delivered(&self, id: &ConversationId, seq: Seq) {
        let op = self.recorder.invoke(Call::Delivered {
            conversation: id.clone(),
            seq,
        });
        let marked = self.client.delivered(id, seq).await;
        conclude(&self.recorder, op, marked.as_ref().map(|()| None));
    }

    pub(crate) async fn mark_read(&self, id: &ConversationId, seq: Seq) {
        let op = self.recorder.invoke(Call::MarkRead {
            conversation: id.clone(),
            seq,
        });
        let marked = self.client.read(id, seq).await;
        conclude(&self.recorder, op, marked.as_ref().map(|()| None));
    }

    /// Where it stands, for the record; its connection stays.
    pub(crate) fn finish(&self) -> BTreeMap<ConversationId, Seq> {
        let cursors = self.client.cursors();
        self.recorder.finished(cursors.clone());
        cursors
    }

    /// A refusal may be of a second attempt, after a first that was carried out and whose answer was lost.
    fn conclude_ending<T>(&self, op: u64, result: &Result<T, Error>) {
        match result {
            Ok(_) => self.recorder.ok(op, None),
            Err(error) => self.recorder.info(op, &error.to_string()),
        }
    }
}

fn conclude(recorder: &ClientRecorder, op: u64, result: Result<Option<Seq>, &Error>) {
    match result {
        Ok(seq) => recorder.ok(op, seq),
        Err(Error::Refused(error)) => recorder.fail(op, error.code),
        Err(error) => recorder.info(op, &error.to_string()),
    }
}

async fn read(client: Client, mut reading: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            event = client.next_event() => {
                if event.is_err() {
                    return;
                }
            }
            // Ends with the participant.
            changed = reading.changed() => {
                if changed.is_err() || reading.wait_for(|reading| *reading).await.is_err() {
                    return;
                }
            }
        }
    }
}
