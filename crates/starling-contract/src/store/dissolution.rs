//! Conversations that are deleted for all.

use std::sync::Arc;

use starling_core::ports::{Alteration, Effect};
use starling_protocol::{Body, Entry, Role, Seq};

use crate::StorePorts;
use crate::sample::{conversation, end_member, keyed, message, record, set_member, system, user};

/// More than go in one piece.
const LONG: Seq = 5_200;

fn dissolve(seq: Seq) -> Effect {
    Effect::Dissolve {
        conversation: conversation("a"),
        seq,
        by: user("alice"),
        at: 1_700_000_000_000,
    }
}

fn edit(target: Seq, seq: Seq) -> Effect {
    Effect::AlterMessage {
        conversation: conversation("a"),
        target,
        seq,
        by: user("alice"),
        at: 1_700_000_000_000,
        alteration: Alteration::Edit {
            text: "message edited".into(),
        },
    }
}

pub async fn texts_are_gone_and_places_and_keys_stay(mongo: &dyn StorePorts) {
    let edited = Entry {
        body: Body::Edited {
            target: 2,
            text: "message edited".into(),
        },
        ..Entry::clone(&keyed("a", 3, "alice", "k3"))
    };
    let mut entries: Vec<_> = (1..=LONG).map(|seq| message("a", seq)).collect();
    entries[2] = Arc::new(edited);
    entries.push(Arc::new(system("a", LONG + 1, Body::Dissolved {})));
    for part in entries.chunks(2_000) {
        mongo.insert(part).await.unwrap();
    }
    mongo.insert(&[message("b", 1)]).await.unwrap();
    mongo
        .apply(&[
            Effect::CreateConversation(record("a")),
            set_member("a", "alice", Role::Admin, 1),
            set_member("a", "bob", Role::Member, 1),
            set_member("a", "gone", Role::Member, 1),
            end_member("a", "gone", 4),
            set_member("b", "alice", Role::Admin, 1),
            edit(2, 3),
        ])
        .await
        .unwrap();
    mongo.hide(&conversation("b"), &user("alice"), 7).await.unwrap();

    // Twice: whoever recovers does it again. And an edit whose node has slept in between.
    for _ in 0..2 {
        mongo.apply(&[dissolve(LONG + 1)]).await.unwrap();
        mongo.apply(&[edit(2, 3), edit(9, 10)]).await.unwrap();
        // Nor does a membership that is applied late begin again.
        mongo
            .apply(&[set_member("a", "bob", Role::Member, 5)])
            .await
            .unwrap();

        let mut left = Vec::new();
        while left.len() < entries.len() {
            let after = left.len() as Seq;
            left.extend(
                mongo
                    .read(&conversation("a"), after, Seq::MAX, 2_000)
                    .await
                    .unwrap(),
            );
        }
        for (old, new) in entries.iter().zip(&left) {
            assert_eq!(
                (old.seq, &old.sender, &old.client_id),
                (new.seq, &new.sender, &new.client_id)
            );
            assert!(!format!("{new:?}").contains("message "), "{new:?}");
        }
        let record = mongo.conversation(&conversation("a")).await.unwrap().unwrap();
        assert_eq!(record.dissolved, Some(LONG + 1));
        let members = mongo.members(&conversation("a")).await.unwrap();
        let ends: Vec<_> = members
            .iter()
            .map(|member| (member.user.as_str(), member.left))
            .collect();
        let end = Some(LONG + 1);
        assert_eq!(ends, [("alice", end), ("bob", end), ("gone", Some(4))]);
        assert_eq!(mongo.count_members(&conversation("a")).await.unwrap(), 0);
    }
    let other = mongo.read(&conversation("b"), 0, 1, 1).await.unwrap();
    assert_eq!(other, [message("b", 1)], "others keep theirs");
    assert_eq!(mongo.count_members(&conversation("b")).await.unwrap(), 1);
}

pub async fn what_is_hidden_stays_so_until_a_membership_begins_anew(mongo: &dyn StorePorts) {
    let hidden = async || {
        let member = mongo.member(&conversation("a"), &user("alice")).await.unwrap();
        member.and_then(|member| member.hidden)
    };
    mongo.hide(&conversation("a"), &user("alice"), 3).await.unwrap();
    assert_eq!(hidden().await, None, "of a stranger there is nothing to hide");
    mongo
        .apply(&[set_member("a", "alice", Role::Member, 1)])
        .await
        .unwrap();
    for (messages, expected) in [(0, 0), (5, 5), (3, 5)] {
        mongo
            .hide(&conversation("a"), &user("alice"), messages)
            .await
            .unwrap();
        assert_eq!(hidden().await, Some(expected));
    }
    // Applied again: it is no other membership.
    mongo
        .apply(&[set_member("a", "alice", Role::Member, 1)])
        .await
        .unwrap();
    assert_eq!(hidden().await, Some(5));
    mongo.apply(&[end_member("a", "alice", 6)]).await.unwrap();
    mongo.hide(&conversation("a"), &user("alice"), 9).await.unwrap();
    assert_eq!(hidden().await, Some(5), "former members have no list");
    mongo
        .apply(&[set_member("a", "alice", Role::Member, 7)])
        .await
        .unwrap();
    assert_eq!(hidden().await, None);
}
