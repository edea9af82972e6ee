//! What is told of members' marks: I9, I10.

use std::collections::HashMap;

use starling_check::Invariant::{I9, I10};
use starling_check::history::{Marks, Record, What};
use starling_protocol::Seq;

use super::{Guilty, directory, doctor, head};
use crate::model::{OUTSIDER, Run};

/// Client, conversation, user, and marks of an event that tells of one member.
fn told(record: &Record) -> Option<(&str, &str, &str, Seq, Seq)> {
    match &record.what {
        What::Receipts {
            client,
            conversation,
            members,
            ..
        } => {
            let Marks(user, delivered, read) = members.first()?;
            Some((client, conversation.as_str(), user.as_str(), *delivered, *read))
        }
        _ => None,
    }
}

/// The last events of each client about each member.
fn last_told(run: &Run) -> Vec<usize> {
    let mut last = HashMap::new();
    for (n, record) in run.history.iter().enumerate() {
        if let Some((client, conversation, user, ..)) = told(record) {
            last.insert((client, conversation, user), n);
        }
    }
    let mut last: Vec<usize> = last.into_values().collect();
    last.sort_unstable();
    last
}

fn set(run: &mut Run, n: usize, delivered: Seq, read: Seq) {
    if let What::Receipts { members, .. } = &mut run.history[n].what {
        (members[0].1, members[0].2) = (delivered, read);
    }
}

#[test]
fn i9_a_mark_past_the_head_is_told() {
    doctor(I9, &[], |run| {
        let n = *last_told(run).last()?;
        let (_, conversation, _, _, read) = told(&run.history[n])?;
        let past = head(&run.store, conversation) + 3;
        set(run, n, past, read);
        Some(Guilty::History(n))
    });
}

#[test]
fn i9_a_mark_is_told_that_is_not_stored() {
    for is_read in [false, true] {
        doctor(I9, &[], |run| {
            for n in last_told(run) {
                let (_, id, user, delivered, read) = told(&run.history[n])?;
                let (id, user) = (id.to_owned(), user.to_owned());
                let end = head(&run.store, &id);
                let (_, conversation) = directory(&mut run.store).find(|(_, one)| one.id.as_str() == id)?;
                let member = conversation
                    .members
                    .iter()
                    .find(|one| one.user.as_str() == user)?;
                if is_read && member.read < end {
                    set(run, n, delivered, end);
                    return Some(Guilty::History(n));
                }
                if !is_read && member.delivered < end {
                    set(run, n, end, read);
                    return Some(Guilty::History(n));
                }
            }
            None
        });
    }
}

#[test]
fn i9_a_mark_goes_back_in_what_is_told() {
    doctor(I9, &[], |run| {
        let mut before: HashMap<(String, String, String), (Seq, Seq)> = HashMap::new();
        for n in 0..run.history.len() {
            if let What::Stream { client, .. } | What::Connected { client, .. } = &run.history[n].what {
                before.retain(|(by, ..), _| by.as_str() != client.as_ref());
            }
            let Some((client, conversation, user, delivered, read)) = told(&run.history[n]) else {
                continue;
            };
            let key = (client.to_owned(), conversation.to_owned(), user.to_owned());
            if let Some((_, was_read)) = before.get(&key).filter(|(_, read)| *read > 0) {
                let was_read = *was_read;
                set(run, n, delivered, was_read - 1);
                return Some(Guilty::History(n));
            }
            before.insert(key, (delivered, read));
        }
        None
    });
}

#[test]
fn i9_a_read_mark_that_went_back() {
    doctor(I9, &[], |run| {
        let n = *last_told(run)
            .iter()
            .rev()
            .find(|n| told(&run.history[**n]).is_some_and(|(.., read)| read > 0))?;
        let (_, id, user, ..) = told(&run.history[n])?;
        let (id, user) = (id.to_owned(), user.to_owned());
        let (place, conversation) = directory(&mut run.store).find(|(_, one)| one.id.as_str() == id)?;
        let member = conversation
            .members
            .iter_mut()
            .find(|one| one.user.as_str() == user)?;
        member.read = 0;
        Some(Guilty::Store(place))
    });
}

/// The event again, for somebody else.
fn tell(run: &Run, n: usize, name: &str) -> Option<Record> {
    let number = run.history.iter().find_map(|record| match &record.what {
        What::Connected { client, epoch, .. } if client.as_ref() == name => Some(*epoch),
        _ => None,
    })?;
    let mut record = run.history[n].clone();
    if let What::Receipts { client, epoch, .. } = &mut record.what {
        (*client, *epoch) = (name.into(), number);
    }
    Some(record)
}

#[test]
fn i10_marks_reach_one_who_never_was_a_member() {
    doctor(I10, &[], |run| {
        let n = *last_told(run).last()?;
        let record = tell(run, n, OUTSIDER)?;
        run.history.insert(n + 1, record);
        Some(Guilty::History(n + 1))
    });
}

#[test]
fn i10_marks_reach_one_whose_membership_has_ended() {
    doctor(I10, &[], |run| {
        for (n, again) in super::clients::removals(run) {
            let What::Entry {
                client,
                epoch,
                conversation,
                ..
            } = run.history[n].what.clone()
            else {
                continue;
            };
            if again {
                continue;
            }
            let at = run.history[n].at;
            let what = What::Receipts {
                client,
                epoch,
                conversation,
                members: Vec::new(),
            };
            run.history.insert(n + 1, Record { at, what });
            return Some(Guilty::History(n + 1));
        }
        None
    });
}
