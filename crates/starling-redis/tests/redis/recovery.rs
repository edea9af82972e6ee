//! Redis goes away in every way that it can, and comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use nix::sys::signal::Signal;
use starling_core::ports::{
    AfterCommit, Bus, BusEvent, Codes, Commit, ConnectionId, EventQueue, Incarnation, Leases, OfflineIndex,
    PresenceIndex, Quota, Quotas, RateLimit, RateLimiter, Reservation, SessionMap, SessionRef, Unavailable,
};
use starling_redis::{Redis, RedisSettings};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::server::{Deployment, Server, free_port};
use crate::support::{Node, connect_with, conversation, eventually, user};

/// The time within which any method must fail, with room for a busy machine.
const BOUND: Duration = Duration::from_secs(4);
/// The time within which all is well again once Redis is back, with the same room: it takes some seconds.
const RECOVERY: Duration = Duration::from_secs(10);
/// The same, with the time that Redis stood still.
const RECOVERY_AND_STOP: Duration = Duration::from_secs(12);
/// The same, with an election in between.
const FAILOVER: Duration = Duration::from_secs(25);
/// For what waits for no server.
const QUICK: Duration = Duration::from_secs(1);

/// After that a connection that does not answer has been given up.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// Each case on a standalone server and on a cluster of its own.
macro_rules! on_own {
    ($($case:ident,)*) => {
        mod standalone {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::server::Deployment::standalone().await).await;
            })*
        }

        mod cluster {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::server::Deployment::cluster(false).await).await;
            })*
        }
    };
}

on_own! {
    a_flush_is_seen,
    a_killed_subscription_is_noticed,
    killed_command_connections_are_noticed,
    a_restart_is_survived,
    a_short_stop_is_survived,
    a_long_stop_under_traffic_is_survived,
    a_connection_given_up_in_the_middle_of_writing_leaves_nothing_behind,
    a_shutdown_is_quick_and_final,
}

type Method = Box<dyn Fn(Redis) -> BoxFuture<'static, Result<(), Unavailable>> + Send + Sync>;

