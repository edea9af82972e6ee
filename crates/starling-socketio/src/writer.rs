//! What goes to one client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engineioxide::TransportType;
use serde::Serialize;
use starling_core::{Drained, SharedFrame};
use starling_protocol::{CloseCode, Command, ConversationId, Delivered, Entry, Event, Seq, ServerFrame};
use tokio::time::{Instant, sleep, sleep_until};

use crate::dialect::translate;
use crate::end::End;
use crate::live::Live;
use crate::parser::Frame;
use crate::pending::Pending;
use crate::recovery::{self, OFFSET};
use crate::rooms::Verdict;

/// The engine cannot be waited for: this is how often it is looked whether its transport has made room.
const ROOM_PAUSE: Duration = Duration::from_millis(10);
/// What is written counts as delivered, and is marked so this long after.
const MARK_AFTER: Duration = Duration::from_millis(500);
/// Packets that are gathered before they are handed to the engine, if there are so many.
const TOGETHER: usize = 16;
/// Packets that are handed over in one go at most: the engine holds more.
const IN_ONE_GO: usize = 64;

/// The client is gone, or does not read.
struct Lost;

/// The server's side of a client.
pub(crate) struct Writer<'a> {
    live: &'a Live,
    /// Not handed to the engine yet.
    ready: Vec<Frame>,
    /// What is written and not marked as delivered yet.
    unmarked: BTreeMap<ConversationId, Seq>,
    mark_at: Option<Instant>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(live: &'a Live) -> Self {
        Self {
            live,
            ready: Vec::new(),
            unmarked: BTreeMap::new(),
            mark_at: None,
        }
    }

    /// Writes what is queued until the outbox is closed or the client is lost.
    pub(crate) async fn run(&mut self) -> End {
        loop {
            let mark_at = self.mark_at;
            let marking = async {
                match mark_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let written = tokio::select! {
                drained = self.live.outbox().drain() => match drained {
                    Drained::Frames(frames) => Box::pin(self.write(frames)).await,
                    Drained::Closed(code) => {
                        let _ = Box::pin(self.write_own()).await;
                        return End::Server(code);
                    }
                },
                () = self.live.queue().filled() => Box::pin(self.write_own()).await,
                () = marking => {
                    Box::pin(self.mark()).await;
                    Ok(())
                }
            };
            if written.is_err() {
                return match self.live.outbox().closed() {
                    Some(code) => End::Server(code),
                    None => End::Lost,
                };
            }
        }
    }

    /// What is queued besides the core's frames, and how far the client is then.
    async fn write_own(&mut self) -> Result<(), Lost> {
        self.ready.extend(self.live.queue().take());
        self.flush().await
    }

    async fn write(&mut self, frames: Vec<Arc<SharedFrame>>) -> Result<(), Lost> {
        // Now, and not before the frames were taken: a room's history must be there before what follows it.
        self.ready.extend(self.live.queue().take());
        for frame in frames {
            // Too late for the rest: the client will ask for it again, and should know soon that it must.
            if self.live.outbox().closed() == Some(CloseCode::SlowConsumer) {
                return Err(Lost);
            }
            self.write_frame(&frame).await?;
            if self.ready.len() >= TOGETHER {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    async fn write_frame(&mut self, frame: &SharedFrame) -> Result<(), Lost> {
        match frame.frame() {
            ServerFrame::Event(Event::Entry(entry)) => self.write_entry(frame, entry).await,
            ServerFrame::Event(Event::Conversation(state)) => {
                self.live
                    .rooms
                    .lock()
                    .begins(&state.conversation.id, state.cursor);
                Ok(())
            }
            ServerFrame::Event(Event::Receipts(change)) => {
                self.tell_joined(frame, &change.conversation).await;
                Ok(())
            }
            ServerFrame::Event(Event::Typing(change)) => {
                self.tell_joined(frame, &change.conversation).await;
                Ok(())
            }
            ServerFrame::Event(Event::Presence(_)) => {
                if let Some(room) = self.live.dialect().presence_in(self.live) {
                    self.tell_joined(frame, room).await;
                }
                Ok(())
            }
            ServerFrame::Event(_) => Ok(()),
            ServerFrame::Reply { id, result } => {
                match self.live.waiting().answered(*id) {
                    Some(Pending::Streams(sender)) => drop(sender.send(result.clone())),
                    Some(pending) => self.live.dialect().answer(self.live, pending, result).await,
                    None => {}
                }
                self.ready.extend(self.live.queue().take());
                Ok(())
            }
        }
    }

    async fn write_entry(&mut self, frame: &SharedFrame, entry: &Entry) -> Result<(), Lost> {
        let room = &entry.conversation;
        let verdict = self.live.rooms.lock().take(room, entry.seq);
        match verdict {
            Verdict::Skip => return Ok(()),
            Verdict::Gap => {
                // It comes back and goes on from its offset.
                tracing::warn!(conversation = %room, seq = entry.seq, "a stream with a gap");
                self.live.outbox().close(CloseCode::Unavailable);
                return Err(Lost);
            }
            Verdict::Tell => {}
        }
        self.tell(frame).await;
        if entry.body.ends_membership_of(self.live.user()) {
            self.live.rooms.lock().leave(room);
            self.unmarked.remove(room);
            return Ok(());
        }
        self.unmarked.insert(room.clone(), entry.seq);
        self.mark_at.get_or_insert_with(|| Instant::now() + MARK_AFTER);
        Ok(())
    }

    async fn tell_joined(&mut self, frame: &SharedFrame, room: &ConversationId) {
        let joined = self.live.rooms.lock().contains(room);
        if joined {
            self.tell(frame).await;
        }
    }

    /// Writes what the dialect makes of a frame; the same for all clients, but for whom not to tell.
    async fn tell(&mut self, frame: &SharedFrame) {
        let live = self.live;
        for telling in translate(live, frame).await {
            if telling.concerns(live.user()) {
                self.ready.push(telling.frame.clone());
            }
        }
    }

    /// Hands over what is ready, with how far the client has its rooms then: in one go, so that the engine writes both at
    /// once. A node that died between the two would leave a client that is told again what it has.
    async fn flush(&mut self) -> Result<(), Lost> {
        let moved = self.live.rooms.lock().moved();
        let mut frames = std::mem::take(&mut self.ready);
        while frames.len() > IN_ONE_GO {
            let rest = frames.split_off(IN_ONE_GO);
            self.put(std::mem::replace(&mut frames, rest)).await?;
        }
        if let Some(cursors) = moved {
            // A poll that waits is answered with the first packet that comes, and with that one alone. So the first one
            // says nothing, and the next poll gets all the others.
            if !frames.is_empty() && self.live.wire().transport_type() == TransportType::Polling {
                frames.insert(0, self.offset(&()));
            }
            frames.push(self.offset(&recovery::write(&cursors)));
        }
        if frames.is_empty() {
            return Ok(());
        }
        self.put(frames).await
    }

    fn offset<T: Serialize>(&self, offset: &T) -> Frame {
        let namespace = self.live.dialect().namespace();
        self.live.parser().event(namespace, OFFSET, offset)
    }

    /// Marks as delivered what was written.
    async fn mark(&mut self) {
        self.mark_at = None;
        for (conversation, seq) in std::mem::take(&mut self.unmarked) {
            let command = Command::Delivered(Delivered { conversation, seq });
            self.live.submit(Pending::Mark, command).await;
        }
    }

    /// Hands packets to the engine, as soon as its transport has room for them and for one of the engine's own: it
    /// takes a client for dead to which it cannot write its ping.
    async fn put(&mut self, frames: Vec<Frame>) -> Result<(), Lost> {
        let wire = self.live.wire();
        let began = Instant::now();
        loop {
            let places: Result<Vec<_>, _> = (0..=frames.len()).map(|_| wire.reserve()).collect();
            if let Ok(places) = places {
                let count = frames.len() as u64;
                for (place, frame) in places.into_iter().zip(frames) {
                    match frame {
                        Frame::Text(text) => place.emit(text),
                        Frame::Binary(bytes) => place.emit_binary(bytes),
                    }
                }
                self.live.server().counters().frames_out.increment(count);
                return Ok(());
            }
            let patience = self.live.server().settings().write_timeout;
            let too_slow = self.live.outbox().closed() == Some(CloseCode::SlowConsumer);
            if wire.is_closed() || too_slow || began.elapsed() > patience {
                return Err(Lost);
            }
            sleep(ROOM_PAUSE).await;
        }
    }
}
