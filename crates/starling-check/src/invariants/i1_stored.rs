//! I1: an acknowledged entry is in the store, at the acknowledged seq.
//!
//! Acknowledgements on the wire count as much as those that reached the application. For a change of membership
//! the seq may be another's entry (nothing was to be changed): there the log up to that seq must say what was
//! asked for; and an invite whose end was acknowledged is over there.

use std::collections::HashMap;

use starling_protocol::{Body, InviteId, Seq, UserId};

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::{Call, What};
use crate::logs::{Log, key};
use crate::sends::Send;

/// The findings, and how many acknowledged sends are lost.
pub(crate) fn check(facts: &Facts<'_>) -> (Findings, u64) {
    let mut findings = Findings::default();
    for send in facts.sends.iter() {
        let log = facts.logs.get(send.conversation);
        if let Some((record, seq)) = send.acks.iter().find(|(_, seq)| !holds(log, send, *seq)) {
            findings.add(evidence(log, send, *record, *seq), || {
                format!(
                    "the send {} of {} was acknowledged at {seq} of {}, where the store does not have it",
                    send.client_id, send.client, send.conversation
                )
            });
        }
    }
    let lost = findings.count;
    changes(facts, &mut findings);
    (findings, lost)
}

fn holds(log: Option<&Log<'_>>, send: &Send<'_>, seq: Seq) -> bool {
    let wanted = Some((send.sender, send.client_id));
    log.is_some_and(|log| log.slot(seq).iter().any(|stored| key(stored.entry) == wanted))
}

/// The call, the acknowledgement, what the store has there instead, and where it has this.
fn evidence(log: Option<&Log<'_>>, send: &Send<'_>, record: usize, seq: Seq) -> impl Iterator<Item = Line> {
    let there = log.and_then(|log| log.slot(seq).first());
    let elsewhere = log.and_then(|log| log.named(send.sender, send.client_id));
    let stored = [there, elsewhere]
        .into_iter()
        .flatten()
        .map(|stored| Line::Store(stored.place));
    history([send.made(), Some(record)]).chain(stored.collect::<Vec<_>>())
}

fn changes<'a>(facts: &Facts<'a>, findings: &mut Findings) {
    let over = invites_over(facts);
    for (n, record) in facts.in_time() {
        let What::Ok {
            client,
            op,
            seq: Some(seq),
        } = &record.what
        else {
            continue;
        };
        let Some(call) = facts.calls.get(client, *op) else {
            continue;
        };
        let user = facts.user(client);
        let (conversation, users, present): (_, Vec<&str>, _) = match call {
            Call::Join { conversation } | Call::Accept { conversation } => (conversation, vec![user], true),
            Call::Leave { conversation } => (conversation, vec![user], false),
            Call::Add { conversation, users } => {
                (conversation, users.iter().map(UserId::as_str).collect(), true)
            }
            Call::Remove { conversation, user } => (conversation, vec![user.as_str()], false),
            Call::Revoke { conversation, invite } => {
                let over = over.get(&(conversation.as_str(), invite));
                if over.is_none_or(|over| over > seq) {
                    findings.add([Line::History(n)], || {
                        format!("the end of {invite} was acknowledged at {seq} of {conversation}, and it is not over")
                    });
                }
                continue;
            }
            Call::Send { .. }
            | Call::Create { .. }
            | Call::Read { .. }
            | Call::Delivered { .. }
            | Call::MarkRead { .. } => continue,
        };
        let log = facts.logs.get(conversation.as_str());
        let so = |log: &Log<'_>, user: &&str| log.members.includes(user, *seq) == present;
        if log.is_some_and(|log| *seq <= log.head() && users.iter().all(|user| so(log, user))) {
            continue;
        }
        let there = log.and_then(|log| log.slot(*seq).first());
        let lines = [Line::History(n)];
        let lines = lines
            .into_iter()
            .chain(there.map(|stored| Line::Store(stored.place)));
        findings.add(lines, || {
            let state = if present { "a member" } else { "no member" };
            format!(
                "call {op} of {client} was acknowledged at {seq} of {conversation}, but the log up to there \
                 does not make {} {state}",
                users.join(", ")
            )
        });
    }
}

/// Where each invite was over: revoked or used up.
fn invites_over<'a>(facts: &Facts<'a>) -> HashMap<(&'a str, &'a InviteId), Seq> {
    let mut over = HashMap::new();
    for (conversation, log) in facts.logs.iter() {
        let mut most = HashMap::new();
        for stored in log.entries() {
            let invite = match &stored.entry.body {
                Body::Invited {
                    invite,
                    max_uses: Some(max),
                    ..
                } => {
                    most.insert(invite, *max);
                    continue;
                }
                Body::Joined {
                    invite: Some(used), ..
                } if most.get(&used.id).is_some_and(|max| used.uses >= *max) => &used.id,
                Body::Revoked { invite } => invite,
                _ => continue,
            };
            over.entry((conversation, invite)).or_insert(stored.entry.seq);
        }
    }
    over
}
