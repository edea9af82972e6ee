//! What the participants do, until they are told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use starling_client::protocol::{ClientId, Command, DeleteMessage, EditMessage, Entry, React};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::cast::{Cast, Conversation};
use super::governor::Governor;
use super::participant::Participant;

/// Messages a second, of all together.
const RATE: f64 = 220.0;
/// How many of them go to the hot conversation.
const HOT: f64 = 0.17;
/// Between two things that a client does besides sending.
const ASIDE: (f64, f64) = (1.5, 5.0);
/// How often whoever does something marks what he has as read, and how often more than there is.
const READS: (f64, f64) = (0.35, 0.05);
/// How often whoever reads a page alters something in it.
const ALTERS: f64 = 0.7;
/// How often he looks for one of his own messages first: among twenty people's they are rare.
const ALTERS_OWN: f64 = 0.6;

/// The running load.
pub(crate) struct Talk {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Talk {
    /// Starts it. The same seed makes the same choices, though not at the same moments.
    pub(crate) fn start(cast: &Arc<Cast>, seed: u64) -> Self {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for index in 0..cast.participants.len() {
            let role = |salt: u64| Role {
                cast: Arc::clone(cast),
                index,
                chance: StdRng::seed_from_u64(seed ^ ((index as u64 + 1) << 32) ^ salt),
                stop: stop.subscribe(),
            };
            tasks.spawn(role(0).send_messages());
            tasks.spawn(role(1).do_other_things());
        }
        for number in 0..cast.conversations.len() {
            let governor = Governor {
                cast: Arc::clone(cast),
                number,
                chance: StdRng::seed_from_u64(seed ^ ((number as u64 + 1) << 48)),
                stop: stop.subscribe(),
            };
            tasks.spawn(governor.govern());
        }
        Self { stop, tasks }
    }

    /// Tells all to stop, and waits until nobody begins anything any more; who waits for an answer for longer than
    /// `patience` is made to. Sends may still be without answers.
    pub(crate) async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        let stopped = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(patience, stopped).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

/// One participant's part.
struct Role {
    cast: Arc<Cast>,
    index: usize,
    chance: StdRng,
    stop: watch::Receiver<bool>,
}

impl Role {
    fn participant(&self) -> Arc<Participant> {
        Arc::clone(&self.cast.participants[self.index])
    }

    /// Waits; false if the load has stopped meanwhile.
    async fn pause(&mut self, time: Duration) -> bool {
        timeout(time, self.stop.wait_for(|stop| *stop)).await.is_err()
    }

    async fn send_messages(mut self) {
        let participant = self.participant();
        let device = participant.name().replace('/', ".");
        let mean = self.cast.participants.len() as f64 / RATE;
        let mut number = 0_u64;
        loop {
            // Between arrivals that know nothing of one another the gaps are exponential.
            let gap = -mean * (1.0 - self.chance.random::<f64>()).ln();
            if !self.pause(Duration::from_secs_f64(gap)).await {
                return;
            }
            let conversation = self.choose();
            let Ok(client_id) = ClientId::new(format!("{device}-{number}")) else {
                return;
            };
            let text = format!(
                "message {number} of {device}: {}",
                "and so on ".repeat(self.chance.random_range(0..6))
            );
            number += 1;
            let id = &self.cast.conversations[conversation].id;
            let progress = Arc::clone(&self.cast.progress);
            let acknowledged = move |answer: Result<_, _>| match answer {
                Ok(made) => progress.acknowledge(conversation, made),
                Err(_) => progress.refuse(),
            };
            participant.send(id, client_id, text, acknowledged).await;
        }
    }

    /// Where to say something: the hot conversation, or one of one's own. Those who come and go send also while
    /// they are no members, and are refused.
    fn choose(&mut self) -> usize {
        let own: Vec<usize> = self.own().map(|(number, _)| number).collect();
        if self.chance.random_bool(HOT) {
            return 0;
        }
        own.choose(&mut self.chance).copied().unwrap_or(0)
    }

