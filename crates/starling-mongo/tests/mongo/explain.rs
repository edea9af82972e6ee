//! How the server carries out each hot query: read from its profiler, so that it is the query that is really sent.

use std::future::Future;

use bson::{Document, doc};
use mongodb::{Client, Database};
use starling_core::people::Phone;
use starling_core::ports::{
    Accounts, Alteration, ContactBook, Directory, Effect, EntryLog, EventCursors, FOR_EVER, MessageRange,
    PresenceStore, RangeEnd, Replacement, Sanction, SignInId, SignInRecord, SignIns,
};
use starling_mongo::Mongo;
use starling_protocol::{Role, Seq};

use crate::server::{empty_settings, shared};
use starling_contract::sample::{
    client_id, conversation, end_member, invite, keyed, raised, record, revoke_invite, sanction, set_member,
    set_profile, set_role, use_invite, user,
};

const BY_SEQ: &str = "{ conversation: 1, seq: 1 }";
const BY_KEY: &str = "{ conversation: 1, sender: 1, client_id: 1 }";
const BY_USER: &str = "{ conversation: 1, user: 1 }";
const BY_PRESENT: &str = "{ user: 1, conversation: 1 }";

/// What a query may cost.
struct Cost<'a> {
    plan: String,
    keys: i64,
    documents: i64,
    found: i64,
    what: &'a str,
}

fn cost<'a>(what: &'a str, plan: String, keys: i64, found: i64) -> Cost<'a> {
    Cost {
        plan,
        keys,
        documents: found,
        found,
        what,
    }
}

impl Cost<'_> {
    /// More documents than are found.
    fn reading(self, documents: i64) -> Self {
        Self { documents, ..self }
    }
}

struct Profiled {
    mongo: Mongo,
    database: Database,
}

impl Profiled {
    /// One long log among many short ones, and one user of many conversations among many of few.
    async fn start() -> Self {
        let settings = empty_settings(shared().await);
        let client = Client::with_uri_str(&settings.uri).await.unwrap();
        let mongo = Mongo::connect(settings).await.unwrap();
        let database = client.database(mongo.database_name());
        let mut entries: Vec<_> = (1..=2_000)
            .map(|seq| keyed("long", seq, "alice", &format!("k{seq}")))
            .collect();
        let mut effects = Vec::new();
        for n in 0..200 {
            let id = format!("c{n}");
            entries.extend((1..=10).map(|seq| keyed(&id, seq, "alice", &format!("k{seq}"))));
            effects.push(starling_core::ports::Effect::CreateConversation(record(&id)));
            effects.push(set_member(&id, "alice", Role::Member, 1));
            effects.push(set_member(&id, &format!("user{n}"), Role::Member, 1));
            effects.push(set_member("long", &format!("user{n}"), Role::Member, 1));
            effects.push(set_member(&id, "gone", Role::Member, 1));
            effects.push(end_member(&id, "gone", 2));
        }
        mongo.insert(&entries).await.unwrap();
        mongo.apply(&effects).await.unwrap();
        Self { mongo, database }
    }

    /// Runs a call and compares what the server did with what it may do.
    async fn check<T, E: std::fmt::Debug>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        expected: Cost<'_>,
    ) {
        let what = expected.what;
        self.database.run_command(doc! { "profile": 2 }).await.unwrap();
        call.await.unwrap();
        self.database.run_command(doc! { "profile": 0 }).await.unwrap();
        let profile = self.database.collection::<Document>("system.profile");
        let filter =
            doc! { "op": { "$in": ["query", "command", "update"] }, "command.profile": { "$exists": false } };
        let done = profile
            .find_one(filter)
            .sort(doc! { "$natural": -1 })
            .await
            .unwrap()
            .expect(what);
        profile.drop().await.unwrap();
        let number = |field| done.get_i32(field).map_or(0, i64::from);
        assert_eq!(
            done.get_str("planSummary").unwrap(),
            expected.plan,
            "{what}: {done}"
        );
        assert!(
            !done.get_bool("hasSortStage").unwrap_or(false),
            "{what} sorts: {done}"
        );
        assert!(number("keysExamined") <= expected.keys, "{what}: keys: {done}");
        assert!(
            number("docsExamined") <= expected.documents,
            "{what}: documents: {done}"
        );
        if done.get_str("op").unwrap() != "update" {
            assert_eq!(number("nreturned"), expected.found, "{what}: {done}");
        }
    }
}

