//! What was acknowledged or refused: I1, I2, I3, I5.

use starling_check::Invariant::{I1, I2, I3, I5, I6, I7, I8, I9, I10};
use starling_check::history::{Call, What};
use starling_check::store::StoreRecord;
use starling_protocol::{Body, ErrorCode};

use super::{Guilty, Told, directory, doctor, entries, head, json, rewrite, sends, slot};
use crate::model::Run;

fn set_seq(run: &mut Run, n: usize, to: u64) {
    match &mut run.history[n].what {
        What::Ok { seq, .. } | What::Answered { seq, .. } => *seq = Some(to),
        other => panic!("{other:?} has no seq"),
    }
}

#[test]
fn i1_an_acknowledgement_that_names_another_place() {
    doctor(I1, &[], |run| {
        let sends = sends(&run.history);
        let send = sends.iter().find(|send| send.is_plain() && send.ok() > Some(4))?;
        let (n, seq) = send.outcome?;
        set_seq(run, n, seq? - 1);
        set_seq(run, send.answered[0], seq? - 1);
        Some(Guilty::History(send.answered[0]))
    });
}

#[test]
fn i1_the_end_of_a_log_is_lost() {
    // Who saw it saw what is not stored (I2), is past the head (I7, I9), and resumed from there (I8).
    doctor(I1, &[I2, I7, I8, I9], |run| {
        let place = run.store.iter().position(|record| {
            matches!(record, StoreRecord::Entry(entry) if entry.seq == head(&run.store, entry.conversation.as_str()))
        })?;
        let StoreRecord::Entry(entry) = run.store.remove(place) else {
            return None;
        };
        let sends = sends(&run.history);
        let id = entry.client_id?;
        let send = sends.iter().find(|send| send.client_id == id.as_str())?;
        Some(Guilty::History(*send.answered.last()?))
    });
}

#[test]
fn i1_a_membership_that_was_acknowledged_and_is_not_so() {
    doctor(I1, &[], |run| {
        let calls: Vec<_> = run.history.iter().map(|record| record.what.clone()).collect();
        for n in 0..calls.len() {
            let What::Ok {
                client,
                op,
                seq: Some(seq),
            } = &calls[n]
            else {
                continue;
            };
            let of_it = |what: &&What| matches!(what, What::Invoke { client: by, op: number, .. } if by == client && number == op);
            let Some(What::Invoke {
                call: Call::Join { conversation },
                ..
            }) = calls.iter().find(of_it)
            else {
                continue;
            };
            let (_, entry) = slot(&run.store, conversation.as_str(), *seq)?;
            let user = client.split('/').next()?;
            let joined = matches!(&entry.body, Body::Joined { users, .. } if users.iter().any(|one| one.as_str() == user));
            if joined {
                set_seq(run, n, seq - 1);
                return Some(Guilty::History(n));
            }
        }
        None
    });
}

#[test]
fn i2_a_client_saw_another_entry_in_a_slot() {
    doctor(I2, &[], |run| {
        let n = run.history.len() / 2
            + run.history[run.history.len() / 2..]
                .iter()
                .position(|record| matches!(record.what, What::Entry { .. }))?;
        let What::Entry { digest, .. } = &mut run.history[n].what else {
            return None;
        };
        *digest = serde_json::from_str("\"00000000deadbeef\"").unwrap();
        Some(Guilty::History(n))
    });
}

#[test]
fn i2_a_send_that_was_acknowledged_twice_and_differently() {
    // One of the two is not where it is stored.
    doctor(I2, &[I1], |run| {
        let sends = sends(&run.history);
        let send = sends.iter().find(|send| send.is_plain() && send.ok() > Some(4))?;
        let (n, seq) = send.outcome?;
        set_seq(run, n, seq? - 1);
        Some(Guilty::History(n))
    });
}

#[test]
fn i2_a_send_that_is_stored_twice() {
    // Nobody has the second one (I7), and its sender may have left since (I10).
    doctor(I2, &[I7, I10], |run| {
        let sends = sends(&run.history);
        let send = sends.iter().find(|send| send.is_plain())?;
        let (_, entry) = slot(&run.store, &send.conversation, send.ok()?)?;
        let mut again = entry.clone();
        let (_, last) = slot(
            &run.store,
            &send.conversation,
            head(&run.store, &send.conversation),
        )?;
        again.seq = last.seq + 1;
        again.lamport = last.lamport + 1;
        again.messages = last.messages + 1;
        again.membership = last.membership;
        let (_, conversation) =
            directory(&mut run.store).find(|(_, one)| one.id.as_str() == send.conversation)?;
        conversation.head = Some(again.seq);
        conversation.applied = Some(again.seq);
        run.store.push(StoreRecord::Entry(again));
        Some(Guilty::Store(run.store.len() - 1))
    });
}