/// Every method that asks Redis for something.
fn methods() -> Vec<(&'static str, Method)> {
    macro_rules! method {
        ($name:literal, |$redis:ident| $call:expr) => {
            (
                $name,
                Box::new(|$redis: Redis| Box::pin(async move { $call.await.map(drop) }) as BoxFuture<_>)
                    as Method,
            )
        };
    }
    fn session() -> SessionRef {
        SessionRef {
            connection: ConnectionId::fresh(),
            incarnation: Incarnation::fresh(),
        }
    }
    fn token() -> starling_core::ports::LeaseToken {
        starling_core::ports::LeaseToken {
            incarnation: Incarnation::fresh(),
            claim: 1,
        }
    }
    fn commit() -> Arc<Commit> {
        Arc::new(Commit {
            conversation: conversation(),
            token: None,
            head: 1,
            then: AfterCommit::Release,
            payload: Bytes::from_static(b"payload"),
            entries: Vec::new(),
            takes_back: false,
            own: Incarnation::fresh(),
            handover: Bytes::new(),
        })
    }
    vec![
        method!("reserve", |redis| redis.reserve(&conversation(), &token(), 1)),
        method!("commit", |redis| redis.commit(commit())),
        method!("abandon", |redis| redis.abandon(&conversation(), &token())),
        method!("listen", |redis| redis
            .listen(&Incarnation::fresh(), mpsc::channel(1).0)),
        method!("keep_alive", |redis| redis.keep_alive(&Incarnation::fresh())),
        method!("retire", |redis| redis.retire(&Incarnation::fresh())),
        method!("alive", |redis| redis
            .alive(&[Incarnation::fresh(), Incarnation::fresh()])),
        method!("publish", |redis| redis
            .publish(&[Incarnation::fresh()], Bytes::from_static(b"payload"))),
        method!("routes", |redis| redis
            .routes(&(0..1000).map(|_| conversation()).collect::<Vec<_>>())),
        method!("join_routes", |redis| redis.join_routes(
            &(0..1000).map(|_| conversation()).collect::<Vec<_>>(),
            &Incarnation::fresh()
        )),
        method!("leave_route", |redis| redis
            .leave_route(&conversation(), &[Incarnation::fresh()])),
        method!("ping", |redis| redis.ping()),
        method!("connect", |redis| SessionMap::connect(
            &redis,
            &user(),
            &session(),
            Some(1),
            &[]
        )),
        method!("disconnect", |redis| redis.disconnect(&user(), &session())),
        method!("sessions", |redis| redis.sessions(&[user(), user()])),
        method!("enter", |redis| redis.enter(&Incarnation::fresh(), &[user()])),
        method!("leave", |redis| redis.leave(&Incarnation::fresh(), &[user()])),
        method!("nodes", |redis| redis.nodes()),
        method!("users_of", |redis| redis.users_of(&Incarnation::fresh(), 1)),
        method!("forget", |redis| redis.forget(&Incarnation::fresh())),
        method!("set_away", |redis| redis.set_away(
            &user(),
            &ConnectionId::fresh(),
            true
        )),
        method!("away", |redis| redis.away(&[user()])),
        method!("announce_to_nodes", |redis| redis
            .announce_to_nodes(Bytes::new(), &Incarnation::fresh())),
        method!("enqueue", |redis| redis.enqueue(
            &conversation(),
            1,
            &[user(), user()]
        )),
        method!("pending", |redis| redis.pending(&user())),
        method!("delivered", |redis| redis.delivered(
            &user(),
            &conversation(),
            1,
            2
        )),
        method!("put_code", |redis| Codes::put(
            &redis,
            "subject",
            &[0; 32],
            Duration::from_secs(1)
        )),
        method!("put_events", |redis| EventQueue::put(
            &redis,
            "sink",
            &(0..1000).map(|_| conversation()).collect::<Vec<_>>()
        )),
        method!("take_events", |redis| EventQueue::take(
            &redis,
            "sink",
            &token(),
            10,
            Duration::from_secs(1)
        )),
        method!("give_back_events", |redis| EventQueue::give_back(
            &redis,
            "sink",
            &token(),
            &[(conversation(), None)]
        )),
        method!("attempt", |redis| redis.attempt("subject", 5)),
        method!("consume", |redis| redis.consume("subject", &[0; 32])),
        method!("spend", |redis| redis.spend("subject", Quota::per_hour(1_000))),
        method!("take", |redis| RateLimiter::take(
            &redis,
            &user(),
            1,
            RateLimit {
                per_second: 20,
                burst: 100
            }
        )),
    ]
}

/// With the time limits of a node in service.
async fn start(deployment: &Deployment) -> Node {
    Node::start_with(RedisSettings::new(deployment.url())).await
}

