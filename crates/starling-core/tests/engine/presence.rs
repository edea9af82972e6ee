//! Presence: devices, nodes that die, a Redis that forgets; and who may see it (P1).

use starling_core::memory::Latency;
use starling_protocol::{
    AskPresences, Availability, Command, ErrorCode, Event, Presence, PresenceState, Reply, ServerFrame,
    SetPresence, Sync,
};

use crate::cluster::{Client, Cluster, eventually, ms, user};

use PresenceState::{Away, Offline, Online};

/// What a client was told of a user, in order.
fn told(client: &Client, name: &str) -> Vec<PresenceState> {
    presences(client, name)
        .into_iter()
        .map(|presence| presence.state)
        .collect()
}

fn presences(client: &Client, name: &str) -> Vec<Presence> {
    let frames = client.frames.lock();
    let told = frames.iter().filter_map(|frame| match frame {
        ServerFrame::Event(Event::Presence(presence)) if presence.user == user(name) => {
            Some(presence.clone())
        }
        _ => None,
    });
    told.collect()
}

async fn is_told(client: &Client, name: &str, expected: &[PresenceState]) {
    eventually(&format!("{name} is told as {expected:?}"), || {
        (told(client, name) == expected).then_some(())
    })
    .await;
}

async fn ask(client: &Client, names: &[&str]) -> Vec<Presence> {
    let users = names.iter().map(|name| user(name)).collect();
    match client
        .call(Command::Presences(AskPresences { users }))
        .await
        .unwrap()
    {
        Reply::Presences(found) => found.presences,
        other => panic!("no presences: {other:?}"),
    }
}

fn set(state: Option<Availability>, text: Option<&str>) -> Command {
    Command::Presence(SetPresence {
        state,
        text: text.map(str::to_owned),
    })
}

#[tokio::test(start_paused = true)]
async fn a_user_is_there_until_the_last_device_is_gone_and_away_if_all_say_so() {
    let cluster = Cluster::start(3).await;
    cluster.group(&["ann", "bob"]).await;
    let bob = cluster.connect(0, "bob").await;
    let phone = cluster.connect(1, "ann").await;
    is_told(&bob, "ann", &[Online]).await;
    let laptop = cluster.connect(2, "ann").await;
    phone.call(set(Some(Availability::Away), None)).await.unwrap();
    tokio::time::sleep(ms(3_000)).await;
    is_told(&bob, "ann", &[Online]).await;
    laptop.call(set(Some(Availability::Away), None)).await.unwrap();
    is_told(&bob, "ann", &[Online, Away]).await;
    assert_eq!(ask(&bob, &["ann"]).await[0].state, Away);
    phone.call(set(Some(Availability::Online), None)).await.unwrap();
    is_told(&bob, "ann", &[Online, Away, Online]).await;
    phone.session.close().await;
    is_told(&bob, "ann", &[Online, Away, Online, Away]).await;
    laptop.session.close().await;
    is_told(&bob, "ann", &[Online, Away, Online, Away, Offline]).await;
    let found = &ask(&bob, &["ann"]).await[0];
    assert_eq!(found.state, Offline);
    assert!(found.last_seen.is_some());
    assert_eq!(found.last_seen, presences(&bob, "ann").last().unwrap().last_seen);
}