#[test]
fn i2_a_slot_that_is_taken_twice() {
    doctor(I2, &[I6, I7], |run| {
        let (place, entry) =
            entries(&run.store).find(|(_, entry)| entry.seq == 5 && entry.body.is_message())?;
        let mut other = entry.clone();
        other.client_id = None;
        run.store.insert(place, StoreRecord::Entry(other));
        Some(Guilty::Store(place))
    });
}

#[test]
fn i3_a_refused_send_that_is_stored() {
    doctor(I3, &[], |run| {
        let sends = sends(&run.history);
        let send = sends.iter().find(|send| send.is_plain())?;
        let (n, _) = send.outcome?;
        let What::Ok { client, op, .. } = run.history[n].what.clone() else {
            return None;
        };
        run.history[n].what = What::Fail {
            client,
            op,
            code: ErrorCode::NotAMember,
        };
        Some(Guilty::History(n))
    });
}

#[test]
fn i3_a_refused_send_that_somebody_saw() {
    doctor(I3, &[], |run| {
        let sends = sends(&run.history);
        let is_failed = |send: &&Told| {
            let outcome = send.outcome.map(|(n, _)| &run.history[n].what);
            matches!(outcome, Some(What::Fail { .. }))
        };
        let send = sends.iter().find(is_failed)?;
        let (conversation, name) = (send.conversation.clone(), send.client_id.clone());
        let user = send.client.split('/').next()?.to_owned();
        let n = run.history.iter().position(|record| {
            matches!(&record.what, What::Entry { conversation: at, sender: Some(_), client_id: Some(_), .. } if at.as_str() == conversation)
        })?;
        let What::Entry {
            sender, client_id, ..
        } = &mut run.history[n].what
        else {
            return None;
        };
        *sender = serde_json::from_str(&json(&user)).ok();
        *client_id = serde_json::from_str(&json(&name)).ok();
        Some(Guilty::History(n))
    });
}

/// Moves these records, in their order, to just before `before`; the new index of the last one.
fn hasten(run: &mut Run, records: &[usize], before: usize) -> usize {
    assert!(records.is_sorted() && records.iter().all(|n| *n > before));
    let at = run.history[before].at;
    for (count, n) in records.iter().enumerate() {
        let mut record = run.history.remove(*n);
        record.at = at;
        run.history.insert(before + count, record);
    }
    before + records.len() - 1
}

#[test]
fn i5_a_send_is_stored_before_one_that_was_acknowledged_before_it_was_made() {
    doctor(I5, &[], |run| {
        let sends = sends(&run.history);
        for early in sends
            .iter()
            .filter(|send| send.ok().is_some() && !send.sent.is_empty())
        {
            let is_late = |late: &&Told| {
                late.is_plain()
                    && late.conversation == early.conversation
                    && late.client != early.client
                    && late.ok() > early.ok()
                    && late.invoke > early.invoke
            };
            if let Some(late) = sends.iter().find(is_late) {
                let mut records = vec![late.invoke, late.sent[0], late.answered[0], late.outcome?.0];
                records.sort_unstable();
                let ok = hasten(run, &records, early.invoke);
                // The first of the two acknowledgements, on the wire, is the one that binds.
                return Some(Guilty::History(ok - 1));
            }
        }
        None
    });
}

#[test]
fn i5_two_sends_of_one_client_change_places() {
    doctor(I5, &[], |run| {
        let sends = sends(&run.history);
        for (index, first) in sends.iter().enumerate().filter(|(_, send)| send.is_plain()) {
            let is_second = |second: &&Told| {
                second.is_plain()
                    && second.client == first.client
                    && second.conversation == first.conversation
                    && second.ok() > first.ok()
                    && second.invoke > first.sent[0]
            };
            if let Some(second) = sends[index + 1..].iter().find(is_second) {
                let records = [second.invoke, second.sent[0]];
                return Some(Guilty::History(hasten(run, &records, first.sent[0])));
            }
        }
        None
    });
}

#[test]
fn i10_an_entry_of_one_who_was_no_member() {
    // It is not where its true sender's acknowledgement says (I1), which leaves his order open (I5).
    doctor(I10, &[I1, I5], |run| {
        let (place, _) = entries(&run.store).find(|(_, entry)| entry.seq > 3 && entry.body.is_message())?;
        rewrite(run, place, |entry| {
            entry.sender = serde_json::from_str("\"u9\"").ok();
        });
        Some(Guilty::Store(place))
    });
}