/// Every method works.
pub(crate) async fn all_work(redis: &Redis) {
    for (name, method) in methods() {
        method(redis.clone())
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

/// Every method fails, within the bound.
async fn all_fail(redis: &Redis, bound: Duration) {
    let calls = methods().into_iter().map(async |(name, method)| {
        let began = Instant::now();
        let outcome = method(redis.clone()).await;
        assert!(outcome.is_err(), "{name} succeeded");
        assert!(began.elapsed() < bound, "{name} took {:?}", began.elapsed());
    });
    futures::future::join_all(calls).await;
}

/// Every method works again, after a while; then the node hears itself.
async fn recovers(node: &mut Node) {
    let mut failed = Vec::new();
    let all_work = timeout(Duration::from_secs(30), async {
        loop {
            let calls = methods().into_iter().filter(|(name, _)| *name != "listen");
            let calls = calls.map(async |(name, method)| (name, method(node.redis.clone()).await));
            failed = futures::future::join_all(calls).await;
            failed.retain(|(_, outcome)| outcome.is_err());
            if failed.is_empty() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    if all_work.await.is_err() {
        panic!("not within 30 s: every method works; at last {failed:?}");
    }
    eventually("the node hears itself", async || {
        let sent = Bytes::from(Incarnation::fresh().to_string());
        let _ = node
            .redis
            .publish(std::slice::from_ref(&node.incarnation), sent.clone())
            .await;
        let deadline = Instant::now() + Duration::from_millis(300);
        while let Ok(Some(event)) = tokio::time::timeout_at(deadline, node.events.recv()).await {
            if event == BusEvent::Message(sent.clone()) {
                return true;
            }
        }
        false
    })
    .await;
}

async fn a_flush_is_seen(deployment: Deployment) {
    let (mut node, id) = (start(&deployment).await, conversation());
    node.redis.reserve(&id, &node.token(1), 1).await.unwrap();
    deployment.cli_everywhere(&["FLUSHALL"]);
    assert!(!node.redis.keep_alive(&node.incarnation).await.unwrap());
    let granted = node.redis.reserve(&id, &node.token(2), 1).await.unwrap();
    assert_eq!(
        granted,
        Reservation::Granted {
            counter: None,
            head: None
        }
    );
    node.echo("subscriptions outlive a flush").await;
}

async fn a_killed_subscription_is_noticed(deployment: Deployment) {
    let mut node = start(&deployment).await;
    for _ in 0..5 {
        node.echo("before").await;
        // Only there: it comes back on another server, perhaps before that one's turn.
        let server = deployment.servers.iter().find(|server| hears_at(server)).unwrap();
        server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        // A machine that stalls is told as something else beside.
        while node.missed().await != "resubscribed" {}
        // In force by now: the first message after the notice is heard.
        node.echo("after").await;
    }
}

/// Whether someone hears through this server.
fn hears_at(server: &Server) -> bool {
    server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).contains("cmd=")
}

async fn killed_command_connections_are_noticed(deployment: Deployment) {
    let mut node = start(&deployment).await;
    for _ in 0..3 {
        deployment.cli_everywhere(&["CLIENT", "KILL", "TYPE", "normal"]);
        assert!(["reconnected", "recovered"].contains(&node.missed().await));
        recovers(&mut node).await;
    }
}

async fn a_restart_is_survived(mut deployment: Deployment) {
    let mut node = start(&deployment).await;
    for _ in 0..2 {
        for server in &mut deployment.servers {
            server.kill();
        }
        all_fail(&node.redis, BOUND).await;
        eventually("methods fail at once", async || {
            let began = Instant::now();
            node.redis.ping().await.unwrap_err();
            began.elapsed() < Duration::from_millis(20)
        })
        .await;
        // Long enough for the pauses between attempts to have grown.
        sleep(Duration::from_secs(3)).await;
        all_fail(&node.redis, BOUND).await;

        for server in &mut deployment.servers {
            server.run().await;
        }
        let restarted = Instant::now();
        // Several reasons may come as one.
        assert!(["reconnected", "recovered", "resubscribed"].contains(&node.missed().await));
        recovers(&mut node).await;
        assert!(restarted.elapsed() < RECOVERY, "{:?}", restarted.elapsed());
    }
}

async fn a_short_stop_is_survived(deployment: Deployment) {
    let mut node = start(&deployment).await;
    for server in &deployment.servers {
        server.signal(Signal::SIGSTOP);
    }
    let began = Instant::now();
    all_fail(&node.redis, BOUND).await;
    for server in &deployment.servers {
        server.signal(Signal::SIGCONT);
    }
    node.missed().await;
    recovers(&mut node).await;
    assert!(began.elapsed() < RECOVERY_AND_STOP, "{:?}", began.elapsed());
}

/// Callers who try again and again must neither keep a dead connection alive nor wait each time.
async fn a_long_stop_under_traffic_is_survived(deployment: Deployment) {
    let mut node = start(&deployment).await;
    for server in &deployment.servers {
        server.signal(Signal::SIGSTOP);
    }
    let began = Instant::now();
    let (mut tries, mut quick) = (0, 0);
    while began.elapsed() < Duration::from_secs(8) {
        let (id, token) = (conversation(), node.token(1));
        let try_began = Instant::now();
        node.redis.reserve(&id, &token, 1).await.unwrap_err();
        assert!(try_began.elapsed() < BOUND);
        tries += 1;
        quick += u32::from(try_began.elapsed() < Duration::from_millis(50));
        sleep(Duration::from_millis(10)).await;
    }
    assert!(
        quick > 100 && tries - quick < 12,
        "{tries} tries, {quick} of them refused at once"
    );
    all_fail(&node.redis, BOUND).await;
    for server in &deployment.servers {
        server.signal(Signal::SIGCONT);
    }
    let continued = Instant::now();
    node.missed().await;
    recovers(&mut node).await;
    assert!(
        continued.elapsed() < RECOVERY_AND_STOP,
        "{:?}",
        continued.elapsed()
    );
}

/// fred counts what waits to be written, and does not count back what it drops; it writes nothing out as long as something
/// seems to wait.
async fn a_connection_given_up_in_the_middle_of_writing_leaves_nothing_behind(deployment: Deployment) {
    let mut node = start(&deployment).await;
    for server in &deployment.servers {
        server.signal(Signal::SIGSTOP);
    }
    // More than the kernel takes: the rest waits behind it.
    let payload = Bytes::from(vec![0; 1 << 20]);
    let flood = (0..200).map(async |_| node.redis.publish(&[Incarnation::fresh()], payload.clone()).await);
    let flooded = futures::future::join_all(flood).await;
    assert!(flooded.iter().all(Result::is_err));
    sleep(GIVEN_UP).await;
    for server in &deployment.servers {
        server.signal(Signal::SIGCONT);
    }
    recovers(&mut node).await;
    // Each is the only one under way, and none of a kind that is written out whatever waits.
    for _ in 0..20 {
        node.redis.alive(&[Incarnation::fresh()]).await.unwrap();
    }
}

async fn a_shutdown_is_quick_and_final(deployment: Deployment) {
    let clients = || -> usize {
        let count = |server: &Server| {
            server.cli(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count() - 1
                + server
                    .cli(&["CLIENT", "LIST", "TYPE", "pubsub"])
                    .lines()
                    .filter(|line| !line.is_empty())
                    .count()
        };
        deployment.servers.iter().map(count).sum()
    };
    let before = clients();
    let mut node = start(&deployment).await;
    assert!(clients() > before);
    let began = Instant::now();
    node.redis.shutdown().await;
    assert!(began.elapsed() < QUICK, "{:?}", began.elapsed());
    all_fail(&node.redis, BOUND).await;
    assert!(node.events.recv().await.is_none());
    eventually("the connections are closed", async || clients() == before).await;
    node.redis.shutdown().await;

    let dropped = start(&deployment).await;
    drop(dropped);
    eventually("the last clone closes the connections", async || {
        clients() == before
    })
    .await;

    let stuck = start(&deployment).await;
    for server in &deployment.servers {
        server.signal(Signal::SIGSTOP);
    }
    let began = Instant::now();
    let _ = stuck.redis.ping().await;
    stuck.redis.shutdown().await;
    assert!(began.elapsed() < 2 * BOUND, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_of_the_cluster_is_survived() {
    let mut deployment = Deployment::cluster(true).await;
    // Several, so that some hear through the server that dies.
    let mut nodes = Vec::new();
    for _ in 0..6 {
        nodes.push(start(&deployment).await);
    }
    eventually("each master has a subscriber", async || {
        if deployment.servers[..3].iter().all(hears_at) {
            return true;
        }
        nodes.push(start(&deployment).await);
        false
    })
    .await;

    deployment.servers[0].kill();
    let killed = Instant::now();
    for node in &mut nodes {
        node.missed().await;
        recovers(node).await;
    }
    assert!(killed.elapsed() < FAILOVER, "{:?}", killed.elapsed());

    // As a replica now.
    deployment.servers[0].run().await;
    eventually("the old master has come back", async || {
        deployment.servers[0]
            .cli(&["INFO", "replication"])
            .contains("master_link_status:up")
    })
    .await;
    for node in &mut nodes {
        recovers(node).await;
    }
}

/// A master that hangs, rather than dies, answers nothing and breaks no connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_from_a_hanging_master_is_survived() {
    let deployment = Deployment::cluster(true).await;
    // So that the others do not even refuse anything meanwhile.
    deployment.cli_everywhere(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    let mut node = start(&deployment).await;
    deployment.servers[0].signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    // Traffic for all masters, all the time.
    let traffic = tokio::spawn({
        let redis = node.redis.clone();
        async move {
            loop {
                let token = starling_core::ports::LeaseToken {
                    incarnation: Incarnation::fresh(),
                    claim: 1,
                };
                let redis = redis.clone();
                tokio::spawn(async move { redis.reserve(&conversation(), &token, 1).await });
                sleep(Duration::from_millis(5)).await;
            }
        }
    });
    recovers(&mut node).await;
    let mut in_a_row = 0;
    while in_a_row < 200 {
        let outcome = node.redis.reserve(&conversation(), &node.token(1), 1).await;
        in_a_row = if outcome.is_ok() { in_a_row + 1 } else { 0 };
        assert!(
            stopped.elapsed() < Duration::from_secs(30),
            "{:?}",
            stopped.elapsed()
        );
    }
    traffic.abort();
    deployment.servers[0].signal(Signal::SIGCONT);
    recovers(&mut node).await;
}

/// It answers, but hears nothing that is published elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fell_out_of_its_cluster_is_left() {
    let deployment = Deployment::cluster(false).await;
    let mut node = start(&deployment).await;
    let out = deployment.servers.iter().position(hears_at).unwrap();
    let slots = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]][out];
    deployment.servers[out].cli(&["CLUSTER", "DELSLOTSRANGE", slots[0], slots[1]]);
    while node.missed().await != "resubscribed" {}
    assert!(!hears_at(&deployment.servers[out]));
    let channel = format!("node:{{{}}}", node.incarnation);
    deployment.servers[(out + 1) % 3].cli(&["PUBLISH", &channel, "hello"]);
    assert_eq!(node.payload().await, "hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_slot_is_followed() {
    let deployment = Deployment::cluster(false).await;
    let (node, id) = (start(&deployment).await, conversation());
    node.redis.reserve(&id, &node.token(1), 1).await.unwrap();
    let slot = deployment.cli(&["CLUSTER", "KEYSLOT", &format!("seq:{{{id}}}")]);
    let owner = deployment.servers.iter().position(|server| {
        server.cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) == "2"
            && server
                .try_cli(&["GET", &format!("lock:conversation:{{{id}}}")])
                .is_some()
    });
    let (from, to) = (owner.unwrap(), (owner.unwrap() + 1) % 3);
    let node_id = |server: &Server| server.cli(&["CLUSTER", "MYID"]);
    let (from, to) = (&deployment.servers[from], &deployment.servers[to]);
    let (from_id, to_id, to_port) = (node_id(from), node_id(to), to.port.to_string());

    to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &to_port, "", "0", "1000", "KEYS"];
    migrate.extend(keys.lines());
    from.cli(&migrate);
    // All keys have moved and the slot has not: the conversation does without Redis meanwhile, others do not.
    let began = Instant::now();
    for _ in 0..20 {
        node.redis.reserve(&id, &node.token(1), 1).await.unwrap_err();
        node.redis
            .reserve(&conversation(), &node.token(1), 1)
            .await
            .unwrap();
    }
    assert!(began.elapsed() < QUICK, "{:?}", began.elapsed());
    for server in [to, from] {
        server.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    // Now with MOVED.
    let granted = node.redis.reserve(&id, &node.token(1), 1).await.unwrap();
    assert_eq!(
        granted,
        Reservation::Granted {
            counter: Some(1),
            head: None
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_fails_within_a_bounded_time() {
    let nobody = free_port();
    let silent = Server::start(&[]).await;
    silent.signal(Signal::SIGSTOP);
    for url in [
        format!("redis://127.0.0.1:{nobody}"),
        format!("redis-cluster://127.0.0.1:{nobody}"),
        format!("redis://127.0.0.1:{}", silent.port),
        format!("redis-cluster://127.0.0.1:{}", silent.port),
        "redis://no-such-host.invalid".to_owned(),
        "http://127.0.0.1".to_owned(),
        "redis-sentinel://127.0.0.1".to_owned(),
        "nonsense".to_owned(),
    ] {
        let began = Instant::now();
        let outcome = Redis::connect(RedisSettings::new(url.clone())).await;
        assert!(outcome.is_err(), "{url}");
        assert!(began.elapsed() < RECOVERY, "{url}: {:?}", began.elapsed());
    }
}

/// What was asked for while Redis was away is not done when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_commands_are_not_done_later() {
    let mut deployment = Deployment::standalone().await;
    let redis = connect_with(RedisSettings::new(deployment.url())).await;
    deployment.servers[0].kill();
    eventually("it is noticed", async || redis.ping().await.is_err()).await;
    let ids: Vec<_> = (0..50).map(|_| conversation()).collect();
    for id in &ids {
        redis
            .join_routes(std::slice::from_ref(id), &Incarnation::fresh())
            .await
            .unwrap_err();
    }
    deployment.servers[0].run().await;
    eventually("it works again", async || redis.ping().await.is_ok()).await;
    assert_eq!(deployment.cli(&["DBSIZE"]), "0");
}
