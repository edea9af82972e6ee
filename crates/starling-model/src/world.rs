//! One step of the modelled world, carried out on a copy of its state.

use crate::Defect;
use crate::action::Action;
use crate::config::{Config, Kind};
use crate::fault::Fault;
use crate::redis::{Lock, Marks};
use crate::state::{Lease, Node, State};
use crate::store::ALL;

/// A state with the configuration that it is a state of.
pub(crate) struct World<'a> {
    pub(crate) config: &'a Config,
    pub(crate) state: State,
}

/// How a call to Redis or the directory ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Fine,
    /// No answer in time; it may be carried out all the same.
    Failed {
        done: bool,
    },
}

impl Reply {
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Fine | Self::Failed { done: true })
    }
}

impl World<'_> {
    pub(crate) fn node(&self, node: usize) -> &Node {
        self.state.node(node)
    }

    pub(crate) fn node_mut(&mut self, node: usize) -> &mut Node {
        self.state.node_mut(node)
    }

    pub(crate) fn take(&mut self, action: Action) {
        match action {
            Action::Send { client } => self.send(client),
            Action::Learn { client } => self.learn(client),
            Action::Step { node } => self.step(node),
            Action::Keep { node } => self.commit(node, true, Reply::Fine, true),
            Action::Land { insert } => self.state.store.land(self.config, insert),
            Action::Drop { insert } => {
                self.state.store.flights.remove(insert);
            }
            Action::Replicate => {
                self.state.store.replicate();
                self.state.store.tidy(self.config);
            }
            Action::WriteMark { node } => {
                let mark = self.node(node).mark;
                let directory = &mut self.state.store.directory;
                directory.applied = directory.applied.max(mark);
            }
            Action::Compare { node } => self.node_mut(node).hub = self.state.store.head(),
            Action::Rotate => self.node_mut(0).suspect = true,
            Action::RedisIsBack { node } => self.node_mut(node).alone = false,
            Action::LeaseEnds => self.lease_ends(),
            Action::CatchUp => self.state.store.seen = ALL,
            Action::Register => self.state.redis.routed = true,
            Action::Fault(fault) => {
                let kind = fault.kind();
                self.state.faults -= 1;
                self.state.allowed[kind as usize] -= 1;
                self.suffer(fault);
            }
        }
        self.forget_what_cannot_matter();
    }

    fn suffer(&mut self, fault: Fault) {
        let failed = |done| Reply::Failed { done };
        match fault {
            Fault::Crash { node, to } => self.crash(node, to),
            Fault::Cut { client, to } => self.connect(client, to),
            Fault::InsertUnanswered { node } => self.insert_unanswered(node),
            Fault::LeaseExpires => self.state.redis.lock = Lock::Free,
            Fault::ReservationLapses { node } => self.node_mut(node).lease = Lease::Held,
            Fault::Flush => self.state.redis.flush(),
            Fault::FailOver { head } => {
                self.state.redis.lock = Lock::Free;
                self.state.redis.marks = Some(Marks::clean(head));
            }
            Fault::Counter { counter } => {
                if let Some(marks) = &mut self.state.redis.marks {
                    marks.counter = counter;
                }
            }
            Fault::ReserveFails { node, done } => self.acquire(node, failed(done)),
            Fault::CommitFails { node, done } => {
                let keep = self.may_keep(node);
                self.commit(node, keep, failed(done), true);
            }
            Fault::AnnounceFails { node, done } => self.announce(node, failed(done)),
            Fault::ReApplyFails { node, done } => self.reapply(node, failed(done)),
            Fault::ApplyFails { node, done } => self.apply(node, failed(done)),
            Fault::PublishLost { node } => {
                let keep = self.may_keep(node);
                self.commit(node, keep, Reply::Fine, false);
            }
            Fault::GiveUp { node, client, to } => self.give_up_client(node, client, to),
            Fault::Recover { node } => self.node_mut(node).suspect = true,
            Fault::Election => self.state.store.roll_back(self.config),
            Fault::Lag { seen } => self.state.store.seen = seen,
            Fault::Retire { node } => {
                let retired = self.node_mut(node);
                (retired.held, retired.applied) = (None, 0);
            }
        }
    }

    fn crash(&mut self, node: usize, to: usize) {
        self.state.store.orphan(self.config, node);
        self.state.redis.disown(node);
        *self.node_mut(node) = Node {
            hub: self.state.store.head(),
            ..Node::default()
        };
        for client in 0..self.state.clients.len() {
            if usize::from(self.state.clients[client].node) == node {
                self.connect(client, to);
            }
        }
    }

    fn lease_ends(&mut self) {
        // An idle holder's own clock ends it first.
        if let Lock::Node(node) = self.state.redis.lock {
            self.node_mut(usize::from(node)).lease = Lease::None;
        }
        self.state.redis.lock = Lock::Free;
    }

    /// Values that nothing can depend on any more would only tell equal states apart.
    fn forget_what_cannot_matter(&mut self) {
        self.renumber_connections();
        let state = &mut self.state;
        if !state.may_fail(Kind::FailOver) {
            state.redis.committed = 0;
        }
        if !self.config.lacks(Defect::CounterTrusted) {
            state.redis.forget_how_far_ahead();
        }
        if state.faults == 0 {
            state.allowed.fill(0);
        }
        let applied = state.store.directory.applied;
        for node in state.nodes.as_mut_slice() {
            if node.mark <= applied {
                node.mark = 0;
            }
        }
    }
}
