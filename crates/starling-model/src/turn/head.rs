//! The head: knowing it, and making good what a predecessor may have left undone below it (`actor/head.rs`).

use crate::Defect;
use crate::config::Seq;
use crate::state::{Held, Hint, Phase};
use crate::store::Changes;
use crate::world::{Reply, World};

impl World<'_> {
    /// `follow_deliveries`: what the node's sessions have been given, its actor knows.
    pub(super) fn follow(&mut self, node: usize) {
        let actor = self.node(node);
        if let Some(held) = actor.held.filter(|held| held.mark < actor.hub) {
            let changes = self.state.store.changes(self.config, held.mark, actor.hub);
            let followed = fold(held, &changes, actor.hub);
            self.node_mut(node).held = Some(followed);
        }
    }

    /// `read_head`, with `State::load` where nothing is held. `None`: the turn has failed.
    pub(super) fn read_head(&mut self, node: usize) -> Option<Held> {
        let head = self.state.store.head();
        let store = &self.state.store;
        let held = match self.node(node).held {
            Some(held) if held.mark >= head => held,
            Some(held) => fold(held, &store.changes(self.config, held.mark, head), head),
            // The directory is ahead of the log as it was read: this is the state of no entry.
            None if store.directory.changed > head && !self.config.lacks(Defect::ShortReads) => {
                self.node_mut(node).phase = Phase::Idle;
                return None;
            }
            None => {
                let directory = store.directory;
                let changes = store.changes(self.config, directory.applied, head);
                let mut news = changes.iter().filter(|(seq, _)| *seq > directory.changed);
                let last = news.next_back().copied();
                let (seq, bob) = last.unwrap_or((directory.changed, directory.bob));
                let membership = store.membership(self.config, head);
                self.node_mut(node).suspect |= directory.applied < membership;
                Held {
                    mark: head,
                    since: since(seq, bob),
                }
            }
        };
        self.node_mut(node).held = Some(held);
        Some(held)
    }

    /// `refresh`, up to its first call.
    pub(super) fn be_at_head(&mut self, node: usize, hint: Hint) {
        let actor = self.node(node);
        if hint == Hint::Kept && !actor.suspect && actor.held.is_some() {
            return self.append(node);
        }
        self.follow(node);
        let actor = self.node(node);
        match actor.held.filter(|held| hint.is_clean_at(held.mark)) {
            Some(held) if hint != Hint::None && !actor.suspect => self.go_on(node, hint, held),
            _ => self.node_mut(node).phase = Phase::Refresh(hint),
        }
    }

    /// `refresh`, once the head is read.
    pub(super) fn refresh(&mut self, node: usize, hint: Hint) {
        let Some(held) = self.read_head(node) else { return };
        if self.node(node).suspect || !hint.is_clean_at(held.mark) {
            self.recover(node, held, false);
        } else {
            self.go_on(node, hint, held);
        }
    }

    fn go_on(&mut self, node: usize, hint: Hint, held: Held) {
        if hint != Hint::None {
            self.node_mut(node).applied = held.mark;
        }
        self.append(node);
    }

    /// `settle`: recovers a conversation in which nothing is queued.
    pub(super) fn settle(&mut self, node: usize) {
        if let Some(held) = self.read_head(node) {
            self.recover(node, held, true);
        }
    }

    fn recover(&mut self, node: usize, held: Held, settling: bool) {
        let from = self.state.store.directory.applied.max(self.node(node).applied);
        match self.state.store.read_changes(self.config, from, held.mark) {
            None => self.node_mut(node).phase = Phase::Idle,
            Some(changes) if changes.is_empty() => self.reapplied(node, held, settling),
            Some(changes) => {
                // What was read is applied, whatever can be read by then.
                let to = changes.iter().last().map_or(from, |(seq, _)| *seq);
                self.node_mut(node).phase = Phase::ReApply { from, to, settling };
            }
        }
    }

    pub(crate) fn reapply(&mut self, node: usize, reply: Reply) {
        let Phase::ReApply { from, to, settling } = self.node(node).phase else {
            return;
        };
        let Some(held) = self.node(node).held else { return };
        if reply.is_done() {
            let changes = self.state.store.changes(self.config, from, to);
            self.state.store.apply(self.config, changes.as_slice());
        }
        if reply == Reply::Fine {
            self.reapplied(node, held, settling);
        } else {
            self.node_mut(node).phase = Phase::Idle;
        }
    }

    fn reapplied(&mut self, node: usize, held: Held, settling: bool) {
        let actor = self.node_mut(node);
        actor.applied = held.mark;
        actor.hub = actor.hub.max(held.mark);
        actor.phase = Phase::Announce { settling };
    }

    pub(crate) fn announce(&mut self, node: usize, reply: Reply) {
        let Phase::Announce { settling } = self.node(node).phase else {
            return;
        };
        let Some(held) = self.node(node).held else { return };
        if reply.is_done() {
            self.publish(node, held.mark, held.mark);
        }
        let actor = self.node_mut(node);
        actor.suspect = reply != Reply::Fine;
        if !actor.suspect {
            actor.mark = actor.mark.max(held.mark);
        }
        match (settling, actor.suspect) {
            (false, _) => self.append(node),
            (true, true) => actor.phase = Phase::Idle,
            (true, false) => self.end_turn(node),
        }
    }

    /// Entries `first..=last` reach the other nodes on the route; a gap before them is read from the log.
    pub(super) fn publish(&mut self, from: usize, first: Seq, last: Seq) {
        if !self.state.redis.routed {
            return;
        }
        let head = self.state.store.head();
        for node in (0..self.config.nodes).filter(|node| *node != from) {
            let hub = &mut self.node_mut(node).hub;
            *hub = if *hub + 1 >= first { last } else { head.max(last) }.max(*hub);
        }
    }
}

fn fold(held: Held, changes: &Changes, to: Seq) -> Held {
    Held {
        mark: to,
        since: changes
            .iter()
            .last()
            .map_or(held.since, |(seq, bob)| since(*seq, *bob)),
    }
}

fn since(seq: Seq, is_member: bool) -> Seq {
    if is_member { seq } else { 0 }
}
