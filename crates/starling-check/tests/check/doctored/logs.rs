//! What is stored: I6, and the directory's part of I7, I9, I10.

use starling_check::Invariant::{I1, I2, I5, I6, I7, I9, I10};
use starling_check::check;
use starling_check::history::What;
use starling_protocol::{Content, Entry, Role};

use super::{Guilty, directory, doctor, entries, rewrite};
use crate::model::Run;

/// Changes a message that is neither first nor last.
fn rewrite_a_message(run: &mut Run, change: impl Fn(&mut Entry)) -> Option<Guilty> {
    let (place, _) = entries(&run.store).find(|(_, entry)| entry.seq == 6 && entry.body.is_message())?;
    rewrite(run, place, change);
    Some(Guilty::Store(place))
}

#[test]
fn i6_marks_that_are_wrong() {
    doctor(I6, &[], |run| rewrite_a_message(run, |entry| entry.messages += 1));
    doctor(I6, &[], |run| {
        rewrite_a_message(run, |entry| entry.membership += 1)
    });
    doctor(I6, &[], |run| rewrite_a_message(run, |entry| entry.lamport -= 2));
}

#[test]
fn i6_a_hole_in_a_log() {
    // What was there was acknowledged (I1, I5) and seen (I2).
    doctor(I6, &[I1, I2, I5], |run| {
        let (place, _) = entries(&run.store).find(|(_, entry)| entry.seq == 6 && entry.body.is_message())?;
        run.store.remove(place);
        Some(Guilty::Store(place))
    });
}

#[test]
fn i6_a_log_that_does_not_begin_with_created() {
    // And so nobody is a member: not the readers, the senders, or those of the directory (I10), nor those who were
    // told so (I1).
    doctor(I6, &[I1, I7, I10], |run| {
        let (place, _) = entries(&run.store).find(|(_, entry)| entry.seq == 1)?;
        rewrite(run, place, |entry| {
            entry.body = starling_protocol::Body::Message(Content::text("hi"));
            entry.messages = 1;
            entry.membership = 0;
        });
        Some(Guilty::Store(place))
    });
}

#[test]
fn i6_a_conversation_without_a_log() {
    doctor(I6, &[I7, I9], |run| {
        let mut record = run.store.last()?.clone();
        let starling_check::store::StoreRecord::Conversation(conversation) = &mut record else {
            return None;
        };
        conversation.id = starling_protocol::ConversationId::new("c9").unwrap();
        run.store.push(record);
        Some(Guilty::Store(run.store.len() - 1))
    });
}

#[test]
fn i7_a_directory_that_lags() {
    doctor(I7, &[], |run| {
        let (place, conversation) = directory(&mut run.store).next()?;
        conversation.applied = conversation.applied.map(|seq| seq - 1);
        Some(Guilty::Store(place))
    });
}

#[test]
fn i9_a_mark_past_the_head() {
    doctor(I9, &[], |run| {
        let (place, conversation) = directory(&mut run.store).next()?;
        conversation.members[0].delivered = conversation.head? + 1;
        Some(Guilty::Store(place))
    });
}

#[test]
fn i9_a_read_mark_past_the_head() {
    doctor(I9, &[], |run| {
        let (place, conversation) = directory(&mut run.store).next()?;
        conversation.members[0].read = conversation.head? + 1;
        Some(Guilty::Store(place))
    });
}

#[test]
fn i9_a_mark_that_went_back() {
    doctor(I9, &[], |run| {
        // Only some marks bind; the first one whose loss is found will do.
        let all: Vec<(usize, usize)> = directory(&mut run.store)
            .flat_map(|(place, conversation)| {
                (0..conversation.members.len()).map(move |index| (place, index))
            })
            .collect();
        for (place, index) in all {
            let mut other = run.clone();
            let (_, conversation) = directory(&mut other.store).find(|(at, _)| *at == place)?;
            conversation.members[index].delivered = 0;
            if check(&other.history, &other.store).is_violated() {
                *run = other;
                return Some(Guilty::Store(place));
            }
        }
        None
    });
}

#[test]
fn a_mark_that_its_node_may_have_taken_along_is_no_violation() {
    for seed in 0..5 {
        let mut run = crate::model::run(seed);
        // All connections end right after their last mark, and nothing is known of what came after.
        let tells = |what: &What| {
            matches!(
                what,
                What::Healed {} | What::Finished { .. } | What::Receipts { .. }
            )
        };
        run.history.retain(|record| !tells(&record.what));
        for record in &mut run.history {
            record.at /= 100;
        }
        for (_, conversation) in directory(&mut run.store) {
            for member in &mut conversation.members {
                (member.delivered, member.read) = (0, 0);
            }
        }
        let report = check(&run.history, &run.store);
        assert!(!report.is_violated(), "{}", report.excerpts());
    }
}

#[test]
fn i10_a_directory_that_has_other_members_than_the_log() {
    doctor(I10, &[], |run| {
        let (place, conversation) = directory(&mut run.store).next()?;
        let index = conversation
            .members
            .iter()
            .position(|member| member.left.is_none())?;
        conversation.members.remove(index);
        Some(Guilty::Store(place))
    });
    doctor(I10, &[], |run| {
        let gone = |conversation: &starling_check::store::StoredConversation| {
            conversation
                .members
                .iter()
                .position(|member| member.left.is_some())
        };
        let (place, conversation) = directory(&mut run.store).find(|(_, one)| gone(one).is_some())?;
        let index = gone(conversation)?;
        conversation.members[index].left = None;
        Some(Guilty::Store(place))
    });
    doctor(I10, &[], |run| {
        let (place, conversation) = directory(&mut run.store).next()?;
        let member = conversation
            .members
            .iter_mut()
            .find(|member| member.left.is_none())?;
        member.role = Role::Moderator;
        Some(Guilty::Store(place))
    });
}
