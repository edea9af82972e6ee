//! The contract of the bus.

use super::*;

async fn publish(from: &Listener, to: &Listener, payload: &'static str) {
    from.node
        .publish(std::slice::from_ref(&to.incarnation), payload.into())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn payloads_arrive_in_order_at_the_nodes_named() {
    let coordination = MemoryCoordination::new();
    let mut a = listening(&coordination, 8).await;
    let mut b = listening(&coordination, 8).await;
    for payload in ["1", "2", "3"] {
        publish(&a, &b, payload).await;
    }
    a.node
        .publish(&[a.incarnation.clone(), Incarnation::fresh()], "own".into())
        .await
        .unwrap();
    assert_eq!(b.heard().await, ["1", "2", "3"]);
    assert_eq!(a.heard().await, ["own"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_drops_and_then_tells() {
    let coordination = MemoryCoordination::new();
    let a = listening(&coordination, 1).await;
    let mut b = listening(&coordination, 2).await;
    for payload in ["1", "2", "lost", "lost", "lost"] {
        publish(&a, &b, payload).await;
    }
    assert_eq!(b.heard().await, ["1", "2", "missed: the channel was full"]);
    publish(&a, &b, "3").await;
    assert_eq!(b.heard().await, ["3"], "it goes on afterwards");
}

#[tokio::test(start_paused = true)]
async fn a_new_incarnation_leaves_the_old_channel() {
    let coordination = MemoryCoordination::new();
    let a = listening(&coordination, 8).await;
    let mut b = listening(&coordination, 8).await;
    let (into, events) = mpsc::channel(8);
    let fresh = Incarnation::fresh();
    b.node.listen(&fresh, into).await.unwrap();
    publish(&a, &b, "to the old one").await;
    a.node
        .publish(std::slice::from_ref(&fresh), "to the new one".into())
        .await
        .unwrap();
    assert_eq!(b.node.listening(), Some(fresh));
    assert!(b.heard().await.is_empty());
    b.events = events;
    assert_eq!(b.heard().await, ["to the new one"]);
}

#[tokio::test(start_paused = true)]
async fn liveness_lapses_unless_renewed_and_cannot_be_brought_back() {
    let coordination = MemoryCoordination::new();
    let a = listening(&coordination, 8).await;
    let other = Incarnation::fresh();
    let both = [other, a.incarnation.clone()];
    tokio::time::advance(ms(9_999)).await;
    assert!(a.node.keep_alive(&a.incarnation).await.unwrap());
    tokio::time::advance(ms(9_999)).await;
    assert_eq!(a.node.alive(&both).await.unwrap(), [false, true]);
    tokio::time::advance(ms(1)).await;
    assert_eq!(a.node.alive(&both).await.unwrap(), [false, false]);
    assert!(!a.node.keep_alive(&a.incarnation).await.unwrap());
    assert!(coordination.living().is_empty());
}

#[tokio::test(start_paused = true)]
async fn retiring_ends_liveness() {
    let coordination = MemoryCoordination::new();
    let a = listening(&coordination, 8).await;
    assert_eq!(coordination.living(), std::slice::from_ref(&a.incarnation));
    a.node.retire(&a.incarnation).await.unwrap();
    assert!(coordination.living().is_empty());
}

#[tokio::test(start_paused = true)]
async fn routes_are_joined_and_left() {
    let coordination = MemoryCoordination::new();
    let node = coordination.node();
    let [x, y] = [Incarnation::from_wire("x"), Incarnation::from_wire("y")];
    let both = [conversation("a"), conversation("b")];
    node.join_routes(&both, &x).await.unwrap();
    node.join_routes(&both[..1], &y).await.unwrap();
    node.join_routes(&both, &x).await.unwrap();
    node.leave_route(&both[1], &[x.clone(), y.clone()]).await.unwrap();
    assert_eq!(coordination.route(&both[0]), [x, y]);
    assert!(coordination.route(&both[1]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_gone_hears_nothing() {
    let coordination = MemoryCoordination::new();
    let a = listening(&coordination, 8).await;
    let Listener {
        node,
        incarnation,
        mut events,
    } = listening(&coordination, 8).await;
    drop(node);
    a.node.publish(&[incarnation], "too late".into()).await.unwrap();
    assert_eq!(events.recv().await, None);
}
