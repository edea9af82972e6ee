//! What becomes of the keys of codes.

use std::time::Duration;

use starling_core::ports::{Codes, Incarnation};
use tokio::time::sleep;

use crate::server::Deployment;
use crate::support::{connect, on_both};

on_both! {
    a_try_leaves_nothing_behind,
}

async fn a_try_leaves_nothing_behind(deployment: &Deployment) {
    let (redis, subject) = (
        connect(deployment).await,
        format!("code:{}", Incarnation::fresh()),
    );
    redis
        .put(&subject, &[7; 32], Duration::from_millis(50))
        .await
        .unwrap();
    sleep(Duration::from_millis(80)).await;
    assert_eq!(redis.attempt(&subject, 5).await.unwrap(), None);
    let key = format!("code:{{{subject}}}");
    assert_eq!(deployment.cli(&["EXISTS", &key]), "0");
}
