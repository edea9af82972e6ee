//! What came to clients: I4, I7, I8, I10.

use std::sync::Arc;

use starling_check::Digest;
use starling_check::Invariant::{I4, I7, I8, I10};
use starling_check::history::{Record, Via, What};
use starling_protocol::{Body, Seq};

use super::{Guilty, doctor, entries, head, slot};
use crate::model::{OUTSIDER, Run};

/// Client, connection, conversation and seq of an entry of a stream.
fn streamed(record: &Record) -> Option<(&str, u64, &str, Seq)> {
    match &record.what {
        What::Entry {
            client,
            epoch,
            conversation,
            seq,
            via: Via::Live | Via::Sync,
            ..
        } => Some((client, *epoch, conversation.as_str(), *seq)),
        _ => None,
    }
}

/// Two consecutive records of one client that are consecutive entries of one stream, in the run's second half.
fn neighbours(run: &Run) -> Option<(usize, usize)> {
    let half = run.history.len() / 2;
    for (n, record) in run.history.iter().enumerate().skip(half) {
        // While a `sync` is under way, a former member's stream may start once more.
        if matches!(record.what, What::Entry { via: Via::Sync, .. }) {
            continue;
        }
        let Some((client, epoch, conversation, seq)) = streamed(record) else {
            continue;
        };
        let same = |other: &Record| super::json(other).contains(&format!("\"client\":\"{client}\""));
        let next = n + 1 + run.history[n + 1..].iter().position(same)?;
        if streamed(&run.history[next]) == Some((client, epoch, conversation, seq + 1)) {
            return Some((n, next));
        }
    }
    None
}

#[test]
fn i4_an_entry_that_comes_twice() {
    doctor(I4, &[], |run| {
        let (n, _) = neighbours(run)?;
        let again = run.history[n].clone();
        run.history.insert(n + 1, again);
        Some(Guilty::History(n + 1))
    });
}

#[test]
fn i4_two_entries_that_change_places() {
    doctor(I4, &[], |run| {
        let (n, next) = neighbours(run)?;
        let what = run.history[n].what.clone();
        run.history[n].what = std::mem::replace(&mut run.history[next].what, what);
        Some(Guilty::History(n))
    });
}

#[test]
fn i4_an_entry_that_is_left_out() {
    // The client never had it: at the end (I7), or when it resumed behind it (I8).
    doctor(I4, &[I7, I8], |run| {
        let (n, next) = neighbours(run)?;
        run.history.remove(n);
        Some(Guilty::History(next - 1))
    });
}

#[test]
fn i4_an_entry_of_a_stream_that_never_started() {
    doctor(I4, &[I7, I8, I10], |run| {
        let n = run
            .history
            .iter()
            .position(|record| matches!(record.what, What::Stream { .. }))?;
        let What::Stream {
            client,
            epoch,
            conversation,
            ..
        } = run.history.remove(n).what
        else {
            return None;
        };
        let of_it = |record: &Record| {
            streamed(record).is_some_and(|(by, number, of, _)| {
                by == client.as_ref() && number == epoch && of == conversation.as_str()
            })
        };
        let first = run.history.iter().position(of_it)?;
        // One that starts again before anything has come has started.
        let starts_again = run.history[n..first].iter().any(|record| {
            matches!(&record.what, What::Stream { client: to, epoch: number, conversation: of, .. }
                if *to == client && *number == epoch && *of == conversation)
        });
        (!starts_again).then_some(Guilty::History(first))
    });
}

/// The last `finished`, of a client that has a conversation, with that and its cursor there.
fn finish(run: &Run) -> Option<(usize, String, String, Seq)> {
    run.history
        .iter()
        .enumerate()
        .rev()
        .find_map(|(n, record)| match &record.what {
            What::Finished { client, cursors } => {
                let is_head = |id: &str, seq: Seq| seq == head(&run.store, id) && seq > 3;
                let (id, seq) = cursors.iter().find(|(id, seq)| is_head(id.as_str(), **seq))?;
                Some((n, client.to_string(), id.to_string(), *seq))
            }
            _ => None,
        })
}

/// Takes an entry away from a client, however it came.
fn withhold(run: &mut Run, client: &str, conversation: &str, seq: Seq) {
    run.history.retain(|record| match &record.what {
        What::Entry {
            client: to,
            conversation: of,
            seq: number,
            ..
        } => to.as_ref() != client || of.as_str() != conversation || *number != seq,
        _ => true,
    });
}

