//! Commands about people on a connection: each concerns the connection's own user, and nobody else's things.

use starling_protocol::{
    AddContact, CloseCode, Command, EndSession, Error, ErrorCode, ListPeople, ListSessions, ProfileChange,
    Reply, SignOut, SignedInSession, Tokens, UserId, UserProfile, WhichUser,
};

use crate::cluster::{Client, Cluster, eventually, message, user};
use crate::people::{PHONE, cluster, identity, sign_in};

const OTHER_PHONE: &str = "+4915123456780";

async fn connect(cluster: &Cluster, node: usize, tokens: &Tokens) -> Client {
    Client::open_as(&cluster.nodes[node], identity(tokens), 1 << 20)
        .await
        .unwrap()
}

fn which(user: &UserId) -> WhichUser {
    WhichUser { user: user.clone() }
}

fn add(phone: Option<&str>, user: Option<&UserId>) -> Command {
    Command::AddContact(AddContact {
        phone: phone.map(str::to_owned),
        user: user.cloned(),
    })
}

fn code(outcome: Result<Reply, Error>) -> Option<ErrorCode> {
    outcome.err().map(|error| error.code)
}

async fn contacts(client: &Client) -> Vec<UserProfile> {
    match client
        .call(Command::Contacts(ListPeople::default()))
        .await
        .unwrap()
    {
        Reply::Contacts(page) => page.contacts.into_iter().map(|contact| contact.user).collect(),
        other => panic!("not contacts: {other:?}"),
    }
}

async fn blocked(client: &Client) -> Vec<UserId> {
    match client
        .call(Command::Blocked(ListPeople::default()))
        .await
        .unwrap()
    {
        Reply::Blocked(page) => page.users,
        other => panic!("not those who are blocked: {other:?}"),
    }
}

