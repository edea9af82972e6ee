//! Contacts and blocks.

use futures::future::join_all;
use starling_core::ports::{Effect, Relation};
use starling_protocol::{Role, UserId};

use crate::StorePorts;
use crate::sample::{conversation, end_member, set_member, user};

async fn names(book: &dyn StorePorts, whose: &UserId) -> Vec<String> {
    let contacts = book.contacts(whose, None, 200).await.unwrap();
    contacts.iter().map(|contact| contact.user.to_string()).collect()
}

fn meet(id: &str, users: &[&str], at: i64) -> Effect {
    Effect::Meet {
        conversation: conversation(id),
        users: users.iter().map(|name| user(name)).collect(),
        at,
    }
}

pub async fn contacts_are_both_ways_or_not_at_all(book: &dyn StorePorts) {
    // Ids that would mean something to the database.
    let (ann, bob) = (user("$ann"), user("bob.$x"));
    assert_eq!(book.relation(&ann, &bob).await.unwrap(), Relation::default());
    let added = book.add(&bob, &ann, true, 5).await.unwrap();
    let contact = Relation {
        contact: true,
        ..Relation::default()
    };
    assert_eq!(
        added,
        Relation {
            shows_phone: true,
            ..contact
        },
        "he gave it"
    );
    let seen = book.relation(&ann, &bob).await.unwrap();
    assert_eq!(
        seen,
        Relation {
            shows_phone: true,
            ..contact
        },
        "who adds someone shows his own"
    );
    assert_eq!(names(book, &ann).await, ["bob.$x"]);
    assert_eq!(names(book, &bob).await, ["$ann"]);
    book.add(&ann, &bob, false, 9).await.unwrap();
    assert_eq!(book.contacts(&ann, None, 9).await.unwrap()[0].since, 5);
    book.remove(&ann, &bob, 10).await.unwrap();
    assert_eq!(book.relation(&bob, &ann).await.unwrap(), Relation::default());
    assert!(names(book, &ann).await.is_empty() && names(book, &bob).await.is_empty());
}

pub async fn pages_follow_one_another(book: &dyn StorePorts) {
    let mm = user("mm");
    let others = ["a", "b", "c", "x", "y", "z", "mmm", "m"];
    join_all(others.map(|other| {
        let (book, mm) = (book, &mm);
        async move { book.add(mm, &user(other), false, 1).await.unwrap() }
    }))
    .await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = book.contacts(&mm, after.as_ref(), 3).await.unwrap();
        found.extend(page.iter().map(|contact| contact.user.to_string()));
        match page.last() {
            Some(last) if page.len() == 3 => after = Some(last.user.clone()),
            _ => break,
        }
    }
    found.sort();
    let mut expected = others.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
}

pub async fn who_is_together_in_a_conversation_meets(book: &dyn StorePorts) {
    let join = |name: &str, seq| set_member("g", name, Role::Member, seq);
    let (ann, bob, carol) = (user("ann"), user("bob"), user("carol"));
    let created = [
        join("ann", 1),
        join("bob", 1),
        join("gone", 1),
        end_member("g", "gone", 2),
        meet("g", &["ann", "bob", "gone"], 100),
    ];
    book.apply(&created).await.unwrap();
    assert_eq!(names(book, &ann).await, ["bob"], "and not who has left");
    let relation = book.relation(&ann, &bob).await.unwrap();
    assert!(relation.contact && !relation.shows_phone, "nobody gave a number");

    // What was removed since stays so, however often it is applied again.
    book.remove(&bob, &ann, 150).await.unwrap();
    book.apply(&created).await.unwrap();
    assert!(names(book, &ann).await.is_empty());
    // Another conversation, later.
    let later = [
        set_member("h", "ann", Role::Member, 1),
        set_member("h", "bob", Role::Member, 1),
        meet("h", &["ann", "bob"], 200),
    ];
    book.apply(&later).await.unwrap();
    assert_eq!(names(book, &ann).await, ["bob"]);
    // A newcomer meets everyone.
    book.apply(&[join("carol", 5), meet("g", &["carol"], 300)])
        .await
        .unwrap();
    assert_eq!(names(book, &carol).await, ["ann", "bob"]);
}

pub async fn a_hundred_meet_and_more_do_not(book: &dyn StorePorts) {
    let crowd: Vec<_> = (0..100).map(|n| format!("m{n:03}")).collect();
    let mut effects: Vec<_> = crowd
        .iter()
        .map(|name| set_member("g", name, Role::Member, 1))
        .collect();
    let everyone: Vec<_> = crowd.iter().map(String::as_str).collect();
    effects.push(meet("g", &everyone, 100));
    book.apply(&effects).await.unwrap();
    for name in [&crowd[0], &crowd[57], &crowd[99]] {
        assert_eq!(names(book, &user(name)).await.len(), 99);
    }
    let one_more = [
        set_member("g", "late", Role::Member, 2),
        meet("g", &["late"], 200),
    ];
    book.apply(&one_more).await.unwrap();
    assert!(names(book, &user("late")).await.is_empty());
}

pub async fn a_block_ends_what_there_is_and_keeps_it_from_arising(book: &dyn StorePorts) {
    let (ann, eve) = (user("ann"), user("eve"));
    let direct = conversation("d-1");
    book.add(&eve, &ann, true, 1).await.unwrap();
    book.block(&ann, &eve, &direct, 10).await.unwrap();
    assert_eq!(
        book.relation(&ann, &eve).await.unwrap(),
        Relation {
            blocks: true,
            ..Relation::default()
        }
    );
    assert_eq!(
        book.relation(&eve, &ann).await.unwrap(),
        Relation {
            blocked: true,
            ..Relation::default()
        }
    );
    assert_eq!(
        book.barred_from(&direct).await.unwrap(),
        std::slice::from_ref(&eve)
    );
    assert!(book.barred_from(&conversation("d-2")).await.unwrap().is_empty());
    assert!(!book.add(&eve, &ann, true, 20).await.unwrap().contact);
    assert!(!book.add(&ann, &eve, true, 20).await.unwrap().contact);
    let together = [
        set_member("g", "ann", Role::Member, 1),
        set_member("g", "eve", Role::Member, 1),
        meet("g", &["ann", "eve"], 30),
    ];
    book.apply(&together).await.unwrap();
    assert!(names(book, &ann).await.is_empty());
    assert_eq!(
        book.blocked_by(&ann, None, 9).await.unwrap(),
        std::slice::from_ref(&eve)
    );
    assert!(book.blocked_by(&eve, None, 9).await.unwrap().is_empty());

    book.block(&eve, &ann, &direct, 40).await.unwrap();
    assert_eq!(
        book.barred_from(&direct).await.unwrap().len(),
        2,
        "each the other"
    );
    book.unblock(&ann, &eve).await.unwrap();
    assert_eq!(
        book.barred_from(&direct).await.unwrap(),
        std::slice::from_ref(&ann)
    );
    book.unblock(&eve, &ann).await.unwrap();
    assert!(book.barred_from(&direct).await.unwrap().is_empty());
    assert_eq!(book.relation(&ann, &eve).await.unwrap(), Relation::default());
    assert!(book.add(&ann, &eve, false, 50).await.unwrap().contact);
}
