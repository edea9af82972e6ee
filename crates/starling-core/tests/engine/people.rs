//! Signing in, sessions that end, contacts and blocks, on several nodes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use starling_core::people::{PeopleSettings, Secret};
use starling_core::ports::SignInId;
use starling_core::{Engine, Identity, Outbox, Session, Settings};
use starling_protocol::{
    AddContact, CloseCode, CodeRequest, Command, ConversationId, Create, Error, ErrorCode, Kind, Refresh,
    Reply, SignIn, SignOut, Tokens, UserId,
};

use crate::cluster::{Cluster, all, eventually, message, settings, user};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const PHONE: &str = "+4915123456789";

pub(crate) async fn cluster() -> Cluster {
    let people = PeopleSettings {
        secret: Some(Secret::new("a secret that all nodes share")),
        ..PeopleSettings::default()
    };
    Cluster::start_with(2, Settings { people, ..settings() }).await
}

fn asks(phone: &str) -> CodeRequest {
    CodeRequest { phone: phone.into() }
}

fn shows(phone: &str, code: &str) -> SignIn {
    SignIn {
        phone: phone.into(),
        code: code.into(),
        name: None,
        device: None,
    }
}

/// Gets a code at one node, and signs in with it at another.
pub(crate) async fn sign_in(cluster: &Cluster, phone: &str) -> Tokens {
    cluster.nodes[0]
        .people()
        .send_code(&asks(phone), HERE)
        .await
        .unwrap();
    let e164: String = phone.chars().filter(|c| *c != ' ').collect();
    let code = cluster.store.last_code(&e164).unwrap();
    let signed_in = cluster.nodes[1].people().sign_in(shows(phone, &code), HERE).await;
    signed_in.unwrap_or_else(|error| panic!("{error}"))
}

fn refused<T>(outcome: Result<T, Error>) -> ErrorCode {
    match outcome {
        Ok(_) => panic!("was not refused"),
        Err(error) => error.code,
    }
}

fn other_than(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

#[tokio::test(start_paused = true)]
async fn a_code_signs_in_once_on_whichever_node() {
    let cluster = cluster().await;
    let first = sign_in(&cluster, PHONE).await;
    assert!(first.new_user);
    let code = cluster.store.last_code(PHONE).unwrap();
    let again = cluster.nodes[0].people().sign_in(shows(PHONE, &code), HERE).await;
    assert_eq!(refused(again), ErrorCode::WrongCode);
    let second = sign_in(&cluster, "+49 1512 3456789").await;
    assert!(!second.new_user);
    assert_eq!(first.user, second.user, "however the number is written");
    assert_ne!(first.session, second.session);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_is_shown_twice_at_once_signs_in_once_and_makes_one_user() {
    let cluster = cluster().await;
    cluster.nodes[0]
        .people()
        .send_code(&asks(PHONE), HERE)
        .await
        .unwrap();
    let code = cluster.store.last_code(PHONE).unwrap();
    let people = [cluster.nodes[0].people(), cluster.nodes[1].people()];
    let shown = all(people
        .iter()
        .map(|people| people.sign_in(shows(PHONE, &code), HERE)))
    .await;
    let (done, refusals): (Vec<_>, Vec<_>) = shown.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refusals.len()), (1, 1));
    let users: Vec<_> = done.into_iter().flatten().map(|tokens| tokens.user).collect();
    assert_eq!(sign_in(&cluster, PHONE).await.user, users[0]);
}

