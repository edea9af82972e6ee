//! I10: nothing reaches one who may not have it, nothing comes from one who may not say it.
//!
//! A member may read the log from 1; one who was removed, up to the entry that says so; one who is a member again, all
//! of it. So an entry may reach a client if a membership of its user had begun by then, and ends no earlier than with
//! that entry. A membership that begins with a later entry than the one that came may not have begun by then: it has
//! not if it follows a message that was made later.
//!
//! Nor do members' marks reach one who never was a member, or a connection after the entry that ended the user's last
//! membership.
//!
//! Every entry of the log has a sender who could make it, as the log before it says: a member, and not a muted one for
//! what speaks; for an alteration of a message that there is, and an edit of one's own; with the role that it asks for.
//! Nobody joins who is banned, or without the conversation being open or an invite. See [`Rights`].
//!
//! In the end, the directory's members are those of the log, and so is what else governs the conversation, where given.

use std::collections::{BTreeMap, HashMap};

use starling_protocol::Role;

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::{EntryKind, Via, What};
use crate::logs::Log;
use crate::rights::Rights;
use crate::store::StoredConversation;

pub(crate) fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    readers(facts, &mut findings);
    told_of_marks(facts, &mut findings);
    let mut governance = HashMap::new();
    for (conversation, log) in facts.logs.iter() {
        let mut rights = Rights::default();
        for stored in log.entries() {
            if let Err(objection) = rights.judge(log, stored.entry) {
                let lines = [Some(stored.place), objection.place].into_iter().flatten();
                findings.add(lines.map(Line::Store), || {
                    format!(
                        "entry {} of {conversation} is {}",
                        stored.entry.seq, objection.says
                    )
                });
            }
            rights.apply(stored);
        }
        governance.insert(conversation, rights.governance());
    }
    for (place, conversation) in &facts.directory {
        directory(facts, *place, conversation, &mut findings);
        if let Some(by_directory) = &conversation.governance
            && let Some(by_log) = governance.get(conversation.id.as_str())
            && by_log != by_directory
        {
            findings.add([Line::Store(*place)], || {
                format!(
                    "{} is governed by {by_log:?} by the log, and by {by_directory:?} by the directory",
                    conversation.id
                )
            });
        }
    }
    findings
}

fn told_of_marks(facts: &Facts<'_>, findings: &mut Findings) {
    // Where a user's last membership has ended, by client and conversation the record that gave that entry, and of which
    // connection.
    let mut ended: HashMap<(&str, &str), (u64, usize)> = HashMap::new();
    for (n, record) in facts.in_time() {
        match &record.what {
            What::Stream {
                client, conversation, ..
            } => {
                ended.remove(&(client.as_ref(), conversation.as_str()));
            }
            What::Entry {
                client,
                epoch,
                conversation,
                seq,
                kind: EntryKind::Left,
                via: Via::Live | Via::Sync,
                ..
            } => {
                let log = facts.logs.get(conversation.as_str());
                let last = log.and_then(|log| log.members.of(facts.user(client)).last());
                if last.is_some_and(|last| last.until == Some(*seq)) {
                    ended.insert((client.as_ref(), conversation.as_str()), (*epoch, n));
                }
            }
            What::Receipts {
                client,
                epoch,
                conversation,
                ..
            } => {
                let Some(log) = facts.logs.get(conversation.as_str()) else {
                    continue;
                };
                let user = facts.user(client);
                let end = ended.get(&(client.as_ref(), conversation.as_str()));
                let end = end.filter(|(of, _)| of == epoch).map(|(_, end)| *end);
                if end.is_some() || log.members.of(user).is_empty() {
                    findings.add(history([end, Some(n)]), || {
                        format!("{client} was told of marks in {conversation}, of which {user} was no member")
                    });
                }
            }
            _ => {}
        }
    }
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
