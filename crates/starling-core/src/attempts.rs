//! Further attempts to hand a message to members who are connected somewhere and have not confirmed it.
//!
//! Pub/sub is at most once and routes can be lost. Comparing heads finds what is missing after seconds, but only
//! where a node knows that it follows the conversation. So 1, 5 and 15 seconds after a message is stored its node
//! looks which members have not marked it delivered, and tells the nodes where those are connected how far the log
//! reaches: each compares, and fills up. Whatever is handed over goes through the stream, so nobody gets it twice (I4).
//! Then it waits in the offline queue. Of several nodes that store, the one that stored last looks first: its look reaches
//! as far as theirs. There is no work for conversations with very many members, and for any other
//! one look each second at most, however much is said in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use starling_protocol::limits::MAX_RECEIPTS_MEMBERS;
use starling_protocol::{ConversationId, Seq, UserId};
use tokio::time::{Instant, sleep};

use crate::chance::{HashMap, HashSet};
use crate::node_message::NodeMessage;
use crate::ports::{Incarnation, MemberRecord, Unavailable};
use crate::session;
use crate::shared::Shared;
use crate::time::spread;

/// Between one attempt and the next; the first is counted from the message.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
];
/// For metrics.
const NAMES: [&str; PAUSES.len()] = ["1", "2", "3"];
/// Short, and each conversation's attempts are due at a time of their own: looked at together, all that is active would
/// be felt by the messages of that moment.
const ROUND: Duration = Duration::from_millis(50);
const SPREAD: Duration = Duration::from_millis(250);
/// Conversations that are looked at at the same time.
const AT_ONCE: usize = 16;

/// What this node has stored lately and not seen confirmed by all.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<ConversationId, Watch>>);

/// One conversation.
#[derive(Default)]
struct Watch {
    /// Stored since the first attempt was planned: it gets one of its own then.
    newest: Seq,
    /// The attempts that are planned, one of each number at most.
    planned: [Option<Planned>; PAUSES.len()],
}

#[derive(Clone, Copy)]
struct Planned {
    /// Everything up to here should be with all members.
    up_to: Seq,
    due: Instant,
}

/// An attempt that is due.
struct Attempt {
    conversation: ConversationId,
    /// 0 for the first.
    number: usize,
    up_to: Seq,
    /// What this node has stored by now.
    newest: Seq,
}

impl Attempts {
    /// The log reaches `head` by what this node has stored.
    pub(crate) fn stored(&self, conversation: &ConversationId, head: Seq, members: usize) {
        if members > MAX_RECEIPTS_MEMBERS {
            return;
        }
        let mut all = self.0.lock();
        let watch = match all.get_mut(conversation) {
            Some(watch) => watch,
            None => all.entry(conversation.clone()).or_default(),
        };
        watch.newest = head;
        watch.plan(0, head);
    }

    fn take_due(&self) -> Vec<Attempt> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.0.lock().retain(|conversation, watch| {
            for number in 0..PAUSES.len() {
                let Some(planned) = watch.planned[number].take_if(|planned| planned.due <= now) else {
                    continue;
                };
                if number == 0 && watch.newest > planned.up_to {
                    watch.plan(0, watch.newest);
                }
                due.push(Attempt {
                    conversation: conversation.clone(),
                    number,
                    up_to: planned.up_to,
                    newest: watch.newest,
                });
            }
            watch.planned.iter().any(Option::is_some)
        });
        due
    }

    fn plan(&self, conversation: &ConversationId, number: usize, up_to: Seq) {
        let mut all = self.0.lock();
        let watch = all.entry(conversation.clone()).or_default();
        watch.newest = watch.newest.max(up_to);
        watch.plan(number, up_to);
    }
}

impl Watch {
    /// Plans an attempt, unless one of the same number is planned already: then what came later is left to the next.
    fn plan(&mut self, number: usize, up_to: Seq) {
        match &mut self.planned[number] {
            // The pause of a later attempt is long: what is confirmed by then costs it nothing.
            Some(planned) if number > 0 => planned.up_to = up_to.max(planned.up_to),
            Some(_) => {}
            planned => {
                let due = Instant::now() + PAUSES[number] + spread(SPREAD);
                *planned = Some(Planned { up_to, due });
            }
        }
    }
}