#[test]
fn i7_a_client_that_ends_before_the_head() {
    doctor(I7, &[], |run| {
        let (_, client, conversation, seq) = finish(run)?;
        withhold(run, &client, &conversation, seq);
        let (n, ..) = finish_of(run, &client)?;
        let What::Finished { cursors, .. } = &mut run.history[n].what else {
            return None;
        };
        let id = starling_protocol::ConversationId::new(&conversation).unwrap();
        cursors.insert(id, seq - 1);
        Some(Guilty::History(n))
    });
}

#[test]
fn i7_a_client_that_claims_what_it_was_not_given() {
    doctor(I7, &[], |run| {
        let (_, client, conversation, seq) = finish(run)?;
        withhold(run, &client, &conversation, seq);
        Some(Guilty::History(finish_of(run, &client)?.0))
    });
}

#[test]
fn i7_a_client_that_does_not_know_of_its_conversation() {
    doctor(I7, &[], |run| {
        let (n, client, conversation, _) = finish(run)?;
        let user = client.split('/').next()?;
        let member = entries(&run.store)
            .find(|(_, entry)| entry.conversation.as_str() == conversation && entry.seq == 1)?;
        let Body::Created { members, .. } = &member.1.body else {
            return None;
        };
        // A member from the start who never left.
        let left = |body: &Body| body.ends_membership().is_some_and(|one| one.as_str() == user);
        if !members.iter().any(|member| member.user.as_str() == user)
            || entries(&run.store)
                .any(|(_, entry)| entry.conversation.as_str() == conversation && left(&entry.body))
        {
            return None;
        }
        let What::Finished { cursors, .. } = &mut run.history[n].what else {
            return None;
        };
        cursors.retain(|id, _| id.as_str() != conversation);
        Some(Guilty::History(n))
    });
}

fn finish_of(run: &Run, name: &str) -> Option<(usize, Seq)> {
    let is_it =
        |record: &Record| matches!(&record.what, What::Finished { client, .. } if client.as_ref() == name);
    run.history.iter().position(is_it).map(|n| (n, 0))
}

#[test]
fn i8_a_stream_that_resumes_too_late() {
    doctor(I8, &[], |run| {
        for n in 0..run.history.len() {
            let What::Stream {
                client,
                epoch,
                conversation,
                cursor,
            } = run.history[n].what.clone()
            else {
                continue;
            };
            let named = run.history[..n].iter().rev().any(|record| {
                matches!(&record.what, What::Sync { client: by, epoch: number, cursors }
                    if *by == client && *number == epoch && cursors.get(&conversation) == Some(&cursor))
            });
            let is_next = |record: &Record| {
                streamed(record) == Some((client.as_ref(), epoch, conversation.as_str(), cursor + 1))
            };
            let had_before = run.history[..n].iter().any(|record| match &record.what {
                What::Entry {
                    client: to,
                    conversation: of,
                    seq,
                    ..
                } => *to == client && *of == conversation && *seq > cursor,
                _ => false,
            });
            let removed_before = |seq| {
                slot(&run.store, conversation.as_str(), seq)
                    .is_some_and(|(_, entry)| entry.body.changes_membership())
            };
            let Some(next) = run.history[n..].iter().position(is_next) else {
                continue;
            };
            let starts_again = run.history[n + 1..n + next].iter().any(|record| {
                matches!(&record.what, What::Stream { client: to, epoch: number, conversation: of, .. }
                    if *to == client && *number == epoch && *of == conversation)
            });
            if !named
                || starts_again
                || had_before
                || cursor == 0
                || removed_before(cursor + 1)
                || removed_before(cursor + 2)
            {
                continue;
            }
            run.history.remove(n + next);
            let What::Stream { cursor, .. } = &mut run.history[n].what else {
                return None;
            };
            *cursor += 1;
            return Some(Guilty::History(n));
        }
        None
    });
}

