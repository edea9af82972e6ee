//! The lease: waiting in line for it, and what becomes of it with a commit.

use std::sync::Arc;

use starling_protocol::Seq;
use tokio::time::{Instant, timeout};

use super::{Actor, Announced, Hint, Lease};
use crate::fail_points::window;
use crate::node_message::NodeMessage;
use crate::ports::{AfterCommit, Commit, LeaseState, Reservation};
use crate::sequencer::batch::MAX_BATCH;
use crate::time::jittered;

impl Actor {
    /// Takes the lease, waiting in line for it. `None`: nothing is left to append.
    pub(super) async fn acquire(&mut self) -> Option<Hint> {
        if let Some(lease) = &mut self.lease
            && lease
                .reserved_until
                .take()
                .is_some_and(|until| Instant::now() < until)
        {
            return Some(Hint::Kept);
        }
        let token = match &self.lease {
            Some(lease) => lease.token.clone(),
            None => self.shared.claim(),
        };
        let since = Instant::now();
        loop {
            if self.shared.coordination_is_down() {
                self.lease = None;
                return Some(Hint::None);
            }
            let want = self.queue.len().min(MAX_BATCH) as u32;
            match self.shared.ports.leases.reserve(&self.id, &token, want).await {
                Ok(Reservation::Granted { counter, head }) => {
                    metrics::histogram!("starling_lease_wait_seconds").record(since.elapsed().as_secs_f64());
                    if self.lease.is_none() {
                        self.lease = Some(Lease {
                            token,
                            since: Instant::now(),
                            reserved_until: None,
                        });
                    }
                    return Some(Hint::Marks { counter, head });
                }
                Ok(Reservation::Waiting) => {
                    self.lease = None;
                    let poll = jittered(self.shared.ports.leases.poll_interval());
                    let _ = timeout(poll, self.granted.notified()).await;
                    self.give_up_late();
                    if self.queue.is_empty() {
                        let _ = self.shared.ports.leases.abandon(&self.id, &token).await;
                        return None;
                    }
                }
                Err(unavailable) => {
                    metrics::counter!("starling_leaseless_turns_total").increment(1);
                    tracing::debug!(conversation = %self.id, %unavailable, "no lease");
                    self.shared.coordination_failed();
                    self.lease = None;
                    return Some(Hint::None);
                }
            }
        }
    }

    pub(super) async fn abandon_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            let _ = self.shared.ports.leases.abandon(&self.id, &lease.token).await;
        }
    }

    pub(super) fn commit_of(&self, head: Seq, announced: Announced, then: Option<AfterCommit>) -> Commit {
        Commit {
            conversation: self.id.clone(),
            token: then.and(self.lease.as_ref()).map(|lease| lease.token.clone()),
            head,
            then: then.unwrap_or(AfterCommit::Release),
            payload: announced.payload,
            entries: announced.entries,
            takes_back: announced.takes_back,
            own: self.shared.incarnation(),
            handover: NodeMessage::Granted(self.id.clone()).encode(),
        }
    }

    /// Publishes a stored batch and decides about the lease. What is stored stays stored, whatever happens
    /// here.
    ///
    /// While something may be left undone below the head, the marks stay as a crash would leave them, so that
    /// whoever takes over makes it good; and the lease stays for this actor to do so first.
    pub(super) async fn commit(&mut self, head: Seq, announced: Announced) {
        window("before_release");
        if self.shared.coordination_is_down() {
            self.lease = None;
            self.suspect = true;
            return;
        }
        let then = (!self.suspect).then(|| self.after_commit());
        let asked = Instant::now();
        let commit = Arc::new(self.commit_of(head, announced, then));
        let committed = self.shared.ports.leases.commit(commit).await;
        window("after_publish");
        match committed {
            Ok(committed) => {
                match (then, committed.lease, &mut self.lease) {
                    (None, ..) => {}
                    (Some(then), LeaseState::Kept, Some(lease)) => {
                        lease.reserved_until = Some(asked + self.shared.ports.leases.ttl() / 2);
                        if matches!(then, AfterCommit::Yield { .. }) {
                            lease.since = asked;
                        }
                    }
                    _ => self.lease = None,
                }
                if then.is_some() && committed.lease == LeaseState::Lost {
                    metrics::counter!("starling_leases_lost_total").increment(1);
                }
                self.shared
                    .registration
                    .check_route(&self.shared, &self.id, &committed.route);
                if !self.suspect {
                    self.shared.marks.applied(&self.id, head);
                }
            }
            Err(unavailable) => {
                tracing::debug!(conversation = %self.id, %unavailable, "stored but not announced");
                self.shared.coordination_failed();
                self.lease = None;
                self.suspect = true;
            }
        }
    }

    fn after_commit(&self) -> AfterCommit {
        let reserve = (self.queue.len() + self.mail.len()).min(MAX_BATCH) as u32;
        match &self.lease {
            Some(_) if reserve == 0 => AfterCommit::Release,
            Some(lease) if lease.since.elapsed() < self.shared.settings.lease_share => {
                AfterCommit::Keep { reserve }
            }
            _ => AfterCommit::Yield { reserve },
        }
    }
}