#[tokio::test(start_paused = true)]
async fn a_code_is_void_after_five_tries_and_five_minutes() {
    let cluster = cluster().await;
    let people = cluster.nodes[0].people();
    let ask = async || {
        people.send_code(&asks(PHONE), HERE).await.unwrap();
        cluster.store.last_code(PHONE).unwrap()
    };
    let code = ask().await;
    for node in [0, 1, 0, 1] {
        let tried = cluster.nodes[node]
            .people()
            .sign_in(shows(PHONE, &other_than(&code)), HERE)
            .await;
        assert_eq!(refused(tried), ErrorCode::WrongCode);
    }
    let fifth = people.sign_in(shows(PHONE, &code), HERE).await;
    assert!(fifth.is_ok(), "four wrong ones are not five");

    let code = ask().await;
    for _ in 0..5 {
        let tried = people.sign_in(shows(PHONE, &other_than(&code)), HERE).await;
        assert_eq!(refused(tried), ErrorCode::WrongCode);
    }
    let late = people.sign_in(shows(PHONE, &code), HERE).await;
    assert_eq!(refused(late), ErrorCode::WrongCode, "void");

    let code = ask().await;
    tokio::time::advance(Duration::from_secs(301)).await;
    let late = people.sign_in(shows(PHONE, &code), HERE).await;
    assert_eq!(refused(late), ErrorCode::WrongCode, "too old");

    let earlier = ask().await;
    let code = ask().await;
    if earlier != code {
        let tried = people.sign_in(shows(PHONE, &earlier), HERE).await;
        assert_eq!(refused(tried), ErrorCode::WrongCode, "a new code takes its place");
    }
    assert!(people.sign_in(shows(PHONE, &code), HERE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn codes_are_limited_by_number_and_by_address_on_all_nodes_together() {
    let cluster = cluster().await;
    let ask = async |node: usize, phone: &str, from: IpAddr| {
        cluster.nodes[node].people().send_code(&asks(phone), from).await
    };
    for node in [0, 1, 0, 1, 0] {
        ask(node, PHONE, HERE).await.unwrap();
    }
    let error = ask(1, PHONE, HERE).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::RateLimited);
    let wait = error.retry_after_ms.unwrap();
    assert!((600_000..=720_000).contains(&wait), "{wait}");
    tokio::time::advance(Duration::from_millis(wait)).await;
    ask(1, PHONE, HERE).await.unwrap();

    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for number in 0..30 {
        let phone = format!("+4915123456{number:03}");
        ask(number % 2, &phone, elsewhere).await.unwrap();
    }
    let outcome = ask(0, "+4915123456999", elsewhere).await;
    assert_eq!(refused(outcome), ErrorCode::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn bad_numbers_and_codes_are_refused() {
    let cluster = cluster().await;
    let people = cluster.nodes[0].people();
    for phone in ["", "12", "015123456789", "+49 1512 CALL", &"+".repeat(40)] {
        let outcome = people.send_code(&asks(phone), HERE).await;
        assert_eq!(refused(outcome), ErrorCode::Invalid, "{phone:?}");
    }
    for code in ["", "12345", "1234567", "12345x", "１２３４５６"] {
        let outcome = people.sign_in(shows(PHONE, code), HERE).await;
        assert_eq!(refused(outcome), ErrorCode::Invalid, "{code:?}");
    }
    let never_asked = people.sign_in(shows(PHONE, "123456"), HERE).await;
    assert_eq!(refused(never_asked), ErrorCode::WrongCode);
}

async fn refresh(node: &Engine, token: &str) -> Result<Tokens, Error> {
    let request = Refresh {
        refresh_token: token.into(),
    };
    node.people().refresh(&request).await
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_is_good_once_and_its_answer_may_get_lost() {
    let cluster = cluster().await;
    let [one, other] = [&cluster.nodes[0], &cluster.nodes[1]];
    let first = sign_in(&cluster, PHONE).await;
    let second = refresh(one, &first.refresh_token)
        .await
        .unwrap_or_else(|e| panic!("{e}"));
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!((&second.session, &second.user), (&first.session, &first.user));
    // The answer did not arrive: the same again, at another node.
    let repeated = refresh(other, &first.refresh_token)
        .await
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(repeated.refresh_token, second.refresh_token);
    let third = refresh(one, &second.refresh_token)
        .await
        .unwrap_or_else(|e| panic!("{e}"));
    // The one before the last is no lost answer: someone has copied it, and the session ends for both.
    assert_eq!(
        refused(refresh(other, &first.refresh_token).await),
        ErrorCode::Unauthenticated
    );
    assert_eq!(
        refused(refresh(one, &third.refresh_token).await),
        ErrorCode::Unauthenticated
    );
    let sessions = one.people().sessions(&first.user, None).await.unwrap();
    assert!(sessions.sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_made_up_refresh_token_ends_nobodys_session() {
    let cluster = cluster().await;
    let node = &cluster.nodes[0];
    let tokens = sign_in(&cluster, PHONE).await;
    let made_up = format!("{}.{}", tokens.session, "A".repeat(64));
    for token in ["", "x", "x.y", &made_up] {
        let code = refused(refresh(node, token).await);
        assert!(
            matches!(code, ErrorCode::Unauthenticated | ErrorCode::Invalid),
            "{token:?}"
        );
    }
    assert!(refresh(node, &tokens.refresh_token).await.is_ok());
}

/// A connection that came by a session.
struct Connection {
    outbox: Arc<Outbox>,
    _session: Arc<Session>,
}

pub(crate) fn identity(tokens: &Tokens) -> Identity {
    Identity {
        sign_in: Some(SignInId::from_wire(&tokens.session)),
        ..Identity::of(tokens.user.clone())
    }
}

async fn connect(node: &Arc<Engine>, tokens: &Tokens) -> Connection {
    let outbox = Outbox::new(1 << 20);
    let session = node.open_session(identity(tokens), outbox.clone()).await.unwrap();
    Connection {
        outbox,
        _session: session,
    }
}

#[tokio::test(start_paused = true)]
async fn signing_out_ends_connections_on_every_node_even_where_the_message_is_lost() {
    for lost in [false, true] {
        let cluster = cluster().await;
        let (phone, tablet) = (sign_in(&cluster, PHONE).await, sign_in(&cluster, PHONE).await);
        let connections = [
            connect(&cluster.nodes[0], &phone).await,
            connect(&cluster.nodes[1], &phone).await,
            connect(&cluster.nodes[1], &tablet).await,
        ];
        let sign_out = async |everywhere| {
            if lost {
                cluster.coordination.drop_messages(10);
            }
            let id = SignInId::from_wire(&phone.session);
            let people = cluster.nodes[0].people();
            people
                .sign_out(&phone.user, Some(&id), &SignOut { everywhere })
                .await
                .unwrap();
        };
        let closed = |number: usize| connections[number].outbox.closed();
        let began = tokio::time::Instant::now();
        sign_out(false).await;
        for number in [0, 1] {
            eventually("the connection is closed", || closed(number)).await;
            assert_eq!(closed(number), Some(CloseCode::SignedOut));
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(closed(2), None, "the other session goes on");

        let late = connect(&cluster.nodes[1], &phone).await;
        assert_eq!(late.outbox.closed(), Some(CloseCode::SignedOut));
        assert_eq!(
            refused(refresh(&cluster.nodes[1], &phone.refresh_token).await),
            ErrorCode::Unauthenticated
        );
        sign_out(true).await;
        eventually("the other one, too", || closed(2)).await;
        assert!(
            cluster.nodes[1]
                .people()
                .sessions(&phone.user, None)
                .await
                .unwrap()
                .sessions
                .is_empty()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_knows_who_has_signed_out() {
    let cluster = cluster().await;
    let tokens = sign_in(&cluster, PHONE).await;
    cluster.nodes[0]
        .people()
        .end_session(&tokens.user, &tokens.session)
        .await
        .unwrap();
    let ports = starling_core::memory::ports(&cluster.store, &cluster.coordination);
    let fresh = Engine::start(ports, settings()).await.unwrap();
    assert_eq!(
        connect(&fresh, &tokens).await.outbox.closed(),
        Some(CloseCode::SignedOut)
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_ends_another_ones_session() {
    let cluster = cluster().await;
    let tokens = sign_in(&cluster, PHONE).await;
    let connection = connect(&cluster.nodes[0], &tokens).await;
    cluster.nodes[0]
        .people()
        .end_session(&user("eve"), &tokens.session)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(connection.outbox.closed(), None);
    assert!(refresh(&cluster.nodes[0], &tokens.refresh_token).await.is_ok());
}

async fn contacts(cluster: &Cluster, whose: &UserId) -> Vec<String> {
    let page = cluster.nodes[1]
        .people()
        .contacts(whose, None, None)
        .await
        .unwrap();
    let mut names: Vec<_> = page
        .contacts
        .iter()
        .map(|contact| contact.user.id.to_string())
        .collect();
    names.sort();
    names
}

async fn direct(cluster: &Cluster, from: &str, to: &str) -> Result<ConversationId, Error> {
    let create = Create::of(Kind::Direct, vec![user(to)]);
    match cluster.nodes[0]
        .execute(&user(from), Command::Create(create))
        .await?
    {
        Reply::Conversation(summary) => Ok(summary.id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn people_who_talk_become_contacts_by_themselves() {
    let cluster = cluster().await;
    direct(&cluster, "ann", "bob").await.unwrap();
    assert_eq!(contacts(&cluster, &user("ann")).await, ["bob"]);
    assert_eq!(contacts(&cluster, &user("bob")).await, ["ann"]);
    cluster.group(&["ann", "carol", "dave"]).await;
    assert_eq!(contacts(&cluster, &user("dave")).await, ["ann", "carol"]);
    assert_eq!(contacts(&cluster, &user("ann")).await, ["bob", "carol", "dave"]);

    // Many are a crowd.
    let crowd: Vec<_> = (0..101).map(|number| format!("member{number}")).collect();
    let crowd: Vec<_> = crowd.iter().map(String::as_str).collect();
    cluster.group(&crowd).await;
    assert!(contacts(&cluster, &user("member0")).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_contact_that_was_removed_comes_back_with_a_new_conversation_only() {
    let cluster = cluster().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let id = direct(&cluster, "ann", "bob").await.unwrap();
    std_pause().await;
    cluster.nodes[0]
        .people()
        .remove_contact(&bob, &ann)
        .await
        .unwrap();
    assert!(contacts(&cluster, &ann).await.is_empty(), "for both");
    // Talking on does not bring it back, nor does whatever is applied again.
    cluster.nodes[0]
        .execute(&ann, message(&id, "hello"))
        .await
        .unwrap();
    direct(&cluster, "bob", "ann").await.unwrap();
    let entries = cluster.log(&id);
    let again = starling_core::ports::Effect::Meet {
        conversation: id,
        users: vec![ann.clone(), bob.clone()],
        at: entries[0].at,
    };
    cluster.ports[0].ports.directory.apply(&[again]).await.unwrap();
    assert!(contacts(&cluster, &ann).await.is_empty());

    std_pause().await;
    cluster.group(&["carol", "ann", "bob"]).await;
    assert_eq!(contacts(&cluster, &ann).await, ["bob", "carol"]);
}

/// The wall clock is not the simulation's: lets a few of its milliseconds pass.
async fn std_pause() {
    let began = std::time::SystemTime::now();
    while began
        .elapsed()
        .is_ok_and(|passed| passed < Duration::from_millis(3))
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_contact_is_added_by_number_or_id_both_ways() {
    let cluster = cluster().await;
    let (ann, bob) = (
        sign_in(&cluster, PHONE).await.user,
        sign_in(&cluster, "+4915123456780").await.user,
    );
    let people = cluster.nodes[0].people();
    let by_id = AddContact {
        user: Some(ann.clone()),
        ..AddContact::default()
    };
    let added = people.add_contact(&bob, &by_id).await.unwrap();
    assert_eq!(
        added.user.phone, None,
        "whoever knows an id does not know a number"
    );
    let seen = people.user(&ann, &bob).await.unwrap();
    assert_eq!(
        seen.phone.as_deref(),
        Some("+4915123456780"),
        "who adds someone shows his own"
    );
    let by_phone = AddContact {
        phone: Some("+49 1512 3456789".into()),
        ..AddContact::default()
    };
    let added = people.add_contact(&bob, &by_phone).await.unwrap();
    assert_eq!(added.user.phone.as_deref(), Some(PHONE));
    assert_eq!(contacts(&cluster, &ann).await, [bob.to_string()]);
    assert_eq!(people.user(&user("eve"), &ann).await.unwrap().phone, None);

    for (request, code) in [
        (AddContact::default(), ErrorCode::Invalid),
        (
            AddContact {
                phone: Some("+4915123456700".into()),
                user: None,
            },
            ErrorCode::UnknownUser,
        ),
        (
            AddContact {
                phone: None,
                user: Some(user("nobody")),
            },
            ErrorCode::UnknownUser,
        ),
        (
            AddContact {
                phone: None,
                user: Some(bob.clone()),
            },
            ErrorCode::Invalid,
        ),
    ] {
        assert_eq!(
            refused(people.add_contact(&bob, &request).await),
            code,
            "{request:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_blocked_neither_opens_nor_uses_the_direct_conversation() {
    let cluster = cluster().await;
    for name in ["ann", "eve", "bob"] {
        cluster.store.add_profile(&user(name));
    }
    let (ann, eve) = (user("ann"), user("eve"));
    let id = direct(&cluster, "eve", "ann").await.unwrap();
    let client = cluster.connect(1, "eve").await;
    client.send(&id, "before").await.unwrap();

    cluster.nodes[0].people().block(&ann, &eve).await.unwrap();
    // On the node that was told; the message takes a moment.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = client.send(&id, "k0").await.err().unwrap();
    assert_eq!(error.code, ErrorCode::Forbidden);
    // On one that was not, and had asked before.
    let error = cluster.nodes[0]
        .execute(&eve, message(&id, "k1"))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code, ErrorCode::Forbidden);
    assert_eq!(
        refused(direct(&cluster, "eve", "ann").await),
        ErrorCode::Forbidden
    );
    assert!(contacts(&cluster, &ann).await.is_empty());
    let stored = cluster.log(&id).len();
    assert_eq!(stored, 2, "created, and what was said before");
    // The blocker may go on, and groups are not theirs alone.
    cluster.nodes[0].execute(&ann, message(&id, "k2")).await.unwrap();
    let group = cluster.group(&["bob", "ann", "eve"]).await;
    client.send(&group, "in a group").await.unwrap();
    assert_eq!(contacts(&cluster, &eve).await, ["bob"], "not ann, by herself");
    let add = |user: &UserId| AddContact {
        phone: None,
        user: Some(user.clone()),
    };
    let people = cluster.nodes[0].people();
    assert_eq!(
        refused(people.add_contact(&eve, &add(&ann)).await),
        ErrorCode::Forbidden
    );
    assert_eq!(
        refused(people.add_contact(&ann, &add(&eve)).await),
        ErrorCode::Forbidden
    );
    assert_eq!(
        people.blocked(&ann, None, None).await.unwrap().users,
        std::slice::from_ref(&eve)
    );
    assert!(people.blocked(&eve, None, None).await.unwrap().users.is_empty());

    people.unblock(&ann, &eve).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    client.send(&id, "after").await.unwrap();
    assert!(people.add_contact(&eve, &add(&ann)).await.is_ok());
}