#[tokio::test]
async fn every_hot_query_of_the_log_uses_its_index() {
    let profiled = Profiled::start().await;
    let log = &profiled.mongo;
    let long = conversation("long");
    let ixscan = |index: &str| format!("IXSCAN {index}");

    profiled
        .check(log.head(&long), cost("head", ixscan(BY_SEQ), 1, 1))
        .await;
    let alter = |seq, alteration| starling_core::ports::Effect::AlterMessage {
        conversation: long.clone(),
        target: 1_000,
        seq,
        by: user("alice"),
        at: 0,
        alteration,
    };
    let emoji = "+1".to_owned();
    let reacted = [alter(
        2_001,
        Alteration::React {
            emoji,
            removed: false,
        },
    )];
    profiled
        .check(log.apply(&reacted), cost("react", ixscan(BY_SEQ), 1, 1))
        .await;
    let text = "text".to_owned();
    let edited = [alter(2_002, Alteration::Edit { text })];
    let not_deleted = Cost {
        found: 0,
        ..cost("edit: what is deleted", ixscan(BY_SEQ), 1, 1)
    };
    profiled.check(log.apply(&edited), not_deleted).await;
    profiled
        .check(
            log.read(&long, 1_000, 1_050, 50),
            cost("read", ixscan(BY_SEQ), 50, 50),
        )
        .await;
    profiled
        .check(
            log.read(&long, 0, Seq::MAX, 200),
            cost("read from 1", ixscan(BY_SEQ), 200, 200),
        )
        .await;
    profiled
        .check(
            log.read_back(&long, 1_000, 50),
            cost("read_back", ixscan(BY_SEQ), 50, 50),
        )
        .await;

    let mut ids: Vec<_> = (0..200).map(|n| conversation(&format!("c{n}"))).collect();
    ids.push(long.clone());
    let distinct_scan = format!("DISTINCT_SCAN {BY_SEQ}");
    profiled
        .check(log.heads(&ids), cost("heads", distinct_scan.clone(), 402, 201))
        .await;
    profiled
        .check(log.heads(&ids[200..]), cost("heads of one", distinct_scan, 2, 1))
        .await;

    let keys: Vec<_> = (1..=100)
        .map(|n| (user("alice"), client_id(&format!("k{}", n * 15))))
        .collect();
    profiled
        .check(log.find(&long, &keys), cost("find", ixscan(BY_KEY), 201, 100))
        .await;
    let mut keys = keys;
    keys.extend((0..100).map(|n| (user(&format!("user{n}")), client_id("k1"))));
    let branches = vec![ixscan(BY_KEY); 101].join(", ");
    profiled
        .check(log.find(&long, &keys), cost("find of many", branches, 301, 100))
        .await;

    let range = |after, to, sender: Option<&str>, skip| MessageRange {
        after,
        to,
        sender: sender.map(user),
        end: RangeEnd::Highest,
        skip,
    };
    for (what, range, keys) in [
        ("messages", range(0, 1_000, None, 0), 51),
        ("messages of one", range(900, 2_000, Some("alice"), 0), 52),
        (
            "messages of one, skipped",
            range(900, 2_000, Some("alice"), 100),
            150,
        ),
    ] {
        profiled
            .check(
                log.messages(&long, &range, 50),
                Cost {
                    documents: keys,
                    ..cost(what, ixscan(BY_SEQ), keys, 50)
                },
            )
            .await;
    }
    profiled
        .check(
            log.tally(&long, 1_000, 1_500, 30),
            Cost {
                documents: 500,
                ..cost("tally", ixscan(BY_SEQ), 502, 1)
            },
        )
        .await;
    // Others' messages are read: whoever asks for one user's bounds the range.
    profiled
        .check(
            log.messages(&long, &range(1_900, 2_000, Some("zoe"), 0), 50),
            cost("messages of a silent one", ixscan(BY_SEQ), 100, 0).reading(100),
        )
        .await;

    let places: Vec<_> = ids[..100].iter().map(|id| (id.clone(), 5)).collect();
    profiled
        .check(
            log.at(&places),
            cost("at", vec![ixscan(BY_SEQ); 100].join(", "), 100, 100),
        )
        .await;
}

