//! Clients: each sends its script in order, without waiting; after a reconnect all that is unanswered again,
//! oldest first, before anything new.

use crate::Defect;
use crate::config::{Ask, CLIENTS, Config};
use crate::state::{Connections, Outcome, Phase, Queued, State};
use crate::world::World;

/// The next operation that a client's connection sends, by its place in the script.
pub(crate) fn next_to_send(config: &Config, state: &State, client: usize) -> Option<usize> {
    let sent = usize::from(state.clients[client].sent);
    let script = &config.scripts[client];
    (sent..script.len()).find(|index| state.outcome(script[*index]) == Outcome::Open)
}

/// Whether the node takes a client's next operation in: actors do so between turns.
pub(crate) fn can_send(config: &Config, state: &State, client: usize) -> bool {
    let node = state.node(usize::from(state.clients[client].node));
    node.phase == Phase::Idle && !node.queue.is_full() && next_to_send(config, state, client).is_some()
}

/// Whether a node holds something of a connection of which it does not know that it has ended.
pub(crate) fn can_learn(config: &Config, state: &State, client: usize) -> bool {
    let of = state.clients[client];
    let mut queued = state.nodes.iter().flat_map(|node| node.queue.iter());
    queued.any(|queued| {
        config.op(queued.op).sender == client && queued.origin < of.connection && !of.over.has(queued.origin)
    })
}

impl World<'_> {
    pub(crate) fn send(&mut self, client: usize) {
        let Some(index) = next_to_send(self.config, &self.state, client) else {
            return;
        };
        let op = self.config.scripts[client][index];
        let state = &mut self.state.clients[client];
        let retried = index < usize::from(state.ever);
        state.sent = index as u8 + 1;
        state.ever = state.ever.max(state.sent);
        let (node, connection) = (usize::from(state.node), state.connection);
        let look_up = retried && !self.config.lacks(Defect::NoIdempotency);
        let forgets = self.config.lacks(Defect::RetryForgotten);
        let queue = &mut self.node_mut(node).queue;
        match queue.as_mut_slice().iter_mut().find(|queued| queued.op == op) {
            // It is queued already: both answers are due.
            Some(queued) => {
                queued.asked_by.add(Connections::of(connection));
                if !forgets {
                    queued.look_up |= look_up;
                    queued.retried |= retried;
                }
            }
            None => queue.push(Queued {
                op,
                origin: connection,
                asked_by: Connections::of(connection),
                look_up,
                retried,
                ..Queued::default()
            }),
        }
    }

    /// The client's connection ends, and a new one begins. What is in the nodes' hands stays there; nobody
    /// hears its answers.
    pub(crate) fn connect(&mut self, client: usize, to: usize) {
        let sent = usize::from(self.state.clients[client].sent);
        for op in &self.config.scripts[client][..sent] {
            let outcome = &mut self.state.outcomes[usize::from(*op)];
            if *outcome == Outcome::Open && self.config.op(*op).ask != Ask::Message {
                *outcome = Outcome::Lost;
            }
        }
        let state = &mut self.state.clients[client];
        state.node = to as u8;
        state.connection += 1;
        state.sent = 0;
    }

    /// Whether the client that sent it still waits for its answer.
    fn is_awaited(&self, queued: &Queued) -> bool {
        let client = self.config.op(queued.op).sender;
        queued.asked_by.has(self.state.clients[client].connection)
    }

    /// Answers an operation, if its client still listens.
    pub(crate) fn answer(&mut self, queued: Queued, outcome: Outcome) {
        if self.is_awaited(&queued) {
            self.state.outcomes[usize::from(queued.op)] = outcome;
        }
    }

    /// Answers that the outcome is not known, which ends the connections that asked; the client connects to `to`.
    pub(crate) fn answer_unknown(&mut self, queued: Queued, to: usize) {
        let client = self.config.op(queued.op).sender;
        let is_awaited = self.is_awaited(&queued);
        let state = &mut self.state.clients[client];
        if !self.config.lacks(Defect::GiveUpForgotten) {
            state.cut_off.add(queued.asked_by);
        } else if is_awaited {
            state.cut_off.add(Connections::of(state.connection));
        }
        if is_awaited {
            self.connect(client, to);
        }
    }

    /// The nodes find that a client's earlier connections have ended.
    pub(crate) fn learn(&mut self, client: usize) {
        let state = &mut self.state.clients[client];
        state.over = Connections::before(state.connection);
    }

    /// Whether the nodes know that the connection that it came by has ended.
    pub(crate) fn is_orphaned(&self, queued: &Queued) -> bool {
        let client = self.config.op(queued.op).sender;
        self.state.clients[client].over.has(queued.origin)
    }

    /// Whether something that its connection sent before it was given up.
    pub(crate) fn is_overtaking(&self, queued: &Queued) -> bool {
        let client = self.config.op(queued.op).sender;
        self.state.clients[client].cut_off.has(queued.origin)
    }

    /// Numbers connections by their order alone.
    pub(crate) fn renumber_connections(&mut self) {
        let config = self.config;
        for client in 0..CLIENTS {
            let is_own = |queued: &Queued| {
                queued.asked_by != Connections::default() && config.op(queued.op).sender == client
            };
            let state = self.state.clients[client];
            let mut used = Connections::of(state.connection);
            for node in self.state.nodes.iter() {
                for queued in node
                    .queue
                    .iter()
                    .chain(node.batch.iter())
                    .filter(|queued| is_own(queued))
                {
                    used.add(Connections::of(queued.origin));
                    used.add(queued.asked_by);
                }
            }
            if used.below(state.connection) == state.connection
                && state.cut_off == state.cut_off.renumbered(used)
                && state.over == state.over.renumbered(used)
            {
                continue;
            }
            for node in self.state.nodes.as_mut_slice() {
                let queue = node.queue.as_mut_slice().iter_mut();
                for queued in queue
                    .chain(node.batch.as_mut_slice())
                    .filter(|queued| is_own(queued))
                {
                    queued.origin = used.below(queued.origin);
                    queued.asked_by = queued.asked_by.renumbered(used);
                }
            }
            let state = &mut self.state.clients[client];
            state.connection = used.below(state.connection);
            state.cut_off = state.cut_off.renumbered(used);
            state.over = state.over.renumbered(used);
        }
    }
}
