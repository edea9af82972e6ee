//! How the queue of events is kept.

use std::time::Duration;

use starling_core::ports::{EventQueue, Incarnation, LeaseToken};

use crate::server::Deployment;
use crate::support::{connect_with, conversation, on_both, patient_settings};

on_both! {
    the_queue_is_bounded_and_expires,
}

async fn the_queue_is_bounded_and_expires(deployment: &Deployment) {
    let mut settings = patient_settings(deployment);
    settings.events_max_conversations = 700;
    let redis = connect_with(settings).await;
    let sink: &'static str = format!("s{}", Incarnation::fresh()).leak();
    let claim = LeaseToken {
        incarnation: Incarnation::from_wire("node"),
        claim: 1,
    };
    let many: Vec<_> = (0..1_200).map(|_| conversation()).collect();
    redis.put(sink, &many).await.unwrap();
    let taken = redis
        .take(sink, &claim, 5_000, Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!((taken.conversations.len(), taken.waiting), (500, 700));
    for key in ["events", "taken"] {
        let ttl = deployment.cli(&["TTL", &format!("{key}:{{{sink}}}")]);
        let ttl: u64 = ttl.parse().unwrap();
        assert!((604_700..=604_800).contains(&ttl), "{key}: {ttl}");
    }
}