#[tokio::test]
async fn every_hot_query_of_the_directory_uses_its_index() {
    let profiled = Profiled::start().await;
    let directory = &profiled.mongo;
    let ixscan = |index: &str| format!("IXSCAN {index}");
    let c7 = conversation("c7");
    let long = conversation("long");
    let alice = user("alice");

    profiled
        .check(
            directory.conversation(&c7),
            cost("conversation", "IDHACK".into(), 1, 1),
        )
        .await;
    let ids: Vec<_> = (0..50).map(|n| conversation(&format!("c{n}"))).collect();
    profiled
        .check(
            directory.conversations(&ids),
            cost("conversations", ixscan("{ _id: 1 }"), 101, 50),
        )
        .await;
    profiled
        .check(
            directory.scan(Some(&c7), 20),
            cost("scan", ixscan("{ _id: 1 }"), 21, 20),
        )
        .await;
    profiled
        .check(
            directory.scan(None, 20),
            cost("scan from the start", ixscan("{ _id: 1 }"), 21, 20),
        )
        .await;
    profiled
        .check(
            directory.members(&long),
            cost("members", ixscan(BY_USER), 200, 200),
        )
        .await;
    profiled
        .check(
            directory.members_after(&long, Some(&user("user100")), 50),
            cost("members_after", ixscan(BY_USER), 50, 50),
        )
        .await;
    let several: Vec<_> = (7..27).map(|n| conversation(&format!("c{n}"))).collect();
    profiled
        .check(
            directory.members_of(&several, 1_000),
            // One key more for each conversation, to get to the next; and who has left.
            cost("members_of", ixscan(BY_USER), 80, 40).reading(60),
        )
        .await;
    profiled
        .check(
            directory.member(&c7, &alice),
            cost("member", ixscan(BY_USER), 1, 1),
        )
        .await;
    profiled
        .check(
            directory.count_members(&long),
            Cost {
                documents: 200,
                ..cost("count_members", ixscan(BY_USER), 201, 1)
            },
        )
        .await;
    let page = directory.memberships(&alice, None, 50);
    profiled
        .check(page, cost("memberships", ixscan(BY_PRESENT), 50, 50))
        .await;
    let page = directory.memberships(&alice, Some(&c7), 50);
    profiled
        .check(page, cost("memberships after", ixscan(BY_PRESENT), 32, 32))
        .await;
    // Former memberships are not even looked at.
    let gone = user("gone");
    let page = directory.memberships(&gone, None, 50);
    profiled
        .check(page, cost("former memberships", ixscan(BY_PRESENT), 0, 0))
        .await;

    let users: Vec<_> = (0..50).map(|n| user(&format!("user{n}"))).collect();
    directory.seen(&users, 1).await.unwrap();
    profiled
        .check(
            directory.remembered(&users),
            cost("remembered", ixscan("{ _id: 1 }"), 101, 50),
        )
        .await;
    profiled
        .check(
            directory.sharing(&alice, &users),
            cost("sharing", ixscan(BY_PRESENT), 151, 100),
        )
        .await;
    profiled
        .check(
            directory.seen(&users[..1], 2),
            cost("seen", "IDHACK".into(), 1, 1),
        )
        .await;

    let applied = [(c7.clone(), 9)];
    profiled
        .check(
            directory.mark_applied(&applied),
            cost("mark_applied", "IDHACK".into(), 1, 1),
        )
        .await;
    let marks = [raised("c7", "alice", 9, 8)];
    profiled
        .check(
            directory.raise_marks(&marks),
            cost("raise_marks", ixscan(BY_USER), 1, 1),
        )
        .await;
    let effects = [set_member("c7", "alice", Role::Admin, 9)];
    profiled
        .check(directory.apply(&effects), cost("apply", ixscan(BY_USER), 1, 1))
        .await;
}

