//! I10: nothing reaches one who may not have it, nothing comes from one who may not say it.
//!
//! A member may read the log from 1; one who was removed, up to the entry that says so; one who is a member again, all
//! of it. So an entry may reach a client if a membership of its user had begun by then, and ends no earlier than with
//! that entry. A membership that begins with a later entry than the one that came may not have begun by then: it has
//! not if it follows a message that was made later.
//!
//! Every entry of the log has a sender who could make it: a member for a message, for a removal, for adding others, and
//! for altering a message that there is; an edit is of one's own.
//! In the end, the directory's members are those of the log.

use std::collections::{BTreeMap, HashMap};

use starling_protocol::{Body, Role};

use crate::facts::Facts;
use crate::finding::{Findings, Line};
use crate::history::What;
use crate::logs::{Log, Stored};
use crate::store::StoredConversation;

pub(crate) fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    readers(facts, &mut findings);
    for (conversation, log) in facts.logs.iter() {
        for stored in log.entries() {
            if let Some(wrong) = sender(log, stored) {
                findings.add([Line::Store(stored.place)], || {
                    format!("entry {} of {conversation} is {wrong}", stored.entry.seq)
                });
            }
        }
    }
    for (place, conversation) in &facts.directory {
        directory(facts, *place, conversation, &mut findings);
    }
    findings
}

fn readers(facts: &Facts<'_>, findings: &mut Findings) {
    let logs = facts.logs.iter();
    let since: HashMap<&str, Vec<u64>> = logs.map(|(id, log)| (id, not_before(facts, id, log))).collect();
    for (n, record) in facts.in_time() {
        let What::Entry {
            client,
            conversation,
            seq,
            ..
        } = &record.what
        else {
            continue;
        };
        // What is not in the store at all is a matter of I2.
        let Some(log) = facts.logs.get(conversation.as_str()) else {
            continue;
        };
        let user = facts.user(client);
        let begun = |from| {
            let index = log.entries().partition_point(|stored| stored.entry.seq < from);
            let bound = since.get(conversation.as_str()).and_then(|all| all.get(index));
            from <= *seq || bound.is_none_or(|bound| *bound <= record.at)
        };
        let memberships = log.members.of(user);
        let allows = |until: Option<u64>| until.is_none_or(|until| *seq <= until);
        if memberships.iter().any(|one| allows(one.until) && begun(one.from)) {
            continue;
        }
        let end = memberships
            .iter()
            .rev()
            .filter(|one| begun(one.from))
            .find_map(|one| one.until);
        let end_line = end.and_then(|end| log.slot(end).first());
        let end_line = end_line.map(|stored| Line::Store(stored.place));
        findings.add(end_line.into_iter().chain([Line::History(n)]), || match end {
            Some(end) => {
                format!("{client} was given {seq} of {conversation}, but {user} is no member after {end}")
            }
            None => format!("{client} was given {seq} of {conversation}, of which {user} was no member"),
        });
    }
}

/// For each entry of a log a time before which it was not stored: when the last of the messages up to it was made.
fn not_before(facts: &Facts<'_>, conversation: &str, log: &Log<'_>) -> Vec<u64> {
    let mut bound = 0;
    let times = log.entries().iter().map(|stored| {
        if let Some((sender, client_id)) = crate::logs::key(stored.entry)
            && let Some(made) = facts
                .sends
                .get((conversation, sender, client_id))
                .and_then(|send| send.made())
        {
            bound = bound.max(facts.records[made].at);
        }
        bound
    });
    times.collect()
}

/// What is wrong with an entry's sender.
fn sender(log: &Log<'_>, stored: &Stored<'_>) -> Option<String> {
    let entry = stored.entry;
    let before = entry.seq.saturating_sub(1);
    let is_member = |user: &str| log.members.includes(user, before);
    let (what, may) = match (&entry.sender, &entry.body) {
        (_, Body::Created { .. } | Body::Void {}) => return None,
        (None, Body::Message(_)) => return Some("a message of nobody".to_owned()),
        (None, _) => return None,
        (Some(sender), Body::Message(_)) => ("a message", is_member(sender.as_str())),
        (
            Some(sender),
            Body::Edited { target, .. } | Body::Deleted { target } | Body::Reacted { target, .. },
        ) => {
            let message = log.slot(*target).first().map(|stored| stored.entry);
            let message = message.filter(|message| message.seq < entry.seq && message.body.is_message());
            let Some(message) = message else {
                return Some("an alteration of what is no message".to_owned());
            };
            let is_edit = matches!(entry.body, Body::Edited { .. });
            if is_edit && message.sender.as_ref() != Some(sender) {
                return Some(format!("an edit by {sender}, whose message it is not"));
            }
            ("an alteration", is_member(sender.as_str()))
        }
        (Some(sender), Body::Left { .. } | Body::Banned { removed: true, .. } | Body::Dissolved {}) => {
            ("a removal", is_member(sender.as_str()))
        }
        (
            Some(sender),
            Body::RoleChanged { .. }
            | Body::Banned { .. }
            | Body::Unbanned { .. }
            | Body::Muted { .. }
            | Body::Unmuted { .. }
            | Body::Updated(_)
            | Body::Invited { .. }
            | Body::Revoked { .. },
        ) => ("a change of rights", is_member(sender.as_str())),
        (Some(sender), Body::Joined { users, .. }) => (
            "an addition",
            users.contains(sender) || is_member(sender.as_str()),
        ),
    };
    let sender = entry.sender.as_ref()?;
    (!may).then(|| format!("{what} by {sender}, who was no member then"))
}

fn directory(facts: &Facts<'_>, place: usize, conversation: &StoredConversation, findings: &mut Findings) {
    let Some(log) = facts.logs.get(conversation.id.as_str()) else {
        return;
    };
    let by_log: BTreeMap<&str, Role> = log.members.present().collect();
    let present = conversation.members.iter().filter(|member| member.left.is_none());
    let by_directory: BTreeMap<&str, Role> = present
        .map(|member| (member.user.as_str(), member.role))
        .collect();
    let mut wrong: Vec<(&str, String)> = Vec::new();
    for (user, role) in &by_log {
        match by_directory.get(user) {
            None => wrong.push((
                user,
                "is a member by the log, and not by the directory".to_owned(),
            )),
            Some(stored) if stored != role => {
                wrong.push((
                    user,
                    format!("is {role:?} by the log, and {stored:?} by the directory"),
                ));
            }
            Some(_) => {}
        }
    }
    for user in by_directory.keys().filter(|user| !by_log.contains_key(*user)) {
        wrong.push((
            user,
            "is a member by the directory, and not by the log".to_owned(),
        ));
    }
    for member in &conversation.members {
        let last = log
            .members
            .of(member.user.as_str())
            .last()
            .and_then(|last| last.until);
        if member.left.is_some() && member.left != last && !by_log.contains_key(member.user.as_str()) {
            let text = format!(
                "left at {:?} by the directory, and at {last:?} by the log",
                member.left
            );
            wrong.push((member.user.as_str(), text));
        }
    }
    for (user, wrong) in wrong {
        let memberships = log.members.of(user);
        let last = memberships.last().map(|last| last.until.unwrap_or(last.from));
        let change = last.and_then(|seq| log.slot(seq).first());
        let lines = [Line::Store(place)].into_iter();
        let lines = lines.chain(change.map(|stored| Line::Store(stored.place)));
        findings.add(lines, || format!("{user} {wrong}, in {}", conversation.id));
    }
}