#[tokio::test(start_paused = true)]
async fn who_was_told_of_a_conversation_is_told_of_its_people_while_its_log_is_read() {
    let cluster = Cluster::start(2).await;
    let id = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    let bob = cluster.open(1, "bob").await.unwrap();
    cluster.ports[1].store.set_latency(Latency::Fixed(ms(5_000)));
    let cursors = [(id.clone(), 0)].into();
    bob.command(Command::Sync(Sync { cursors })).await;
    eventually("bob is told of the conversation", || bob.cursor(&id)).await;
    ann.call(set(Some(Availability::Away), None)).await.unwrap();
    is_told(&bob, "ann", &[Away]).await;
    assert!(bob.seqs(&id).is_empty(), "its log is read still");
    bob.has(&id, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_hears_of_others_before_it_has_told_of_its_first_user() {
    let cluster = Cluster::start(2).await;
    cluster.group(&["ann", "bob"]).await;
    let bob = cluster.connect(0, "bob").await;
    cluster.ports[0]
        .coordination
        .set_latency(Latency::Fixed(ms(3_000)));
    let _ann = cluster.connect(1, "ann").await;
    is_told(&bob, "ann", &[Online]).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_back_at_once_was_never_gone() {
    let cluster = Cluster::start(2).await;
    cluster.group(&["ann", "bob"]).await;
    let bob = cluster.connect(0, "bob").await;
    let mut ann = cluster.connect(1, "ann").await;
    is_told(&bob, "ann", &[Online]).await;
    for node in [0, 1, 0] {
        ann.session.close().await;
        tokio::time::sleep(ms(1_500)).await;
        ann = cluster.connect(node, "ann").await;
        tokio::time::sleep(ms(5_000)).await;
    }
    is_told(&bob, "ann", &[Online]).await;
}

#[tokio::test(start_paused = true)]
async fn a_text_is_kept_and_only_those_who_share_a_conversation_see_it() {
    let cluster = Cluster::start(2).await;
    cluster.group(&["ann", "bob"]).await;
    cluster.group(&["eve", "bob"]).await;
    let (bob, eve) = (cluster.connect(0, "bob").await, cluster.connect(1, "eve").await);
    let ann = cluster.connect(1, "ann").await;
    ann.call(set(None, Some("at sea"))).await.unwrap();
    eventually("bob sees the text", || {
        presences(&bob, "ann")
            .iter()
            .any(|presence| presence.text.as_deref() == Some("at sea"))
            .then_some(())
    })
    .await;
    ann.session.close().await;
    tokio::time::sleep(ms(5_000)).await;
    let found = ask(&bob, &["ann", "eve", "nobody", "bob", "ann"]).await;
    let states: Vec<_> = found
        .iter()
        .map(|presence| (presence.user.as_str(), presence.state, presence.text.as_deref()))
        .collect();
    assert_eq!(
        states,
        [
            ("ann", Offline, Some("at sea")),
            ("eve", Online, None),
            ("bob", Online, None)
        ]
    );
    assert_eq!(presences(&eve, "ann"), []);
    assert_eq!(ask(&eve, &["ann"]).await, []);
    let back = cluster.connect(0, "ann").await;
    back.call(set(None, Some(""))).await.unwrap();
    eventually("the text is gone", || {
        (presences(&bob, "ann").last()?.text.is_none()).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_nodes_users_are_gone_within_its_liveness_and_a_little() {
    let mut cluster = Cluster::start(3).await;
    cluster.group(&["ann", "bob", "eve"]).await;
    let (bob, eve) = (cluster.connect(0, "bob").await, cluster.connect(1, "eve").await);
    let _ann = cluster.connect(2, "ann").await;
    let moved = cluster.connect(2, "eve").await;
    is_told(&bob, "ann", &[Online]).await;
    cluster.ports[2].kill();
    drop(cluster.nodes.pop());
    tokio::time::sleep(ms(17_000)).await;
    is_told(&bob, "ann", &[Online, Offline]).await;
    is_told(&eve, "ann", &[Online, Offline]).await;
    assert_eq!(told(&bob, "eve"), [Online], "she has another device");
    assert!(ask(&bob, &["ann"]).await[0].last_seen.is_some());
    drop(moved);
    assert_eq!(cluster.coordination.session_map(&user("ann")), []);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_in_order_leaves_nobody_behind() {
    let cluster = Cluster::start(2).await;
    cluster.group(&["ann", "bob"]).await;
    let bob = cluster.connect(0, "bob").await;
    let _ann = cluster.connect(1, "ann").await;
    is_told(&bob, "ann", &[Online]).await;
    cluster.nodes[1].drain().await;
    cluster.ports[1].kill();
    tokio::time::sleep(ms(10_000)).await;
    is_told(&bob, "ann", &[Online, Offline]).await;
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_forgets_costs_nobody_his_presence() {
    let mut cluster = Cluster::start(2).await;
    cluster.group(&["ann", "bob"]).await;
    let (bob, ann) = (cluster.connect(0, "bob").await, cluster.connect(1, "ann").await);
    ann.call(set(Some(Availability::Away), None)).await.unwrap();
    eventually("away", || (told(&bob, "ann").last() == Some(&Away)).then_some(())).await;
    cluster.coordination.flush();
    tokio::time::sleep(ms(10_000)).await;
    assert_eq!(told(&bob, "ann").last(), Some(&Away));
    assert_eq!(ask(&bob, &["ann"]).await[0].state, Away);
    // All is registered anew, so that a death is still noticed.
    cluster.ports[1].kill();
    drop(cluster.nodes.pop());
    tokio::time::sleep(ms(17_000)).await;
    assert_eq!(told(&bob, "ann").last(), Some(&Offline));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_taken_for_dead_says_that_its_users_are_there() {
    let cluster = Cluster::start(2).await;
    cluster.group(&["ann", "bob"]).await;
    let (bob, _ann) = (cluster.connect(0, "bob").await, cluster.connect(1, "ann").await);
    is_told(&bob, "ann", &[Online]).await;
    cluster.ports[1].coordination.set_reachable(false);
    tokio::time::sleep(ms(20_000)).await;
    is_told(&bob, "ann", &[Online, Offline]).await;
    cluster.ports[1].coordination.set_reachable(true);
    tokio::time::sleep(ms(10_000)).await;
    is_told(&bob, "ann", &[Online, Offline, Online]).await;
}

#[tokio::test(start_paused = true)]
async fn changes_are_limited_and_a_state_needs_a_connection() {
    let cluster = Cluster::start(1).await;
    let ann = cluster.connect(0, "ann").await;
    let mut refused = 0;
    for number in 0..30 {
        let change = set(None, Some(&format!("text {number}")));
        if let Err(error) = ann.call(change).await {
            assert_eq!(error.code, ErrorCode::RateLimited);
            assert!(error.retry_after_ms.is_some_and(|ms| (1..=1_000).contains(&ms)));
            refused += 1;
        }
    }
    assert!((18..=20).contains(&refused), "{refused} refused");
    let state = set(Some(Availability::Away), None);
    let error = cluster.nodes[0].execute(&user("ann"), state).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
}