/// Makes the attempts that are due, until the task is dropped.
pub(crate) async fn make(shared: Arc<Shared>) {
    loop {
        sleep(ROUND).await;
        let due = shared.attempts.take_due();
        futures::stream::iter(due)
            .for_each_concurrent(AT_ONCE, |attempt| {
                let shared = &shared;
                async move {
                    if let Err(unavailable) = make_one(shared, &attempt).await {
                        tracing::debug!(conversation = %attempt.conversation, %unavailable, "no attempt");
                        if attempt.number + 1 < PAUSES.len() {
                            let next = attempt.number + 1;
                            shared.attempts.plan(&attempt.conversation, next, attempt.up_to);
                        }
                    }
                }
            })
            .await;
    }
}

async fn make_one(shared: &Arc<Shared>, attempt: &Attempt) -> Result<(), Unavailable> {
    let Attempt {
        conversation,
        number,
        up_to,
        newest,
    } = attempt;
    let mark = shared.delivery.mark(conversation);
    if *number == 0 && mark.is_some_and(|mark| mark.seq > *newest) {
        // Another node has stored since, and looks as far as that by itself: of several that write, one looks.
        return Ok(());
    }
    let ports = &shared.ports;
    let members = ports
        .directory
        .members_after(conversation, None, MAX_RECEIPTS_MEMBERS + 1)
        .await?;
    if members.len() > MAX_RECEIPTS_MEMBERS {
        return Ok(());
    }
    let lagging: Vec<_> = members
        .into_iter()
        .filter(|member| member.receipt().delivered < *up_to)
        .collect();
    let connected = connected(shared, &lagging).await?;
    if connected.is_empty() {
        return Ok(());
    }
    let users: HashSet<_> = connected.values().flatten().cloned().collect();
    metrics::counter!("starling_delivery_attempts_total", "attempt" => NAMES[*number])
        .increment(users.len() as u64);
    if let Some(next) = Some(number + 1).filter(|next| *next < PAUSES.len()) {
        shared.attempts.plan(conversation, next, *up_to);
    }
    for (node, users) in connected {
        if node == shared.incarnation() {
            heard(shared, conversation, *up_to, &users);
            continue;
        }
        let payload = NodeMessage::Undelivered(conversation.clone(), *up_to, users).encode();
        ports.bus.publish(&[node], payload).await?;
    }
    if number + 1 == PAUSES.len() {
        // Not told once more: it waits until the member comes without cursors, or asks.
        let waiting = lagging.iter().filter(|member| users.contains(&member.user));
        let mut by_mark: BTreeMap<Seq, Vec<UserId>> = BTreeMap::new();
        for member in waiting {
            by_mark
                .entry(member.delivered + 1)
                .or_default()
                .push(member.user.clone());
        }
        metrics::counter!("starling_delivery_given_up_total").increment(users.len() as u64);
        for (first, users) in by_mark {
            ports.offline.enqueue(conversation, first, &users).await?;
        }
    }
    Ok(())
}

/// By node that lives, those of these members who are connected to it.
async fn connected(
    shared: &Shared,
    members: &[MemberRecord],
) -> Result<BTreeMap<Incarnation, Vec<UserId>>, Unavailable> {
    if members.is_empty() {
        return Ok(BTreeMap::new());
    }
    let users: Vec<_> = members.iter().map(|member| member.user.clone()).collect();
    let sessions = shared.ports.sessions.sessions(&users).await?;
    let mut connected: BTreeMap<Incarnation, Vec<UserId>> = BTreeMap::new();
    for (user, sessions) in users.into_iter().zip(sessions) {
        for session in sessions {
            let users = connected.entry(session.incarnation).or_default();
            if users.last() != Some(&user) {
                users.push(user.clone());
            }
        }
    }
    let nodes = connected.keys().cloned().collect();
    let dead = shared.registration.dead_among(shared, nodes).await;
    connected.retain(|node, _| !dead.contains(node));
    Ok(connected)
}

/// A node has stored entries up to `head` which these users, connected here, have not confirmed: compares, and makes
/// good what is missing.
pub(crate) fn heard(shared: &Arc<Shared>, conversation: &ConversationId, head: Seq, users: &[UserId]) {
    shared.delivery.heard_head(shared, conversation, head);
    for session in users.iter().flat_map(|user| shared.sessions.of(user)) {
        // Who follows the conversation already is left alone.
        session::welcome(shared, &session, conversation, head);
    }
}