#[tokio::test]
async fn every_query_about_governance_uses_its_index() {
    let profiled = Profiled::start().await;
    let directory = &profiled.mongo;
    let ixscan = |index: &str| format!("IXSCAN {index}");
    let c7 = conversation("c7");
    let mut effects = Vec::new();
    for n in 0..20_u32 {
        let id = format!("c{n}");
        for m in 0..5 {
            let who = format!("user{m}");
            effects.push(sanction(&id, &who, Sanction::Mute(Some(FOR_EVER)), 5));
        }
    }
    let numbers: Vec<u32> = (222..=777)
        .filter(|n| !n.to_string().contains(['0', '1', '8', '9']))
        .collect();
    for (index, number) in numbers.iter().enumerate() {
        let id = if index % 20 == 0 { "c7" } else { "c8" };
        effects.push(Effect::MakeInvite(invite(id, *number, None, 5)));
        if index % 40 == 0 {
            effects.push(revoke_invite(*number, 6));
        }
    }
    directory.apply(&effects).await.unwrap();
    let found = directory.invites(&c7).await.unwrap();
    let open = i64::try_from(found.len()).unwrap();
    assert!(open > 2, "{open}");

    profiled
        .check(directory.sanctions(&c7), cost("sanctions", ixscan(BY_USER), 6, 5))
        .await;
    profiled
        .check(
            directory.invites(&c7),
            cost("invites", ixscan("{ conversation: 1, _id: 1 }"), open + 1, open),
        )
        .await;
    let by_id = || "IDHACK".to_owned();
    for (what, effect, plan) in [
        (
            "set_role",
            set_role("c7", "alice", Role::Admin, 50),
            ixscan(BY_USER),
        ),
        (
            "ban",
            sanction("c7", "user2", Sanction::Ban(true), 50),
            ixscan(BY_USER),
        ),
        ("use_invite", use_invite(222, 3, 50), by_id()),
        ("revoke_invite", revoke_invite(222, 51), by_id()),
    ] {
        let effects = [effect];
        profiled
            .check(directory.apply(&effects), cost(what, plan, 1, 1))
            .await;
    }
    let effects = [set_profile("c7", Some("tea"), 50)];
    profiled
        .check(
            directory.apply(&effects),
            cost("set_profile", ixscan("{ _id: 1 }"), 1, 1),
        )
        .await;
}

#[tokio::test]
async fn every_query_about_events_uses_its_index() {
    let profiled = Profiled::start().await;
    let cursors = &profiled.mongo;
    let by_id = || "IXSCAN { _id: 1 }".to_owned();
    profiled
        .check(
            cursors.told_since("webhook", 1),
            cost("told_since", "IDHACK".to_owned(), 1, 0),
        )
        .await;
    let some: Vec<_> = (0..20).map(|n| conversation(&format!("c{n}"))).collect();
    profiled
        .check(
            cursors.cursors("webhook", &some),
            cost("cursors", by_id(), 21 + 20, 20),
        )
        .await;
    profiled
        .check(
            cursors.scan_cursors("webhook", Some(&conversation("c5")), 10),
            cost("scan_cursors", by_id(), 10, 10),
        )
        .await;
    let raised = [(conversation("c7"), 5)];
    profiled
        .check(
            cursors.raise_cursors("webhook", &raised),
            cost("raise_cursors", "IDHACK".to_owned(), 1, 1),
        )
        .await;
}