async fn sessions(client: &Client) -> Vec<SignedInSession> {
    match client.call(Command::Sessions(ListSessions {})).await.unwrap() {
        Reply::Sessions(page) => page.sessions,
        other => panic!("not sessions: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_read_and_changed_and_seen_by_others() {
    let cluster = cluster().await;
    let tokens = sign_in(&cluster, PHONE).await;
    let ann = connect(&cluster, 0, &tokens).await;
    let change = ProfileChange {
        name: Some(" Ann ".into()),
        about: Some("Back on Monday".into()),
        avatar_url: Some("https://pictures.example.org/a.png".into()),
    };
    let Reply::Me(changed) = ann.call(Command::Me(change)).await.unwrap() else {
        panic!("not a profile");
    };
    assert_eq!(changed.name.as_deref(), Some("Ann"));
    assert_eq!(changed.phone.as_deref(), Some(PHONE));
    let away = ProfileChange {
        about: Some(String::new()),
        ..ProfileChange::default()
    };
    ann.call(Command::Me(away)).await.unwrap();
    let read = ann.call(Command::Me(ProfileChange::default())).await.unwrap();
    assert_eq!(
        read,
        Reply::Me(starling_protocol::Me {
            about: None,
            ..changed
        })
    );

    let bob = cluster.open(1, "bob").await.unwrap();
    let Reply::User(seen) = bob.call(Command::User(which(&tokens.user))).await.unwrap() else {
        panic!("not a user");
    };
    assert_eq!(seen.name.as_deref(), Some("Ann"));
    assert_eq!((seen.phone, seen.contact), (None, false));
    let unknown = bob.call(Command::User(which(&user("nobody")))).await;
    assert_eq!(code(unknown), Some(ErrorCode::UnknownUser));
    let insecure = ProfileChange {
        avatar_url: Some("http://pictures.example.org/a.png".into()),
        ..ProfileChange::default()
    };
    assert_eq!(
        code(ann.call(Command::Me(insecure)).await),
        Some(ErrorCode::Invalid)
    );
}

#[tokio::test(start_paused = true)]
async fn contacts_are_added_listed_and_removed() {
    let cluster = cluster().await;
    let (ann, bob) = (
        sign_in(&cluster, PHONE).await,
        sign_in(&cluster, OTHER_PHONE).await,
    );
    let (on_one, on_other) = (connect(&cluster, 0, &ann).await, connect(&cluster, 1, &bob).await);
    let Reply::Contact(contact) = on_one.call(add(Some("+49 1512 3456780"), None)).await.unwrap() else {
        panic!("not a contact");
    };
    assert_eq!(contact.user.id, bob.user);
    assert_eq!(contacts(&on_one).await[0].id, bob.user);
    assert_eq!(contacts(&on_other).await[0].id, ann.user, "both ways");

    let removed = on_other.call(Command::RemoveContact(which(&ann.user))).await;
    assert_eq!(removed, Ok(Reply::Done {}));
    assert!(contacts(&on_one).await.is_empty(), "for both");
    for (refused, expected) in [
        (add(Some("+4915123456700"), None), ErrorCode::UnknownUser),
        (add(None, Some(&user("nobody"))), ErrorCode::UnknownUser),
        (add(None, Some(&ann.user)), ErrorCode::Invalid),
        (add(Some("123 456"), None), ErrorCode::Invalid),
    ] {
        let named = format!("{refused:?}");
        assert_eq!(code(on_one.call(refused).await), Some(expected), "{named}");
    }
    assert!(contacts(&on_one).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_blocked_is_listed_and_kept_out_until_he_is_let_in_again() {
    let cluster = cluster().await;
    for name in ["ann", "eve"] {
        cluster.store.add_profile(&user(name));
    }
    let (ann, eve) = (cluster.connect(0, "ann").await, cluster.connect(1, "eve").await);
    assert_eq!(
        ann.call(Command::Block(which(&user("eve")))).await,
        Ok(Reply::Done {})
    );
    assert_eq!(blocked(&ann).await, [user("eve")]);
    assert!(blocked(&eve).await.is_empty());
    assert_eq!(
        code(eve.call(add(None, Some(&user("ann")))).await),
        Some(ErrorCode::Forbidden)
    );
    // What another blocks is not for oneself to lift.
    eve.call(Command::Unblock(which(&user("ann")))).await.unwrap();
    assert_eq!(blocked(&ann).await, [user("eve")]);
    assert_eq!(
        code(ann.call(Command::Block(which(&user("ann")))).await),
        Some(ErrorCode::Invalid)
    );
    assert_eq!(
        code(ann.call(Command::Block(which(&user("nobody")))).await),
        Some(ErrorCode::UnknownUser)
    );

    ann.call(Command::Unblock(which(&user("eve")))).await.unwrap();
    assert!(blocked(&ann).await.is_empty());
    assert!(eve.call(add(None, Some(&user("ann")))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_and_ended_here_there_and_everywhere() {
    let cluster = cluster().await;
    let (phone, tablet, desk) = (
        sign_in(&cluster, PHONE).await,
        sign_in(&cluster, PHONE).await,
        sign_in(&cluster, PHONE).await,
    );
    let (on_phone, on_tablet, on_desk) = (
        connect(&cluster, 0, &phone).await,
        connect(&cluster, 1, &tablet).await,
        connect(&cluster, 1, &desk).await,
    );
    let listed = sessions(&on_phone).await;
    assert_eq!(listed.len(), 3);
    let current: Vec<_> = listed.iter().filter(|session| session.current).collect();
    assert!(matches!(current[..], [one] if one.id == phone.session));

    // Another's is left alone, whether one knows its name or not.
    let eve = cluster.open(0, "eve").await.unwrap();
    let end = |tokens: &Tokens| {
        Command::EndSession(EndSession {
            session: tokens.session.clone(),
        })
    };
    assert_eq!(eve.call(end(&tablet)).await, Ok(Reply::Done {}));
    assert_eq!(sessions(&on_phone).await.len(), 3);
    assert!(sessions(&eve).await.is_empty());

    assert_eq!(on_phone.call(end(&tablet)).await, Ok(Reply::Done {}));
    let closed = eventually("the tablet's connection ends", || on_tablet.closed()).await;
    assert_eq!(closed, CloseCode::SignedOut);
    assert_eq!(sessions(&on_phone).await.len(), 2);

    // Whoever signs out is told by the end of his connection.
    on_phone
        .command(Command::SignOut(SignOut { everywhere: true }))
        .await;
    for client in [&on_phone, &on_desk] {
        let closed = eventually("all connections end", || client.closed()).await;
        assert_eq!(closed, CloseCode::SignedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_by_an_outside_token_signs_out_everywhere_only() {
    let cluster = cluster().await;
    let tokens = sign_in(&cluster, PHONE).await;
    let signed_in = connect(&cluster, 1, &tokens).await;
    let outside = cluster.open(0, tokens.user.as_str()).await.unwrap();
    assert!(sessions(&outside).await.iter().all(|session| !session.current));
    let here = Command::SignOut(SignOut { everywhere: false });
    assert_eq!(code(outside.call(here).await), Some(ErrorCode::Invalid));
    let everywhere = Command::SignOut(SignOut { everywhere: true });
    assert_eq!(outside.call(everywhere).await, Ok(Reply::Done {}));
    let closed = eventually("the session's connection ends", || signed_in.closed()).await;
    assert_eq!(closed, CloseCode::SignedOut);
    // Whoever issued the token ends what came by it.
    assert_eq!(outside.closed(), None);
    let group = cluster.group(&[tokens.user.as_str()]).await;
    assert!(outside.call(message(&group, "k")).await.is_ok());
}
