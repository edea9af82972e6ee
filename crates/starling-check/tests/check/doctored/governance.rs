//! Roles, bans, mutes, invites: who could do what, by I1, I3, I10.

use starling_check::Invariant::{I1, I3, I5, I10};
use starling_check::check;
use starling_check::history::What;
use starling_protocol::{Body, Entry, ErrorCode, Role, UserId};

use super::{Guilty, directory, doctor, entries, rewrite, sends};
use crate::model::Run;

/// The directory says what the log said before it was doctored: that is another test's.
fn forget_governance(run: &mut Run) {
    for (_, conversation) in directory(&mut run.store) {
        conversation.governance = None;
    }
}

/// Puts a message that follows an entry which takes something from a user, before another gives it back, into that
/// user's mouth.
fn speaks_all_the_same(
    run: &mut Run,
    takes: impl Fn(&Body) -> Option<&UserId>,
    gives_back: impl Fn(&Body, &UserId) -> bool,
) -> Option<Guilty> {
    let log: Vec<(usize, Entry)> = entries(&run.store)
        .map(|(place, entry)| (place, entry.clone()))
        .collect();
    for (n, (_, entry)) in log.iter().enumerate() {
        let Some(user) = takes(&entry.body) else { continue };
        let rest = log[n + 1..].iter().take_while(|(_, later)| {
            later.conversation == entry.conversation && !gives_back(&later.body, user)
        });
        let mut messages = rest.filter(|(_, later)| later.body.is_message());
        if let Some((place, _)) = messages.find(|(_, later)| later.sender.as_ref() != Some(user)) {
            rewrite(run, *place, |message| message.sender = Some(user.clone()));
            return Some(Guilty::Store(*place));
        }
    }
    None
}

#[test]
fn i10_a_message_of_one_who_was_muted() {
    // It is not where its true sender's acknowledgement says (I1), which leaves his order open (I5).
    doctor(I10, &[I1, I5], |run| {
        speaks_all_the_same(
            run,
            |body| match body {
                Body::Muted { user, until: None } => Some(user),
                _ => None,
            },
            |body, by| matches!(body, Body::Unmuted { user } | Body::Muted { user, .. } if user == by),
        )
    });
}

#[test]
fn i10_a_message_of_one_who_was_banned() {
    doctor(I10, &[I1, I5], |run| {
        speaks_all_the_same(
            run,
            |body| match body {
                Body::Banned { user, removed: true } => Some(user),
                _ => None,
            },
            |body, by| matches!(body, Body::Joined { users, .. } if users.contains(by)),
        )
    });
}

#[test]
fn i10_one_who_was_banned_joins() {
    doctor(I10, &[], |run| {
        let log: Vec<Entry> = entries(&run.store).map(|(_, entry)| entry.clone()).collect();
        let places: Vec<usize> = entries(&run.store).map(|(place, _)| place).collect();
        for (n, entry) in log.iter().enumerate() {
            let Body::Banned { user, .. } = &entry.body else {
                continue;
            };
            let later = |is_it: &dyn Fn(&Body) -> bool, from: usize| {
                let rest = log.iter().enumerate().skip(from + 1);
                let mut rest = rest.take_while(|(_, later)| later.conversation == entry.conversation);
                rest.find(|(_, later)| is_it(&later.body)).map(|(index, _)| index)
            };
            let lifts = |body: &Body| matches!(body, Body::Unbanned { user: other } if other == user);
            let joins = |body: &Body| matches!(body, Body::Joined { users, .. } if users.contains(user));
            let Some(lifted) = later(&lifts, n) else { continue };
            let Some(joined) = later(&joins, lifted) else {
                continue;
            };
            forget_governance(run);
            let somebody = UserId::new("somebody").unwrap();
            rewrite(run, places[lifted], |entry| {
                entry.body = Body::Unbanned {
                    user: somebody.clone(),
                };
            });
            return Some(Guilty::Store(places[joined]));
        }
        None
    });
}

#[test]
fn i10_one_who_was_made_a_moderator_no_longer_governs() {
    doctor(I10, &[], |run| {
        let log: Vec<(usize, Entry)> = entries(&run.store)
            .map(|(place, entry)| (place, entry.clone()))
            .collect();
        for (n, (place, entry)) in log.iter().enumerate() {
            let Body::RoleChanged {
                user,
                role: Role::Moderator,
            } = &entry.body
            else {
                continue;
            };
            let his = log[n + 1..]
                .iter()
                .filter(|(_, later)| later.conversation == entry.conversation);
            let mut his = his.take_while(|(_, later)| match &later.body {
                Body::RoleChanged { user: other, .. } => other != user,
                body => !body.ends_membership_of(user),
            });
            let governs = |later: &Entry| {
                later.sender.as_ref() == Some(user)
                    && matches!(
                        later.body,
                        Body::Muted { .. } | Body::Banned { .. } | Body::Invited { .. } | Body::Updated(_)
                    )
            };
            if his.any(|(_, later)| governs(later)) {
                forget_governance(run);
                let user = user.clone();
                rewrite(run, *place, |entry| {
                    entry.body = Body::RoleChanged {
                        user: user.clone(),
                        role: Role::Member,
                    };
                });
                return Some(Guilty::Store(*place));
            }
        }
        None
    });
}