#[tokio::test]
async fn every_query_about_people_uses_its_index() {
    let profiled = Profiled::start().await;
    let people = &profiled.mongo;
    let ixscan = |index: &str| format!("IXSCAN {index}");
    let id_hack = || "IDHACK".to_owned();
    let alice = user("alice");
    let direct = conversation("d-1");
    for number in 0..100_i64 {
        let other = user(&format!("other{number:03}"));
        people.add(&alice, &other, false, 1).await.unwrap();
        people.add(&other, &user("someone"), false, 1).await.unwrap();
        let record = SignInRecord {
            id: SignInId::from_wire(&format!("sign-in{number}")),
            user: if number % 10 == 0 { alice.clone() } else { other },
            device: None,
            created_at: number,
            used_at: number,
            expires_at: i64::from(u32::MAX) * 1_000,
        };
        people.begin(&record, &[7; 32]).await.unwrap();
    }
    people.block(&alice, &user("eve"), &direct, 2).await.unwrap();
    people
        .block(&user("bob"), &user("eve"), &conversation("d-2"), 2)
        .await
        .unwrap();

    let page = people.contacts(&alice, None, 20);
    profiled
        .check(page, cost("contacts", ixscan("{ users: 1, _id: 1 }"), 21, 20))
        .await;
    let after = user("other050");
    let page = people.contacts(&alice, Some(&after), 20);
    profiled
        .check(
            page,
            cost("contacts after", ixscan("{ users: 1, _id: 1 }"), 21, 20),
        )
        .await;
    let page = people.blocked_by(&alice, None, 20);
    profiled
        .check(
            page,
            cost("blocked_by", ixscan("{ blocked_by: 1, _id: 1 }"), 2, 1),
        )
        .await;
    profiled
        .check(
            people.barred_from(&direct),
            cost("barred_from", ixscan("{ direct: 1 }"), 1, 1),
        )
        .await;
    let nobody = conversation("d-3");
    profiled
        .check(
            people.barred_from(&nobody),
            cost("barred from nothing", ixscan("{ direct: 1 }"), 0, 0),
        )
        .await;
    profiled
        .check(people.relation(&alice, &after), cost("relation", id_hack(), 1, 1))
        .await;

    let phone = Phone::from_stored("+4915123456789");
    people.register(&phone, &alice, None).await.unwrap();
    profiled
        .check(people.user_of(&phone), cost("user_of", id_hack(), 1, 1))
        .await;
    let users = [alice.clone(), user("nobody")];
    let profiles = people.profiles(&users);
    profiled
        .check(profiles, cost("profiles", ixscan("{ _id: 1 }"), 4, 1))
        .await;

    let in_force = "{ user: 1, created_at: -1 }";
    profiled
        .check(
            people.of_user(&alice, 5),
            cost("sign_ins_of_user", ixscan(in_force), 6, 5),
        )
        .await;
    let id = SignInId::from_wire("sign-in10");
    profiled
        .check(people.is_in_force(&id), cost("is_in_force", id_hack(), 1, 1))
        .await;
    let replacement = Replacement {
        digest: [8; 32],
        salt: [9; 32],
        at: 1_000,
        expires_at: i64::from(u32::MAX) * 1_000,
        grace: std::time::Duration::from_secs(60),
    };
    people.rotate(&id, &[7; 32], &replacement).await.unwrap();
    people.end(&alice, &id).await.unwrap();
    profiled
        .check(
            people.ended_since(1, 100),
            cost("ended_since", ixscan("{ ended_at: 1 }"), 1, 1),
        )
        .await;
}
