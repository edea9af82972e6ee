//! The head: knowing it, and making good what a predecessor may have left undone below it.

use std::sync::Arc;

use starling_protocol::{Entry, HeadMark, Seq};

use super::{Actor, Announced, FOLD_AT_MOST, Hint};
use crate::node_message::NodeMessage;
use crate::ports::Unavailable;
use crate::sequencer::effects::{effects, newcomers};
use crate::sequencer::state::{State, read_range};
use crate::{defect, planted};

impl Actor {
    /// Folds in what other nodes have published.
    pub(super) fn follow_deliveries(&mut self) {
        let Some(state) = &mut self.state else { return };
        for entry in self.shared.delivery.recent_after(&self.id, state.mark.seq) {
            state.fold(&entry);
        }
    }

    /// Brings the state to the log's head, whatever coordination says, and recovers where it says something
    /// that a clean predecessor would not have left.
    pub(super) async fn refresh(&mut self, hint: Hint) -> Result<(), Unavailable> {
        if hint == Hint::Kept && !self.suspect && self.state.is_some() {
            return Ok(());
        }
        self.follow_deliveries();
        if planted(defect::COUNTER_TRUSTED)
            && let (
                Some(state),
                Hint::Marks {
                    counter: Some(seq), ..
                },
            ) = (&mut self.state, hint)
        {
            state.mark.seq = seq;
            return Ok(());
        }
        let clean_at = |seq: Seq| match hint {
            Hint::Marks { counter, head } => counter == Some(seq) && head == Some(seq),
            // Nobody can be told anything; what is owed is made up for when coordination is back.
            Hint::None | Hint::Kept => true,
        };
        let held = self.state.as_ref().map(|state| state.mark.seq);
        if hint == Hint::None || self.suspect || !held.is_some_and(clean_at) {
            self.read_head().await?;
        }
        let Some(head) = self.state.as_ref().map(|state| state.mark) else {
            return Ok(());
        };
        if head.seq > 0 && (self.suspect || !clean_at(head.seq)) {
            self.recover(head).await?;
        } else if hint != Hint::None {
            self.applied = head.seq;
        }
        Ok(())
    }

    /// Makes the state that of the log's head, as read from the primary at majority.
    pub(super) async fn read_head(&mut self) -> Result<(), Unavailable> {
        let ports = &self.shared.ports;
        let Some(head) = ports.log.head(&self.id).await? else {
            self.state = Some(State::empty());
            return Ok(());
        };
        match &mut self.state {
            // A primary that was just elected may not have caught up with what is known here at majority.
            Some(state) if state.mark.seq >= head.seq => {}
            Some(state)
                if state.exists()
                    && state.mark.seq < head.seq
                    && head.seq - state.mark.seq <= FOLD_AT_MOST =>
            {
                let after = state.mark.seq;
                for entry in read_range(ports, &self.id, after, head.seq).await? {
                    state.fold(&entry);
                }
            }
            _ => {
                let (state, applied) = State::load(ports, &head).await?;
                // A membership change that is not marked as applied may not be announced either.
                self.suspect |= applied < head.membership;
                self.state = Some(state);
            }
        }
        Ok(())
    }

    /// Re-applies and announces again what is stored up to the head and perhaps was not.
    pub(super) async fn recover(&mut self, head: HeadMark) -> Result<(), Unavailable> {
        let shared = self.shared.clone();
        shared.events.stored(&self.id);
        let record = shared.ports.directory.conversation(&self.id).await?;
        let applied = record.map_or(0, |record| record.applied.max(self.applied));
        let entries = read_range(&shared.ports, &self.id, applied, head.seq).await?;
        let effects = effects(&entries);
        if !effects.is_empty() {
            shared.ports.directory.apply(&effects).await?;
        }
        self.applied = head.seq;
        shared.marks.said(&entries);
        shared.delivery.offer(&shared, &entries);
        let introduced = self.introduce(&entries).await;
        let changes = entries
            .into_iter()
            .filter(|entry| entry.body.changes_membership())
            .collect();
        let announcement = Announced::message(&NodeMessage::Head(self.id.clone(), head.seq, changes));
        metrics::counter!("starling_recoveries_total").increment(1);
        let told = shared
            .ports
            .leases
            .commit(Arc::new(self.commit_of(head.seq, announcement, None)))
            .await;
        match told {
            Ok(_) if introduced.is_ok() => {
                self.suspect = false;
                shared.marks.applied(&self.id, head.seq);
            }
            // The log is right; the others find out by comparing heads. Keep owing it.
            _ => self.suspect = true,
        }
        Ok(())
    }

    /// Recovers a conversation in which nothing is queued.
    pub(super) async fn settle(&mut self) -> Result<(), Unavailable> {
        self.read_head().await?;
        match self.state.as_ref().map(|state| state.mark) {
            Some(head) if head.seq > 0 => self.recover(head).await?,
            _ => self.suspect = false,
        }
        if self.suspect {
            return Err(Unavailable::new(
                "coordination",
                "the head could not be announced",
            ));
        }
        self.abandon_lease().await;
        Ok(())
    }

    /// Puts the nodes of new members on the route before the entry that makes them members is published: nobody
    /// else tells them of it.
    pub(super) async fn introduce(&self, entries: &[Arc<Entry>]) -> Result<(), Unavailable> {
        let users: Vec<_> = entries.iter().flat_map(|entry| newcomers(entry)).collect();
        if users.is_empty() {
            return Ok(());
        }
        let ports = &self.shared.ports;
        let sessions = ports.sessions.sessions(&users).await?;
        let mut nodes: Vec<_> = sessions
            .into_iter()
            .flatten()
            .map(|session| session.incarnation)
            .collect();
        nodes.sort();
        nodes.dedup();
        for node in nodes {
            ports
                .bus
                .join_routes(std::slice::from_ref(&self.id), &node)
                .await?;
        }
        Ok(())
    }
}