#[test]
fn i10_a_joining_where_the_conversation_was_not_open() {
    doctor(I10, &[], |run| {
        let (place, join) = entries(&run.store).find(|(_, entry)| {
            let sender = entry.sender.as_ref();
            matches!(&entry.body, Body::Joined { users, invite: None, .. } if sender.is_some_and(|by| users.contains(by)))
        })?;
        let conversation = join.conversation.clone();
        let of_it: Vec<usize> = entries(&run.store)
            .filter(|(_, entry)| entry.conversation == conversation)
            .map(|(place, _)| place)
            .collect();
        forget_governance(run);
        for place in of_it {
            rewrite(run, place, |entry| match &mut entry.body {
                Body::Created { open, .. } => *open = false,
                Body::Updated(profile) => profile.open = false,
                _ => {}
            });
        }
        Some(Guilty::Store(place))
    });
}

#[test]
fn i10_an_invite_that_is_used_more_often_than_is_told() {
    doctor(I10, &[], |run| {
        let (place, _) = entries(&run.store)
            .find(|(_, entry)| matches!(entry.body, Body::Joined { invite: Some(_), .. }))?;
        forget_governance(run);
        rewrite(run, place, |entry| {
            if let Body::Joined {
                invite: Some(used), ..
            } = &mut entry.body
            {
                used.uses += 1;
            }
        });
        Some(Guilty::Store(place))
    });
}

#[test]
fn i10_a_directory_that_is_governed_otherwise_than_the_log() {
    use starling_check::store::Governance;
    let spoils: [fn(&mut Governance) -> bool; 4] = [
        |governance| governance.banned.pop_first().is_some(),
        |governance| governance.muted.pop_first().is_some(),
        |governance| governance.invites.pop_first().is_some(),
        |governance| governance.profile.name.take().is_some(),
    ];
    for spoil in spoils {
        doctor(I10, &[], |run| {
            let (place, _) = directory(&mut run.store)
                .find_map(|(place, one)| spoil(one.governance.as_mut()?).then_some((place, ())))?;
            Some(Guilty::Store(place))
        });
    }
}

#[test]
fn i3_something_that_governs_was_refused_and_is_stored() {
    doctor(I3, &[], |run| {
        let sends = sends(&run.history);
        let governs = sends
            .iter()
            .find(|send| send.sent.is_empty() && send.ok().is_some())?;
        let (n, _) = governs.outcome?;
        let What::Ok { client, op, .. } = run.history[n].what.clone() else {
            return None;
        };
        run.history[n].what = What::Fail {
            client,
            op,
            code: ErrorCode::Forbidden,
        };
        Some(Guilty::History(n))
    });
}

#[test]
fn i1_something_that_governs_is_not_where_it_was_acknowledged() {
    doctor(I1, &[], |run| {
        let sends = sends(&run.history);
        let governs = sends
            .iter()
            .find(|send| send.sent.is_empty() && send.ok() > Some(2))?;
        let (n, _) = governs.outcome?;
        let What::Ok { seq: Some(seq), .. } = &mut run.history[n].what else {
            return None;
        };
        *seq -= 1;
        Some(Guilty::History(n))
    });
}

#[test]
fn a_mute_that_has_ended_by_itself_is_no_objection() {
    let mut spoke = 0;
    for seed in 0..40 {
        let run = crate::model::run(seed);
        let log: Vec<Entry> = entries(&run.store).map(|(_, entry)| entry.clone()).collect();
        for (n, entry) in log.iter().enumerate() {
            if let Body::Muted {
                user,
                until: Some(until),
            } = &entry.body
            {
                let rest = log[n + 1..].iter().take_while(|later| {
                    later.conversation == entry.conversation
                        && !matches!(&later.body, Body::Unmuted { user: other } if other == user)
                });
                let mut his =
                    rest.filter(|later| later.body.is_message() && later.sender.as_ref() == Some(user));
                spoke += usize::from(his.any(|later| later.at >= *until));
            }
        }
        assert!(!check(&run.history, &run.store).is_violated(), "seed {seed}");
    }
    assert!(spoke >= 8, "only {spoke} spoke again");
}