    fn own(&self) -> impl Iterator<Item = (usize, &Conversation)> {
        let takes_part = |conversation: &Conversation| {
            conversation.stayers.contains(&self.index) || conversation.floaters.contains(&self.index)
        };
        let others = self.cast.conversations.iter().enumerate().skip(1);
        others.filter(move |(_, conversation)| takes_part(conversation))
    }

    async fn do_other_things(mut self) {
        let mut member = vec![false; self.cast.conversations.len()];
        loop {
            let pause = self.chance.random_range(ASIDE.0..ASIDE.1);
            if !self.pause(Duration::from_secs_f64(pause)).await {
                return;
            }
            let mut stop = self.stop.clone();
            // A command that no node answers is tried until one does: do not wait for it at the end.
            tokio::select! {
                _ = self.do_something(&mut member) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn do_something(&mut self, member: &mut [bool]) -> Result<()> {
        let participant = self.participant();
        let cast = Arc::clone(&self.cast);
        let floating: Vec<usize> = self
            .own()
            .filter(|(_, conversation)| conversation.floaters.contains(&self.index))
            .map(|(number, _)| number)
            .collect();
        if let Some(&number) = floating.choose(&mut self.chance)
            && self.chance.random_bool(0.6)
        {
            let id = &cast.conversations[number].id;
            if member[number] {
                // A refusal says that the admin was faster.
                participant.leave(id).await;
                member[number] = false;
            } else {
                member[number] = participant.join(id).await;
            }
            return Ok(());
        }
        let administered = cast
            .conversations
            .iter()
            .skip(1)
            .find(|conversation| conversation.admin == self.index);
        if let Some(conversation) = administered
            && self.chance.random_bool(0.3)
            && let Some(&floater) = conversation.floaters.choose(&mut self.chance)
        {
            let user = cast.participants[floater].user().clone();
            participant.remove(&conversation.id, user).await;
            return Ok(());
        }
        let number = self.choose();
        let id = &cast.conversations[number].id;
        let cursor = participant
            .client()
            .cursors()
            .get(id)
            .copied()
            .unwrap_or_default();
        if cursor > 0 && self.chance.random_bool(READS.0) {
            let ahead = u64::from(self.chance.random_bool(READS.1)) * 1_000_000;
            participant.mark_read(id, cursor + ahead).await;
        } else if participant.marks_itself() && cursor > 0 && self.chance.random_bool(0.5) {
            participant.delivered(id, cursor).await;
        } else {
            let after = self
                .chance
                .random_bool(0.3)
                .then(|| self.chance.random_range(0..=cursor));
            let page = participant.read(id, after).await;
            if let Some(page) = page
                && self.chance.random_bool(ALTERS)
            {
                self.alter_one_of(&page.entries).await;
            }
        }
        Ok(())
    }

    /// Edits or deletes one of his own messages, or reacts to another's.
    async fn alter_one_of(&mut self, entries: &[Arc<Entry>]) {
        let participant = self.participant();
        let messages: Vec<_> = entries.iter().filter(|entry| entry.body.is_message()).collect();
        let is_own = |entry: &Entry| entry.sender.as_ref() == Some(participant.user());
        let own: Vec<_> = messages.iter().copied().filter(|entry| is_own(entry)).collect();
        let among = if !own.is_empty() && self.chance.random_bool(ALTERS_OWN) {
            own
        } else {
            messages
        };
        let Some(message) = among.choose(&mut self.chance) else {
            return;
        };
        let (conversation, seq) = (message.conversation.clone(), message.seq);
        let client_id = ClientId::new(format!("altered-{:x}", self.chance.random::<u128>())).ok();
        let is_own = is_own(message);
        let command = match self.chance.random_range(0..10) {
            0..3 if is_own => Command::Delete(DeleteMessage {
                conversation,
                seq,
                client_id,
                retry: false,
            }),
            3..8 if is_own => Command::Edit(EditMessage {
                conversation,
                seq,
                text: format!("edited for {}", self.chance.random::<u32>()),
                client_id,
                retry: false,
            }),
            _ => Command::React(React {
                conversation,
                seq,
                emoji: ["👍", "🎉", "👀"][self.chance.random_range(0..3)].into(),
                removed: self.chance.random_bool(0.3),
                client_id,
                retry: false,
            }),
        };
        participant.ask(command).await;
    }
}