#[test]
fn i8_a_stream_that_starts_beyond_the_end() {
    doctor(I8, &[], |run| {
        let n = run
            .history
            .iter()
            .rposition(|record| matches!(record.what, What::Stream { .. }))?;
        let mut start = run.history[n].clone();
        let What::Stream {
            conversation, cursor, ..
        } = &mut start.what
        else {
            return None;
        };
        *cursor = head(&run.store, conversation.as_str()) + 5;
        start.at = run.history.last()?.at;
        run.history.push(start);
        Some(Guilty::History(run.history.len() - 1))
    });
}

#[test]
fn i8_a_client_that_says_it_has_what_it_was_not_given() {
    // It is then sent what it says it has (I4).
    doctor(I8, &[I4], |run| {
        for n in (0..run.history.len()).rev() {
            let Record {
                what: What::Sync { client, cursors, .. },
                ..
            } = &mut run.history[n]
            else {
                continue;
            };
            if client.as_ref() != "u9"
                && let Some(cursor) = cursors.values_mut().next()
            {
                *cursor += 50;
                return Some(Guilty::History(n));
            }
        }
        None
    });
}

/// A copy of an entry's record for somebody else, by a page of history.
fn shown_to(run: &Run, n: usize, name: &str) -> Option<Record> {
    let mut record = run.history[n].clone();
    let number = run.history.iter().find_map(|record| match &record.what {
        What::Connected { client, epoch, .. } if client.as_ref() == name => Some(*epoch),
        _ => None,
    })?;
    let What::Entry {
        client, epoch, via, ..
    } = &mut record.what
    else {
        return None;
    };
    *client = Arc::from(name);
    *epoch = number;
    *via = Via::History;
    Some(record)
}

#[test]
fn i10_an_entry_that_reaches_one_who_never_was_a_member() {
    doctor(I10, &[], |run| {
        let n = run
            .history
            .iter()
            .rposition(|record| streamed(record).is_some())?;
        let record = shown_to(run, n, OUTSIDER)?;
        run.history.insert(n + 1, record);
        Some(Guilty::History(n + 1))
    });
}

/// A stream's entry that ends its reader's membership, by index, with whether that user becomes a member again.
pub(super) fn removals(run: &Run) -> Vec<(usize, bool)> {
    let mut all = Vec::new();
    for (n, record) in run.history.iter().enumerate() {
        let Some((client, _, conversation, seq)) = streamed(record) else {
            continue;
        };
        let user = client.split('/').next().unwrap();
        let Some((_, entry)) = slot(&run.store, conversation, seq) else {
            continue;
        };
        let again = entries(&run.store).any(|(_, entry)| {
            entry.conversation.as_str() == conversation
                && entry.seq > seq
                && matches!(&entry.body, Body::Joined { users, .. } if users.iter().any(|one| one.as_str() == user))
        });
        if matches!(&entry.body, Body::Left { user: one } if one.as_str() == user) {
            all.push((n, again));
        }
    }
    all
}

/// Lets a stream go on after the entry that ends it.
fn leak(run: &mut Run, n: usize) -> Option<Guilty> {
    let mut record = run.history[n].clone();
    let What::Entry {
        conversation,
        seq,
        sender,
        client_id,
        kind,
        digest,
        ..
    } = &mut record.what
    else {
        return None;
    };
    *seq += 1;
    let (_, next) = slot(&run.store, conversation.as_str(), *seq)?;
    *digest = Digest::of(next);
    *kind = (&next.body).into();
    sender.clone_from(&next.sender);
    client_id.clone_from(&next.client_id);
    run.history.insert(n + 1, record);
    Some(Guilty::History(n + 1))
}

#[test]
fn i10_a_stream_that_goes_on_after_a_removal() {
    doctor(I10, &[], |run| {
        let (n, _) = removals(run).into_iter().find(|(_, again)| !again)?;
        leak(run, n)
    });
}

#[test]
fn i10_a_stream_that_goes_on_until_the_user_is_a_member_again() {
    // Where the stream starts anew for another reason, what leaked came twice.
    doctor(I10, &[I4], |run| {
        for (n, _) in removals(run).into_iter().filter(|(_, again)| *again) {
            // Nobody could have been a member again by then: messages that were made later lie between.
            let mut other = run.clone();
            if let Some(guilty) = leak(&mut other, n) {
                let report = starling_check::check(&other.history, &other.store);
                if report.violated().any(|one| one == I10) {
                    *run = other;
                    return Some(guilty);
                }
            }
        }
        None
    });
}
